"""Rules for normalization over the entries of a sample, and with running statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from scorematching.layers import Add, Identity, Multiply, Reshape, Scale, Square
from scorematching.tracing.affine_rules import reduced
from scorematching.tracing.builder import Builder, Value
from scorematching.tracing.products import times_power
from scorematching.tracing.table import InvalidEnergyError, rule


@rule("layer_norm")
def _layer_norm(
    b: Builder,
    input: Value,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Value:
    dims = _last(input, normalized_shape)
    normal = _normalized(b, _centered(b, input, dims), dims, eps, "normal" if weight is not None else "")
    return _shifted(b, normal, weight, bias)


@rule("rms_norm")
def _rms_norm(
    b: Builder, input: Value, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Value:
    dims = _last(input, normalized_shape)
    eps = torch.finfo(input.example.dtype).eps if eps is None else eps
    return _shifted(b, _normalized(b, input, dims, eps, "normal" if weight is not None else ""), weight, None)


@rule("group_norm")
def _group_norm(
    b: Builder,
    input: Value,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Value:
    shape = input.shape[1:]
    groups = b.apply(input, Reshape((num_groups, shape.numel() // num_groups)), "groups")
    normal = _normalized(b, _centered(b, groups, [2]), [2], eps, "normal")
    views = (None if t is None else t.view(-1, *[1] * (len(shape) - 1)) for t in (weight, bias))
    return _shifted(b, b.apply(normal, Reshape(shape), "" if weight is None else "shaped"), *views)


@rule("batch_norm")
def _batch_norm(b: Builder, input: Value, *args: Any, **options: Any) -> Value:
    raise InvalidEnergyError("it may mix the samples of a batch: use torch.nn.BatchNorm2d, and call eval()")


@rule("instance_norm")
def _instance_norm(
    b: Builder,
    input: Value,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Value:
    if not use_input_stats or running_mean is not None or running_var is not None:
        raise TypeError("it uses running statistics: use the module torch.nn.InstanceNorm and call eval() first")
    if input.example.ndim < 3:
        raise InvalidEnergyError("it takes the batch for channels: give the data a dimension of channels")
    return _group_norm(b, input, input.shape[1], weight, bias, eps)


def batch_norm_module(b: Builder, input: Value, norm: nn.modules.batchnorm._NormBase) -> Value:
    """Map a normalization with running statistics, in evaluation mode."""
    if norm.training or norm.running_mean is None or norm.running_var is None:
        raise InvalidEnergyError(
            "call eval() first: in training mode it mixes the samples of a batch, or changes itself"
        )
    shape = (-1, *[1] * (input.example.ndim - 2))
    centered = b.apply(input, Add(-norm.running_mean.view(shape)), "centered")
    normal = (norm.running_var + norm.eps).rsqrt().view(shape)
    if not norm.affine:
        return b.apply(centered, Multiply(normal))
    return b.apply(
        b.apply(centered, Multiply(normal), "normal"), b.layer(Scale, (norm.num_features,), norm.weight, norm.bias)
    )


def instance_norm_module(b: Builder, input: Value, norm: nn.modules.instancenorm._InstanceNorm) -> Value:
    """Map an instance normalization: with the statistics of each sample, or in evaluation mode with running ones."""
    if norm.running_mean is None:
        return _instance_norm(b, input, weight=norm.weight, bias=norm.bias, eps=norm.eps)
    return batch_norm_module(b, input, norm)


def _last(input: Value, normalized_shape: Sequence[int]) -> list[int]:
    """Return the dimensions of a normalization over the last dimensions."""
    ndim, shape = input.example.ndim, tuple(normalized_shape)
    if len(shape) >= ndim or tuple(input.shape[ndim - len(shape) :]) != shape:
        raise ValueError(f"it normalizes over the last dimensions {shape} of a sample, got {tuple(input.shape)}")
    return list(range(ndim - len(shape), ndim))


def _centered(b: Builder, input: Value, dims: Sequence[int]) -> Value:
    """Subtract the mean over some dimensions."""
    mean = b.apply(reduced(b, input, dims, True, mean=True, part="mean"), Multiply(-1.0), "minus_mean")
    return b.sum([(input, Identity()), (b.expand(mean, input.shape), Identity())], "centered")


def _normalized(b: Builder, input: Value, dims: Sequence[int], eps: float, part: str) -> Value:
    """Divide by the root of the mean square over some dimensions, to which ``eps`` is added."""
    squares = b.apply(input, Square(), "squares")
    variance = b.apply(reduced(b, squares, dims, True, mean=True, part="mean_square"), Add(eps), "variance")
    return times_power(b, input, variance, -0.5, part)


def _shifted(b: Builder, normal: Value, weight: Any, bias: Any) -> Value:
    """Multiply by the weight and add the bias, if there are any."""
    if weight is None:
        return normal if bias is None else b.shift(normal, bias)
    return b.scale(normal, weight) if bias is None else b.shift(b.scale(normal, weight, "scaled"), bias)
