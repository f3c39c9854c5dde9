"""Products in bfloat16: near to the exact numbers, only where they are wanted, recorded or not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import scorematching as sm
from scorematching.curvature import Hutchinson, Stein
from scorematching.layers import SiLU, Softplus


def _energy(channels: int) -> sm.Graph:
    layers = [sm.Conv2d(4, channels, 3), SiLU(), sm.Conv2d(channels, channels, 3), SiLU(), sm.Sum()]
    return sm.Sequential(*layers)


def _found(energy: sm.Graph, x: Tensor, lam: float = 0.1) -> list[Tensor]:
    loss = sm.score_matching_loss(energy, x, lam=lam, curvature="diagonal" if lam else Stein(torch.sin(x), 1.0))
    return [loss.detach(), *torch.autograd.grad(loss, [*energy.parameters()])]


def _error(found: list[Tensor], truth: list[Tensor]) -> float:
    parts = [torch.cat([t.double().flatten() for t in part]) for part in (found, truth)]
    return float((parts[0] - parts[1]).norm() / parts[1].norm())


@pytest.fixture(autouse=True)
def _some_numbers() -> None:
    torch.manual_seed(0)


@pytest.mark.filterwarnings("ignore::scorematching.curvature.ApproximationWarning")
@pytest.mark.parametrize("lam", [0.1, 0.0])
@pytest.mark.parametrize("recorded", [True, False])
def test_losses_and_gradients_are_near_to_the_exact_ones(lam: float, recorded: bool) -> None:
    energy, x = _energy(32), torch.randn(8, 4, 12, 12)
    with sm.compiled(recorded, backend="eager"):
        exact = _found(energy, x, lam)
        with sm.runtime.bfloat16_products():
            rounded = _found(energy, x, lam)
        assert _error(_found(energy, x, lam), exact) == 0
    assert 1e-4 < _error(rounded, exact) < 0.03
    assert all(t.dtype == torch.float32 for t in rounded)


def test_a_record_is_not_taken_for_the_other_precision() -> None:
    energy, x = _energy(32), torch.randn(8, 4, 12, 12)
    with sm.runtime.bfloat16_products():
        plain = _found(energy, x, 0.0)
        with sm.compiled(backend="eager"):
            recorded = _found(energy, x, 0.0)
    assert _error(recorded, plain) < 1e-5


@pytest.mark.parametrize(("channels", "dtype"), [(8, torch.float32), (32, torch.float64)])
def test_few_channels_and_float64_are_left_alone(channels: int, dtype: torch.dtype) -> None:
    energy, x = _energy(channels).to(dtype), torch.randn(8, 4, 12, 12, dtype=dtype)
    exact = _found(energy, x, 0.0)
    with sm.runtime.bfloat16_products():
        assert _error(_found(energy, x, 0.0), exact) == 0


def test_scores_are_left_alone() -> None:
    energy, x = _energy(32), torch.randn(2, 4, 12, 12)
    exact = sm.score(energy, x)
    with sm.runtime.bfloat16_products():
        assert torch.equal(sm.score(energy, x), exact)


def test_dense_products_and_probes() -> None:
    energy, x = (
        sm.Sequential(sm.Linear(32, 64), Softplus(), sm.Linear(64, 32), Softplus(), sm.Sum()),
        torch.randn(20, 32),
    )

    def found() -> list[Tensor]:
        probes = Hutchinson(generator=torch.Generator().manual_seed(1))
        loss = sm.score_matching_loss(energy, x, curvature=probes)
        return [loss.detach(), *torch.autograd.grad(loss, [*energy.parameters()])]

    exact = found()
    with sm.runtime.bfloat16_products():
        assert 1e-4 < _error(found(), exact) < 0.03


@sm.runtime.bfloat16_products()
def _rounded_inside(energy: sm.Graph, x: Tensor) -> list[Tensor]:
    with sm.runtime.bfloat16_products(enabled=False):
        inner = _found(energy, x, 0.0)
    assert _error(_found(energy, x, 0.0), inner) > 1e-4
    return inner


def test_contexts_nest() -> None:
    energy, x = _energy(32), torch.randn(2, 4, 12, 12)
    assert _error(_rounded_inside(energy, x), _found(energy, x, 0.0)) == 0
