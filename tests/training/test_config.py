"""The configuration of a training refuses every bad value where it is made."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import scorematching as sm


@pytest.mark.parametrize("name", ["steps", "batch", "crop"])
@pytest.mark.parametrize("value", [0, -1, 1.5, 4.0, True, "9", None, float("nan")])
def test_counts_are_whole_numbers_above_0(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"{name} must be an integer of 1 or more, got {value!r}"):
        sm.TrainingConfig(**{name: value})


@pytest.mark.parametrize("name", ["seed", "workers"])
@pytest.mark.parametrize("value", [-1, 0.5, False, None])
def test_a_seed_and_workers_are_whole_numbers_of_0_or_more(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"{name} must be an integer of 0 or more, got {value!r}"):
        sm.TrainingConfig(**{name: value})


@pytest.mark.parametrize("name", ["rate", "max_sigma"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), "1", True])
def test_rates_and_levels_are_numbers_above_0(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"{name} must be a number above 0, got {value!r}"):
        sm.TrainingConfig(**{name: value})


@pytest.mark.parametrize("name", ["lam", "memory"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), "1"])
def test_a_regularizer_and_memory_are_numbers_of_0_or_more(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"{name} must be a number of 0 or more, got {value!r}"):
        sm.TrainingConfig(**{name: value})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blind": 1}, "blind must be True or False, got 1"),
        ({"blind": None}, "blind must be True or False, got None"),
        ({"patience": 0}, "patience must be an integer of 1 or more, got 0"),
        ({"average": 0.0}, "average must be a number above 0, got 0.0"),
        ({"average": 1.0}, "average must be a decay below 1, such as 0.99, got 1"),
        ({"compile": "always"}, "compile must be True, False or 'auto', got 'always'"),
        ({"compile": None}, "compile must be True, False or 'auto', got None"),
        ({"blind": True, "lam": 0.1}, "blind needs a loss without regularizer: leave out lam, got 0.1"),
        ({"max_sigma": 50, "lam": 0.1}, "max_sigma needs a loss without regularizer: leave out lam, got 0.1"),
    ],
)
def test_flags_and_combinations(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sm.TrainingConfig(**options)


def test_numbers_of_numpy_become_pythons() -> None:
    config = sm.TrainingConfig(steps=np.int64(2), seed=np.uint8(1), rate=np.float32(0.5), lam=np.float32(0))
    assert config == sm.TrainingConfig(steps=2, seed=1, rate=0.5, lam=0.0)
    assert [type(n) for n in (config.steps, config.seed, config.rate, config.lam)] == [int, int, float, float]


def test_a_changed_configuration_is_checked_too() -> None:
    config = sm.TrainingConfig(blind=True, lam=0.0)
    with pytest.raises(ValueError, match="blind needs a loss without regularizer"):
        dataclasses.replace(config, lam=0.2)
