"""Files of priors: one ``.safetensors`` file with weights, architecture, noise and provenance."""

from __future__ import annotations

import dataclasses
import hashlib
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
from scorematching.priors.info import Provenance, TrainedNoise
from scorematching.priors.kinds import CONFIGS, build_prior
from scorematching.priors.names import SHIPPED
from scorematching.runtime.arguments import check_choice
from scorematching.runtime.kinds import check_arguments

#: Name of the only metadata entry in a file. There is only one, because safetensors does not keep the order of several,
#: and the same training must give the same bytes.
_KEY = "scorematching"
#: Content of a file, and version of its format.
_FORMAT = "prior/2"
_SECTIONS = {"format", "architecture", "noise", "provenance"}


def save_prior(prior: Prior, path: str | Path) -> None:
    """Write a prior to one file, completely or not at all.

    Args:
        prior: The prior.
        path: File to write. By convention its name ends in ``.safetensors``.

    Raises:
        FileNotFoundError: The folder does not exist.
    """
    check_arguments(save_prior, locals())
    tensors = {name: t.detach().cpu().contiguous() for name, t in prior.state_dict().items()}
    write_tensors(path, tensors, describe_prior(prior))


def describe_prior(prior: Prior) -> dict[str, Any]:
    """Return the description of a prior in its file, without the weights, as entries for JSON."""
    return {
        "format": _FORMAT,
        "architecture": {"kind": prior.config.kind, **dataclasses.asdict(prior.config)},
        "noise": None if prior.noise is None else dataclasses.asdict(prior.noise),
        "provenance": dataclasses.asdict(prior.provenance),
    }


def checksum(prior: Prior) -> str:
    """Return a checksum of the description and the weights of a prior.

    Example:
        >>> checksum(load_prior("natural-gray")) == checksum(load_prior("natural-gray-small"))
        False
    """
    found = hashlib.sha256(json.dumps(describe_prior(prior), sort_keys=True).encode())
    for name, tensor in sorted(prior.state_dict().items()):
        found.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


def load_prior(path: str | Path) -> Prior:
    """Read a prior from a file written by :func:`save_prior`. The file is checked, and nothing in it is executed.

    Args:
        path: The file, or the name of a prior that comes with this library: ``"natural-color"``, ``"natural-gray"``,
            ``"natural-gray-small"`` or ``"berkeley-gray"``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not a prior of this library, or it is damaged.

    Example:
        >>> prior = load_prior("natural-gray")
        >>> prior.config.depth, [round(255 * level) for level in prior.noise.range]
        (10, [5, 55])
    """
    check_arguments(load_prior, locals())
    if str(path) in SHIPPED:
        with as_file(files("scorematching") / "priors" / "weights" / f"{path}.safetensors") as shipped:
            return _read_prior(shipped)
    if not Path(path).exists():
        raise FileNotFoundError(f"no such file: {path}; the priors that come with the library are {', '.join(SHIPPED)}")
    return _read_prior(path)


def _read_prior(path: str | Path) -> Prior:
    tensors, entries = read_tensors(path)
    if entries.get("format") != _FORMAT:
        raise ValueError(f"{path} is not a prior that this version of scorematching can read: fit it again")
    for name in sorted(entries.keys() ^ _SECTIONS):
        what = f"an unknown section, {name}" if name in entries else f"no section {name}"
        raise ValueError(f"{path} describes no prior: it has {what}")
    try:
        prior = _described(entries)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} describes no prior: {error}") from None
    _check_tensors(path, tensors, prior.state_dict())
    prior.load_state_dict(tensors)
    return prior


def _described(entries: dict[str, Any]) -> Prior:
    """Return the untrained prior that a file describes."""
    architecture = dict(entries["architecture"])
    kind = architecture.pop("kind", None)
    check_choice("kind", kind, tuple(CONFIGS))
    config = CONFIGS[kind](**architecture)
    noise = None if entries["noise"] is None else TrainedNoise(**entries["noise"])
    return build_prior(config, noise, Provenance(**entries["provenance"]))


def _check_tensors(path: str | Path, tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Raise ``ValueError`` unless the tensors have the expected names, shapes and types, and are finite."""
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


def write_tensors(path: str | Path, tensors: dict[str, Tensor], entries: dict[str, Any]) -> None:
    """Write tensors and JSON entries to a safetensors file, atomically.

    Raises:
        FileNotFoundError: The folder does not exist.
    """
    write_atomically(path, save(tensors, {_KEY: json.dumps(entries, sort_keys=True)}))


def read_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a file written by :func:`write_tensors`.

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
        raise ValueError(f"{path} is a safetensors file, but was not written by scorematching")
    return tensors, entries
