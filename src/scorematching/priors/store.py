"""Files of priors: one ``.safetensors`` file with weights, architecture, noise and provenance."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Set
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scorematching.curvature.derivatives import score
from scorematching.priors.architecture import ModelConfig
from scorematching.priors.base import Prior
from scorematching.priors.info import Provenance, TrainedNoise
from scorematching.priors.kinds import CONFIGS, build_prior
from scorematching.priors.names import SHIPPED
from scorematching.priors.tensor_file import TensorFile, digest, opened, write_tensors
from scorematching.runtime.arguments import check_choice
from scorematching.runtime.kinds import check_arguments

#: Content of a file, and version of its format.
_FORMAT = "prior/3"
_SECTIONS = {"format", "architecture", "noise", "provenance"}
#: Size in bytes of a weight.
_WEIGHT = 4
#: What to do with a damaged file.
_REMEDY = "fit it again or copy it again"


def save_prior(prior: Prior, path: str | Path) -> None:
    """Write a prior to one file, completely or not at all.

    Args:
        prior: The prior.
        path: File to write. By convention its name ends in ``.safetensors``.

    Raises:
        FileNotFoundError: The folder does not exist.
        TypeError: The prior is in another precision than single.
    """
    check_arguments(save_prior, locals())
    if (kind := next(prior.parameters()).dtype) != torch.float32:
        raise TypeError(f"files of priors have weights of torch.float32, got {kind}: save prior.float()")
    write_tensors(path, prior.state_dict(), describe_prior(prior))


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
    return digest(prior.state_dict(), describe_prior(prior))[:16]


def load_prior(path: str | Path) -> Prior:
    """Read a prior from a file written by :func:`save_prior`. The file is checked, and nothing in it is executed.

    The file has a checksum of its weights and its description, so that a damaged file is never taken for a prior.

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
    with opened(path) as file:
        prior = _untrained(Path(path), file)
        tensors = file.tensors(_REMEDY)
    _check_tensors(path, tensors, prior.state_dict())
    prior.load_state_dict(tensors)
    _check_score(path, prior)
    return prior


def _untrained(path: Path, file: TensorFile) -> Prior:
    """Return the untrained prior that the header of a file describes, if the tensors have the shapes of its weights."""
    entries = file.entries
    if entries.get("format") != _FORMAT:
        raise ValueError(f"{path} is not a prior that this version of scorematching can read: fit it again")
    try:
        _check_names("section", entries, _SECTIONS)
        config = _config(entries["architecture"])
        levels = entries["noise"]
        noise = None if levels is None else TrainedNoise(**_fields("noise", levels, _names(TrainedNoise)))
        provenance = Provenance(**_fields("provenance", entries["provenance"], _names(Provenance)))
        if _WEIGHT * config.weights > (size := path.stat().st_size):
            raise ValueError(f"its architecture has {config.weights} weights or more, too many for {size} bytes")
        prior = build_prior(config, noise, provenance)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{path} describes no prior: {error}") from None
    expected = {name: tuple(tensor.shape) for name, tensor in prior.state_dict().items()}
    for name in sorted(expected.keys() | file.shapes.keys()):
        if expected.get(name) != file.shapes.get(name):
            want, got = expected.get(name, "no such tensor"), file.shapes.get(name, "nothing")
            raise ValueError(f"{path} is damaged: {name} should be {want}, it is {got}: {_REMEDY}")
    return prior


def _config(section: object) -> ModelConfig:
    """Return the architecture that a section describes."""
    kind = section.get("kind") if isinstance(section, dict) else None
    check_choice("kind", kind, tuple(CONFIGS))
    config = CONFIGS[str(kind)]
    return config(**_fields("architecture", section, {"kind"} | _names(config), {"kind"}))


def _fields(section: str, values: object, names: set[str], without: Set[str] = frozenset()) -> dict[str, Any]:
    """Return the values of a section, which must have exactly the given names, without some of them."""
    if not isinstance(values, dict):
        raise ValueError(f"its {section} is {values!r}")
    _check_names(f"{section} field", values, names)
    return {name: value for name, value in values.items() if name not in without}


def _names(cls: type[ModelConfig | TrainedNoise | Provenance]) -> set[str]:
    return {field.name for field in dataclasses.fields(cls)}


def _check_names(what: str, found: Mapping[str, Any], expected: set[str]) -> None:
    for name in sorted(found.keys() ^ expected):
        raise ValueError(f"it has an unknown {what}, {name}" if name in found else f"it has no {what} {name}")


def _check_tensors(path: str | Path, tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Raise ``ValueError`` unless the tensors have the expected types, and are finite."""
    for name, found in tensors.items():
        if found.dtype != expected[name].dtype:
            raise ValueError(f"{path} is damaged: {name} should be {expected[name].dtype}, it is {found.dtype}")
        if not bool(torch.isfinite(found).all()):
            raise ValueError(f"{path} is damaged: {name} has entries that are NaN or infinite")


def _check_score(path: str | Path, prior: Prior) -> None:
    """Raise ``ValueError`` if the score of a ramp is not finite: weights may be finite but huge."""
    ramp = torch.linspace(0, 1, prior.min_size, dtype=next(prior.parameters()).dtype)
    planes = ramp.expand(1, prior.images * prior.config.colors, len(ramp), -1) / prior.unit
    if not bool(torch.isfinite(score(prior.energy, planes, check_finite=False)).all()):
        largest = max(weights.abs().max().item() for weights in prior.parameters())
        raise ValueError(f"{path} has weights up to {largest:.3g}, with which scores are not finite: {_REMEDY}")
