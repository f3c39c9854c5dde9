"""The table of rules: how each operation of PyTorch becomes edges of a graph, whatever form it was called in.

A module, a function, a method and an operator of one name come to the same rule, which takes the arguments of the
function. Tensors that depend on the data are :class:`Value` objects; everything else is what it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Rule = Callable[..., Any]
RULES: dict[str, Rule] = {}

#: Other names of operations.
ALIASES = {
    "iadd": "add", "isub": "sub", "subtract": "sub", "imul": "mul", "multiply": "mul", "itruediv": "div",
    "truediv": "div", "true_divide": "div", "divide": "div", "ipow": "pow", "negative": "neg", "absolute": "abs",
    "concat": "cat", "concatenate": "cat", "arctan": "atan", "clip": "clamp", "mm": "matmul",
    "log_sigmoid": "logsigmoid",
}  # fmt: skip

#: What to do about operations that no layer stands for.
HINTS = {
    "detach": "the energy's derivative must be that of its value: leave it out",
    "batch_norm": "call eval() first: in training it mixes the samples of a batch",
    "max_pool2d": "use average pooling",
    "prelu": "use softplus or silu",
    "elu": "with alpha other than 1 it has a kink at 0: use celu",
    "selu": "it has a kink at 0: use celu",
    "hardsigmoid": "it has kinks: use sigmoid",
    "hardswish": "it has kinks: use silu",
}
HINTS |= dict.fromkeys(
    ("softmax", "log_softmax", "logsumexp", "layer_norm", "group_norm", "instance_norm", "normalize", "norm"),
    "it is no sum of functions of single inputs, and a Graph is made of such: leave it out, or write it with exp, log, "
    "sums and a layer of your own",
)
DEFAULT_HINT = "write the energy as a scorematching.Graph, with a layer of your own in its place (docs/extending.md)"


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Enter a function as the rule of operations of these names."""

    def enter(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return enter


def refuse(name: str) -> TypeError:
    """The error of an operation without a layer."""
    return TypeError(f"no layer stands for it: {HINTS.get(name, DEFAULT_HINT)}")
