"""Checks of options: numbers, flags and choices. Every error names the option, its value and the valid range."""

from __future__ import annotations

import math
import operator
from numbers import Real
from typing import Any


def check_positive(name: str, value: Any, zero: bool = False) -> float:
    """Return the value as a float; raise ``ValueError`` unless it is finite and above 0 (with ``zero``, 0 or more).

    It may also be an array or a tensor of no dimension that needs no gradient.
    """
    if getattr(value, "requires_grad", False):
        raise ValueError(f"{name} requires a gradient, which is not computed: pass {name}.item()")
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    number = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    if not number or value < 0 or (value == 0 and not zero):
        raise ValueError(f"{name} must be a number {'of 0 or more' if zero else 'above 0'}, got {value!r}")
    return float(value)


def check_count(name: str, value: Any, least: int = 1, most: int | None = None) -> int:
    """Return the value as an int; raise ``ValueError`` unless it is an integer from ``least`` to ``most``."""
    try:
        count = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        count = None
    if count is None or count < least or (most is not None and count > most):
        limit = f"of {least} or more" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} must be an integer {limit}, got {value!r}")
    return count


def check_flag(name: str, value: Any) -> None:
    """Raise ``ValueError`` unless the value is ``True`` or ``False``."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, got {value!r}")


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise ``ValueError`` unless the value is one of the choices."""
    if value not in choices:
        listed = ", ".join(map(repr, choices[:-1])) + f" or {choices[-1]!r}"
        raise ValueError(f"{name} must be {listed}, got {value!r}")
