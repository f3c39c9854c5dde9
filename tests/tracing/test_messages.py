"""Modules that can't be converted: each error names the operation, its module and the fix."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from tracing_cases import Constant, chain, dense

import scorematching as sm

REFUSED: dict[str, Callable[[], nn.Module]] = {
    r"mul \(node 'mul', in the module, Net\): a product of two": lambda: dense(lambda m, h: h * h.sin())[0],
    "a quotient of two values": lambda: dense(lambda m, h: h / h.exp())[0],
    "softmax .*in module '1', Softmax.*no layer represents it": lambda: chain(nn.Softmax(1)),
    "layer_norm .*in module '1', LayerNorm": lambda: chain(nn.LayerNorm(4)),
    r"BatchNorm1d .*call eval\(\) first": lambda: chain(nn.BatchNorm1d(4)),
    r"dropout .*in module '1', Dropout.*call eval\(\) first": lambda: chain(nn.Dropout()),
    "GRU .*in module '1', GRU.*: no layer represents it": lambda: chain(nn.GRU(4, 4)),
    "max_pool2d .*use average pooling": lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2)),
    "trace forward of module '1', Net: .*no if, for, len": lambda: chain(
        dense(lambda m, h: h if h.sum() > 0 else -h)[0]
    ),
    "linear .*computed from parameters": lambda: chain(nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))),
    "write F.linear": lambda: dense(lambda m, h: h[:, :3] @ m.matrix)[0],
    "kink at 0: use celu": lambda: chain(nn.ELU(0.5)),
    "getattr.*dimension 0 must remain": lambda: dense(lambda m, h: h.T)[0],
    "flip.*only within a sample": lambda: dense(lambda m, h: h.flip(0))[0],
    "mean .*must have its own energy": lambda: dense(lambda m, h: h - h.mean())[0],
    "the graph returns the energies .*batch size": lambda: dense(lambda m, h: h / h.shape[0])[0],
    "the module returns .*in-place operations": lambda: dense(lambda m, h: h + h.sin_())[0],
    r"pass an example batch as x: .*shape \(N,\) or \(N, 1\), got \(N, 2\)": lambda: nn.Linear(4, 2),
    "pass an example batch as x: .*first layer .* is not a Linear": nn.Flatten,
    "expected a torch.nn.Module, got type": lambda: nn.Flatten,
}


@pytest.mark.parametrize("message", REFUSED)
def test_the_error_names_the_operation_and_the_fix(message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        sm.from_torch(REFUSED[message]())


def test_an_example_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"in the module, Linear\): expected shape \(N, 4\), got \(3, 3\)"):
        sm.from_torch(nn.Linear(4, 1), torch.ones(2, 3))
    with pytest.raises(ValueError, match=r"shape \(N, ...\), got \(4,\)"):
        sm.from_torch(nn.Linear(4, 1), torch.ones(4))
    with pytest.raises(TypeError, match="one tensor that depends on x, got float"):
        sm.from_torch(Constant(), torch.ones(1, 4))
