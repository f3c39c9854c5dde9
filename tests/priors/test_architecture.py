"""Configurations of priors refuse every bad value where they are made."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from scorematching.priors import DeepConfig, FieldConfig


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filters": 0}, "filters must be an integer from 1 to 24, got 0"),
        ({"filters": 25}, "filters must be an integer from 1 to 24, got 25"),
        ({"filters": 8.0}, "filters must be an integer .*, got 8.0"),
        ({"filters": True}, "filters must be an integer .*, got True"),
        ({"filters": None}, "filters must be an integer .*, got None"),
        ({"size": 1}, "size must be an integer from 2 to 64, got 1"),
        ({"size": 65}, "size must be an integer from 2 to 64, got 65"),
        ({"size": "5"}, "size must be an integer from 2 to 64, got '5'"),
        ({"octaves": 0}, "octaves must be an integer from 1 to 4, got 0"),
        ({"octaves": 5}, "octaves must be an integer from 1 to 4, got 5"),
        ({"size": 6, "octaves": 2}, "odd size, got size 6 and 2 octaves"),
        ({"expert": "cauchy"}, "expert must be 'student-t' or 'spline', got 'cauchy'"),
        ({"expert": None}, "expert must be 'student-t' or 'spline', got None"),
        ({"normalize_filters": 1}, "normalize_filters must be True or False, got 1"),
    ],
)
def test_a_field_of_bad_sizes_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FieldConfig(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 0}, "channels must be an integer from 1 to 4096, got 0"),
        ({"channels": 5000}, "channels must be an integer from 1 to 4096, got 5000"),
        ({"channels": 8.0}, "channels must be an integer .*, got 8.0"),
        ({"size": 1}, "size must be an integer from 3 to 63, got 1"),
        ({"size": 4}, "size must be odd, got 4"),
        ({"depth": 0}, "depth must be an integer from 2 to 64, got 0"),
        ({"depth": 3}, "depth must be even, got 3"),
        ({"depth": 66}, "depth must be an integer from 2 to 64, got 66"),
        ({"color": 3}, "color must be True or False, got 3"),
        ({"color": None}, "color must be True or False, got None"),
    ],
)
def test_a_deep_prior_of_bad_sizes_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DeepConfig(**options)


@pytest.mark.parametrize(
    "options",
    [{"filters": 1, "size": 2}, {"filters": 48, "size": 7, "octaves": 4}, {"expert": "spline"}],
)
def test_the_least_and_the_largest_fields_are_taken(options: dict[str, Any]) -> None:
    assert dataclasses.asdict(FieldConfig(**options)).items() >= options.items()


def test_a_changed_configuration_is_checked_too() -> None:
    with pytest.raises(ValueError, match="depth must be even"):
        dataclasses.replace(DeepConfig(), depth=5)


@pytest.mark.parametrize("config", [FieldConfig, DeepConfig])
def test_configurations_are_fixed_and_equal_by_value(config: type[FieldConfig] | type[DeepConfig]) -> None:
    assert config(size=7) == config(size=7) != config(size=9)
    assert len({config(), config()}) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        config().size = 9  # type: ignore[misc]


def test_integers_of_numpy_become_pythons() -> None:
    field, deep = FieldConfig(np.int64(8), np.uint8(3)), DeepConfig(np.int32(8), depth=np.int64(2))
    assert [type(n) for n in (field.filters, field.size, deep.channels, deep.depth)] == [int] * 4


def test_colors_are_those_that_the_prior_sees_together() -> None:
    assert (FieldConfig().colors, DeepConfig().colors, DeepConfig(color=True).colors) == (1, 1, 3)
