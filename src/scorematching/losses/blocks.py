"""One step: the loss of a batch and its gradient in one go, one block of samples after the other.

All four sweeps are run over a block while its values are still in the processor's cache, and nothing of it is kept but
the gradient. So the memory of a step does not grow with the batch, and ``backward()`` has only to scale.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from scorematching.curvature import Curvature
from scorematching.curvature.objective import Objective, Penalty
from scorematching.graph import Graph
from scorematching.runtime.compiling import run
from scorematching.runtime.functional import Gradients, parameters_of
from scorematching.runtime.precision import in_bfloat16, products
from scorematching.sweeps import add_term


def summed_loss(method: Curvature, energy: Graph, x: Tensor, objective: Objective) -> Tensor:
    """The loss, summed over a batch, whose gradient is computed at once where one may be asked for.

    Args:
        method: How the curvature is computed.
        energy: The model.
        x: Data, shape (N, ...).
        objective: Which loss.
    """
    parameters = parameters_of(energy)
    asked = torch.is_grad_enabled() and any(t.requires_grad for t in (x, *parameters.values()))
    return _Step.apply(method, energy, objective, asked, tuple(parameters), x, *parameters.values())


@dataclass(frozen=True)
class _Block:
    """What is to be done with a block of samples; equal ones do the same, and share a compiled program."""

    method: Curvature
    lam: float
    penalty: Penalty
    by_parameters: bool
    by_data: bool
    bfloat16: bool

    def __call__(self, energy: Graph, x: Tensor, weight: Tensor | None, drawn: Tensor | None) -> Gradients:
        """The sum of the losses, and the gradients that are asked for."""
        objective = Objective(self.lam, self.penalty, weight)
        with products(self.bfloat16):
            if self.by_parameters or self.by_data:
                return self.method.gradients(energy, x, objective, self.by_data, drawn)
            return Gradients(self.method.value(energy, x, objective, drawn), {}, None)


class _Step(torch.autograd.Function):
    """The parameters are arguments, by all their names; autograd adds up what a parameter with several receives."""

    @staticmethod
    def forward(
        ctx: Any,
        method: Curvature,
        energy: Graph,
        objective: Objective,
        asked: bool,
        names: tuple[str, ...],
        x: Tensor,
        *parameters: Tensor,
    ) -> Tensor:
        by_data = asked and ctx.needs_input_grad[5]
        by_parameters = asked and any(ctx.needs_input_grad[6:])
        block = _Block(method, objective.lam, objective.penalty, by_parameters, by_data, in_bfloat16())
        value, sums, parts = x.new_zeros(()), dict[str, Tensor](), []
        for part, weight in _blocks(x.detach(), objective.weight, method.samples(energy, x)):
            drawn = method.draws(part, objective.penalty)
            call = run if method.recordable else operator.call
            summand, by_name, by_part = call(block, energy, part, weight, drawn)
            value = value + summand
            for name, gradient in by_name.items():
                add_term(sums, name, gradient)
            if by_part is not None:
                parts.append(by_part)
        by_x = torch.cat(parts) if parts else None
        ctx.save_for_backward(by_x, *(sums.get(name) for name in names))
        return value

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise RuntimeError("the score matching loss can be differentiated once: create_graph=True is not possible")
        scaled = (None if gradient is None else upstream * gradient for gradient in ctx.saved_tensors)
        return None, None, None, None, None, *scaled


def _blocks(x: Tensor, weight: Tensor | None, size: int) -> list[tuple[Tensor, Tensor | None]]:
    """Blocks of ``size`` samples or fewer, alike in size, and their weights."""
    count = -(-len(x) // size)
    blocks = x.tensor_split(count)
    if weight is None or weight.ndim < x.ndim:
        return [(block, weight) for block in blocks]
    return list(zip(blocks, weight.tensor_split(count), strict=True))
