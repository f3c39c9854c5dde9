"""From a ``torch.nn.Module`` to a graph with the same parameters.

``torch.fx`` writes down the operations of the module's ``forward``; each is then run on an example, and a rule of
:mod:`~scorematching.tracing.pointwise` or :mod:`~scorematching.tracing.affine` says what edges stand for it.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_leaves

from scorematching.graph import Graph
from scorematching.layers import Layer, Reshape
from scorematching.tracing import affine_rules, pointwise_rules  # noqa: F401  # they enter their rules into the table
from scorematching.tracing.builder import Builder, Value
from scorematching.tracing.table import ALIASES, RULES, refuse

_SIDES = (8, 16, 28, 32, 64, 96, 128, 224, 256)


def from_torch(module: nn.Module, x: Tensor | None = None) -> Graph:
    """The graph of an existing module that maps a batch to energies, with the very same parameters.

    An optimizer over the module's parameters trains the graph, and the other way round. The module is taken in its
    present mode, and its operations as they run for an example: sizes that ``forward`` reads are those of the example,
    and where it moves entries about, the graph takes samples of that size only. Before it is returned, the graph is
    compared with the module on the example.

    Args:
        module: Maps a batch, shape (N, ...), to energies, shape (N,) or (N, 1).
        x: An example batch, for the shapes. If not given it is made from the sizes of the module's first layer with
            parameters, a ``Linear`` or a ``Conv2d``; for a ``Conv2d`` the first square that the module takes.

    Returns:
        The graph, with input node ``"x"`` and output node ``"energy"``; the other nodes have the names that
        ``torch.fx`` gives to the operations.

    Raises:
        TypeError: The module has an operation that no layer stands for, or ``torch.fx`` can't follow its ``forward``.
            The message names the operation and the module it is in.
        ValueError: A shape does not fit; there is no example and none can be made; the graph and the module differ.

    Warns:
        UserWarning: The module has operations made of straight pieces, such as ReLU.

    Example:
        >>> import scorematching as sm
        >>> network = nn.Sequential(nn.Linear(4, 8), nn.Softplus(), nn.Linear(8, 1))
        >>> energy = sm.from_torch(network)
        >>> energy.layers[0].weight is network[0].weight
        True
        >>> sm.score_matching_loss(energy, torch.randn(16, 4)).backward()
        >>> network[0].weight.grad.shape
        torch.Size([8, 4])
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"expected a torch.nn.Module, got {type(module).__name__}")
    root = nn.Sequential(module)  # what fx leaves behind on the root does not stay on the module
    nodes = _trace(root)
    misfit = "there is no Linear or Conv2d to tell its shape from"
    for example in _examples(module) if x is None else [_checked(x, module)]:
        try:
            with torch.device(example.device):
                builder, energy = _build(root, nodes, example)
        except ValueError as error:
            misfit = str(error)
            continue
        graph = _graph(builder, energy)
        _compare(graph, module, example)
        _warn_of_kinks(builder.kinked)
        return graph
    raise ValueError(misfit if x is not None else f"pass an example batch as x: {misfit}")


class _Tracer(fx.Tracer):
    """Follows modules into their functions, but for layers, which stay, and what ``fx`` can't follow."""

    proxy_buffer_attributes = True

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module stays."""
        return isinstance(m, (Layer, Graph, nn.modules.batchnorm._NormBase, nn.MultiheadAttention, nn.RNNBase))

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """What ``fx`` does at a call of a module, and errors that name the innermost module."""
        try:
            return super().call_module(m, forward, args, kwargs)
        except _UntraceableError:
            raise
        except Exception as error:
            name = next((name for name, other in self.root.named_modules() if other is m), "")
            raise _UntraceableError(
                f"torch.fx can't follow forward of {_inside(name)}, {type(m).__name__}: {error}. It runs without data: "
                "no if, for, len or assert may depend on a value or its shape. Take them out, or write the energy as a "
                "scorematching.Graph"
            ) from error


class _UntraceableError(TypeError):
    """``torch.fx`` can't follow a module; the message is complete."""


def _trace(root: nn.Module) -> list[fx.Node]:
    """The operations that bear on the output, in order."""
    try:
        graph = _Tracer().trace(root)
    except _UntraceableError as error:
        raise TypeError(str(error)) from error.__cause__
    needed: dict[fx.Node, None] = {}
    for node in reversed(graph.nodes):
        if node.op in ("placeholder", "output") or any(user in needed for user in node.users):
            needed[node] = None
    return list(reversed(needed))


def _examples(module: nn.Module) -> Iterator[Tensor]:
    """Batches that the first layer with parameters takes."""
    layers = (m for m in module.modules() if list(m.parameters()) and not list(m.children()))
    first = next(layers, None)
    shapes: list[tuple[int, ...]] = []
    if isinstance(first, nn.Linear):
        shapes = [(1, first.in_features)]
    elif isinstance(first, nn.Conv2d):
        shapes = [(1, first.in_channels, side, side) for side in _SIDES]
    for shape in shapes:
        yield _checked(torch.rand(shape, generator=torch.Generator().manual_seed(0), device="cpu"), module)


