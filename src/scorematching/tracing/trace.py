"""Conversion of a ``torch.nn.Module`` to a graph with the same parameters.

``torch.fx`` records the operations of ``forward``. Each operation is then run on an example batch. A rule of
``pointwise_rules``, ``affine_rules``, ``exponential_rules`` or ``normalization_rules`` adds the edges that represent
it.
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
from scorematching.runtime.kinds import check_arguments
from scorematching.tracing import affine_rules, exponential_rules, pointwise_rules  # noqa: F401  # importing them registers the rules
from scorematching.tracing.builder import Builder, Value
from scorematching.tracing.normalization_rules import batch_norm_module, instance_norm_module
from scorematching.tracing.table import ALIASES, RULES, WAY_OUT, InvalidEnergyError, refuse, with_way_out

#: Sides in pixels of the square images, and lengths of the signals, that are tried as an example.
_SIDES = (8, 16, 28, 32, 64, 96, 128, 224, 256)


def from_torch(module: nn.Module, x: Tensor | None = None) -> Graph:
    """Convert a PyTorch module that returns energies to a graph with the same parameters.

    The graph and the module share their parameters, so that training one trains the other. The module is converted in
    its current mode (training or evaluation). The conversion runs ``forward`` on an example batch. Sizes that
    ``forward`` reads are fixed to those of the example. If ``forward`` rearranges entries, the graph accepts only
    samples of the example's size. Before the graph is returned, its energies are compared with the module's on the
    example.

    Products, quotients, softmax and normalizations over the entries of a sample become several layers each, whose
    derivatives are exact. In float32, a product of two values of very different sizes loses digits, as a difference of
    squares: these are balanced for the sizes in the example. So pass an example like the data.

    Args:
        module: Module that maps a batch, shape (N, ...), to energies, shape (N,) or (N, 1).
        x: Example batch. By default it is made from the sizes of the module's first layer with parameters, which must
            be a ``Linear``, a ``Conv1d`` or a ``Conv2d``. For a convolution, signals of several lengths or square
            images of several sizes are tried.

    Returns:
        A graph with input node ``"x"`` and output node ``"energy"``. The other nodes have the names that ``torch.fx``
        gives to the operations.

    Raises:
        TypeError: The module has an operation that no layer represents, or ``torch.fx`` can't trace its ``forward``.
            The message names the operation, its module and the way to use the module without conversion.
        ValueError: A shape does not fit; no example is given and none can be made; or the energies of the graph and
            the module differ.

    Warns:
        UserWarning: The module has piecewise linear operations, such as ReLU.

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
    check_arguments(from_torch, locals())
    root = nn.Sequential(module)  # fx sets attributes on its root: keep them off the module
    nodes = _trace(root)
    misfit = "the module's first layer with parameters is not a Linear, Conv1d or Conv2d, so the shape of x is unknown"
    for example in _examples(module) if x is None else [_checked(x, module)]:
        try:
            with torch.device(example.device):
                builder, energy = _built(root, nodes, example)
        except ValueError as error:
            misfit = str(error)
            continue
        graph = _graph(builder, energy)
        _compare(graph, module, example)
        _warn_of_kinks(builder.kinked)
        return graph
    raise ValueError(misfit if x is not None else f"pass an example batch as x: {misfit}")


class _Tracer(fx.Tracer):
    """Tracer that follows modules into their functions, except layers of this library and what ``fx`` can't trace."""

    proxy_buffer_attributes = True

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return True for a module that is recorded as one operation."""
        return isinstance(m, (Layer, Graph, nn.modules.batchnorm._NormBase, nn.MultiheadAttention, nn.RNNBase))

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Trace a call of a module as ``fx`` does; if that fails, raise an error that names the innermost module."""
        try:
            return super().call_module(m, forward, args, kwargs)
        except _UntraceableError:
            raise
        except Exception as error:
            name = next((name for name, other in self.root.named_modules() if other is m), "")
            raise _UntraceableError(
                with_way_out(
                    f"torch.fx can't trace forward of {_inside(name)}, {type(m).__name__}: {error}. Tracing runs "
                    "without data, so no if, for, len or assert may depend on a value or its shape: remove them, or "
                    "write the energy as a scorematching.Graph",
                    attention=any(isinstance(part, nn.MultiheadAttention) for part in m.modules()),
                )
            ) from error


class _UntraceableError(TypeError):
    """``torch.fx`` can't trace a module. The message names the module and the fix."""


def _trace(root: nn.Module) -> list[fx.Node]:
    """Return the operations that the output depends on, in order."""
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
    """Yield example batches that the first layer with parameters accepts."""
    layers = (m for m in module.modules() if list(m.parameters()) and not list(m.children()))
    first = next(layers, None)
    shapes: list[tuple[int, ...]] = []
    if isinstance(first, nn.Linear):
        shapes = [(1, first.in_features)]
    elif isinstance(first, nn.Conv2d):
        shapes = [(1, first.in_channels, side, side) for side in _SIDES]
    elif isinstance(first, nn.Conv1d):
        shapes = [(1, first.in_channels, length) for length in _SIDES]
    for shape in shapes:
        yield _checked(torch.rand(shape, generator=torch.Generator().manual_seed(0), device="cpu"), module)


def _checked(x: Tensor, module: nn.Module) -> Tensor:
    """Return the example with the precision and on the device of the module."""
    if not isinstance(x, Tensor):
        raise TypeError(f"x must be a torch tensor, got {type(x).__name__}")
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"x must be a batch of one or more samples, shape (N, ...), got {tuple(x.shape)}")
    return x.detach().to(next(module.parameters(), x))


