"""Trainings that run away: they go back, with half the rate, and end with a warning and the best state."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from small_models import DEEP, FIELD, short

import scorematching as sm
from scorematching.priors import Crops, FieldPrior
from scorematching.training.descent import Descent

#: Puts a number in the place of the training loss or its gradient: of one step, so many times.
Plant = Callable[..., None]


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Plant:
    def planted(step: int, times: int, value: float = math.nan, gradient: bool = False) -> None:
        original, left = FieldPrior.loss, [times]

        def loss(self: FieldPrior, crops: Crops, lam: float, generator: torch.Generator) -> torch.Tensor:
            found = original(self, crops, lam, generator)
            seed = np.random.SeedSequence((0, 1 + step)).generate_state(1, np.uint64)[0]
            if generator.initial_seed() != int(seed) or not left[0]:
                return found
            left[0] -= 1
            return (found - found.detach()) * value + found.detach() if gradient else found * value

        monkeypatch.setattr(FieldPrior, "loss", loss)

    return planted


def fitted(noisy: np.ndarray, **options: object) -> sm.training.FitResult:
    return sm.fit([noisy], noise=25, model=FIELD, training=short(40), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("value", "gradient"), [(math.nan, False), (math.inf, False), (math.nan, True)])
def test_a_loss_that_is_not_finite_is_stepped_back_from(
    value: float, gradient: bool, noisy: np.ndarray, plant: Plant
) -> None:
    plant(22, 1, value, gradient)
    with pytest.warns(
        UserWarning, match="is not finite at step 22: back to step 20, with half the learning rate, the first"
    ):
        result = fitted(noisy)
    assert [row[0] for row in result.history] == [*range(0, 41, 4)]
    assert result.best == min(row[2] for row in result.history)
    assert result.best_step > 22


def test_after_three_halvings_the_training_stops_with_the_best_state(noisy: np.ndarray, plant: Plant) -> None:
    whole = fitted(noisy)
    plant(22, 100)
    with pytest.warns(UserWarning, match="not finite at step 22") as told:
        result = fitted(noisy)
    said = [str(warning.message) for warning in told]
    assert [text.partition(", the ")[2][:6] for text in said[:3]] == ["first ", "second", "third "]
    assert "after 3 halvings of the learning rate: the training stops, and the best state, of step" in said[3]
    assert result.history == whole.history[:6]
    assert result.best == min(row[2] for row in result.history)


@pytest.mark.usefixtures("_save_often")
def test_a_resumed_training_has_the_bits_of_an_uninterrupted_one_after_a_halving(
    noisy: np.ndarray, plant: Plant, tmp_path: Path
) -> None:
    """The second planted NaN is met before, or after, the interruption."""
    results = []
    for stop in (None, 21, 23, 33):
        plant(22, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results.append(_resumed(noisy, stop, tmp_path / f"{stop}"))
    assert results[0] == results[1] == results[2] == results[3]


def _resumed(noisy: np.ndarray, stop: int | None, checkpoint: Path) -> object:
    """Train with an interruption at a step; return all that is known of the result."""

    class StoppedError(Exception):
        pass

    def interrupt(self: Descent) -> bool:
        nonlocal steps
        steps += 1
        if steps == stop:
            raise StoppedError
        return original(self)

    original, steps = Descent.step, 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Descent, "step", interrupt)
        try:
            result = fitted(noisy, checkpoint=checkpoint)
        except StoppedError:
            result = fitted(noisy, checkpoint=checkpoint, resume=True)
    weights = {name: tensor.numpy().tobytes() for name, tensor in result.prior.state_dict().items()}
    return weights, result.history, result.best, result.best_step


@pytest.mark.parametrize("model", [FIELD, DEEP], ids=["field", "deep"])
def test_a_rate_that_is_far_too_high_warns_and_gives_no_worse_than_the_start(
    noisy: np.ndarray, model: sm.FieldConfig | sm.DeepConfig
) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        result = sm.fit([noisy], noise=25, model=model, training=short(40, rate=1e6, crop=24))
    assert any("Lower rate (1e+06)" in str(warning.message) for warning in told)
    assert result.best == min(row[2] for row in result.history) <= result.history[0][2]
    assert result.expected_psnr is not None
    assert result.expected_psnr > 20


def test_images_that_give_no_finite_loss_are_refused_before_the_first_step(noisy: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"the loss is (nan|inf) before the first step: look for extreme values"):
        sm.fit([9e14 * noisy.astype(np.float64)], noise=3e-4, data_range=255.0, model=FIELD, training=short(4))


def test_a_training_without_patience_stops_early(noisy: np.ndarray) -> None:
    result = sm.fit([noisy], noise=25, model=FIELD, training=short(200, rate=0.3, patience=2))
    steps = [row[0] for row in result.history]
    assert steps[-1] == result.prior.provenance.steps < 200
    assert steps.index(result.best_step) == len(steps) - 3


def test_averaged_weights_are_kept_if_they_are_better(noisy: np.ndarray) -> None:
    plain = sm.fit([noisy], noise=25, model=FIELD, training=short(40, rate=0.1))
    averaged = sm.fit([noisy], noise=25, model=FIELD, training=short(40, rate=0.1, average=0.9))
    pairs = list(zip(plain.history, averaged.history, strict=True))
    assert all(two[2] <= one[2] for one, two in pairs)
    assert any(two[2] < one[2] for one, two in pairs)
    assert averaged.best < plain.best
