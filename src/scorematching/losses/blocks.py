"""Loss of a batch and its gradient, computed together in blocks of samples.

All sweeps run over a block while its values are in the cache of the processor, and only the gradient is kept. So the
memory of a step does not grow with the batch, and ``backward()`` only scales the gradient.
"""

from __future__ import annotations

import operator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from scorematching.curvature import Curvature
from scorematching.curvature.objective import Objective
from scorematching.graph import Graph
from scorematching.runtime.compiling import run
from scorematching.runtime.functional import Gradients, differentiable_gradients
from scorematching.runtime.precision import in_bfloat16, products
from scorematching.sweeps import add_term


class SummedLoss(torch.autograd.Function):
    """Loss, summed over a batch. Its gradient is computed in the forward pass, if it is needed.

    The parameters are arguments under all their names: autograd adds up the gradients of one with several names.
    """

    @staticmethod
    def forward(
        ctx: Any,
        method: Curvature,
        energy: Graph,
        objective: Objective,
        differentiable: bool,
        names: tuple[str, ...],
        x: Tensor,
        *parameters: Tensor,
    ) -> Tensor:
        """Return the loss.

        Args:
            ctx: Context of autograd.
            method: The curvature method.
            energy: The model.
            objective: The loss to compute.
            differentiable: Whether a gradient may be requested later: ``torch.is_grad_enabled()`` at the call.
            names: Names of the parameters.
            x: Data, shape (N, ...).
            parameters: The parameters, in the order of their names.
        """
        by_data = differentiable and ctx.needs_input_grad[5]
        by_parameters = differentiable and any(ctx.needs_input_grad[6:])
        value, sums, parts = x.new_zeros(()), dict[str, Tensor](), []
        drawn: list[tuple[Curvature, Objective]] = []
        for part, objective_of_part in _blocks(x.detach(), objective, method.samples(energy, x)):
            prepared = method.prepared(part, objective.squared)
            drawn.append((prepared, objective_of_part))
            call = run if prepared.recordable else operator.call
            options = by_parameters, by_data, in_bfloat16()
            summand, by_name, by_part = call(_block, energy, part, prepared, objective_of_part, *options)
            value = value + summand
            for name, gradient in by_name.items():
                add_term(sums, name, gradient)
            if by_part is not None:
                parts.append(by_part)
        ctx.save_for_backward(torch.cat(parts) if parts else None, *(sums.get(name) for name in names))
        if by_data or by_parameters:
            inputs = dict(zip(("", *names), (x, *parameters), strict=True))
            ctx.again = drawn, energy, inputs, [tensor._version for tensor in inputs.values()]
        return value

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient, scaled by ``upstream``. For ``create_graph=True`` it is computed again.

        Raises:
            RuntimeError: It is computed again, and the data or a parameter was changed in place since.
        """
        if torch.is_grad_enabled():
            drawn, energy, inputs, versions = ctx.again
            if versions != [tensor._version for tensor in inputs.values()]:
                raise RuntimeError("x or a parameter was modified by an inplace operation before create_graph=True")
            again = differentiable_gradients(partial(_value, drawn), energy, inputs, (upstream,))
            return None, None, None, None, None, *again
        scaled = (None if gradient is None else upstream * gradient for gradient in ctx.saved_tensors)
        return None, None, None, None, None, *scaled


def _block(
    energy: Graph,
    x: Tensor,
    method: Curvature,
    objective: Objective,
    by_parameters: bool,
    by_data: bool,
    bfloat16: bool,
) -> Gradients:
    """Return the loss, summed over a block of samples, and the gradients that are needed."""
    with products(bfloat16):
        if by_parameters or by_data:
            return method.gradients(energy, x, objective, by_data)
        return Gradients(method.value(energy, x, objective), {}, None)


def _value(drawn: list[tuple[Curvature, Objective]], energy: Graph, x: Tensor) -> tuple[Tensor]:
    """Return the loss, summed over the batch, from the method and the objective of each block."""
    parts = zip(drawn, x.tensor_split(len(drawn)), strict=True)
    return (torch.stack([method.value(energy, part, objective) for (method, objective), part in parts]).sum(),)


def _blocks(x: Tensor, objective: Objective, size: int) -> list[tuple[Tensor, Objective]]:
    """Split a batch, and the weights in its objective, into blocks of about equal size, at most ``size`` samples."""
    count = -(-len(x) // size)
    weights, slopes = (
        [one] * count if one is None or one.ndim < x.ndim else one.tensor_split(count)
        for one in (objective.weight, objective.slope)
    )
    blocks = zip(x.tensor_split(count), weights, slopes, strict=True)
    return [(block, Objective(objective.lam, weight, slope)) for block, weight, slope in blocks]
