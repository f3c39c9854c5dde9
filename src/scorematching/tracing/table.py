"""The table of rules that map operations of PyTorch to edges of a graph.

A module, a function, a method and an operator with the same name share one rule, which takes the arguments of the
function. Tensors that depend on the data are passed as :class:`Value` objects; all other arguments are passed as they
are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scorematching.curvature.hessian_products import ATTENTION

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
    "max_pool2d": "use average pooling",
    "prelu": "use softplus or silu",
    "elu": "with alpha other than 1 it has a kink at 0: use celu",
    "selu": "it has a kink at 0: use celu",
    "hardsigmoid": "it has kinks: use sigmoid",
    "hardswish": "it has kinks: use silu",
}
DEFAULT_HINT = "write the energy as a scorematching.Graph, with a layer of your own for it (docs/guides/layer.md)"

#: Methods for a module that is not converted.
WAY_OUT = (
    "Or pass the module itself to score_matching_loss: curvature='auto' or 'coloring' is exact but slower, and "
    "'hutchinson' is random but unbiased, for large modules"
)


class InvalidEnergyError(TypeError):
    """The energies are random or not those of single samples, so that no method of this library can use the module."""


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


def with_way_out(message: str, attention: bool = False) -> str:
    """Return a message about a module that can't be converted, with the way to use it without conversion.

    Args:
        message: What can't be converted, and why.
        attention: Whether the module has attention.

    Example:
        >>> with_way_out("einsum: no layer represents it").startswith("einsum: no layer represents it. Or pass the")
        True
    """
    return f"{message}. {WAY_OUT}" + (f". Then {ATTENTION}" if attention else "")
