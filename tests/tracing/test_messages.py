"""Modules that can't be converted: each error names the operation, its module and the fix."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from tracing_cases import Attention, Constant, chain, dense, image

import scorematching as sm

REFUSED: dict[str, Callable[[], nn.Module]] = {
    r"einsum \(node 'einsum', in the module, Net\): no layer represents it: write": lambda: dense(
        lambda m, h: torch.einsum("ni,ni->n", h, h)
    )[0],
    "softmax .*in module '1', Softmax.*pass dim": lambda: chain(nn.Softmax()),
    r"BatchNorm1d .*call eval\(\) first": lambda: chain(nn.BatchNorm1d(4)),
    r"dropout .*in module '1', Dropout.*call eval\(\) first": lambda: chain(nn.Dropout()),
    "GRU .*in module '1', GRU.*: no layer represents it": lambda: chain(nn.GRU(4, 4)),
    "max_pool2d .*use average pooling": lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2)),
    "trace forward of module '1', Net: .*no if, for, len": lambda: chain(
        dense(lambda m, h: h if h.sum() > 0 else -h)[0]
    ),
    "MultiheadAttention .*no layer represents it": lambda: Attention(need_weights=False),
    "linear .*computed from parameters": lambda: chain(nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))),
    "write F.linear": lambda: dense(lambda m, h: h[:, :3] @ m.matrix)[0],
    "kink at 0: use celu": lambda: chain(nn.ELU(0.5)),
    "getattr.*dimension 0 must remain": lambda: dense(lambda m, h: h.T)[0],
    "flip.*only within a sample": lambda: dense(lambda m, h: h.flip(0))[0],
    "mean .*must have its own energy": lambda: dense(lambda m, h: h - h.mean())[0],
    "softmax .*it sums over the batch: pass the other dimensions": lambda: dense(lambda m, h: h.softmax(0))[0],
    "detach .*remove it": lambda: dense(lambda m, h: h.detach() * h)[0],
    "batch_norm .*mix the samples": lambda: dense(lambda m, h: F.batch_norm(h, None, None, training=True))[0],
    "InstanceNorm1d .*takes the batch for channels": lambda: chain(nn.InstanceNorm1d(4)),
    "instance_norm .*running statistics": lambda: image(
        lambda m, h: F.instance_norm(h, m.fixed, m.fixed, use_input_stats=False)
    )[0],
    "the graph returns the energies .*batch size": lambda: dense(lambda m, h: h / h.shape[0])[0],
    "the module returns .*in-place operations": lambda: dense(lambda m, h: h + h.sin_())[0],
    r"pass an example batch as x: .*shape \(N,\) or \(N, 1\), got \(N, 2\)": lambda: nn.Linear(4, 2),
    "pass an example batch as x: .*first layer .* is not a Linear": nn.Flatten,
    "expected a torch.nn.Module, got type": lambda: nn.Flatten,
}

#: Words of refusals of what no method can use.
INVALID = (
    "eval", "sums over the batch", "own energy", "mix", "within a sample", "detach", "takes the batch", "got type",
    "an example",
)  # fmt: skip


@pytest.mark.parametrize("message", REFUSED)
def test_the_error_names_the_operation_and_the_fix(message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message) as error:
        sm.from_torch(REFUSED[message]())
    invalid = any(words in message for words in INVALID)
    assert ("pass the module itself to score_matching_loss: curvature='auto'" in str(error.value)) != invalid


@pytest.mark.parametrize("module", [Attention(need_weights=False), nn.TransformerEncoderLayer(4, 2, 8)])
def test_refusals_of_attention_name_the_kernel_with_second_derivatives(module: nn.Module) -> None:
    with pytest.raises(TypeError, match=r"for large modules. Then call .*sdpa_kernel\(SDPBackend.MATH\), because"):
        sm.from_torch(module, torch.ones(2, 3, 4))
    with pytest.raises(TypeError, match=r"scaled_dot_product_attention .*sdpa_kernel\(SDPBackend.MATH\), because"):
        sm.from_torch(dense(lambda m, h: F.scaled_dot_product_attention(h[:, None], h[:, None], h[:, None])[:, 0])[0])


@pytest.mark.parametrize("samples", [1, 2, 5])
def test_errors_of_shape_name_the_shape_of_the_example(samples: int) -> None:
    with pytest.raises(ValueError, match=rf"in the module, Linear\): expected shape \(N, 4\), got \({samples}, 3\)"):
        sm.from_torch(nn.Linear(4, 1), torch.ones(samples, 3))
    with pytest.raises(ValueError, match=f"view .*invalid for input of size {6 * samples}"):
        sm.from_torch(dense(lambda m, h: h.view(-1, 5, 7))[0], torch.ones(samples, 4))
    with pytest.raises(TypeError, match=rf"must remain the batch: shape \({samples}, 6\) became \(6, {samples}\)"):
        sm.from_torch(dense(lambda m, h: h.T)[0], torch.ones(samples, 4))
    with pytest.raises(ValueError, match=rf"layer_norm .*dimensions \(5,\) of a sample, got \({samples}, 6\)"):
        sm.from_torch(dense(lambda m, h: F.layer_norm(h, (5,)))[0], torch.ones(samples, 4))


def test_an_example_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(N, ...\), got \(4,\)"):
        sm.from_torch(nn.Linear(4, 1), torch.ones(4))
    with pytest.raises(TypeError, match="one tensor that depends on x, got float"):
        sm.from_torch(Constant(), torch.ones(1, 4))
