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


@pytest.mark.parametrize("damage", [b"\r\n", b"[1]\n", b"\xff", b"[" * 10**5 + b"\n", b'00000000 ["z", 4]\n'])
def test_a_damaged_line_of_a_journal_and_what_follows_is_done_again(damage: bytes, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path, {"a": 1}) as journal:
        journal.add("x", 1)
    whole = path.read_bytes()
    path.write_bytes(whole + damage + whole.splitlines(keepends=True)[1])
    with Journal(path, {"a": 1}, resume=True) as journal:
        assert journal.done == {"x": 1}
        journal.add("y", [2.5])
    with Journal(path, {"a": 1}, resume=True) as journal:
        assert journal.done == {"x": 1, "y": [2.5]}


def test_a_bit_that_flips_in_a_journal_is_never_taken(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path, {"a": 1}) as journal:
        for number in range(3):
            journal.add(f"tile {number}", {"sigma": 20.5})
    good = path.read_bytes()
    for place in range(len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1 << place % 8]) + good[place + 1 :])
        with Journal(path, {"a": 1}, resume=True) as journal:
            assert journal.done == {f"tile {n}": {"sigma": 20.5} for n in range(len(journal.done))}
            assert len(journal.done) < 3
