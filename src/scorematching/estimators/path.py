"""Fits of one energy for several λ, and the choice of λ by the loss of samples that are held out."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor, nn

from scorematching.curvature import Choice
from scorematching.domains import Domain, Interval
from scorematching.energies import ExponentialFamily, Gaussian, PairwiseModel
from scorematching.losses import score_matching_loss
from scorematching.runtime.progress import Progress, ProgressCallback
from scorematching.statistics.closed_form import moments_of, write_parameters
from scorematching.statistics.sample_losses import SampleLosses

#: λ that are tried, in squared units of standardized data, largest first.
LAMBDAS = (3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.001, 0.0)
#: Energies that are linear in all their parameters.
LINEAR = (PairwiseModel, ExponentialFamily)


class Point(NamedTuple):
    """One λ of a path.

    Attributes:
        lam: λ.
        held_out: Loss J of the samples that were held out, at λ = 0, in units of the standard deviations of columns.
    """

    lam: float
    held_out: float


@dataclass(frozen=True)
class Settings:
    """Settings of a fit; those of :class:`EnergyModel`."""

    curvature: Choice
    domain: Domain | None
    max_iter: int
    batch_size: int
    learning_rate: float
    n_iter_no_change: int
    generator: torch.Generator
    progress: ProgressCallback | None


@dataclass(eq=False)
class Fit:
    """Energy with the best loss of what is held out so far.

    Attributes:
        energy: The energy; its state is the best one at the end.
        weight: Weights of the inputs in the loss: 0 for given columns, else 1, shape (D,).
        spread: Standard deviation of each column of the samples to fit, shape (D,), or ones: the units of J.
        noise: Standard deviation of the normal noise that is added, in standardized units, shape (D,).
        steps: Width of the uniform noise that is added, in standardized units, shape (D,).
        curve: Losses of the samples to fit and of those held out, for each pass over the data.
        path: Loss of what is held out for each λ.
    """

    energy: nn.Module
    weight: Tensor
    spread: Tensor
    noise: Tensor
    steps: Tensor
    curve: list[tuple[float, float]] = field(default_factory=list)
    path: list[Point] = field(default_factory=list)

    def along(self, lambdas: tuple[float, ...], parts: Sequence[tuple[Tensor, Tensor]], settings: Settings) -> float:
        """Fit for each λ, all from the same start, and return the λ with the lowest loss of what is held out.

        Args:
            lambdas: λ to try.
            parts: Pairs of samples to fit and samples held out. Exact fits use all of them, others the first.
            settings: Settings of the fits.
        """
        path = self._exact_path if isinstance(self.energy, LINEAR) else self._descended_path
        found = path(lambdas, parts, settings)
        self.path += found
        return min(found, key=lambda point: point.held_out).lam

    def _exact_path(
        self, lambdas: tuple[float, ...], parts: Sequence[tuple[Tensor, Tensor]], settings: Settings
    ) -> list[Point]:
        """Return the path of an energy that is linear in its parameters. The last fit is kept."""
        losses, total = [0.0] * len(lambdas), sum(len(held_out) for _, held_out in parts)
        for part, (train, held_out) in enumerate(parts):
            x = self.blurred(train, settings)
            minimize = self._minimizer(x, any(lambdas), settings)
            for number, lam in enumerate(lambdas):
                try:
                    minimize(lam)
                except ValueError:  # no unique minimum, with few samples
                    if len(lambdas) == 1:
                        raise
                    losses[number] = math.inf
                losses[number] += self.loss(held_out, settings) * len(held_out) / total
            if settings.progress is not None:
                settings.progress(Progress(part + 1, len(parts), {"held-out loss": min(losses)}))
        self.curve.append((self.loss(x, settings), losses[-1]))
        return [Point(lam, loss) for lam, loss in zip(lambdas, losses, strict=True)]

    def _descended_path(
        self, lambdas: tuple[float, ...], parts: Sequence[tuple[Tensor, Tensor]], settings: Settings
    ) -> list[Point]:
        """Return the path of any energy, for the first part. The best fit is kept."""
        start, found, states = copy.deepcopy(self.energy.state_dict()), [], []
        train, held_out = parts[0]
        for number, lam in enumerate(lambdas):
            self.energy.load_state_dict(start)
            rescaled = _rescaled(settings.progress, number, len(lambdas))
            found.append(Point(lam, self._descend(lam, train, held_out, settings, rescaled)))
            states.append(copy.deepcopy(self.energy.state_dict()))
        self.energy.load_state_dict(states[min(range(len(found)), key=lambda i: found[i].held_out)])
        return found

    def blurred(self, z: Tensor, settings: Settings) -> Tensor:
        """Return samples with fresh noise, reflected at bounds. In other domains, noise does not move samples out."""
        generator = settings.generator
        normal = torch.randn(z.shape, generator=generator).to(z)
        uniform = torch.rand(z.shape, generator=generator).to(z) - 0.5
        moved = z + self.noise * normal + self.steps * uniform
        if settings.domain is None:
            return moved
        if isinstance(settings.domain, Interval):
            moved = settings.domain.reflected(moved)
        return torch.where(settings.domain.outside(moved)[:, None], z, moved)

    def loss(self, z: Tensor, settings: Settings) -> float:
        """Return J of standardized samples at λ = 0, in units of the spread of the columns."""
        with torch.no_grad():
            weight = self.weight * self.spread.square()
            return float(_loss(self.energy, z, 0.0, weight, settings))

    @torch.no_grad()
    def _minimizer(self, x: Tensor, curved: bool, settings: Settings) -> Callable[[float], None]:
        """Return a function of λ that sets the parameters to the minimum of the loss of samples."""
        energy, free = self.energy, bool((self.weight == 1).all())
        if isinstance(energy, Gaussian) and free and settings.domain is None:
            mean, covariance = x.mean(0), x.T.cov(correction=0).view(len(self.weight), -1)
            return partial(energy.fit_moments, mean, covariance)
        problem = SampleLosses(
            energy,
            x,
            lam=0.0,
            parameters=[name for name, _ in energy.named_parameters()],
            curvature=settings.curvature,
            weight=None if free else self.weight.expand_as(x),
            domain=settings.domain,
        )
        moments = moments_of(problem, energy, curved)
        seen = moments.a.diagonal() > 0  # without terms of given columns alone

        @torch.no_grad()
        def minimize(lam: float) -> None:
            theta = torch.zeros_like(moments.b)
            theta[seen] = moments.at(lam).within(seen).minimum()[0]
            write_parameters(list(problem.named.values()), theta)

        return minimize

    def _descend(
        self, lam: float, train: Tensor, held_out: Tensor, settings: Settings, progress: ProgressCallback | None
    ) -> float:
        """Fit by Adam, until the loss of what is held out has not fallen for some passes over the data."""
        optimizer = torch.optim.Adam(self.energy.parameters(), lr=settings.learning_rate)
        slower = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=settings.n_iter_no_change // 3)
        start = best = self.loss(held_out, settings)
        since, state = 0, copy.deepcopy(self.energy.state_dict())
        for epoch in range(settings.max_iter):
            total = self._pass(optimizer, lam, train, settings)
            loss = self.loss(held_out, settings)
            if not math.isfinite(total + loss):
                raise ValueError(
                    f"the loss is not finite after {epoch + 1} passes: take a learning_rate below "
                    f"{settings.learning_rate:g}, or lam above {lam:g}"
                )
            self.curve.append((total, loss))
            slower.step(loss)
            since = 0 if loss < best else since + 1
            if loss < best:
                best, state = loss, copy.deepcopy(self.energy.state_dict())
            if progress is not None:
                progress(Progress(epoch + 1, settings.max_iter, {"held-out loss": loss}))
            if since >= settings.n_iter_no_change:
                break
        if best == start and min(loss for _, loss in self.curve[-epoch - 1 :]) > start + abs(start):
            warnings.warn(
                f"each pass at lambda {lam:g} raised the held-out loss far above {start:.4g}, so the start is kept: "
                f"take a learning_rate below {settings.learning_rate:g}",
                UserWarning,
                stacklevel=4,
            )
        self.energy.load_state_dict(state)
        return best

    def _pass(self, optimizer: torch.optim.Optimizer, lam: float, train: Tensor, settings: Settings) -> float:
        """Take one pass over the samples; return their mean loss."""
        total = 0.0
        for rows in torch.randperm(len(train), generator=settings.generator).split(settings.batch_size):
            batch = self.blurred(train[rows], settings)
            optimizer.zero_grad()
            loss = _loss(self.energy, batch, lam, self.weight, settings)
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(rows) / len(train)
        return total


def _loss(energy: nn.Module, z: Tensor, lam: float, weight: Tensor, settings: Settings) -> Tensor:
    """Return the loss of samples, with weights of the columns. Equal ones are a factor, as joint domains need."""
    same = bool((weight == weight[0]).all())
    each = None if same else weight.expand_as(z)
    options = {"curvature": settings.curvature, "weight": each, "domain": settings.domain}
    found: Tensor = score_matching_loss(energy, z, lam=lam, check_finite=False, **options)  # type: ignore[arg-type]
    return float(weight[0]) * found if same else found


def _rescaled(progress: ProgressCallback | None, number: int, count: int) -> Callable[[Progress], None] | None:
    """Return the callback of one of several fits."""
    if progress is None:
        return None
    return lambda state: progress(Progress((number + state.step / state.steps) * 100 / count, 100, state.figures))


def generator_of(random_state: int | np.random.RandomState | None) -> torch.Generator:
    """Return a generator of PyTorch for a seed or a random state of NumPy.

    Example:
        >>> generator_of(-3)
        Traceback (most recent call last):
        ValueError: random_state must be from 0 to 2**32 - 1, got -3
    """
    if isinstance(random_state, int | np.integer) and not 0 <= random_state < 2**32:
        raise ValueError(f"random_state must be from 0 to 2**32 - 1, got {random_state}")
    return torch.Generator().manual_seed(int(check_random_state(random_state).randint(2**31)))
