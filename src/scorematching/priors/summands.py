"""Contribution of each position to the energy of an image."""

from __future__ import annotations

import torch
from torch import Tensor

from scorematching.graph import Graph
from scorematching.layers import Sum


def summands(energy: Graph, planes: Tensor) -> Tensor:
    """Return the contribution of each position to the energy of padded planes, (N, C, H, W) to (N, h, w).

    The positions are those of the coarsest octave.

    Example:
        >>> from scorematching.energies import FieldOfExperts
        >>> summands(FieldOfExperts(filters=8, size=3), torch.zeros(2, 1, 20, 30)).shape
        torch.Size([2, 18, 28])
    """
    values, found = {energy.input: planes}, []
    for edge, layer in energy.pairs():
        if isinstance(layer, Sum):
            found.append(layer.weight * values[edge.source].sum(1))
        else:
            energy.add_to_node(values, edge, layer(values[edge.source]))
    height, width = (min(places.shape[side] for places in found) for side in (1, 2))
    squares = [places.unflatten(2, (width, -1)).unflatten(1, (height, -1)) for places in found]
    return torch.stack([square.sum((2, 4)) for square in squares]).sum(0)
