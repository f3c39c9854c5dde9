"""Noise models as plain values, for JSON files."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from scorematching.noise.base import NoiseModel
from scorematching.noise.correlated import CorrelatedNoise
from scorematching.noise.gaussian import GaussianNoise
from scorematching.noise.modulated import ModulatedNoise
from scorematching.noise.pixelwise import ChannelNoise, NoiseMap
from scorematching.noise.poisson_gaussian import PoissonGaussianNoise
from scorematching.runtime.kinds import check_arguments

_MODELS: dict[str, Any] = {
    model.__name__: model
    for model in (GaussianNoise, PoissonGaussianNoise, ChannelNoise, NoiseMap, CorrelatedNoise, ModulatedNoise)
}


def as_record(noise: NoiseModel) -> dict[str, Any]:
    """Return a noise model as a dictionary of numbers, strings and lists, which JSON can store.

    Example:
        >>> as_record(GaussianNoise(25))
        {'model': 'GaussianNoise', 'sigma': 25.0}
    """
    check_arguments(as_record, locals())
    if not dataclasses.is_dataclass(noise):
        raise TypeError(f"noise must be a model of this library, got {type(noise).__name__}")
    values = {field.name: getattr(noise, field.name) for field in dataclasses.fields(noise)}
    return {"model": type(noise).__name__} | {name: _plain(value) for name, value in values.items()}


def _plain(values: Any) -> Any:
    """Return a value as JSON can store it: a noise model as its record, an array as lists of numbers of 7 digits."""
    if isinstance(values, NoiseModel):
        return as_record(values)
    if not isinstance(values, np.ndarray | tuple):
        return values
    array = np.asarray(values, dtype=np.float64)
    return np.array([float(f"{value:.7g}") for value in array.flat]).reshape(array.shape).tolist()


def from_record(record: Any) -> NoiseModel:
    """Return the noise model of a dictionary that :func:`as_record` made.

    Raises:
        ValueError: It is no such dictionary, or a value is out of its range.

    Example:
        >>> from_record({"model": "ChannelNoise", "sigmas": [6, 4, 9]})
        ChannelNoise(sigmas=(6.0, 4.0, 9.0))
    """
    check_arguments(from_record, locals())
    if not isinstance(record, dict) or str(record.get("model")) not in _MODELS:
        raise ValueError(f"expected the record of a noise model, with model one of {', '.join(_MODELS)}")
    if any(isinstance(one, dict) for value in record.values() if isinstance(value, dict) for one in value.values()):
        raise ValueError(f"the record of {record['model']} has records in records: at most one model has another in it")
    values = {
        name: from_record(value) if isinstance(value, dict) else value
        for name, value in record.items()
        if name != "model"
    }
    name = str(record["model"])
    fields = {field.name: field.default is dataclasses.MISSING for field in dataclasses.fields(_MODELS[name])}
    if not {one for one, needed in fields.items() if needed} <= set(values) <= set(fields):
        raise ValueError(f"the record of {name} has {', '.join(values) or 'nothing'}, expected {', '.join(fields)}")
    try:
        return _MODELS[name](**values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the record of {name}: {error}") from None