def _checked(x: Tensor, module: nn.Module) -> Tensor:
    """The example, with the precision and on the device of the module."""
    if not isinstance(x, Tensor):
        raise TypeError(f"x must be a torch tensor, got {type(x).__name__}")
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"x must be a batch of one sample or more, shape (N, ...), got {tuple(x.shape)}")
    return x.detach().to(next(module.parameters(), x))


def _build(root: nn.Module, nodes: list[fx.Node], x: Tensor) -> tuple[Builder, Value]:
    """The edges for an example, and the value that is the energy."""
    builder = Builder()
    known: dict[fx.Node, Any] = {}
    sample = x[:1].expand(3, *x.shape[1:])  # more than one, so that what mixes samples shows
    for node in nodes:
        args, options = fx.node.map_arg((node.args, dict(node.kwargs)), known.__getitem__)
        if node.op == "placeholder":
            known[node] = Value("x", sample)
        elif node.op == "get_attr":
            known[node] = operator.attrgetter(str(node.target))(root)
        elif node.op == "output":
            return builder, _energy(builder, args[0])
        else:
            known[node] = _run(builder, root, node, args, options)
    raise AssertionError("a graph of torch.fx ends with its output")


def _run(builder: Builder, root: nn.Module, node: fx.Node, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """What an operation gives: values and their edges if it depends on the data, otherwise what PyTorch gives."""
    module = root.get_submodule(str(node.target)) if node.op == "call_module" else None
    called = str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", node.name)
    builder.operation = ALIASES.get(called.strip("_"), called.strip("_"))
    builder.name = node.name.removeprefix("_0_")
    builder.place = _place(type(module).__name__ if module else builder.operation, node)
    try:
        if module is not None:
            return _run_module(builder, module, *args, **options)
        builder.call = node.target if callable(node.target) else getattr(Tensor, called)
        if not any(isinstance(leaf, Value) for leaf in tree_leaves((args, options))):
            with torch.enable_grad():  # so that what is computed from parameters is known by it
                return builder.call(*args, **options)
        if called.endswith("_"):
            builder.call = getattr(F, builder.operation, None) or getattr(Tensor, builder.operation)
        if builder.operation not in RULES:
            raise refuse(builder.operation)
        return RULES[builder.operation](builder, *args, **options)
    except TypeError as error:
        raise TypeError(f"{builder.place}: {error}") from None
    except (ValueError, IndexError, RuntimeError) as error:
        raise ValueError(f"{builder.place}: {error}") from None


def _run_module(builder: Builder, module: nn.Module, *args: Any, **options: Any) -> Value:
    """The rules of modules that are not followed into their functions."""
    if isinstance(module, Layer):
        return builder.apply(args[0], module)
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        value: Value = RULES["batch_norm"](builder, args[0], module)
        return value
    raise refuse(builder.operation)


def _place(operation: str, node: fx.Node) -> str:
    """An operation and where it is, for messages."""
    path, kind = list((node.meta.get("nn_module_stack") or {"0": ("0", nn.Module)}).values())[-1]
    return f"{operation} (node {node.name.removeprefix('_0_')!r}, in {_inside(path)}, {kind.__name__})"


def _inside(path: str) -> str:
    """A module, by its path from the root, as messages name it."""
    path = path.removeprefix("0").removeprefix(".")
    return f"module {path!r}" if path else "the module"


def _energy(builder: Builder, result: Any) -> Value:
    """The module's result as a value of shape (N,)."""
    if not isinstance(result, Value):
        raise TypeError(f"the module must return one tensor that depends on x, got {type(result).__name__}")
    shape = tuple(result.shape[1:])
    if shape not in ((), (1,)):
        raise ValueError(
            f"the module must give one energy a sample, shape (N,) or (N, 1), got "
            f"({', '.join(['N', *map(str, shape)])}): sum over the other dimensions"
        )
    builder.name = "energy"
    return builder.apply(result, Reshape(())) if shape else result


def _graph(builder: Builder, energy: Value) -> Graph:
    """The edges that lead to the energy, as a graph."""
    needed, kept = {energy.node}, []
    for source, layer, target in reversed(builder.edges):
        if target in needed:
            needed.add(source)
            kept.append((source, layer, "energy" if target == energy.node else target))
    return Graph(reversed(kept))


@torch.no_grad()
def _compare(graph: Graph, module: nn.Module, x: Tensor) -> None:
    """Raise ``ValueError`` unless graph and module give the same energies."""
    x = torch.cat([x, x])[:2]
    found, expected = graph(x), module(x.clone()).flatten()
    tolerance = torch.finfo(x.dtype).eps ** 0.5
    if not torch.allclose(found, expected, tolerance, tolerance, equal_nan=True):
        raise ValueError(
            f"the graph gives the energies {found.tolist()} where the module gives {expected.tolist()}: look for "
            "operations in place, random numbers, and sizes of the batch in computations"
        )


def _warn_of_kinks(operations: list[str]) -> None:
    """Warn of operations made of straight pieces, if there are any."""
    if operations:
        warnings.warn(
            f"the energy is piecewise linear in {'; '.join(operations)}. Their second derivative is zero almost "
            "everywhere: the curvature sits in the kinks, where the loss can't see it. Unless what follows smooths "
            "them, as a square does those of ReLU, score matching can't fit the network: the loss lacks the kinks' "
            "term, and its minimum is not at the distribution of the data. Use Softplus or SiLU",
            stacklevel=3,
        )
