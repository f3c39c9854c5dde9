"""Random energies: branches, skips, selections, embeddings, pools, convolutions, shared and parallel edges."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch

import scorematching as sm
from scorematching.layers import (
    AvgPool2d,
    ConvTranspose2d,
    Gather,
    Identity,
    Layer,
    Scale,
    Scatter,
    SiLU,
    Sin,
    Softplus,
    Square,
    SumPool2d,
    Tanh,
)

Shape = tuple[int, ...]
CURVED: list[Callable[[], Layer]] = [
    Tanh,
    Softplus,
    SiLU,
    Square,
    sm.StudentT,
    Sin,
]


def random_graph(seed: int, image: bool = False) -> tuple[sm.Graph, torch.Tensor]:
    """An energy in float64 with random structure and weights, and two samples."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    start: Shape = (rng.choice([1, 2]), rng.choice([5, 6]), 6) if image else (rng.choice([2, 3, 4]),)
    shapes: dict[str, Shape] = {"x": start}
    edges: list[tuple[str, Layer, str]] = []
    for i in range(rng.randint(2, 7)):
        node, source = f"n{i}", rng.choice(list(shapes)[-3:])
        layer = _layer(rng, shapes[source])
        shapes[node] = _shape(layer, shapes[source])
        edges.append((source, layer, node))
        for other in [other for other, shape in shapes.items() if shape == shapes[node] and other != node]:
            if rng.random() < 0.3:
                edges.append((other, rng.choice([Identity, *CURVED])(), node))
        if rng.random() < 0.15:
            edges.append((source, _like(rng, layer, shapes[source]), node))
    used = {source for source, _, _ in edges}
    for node, shape in shapes.items():
        if node not in used:
            edges.append((node, rng.choice([Identity, *CURVED, *CURVED])(), f"{node}.end"))
            edges.append((f"{node}.end", sm.WeightedSum(shape[0]), "energy"))
    energy = sm.Graph(edges).double()
    with torch.no_grad():
        for parameter in energy.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.7)
    return energy, torch.randn(2, *start, dtype=torch.float64)


def _layer(rng: random.Random, shape: Shape) -> Layer:
    channels = shape[0]
    kinds: list[Callable[[], Layer]] = [*CURVED, lambda: Scale(channels)]
    chosen = [rng.randrange(channels) for _ in range(rng.randint(1, channels))]
    places = rng.sample(range(channels + 2), channels)
    kinds += [
        lambda: Gather(sorted(set(chosen))),
        lambda: Gather(chosen),
        lambda: Scatter(places, channels + 2),
    ]
    if len(shape) == 1:
        kinds += [lambda: sm.Linear(channels, rng.choice([1, 2, 3]))] * 5
    elif min(shape[1:]) >= 3:
        stride, kernel = rng.choice([1, 2]), rng.choice([1, 2, 3])
        kinds += [lambda: sm.Conv2d(channels, rng.choice([1, 2]), kernel, stride, rng.choice([0, 1]))] * 4
        kinds += [lambda: SumPool2d(2), lambda: AvgPool2d(kernel, stride)]
        kinds += [lambda: ConvTranspose2d(channels, 1, kernel, stride)] if max(shape[1:]) <= 6 else []
    return rng.choice(kinds)()


def _like(rng: random.Random, layer: Layer, shape: Shape) -> Layer:
    """A second layer between the same nodes: the same one, or a non-linear one where the shape is kept."""
    return rng.choice(CURVED)() if _shape(layer, shape) == shape else layer


def _shape(layer: Layer, shape: Shape) -> Shape:
    return tuple(layer(torch.zeros(1, *shape)).shape[1:])
