"""Values and the graph builder, which the tracing rules use to add edges and to share parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from scorematching.layers import Add, Affine, Expand, Flatten, Gather, Layer, Multiply, Reshape, Scale, Scatter
from scorematching.tracing.table import InvalidEnergyError


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor that depends on the data.

    Attributes:
        node: Name of the graph node that holds it.
        example: Its value for the example batch.
    """

    node: str
    example: Tensor

    @property
    def shape(self) -> torch.Size:
        """Shape for the example batch; dimension 0 is the batch."""
        return self.example.shape


class Builder:
    """Edges of the graph under construction, and the current operation.

    Attributes:
        edges: Triples (source node, layer, target node), in an order in which each node is complete before it is used.
        values: Value at each node, by its name.
        kinked: Descriptions of the piecewise linear operations found so far.
        name: Name of the current operation; its nodes are named after it.
        place: Description of the current operation, for messages.
        operation: Name of the current operation in the table of rules.
        call: Current operation as a function.
    """

    def __init__(self) -> None:
        self.edges: list[tuple[str, Layer, str]] = []
        self.kinked: list[str] = []
        self.name = self.place = self.operation = ""
        self.call: Callable[..., Any] = torch.clone
        self.values: dict[str, Value] = {}
        self._layers: dict[tuple[Any, ...], Any] = {}

    def sum(self, terms: Sequence[tuple[Value, Layer]], part: str = "") -> Value:
        """Add a node that holds the sum of ``layer(value)`` over the terms.

        If an operation needs several nodes, ``part`` distinguishes their names.
        """
        node = name = f"{self.name}.{part}" if part else self.name
        while node in self.values:
            node = f"{name}_{sum(other.startswith(name) for other in self.values)}"
        examples = []
        for value, layer in terms:
            layer.check_input(value.example)
            examples.append(layer(value.example).detach())
            self.edges.append((value.node, layer, node))
        return self.enter(Value(node, sum(examples[1:], examples[0])))

    def enter(self, value: Value) -> Value:
        """Enter a value under the name of its node, and return it."""
        self.values[value.node] = value
        return value

    def apply(self, value: Value, layer: Layer, part: str = "") -> Value:
        """Add a node that holds ``layer(value)``."""
        return self.sum([(value, layer)], part)

    def move(self, value: Value, operation: Callable[[Tensor], Any], part: str = "") -> Any:
        """Map an operation that only moves, repeats or drops entries, or inserts zeros.

        The operation is applied to the numbers 1, 2, ... in place of the entries. The result shows where each entry
        goes. The operation may return several tensors; then this method returns a tuple of values.
        """
        numbers = torch.arange(1, value.example.numel() + 1, dtype=torch.float64)
        moved = operation(numbers.view(value.shape).to(value.example.device))
        if isinstance(moved, Tensor):
            return self._rearrange(value, self._places(value, moved), part)
        return tuple(
            self._rearrange(value, self._places(value, piece), part or str(i)) for i, piece in enumerate(moved)
        )

    def shift(self, value: Value, constant: object, part: str = "") -> Value:
        """Return ``value + constant``."""
        if isinstance(constant, int | float):
            return self.apply(value, Add(constant), part)
        value, values, shape = self._broadcast(value, constant)
        return self.apply(value, self.shared(lambda: Add(values, shape), "shift", values, *shape), part)

    def scale(self, value: Value, constant: object, part: str = "") -> Value:
        """Return ``value * constant``."""
        if isinstance(constant, int | float):
            return self.apply(value, Multiply(constant), part)
        value, weight, shape = self._broadcast(value, constant)
        along_channels = weight.ndim == 1 and value.example.ndim - len(shape) + shape.index(len(weight)) == 1
        if along_channels and isinstance(weight, nn.Parameter):
            return self.apply(value, self.layer(Scale, (len(weight),), weight), part)
        return self.apply(value, self.shared(lambda: Multiply(weight, shape), "factor", weight, *shape), part)

    def together(self, first: Value, second: Value) -> tuple[Value, Value]:
        """Broadcast two values to a common shape."""
        shape = torch.broadcast_shapes(first.shape, second.shape)
        return self.expand(first, shape), self.expand(second, shape)

    def expand(self, value: Value, shape: torch.Size) -> Value:
        """Expand a value to ``shape``. Channels are copied by a layer that keeps the receptive fields known."""
        along_channels = len(shape) > 2 and value.shape[2:] == shape[2:]
        if value.shape != shape and value.example.ndim == len(shape) and not along_channels:
            return self.apply(value, Expand(shape[1:]), "expanded")
        expanded: Value = self.move(value, lambda numbers: numbers.expand(shape), "expanded")
        return expanded

    def layer(
        self, kind: Callable[..., Affine], options: tuple[Any, ...], weight: object, bias: object = None
    ) -> Layer:
        """Return the layer ``kind(*options)`` that uses the given parameters themselves, not copies.

        Calls with the same parameters and options return the same layer.
        """
        own = [None if tensor is None else self._parameter(tensor) for tensor in (weight, bias)]

        def build() -> Affine:
            with torch.device("meta"):  # allocate and initialize no parameters: they are replaced
                layer = kind(*options)
            layer.weight, layer.bias = own
            return layer

        return self.shared(build, kind, options, *own)

    def shared(self, build: Callable[[], Layer], *key: object) -> Layer:
        """Return the layer that ``build`` returned first for this key; tensors in the key compare by identity."""
        if key not in self._layers:
            self._layers[key] = build()
        layer: Layer = self._layers[key]
        return layer

    def owner(self, tensor: object) -> Tensor:
        """Return the parameter behind a tensor: itself, or the parameter that it is a view of.

        A tensor that is not learned is returned detached.
        """
        if not isinstance(tensor, Tensor):
            raise TypeError(f"expected a number or a tensor, got {type(tensor).__name__}")
        base = tensor if isinstance(tensor, nn.Parameter) else tensor._base
        if isinstance(base, nn.Parameter) and base.numel() == tensor.numel() and tensor.is_contiguous():
            return base
        if tensor.requires_grad:
            raise TypeError(
                "a tensor is computed from parameters, or is a part of a parameter, so the graph can't share it: use a "
                "separate parameter instead, and remove parametrizations"
            )
        return tensor.detach()

    def _parameter(self, tensor: object) -> nn.Parameter:
        """Return the parameter behind a tensor, or for a constant a new parameter that is not learned."""
        owner = self.owner(tensor)
        if isinstance(tensor, Tensor) and owner.shape != tensor.shape:
            raise TypeError(
                f"a parameter of shape {tuple(owner.shape)} is used as a view of shape {tuple(tensor.shape)}: create "
                "it with the second shape"
            )
        return owner if isinstance(owner, nn.Parameter) else nn.Parameter(owner, requires_grad=False)

    def _broadcast(self, value: Value, constant: object) -> tuple[Value, Tensor, tuple[int, ...]]:
        """Broadcast a value and a constant.

        Returns:
            The value in the common shape; the constant, or the parameter behind it; and the shape that the constant is
            used in.
        """
        if not isinstance(constant, Tensor):
            raise TypeError(f"expected a number or a tensor, got {type(constant).__name__}")
        if constant.ndim == value.example.ndim and len(constant) > 1:
            if not bool((constant == constant[:1]).all()):
                raise InvalidEnergyError("a constant differs between samples: give it size 1 in dimension 0")
            constant = constant[:1]
        shape = torch.broadcast_shapes(value.shape, constant.shape)
        owner = self.owner(constant)
        fixed = not isinstance(owner, nn.Parameter)
        return self.expand(value, shape), owner.to(value.example) if fixed else owner, tuple(constant.shape)

    def _places(self, value: Value, moved: Tensor) -> Tensor:
        """Return, for each entry of a moved sample, its index in the original sample, or -1 for a zero.

        Args:
            value: Value that was moved.
            moved: Result of the operation for the numbers 1, 2, ... in place of the entries.
        """
        samples, size = len(value.example), value.example[0].numel()
        if moved.ndim == 0 or len(moved) != samples:
            raise TypeError(
                f"dimension 0 must remain the batch: shape {tuple(value.shape)} became {tuple(moved.shape)}"
            )
        first = torch.arange(samples, device=moved.device).view(-1, *[1] * (moved.ndim - 1)) * size
        places = moved.long() - 1
        places = torch.where(places < 0, places, places - first)
        if bool((places != places[:1]).any()) or bool((places >= size).any()):
            raise InvalidEnergyError("it moves entries from one sample to another: move entries only within a sample")
        return places[0]

    def _rearrange(self, value: Value, places: Tensor, part: str) -> Value:
        """Rearrange the entries of a value by the indices of :meth:`_places`, with as few layers as possible."""
        old, new, size = value.shape[1:], places.shape, value.example[0].numel()
        if not places.numel():
            raise InvalidEnergyError("it drops all entries of a sample: keep one or more")
        if torch.equal(places.flatten(), torch.arange(size, device=places.device)):
            if old == new:
                return value
            return self.apply(value, Flatten() if old and len(new) == 1 else Reshape(new), part)
        if old[1:] == new[1:]:
            inner = old[1:].numel()
            rows = places.reshape(new[0], -1)[:, :1] // inner
            if torch.equal(places.reshape(new[0], -1), rows * inner + torch.arange(inner, device=places.device)):
                return self.apply(value, Gather(rows.flatten().tolist()), part)
        return self._by_entries(value, places, part)

    def _by_entries(self, value: Value, places: Tensor, part: str) -> Value:
        """Rearrange a value entry by entry: flatten it, gather entries, scatter them, and reshape the result."""
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
