"""What can't be fitted is refused: options before an image is read, images before the first step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reached import ReachedError, forbid
from small_models import DEEP, FIELD, short

import scorematching as sm

DEEP_BLIND = {"model": DEEP, "training": short(2, blind=True)}
DEEP_WIDE = {"model": DEEP, "training": short(2, max_sigma=50.0)}
LOW_LIGHT = sm.PoissonGaussianNoise(2.0)


@pytest.fixture
def _no_image_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    forbid(monkeypatch, "training.fitting.open_images")


@pytest.mark.usefixtures("_no_image_is_read")
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"training": short(2, max_sigma=50.0)}, ValueError, "max_sigma is for deep priors: pass model=DeepConfig"),
        ({"training": short(2, blind=True)}, ValueError, "blind is for deep priors: pass model=DeepConfig"),
        ({"noisy": False, **DEEP_WIDE}, ValueError, "max_sigma needs the lowest noise level"),
        ({"noisy": False, **DEEP_BLIND}, ValueError, "blind needs the lowest noise level"),
        ({"noisy": False, "noise": 60.0, **DEEP_WIDE}, ValueError, r"max_sigma must be 60 .* or more, got 50"),
        ({"noise": LOW_LIGHT, **DEEP_WIDE}, ValueError, "max_sigma adds white noise .*, got gain 2"),
        ({"noise": [25.0, LOW_LIGHT], **DEEP_WIDE}, ValueError, "max_sigma adds white noise .*, got gain 2"),
        ({"noisy": False, "clean": []}, ValueError, "clean is for a comparison with noisy images"),
        ({"noisy": False, "noise": LOW_LIGHT}, ValueError, "only white noise is added to clean images, got gain 2"),
        ({"noisy": False, "noise": [1.0, 2.0]}, ValueError, "noise must be one number for clean images"),
        ({"noisy": False, "noise": np.array([1.0, 2.0])}, ValueError, "only noisy images have one each"),
        ({"noisy": False, "noise": 0.0}, ValueError, "noise must be a number above 0, got 0"),
        ({"noise": 0.0}, ValueError, "noise must be a number above 0, got 0"),
        ({"noise": -1.0}, ValueError, "noise must be a number above 0, got -1"),
        ({"noise": float("nan")}, ValueError, "noise must be a number above 0, got nan"),
        ({"noise": [25.0, -1.0]}, ValueError, "noise must be a number above 0, got -1"),
        ({"noise": "25"}, TypeError, "noise must be a number or a noise model .*, got str"),
        ({"noise": sm.priors.TrainedNoise(0.1)}, TypeError, "noise must be a number .*, got TrainedNoise"),
        ({"noisy": "yes"}, ValueError, "noisy must be True or False, got 'yes'"),
        ({"model": "deep"}, TypeError, "model must be a FieldConfig or a DeepConfig, got str"),
        ({"model": sm.DeepConfig}, TypeError, "model must be a FieldConfig or a DeepConfig, got type"),
        ({"training": {"steps": 2}}, TypeError, "training must be a TrainingConfig, got dict"),
        ({"checkpoint": "none/training"}, FileNotFoundError, "no such folder: none"),
    ],
)
def test_options_are_refused_before_an_image_is_read(
    photograph: np.ndarray, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        sm.fit([photograph], **options)


@pytest.mark.usefixtures("_no_image_is_read")
def test_images_are_read_where_nothing_is_wrong(photograph: np.ndarray) -> None:
    with pytest.raises(ReachedError):
        sm.fit([photograph], noise=25)


@pytest.mark.usefixtures("_no_work_begins")
@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        (lambda _: [], {}, FileNotFoundError, "no image is given"),
        (lambda p: [p, p.astype(np.uint16)], {}, ValueError, "255 in array 0, 65535 in array 1"),
        (lambda p: [p.astype(int)], {}, TypeError, "integers of 8, 16 or 32 bits or floating point, got int64"),
        (lambda p: [p[:5]], {"noise": 9}, ValueError, "5 rows is too small to train on: 12 or more"),
        (lambda p: [p], {"model": sm.FieldConfig(size=30)}, ValueError, "96 rows is too small to train on: 120"),
        (lambda p: [p], {"model": sm.DeepConfig(color=True)}, ValueError, "array 0 has 1 channel.*red, green and blue"),
        (lambda p: [np.zeros_like(p)], {}, ValueError, "array 0: the noise level was found to be 0"),
        (lambda p: [p], {"noise": sm.GaussianNoise(0)}, ValueError, "array 0: the noise level must be above 0, got 0"),
        (lambda p: [p], {"noise": 1e-9}, ValueError, "the noise level 1e-09 is .* times the value of white, 255"),
        (lambda p: [p], {"noise": [25, 25]}, ValueError, "one per image: got 2 for 1"),
        (lambda p: [p], {"noise": sm.PoissonGaussianNoise(2, 255)}, ValueError, "offset must be below white, 255"),
        (lambda p: [p], {"noise": 25, "clean": [np.zeros((5, 120))]}, ValueError, "must be the same images"),
        (lambda p: [p], {"noise": 20, "model": DEEP, "training": short(2, max_sigma=21.0)}, ValueError, "max_sigma"),
        (lambda p: [p], {"noise": 25, "data_range": -1.0}, ValueError, "must be a positive number, got -1"),
    ],
)
def test_images_are_refused_before_the_first_step(
    photograph: np.ndarray, change: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        sm.fit(change(photograph), **{"model": FIELD, **options})


@pytest.mark.usefixtures("_no_work_begins")
def test_a_checkpoint_that_is_none_is_refused_before_the_first_step(photograph: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "training").write_bytes(b"rubbish")
    with pytest.raises(ValueError, match="is not a safetensors file"):
        sm.fit([photograph], noise=25, checkpoint=tmp_path / "training", resume=True)
    with pytest.raises(IsADirectoryError, match="expected a file to write"):
        sm.fit([photograph], noise=25, checkpoint=tmp_path)
