"""Parts of a job in several processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from scorematching.runtime.journal import Journal
from scorematching.runtime.workers import Workers


def _dying(folder: str, part: int) -> int:
    """Kill the process in the first two calls, then square the part; refuse 3."""
    for number in range(2):
        try:
            (Path(folder) / str(number)).touch(exist_ok=False)
        except FileExistsError:
            continue
        os.kill(os.getpid(), signal.SIGKILL)
    if part == 3:
        raise ValueError("three")
    return part**2


def test_parts_are_done_although_all_processes_are_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    found: dict[int, Any] = {}
    with Workers(2) as workers:
        workers.run(_dying, str(tmp_path), [1, 2, 3, 4], lambda number, result: found.update({number: result}))
    assert [found[k] for k in (0, 1, 3)] == [1, 4, 16]
    assert isinstance(found[2], ValueError)


def test_an_error_of_a_part_does_not_end_the_others(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / str(number)).touch()
    found: list[Any] = []
    with Workers() as workers:
        workers.run(_dying, str(tmp_path), [3, 5], lambda _, result: found.append(result))
    assert (str(found[0]), found[1]) == ("three", 25)


def test_a_scheduler_that_is_not_there_is_named() -> None:
    with (
        pytest.raises(OSError, match=r"there is no dask scheduler at tcp://127\.0\.0\.1:9"),
        Workers(1, "tcp://127.0.0.1:9"),
    ):
        pass


def test_damaged_lines_of_a_journal_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b'{"a": 1}\n5\n["x", 1]\n[["y"], 1]\n\xff\n' + b"[" * 10**5 + b'\n["z", null]\n')
    with Journal(path, {"a": 1}, resume=True) as journal:
        assert journal.done == {"x": 1, "z": None}
