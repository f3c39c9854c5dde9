"""The training loop: whose checkpoints it goes on from, and which crops it draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scorematching as sm
from scorematching.priors.kinds import build_prior
from scorematching.training.crops import Crops, CropStream
from scorematching.training.data import open_images
from scorematching.training.trainer import Trainer

OPTIONS: dict[str, Any] = {"sigma": 0.1, "noisy": True, "steps": 20, "size": 3, "filters": 8, "crop": 16, "batch": 4}


def interrupted(images: list[np.ndarray], checkpoint: Path, **options: Any) -> None:
    """A training that leaves a checkpoint."""

    def stop(state: sm.training.Progress) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scorematching.training.trainer.SECONDS_BETWEEN_SAVES", 0.0)
        with pytest.raises(KeyboardInterrupt):
            sm.fit(images, checkpoint=checkpoint, progress=stop, **OPTIONS | options)


def images_of(seed: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.normal(0.5, 0.1, (60, 64)).clip(0, 1).astype(np.float32) for _ in range(2)]


def test_a_checkpoint_of_another_white_is_refused(tmp_path: Path) -> None:
    """The noise, as a share of white, is the same."""
    interrupted(images_of(0), tmp_path / "t", data_range=1.0)
    with pytest.raises(ValueError, match="not the checkpoint of this training"):
        sm.fit(images_of(0), checkpoint=tmp_path / "t", **OPTIONS | {"data_range": 2.0, "sigma": 0.2})


def test_a_checkpoint_of_other_held_out_images_is_refused(tmp_path: Path) -> None:
    """The first image is held out, and has nothing but its pixels to be known by."""
    images, others = images_of(0), images_of(1)
    interrupted(images, tmp_path / "t")
    with pytest.raises(ValueError, match="not the checkpoint of this training"):
        sm.fit([others[0], images[1]], checkpoint=tmp_path / "t", **OPTIONS)
    assert sm.fit(images, checkpoint=tmp_path / "t", **OPTIONS).history


def test_crops_are_drawn_where_something_is_estimated_from_them(info: sm.priors.PriorInfo) -> None:
    class Counted(CropStream):
        drawn = 0

        def __getitem__(self, number: int) -> Crops:
            self.drawn += 1
            return super().__getitem__(number)

    drawn = {}
    for model in ("foe", "pot"):
        stream = Counted(open_images(images_of(0))[0], 16, 4, sigma=0.1)
        Trainer(build_prior(info.replace(model=model, steps=5)), stream, stream[0], rate=0.01)
        drawn[model] = stream.drawn - 1
    assert drawn == {"foe": 0, "pot": 32}