def _built(root: nn.Module, nodes: list[fx.Node], x: Tensor) -> tuple[Builder, Value]:
    """Run the operations on an example of several samples, to detect operations that mix samples.

    If that fails, run them on ``x`` itself, so that the error names the shapes that the user knows.
    """
    try:
        return _build(root, nodes, x[:1].expand(3, *x.shape[1:]))
    except (TypeError, ValueError) as error:
        found = error
    _build(root, nodes, x)
    raise found


def _build(root: nn.Module, nodes: list[fx.Node], x: Tensor) -> tuple[Builder, Value]:
    """Run the operations on a batch; return the builder with the edges, and the value of the energy."""
    builder = Builder()
    known: dict[fx.Node, Any] = {}
    for node in nodes:
        args, options = fx.node.map_arg((node.args, dict(node.kwargs)), known.__getitem__)
        if node.op == "placeholder":
            known[node] = builder.enter(Value("x", x))
        elif node.op == "get_attr":
            known[node] = operator.attrgetter(str(node.target))(root)
        elif node.op == "output":
            return builder, _energy(builder, args[0])
        else:
            known[node] = _run(builder, root, node, args, options)
    raise AssertionError("a graph of torch.fx ends with its output")


def _run(builder: Builder, root: nn.Module, node: fx.Node, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Run an operation: by its rule if it depends on the data, otherwise in PyTorch."""
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
            with torch.enable_grad():  # requires_grad then marks tensors that are computed from parameters
                return builder.call(*args, **options)
        if called.endswith("_"):
            builder.call = getattr(F, builder.operation, None) or getattr(Tensor, builder.operation)
        if builder.operation not in RULES:
            raise refuse(builder.operation)
        return RULES[builder.operation](builder, *args, **options)
    except InvalidEnergyError as error:
        raise TypeError(f"{builder.place}: {error}") from None
    except TypeError as error:
        attention = isinstance(module, nn.MultiheadAttention) or builder.operation == "scaled_dot_product_attention"
        raise TypeError(with_way_out(f"{builder.place}: {error}", attention)) from None
    except (ValueError, IndexError, RuntimeError) as error:
        raise ValueError(f"{builder.place}: {error}") from None


def _run_module(builder: Builder, module: nn.Module, *args: Any, **options: Any) -> Value:
    """Apply the rule of a module that is recorded as one operation."""
    if isinstance(module, Layer):
        return builder.apply(args[0], module)
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return batch_norm_module(builder, args[0], module)
    if isinstance(module, nn.modules.instancenorm._InstanceNorm):
        return instance_norm_module(builder, args[0], module)
    raise refuse(builder.operation)


def _place(operation: str, node: fx.Node) -> str:
    """Describe an operation and its module, for messages."""
    path, kind = list((node.meta.get("nn_module_stack") or {"0": ("0", nn.Module)}).values())[-1]
    return f"{operation} (node {node.name.removeprefix('_0_')!r}, in {_inside(path)}, {kind.__name__})"


def _inside(path: str) -> str:
    """Describe a module by its path from the root, for messages."""
    path = path.removeprefix("0").removeprefix(".")
    return f"module {path!r}" if path else "the module"


def _energy(builder: Builder, result: Any) -> Value:
    """Return the module's result as a value of shape (N,)."""
    if not isinstance(result, Value):
        raise TypeError(f"the module must return one tensor that depends on x, got {type(result).__name__}")
    shape = tuple(result.shape[1:])
    if shape not in ((), (1,)):
        raise ValueError(
            f"the module must return one energy per sample, shape (N,) or (N, 1), got "
            f"({', '.join(['N', *map(str, shape)])}): sum over the other dimensions"
        )
    builder.name = "energy"
    return builder.apply(result, Reshape(())) if shape else result


def _graph(builder: Builder, energy: Value) -> Graph:
    """Return the graph of the edges that lead to the energy."""
    needed, kept = {energy.node}, []
    for source, layer, target in reversed(builder.edges):
        if target in needed:
            needed.add(source)
            kept.append((source, layer, "energy" if target == energy.node else target))
    return Graph(reversed(kept))


@torch.no_grad()
def _compare(graph: Graph, module: nn.Module, x: Tensor) -> None:
    """Raise ``ValueError`` unless the graph and the module return the same energies."""
    x = torch.cat([x, x])[:2]
    found, expected = graph(x), module(x.clone()).flatten()
    tolerance = torch.finfo(x.dtype).eps ** 0.5
    if not torch.allclose(found, expected, tolerance, tolerance, equal_nan=True):
        raise ValueError(
            f"the graph returns the energies {found.tolist()}, but the module returns {expected.tolist()}: look for "
            f"in-place operations, random numbers, and computations that use the batch size. {WAY_OUT}, if its "
            "energies depend neither on random numbers nor on the batch size"
        )


def _warn_of_kinks(operations: list[str]) -> None:
    """Warn if there are piecewise linear operations."""
    if operations:
        warnings.warn(
            f"the energy has piecewise linear operations: {'; '.join(operations)}. Their second derivative is zero "
            "almost everywhere; all their curvature is at the kinks, where the loss can't measure it. The loss then "
            "lacks a term, and its minimum is not the distribution of the data. Use Softplus or SiLU, or make sure "
            "that a later operation smooths the kinks, as a square does for ReLU",
            stacklevel=3,
        )
