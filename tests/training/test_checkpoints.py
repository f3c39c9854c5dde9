"""Checkpoints: an interrupted training ends as if it had not been interrupted, and goes on from its own state alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_models import DEEP, FIELD, short, with_noise

import scorematching as sm
from scorematching.training.checkpoints import Checkpoint

pytestmark = pytest.mark.usefixtures("_save_often")


class StoppedError(Exception):
    """The training was interrupted."""


def interrupted(images: list[np.ndarray], checkpoint: Path, at: int = 5, **options: Any) -> None:
    """Train until a step, and leave a checkpoint."""

    def stop(state: sm.runtime.Progress) -> None:
        if state.step == at:
            raise StoppedError

    with pytest.raises(StoppedError):
        sm.fit(images, checkpoint=checkpoint, progress=stop, **options)
    assert checkpoint.exists()


@pytest.mark.parametrize(
    ("model", "options"),
    [(FIELD, {"average": 0.9}), (DEEP, {})],
    ids=["field, with averaged weights", "deep"],
)
def test_an_interrupted_training_ends_as_if_it_had_not_been(
    noisy: np.ndarray, model: sm.FieldConfig | sm.DeepConfig, options: dict[str, Any], tmp_path: Path
) -> None:
    given: dict[str, Any] = {"noise": 25, "model": model, "training": short(30, crop=24, **options)}
    checkpoint, files = tmp_path / "training", []
    for stopping in (False, True):
        if stopping:
            interrupted([noisy], checkpoint, at=15, **given)
        result = sm.fit([noisy], checkpoint=checkpoint if stopping else None, resume=stopping, **given)
        sm.save_prior(result.prior, tmp_path / "prior")
        files.append(((tmp_path / "prior").read_bytes(), result.history))
    assert files[0] == files[1]


def images_of(seed: int) -> list[np.ndarray]:
    gray = np.full((60, 64), 0.5)
    return [with_noise(gray, 0.1, seed=10 * seed + k).clip(0, 1) for k in range(2)]


SAME: dict[str, Any] = {"noise": 0.1, "model": FIELD, "training": short(20), "data_range": 1.0}


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """The checkpoint of an interrupted training."""
    interrupted(images_of(0), tmp_path / "t", **SAME)
    return tmp_path / "t"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"training": short(21)}, "steps 20 -> 21"),
        ({"training": short(20, seed=1)}, "seed 0 -> 1"),
        ({"training": short(20, rate=0.02)}, "rate 0.01 -> 0.02"),
        ({"training": short(20, patience=3)}, "patience none -> 3"),
        ({"noise": 0.11}, "noise sigma 0.1 -> 0.11"),
        ({"model": sm.FieldConfig(filters=7, size=3)}, "filters 8 -> 7"),
        ({"noise": 0.2, "data_range": 2.0}, "white of image array 1 1 -> 2"),  # the same noise as a fraction of white
    ],
)
def test_a_checkpoint_of_another_training_is_refused_and_says_what_differs(
    changes: dict[str, Any], named: str, left: Path
) -> None:
    before = left.read_bytes()
    with pytest.raises(
        ValueError, match=f"not the checkpoint of this training .*{named}.*repeat the training as it was"
    ):
        sm.fit(images_of(0), checkpoint=left, resume=True, **SAME | changes)
    assert left.read_bytes() == before


def test_a_checkpoint_of_other_images_is_refused_and_names_them(left: Path) -> None:
    """The first image is held out, and has nothing but its pixels to be known by."""
    images, others = images_of(0), images_of(1)
    for wrong, named in (
        ([others[0], images[1]], "other pixels in the held-out images"),
        ([images[0], others[1]], "pixels of image array 1 differ"),
        ([*images, others[0]], "image array 2 is new"),
    ):
        with pytest.raises(ValueError, match=named):
            sm.fit(wrong, checkpoint=left, resume=True, **SAME)
    assert sm.fit(images, checkpoint=left, resume=True, **SAME).history


def test_another_version_and_another_number_of_threads_are_named(left: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: 77)
    monkeypatch.setattr("scorematching.training.fitting.__version__", "9.9")
    with pytest.raises(ValueError, match=r"version .* -> 9\.9, threads [0-9]+ -> 77"):
        sm.fit(images_of(0), checkpoint=left, resume=True, **SAME)


def test_a_checkpoint_is_not_overwritten_without_resume(left: Path) -> None:
    before = left.read_bytes()
    with pytest.raises(ValueError, match=r"t is left from an interrupted training: pass --resume \(resume=True\)"):
        sm.fit(images_of(0), checkpoint=left, **SAME)
    assert left.read_bytes() == before
    with pytest.raises(ValueError, match="resume needs the checkpoint"):
        sm.fit(images_of(0), resume=True, **SAME)


def test_a_damaged_checkpoint_is_refused(left: Path) -> None:
    data = bytearray(left.read_bytes())
    data[-3] ^= 4
    left.write_bytes(data)
    with pytest.raises(ValueError, match=r"t is damaged: .* checksum that it states: delete it and start again"):
        sm.fit(images_of(0), checkpoint=left, resume=True, **SAME)


def test_two_trainings_do_not_write_one_checkpoint(tmp_path: Path) -> None:
    with (
        Checkpoint(tmp_path / "t", resume=False),
        pytest.raises(ValueError, match="t is in use: another run writes it"),
    ):
        sm.fit(images_of(0), checkpoint=tmp_path / "t", **SAME)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_once_and_does_not_end_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("t can't be written: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("scorematching.training.checkpoints.write_tensors", full)
        with pytest.warns(
            UserWarning, match="t can't be written: No space left on device: the training goes on"
        ) as told:
            result = sm.fit(images_of(0), checkpoint=tmp_path / "t", **SAME)
    assert len(told) == 1
    assert result.history == sm.fit(images_of(0), checkpoint=tmp_path / "t", **SAME).history
    assert [path.name for path in tmp_path.iterdir()] == ["t"]
