"""Layer and instance normalization with right third derivatives.

PyTorch computes the first two derivatives of these operations with the mean and the variance that the forward pass
kept. Automatic differentiation of the second derivative takes them for constants, so the third derivative is wrong,
without a warning (https://github.com/pytorch/pytorch/issues/175754). The gradient of a score matching loss needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class ExactNormalization(TorchFunctionMode):
    """Context in which layer and instance normalization are computed by elementary operations.

    Example:
        >>> with ExactNormalization():
        ...     F.layer_norm(torch.tensor([[-1.0, 1.0]]), (2,), eps=0.0)
        tensor([[-1.,  1.]])
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return _REPLACED.get(func, func)(*args, **(kwargs or {}))


def _layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:
    """Return ``F.layer_norm`` of the same arguments."""
    normal = _normalized(input, [-1 - i for i in range(len(normalized_shape))], eps)
    normal = normal if weight is None else normal * weight
    return normal if bias is None else normal + bias


def _instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:
    """Return ``F.instance_norm`` of the same arguments. With running statistics it is affine, and as it was."""
    if not use_input_stats:
        return F.instance_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if running_mean is not None:  # the operation also updates the running statistics
        F.instance_norm(input.detach(), running_mean, running_var, None, None, True, momentum, eps)
    normal, channels = _normalized(input, list(range(2, input.ndim)), eps), (-1, *[1] * (input.ndim - 2))
    normal = normal if weight is None else normal * weight.view(channels)
    return normal if bias is None else normal + bias.view(channels)


def _normalized(input: Tensor, dims: list[int], eps: float) -> Tensor:
    """Return the input with mean 0 and variance 1 over the dimensions."""
    centered = input - input.mean(dims, keepdim=True)
    return centered * (centered.square().mean(dims, keepdim=True) + eps).rsqrt()


_REPLACED: dict[Callable[..., Any], Callable[..., Tensor]] = {
    F.layer_norm: _layer_norm,
    torch.layer_norm: _layer_norm,
    F.instance_norm: _instance_norm,
    torch.instance_norm: _instance_norm,
}
