"""Coloring: the exact diagonal from Hessian-vector products, one for each class of inputs that are not coupled.

Two inputs that no non-linear unit sees together share no entry of the Hessian ``H``. With ``v`` the indicator of a
class in which no two inputs are coupled, ``v∘(H v)`` is the diagonal for the whole class (Curtis, Powell & Reid,
1974). For convolutions the number of classes depends on the receptive field and not on the size of the image; with
every input in a class of its own this is the brute force of D products.
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

Class = tuple[int, ...]


@dataclass(frozen=True)
class Coloring(Curvature):
    """The diagonal of the Hessian by Hessian-vector products, for any module that returns energies.

    Args:
        field: From which distance on two positions of the data are not coupled, one number for each dimension after
            the channels: for a network of convolutions its receptive field. Where it is not given, a
            :class:`scorematching.Graph` says it by its structure; of any other module it is measured, see
            :func:`measured_field`.
        memory: Bytes that the products may take; batch and classes are cut into chunks accordingly.

    Raises:
        ValueError: ``memory`` is no number above 0; later, ``field`` does not have one whole number of 1 or more a
            dimension, or is smaller than the structure of a graph says.

    Raises:
        ValueError: ``memory`` is no number above 0.

    Example:
        >>> import torch, scorematching as sm
        >>> energy = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Softplus(), sm.Sum())
        >>> Coloring(field=(3, 3)).derivatives(energy, torch.zeros(1, 1, 20, 20)).d2.shape
        torch.Size([1, 1, 20, 20])
    """

    field: tuple[int, ...] | None = None
    memory: float = 1e9

    def __post_init__(self) -> None:
        check_positive("memory", self.memory)

    def derivatives(self, energy: nn.Module, x: Tensor, squared: bool = False) -> Derivatives:
        """Implement :meth:`Curvature.derivatives`."""
        field = self.distance(energy, x)
        if self.field is None and not isinstance(energy, Graph) and field != tuple(x.shape[2:]):
            _check_measured(energy, x[:1], field)
        classes = list(itertools.product(range(x.shape[1]), *(range(n) for n in field)))
        room = len(x) * len(classes)
        if torch.is_grad_enabled():
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
        """From which distance on two positions are not coupled: what is given, known or measured."""
        known = None
        if isinstance(energy, Graph):
            known = remembered(
                energy, ("distance", x.shape[1:]), lambda: coupling_distance(energy, x.shape[1:], energy.input)
            )
        if self.field is not None:
            whole = isinstance(self.field, tuple) and all(isinstance(n, int) and n > 0 for n in self.field)
            if not whole or len(self.field) != x.ndim - 2:
                raise ValueError(f"field must be {x.ndim - 2} whole numbers of 1 or more, a tuple, got {self.field!r}")
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
    """Raise ``ValueError`` where neighbors in a class turn out to be coupled, at the first sample and one class.

    With the signs of a checkerboard on the class, ``v∘(H v)`` is the same diagonal, unless they are.
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
            f"inputs at a distance of {field} are coupled, though they were not when that was measured: has "
            f"{type(energy).__name__} changed? Give Coloring(field=...)"
        )


@torch.no_grad()
def measured_field(energy: nn.Module, x: Tensor, positions: int = 25, seed: int = 0) -> tuple[int, ...]:
    """From which distance on two positions of the data are not coupled, measured for any module.

    One entry of the data is made NaN: what it is coupled with has a gradient of NaN, for NaN goes through every sum
    and product, a product with zero too. Then the entry is moved far to both sides, in the data and in wide noise, for
    modules that stop NaN at a threshold. Tried are the corners, all positions along one line a dimension, and some at
    random. Where the reach is larger elsewhere, or changes with weights or settings of the module, give the field.

    Args:
        energy: A module that returns energies.
        x: One sample, shape (1, C, ...).
        positions: How many positions are tried at random.
        seed: Of their choice.

    Returns:
        One number for each dimension after the channels, no larger than the data.
    """
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
    """Positions: corners, a line through the middle along each dimension, and some at random."""
    middle = [n // 2 for n in sizes]
    found = list(itertools.product(*({0, n - 1} for n in sizes)))
    found += [(*middle[:i], p, *middle[i + 1 :]) for i, n in enumerate(sizes) for p in range(n)]
    found += [tuple(int(torch.randint(n, (), generator=generator)) for n in sizes) for _ in range(count)]
    return list(dict.fromkeys(found))
