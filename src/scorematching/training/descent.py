"""How a training goes down: Adam, and Muon for weights that act as matrices, in one cycle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import OneCycleLR

#: Singular values of a step of Muon, in rates of Adam.
_MUON = 5.0


class Descent:
    """One-cycle descent with gradients clipped to norm 1.

    Adam makes steps of single entries alike in size; Muon (Jordan et al. 2024) does so for the singular values of a
    matrix's steps, by its rate, times the root of rows by columns where there are more rows. Both rates rise to their
    highest in the first third, while momentum falls from 0.95 to 0.85, and then fall to nothing as it rises again.

    Args:
        parameters: All that are learned.
        matrices: Those of them that Muon moves: weights (M, C, h, w) of convolutions, as matrices (M, C h w).
        rate: Largest learning rate of Adam.
        steps: In all.
    """

    def __init__(
        self, parameters: Sequence[nn.Parameter], matrices: Sequence[nn.Parameter], rate: float, steps: int
    ) -> None:
        self.parameters, self.weights = list(parameters), list(matrices)
        by_muon = {id(weight) for weight in self.weights}
        rest = [parameter for parameter in self.parameters if id(parameter) not in by_muon]
        self.optimizers: list[torch.optim.Optimizer] = [torch.optim.Adam(rest, lr=rate)]
        #: Of the same storage as the weights.
        self.views = [nn.Parameter(weight.detach().view(len(weight), -1)) for weight in self.weights]
        if self.views:
            muon = torch.optim.Muon(self.views, lr=_MUON * rate, weight_decay=0.0)
            self.optimizers.append(muon)
        self.schedules = [OneCycleLR(one, one.defaults["lr"], total_steps=steps + 1) for one in self.optimizers]

    def step(self, loss: Tensor) -> None:
        """Go down the gradient of the loss."""
        for parameter in self.parameters:
            parameter.grad = None
        loss.backward()
        clip_grad_norm_(self.parameters, 1.0)
        for matrix, weight in zip(self.views, self.weights, strict=True):
            matrix.grad = None if weight.grad is None else weight.grad.view_as(matrix)
        for optimizer, schedule in zip(self.optimizers, self.schedules, strict=True):
            optimizer.step()
            schedule.step()

    def state(self) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
        """What a descent that was interrupted goes on with: tensors by name, and entries for JSON."""
        tensors: dict[str, Tensor] = {}
        entries = []
        for number, (optimizer, schedule) in enumerate(zip(self.optimizers, self.schedules, strict=True)):
            state = optimizer.state_dict()
            for index, moments in state["state"].items():
                tensors |= {f"{number}.{index}.{name}": moment for name, moment in moments.items()}
            entries.append({"groups": state["param_groups"], "schedule": schedule.state_dict()})
        return tensors, entries

    def load_state(self, tensors: dict[str, Tensor], entries: list[dict[str, Any]]) -> None:
        """Go on from a state of :meth:`state`."""
        states: list[dict[int, dict[str, Tensor]]] = [{} for _ in self.optimizers]
        for key, moment in tensors.items():
            number, index, name = key.split(".")
            states[int(number)].setdefault(int(index), {})[name] = moment
        for optimizer, schedule, state, entry in zip(self.optimizers, self.schedules, states, entries, strict=True):
            optimizer.load_state_dict({"state": state, "param_groups": entry["groups"]})
            schedule.load_state_dict(entry["schedule"])
