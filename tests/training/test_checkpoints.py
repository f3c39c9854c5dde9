"""Checkpoints: an interrupted training ends as if it had not been interrupted, and goes on from its own state alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_models import DEEP, FIELD, short, with_noise

import scorematching as sm

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


@pytest.mark.parametrize("model", [FIELD, DEEP], ids=["field", "deep"])
def test_an_interrupted_training_ends_as_if_it_had_not_been(
    noisy: np.ndarray, model: sm.FieldConfig | sm.DeepConfig, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"noise": 25, "model": model, "training": short(30, crop=24)}
    checkpoint, files = tmp_path / "training", []
    for stopping in (False, True):
        if stopping:
            interrupted([noisy], checkpoint, at=15, **options)
        result = sm.fit([noisy], checkpoint=checkpoint if stopping else None, **options)
        sm.save_prior(result.prior, tmp_path / "prior")
        files.append(((tmp_path / "prior").read_bytes(), result.history))
    assert files[0] == files[1]


def images_of(seed: int) -> list[np.ndarray]:
    gray = np.full((60, 64), 0.5)
    return [with_noise(gray, 0.1, seed=10 * seed + k).clip(0, 1) for k in range(2)]


SAME: dict[str, Any] = {"noise": 0.1, "model": FIELD, "training": short(20), "data_range": 1.0}


@pytest.mark.parametrize(
    "changes",
    [
        {"training": short(21)},
        {"training": short(20, seed=1)},
        {"training": short(20, rate=0.02)},
        {"noise": 0.11},
        {"model": sm.FieldConfig(filters=7, size=3)},
        {"noise": 0.2, "data_range": 2.0},  # the same noise as a fraction of white
    ],
    ids=["steps", "seed", "rate", "noise", "model", "white"],
)
def test_a_checkpoint_of_another_training_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    interrupted(images_of(0), tmp_path / "t", **SAME)
    before = (tmp_path / "t").read_bytes()
    with pytest.raises(ValueError, match="not the checkpoint of this training"):
        sm.fit(images_of(0), checkpoint=tmp_path / "t", **SAME | changes)
    assert (tmp_path / "t").read_bytes() == before


def test_a_checkpoint_of_other_held_out_images_is_refused(tmp_path: Path) -> None:
    """The first image is held out, and has nothing but its pixels to be known by."""
    images, others = images_of(0), images_of(1)
    interrupted(images, tmp_path / "t", **SAME)
    with pytest.raises(ValueError, match="not the checkpoint of this training"):
        sm.fit([others[0], images[1]], checkpoint=tmp_path / "t", **SAME)
    assert sm.fit(images, checkpoint=tmp_path / "t", **SAME).history
