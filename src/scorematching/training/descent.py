"""Optimizer and learning-rate schedule: Adam, and Muon for weights that act as matrices, in one cycle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import OneCycleLR

#: Learning rate of Muon, as a multiple of that of Adam.
_MUON = 5.0
#: Learning rates in the groups of an optimizer with a one-cycle schedule.
_RATES = ("lr", "initial_lr", "max_lr", "min_lr")


class Descent:
    """One-cycle descent with gradients clipped to norm 1.

    Adam gives the steps of all entries about the same size. Muon (Jordan et al. 2024) gives the singular values of the
    step of a matrix the same size. If the matrix has more rows than columns, this size is multiplied by the root of
    their ratio. Both learning rates rise to their maximum in the first third of the training, and momentum falls from
    0.95 to 0.85. Then the rates fall to zero, and momentum rises again.

    Args:
        parameters: All trained parameters.
        matrices: Parameters that Muon updates: weights (M, C, h, w) of convolutions, as matrices (M, C h w).
        rate: Largest learning rate of Adam.
        steps: Number of steps.
    """

    def __init__(
        self, parameters: Sequence[nn.Parameter], matrices: Sequence[nn.Parameter], rate: float, steps: int
    ) -> None:
        self.parameters, self.weights = list(parameters), list(matrices)
        by_muon = {id(weight) for weight in self.weights}
        rest = [parameter for parameter in self.parameters if id(parameter) not in by_muon]
        self.optimizers: list[torch.optim.Optimizer] = [torch.optim.Adam(rest, lr=rate)]
        #: Views of the weights as matrices.
        self.views = [nn.Parameter(weight.detach().view(len(weight), -1)) for weight in self.weights]
        if self.views:
            muon = torch.optim.Muon(self.views, lr=_MUON * rate, weight_decay=0.0)
            self.optimizers.append(muon)
        self.schedules = [OneCycleLR(one, one.defaults["lr"], total_steps=steps + 1) for one in self.optimizers]

    @property
    def rate(self) -> float:
        """Present learning rate of Adam."""
        return float(self.optimizers[0].param_groups[0]["lr"])

    def scale(self, factor: float) -> None:
        """Multiply the learning rates of this step and of all that follow."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group.update({name: factor * group[name] for name in _RATES})

    def step(self) -> bool:
        """Take one step down the gradients of the parameters, and remove the gradients.

        Returns:
            Whether the gradients were finite. If not, nothing is changed.
        """
        is_finite = math.isfinite(clip_grad_norm_(self.parameters, 1.0))
        for matrix, weight in zip(self.views, self.weights, strict=True):
            matrix.grad = None if weight.grad is None else weight.grad.view_as(matrix)
        for optimizer, schedule in zip(self.optimizers, self.schedules, strict=True):
            if is_finite:
                optimizer.step()
                schedule.step()
        for parameter in self.parameters:
            parameter.grad = None
        return is_finite

    def state(self) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
        """Return the state that an interrupted training continues from: tensors by name, and entries for JSON."""
        tensors: dict[str, Tensor] = {}
        entries = []
        for number, (optimizer, schedule) in enumerate(zip(self.optimizers, self.schedules, strict=True)):
            state = optimizer.state_dict()
            for index, moments in state["state"].items():
                tensors |= {f"{number}.{index}.{name}": moment for name, moment in moments.items()}
            entries.append({"groups": state["param_groups"], "schedule": schedule.state_dict()})
        return tensors, entries

    def load_state(self, tensors: dict[str, Tensor], entries: list[dict[str, Any]]) -> None:
        """Continue from a state of :meth:`state`. The tensors are copied."""
        states: list[dict[int, dict[str, Tensor]]] = [{} for _ in self.optimizers]
        for key, moment in tensors.items():
            number, index, name = key.split(".")
            states[int(number)].setdefault(int(index), {})[name] = moment.clone()
        for optimizer, schedule, state, entry in zip(self.optimizers, self.schedules, states, entries, strict=True):
            optimizer.load_state_dict({"state": state, "param_groups": entry["groups"]})
            schedule.load_state_dict(entry["schedule"])
