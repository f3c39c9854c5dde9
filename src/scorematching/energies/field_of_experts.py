"""Fields of experts: energies of images of any size, at one scale or several."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from scorematching.energies.bases import dct_filters
from scorematching.energies.sizes import ExpertName, check_field_sizes
from scorematching.graph import Graph
from scorematching.layers import AvgPool2d, Conv2d, Crop, Layer, Spline, StudentTMixture, Sum


class FieldOfExperts(Graph):
    """Field of experts: ``E(x) = 1/n^2 sum_p sum_k f_k((w_k * x)_p)``, over all places ``p``. Roth & Black 2005.

    The K filters of n x n start from the DCT basis without its constant, lowest frequencies first, and are free to
    move. Each expert ``f_k`` is learned.

    With several octaves the energies of fields are added that see the image as it is, and in means over squares of
    2, 4 ... pixels, each with K filters and experts of its own. An octave's places are those around which the
    coarsest filters fit, so that energies of tiles add up.

    Args:
        filters: K, from 1 to n^2 - 1, of each octave.
        size: n, the side of a filter in pixels, 2 or more; an odd number where there are several octaves.
        scales: Of experts that are mixtures of Student-t, in the units of ``x``; theirs by default.
        octaves: How many.
        expert: ``"student-t"``, a mixture of them (:class:`scorematching.layers.StudentTMixture`), or ``"spline"``
            (:class:`scorematching.layers.Spline`).

    Raises:
        ValueError: A size is out of its range, or there is no such expert.

    Example:
        >>> FieldOfExperts(filters=8, size=3, octaves=2, expert="spline")(torch.zeros(2, 1, 20, 30)).shape
        torch.Size([2])
    """

    def __init__(
        self,
        filters: int = 48,
        size: int = 7,
        scales: Sequence[float] | None = None,
        octaves: int = 1,
        expert: ExpertName = "student-t",
    ) -> None:
        check_field_sizes(filters, size, octaves, expert)
        if expert == "spline" and scales is not None:
            raise ValueError(f"scales are for mixtures of Student-t, not for splines, got {scales}")
        given = {} if scales is None else {"scales": scales}
        edges: list[tuple[str, Layer, str]] = []
        for octave in range(octaves):
            source, border = "x", (size - 1) * (2 ** (octaves - 1) - 2**octave) // 2
            if border:
                edges.append((source, Crop(border), source := f"inside{octave}"))
            if octave:
                edges.append((source, AvgPool2d(2**octave), source := f"means{octave}"))
            experts = Spline(filters) if expert == "spline" else StudentTMixture(filters, **given)
            edges += [
                (source, Conv2d(1, filters, size, bias=False), f"responses{octave}"),
                (f"responses{octave}", experts, f"experts{octave}"),
                (f"experts{octave}", Sum(1 / size**2), "energy"),
            ]
        super().__init__(edges)
        with torch.no_grad():
            for octave, convolution in enumerate(self.convolutions):  # white noise has the same response in each
                convolution.weight.copy_(2**octave * dct_filters(size)[1 : filters + 1, None])

    @property
    def convolutions(self) -> list[Conv2d]:
        """One an octave."""
        return [layer for layer in self.layers if isinstance(layer, Conv2d)]

    @property
    def expert_layers(self) -> list[StudentTMixture | Spline]:
        """One an octave."""
        return [layer for layer in self.layers if isinstance(layer, StudentTMixture | Spline)]

    @property
    def filters(self) -> Tensor:
        """The ``w_k`` of all octaves, shape (octaves K, 1, n, n)."""
        return torch.cat([convolution.weight for convolution in self.convolutions])

    @property
    def weights(self) -> Tensor:
        """Of each expert, the weights of its scales or knots, shape (octaves K, ...)."""
        return torch.cat([layer.weight for layer in self.expert_layers])

    def experts(self, u: Tensor) -> Tensor:
        """Energy of each expert at responses ``u``, shape (N, octaves K)."""
        parts = u.chunk(len(self.expert_layers), 1)
        return torch.cat([layer(part) for layer, part in zip(self.expert_layers, parts, strict=True)], 1)

    @torch.no_grad()
    def normalize(self) -> None:
        """Give the filters zero mean and unit norm, as they meet the image."""
        for octave, convolution in enumerate(self.convolutions):
            weight = convolution.weight
            weight -= weight.mean((2, 3), keepdim=True)
            weight *= 2**octave / weight.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
