"""Files: a prior as one ``.safetensors`` file, and the state of a training that may be interrupted."""

from __future__ import annotations

import dataclasses
import json
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from scorematching.images.io.atomic import write_atomically
from scorematching.priors.base import Prior
from scorematching.priors.info import PriorInfo
from scorematching.priors.kinds import build_prior

#: The priors that come with this library.
SHIPPED = ("natural-color", "natural-gray", "natural-gray-small", "berkeley-gray")
#: The one metadata entry of our files. (One, because safetensors does not keep the order of several, and the same
#: training is to give the same bytes.)
_KEY = "scorematching"
_KIND = "prior/1"


def save_prior(prior: Prior, path: str | Path) -> None:
    """Write a prior to one file, whole or not at all.

    Args:
        prior: What to save.
        path: Where to; by custom it ends in ``.safetensors``.

    Raises:
        FileNotFoundError: The folder does not exist.
    """
    tensors = {name: t.detach().cpu().contiguous() for name, t in prior.state_dict().items()}
    write_tensors(path, tensors, {"kind": _KIND, **dataclasses.asdict(prior.info)})


def load_prior(path: str | Path) -> Prior:
    """Read a prior from a file of :func:`save_prior`; it is checked, and nothing in it is executed.

    Args:
        path: The file, or the name of a prior that comes with this library: one of :data:`SHIPPED`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no prior of this library, or damaged.

    Example:
        >>> load_prior("natural-gray").info.model
        'deep'
    """
    if str(path) in SHIPPED:
        with as_file(files("scorematching") / "priors" / "weights" / f"{path}.safetensors") as shipped:
            return _read_prior(shipped)
    if not Path(path).exists():
        raise FileNotFoundError(f"no such file: {path}; the priors that come with the library are {', '.join(SHIPPED)}")
    return _read_prior(path)


def _read_prior(path: str | Path) -> Prior:
    tensors, entries = read_tensors(path)
    if entries.pop("kind", None) != _KIND:
        raise ValueError(f"{path} is not a prior that this version of scorematching can read")
    try:
        old = {"colours": "colors", "normed": "normalize_filters"}
        prior = build_prior(PriorInfo(**{old.get(name, name): value for name, value in entries.items()}))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} describes no prior: {error}") from None
    expected = prior.state_dict()
    for name in expected.keys() | tensors.keys():
        found = tensors.get(name)
        if name not in expected or found is None or found.shape != expected[name].shape:
            want = tuple(expected[name].shape) if name in expected else "no such tensor"
            got = tuple(found.shape) if found is not None else "nothing"
            raise ValueError(f"{path} is damaged: {name} should be {want}, it is {got}")
        if found.dtype != expected[name].dtype:
            raise ValueError(f"{path} is damaged: {name} should be {expected[name].dtype}, it is {found.dtype}")
        if not bool(torch.isfinite(found).all()):
            raise ValueError(f"{path} is damaged: {name} has entries that are NaN or infinite")
    prior.load_state_dict(tensors)
    return prior


def write_tensors(path: str | Path, tensors: dict[str, Tensor], entries: dict[str, Any]) -> None:
    """Write tensors and JSON entries to a safetensors file, atomically.

    Raises:
        FileNotFoundError: The folder does not exist.
    """
    write_atomically(path, save(tensors, {_KEY: json.dumps(entries, sort_keys=True)}))


def read_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`write_tensors` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not a safetensors file of this library.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    try:
        with safe_open(path, framework="pt") as file:
            entries = json.loads((file.metadata() or {}).get(_KEY, "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from None
    if not isinstance(entries, dict):
        raise ValueError(f"{path} is a safetensors file, but not one of scorematching's")
    return tensors, entries
