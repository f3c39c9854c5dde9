"""The noise that a prior was trained for, and its provenance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import scorematching as sm
from scorematching.priors import Provenance, TrainedNoise
from scorematching.priors.info import as_trained_noise


def test_one_level_is_its_own_range() -> None:
    noise = TrainedNoise(0.1)
    assert (noise.lowest, noise.highest, noise.range, noise.blind) == (0.1, 0.1, (0.1, 0.1), False)
    assert noise == TrainedNoise(0.1, 0.1, 0.1)


@pytest.mark.parametrize(("highest", "wide"), [(0.05, False), (0.19, False), (0.2, True), (0.5, True)])
def test_a_wide_range_spans_a_factor_of_four(highest: float, wide: bool) -> None:
    assert TrainedNoise(0.05, 0.05, highest).is_wide is wide


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma": 0}, "sigma must be a number above 0, got 0"),
        ({"sigma": -0.1}, "sigma must be a number above 0, got -0.1"),
        ({"sigma": float("nan")}, "sigma must be a number above 0, got nan"),
        ({"sigma": float("inf")}, "sigma must be a number above 0, got inf"),
        ({"sigma": "0.1"}, "sigma must be a number above 0, got '0.1'"),
        ({"sigma": None}, "sigma must be a number above 0, got None"),
        ({"sigma": True}, "sigma must be a number above 0, got True"),
        ({"sigma": 0.1, "lowest": 0.0}, "lowest must be a number above 0, got 0.0"),
        ({"sigma": 0.1, "highest": -1}, "highest must be a number above 0, got -1"),
        ({"sigma": 0.1, "lowest": 0.2}, "lowest must not be above highest, got 0.2 and 0.1"),
        ({"sigma": 0.1, "blind": 1}, "blind must be True or False, got 1"),
    ],
)
def test_levels_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainedNoise(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": 3}, "data must be text, got 3"),
        ({"version": None}, "version must be text, got None"),
        ({"steps": -1}, "steps must be an integer of 0 or more, got -1"),
        ({"steps": 1.5}, "steps must be an integer of 0 or more, got 1.5"),
        ({"seed": -1}, "seed must be an integer of 0 or more, got -1"),
        ({"lam": -0.1}, "lam must be a number of 0 or more, got -0.1"),
        ({"lam": float("inf")}, "lam must be a number of 0 or more, got inf"),
    ],
)
def test_provenance_out_of_range_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Provenance(**options)


def test_a_prior_that_was_not_trained_says_so() -> None:
    assert Provenance() == Provenance("none", steps=0, seed=0, lam=0.0, version=sm.__version__)
    assert [type(n) for n in (Provenance(steps=np.int64(3)).steps, Provenance(lam=1).lam)] == [int, float]


def test_noise_of_a_prior_is_a_level_or_a_model_or_nothing() -> None:
    known = TrainedNoise(0.1, 0.05, 0.4, blind=True)
    assert as_trained_noise(known) is known
    assert as_trained_noise(None) is None
    assert as_trained_noise(np.float32(0.5)) == as_trained_noise(sm.GaussianNoise(0.5)) == TrainedNoise(0.5)


@pytest.mark.parametrize(
    ("noise", "error", "message"),
    [
        (0, ValueError, "noise must be a number above 0, got 0"),
        (-1.0, ValueError, "noise must be a number above 0, got -1"),
        (sm.GaussianNoise(0), ValueError, "must be a number above 0, got 0"),
        ("25", TypeError, "noise must be a number or a noise model .*, got str"),
        (sm.PoissonGaussianNoise(2.0), TypeError, "a prior models white Gaussian noise, got gain 2"),
    ],
)
def test_noise_that_a_prior_can_not_have_is_refused(noise: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        as_trained_noise(noise)
