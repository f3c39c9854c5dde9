"""Coloring: the exact diagonal from one Hessian-vector product per class of uncoupled inputs.

Two inputs are coupled if some non-linear unit depends on both. Between uncoupled inputs, the Hessian ``H`` is zero. Let
``v`` be the indicator of a class of inputs that are not coupled with one another. Then ``v∘(H v)`` is the diagonal for
the whole class (Curtis, Powell & Reid 1974). A class is also called a color. For convolutions, the number of classes
depends on the receptive field, not on the size of the image. In the worst case, each class has one input, and D
products are needed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scorematching.curvature.analysis.structure import coupling_distance
from scorematching.curvature.base import Curvature, Derivatives, in_chunks, recomputed
from scorematching.curvature.hessian_products import Products, saved_bytes
from scorematching.graph import Graph
from scorematching.runtime.arguments import check_positive
from scorematching.runtime.cache import remembered
from scorematching.runtime.functional import transformed, unbatched
from scorematching.runtime.kinds import check_arguments

Class = tuple[int, ...]


@dataclass(frozen=True)
class Coloring(Curvature):
    """Diagonal of the Hessian by Hessian-vector products, for any module that returns energies.

    Args:
        field: Smallest distance at which two positions of the data are not coupled, one integer for each dimension
            after the channels. For a convolutional network this is its receptive field. By default it is computed from
            the structure of a :class:`scorematching.Graph`, and measured for any other module
            (:func:`measured_field`).
        memory: Maximum size of the products in bytes. The batch and the classes are split into chunks to fit.

    Raises:
        ValueError: ``memory`` is not above 0. When the method is applied: ``field`` does not have one integer of 1 or
            more for each dimension after the channels, or is smaller than the structure of a graph requires.

    Example:
        >>> import torch, scorematching as sm
        >>> energy = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Softplus(), sm.Sum())
        >>> Coloring(field=(3, 3)).derivatives(energy, torch.zeros(1, 1, 20, 20)).d2.shape
        torch.Size([1, 1, 20, 20])
    """

    field: tuple[int, ...] | None = None
    memory: float = 1e9

    def __post_init__(self) -> None:
        check_arguments(Coloring, vars(self))
        check_positive("memory", self.memory)

    def derivatives(self, energy: nn.Module, x: Tensor, squared: bool = False) -> Derivatives:
        """Implement :meth:`Curvature.derivatives`."""
        field = self.distance(energy, x)
        if self.field is None and not isinstance(energy, Graph) and not transformed() and field != tuple(x.shape[2:]):
            _check_measured(energy, x[:1], field)
        classes = list(itertools.product(range(x.shape[1]), *(range(n) for n in field)))
        room = len(x) * len(classes)
        if torch.is_grad_enabled() and not transformed():
            held = remembered(energy, ("bytes", x.shape[1:], x.dtype), lambda: saved_bytes(energy, x[:1]))
            room = int(self.memory / max(held, 1))
        samples = max(1, min(len(x), room))
        together = max(1, room // samples)

        def chunk(energy: nn.Module, x: Tensor) -> Derivatives:
            groups = [classes[i : i + together] for i in range(0, len(classes), together)]
            parts = [_of_classes(field, group) for group in groups]
            if len(parts) == 1:
                return parts[0](energy, x)
            found = [recomputed(part, energy, x) for part in parts]
            return Derivatives(found[0].d, torch.stack([f.d2 for f in found]).sum(0))

        return in_chunks(chunk, samples, energy, x)

    def distance(self, energy: nn.Module, x: Tensor) -> tuple[int, ...]:
        """Return the smallest distance at which no two positions are coupled: as given, computed or measured."""
        known, x = None, unbatched(x)
        if isinstance(energy, Graph):
            known = remembered(
                energy, ("distance", x.shape[1:]), lambda: coupling_distance(energy, x.shape[1:], energy.input)
            )
        if self.field is not None:
            whole = isinstance(self.field, tuple) and all(isinstance(n, int) and n > 0 for n in self.field)
            if not whole or len(self.field) != x.ndim - 2:
                raise ValueError(f"field must be a tuple of {x.ndim - 2} integers of 1 or more, got {self.field!r}")
            field = tuple(min(n, size) for n, size in zip(self.field, x.shape[2:], strict=True))
            if known is not None and any(n < least for n, least in zip(field, known, strict=True)):
                raise ValueError(f"field must be {known} or more for this energy, got {self.field}")
            return field
        if known is not None:
            return known
        return remembered(energy, ("measured", x.shape[1:]), lambda: measured_field(energy, x[:1]))


def _of_classes(field: tuple[int, ...], classes: list[Class]) -> Callable[..., Derivatives]:
    """Return a function of an energy and data: the diagonal for the given classes, zero for the others."""

    def derivatives(energy: nn.Module, x: Tensor) -> Derivatives:
        products = Products(energy, x)
        d2 = torch.zeros_like(x)
        for channel, *offsets in classes:
            indicator = torch.zeros_like(x[0])
            places = tuple(slice(first, None, step) for first, step in zip(offsets, field, strict=True))
            indicator[channel][places] = 1
            d2 = d2 + indicator * products.hessian_times(indicator)
        return Derivatives(products.d, d2)

    return derivatives


@torch.no_grad()
def _check_measured(energy: nn.Module, x: Tensor, field: tuple[int, ...]) -> None:
    """Raise ``ValueError`` if neighbors in one class are coupled at the first sample.

    The product is computed twice: with ones on the class, and with the signs of a checkerboard. Both give the same
    diagonal, unless neighbors are coupled.
    """
    places = tuple(slice(n // 2, None, n) for n in field)
    ones, signs = torch.zeros_like(x[0]), torch.zeros_like(x[0])
    ones[0][places] = 1
    counts = torch.meshgrid(*(torch.arange(n) for n in ones[0][places].shape), indexing="ij")
    signs[0][places] = 1 - 2.0 * (sum(counts, torch.zeros(())) % 2).to(x)
    products = Products(energy, x)
    one, two = ones * products.hessian_times(ones), signs * products.hessian_times(signs)
    if float((one - two).abs().max()) > 1e4 * torch.finfo(x.dtype).eps * float(one.abs().max()):
        raise ValueError(
            f"inputs at a distance of {field} are coupled, although they were not when the field was measured: if "
            f"{type(energy).__name__} has changed, pass Coloring(field=...)"
        )


@torch.no_grad()
def measured_field(energy: nn.Module, x: Tensor, positions: int = 25, seed: int = 0) -> tuple[int, ...]:
    """Measure the smallest distance at which two positions of the data are not coupled, for any module.

    Coupled entries are found by perturbing single inputs. First, an input is set to NaN. NaN passes through every sum
    and product, even a product with zero, so the gradient of a coupled entry becomes NaN. Then the input is set to a
    large positive and a large negative value, for modules that stop NaN at a threshold. The tested inputs are the
    corners, one line along each dimension, and some random positions. If the reach is larger elsewhere, or depends on
    weights or settings of the module, pass the field to :class:`Coloring` instead.

    Args:
        energy: A module that returns energies.
        x: One sample, shape (1, C, ...).
        positions: Number of random positions to test.
        seed: Seed of the random positions.

    Returns:
        One number for each dimension after the channels, at most the size of the data.
    """
    check_arguments(measured_field, locals())
    sizes = tuple(x.shape[2:])
    if math.prod(sizes) == 1:
        return sizes
    generator = torch.Generator().manual_seed(seed)
    wide = 10 * torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
    reach = [0] * len(sizes)
    entries = list(itertools.product(range(x.shape[1]), _tried(sizes, positions, generator)))
    for data, value in ((wide, torch.nan), *itertools.product((x, wide), (1e3, -1e3))):
        plain = Products(energy, data).d
        noise = 1e3 * torch.finfo(x.dtype).eps * plain.abs().max()
        for first in range(0, len(entries), 32):
            chunk = entries[first : first + 32]
            marked = data.repeat(len(chunk), *[1] * (x.ndim - 1))
            for sample, (channel, place) in zip(marked, chunk, strict=True):
                sample[(channel, *place)] = value
            changed = ~((Products(energy, marked).d - plain).abs() <= noise)
            for sample, (_, place) in zip(changed.any(1), chunk, strict=True):
                for i, there in enumerate(sample.nonzero().T):
                    reach[i] = max([reach[i], *(there - place[i]).abs().tolist()])
    return tuple(min(n, 1 + r) for n, r in zip(sizes, reach, strict=True))


def _tried(sizes: tuple[int, ...], count: int, generator: torch.Generator) -> list[tuple[int, ...]]:
    """Return the positions to test: corners, a line through the middle along each dimension, and random ones."""
    middle = [n // 2 for n in sizes]
    found = list(itertools.product(*({0, n - 1} for n in sizes)))
    found += [(*middle[:i], p, *middle[i + 1 :]) for i, n in enumerate(sizes) for p in range(n)]
    found += [tuple(int(torch.randint(n, (), generator=generator)) for n in sizes) for _ in range(count)]
    return list(dict.fromkeys(found))
