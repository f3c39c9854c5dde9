"""All cases by name."""

from __future__ import annotations

import warnings
from pathlib import Path

from contract import cases_of_energies, cases_of_images
from contract.case import Case, Table

_TABLES: tuple[Table, ...] = (
    *(cases_of_images.restoration, cases_of_images.images, cases_of_images.noise, cases_of_images.files),
    *(cases_of_images.priors, cases_of_energies.losses, cases_of_energies.data, cases_of_energies.energies),
    cases_of_energies.layers,
)


def all_cases(folder: Path) -> dict[str, Case]:
    """Return all cases. Their files are in a folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of models that are hardly fitted
        return {name: case for table in _TABLES for name, case in table(folder).items()}
