"""Checks of options: numbers, flags and choices. Every error names the option, its value and the valid range."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from numbers import Real
from typing import Any

#: Most of anything that is counted.
_MOST = 2**31 - 1
#: Number of letters of a value in a message.
_LETTERS = 60


def check_positive(name: str, value: Any, zero: bool = False) -> float:
    """Return the value as a float; raise ``ValueError`` unless it is finite and above 0 (with ``zero``, 0 or more).

    It may also be an array or a tensor of no dimension that needs no gradient.
    """
    if getattr(value, "requires_grad", False):
        raise ValueError(f"{name} requires a gradient, which is not computed: pass {name}.item()")
    number = as_number(value)
    if not is_finite(number) or number < 0 or (number == 0 and not zero):
        raise ValueError(f"{name} must be a number {'of 0 or more' if zero else 'above 0'}, got {shown(value)}")
    return float(number)


def check_between(name: str, value: Any, low: float, high: float) -> float:
    """Return the value as a float; raise ``ValueError`` unless it is from ``low`` to ``high``."""
    number = as_number(value)
    if not is_finite(number) or not low <= number <= high:
        raise ValueError(f"{name} must be a number from {low:g} to {high:g}, got {shown(value)}")
    return float(number)


def check_count(name: str, value: Any, least: int = 1, most: int | None = None) -> int:
    """Return the value as an int; raise ``ValueError`` unless it is an integer from ``least`` to ``most``."""
    if (
        not is_integer(value)
        or operator.index(value) < least
        or operator.index(value) > (_MOST if most is None else most)
    ):
        open_ended = most is None and not (is_integer(value) and value > least)
        limit = f"of {least} or more" if open_ended else f"from {least} to {_MOST if most is None else most}"
        raise ValueError(f"{name} must be an integer {limit}, got {shown(value)}")
    return operator.index(value)


def check_flag(name: str, value: Any) -> None:
    """Raise ``ValueError`` unless the value is ``True`` or ``False``."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, got {shown(value)}")


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise ``ValueError`` unless the value is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be {one_of([repr(choice) for choice in choices])}, got {shown(value)}")


def as_number(value: Any) -> Any:
    """Return the value of an array or a tensor of no dimension, and any other value as it is."""
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value


def is_integer(value: Any) -> bool:
    """Return whether a value is an integer, and not ``True`` or ``False``.

    Example:
        >>> is_integer(3), is_integer(3.0), is_integer(True)
        (True, False, False)
    """
    try:
        operator.index(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(as_number(value), bool)


def is_finite(value: Any) -> bool:
    """Return whether a value is a number that double precision can hold, and not ``True`` or ``False``.

    Example:
        >>> is_finite(3), is_finite(math.inf), is_finite(10**400), is_finite("3")
        (True, False, False, False)
    """
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def one_of(words: Sequence[str]) -> str:
    """Return words as a list.

    Example:
        >>> one_of(["a", "b", "c"])
        'a, b or c'
    """
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def shown(value: Any) -> str:
    """Return a value for a message: the shape of an array, and the start of what is long, on one line.

    Example:
        >>> shown("3"), shown("x" * 200)[-10:]
        ("'3'", 'xxxxxxx...')
    """
    if getattr(value, "shape", ()) != () and hasattr(value, "dtype"):
        return f"{type(value).__name__} of {value.dtype}, shape {tuple(value.shape)}"
    text = " ".join(repr(value).split())
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 3]}..."
