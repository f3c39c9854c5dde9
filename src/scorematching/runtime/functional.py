"""Calls of an energy with other parameters, and its gradients with respect to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call


class Gradients(NamedTuple):
    """A number and its gradients.

    Attributes:
        value: The number.
        by_name: Gradients with respect to the parameters that require one and influence the number, by name. The
            gradient of a parameter with several names may be a sum, with one term under each name.
        by_data: Gradient with respect to the data, if needed.
    """

    value: Tensor
    by_name: dict[str, Tensor]
    by_data: Tensor | None


def modules_of(energy: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the energy and all its submodules with their paths. A module in several places has several paths.

    This is a faster ``named_modules(remove_duplicate=False)``, because it runs at every step.
    """
    found = [("", energy)]
    for path, module in found:  # the list grows during the loop
        for name, part in module._modules.items():
            if part is not None:
                found.append((f"{path}.{name}" if path else name, part))
    return found


def parameters_of(energy: nn.Module) -> dict[str, Tensor]:
    """Return the parameters by name. Those of a module in several places have several names."""
    return {
        f"{path}.{name}" if path else name: parameter
        for path, module in modules_of(energy)
        for name, parameter in module._parameters.items()
        if parameter is not None
    }


def state_of(energy: nn.Module) -> dict[str, Tensor]:
    """Return parameters and buffers by all their names, detached."""
    return {
        f"{path}.{name}" if path else name: tensor.detach().requires_grad_(tensor.requires_grad)
        for path, module in modules_of(energy)
        for name, tensor in _held(module).items()
        if tensor is not None
    }


def _held(module: nn.Module) -> dict[str, Tensor | None]:
    """Return the parameters and buffers of a module itself."""
    return {**module._parameters, **module._buffers}


def call_with(function: Callable[..., Any], energy: nn.Module, state: Mapping[str, Tensor], *inputs: Any) -> Any:
    """Return ``function(energy, *inputs)``, with the parameters and buffers of the energy replaced during the call.

    A module in several places gets the tensors under its first path, because PyTorch could not restore the others.
    """
    own = {f"{path}.{name}" if path else name for path, module in energy.named_modules() for name in _held(module)}
    named = {f"energy.{name}": tensor for name, tensor in state.items() if name in own}
    return functional_call(_Bound(function, energy), named, inputs, tie_weights=False)


def differentiated(
    function: Callable[..., Tensor], energy: nn.Module, state: Mapping[str, Tensor], x: Tensor, by_data: bool
) -> Gradients:
    """Return the number ``function(energy, x)`` and its gradients, by automatic differentiation.

    Args:
        function: Function of an energy and data that returns a scalar.
        energy: The energy.
        state: Its parameters by name; gradients are computed for those that require one.
        x: The data.
        by_data: Whether the gradient with respect to ``x`` is needed.
    """
    leaves = {name: tensor.detach().requires_grad_(tensor.requires_grad) for name, tensor in state.items()}
    x = x.detach().requires_grad_(by_data)
    with torch.enable_grad():
        value = call_with(function, energy, leaves, x)
    asked = {name: leaf for name, leaf in {"": x, **leaves}.items() if leaf.requires_grad}
    found: dict[str, Tensor] = {}
    if asked and value.requires_grad:
        gradients = torch.autograd.grad(value, list(asked.values()), allow_unused=True)
        found = {name: g for name, g in zip(asked, gradients, strict=True) if g is not None}
    by_x = found.pop("", torch.zeros_like(x)) if by_data else None
    return Gradients(value.detach(), found, by_x)


def differentiable_gradients(
    function: Callable[..., Sequence[Tensor | None]],
    energy: nn.Module,
    inputs: Mapping[str, Tensor],
    upstream: Sequence[Tensor | None],
) -> list[Tensor | None]:
    """Return the gradients of ``sum_i <results_i, upstream_i>`` for fixed ``upstream``, themselves differentiable.

    Args:
        function: Function of an energy and data that returns tensors, made of operations that autograd can follow.
        energy: The energy.
        inputs: The data, by the name ``""``, and then the parameters by name. One with several names gets its gradient
            under the first; the others get ``None``.
        upstream: Gradients with respect to the results, where ``None`` is zero.
    """
    x, state = inputs[""], {name: tensor for name, tensor in inputs.items() if name}
    with torch.enable_grad():
        results = call_with(function, energy, state, x)
        pairs = [
            (r, u)
            for r, u in zip(results, upstream, strict=True)
            if r is not None and u is not None and r.requires_grad
        ]
        wanted = {id(t): t for t in inputs.values() if t.requires_grad}
        found: Sequence[Tensor | None] = ()
        if pairs:
            ends, slopes = zip(*pairs, strict=True)
            found = torch.autograd.grad(ends, list(wanted.values()), slopes, create_graph=True, allow_unused=True)
    by_tensor = dict(zip(wanted, found, strict=False))
    return [by_tensor.pop(id(tensor), None) for tensor in inputs.values()]


def transformed() -> bool:
    """Return True inside a transform of ``torch.func``, such as ``grad`` or ``vmap``.

    There, a module differentiates its tensor operations, because an autograd function that reads the parameters of a
    module can't be transformed.
    """
    return torch._C._are_functorch_transforms_active()


def batched(x: Tensor) -> bool:
    """Return True for a tensor inside ``torch.func.vmap``, of which no value can be read."""
    functorch = torch._C._functorch
    while transformed() and functorch.is_functorch_wrapped_tensor(x):
        if functorch.is_batchedtensor(x):
            return True
        x = functorch.get_unwrapped(x)
    return False


def unbatched(x: Tensor) -> Tensor:
    """Return ``x``, or zeros of its shape inside ``torch.func.vmap``, for an analysis that reads values."""
    return torch.zeros(x.shape, dtype=x.dtype, device=x.device) if batched(x) else x


class _Bound(nn.Module):
    """Module that calls a function of an energy, so that ``functional_call`` can replace the parameters."""

    def __init__(self, function: Callable[..., Any], energy: nn.Module) -> None:
        super().__init__()
        self.function, self.energy = function, energy

    def forward(self, *inputs: Any) -> Any:
        return self.function(self.energy, *inputs)
