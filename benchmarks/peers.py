"""Steps that compute a loss and its gradient with respect to all parameters: ours, and those of other libraries.

Each function returns a step, a function without arguments, and is called in a contestant's process. The energies, their
weights and the data are the same for all. PyTorch libraries get the layers as a plain ``torch.nn.Sequential``. Exact
losses are compared with ours on a few samples before anything is timed.
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
#: Number of samples for the comparison of losses.
FEW = 4


def ours_step(network: Network, batch: int, lam: float, curvature: Any = "auto", compiled: bool = False) -> Step:
    """Return a step of this library.

    Args:
        network: Energy network.
        batch: Number of samples.
        lam: Regularizer.
        curvature: Curvature method, as in :func:`scorematching.score_matching_loss`.
        compiled: Whether to run the step in ``scorematching.compiled()``.
    """
    energy, x, sweeps = network.build(), data(network, batch), compilation(compiled)

    def step() -> None:
        with sweeps():
            sm.score_matching_loss(energy, x, lam=lam, curvature=curvature).backward()
        energy.zero_grad()

    return step


def compilation(wanted: bool) -> Callable[[], AbstractContextManager[object]]:
    """Return ``scorematching.compiled`` if wanted, and otherwise a context that does nothing.

    If wanted, a compilation failure is an error in this process from now on, instead of a warning.
    """
    if not wanted:
        return contextlib.nullcontext
    warnings.filterwarnings("error", r".*is run without compilation", RuntimeWarning)
    return sm.compiled


def energy_step(network: Network, batch: int) -> Step:
    """Return an ordinary forward and backward pass, with gradients with respect to the data and all parameters."""
    energy, x = plain(network.build()), data(network, batch).requires_grad_()

    def step() -> None:
        energy(x).sum().backward()
        energy.zero_grad()
        x.grad = None

    return step


def products_step(network: Network, batch: int, lam: float) -> Step:
    """Return a step of only the matrix products of :func:`benchmarks.networks.products`, into allocated memory."""
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
    """Return two random factors, and memory for their product.

    Samples of dense layers are rows; patches are columns.
    """
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
    """Return a step with the full Hessian of each sample, by forward-over-reverse differentiation in ``torch.func``."""
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
    """Return a step of ``torchebm.losses.ScoreMatching``, with one Hessian per sample and without ``lam``.

    The loss flattens the data, so the energy restores their shape. The benchmark uses ``hessian_method="exact"``,
    because ``"approx"`` divides the trace of the Hessian by the number of inputs, which is another loss.
    """
    from torchebm.losses import ScoreMatching  # may be missing

    energy = nn.Sequential(nn.Unflatten(1, network.shape), *plain(network.build()))
    loss = ScoreMatching(model=energy, hessian_method="exact")
    return _checked("torchebm", network, batch, energy, loss)


def torchebm_sliced_step(network: Network, batch: int) -> Step:
    """Return a step of ``torchebm.losses.SlicedScoreMatching``, with one Rademacher probe and without ``lam``.

    The loss projects both the score and the Hessian. It projects along the last dimension only, which is not the sliced
    loss for images, so the data are flattened and the energy restores their shape.
    """
    from torchebm.losses import SlicedScoreMatching  # may be missing

    energy = nn.Sequential(nn.Unflatten(1, network.shape), *plain(network.build()))
    loss, x = SlicedScoreMatching(model=energy, n_projections=1), data(network, batch).flatten(1)
    return _gradients(energy, lambda: loss(x))


def ebmkit_exact_step(network: Network, batch: int) -> Step:
    """Return a step of ``ebm.losses.ExactScoreMatching``, with one backward pass per input and without ``lam``."""
    from ebm.losses import ExactScoreMatching  # may be missing

    energy, exact = plain(network.build()), ExactScoreMatching()
    return _checked("ebmkit", network, batch, energy, lambda x: exact(energy, x).loss)


def ebmkit_sliced_step(network: Network, batch: int) -> Step:
    """Return a step of ``ebm.losses.SlicedScoreMatching``, with one Gaussian probe and without ``lam``.

    The loss projects the Hessian, and uses the full score.
    """
    from ebm.losses import SlicedScoreMatching  # may be missing

    energy, x = plain(network.build()), data(network, batch)
    sliced = SlicedScoreMatching(n_projections=1, vr=True)
    return _gradients(energy, lambda: sliced(energy, x).loss)


def check_agreement(who: str, found: float, network: Network, lam: float = 0.0, samples: int = FEW) -> None:
    """Check that the loss of another library for a few samples equals the exact loss of this library.

    Raises:
        ValueError: The relative difference is larger than 0.001.
    """
    with torch.no_grad():
        ours = float(sm.score_matching_loss(network.build(), data(network, samples), lam=lam))
    if not abs(found - ours) <= 1e-3 * abs(ours):
        raise ValueError(f"the loss of {who} is {found:.6g}, but ours is {ours:.6g}")


def _checked(
    who: str, network: Network, batch: int, energy: nn.Module, loss: Callable[[Tensor], Tensor], lam: float = 0.0
) -> Step:
    """Compare an exact loss with ours, and return a step of it."""
    check_agreement(who, float(loss(data(network, FEW)).detach()), network, lam)
    x = data(network, batch)
    return _gradients(energy, lambda: loss(x))


def _gradients(energy: nn.Module, loss: Callable[[], Tensor]) -> Step:
    """Return a step that computes a loss and its gradient."""

    def step() -> None:
        loss().backward()
        energy.zero_grad()

    return step
