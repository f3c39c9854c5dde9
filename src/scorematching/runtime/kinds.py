"""Checks of the kinds of arguments, by their annotations: the first line of each public function."""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from scorematching.runtime.arguments import as_number, is_finite, is_integer, one_of, shown

#: Largest number of entries of an array. Larger ones do not fit in memory: views of one number repeated, for example.
_MOST = 2**38
#: Largest seed of all generators.
_LARGEST_SEED = 2**63 - 1
#: What an argument must be, in words, and whether a value is.
Kind = tuple[str, Callable[[Any], bool]]


def check_arguments(function: Callable[..., Any], values: Mapping[str, Any]) -> None:
    """Raise ``TypeError`` or ``ValueError`` if an argument is not of the kind of its annotation.

    Numbers must not be NaN, arrays and tensors must be dense and real, and seeds are 0 or more. Annotations of unknown
    kinds are not checked.

    Args:
        function: The function; a class for the fields of a dataclass.
        values: Its arguments: ``locals()`` in its first line.

    Example:
        >>> def doubled(x: "float", name: "str | None" = None) -> "float":
        ...     check_arguments(doubled, locals())
        ...     return 2 * x
        >>> doubled("3")
        Traceback (most recent call last):
        ValueError: x must be a number, got '3'
    """
    for name, kinds in _kinds(function):
        value = values[name]
        if not any(fits(value) for _, fits in kinds):
            raise _error(name, kinds)(f"{name} must be {one_of([words for words, _ in kinds])}, got {shown(value)}")
        if name == "seed" and is_integer(value) and not 0 <= value <= _LARGEST_SEED:
            raise ValueError(f"seed must be an integer from 0 to {_LARGEST_SEED}, got {shown(value)}")


def _error(name: str, kinds: Sequence[Kind]) -> type[Exception]:
    """Return ``ValueError`` for numbers, flags and choices, else ``TypeError``."""
    plain = all(kind in _PLAIN.values() or kind[0].startswith("'") for kind in kinds)
    return ValueError if plain else TypeError


@cache
def _kinds(function: Callable[..., Any]) -> list[tuple[str, list[Kind]]]:
    """Return the kinds of each argument that has an annotation of known kinds."""
    if inspect.isclass(function):
        names = vars(inspect.getmodule(function))
        notes = {field.name: field.type for field in dataclasses.fields(function)}
    else:
        function = inspect.unwrap(getattr(function, "__func__", function))
        single = function.__code__.co_varnames[: function.__code__.co_argcount + function.__code__.co_kwonlyargcount]
        names, notes = function.__globals__, {name: function.__annotations__.get(name) for name in single}
    found = {name: _kinds_of(note, names) for name, note in notes.items()}
    return [(name, kinds) for name, kinds in found.items() if kinds]


def _kinds_of(note: Any, names: Mapping[str, Any]) -> list[Kind]:
    """Return the kinds of an annotation; none if one of them is not known."""
    if not isinstance(note, str):
        return []
    terms = re.split(
        r" \| (?![^\[]*\])", note.replace("str | Path", "Path").replace("str | torch.device", "torch.device")
    )
    kinds = [_kind(term, names) for term in terms]
    return [kind for kind in kinds if kind] if None not in kinds else []


def _kind(term: str, names: Mapping[str, Any]) -> Kind | None:
    """Return the kind of one term of a union of annotations, given the names of its module."""
    if term in _KINDS:
        return _KINDS[term]
    if term.startswith("Callable["):
        return "a function", callable
    part = re.fullmatch(r"(?:Sequence|tuple)\[(\w+)((?:, \w+)*)(?:, \.\.\.)?\]", term)
    if part and part[1] in _PLAIN:
        count = 1 + part[2].count(",") if term.startswith("tuple") and "..." not in term else None
        return _sequence(_PLAIN[part[1]], count)
    named = names.get(term)
    if get_origin(named) is Literal:
        choices = get_args(named)
        return one_of([repr(choice) for choice in choices]), lambda value: isinstance(value, str) and value in choices
    if inspect.isclass(named) and named is not Any and not getattr(named, "_is_protocol", False):
        return f"a {named.__name__}", lambda value: isinstance(value, named)
    return None


def _sequence(kind: Kind, count: int | None) -> Kind:
    """Return the kind of sequences of one kind, of a number of them if given."""
    words, fits = kind
    size = "a sequence" if count is None else f"{count} values"

    def all_fit(values: Any) -> bool:
        countable = isinstance(values, Sequence) and not isinstance(values, str | bytes)
        if not countable and not (getattr(values, "ndim", 0) == 1 and hasattr(values, "tolist")):
            return False
        return (count is None or len(values) == count) and all(fits(value) for value in values)

    return f"{size} of which each is {words}", all_fit


def _is_array(value: Any) -> bool:
    import numpy as np

    return isinstance(value, np.ndarray) and value.size <= _MOST


def _is_tensor(value: Any) -> bool:
    import torch

    dense = isinstance(value, torch.Tensor) and value.layout == torch.strided and not value.is_complex()
    return dense and value.numel() <= _MOST


def _is_module(value: Any) -> bool:
    from torch import nn

    return isinstance(value, nn.Module)


def _is_generator(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Generator)


def _is_device(value: Any) -> bool:
    import torch

    try:
        return isinstance(value, str | torch.device) and torch.zeros(1, device=value).device.type != "meta"
    except (RuntimeError, AssertionError, NotImplementedError):
        return False


def _is_path(value: Any) -> bool:
    return isinstance(value, Path) or (isinstance(value, str) and "\0" not in value)


def _is_number(value: Any) -> bool:
    number = as_number(value)
    return is_finite(number) or (isinstance(number, float) and math.isinf(number))


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")


_PLAIN: dict[str, Kind] = {
    "int": ("an integer", is_integer),
    "float": ("a number", _is_number),
    "bool": ("True or False", _is_flag),
    "None": ("None", lambda value: value is None),
}
_KINDS: dict[str, Kind] = {
    **_PLAIN,
    "str": ("a string", lambda value: isinstance(value, str)),
    "Path": ("a path", _is_path),
    "np.ndarray": ("a numpy array that fits in memory", _is_array),
    "Tensor": ("a dense tensor of real numbers that fits in memory", _is_tensor),
    "nn.Module": ("a torch module", _is_module),
    "torch.Generator": ("a torch.Generator", _is_generator),
    "torch.device": ("a device of this machine, such as 'cpu'", _is_device),
    "ProgressCallback": ("a function", callable),
    "Projection": ("a function", callable),
}
