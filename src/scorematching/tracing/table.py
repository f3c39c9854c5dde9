"""The table of rules that map operations of PyTorch to edges of a graph.

A module, a function, a method and an operator with the same name share one rule, which takes the arguments of the
function. Tensors that depend on the data are passed as :class:`Value` objects; all other arguments are passed as they
are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Rule = Callable[..., Any]
RULES: dict[str, Rule] = {}

#: Operations with several names, and the name that the table uses.
ALIASES = {
    "iadd": "add", "isub": "sub", "subtract": "sub", "imul": "mul", "multiply": "mul", "itruediv": "div",
    "truediv": "div", "true_divide": "div", "divide": "div", "ipow": "pow", "negative": "neg", "absolute": "abs",
    "concat": "cat", "concatenate": "cat", "arctan": "atan", "clip": "clamp", "mm": "matmul",
    "log_sigmoid": "logsigmoid",
}  # fmt: skip

#: Advice for operations that no layer represents.
HINTS = {
    "detach": "it changes the derivative of the energy: remove it",
    "batch_norm": "call eval() first: in training mode it mixes the samples of a batch",
    "max_pool2d": "use average pooling",
    "prelu": "use softplus or silu",
    "elu": "with alpha other than 1 it has a kink at 0: use celu",
    "selu": "it has a kink at 0: use celu",
    "hardsigmoid": "it has kinks: use sigmoid",
    "hardswish": "it has kinks: use silu",
}
HINTS |= dict.fromkeys(
    ("softmax", "log_softmax", "logsumexp", "layer_norm", "group_norm", "instance_norm", "normalize", "norm"),
    "it is not a sum of functions of one value each, so no Graph can represent it: remove it, or write it with exp, "
    "log, sums and a layer of your own",
)
DEFAULT_HINT = "write the energy as a scorematching.Graph, with a layer of your own for it (docs/guides/layer.md)"


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a function as the rule for the operations with these names.

    Example:
        >>> @rule("identity")
        ... def _identity(b, input):
        ...     return input
        >>> RULES.pop("identity") is _identity
        True
    """

    def enter(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return enter


def refuse(name: str) -> TypeError:
    """Return the error for an operation that no layer represents.

    Example:
        >>> print(refuse("max_pool2d"))
        no layer represents it: use average pooling
    """
    return TypeError(f"no layer represents it: {HINTS.get(name, DEFAULT_HINT)}")
