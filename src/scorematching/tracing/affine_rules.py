"""Rules for affine operations: layers with weights, pooling, sums, and operations that only move entries."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scorematching.layers import (
    AvgPool2d,
    Conv1d,
    Conv2d,
    ConvTranspose2d,
    Linear,
    PixelUnshuffle,
    Reshape,
    Scatter,
    Sum,
    SumOver,
)
from scorematching.tracing.builder import Builder, Value
from scorematching.tracing.table import InvalidEnergyError, refuse, rule

#: Operations that move, repeat or drop entries.
MOVES = (
    "channel_shuffle", "chunk", "clone", "contiguous", "expand", "flatten", "flip", "index_select", "movedim",
    "moveaxis", "narrow", "permute", "pixel_shuffle", "repeat", "repeat_interleave", "reshape",
    "roll", "rot90", "select", "split", "squeeze", "swapaxes", "swapdims", "tensor_split", "tile", "transpose", "tril",
    "triu", "unbind", "unflatten", "unfold", "unsqueeze", "view",
)  # fmt: skip


@rule("linear")
def _linear(b: Builder, input: Value, weight: Tensor, bias: Tensor | None = None) -> Value:
    if input.example.ndim != 2 or weight.ndim != 2:
        raise TypeError(f"a linear layer needs input of shape (N, D), got {tuple(input.shape)}: flatten it first")
    outputs, inputs = weight.shape
    return b.apply(input, b.layer(Linear, (inputs, outputs), weight, bias))


@rule("matmul")
def _matmul(b: Builder, input: Any, other: Any) -> Value:
    if not isinstance(input, Value) or not isinstance(other, Tensor) or other.ndim != 2:
        raise TypeError("only products of the form values @ matrix are supported, with a constant matrix")
    if isinstance(other, nn.Parameter):
        raise TypeError("values @ parameter is not supported: transpose the parameter and write F.linear instead")
    return _linear(b, input, other.T)


@rule("conv2d")
def _conv2d(
    b: Builder,
    input: Value,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Value:
    kernel, dilation = tuple(weight.shape[2:]), _pair(dilation)
    padding = _pair(_in_pixels(padding, kernel, dilation))
    sizes = (weight.shape[1] * groups, len(weight), kernel, _pair(stride), padding, groups, bias is not None, dilation)
    return b.apply(input, b.layer(Conv2d, sizes, weight, bias))


@rule("conv1d")
def _conv1d(
    b: Builder,
    input: Value,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Value:
    kernel, dilation = weight.shape[2], _single(dilation)
    padding = _single(_in_pixels(padding, (kernel,), (dilation,)))
    sizes = (
        weight.shape[1] * groups,
        len(weight),
        kernel,
        _single(stride),
        padding,
        groups,
        bias is not None,
        dilation,
    )
    return b.apply(input, b.layer(Conv1d, sizes, weight, bias))


@rule("conv_transpose2d")
def _conv_transpose2d(
    b: Builder,
    input: Value,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Value:
    geometry = (_pair(stride), _pair(padding), _pair(output_padding), groups, bias is not None, _pair(dilation))
    sizes = (len(weight), weight.shape[1] * groups, tuple(weight.shape[2:]), *geometry)
    return b.apply(input, b.layer(ConvTranspose2d, sizes, weight, bias))


@rule("pixel_unshuffle")
def _pixel_unshuffle(b: Builder, input: Value, downscale_factor: int) -> Value:
    return b.apply(input, PixelUnshuffle(downscale_factor))


@rule("avg_pool2d")
def _avg_pool2d(
    b: Builder,
    input: Value,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Value:
    kernel, stride = _pair(kernel_size), _pair(stride or kernel_size)
    if len({*kernel}) > 1 or len({*stride}) > 1 or any(_pair(padding)) or ceil_mode or divisor_override:
        raise TypeError(
            "only pooling over square windows without padding, ceil_mode and divisor_override is supported: pad with "
            "F.pad"
        )
    return b.apply(input, AvgPool2d(kernel[0], stride[0]))


@rule("adaptive_avg_pool2d")
def _adaptive_avg_pool2d(b: Builder, input: Value, output_size: Any) -> Value:
    if _pair(output_size) != (1, 1):
        raise TypeError(f"adaptive pooling is supported only with output size 1, got {output_size}: use avg_pool2d")
    return reduced(b, input, (2, 3), True, mean=True)


@rule("sum")
def _sum(b: Builder, input: Value, dim: Any = None, keepdim: bool = False) -> Value:
    return reduced(b, input, dim, keepdim, mean=False)


@rule("mean")
def _mean(b: Builder, input: Value, dim: Any = None, keepdim: bool = False) -> Value:
    return reduced(b, input, dim, keepdim, mean=True)


def reduced(b: Builder, input: Value, dim: Any, keepdim: bool, mean: bool, part: str = "") -> Value:
    """Map a sum or mean over dimensions."""
    ndim = input.example.ndim
    dims = sorted(d % ndim for d in ((dim,) if isinstance(dim, int) else dim or (0,)))
    if dims[0] == 0:
        raise InvalidEnergyError(
            "it sums over the batch, but each sample must have its own energy: pass the other dimensions as dim"
        )
    layer = Sum() if len(dims) == ndim - 1 and not mean else SumOver(dims, mean)
    if not keepdim:
        return b.apply(input, layer, part)
    kept = [1 if d in dims else n for d, n in enumerate(input.shape)]
    return b.apply(b.apply(input, layer, f"{part}.summed" if part else "summed"), Reshape(kept[1:]), part)


@rule(*MOVES)
def _move(b: Builder, input: Value, *args: Any, **options: Any) -> Any:
    return b.move(input, lambda numbers: b.call(numbers, *args, **options))


@rule("pad")
def _pad(b: Builder, input: Value, pad: Any, mode: str = "constant", value: float | None = None) -> Any:
    if mode == "constant" and value:
        raise TypeError(f"padding with a constant other than 0 is not supported, got {value}: add the constant later")
    return b.move(input, lambda numbers: F.pad(numbers, tuple(pad), mode))


@rule("interpolate")
def _interpolate(b: Builder, input: Value, mode: str = "nearest", **options: Any) -> Any:
    if mode not in ("nearest", "nearest-exact"):
        raise TypeError(
            f"only interpolation in mode 'nearest' is supported, got {mode!r}: use a transposed convolution"
        )
    return b.move(input, lambda numbers: F.interpolate(numbers, mode=mode, **options))


@rule("getitem")
def _getitem(b: Builder, input: Any, index: Any) -> Any:
    return b.move(input, lambda numbers: numbers[index]) if isinstance(input, Value) else input[index]


@rule("getattr")
def _getattr(b: Builder, input: Value, name: str) -> Any:
    if name in ("T", "mT"):
        return b.move(input, lambda numbers: getattr(numbers, name))
    if name not in ("shape", "ndim", "dtype", "device"):
        raise refuse(name)
    return getattr(input.example, name)


@rule("size", "dim")
def _size(b: Builder, input: Value, *args: Any) -> Any:
    return b.call(input.example, *args)


@rule("to", "float", "double")
def _to(b: Builder, input: Value, *args: Any, **options: Any) -> Value:
    if b.call(input.example, *args, **options).dtype != input.example.dtype:
        raise TypeError("all values must have the same precision: remove this, and convert the module and the data")
    return input


@rule("cat")
def _cat(b: Builder, tensors: Any, dim: int = 0) -> Value:
    if not all(isinstance(value, Value) for value in tensors):
        raise TypeError("one of the tensors is a constant: remove it, and add its effect to the next layer as a bias")
    whole = torch.cat([value.example for value in tensors], dim)
    dim, shape = dim % whole.ndim, whole.shape[1:]
    if dim == 0:
        raise InvalidEnergyError("it joins tensors along the batch dimension: use another dimension")
    sizes = [value.shape[dim] for value in tensors]
    if dim == 1:
        parts = torch.arange(shape[0]).split(sizes)
        return b.sum([(v, Scatter(part.tolist(), shape[0])) for v, part in zip(tensors, parts, strict=True)])
    parts = torch.arange(shape.numel()).view(shape).split(sizes, dim - 1)
    flat = [b.apply(value, Reshape((value.example[0].numel(),)), "flat") for value in tensors]
    embedded = [(v, Scatter(part.flatten().tolist(), shape.numel())) for v, part in zip(flat, parts, strict=True)]
    return b.apply(b.sum(embedded, "joined"), Reshape(shape))


@rule("stack")
def _stack(b: Builder, tensors: Any, dim: int = 0) -> Value:
    if not all(isinstance(value, Value) for value in tensors):
        raise TypeError("one of the tensors is a constant: remove it, and add its effect to the next layer as a bias")
    return _cat(b, [b.move(value, lambda numbers: numbers.unsqueeze(dim), "unsqueezed") for value in tensors], dim)


def _in_pixels(padding: Any, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> Any:
    """Return the padding as numbers, also if it is given by name."""
    if padding == "same":
        padding = tuple(d * (k - 1) / 2 for d, k in zip(dilation, kernel, strict=True))
        if any(p % 1 for p in padding):
            raise TypeError(
                f"padding='same' with kernel {kernel} pads the two borders differently: pad with F.pad first"
            )
        return tuple(map(int, padding))
    return 0 if padding == "valid" else padding


def _single(size: Any) -> int:
    """Return a size that is given as a number or as a tuple of one."""
    return size if isinstance(size, int) else size[0]


def _pair(size: Any) -> tuple[int, int]:
    """Return (height, width) from a size that is given once or for both dimensions."""
    height, width = (size, size) if isinstance(size, int) else size * 2 if len(size) == 1 else size
    return height, width
