"""Logs of trainings: one row per evaluation, without duplicates after an interruption."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from small_models import FIELD, short

import scorematching as sm
from scorematching.training.log import JsonLog


def rows(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_log_has_the_history_with_rates_and_seconds(noisy: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("of a training before\n")
    result = sm.fit([noisy], noise=25, model=FIELD, training=short(20), log=tmp_path / "log.jsonl")
    found = rows(tmp_path / "log.jsonl")
    assert [(row["step"], row["loss"], row["held_out"]) for row in found] == result.history
    assert max(row["rate"] for row in found) == pytest.approx(0.01, rel=0.05)
    assert [row["seconds"] for row in found] == sorted(row["seconds"] for row in found)


@pytest.mark.usefixtures("_save_often")
def test_a_resumed_training_appends_without_duplicates(noisy: np.ndarray, tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def stop(state: sm.runtime.Progress) -> None:
        if state.step == 15:
            raise StoppedError

    given: dict[str, Any] = {"noise": 25, "model": FIELD, "training": short(40), "log": tmp_path / "log.jsonl"}
    with pytest.raises(StoppedError):
        sm.fit([noisy], progress=stop, checkpoint=tmp_path / "t", **given)
    with given["log"].open("a") as log:  # of steps after the last save
        log.write(json.dumps({"step": 16, "loss": 7, "held_out": 7, "rate": 7, "seconds": 7}) + "\n")
    result = sm.fit([noisy], checkpoint=tmp_path / "t", resume=True, **given)
    assert [(row["step"], row["loss"], row["held_out"]) for row in rows(given["log"])] == result.history


def test_rows_wait_for_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = JsonLog(tmp_path / "log.jsonl")
    log.start(0)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.warns(UserWarning, match=r"log\.jsonl can't be written \(No space left on device\)"):
            log.add(0, 1.0, 1.0, 0.1)
        log.add(5, 1.0, 1.0, 0.1)  # is not told again
    log.add(10, 1.0, 1.0, 0.1)
    assert [row["step"] for row in rows(tmp_path / "log.jsonl")] == [0, 5, 10]


def test_a_folder_is_for_tensorboard(noisy: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    added: list[tuple[str, float, int]] = []

    class Writer:
        def __init__(self, folder: str, purge_step: int) -> None:
            assert (folder, purge_step) == (f"{tmp_path}", 0)

        def add_scalar(self, name: str, value: float, step: int) -> None:
            added.append((name, value, step))

        def flush(self) -> None:
            pass

    monkeypatch.setattr("scorematching.training.log.required", lambda *_: SimpleNamespace(SummaryWriter=Writer))
    result = sm.fit([noisy], noise=25, model=FIELD, training=short(10), log=f"{tmp_path}/")
    assert [(step, value) for name, value, step in added if name == "held out"] == [
        (step, held_out) for step, _, held_out in result.history
    ]


def test_a_folder_without_tensorboard_names_the_package(noisy: np.ndarray, tmp_path: Path) -> None:
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        with pytest.raises(ValueError, match=r"this needs the package tensorboard: pip install 'scorematching\["):
            sm.fit([noisy], noise=25, model=FIELD, training=short(2), log=tmp_path)
