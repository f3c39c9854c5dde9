"""Denoising score matching, for any module, without second derivatives, at one noise level or several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from scorematching.curvature import differentiable_gradient
from scorematching.curvature.probes import draw
from scorematching.graph import Graph
from scorematching.losses.reduction import Reduction, check_reduction, reduced
from scorematching.runtime.arguments import check_choice, check_flag, check_positive
from scorematching.runtime.kinds import check_arguments
from scorematching.runtime.validation import check_data, energies, full_precision, warn_if_infinite

Output = Literal["energy", "score"]


def denoising_score_matching_loss(
    energy: nn.Module,
    x: Tensor,
    sigma: float | Sequence[float] | Tensor,
    generator: torch.Generator | None = None,
    reduction: Reduction = "mean",
    *,
    output: Output = "energy",
    conditional: bool = False,
) -> Tensor:
    """Return the denoising score matching loss (Vincent 2011), which needs no second derivative.

    The loss is ``1/2 |s(x + sigma n) + n / sigma|^2`` with the score ``s`` and standard normal noise ``n``. Up to a
    constant, its mean over the noise is the score matching loss on data with this noise. So the model is fitted to the
    *noisy* density.

    With several noise levels, each sample draws one of them, all with the same probability. Its loss is multiplied by
    ``sigma^2``, so that the levels count alike (Song & Ermon 2019). Levels up to the gap between separated modes let
    the loss see the weights of the modes, if the model has the same parameters at all levels.

    Args:
        energy: The model: any module that returns energies, or scores for ``output="score"``.
        x: Clean data, shape (N, ...).
        sigma: Standard deviation of the noise, in the unit of ``x``, or several of them.
        generator: Random number generator of the noise and of the levels. By default that of PyTorch.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        output: What the module returns: ``"energy"``, shape (N,) or (N, 1), or ``"score"``, the gradient of the log
            density, with the shape of ``x``.
        conditional: Whether the module depends on the noise level. It is then called with ``x`` and the noise levels of
            the samples, shape (N,).

    Raises:
        TypeError: ``energy`` is not a module, or is a graph, which can't be conditional; or ``x`` is not of floating
            point.
        ValueError: A shape does not fit, a noise level is not above 0, ``x`` is not finite, or an option is unknown.

    Example:
        >>> energy = nn.Sequential(nn.Linear(4, 8), nn.Softplus(), nn.Linear(8, 1))
        >>> denoising_score_matching_loss(energy, torch.randn(16, 4), sigma=0.1).shape
        torch.Size([])
        >>> network = nn.Sequential(nn.Linear(4, 8), nn.SiLU(), nn.Linear(8, 4))
        >>> loss = denoising_score_matching_loss(network, torch.randn(16, 4), [0.1, 0.3, 1.0], output="score")
        >>> loss.backward()
    """
    check_reduction(reduction)
    check_choice("output", output, get_args(Output))
    check_flag("conditional", conditional)
    check_arguments(denoising_score_matching_loss, locals())
    levels = _levels(sigma)
    check_data(energy, x, finite=True)
    most = math.sqrt(torch.finfo(x.dtype).max)
    if bad := [level for level in levels if not 1 / most < level < most]:
        raise ValueError(
            f"sigma must be in the range of squares of {x.dtype}, from {1 / most:.3g} to {most:.3g}, got {bad[0]:g}"
        )
    if conditional and isinstance(energy, Graph):
        raise TypeError("a graph has one input and takes no noise level: pass a module, or leave out conditional")
    with full_precision(x):
        n = draw(x, "gaussian", generator)
        sigmas = _drawn(levels, x, generator)
        wide = sigmas.view(-1, *(1 for _ in x.shape[1:]))
        score = _score(energy, x + wide * n, (sigmas,) if conditional else (), output)
        error = score + n / wide
        if len(levels) > 1:
            error = wide * error
        losses = 0.5 * error.square().flatten(1).sum(1)
    return warn_if_infinite(reduced(losses, reduction))


def _levels(sigma: float | Sequence[float] | Tensor) -> list[float]:
    """Return the noise levels."""
    given: Any = sigma
    several = list(given) if getattr(given, "ndim", 0) == 1 else given
    if not isinstance(several, Sequence) or isinstance(several, str):
        return [check_positive("sigma", several)]
    if not several:
        raise ValueError("sigma must have one noise level or more, got none")
    return [check_positive(f"sigma[{number}]", level) for number, level in enumerate(several)]


def _drawn(levels: list[float], x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Return one of the levels for each sample, shape (N,)."""
    if len(levels) == 1:
        return x.new_full((len(x),), levels[0])
    device = x.device if generator is None else generator.device
    return x.new_tensor(levels)[torch.randint(len(levels), (len(x),), generator=generator, device=device).to(x.device)]


def _score(energy: nn.Module, noisy: Tensor, condition: tuple[Tensor, ...], output: Output) -> Tensor:
    """Return the score of the model at noisy data."""
    if output == "energy":
        return -differentiable_gradient(_Conditioned(energy, *condition) if condition else energy, noisy)
    found = energy(noisy, *condition)
    if not isinstance(found, Tensor) or found.shape != noisy.shape:
        got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ValueError(
            f"{type(energy).__name__} must return scores, with the shape of x, {tuple(noisy.shape)}, got {got}: for "
            "energies, pass output='energy'"
        )
    return found


class _Conditioned(nn.Module):
    """Energy at given noise levels, as a function of data."""

    def __init__(self, energy: nn.Module, sigma: Tensor) -> None:
        super().__init__()
        self.energy, self.sigma = energy, sigma

    def forward(self, x: Tensor) -> Tensor:
        """Return the energies, shape (N,)."""
        return energies(self.energy, x, self.sigma)
