"""Spaces that chains move in: all of space, a part of it, a plane, a simplex, a sphere, angles."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from scorematching.domains import Circle, Domain, Simplex, Sphere
from scorematching.runtime.arguments import shown
from scorematching.runtime.kinds import check_arguments

#: Orthogonal projection onto a linear subspace, of each sample.
Projection = Callable[[Tensor], Tensor]


class Space:
    """All of space, or the part inside of a domain.

    Args:
        domain: Domain, if there is one. Chains do not leave it.
        project: Orthogonal projection onto a linear subspace that the chains move along.
    """

    def __init__(self, domain: Domain | None = None, project: Projection | None = None) -> None:
        self.domain, self.project = domain, project

    @property
    def bounded(self) -> bool:
        """Whether moves may end outside."""
        return self.domain is not None

    def outside(self, x: Tensor) -> Tensor:
        """Return True for each sample outside of the domain, shape (N,)."""
        if self.domain is None:
            return torch.zeros(len(x), dtype=torch.bool, device=x.device)
        return self.domain.outside(x)

    def tangent(self, x: Tensor, v: Tensor) -> Tensor:
        """Return the part of velocities ``v`` along the space at ``x``."""
        return v if self.project is None else self.project(v)

    def flow(self, x: Tensor, v: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """Return positions and velocities after a time without force.

        Args:
            x: Positions, shape (N, ...).
            v: Velocities along the space.
            time: Time of each sample, shape (N, 1, ...).
        """
        return x + time * v, v

    def settle(self, x: Tensor) -> Tensor:
        """Return positions without their rounding, such as angles in [-pi, pi)."""
        return self.flow(x, torch.zeros_like(x), x.new_zeros(()))[0]


class AngleSpace(Space):
    """Angles, in [-pi, pi)."""

    @property
    def bounded(self) -> bool:
        """Whether moves may end outside: no."""
        return False

    def flow(self, x: Tensor, v: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """Implement :meth:`Space.flow`."""
        angle = torch.remainder(x + time * v + math.pi, 2 * math.pi) - math.pi
        return torch.where(angle >= math.pi, -math.pi, angle), v  # the remainder may round up


class SimplexSpace(Space):
    """The unit simplex: the part with positive entries of the plane on which they sum to 1."""

    def tangent(self, x: Tensor, v: Tensor) -> Tensor:
        """Implement :meth:`Space.tangent`."""
        return without_mean(v)

    def flow(self, x: Tensor, v: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """Implement :meth:`Space.flow`."""
        moved = x + time * v
        return moved + (1 - moved.sum(1, keepdim=True)) / x.shape[1], v  # rounding errors would add up


class SphereSpace(Space):
    """The unit sphere, along great circles (Byrne & Girolami 2013)."""

    @property
    def bounded(self) -> bool:
        """Whether moves may end outside: in a part of the sphere."""
        return isinstance(self.domain, Sphere) and self.domain.boundary is not None

    def tangent(self, x: Tensor, v: Tensor) -> Tensor:
        """Implement :meth:`Space.tangent`."""
        return v - x * _dot(x, v)

    def flow(self, x: Tensor, v: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """Implement :meth:`Space.flow`."""
        speed = _dot(v, v).sqrt()
        angle = speed * time
        moved = x * angle.cos() + v * (time * torch.sinc(angle / math.pi))
        return moved / _dot(moved, moved).sqrt(), v * angle.cos() - x * (speed * angle.sin())


def space_of(domain: Domain | None, project: Projection | None) -> Space:
    """Return the space of a domain.

    Args:
        domain: Domain; ``None`` for all of space.
        project: Projection, as in :class:`Space`.

    Raises:
        ValueError: The domain has directions of its own, and there is a projection too.
    """
    special = {Circle: AngleSpace, Simplex: SimplexSpace, Sphere: SphereSpace}
    kind = next((space for name, space in special.items() if isinstance(domain, name)), Space)
    if kind is not Space and project is not None:
        raise ValueError(f"project can't be combined with the domain {domain}, which sets the directions of the moves")
    return kind(domain, project)


def without_mean(x: Tensor) -> Tensor:
    """Subtract the mean of each sample: an orthogonal projection, for ``project`` of :func:`langevin`.

    Example:
        >>> without_mean(torch.tensor([[1.0, 3.0]])).tolist()
        [[-1.0, 1.0]]
    """
    check_arguments(without_mean, locals())
    if not x.is_floating_point() or x.ndim < 2:
        raise ValueError(f"x must be a batch of floating point, shape (N, ...), got {shown(x)}")
    return x - x.mean(tuple(range(1, x.ndim)), keepdim=True)


def _dot(x: Tensor, v: Tensor) -> Tensor:
    """Return the inner product of each sample, shape (N, 1, ...)."""
    return (x * v).sum(tuple(range(1, x.ndim)), keepdim=True)
