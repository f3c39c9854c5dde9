"""Steps of one loss with the gradient by all parameters: ours, plain PyTorch's, and those of other libraries.

Each function makes a step, which takes no arguments, and is called in a contestant's process. The energies, their
weights and the data are the same for all; libraries of PyTorch get the layers as a plain ``torch.nn.Sequential``.
Exact losses are compared with ours on a few samples before anything is timed.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import grad, jacfwd, vmap

import scorematching as sm
from benchmarks.networks import Kind, Matrix, Network, data, plain, products

Step = Callable[[], object]
#: Samples on which losses are compared.
FEW = 4


def ours_step(network: Network, batch: int, lam: float, curvature: Any = "auto", compiled: bool = False) -> Step:
    """This library's loss.

    Args:
        network: The energy.
        batch: Samples.
        lam: The regularizer.
        curvature: Of :func:`scorematching.score_matching_loss`.
        compiled: Whether inside ``scorematching.compiled()``.
    """
    energy, x, sweeps = network.build(), data(network, batch), compilation(compiled)

    def step() -> None:
        with sweeps():
            sm.score_matching_loss(energy, x, lam, curvature).backward()
        energy.zero_grad()

    return step


def compilation(wanted: bool) -> Callable[[], AbstractContextManager[object]]:
    """``scorematching.compiled``, or what does nothing.

    From then on it is an error in this process where something can't be compiled, and would be run as usual.
    """
    if not wanted:
        return contextlib.nullcontext
    warnings.filterwarnings("error", r".*is run without compilation", RuntimeWarning)
    return sm.compiled


def energy_step(network: Network, batch: int) -> Step:
    """An ordinary forward and backward pass: the energies' sum, its gradient by the data and by all parameters."""
    energy, x = plain(network.build()), data(network, batch).requires_grad_()

    def step() -> None:
        energy(x).sum().backward()
        energy.zero_grad()
        x.grad = None

    return step


def products_step(network: Network, batch: int, lam: float) -> Step:
    """The matrix products of :func:`benchmarks.networks.products` and nothing else, into memory that is there."""
    done: dict[tuple[Matrix, Kind], tuple[Tensor, Tensor, Tensor]] = {}
    todo = []
    for matrix, kind in products(network, lam):
        if (matrix, kind) not in done:
            done[matrix, kind] = _operands(matrix, kind, batch)
        todo.append(done[matrix, kind])

    def step() -> None:
        for left, right, result in todo:
            torch.mm(left, right, out=result)

    return step


def _operands(matrix: Matrix, kind: Kind, batch: int) -> tuple[Tensor, Tensor, Tensor]:
    """Two random factors and room for their product; samples of dense layers are rows, patches are columns."""
    columns = matrix.columns * batch
    w = torch.randn(matrix.outputs, matrix.inputs)
    if matrix.columns == 1:
        x, y = torch.randn(columns, matrix.inputs), torch.randn(columns, matrix.outputs)
        left, right = {"forward": (x, w.T), "adjoint": (y, w), "outer": (y.T, x)}[kind]
    else:
        x, y = torch.randn(matrix.inputs, columns), torch.randn(matrix.outputs, columns)
        left, right = {"forward": (w, x), "adjoint": (w.T, y), "outer": (y, x.T)}[kind]
    return left, right, left @ right


def brute_force_step(network: Network, batch: int, lam: float = 0.0) -> Step:
    """``torch.func``: forward-over-reverse Hessians of single samples, one column an input, whose diagonal is taken."""
    energy = plain(network.build())

    def energy_of(x: Tensor) -> Tensor:
        return energy(x[None])[0]

    def derivatives(x: Tensor) -> tuple[Tensor, Tensor]:
        hessian = jacfwd(grad(energy_of))(x)
        return grad(energy_of)(x), hessian.reshape(x.numel(), x.numel()).diagonal()

    def loss(x: Tensor) -> Tensor:
        d, d2 = vmap(derivatives)(x)
        return 0.5 * d.square().sum() / len(x) + (lam * d2 * d2 - d2).sum() / len(x)

    return _checked("brute force", network, batch, energy, loss, lam)


def torchebm_exact_step(network: Network, batch: int) -> Step:
    """``torchebm.losses.ScoreMatching``: a Hessian a sample by ``vmap`` of reverse over reverse; it has no ``lam``.

    It flattens the data, so that the energy gets vectors and restores the shape itself. Only ``hessian_method="exact"``
    is taken: ``"approx"`` divides the trace of the Hessian by the number of inputs, and is another loss.
    """
    from torchebm.losses import ScoreMatching  # may be missing

    energy = nn.Sequential(nn.Unflatten(1, network.shape), *plain(network.build()))
    loss = ScoreMatching(model=energy, hessian_method="exact")
    return _checked("torchebm", network, batch, energy, loss)


def torchebm_sliced_step(network: Network, batch: int) -> Step:
    """``torchebm.losses.SlicedScoreMatching`` with one Rademacher probe; it has no ``lam``.

    The score is projected too, not only the Hessian. It projects over the last dimension alone, which for images is
    not the sliced loss; so the energy gets vectors and restores the shape itself.
    """
    from torchebm.losses import SlicedScoreMatching  # may be missing

    energy = nn.Sequential(nn.Unflatten(1, network.shape), *plain(network.build()))
    loss, x = SlicedScoreMatching(model=energy, n_projections=1), data(network, batch).flatten(1)
    return _gradients(energy, lambda: loss(x))


def ebmkit_exact_step(network: Network, batch: int) -> Step:
    """``ebm.losses.ExactScoreMatching``: a backward pass an input, kept for the gradient; it has no ``lam``."""
    from ebm.losses import ExactScoreMatching  # may be missing

    energy, exact = plain(network.build()), ExactScoreMatching()
    return _checked("ebmkit", network, batch, energy, lambda x: exact(energy, x).loss)


def ebmkit_sliced_step(network: Network, batch: int) -> Step:
    """``ebm.losses.SlicedScoreMatching``: one Gaussian probe of the Hessian, the score as it is; it has no ``lam``."""
    from ebm.losses import SlicedScoreMatching  # may be missing

    energy, x = plain(network.build()), data(network, batch)
    sliced = SlicedScoreMatching(n_projections=1, vr=True)
    return _gradients(energy, lambda: sliced(energy, x).loss)


def check_agreement(who: str, found: float, network: Network, lam: float = 0.0, samples: int = FEW) -> None:
    """Raise unless a loss of the first few samples of the data is the exact one, as this library computes it.

    Raises:
        ValueError: It differs by more than a thousandth.
    """
    with torch.no_grad():
        ours = float(sm.score_matching_loss(network.build(), data(network, samples), lam))
    if not abs(found - ours) <= 1e-3 * abs(ours):
        raise ValueError(f"the loss of {who} is {found:.6g} where ours is {ours:.6g}")


def _checked(
    who: str, network: Network, batch: int, energy: nn.Module, loss: Callable[[Tensor], Tensor], lam: float = 0.0
) -> Step:
    """A step of an exact loss, which has been compared with ours."""
    check_agreement(who, float(loss(data(network, FEW)).detach()), network, lam)
    x = data(network, batch)
    return _gradients(energy, lambda: loss(x))


def _gradients(energy: nn.Module, loss: Callable[[], Tensor]) -> Step:
    def step() -> None:
        loss().backward()
        energy.zero_grad()

    return step
