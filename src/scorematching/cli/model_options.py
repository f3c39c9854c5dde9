"""Options of ``scorematching fit`` that describe a model, and their defaults."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from scorematching.priors.architecture import DeepConfig, FieldConfig, ModelConfig
from scorematching.runtime.arguments import check_choice

#: Configuration for each value of ``--model``, and options whose names differ in a configuration.
MODELS: dict[str, type[ModelConfig]] = {"foe": FieldConfig, "deep": DeepConfig}
_NAMES = {("deep", "filters"): "channels"}


def by_model(values: dict[str, Any]) -> str:
    """Return the values for each model, for a help text."""
    return ", ".join(f"{value} ({model})" for model, value in values.items())


def defaults_of(option: str) -> str:
    """Return the default of an option for each model that has it."""
    return by_model({model: getattr(MODELS[model], _name(model, option)) for model in _models_with(option)})


def _name(model: str, option: str) -> str:
    """Return the name of an option in a model's configuration."""
    return _NAMES.get((model, option), option)


def _models_with(option: str) -> list[str]:
    """Return the models that have an option."""
    names = {model: {field.name for field in fields(config)} for model, config in MODELS.items()}
    return [model for model in MODELS if _name(model, option) in names[model]]


def config_from_options(model: str, **given: object) -> ModelConfig:
    """Return the configuration of a model, from the options that were given.

    Raises:
        ValueError: The model is unknown, or does not have an option, or a value is out of its range.
    """
    check_choice("--model", model, tuple(MODELS))
    values = {name: value for name, value in given.items() if value is not None}
    for name, value in values.items():
        if model not in (known := _models_with(name)):
            option = "--" + name.replace("_", "-")
            raise ValueError(f"{option} is for --model {' or '.join(known)}, got {value} for --model {model}")
    options: dict[str, Any] = {_name(model, name): value for name, value in values.items()}
    return MODELS[model](**options)
