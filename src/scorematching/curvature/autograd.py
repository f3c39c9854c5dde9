"""Sweeps as a differentiable function: sweeps 1 and 2 in its forward pass, sweeps 3 and 4 in its backward pass."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from scorematching.graph import Graph
from scorematching.runtime.functional import differentiable_gradients, parameters_of, transformed
from scorematching.runtime.validation import full_precision
from scorematching.sweeps import State


class Rule(Protocol):
    """One kind of sweeps, such as those of the recursion or of the full Hessian."""

    def forward(self, energy: Graph, x: Tensor) -> tuple[State, tuple[Tensor, ...]]:
        """Run sweeps 1 and 2; return the state and the results."""

    def backward(
        self, energy: Graph, state: State, upstream: tuple[Tensor | None, ...], by_data: bool
    ) -> dict[str, Tensor]:
        """Run sweeps 3 and 4 from the gradients with respect to the results; return the parameter gradients by name."""


def swept(rule: Rule, energy: Graph, x: Tensor) -> tuple[Tensor, ...]:
    """Return the results of a rule, differentiable any number of times by ``x`` and the parameters of the energy.

    The first derivatives are sweeps 3 and 4. Those after it, and transforms of ``torch.func``, differentiate the sweeps
    as ordinary tensor operations.
    """
    if transformed():
        return rule.forward(energy, x)[1]
    parameters = parameters_of(energy)
    return _Swept.apply(rule, energy, x, tuple(parameters), *parameters.values())


class _Swept(torch.autograd.Function):
    """Autograd function that runs the sweeps of a rule.

    The sweeps read the parameters from the layers. The parameters are also arguments, so that autograd sees them. They
    are passed under all their names: autograd adds up the gradients of a layer that is on several edges.
    """

    @staticmethod
    def forward(
        ctx: Any, rule: Rule, energy: Graph, x: Tensor, names: tuple[str, ...], *parameters: Tensor
    ) -> tuple[Tensor, ...]:
        with full_precision(x):
            state, results = rule.forward(energy, x.detach())
        leaves, ctx.spec = tree_flatten(vars(state))
        ctx.rule, ctx.energy, ctx.names, ctx.kind = rule, energy, names, type(state)
        ctx.others = [(True, None) if isinstance(leaf, Tensor) else (False, leaf) for leaf in leaves]
        ctx.set_materialize_grads(False)
        # Saved tensors are freed after backward, and autograd detects changes in place until then.
        ctx.save_for_backward(x, *parameters, *(leaf for leaf in leaves if isinstance(leaf, Tensor)))
        return results

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor | None) -> tuple[Tensor | None, ...]:
        x, *saved = ctx.saved_tensors
        if torch.is_grad_enabled():

            def results(energy: Graph, x: Tensor) -> tuple[Tensor, ...]:
                return ctx.rule.forward(energy, x)[1]

            inputs = dict(zip(("", *ctx.names), (x, *saved[: len(ctx.names)]), strict=True))
            by_x, *found = differentiable_gradients(results, ctx.energy, inputs, upstream)
            return None, None, by_x, None, *found
        tensors = iter(saved[len(ctx.names) :])
        leaves = [next(tensors) if is_tensor else other for is_tensor, other in ctx.others]
        state, by_data = ctx.kind(**tree_unflatten(leaves, ctx.spec)), ctx.needs_input_grad[2]
        with full_precision(x):
            found = ctx.rule.backward(ctx.energy, state, upstream, by_data)
        return None, None, state.c.get(ctx.energy.input), None, *(found.get(name) for name in ctx.names)
