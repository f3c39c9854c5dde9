"""Checks of options: numbers, flags, choices. Every error names the option, the value and the fix."""

from __future__ import annotations

import math
import operator
from numbers import Real
from typing import Any


def check_positive(name: str, value: Any, zero: bool = False) -> float:
    """The value as a float, if it is a finite number above 0 (or 0 where ``zero``); otherwise raise ``ValueError``."""
    number = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    if not number or value < 0 or (value == 0 and not zero):
        raise ValueError(f"{name} must be a number {'of 0 or more' if zero else 'above 0'}, got {value!r}")
    return float(value)


def check_count(name: str, value: Any, least: int = 1, most: int | None = None) -> int:
    """The value as an int, if it is a whole number from ``least`` to ``most``; otherwise raise ``ValueError``."""
    try:
        count = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        count = None
    if count is None or count < least or (most is not None and count > most):
        limit = f"{least} or more" if most is None else f"{least} to {most}"
        raise ValueError(f"{name} must be a whole number of {limit}, got {value!r}")
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
