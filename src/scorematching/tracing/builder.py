"""What the rules of :mod:`scorematching.tracing.rules` build a graph with: values, edges, shared parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from scorematching.layers import Add, Affine, Flatten, Gather, Layer, Multiply, Reshape, Scale, Scatter


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor that depends on the data: the node of the graph that holds it, and what it is for the example."""

    node: str
    example: Tensor

    @property
    def shape(self) -> torch.Size:
        """Shape for the example, whose batch is dimension 0."""
        return self.example.shape


class Builder:
    """The edges found so far, and the operation that is being mapped.

    Attributes:
        edges: Triples (source node, layer, target node).
        kinked: Operations seen that are piecewise linear, as messages name them.
        name: The name of the present operation; its nodes are named after it.
        place: The present operation as messages name it.
        operation: The present operation as the table of rules has it.
        call: The present operation as a function.
    """

    def __init__(self) -> None:
        self.edges: list[tuple[str, Layer, str]] = []
        self.kinked: list[str] = []
        self.name = self.place = self.operation = ""
        self.call: Callable[..., Any] = torch.clone
        self._nodes: set[str] = set()
        self._layers: dict[tuple[Any, ...], Any] = {}

    def sum(self, terms: Sequence[tuple[Value, Layer]], part: str = "") -> Value:
        """A new node, the sum of ``layer(value)`` over the terms; ``part`` tells the nodes of one operation apart."""
        node = name = f"{self.name}.{part}" if part else self.name
        while node in self._nodes:
            node = f"{name}_{sum(other.startswith(name) for other in self._nodes)}"
        self._nodes.add(node)
        examples = []
        for value, layer in terms:
            layer.check_input(value.example)
            examples.append(layer(value.example).detach())
            self.edges.append((value.node, layer, node))
        return Value(node, sum(examples[1:], examples[0]))

    def apply(self, value: Value, layer: Layer, part: str = "") -> Value:
        """A new node, ``layer(value)``."""
        return self.sum([(value, layer)], part)

    def move(self, value: Value, operation: Callable[[Tensor], Any], part: str = "") -> Any:
        """The value after an operation that only moves, repeats and leaves out entries, or puts zeros between them.

        The operation is applied to the numbers 1, 2, ... in the place of the entries, and so tells where each goes. It
        may give several tensors.
        """
        numbers = torch.arange(1, value.example.numel() + 1, dtype=torch.float64)
        moved = operation(numbers.view(value.shape).to(value.example.device))
        if isinstance(moved, Tensor):
            return self._rearrange(value, self._places(value, moved), part)
        return tuple(
            self._rearrange(value, self._places(value, piece), part or str(i)) for i, piece in enumerate(moved)
        )

    def shift(self, value: Value, constant: object, part: str = "") -> Value:
        """``value + constant``."""
        if isinstance(constant, int | float):
            return self.apply(value, Add(constant), part)
        value, values, shape = self._broadcast(value, constant)
        return self.apply(value, self.shared(lambda: Add(values, shape), "shift", values, *shape), part)

    def scale(self, value: Value, constant: object, part: str = "") -> Value:
        """``value * constant``."""
        if isinstance(constant, int | float):
            return self.apply(value, Multiply(constant), part)
        value, weight, shape = self._broadcast(value, constant)
        along_channels = weight.ndim == 1 and value.example.ndim - len(shape) + shape.index(len(weight)) == 1
        if along_channels and isinstance(weight, nn.Parameter):
            return self.apply(value, self.layer(Scale, (len(weight),), weight), part)
        return self.apply(value, self.shared(lambda: Multiply(weight, shape), "factor", weight, *shape), part)

    def together(self, first: Value, second: Value) -> tuple[Value, Value]:
        """Two values, broadcast to one shape."""
        shape = torch.broadcast_shapes(first.shape, second.shape)
        return self._expand(first, shape), self._expand(second, shape)

    def layer(
        self, kind: Callable[..., Affine], options: tuple[Any, ...], weight: object, bias: object = None
    ) -> Layer:
        """The layer ``kind(*options)`` with these very parameters: the same one, where they come again."""
        own = [None if tensor is None else self._parameter(tensor) for tensor in (weight, bias)]

        def build() -> Affine:
            with torch.device("meta"):  # its own parameters are neither drawn nor kept
                layer = kind(*options)
            layer.weight, layer.bias = own
            return layer

        return self.shared(build, kind, options, *own)

    def shared(self, build: Callable[[], Layer], *key: object) -> Layer:
        """What ``build`` gave for this key at first; tensors in the key count by identity."""
        if key not in self._layers:
            self._layers[key] = build()
        layer: Layer = self._layers[key]
        return layer

    def owner(self, tensor: object) -> Tensor:
        """The parameter that the tensor is, or is a view of as a whole; a tensor that is not learned as it is."""
        if not isinstance(tensor, Tensor):
            raise TypeError(f"expected a number or a tensor, got {type(tensor).__name__}")
        base = tensor if isinstance(tensor, nn.Parameter) else tensor._base
        if isinstance(base, nn.Parameter) and base.numel() == tensor.numel() and tensor.is_contiguous():
            return base
        if tensor.requires_grad:
            raise TypeError(
                "a tensor is computed from parameters, or is part of one, and can't be shared: let a parameter of its "
                "own take its place (and remove parametrizations)"
            )
        return tensor.detach()

    def _parameter(self, tensor: object) -> nn.Parameter:
        """The parameter behind a tensor, in its own shape; one that is not learned for a constant."""
        owner = self.owner(tensor)
        if isinstance(tensor, Tensor) and owner.shape != tensor.shape:
            raise TypeError(
                f"a parameter of shape {tuple(owner.shape)} is used as {tuple(tensor.shape)}: give it that shape"
            )
        return owner if isinstance(owner, nn.Parameter) else nn.Parameter(owner, requires_grad=False)

    def _broadcast(self, value: Value, constant: object) -> tuple[Value, Tensor, tuple[int, ...]]:
        """The value in the shape that both make, the constant or the parameter behind it, and its own shape."""
        if not isinstance(constant, Tensor):
            raise TypeError(f"expected a number or a tensor, got {type(constant).__name__}")
        if constant.ndim == value.example.ndim and len(constant) > 1:
            if not bool((constant == constant[:1]).all()):
                raise TypeError("a constant differs from sample to sample: let its dimension 0 be 1")
            constant = constant[:1]
        shape = torch.broadcast_shapes(value.shape, constant.shape)
        owner = self.owner(constant)
        fixed = not isinstance(owner, nn.Parameter)
        return self._expand(value, shape), owner.to(value.example) if fixed else owner, tuple(constant.shape)

    def _expand(self, value: Value, shape: torch.Size) -> Value:
        """The value, its entries repeated up to ``shape``."""
        expanded: Value = self.move(value, lambda numbers: numbers.expand(shape), "expanded")
        return expanded

    def _places(self, value: Value, moved: Tensor) -> Tensor:
        """Which entry of a sample each entry of a moved one is, -1 for zeros."""
        samples, size = len(value.example), value.example[0].numel()
        if moved.ndim == 0 or len(moved) != samples:
            raise TypeError(
                f"dimension 0 must stay that of the samples: {tuple(value.shape)} became {tuple(moved.shape)}"
            )
        first = torch.arange(samples, device=moved.device).view(-1, *[1] * (moved.ndim - 1)) * size
        places = moved.long() - 1
        places = torch.where(places < 0, places, places - first)
        if bool((places != places[:1]).any()) or bool((places >= size).any()):
            raise TypeError("entries of different samples change places: only those of one sample may")
        return places[0]

    def _rearrange(self, value: Value, places: Tensor, part: str) -> Value:
        """The value, its entries rearranged as :meth:`_places` has it."""
        old, new, size = value.shape[1:], places.shape, value.example[0].numel()
        if not places.numel():
            raise TypeError("nothing is left of a sample")
        if torch.equal(places.flatten(), torch.arange(size, device=places.device)):
            if old == new:
                return value
            return self.apply(value, Flatten() if len(new) == 1 else Reshape(new), part)
        if old[1:] == new[1:]:
            inner = old[1:].numel()
            rows = places.view(new[0], -1)[:, :1] // inner
            if torch.equal(places.view(new[0], -1), rows * inner + torch.arange(inner, device=places.device)):
                return self.apply(value, Gather(rows.flatten().tolist()), part)
        return self._by_entries(value, places, part)

    def _by_entries(self, value: Value, places: Tensor, part: str) -> Value:
        """The value, flat, entries picked from it and put to their places, in its new shape."""
        flat, size, device = places.flatten(), value.example[0].numel(), places.device
        filled = (flat >= 0).nonzero().flatten()
        layers: dict[str, Layer] = {"flat": Reshape((size,))}
        if not torch.equal(flat[filled], torch.arange(size, device=device)):
            layers["picked"] = Gather(flat[filled].tolist())
        if len(filled) < len(flat):
            layers["placed"] = Scatter(filled.tolist(), len(flat))
        if places.ndim > 1:
            layers["shaped"] = Reshape(places.shape)
        last = list(layers)[-1]
        for step, layer in layers.items():
            value = self.apply(value, layer, ".".join(filter(None, (part, "" if step == last else step))))
        return value
