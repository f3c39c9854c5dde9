"""Fields of experts: energies of images of any size, at one or several scales."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from scorematching.energies.bases import dct_filters
from scorematching.energies.sizes import ExpertName, check_field_sizes, check_neighbors
from scorematching.graph import Graph
from scorematching.layers import AvgPool2d, Conv2d, Crop, Layer, Spline, StudentTMixture, Sum
from scorematching.runtime.kinds import check_arguments


class FieldOfExperts(Graph):
    """Field of experts: ``E(x) = 1/n^2 sum_p sum_k f_k((w_k * x)_p)``, summed over all positions ``p``.

    Reference: Roth & Black 2005. The K filters ``w_k`` of n x n pixels start as the DCT basis without its constant,
    lowest frequencies first. Filters and experts ``f_k`` are learned.

    With several octaves, the energy is a sum of fields. The first one is a field of the image itself. The others are
    fields of its means over blocks of 2 x 2, 4 x 4, ... pixels. Each field has K filters and experts of its own. All
    fields are evaluated where the coarsest filters fit into the image, so that the energies of tiles add up to the
    energy of the image.

    With neighbors, the energy is that of an image, given the images before and after it, such as the frames of a movie
    or the slices of a volume. The input has 2 neighbors + 1 planes, with the image in the middle. The K filters start
    as filters of the mean of all planes. In the first octave, n^2 more filters start as the DCT basis of the difference
    between the image and the mean of its neighbors. While their experts are quadratic, Tweedie's formula averages the
    planes, and then removes the rest of the noise. Experts that are flat for large differences stop averaging where the
    scene moves.

    Args:
        filters: K, the number of filters per octave, from 1 to n^2 - 1.
        size: n, the side of a filter in pixels, 2 or more. With several octaves it must be odd.
        scales: Scales of the Student-t mixtures, in the units of ``x``. By default those of
            :class:`scorematching.layers.StudentTMixture`.
        octaves: Number of octaves, 1 or more.
        expert: ``"student-t"`` for :class:`scorematching.layers.StudentTMixture`, or ``"spline"`` for
            :class:`scorematching.layers.Spline`.
        neighbors: Number of neighbors on each side of the image, from 0 to 8.

    Raises:
        ValueError: A size is out of its range, or the expert is unknown.

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
        neighbors: int = 0,
    ) -> None:
        check_field_sizes(filters, size, octaves, expert)
        check_arguments(FieldOfExperts.__init__, locals())
        start = _first_filters(filters, size, check_neighbors(neighbors))
        if expert == "spline" and scales is not None:
            raise ValueError(f"scales are an option of 'student-t' experts, not of splines, got {scales}: remove them")
        given = {} if scales is None else {"scales": scales}
        edges: list[tuple[str, Layer, str]] = []
        for octave in range(octaves):
            source, border = "x", (size - 1) * (2 ** (octaves - 1) - 2**octave) // 2
            if border:
                edges.append((source, Crop(border), source := f"inside{octave}"))
            if octave:
                edges.append((source, AvgPool2d(2**octave), source := f"means{octave}"))
            count = len(start) if octave == 0 else filters
            experts = Spline(count) if expert == "spline" else StudentTMixture(count, **given)
            edges += [
                (source, Conv2d(2 * neighbors + 1, count, size, bias=False), f"responses{octave}"),
                (f"responses{octave}", experts, f"experts{octave}"),
                (f"experts{octave}", Sum(1 / size**2), "energy"),
            ]
        super().__init__(edges)
        with torch.no_grad():
            for octave, convolution in enumerate(self.convolutions):  # white noise gives equal responses in all octaves
                convolution.weight.copy_(2**octave * start[: len(convolution.weight)])

    @property
    def convolutions(self) -> list[Conv2d]:
        """Convolution of each octave."""
        return [layer for layer in self.layers if isinstance(layer, Conv2d)]

    @property
    def expert_layers(self) -> list[StudentTMixture | Spline]:
        """Layer of experts of each octave."""
        return [layer for layer in self.layers if isinstance(layer, StudentTMixture | Spline)]

    @property
    def filters(self) -> Tensor:
        """Filters ``w_k`` of all octaves, shape (octaves K, 1, n, n); with neighbors, one plane per image."""
        return torch.cat([convolution.weight for convolution in self.convolutions])

    @property
    def weights(self) -> Tensor:
        """Weights of each expert, one per scale or knot, shape (octaves K, ...)."""
        return torch.cat([layer.weight for layer in self.expert_layers])

    def experts(self, u: Tensor) -> Tensor:
        """Return the energy of each expert at the responses ``u``, one column per filter."""
        parts = u.split([len(layer.weight) for layer in self.expert_layers], 1)
        return torch.cat([layer(part) for layer, part in zip(self.expert_layers, parts, strict=True)], 1)

    @torch.no_grad()
    def normalize(self) -> None:
        """Normalize each filter, as it acts on the image, to zero mean and unit norm."""
        for octave, convolution in enumerate(self.convolutions):
            weight = convolution.weight
            weight -= weight.mean((1, 2, 3), keepdim=True)
            weight *= 2**octave / weight.flatten(1).norm(dim=1).view(-1, 1, 1, 1)


def _first_filters(filters: int, size: int, neighbors: int) -> Tensor:
    """Return the filters of an untrained field, shape (K, 1, n, n); with neighbors (K + n^2, 2 neighbors + 1, n, n)."""
    if not neighbors:
        return dct_filters(size, filters + 1)[1:, None]
    basis, planes = dct_filters(size)[:, None], 2 * neighbors + 1
    mean = torch.full((planes, 1, 1), 1 / math.sqrt(planes))
    difference = torch.full((planes, 1, 1), -1 / (planes - 1))
    difference[neighbors] = 1
    return torch.cat([mean * basis[1 : filters + 1], difference / difference.norm() * basis])
