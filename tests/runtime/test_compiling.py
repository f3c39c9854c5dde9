"""Recorded and compiled steps give the numbers of the usual run; what can't be compiled is run as usual."""

import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

import scorematching as sm
from scorematching.checks.cases import NETWORKS, make_network
from scorematching.curvature import ApproximationWarning
from scorematching.energies import FieldOfExperts
from scorematching.layers import (
    Exp,
    Layer,
    Pointwise,
    PointwiseFunction,
    Power,
    SiLU,
    Softplus,
    StudentTMixture,
    Tanh,
)
from scorematching.runtime import compiling
from scorematching.runtime.compiling import VARIABLE, backend, compiled


@pytest.fixture(autouse=True)
def _no_default(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """These tests say themselves what is compiled, and take the warning of the recursion as read."""
    monkeypatch.delenv(VARIABLE, raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ApproximationWarning)
        yield


def _everything(energy: sm.Graph, x: Tensor, lam: float, curvature: str = "diagonal") -> list[Tensor]:
    """The loss, its gradients by the parameters and by the data, and the score."""
    x = x.detach().requires_grad_()
    leaves = [parameter for parameter in energy.parameters() if parameter.requires_grad]
    loss = sm.score_matching_loss(energy, x, lam=lam, curvature=curvature)
    found = torch.autograd.grad(loss, [x, *leaves], allow_unused=True)
    return [loss.detach(), sm.score(energy, x), *(g for g in found if g is not None)]


@pytest.mark.parametrize("lam", [0.0, 0.3])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_recorded_step_is_the_step(name: str, lam: float) -> None:
    energy, x, _ = make_network(name)
    plain = _everything(energy, x, lam)
    with compiled(backend="eager"):
        for _ in range(2):
            torch.testing.assert_close(_everything(energy, x, lam), plain, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("curvature", ["diagonal", "jacobian", "full"])
def test_a_compiled_step_is_the_step(curvature: str) -> None:
    torch.manual_seed(0)
    layers = [sm.Linear(5, 7), SiLU(), sm.Linear(7, 6), StudentTMixture(6), sm.WeightedSum(6)]
    energy, x = sm.Sequential(*layers).double(), torch.randn(9, 5, dtype=torch.float64)
    plain = _everything(energy, x, 0.3, curvature)
    with compiled():
        torch.testing.assert_close(_everything(energy, x, 0.3, curvature), plain, rtol=1e-10, atol=1e-12)


def test_a_compiled_field_of_experts_is_one() -> None:
    torch.manual_seed(0)
    energy, x = FieldOfExperts(4, 5), torch.randn(2, 1, 20, 20)
    plain = _everything(energy, x, 0.1)
    with compiled():
        torch.testing.assert_close(_everything(energy, x, 0.1), plain, rtol=1e-4, atol=1e-5)


def _small() -> tuple[sm.Graph, Tensor]:
    torch.manual_seed(0)
    energy = sm.Sequential(sm.Linear(3, 5), Softplus(2.0), sm.WeightedSum(5)).double()
    return energy, torch.randn(4, 3, dtype=torch.float64)


def test_a_program_is_for_the_present_settings_and_weights() -> None:
    energy, x = _small()

    def agree() -> None:
        with compiled(backend="eager"):
            found = _everything(energy, x, 0.1)
        torch.testing.assert_close(found, _everything(energy, x, 0.1), rtol=1e-10, atol=1e-12)

    agree()
    energy.layers[1].beta = 0.5
    agree()
    energy.layers[0].weight.requires_grad_(False)
    agree()
    energy.layers[0].weight = torch.nn.Parameter(torch.ones(5, 3, dtype=torch.float64))
    agree()
    energy.layers[1] = Tanh()
    agree()


class Wavering(Pointwise):
    """A layer whose course depends on the values: no list of operations stands for it."""

    def forward(self, x: Tensor) -> Tensor:
        """The square, taken in one of two ways."""
        return x * x if x.sum() > 0 else x**2

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``2 x``, 2, 0."""
        return (2 * x if x.sum() > 0 else x + x), torch.full_like(x, 2.0), torch.zeros_like(x)


def test_what_can_not_be_recorded_runs_as_usual() -> None:
    energy, x = sm.Sequential(sm.Linear(3, 5), Wavering(), sm.WeightedSum(5)).double(), torch.randn(4, 3).double()
    plain = sm.score_matching_loss(energy, x)
    with compiled(), pytest.warns(RuntimeWarning, match="Sequential runs without compilation: "):
        found = sm.score_matching_loss(energy, x)
    torch.testing.assert_close(found, plain)
    with compiled():  # said once
        torch.testing.assert_close(sm.score_matching_loss(energy, x), plain)


@pytest.mark.parametrize("make", [lambda: Power(0.5), lambda: PointwiseFunction(torch.atan)])
def test_a_layer_that_says_so_is_not_recorded(make: Callable[[], Layer]) -> None:
    energy, x = sm.Sequential(Exp(), make(), sm.Sum()).double(), torch.randn(4, 3).double()
    plain = _everything(energy, x, 0.1)
    with compiled(backend="eager"), pytest.warns(RuntimeWarning, match="checks its values or differentiates by itself"):
        torch.testing.assert_close(_everything(energy, x, 0.1), plain)


def test_without_a_compiler_it_runs_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no C++ compiler was found")

    energy, x = _small()
    plain = sm.score_matching_loss(energy, x)
    monkeypatch.setattr("torch._inductor.compile", fails)
    with compiled(), pytest.warns(RuntimeWarning, match="RuntimeError: no C\\+\\+ compiler was found"):
        found = sm.score_matching_loss(energy, x)
    torch.testing.assert_close(found, plain)


def test_a_mistake_of_the_user_is_named_as_ever() -> None:
    energy, _ = _small()
    with compiled(backend="eager"), pytest.raises(ValueError, match=r"expected shape \(N, 3\)"):
        sm.score_matching_loss(energy, torch.randn(4, 2, dtype=torch.float64))


def test_after_some_shapes_no_more_are_compiled() -> None:
    energy, x = _small()
    with compiled(backend="eager"), torch.no_grad():
        for samples in range(1, compiling.LIMIT + 1):
            sm.score(energy, torch.cat([x] * 5)[:samples])
        with pytest.warns(RuntimeWarning, match="already compiled for 16 shapes or settings"):
            found = sm.score(energy, torch.cat([x] * 5))
        torch.testing.assert_close(found[:4], sm.score(energy, x))


def test_the_switch_nests_decorates_and_refuses() -> None:
    energy, x = _small()

    @compiled(backend="eager")
    def step() -> Tensor:
        with compiled(enabled=False):
            sm.score(energy, x)
        assert energy not in compiling._programs
        return sm.score(energy, x)

    with torch.no_grad():
        step()
    assert compiling._programs[energy] == 1
    sm.score(energy, x[:2])
    assert compiling._programs[energy] == 1
    with pytest.raises(ValueError, match="backend must be 'inductor' or 'eager', got 'fast'"):
        compiled(backend="fast")  # type: ignore[arg-type]


def test_compilation_holds_in_its_own_thread_and_as_a_decorator_in_every_thread() -> None:
    with compiled(backend="eager"), ThreadPoolExecutor(1) as pool:
        assert backend() == "eager"
        assert pool.submit(backend).result() == os.environ.get(VARIABLE, "")
    decorated = compiled(backend="eager")(lambda _: backend())
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(decorated, range(100))) == {"eager"}
