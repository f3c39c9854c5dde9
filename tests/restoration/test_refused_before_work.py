"""What can't be restored is refused before the prior is evaluated once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from reached import ReachedError
from small_models import FIELD

import scorematching as sm
from scorematching.priors import FieldPrior
from scorematching.restoration import Blur, FunctionOperator, Mask

pytestmark = pytest.mark.usefixtures("_no_work_begins")
KNOWN = torch.ones(96, 120, dtype=torch.bool)
SMALL = "pixels is too small: this prior takes"
GRAY = "in red, green and blue, and the image is grayscale"
#: Changes of a good call, the error, and its message.
Case = tuple[dict[str, Any], type[Exception], str]

COMMON: list[Case] = [
    ({"image": np.zeros((2, 9), np.uint8)}, ValueError, SMALL),
    ({"image": np.zeros((60, 60), np.int64)}, TypeError, "integers of 8, 16 or 32 bits or floating point, got int64"),
    ({"image": np.full((60, 60), np.nan)}, ValueError, "NaN or infinite"),
    ({"prior": "natural-color"}, ValueError, GRAY),
    ({"prior": "no such prior"}, FileNotFoundError, "no such file: no such prior"),
    ({"prior": 3}, TypeError, "prior must be a Prior, a name or a file, got int"),
    ({"noise": "25"}, TypeError, "noise must be a number or a noise model .*, got str"),
    ({"noise": -1}, ValueError, "noise must be a number above 0, got -1"),
    ({"method": "guess"}, ValueError, "method must be .*, got 'guess'"),
    ({"data_range": 0}, ValueError, "must be a positive number, got 0"),
]
STEPS: Case = ({"steps": 0}, ValueError, "steps must be an integer of 1 or more, got 0")
NARROW: Case = ({"method": "annealed"}, ValueError, "annealing needs a prior of many noise levels")
PHOTONS: Case = ({"noise": sm.PoissonGaussianNoise(2)}, ValueError, "takes white Gaussian noise")


@pytest.fixture
def call(photograph: np.ndarray, prior: sm.Prior) -> dict[str, Any]:
    """Arguments with which nothing is wrong."""
    return {"image": photograph, "prior": prior, "noise": 25}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        *COMMON,
        ({"method": "tweedie", "prior": FieldPrior(FIELD)}, ValueError, "needs a prior of noisy images"),
        ({"noise": sm.PoissonGaussianNoise(2, offset=255)}, ValueError, "offset must be below white, 255, got 255"),
        ({"prior": None, "image": np.zeros((41, 60), np.uint8)}, ValueError, f"60 x 41 {SMALL} 42"),
    ],
)
def test_denoise(call: dict[str, Any], changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        sm.denoise(**call | changes)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        *COMMON,
        STEPS,
        NARROW,
        PHOTONS,
        ({"operator": Mask(KNOWN[:90])}, ValueError, r"the mask has shape \(90, 120\), the image has \(96, 120\)"),
        ({"operator": Blur(torch.ones(201, 3) / 603)}, ValueError, "too small for a kernel"),
        ({"operator": FunctionOperator(lambda x: 2 * x, lambda y: y)}, ValueError, "the adjoint does not match"),
        ({"operator": FunctionOperator(lambda x: x[..., 1:], lambda y: y)}, ValueError, "the adjoint returns shape"),
    ],
)
def test_restore(call: dict[str, Any], changes: dict[str, Any], error: type[Exception], message: str) -> None:
    image = changes.get("image", call["image"])
    operator = Mask(torch.ones(image.shape, dtype=torch.bool))
    with pytest.raises(error, match=message):
        sm.restore(**{"operator": operator, **call, **changes})


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        *COMMON[1:],
        STEPS,
        NARROW,
        PHOTONS,
        ({"image": np.zeros((1, 1), np.uint8)}, ValueError, SMALL),
        ({"prior": None, "image": np.zeros((20, 60), np.uint8)}, ValueError, f"120 x 40 {SMALL} 42"),
        ({"factor": 1}, ValueError, "factor must be an integer of 2 or more, got 1"),
        ({"factor": 2.0}, ValueError, "factor must be an integer of 2 or more, got 2.0"),
    ],
)
def test_upscale(call: dict[str, Any], changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        sm.upscale(**{"factor": 2, **call, **changes})


def test_work_begins_where_nothing_is_wrong(call: dict[str, Any]) -> None:
    for function, options in ((sm.denoise, {}), (sm.restore, {"operator": Mask(KNOWN)}), (sm.upscale, {"factor": 2})):
        with pytest.raises(ReachedError):
            function(**call, **options)
