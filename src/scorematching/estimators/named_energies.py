"""Energies that an estimator knows by name."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Literal

from torch import nn

from scorematching.energies import ICA, MLP, Gaussian, PairwiseModel, ProductOfStudentT
from scorematching.runtime.arguments import check_choice

EnergyName = Literal["gaussian", "square-root", "ica", "student-t", "mlp"]
#: Name of an energy, function of the number of columns that returns one, or an energy.
EnergyChoice = EnergyName | Callable[[int], nn.Module] | nn.Module
_NAMED: dict[str, Callable[[int], nn.Module]] = {
    "gaussian": Gaussian,
    "square-root": lambda dim: PairwiseModel(dim, 0.5, 0.5),
    "ica": ICA,
    "student-t": lambda dim: ProductOfStudentT(dim, 2 * dim),
    "mlp": MLP,
}


def new_energy(choice: EnergyChoice, dim: int) -> nn.Module:
    """Return a new energy for data with ``dim`` columns; of a given energy, a copy.

    Raises:
        TypeError: The choice is neither a name, a function nor a module.
        ValueError: There is no such name.

    Example:
        >>> import torch
        >>> new_energy("ica", 3)(torch.zeros(2, 3)).shape
        torch.Size([2])
    """
    if isinstance(choice, str):
        check_choice("energy", choice, tuple(_NAMED))
        return _NAMED[choice](dim)
    if isinstance(choice, nn.Module):
        return copy.deepcopy(choice)
    if not callable(choice):
        raise TypeError(f"energy must be a name, a function or a module, got {type(choice).__name__}")
    return choice(dim)
