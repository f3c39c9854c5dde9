"""Checks of the kinds of arguments, by their annotations: the first line of each public function."""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from types import GenericAlias
from typing import Any, Literal, cast, get_args, get_origin

from scorematching.runtime.arguments import as_number, check_count, is_finite, is_integer, one_of, shown

#: Largest number of entries of an array. Larger ones do not fit in memory: views of one number repeated, for example.
_MOST = 2**38
#: Largest seed of all generators.
_LARGEST_SEED = 2**63 - 1
#: Sizes of layers and energies, and their largest value.
_SIZES = (
    *("inputs", "outputs", "kernel", "stride", "groups", "dilation", "channels", "size", "knots"),
    *("dim", "hidden", "couplings", "depth", "experts"),
)
_LARGEST_SIZE = 2**24
#: Least value of white. The range of its squares must be that of single precision.
_LEAST_WHITE = 1e-15
#: What an argument must be, in words, and whether a value is.
Kind = tuple[str, Callable[[Any], bool]]


def check_arguments(function: Callable[..., Any], values: Mapping[str, Any]) -> None:
    """Raise ``TypeError`` or ``ValueError`` if an argument is not of the kind of its annotation.

    Numbers must not be NaN, arrays and tensors must be dense and real, and seeds are 0 or more. Annotations of unknown
    kinds are not checked.

    Args:
        function: The function; a class for the fields of a dataclass.
        values: Its arguments: ``locals()`` in its first line. Those that are left out are not checked.

    Example:
        >>> def doubled(x: float, name: str | None = None) -> float:
        ...     check_arguments(doubled, locals())
        ...     return 2 * x
        >>> doubled("3")
        Traceback (most recent call last):
        ValueError: x must be a number, got '3'
    """
    for name, kinds in _kinds(function):
        if name not in values:
            continue
        value = values[name]
        if not any(fits(value) for _, fits in kinds):
            error = _error(name, kinds)
            what = _with_type(value) if error is TypeError else shown(value)
            raise error(f"{name} must be {one_of([words for words, _ in kinds if words != 'None'])}, got {what}")
        check_memory(name, value)
        if hasattr(value, "layout"):
            _check_tensor(name, value)
        elif hasattr(value, "ndim"):
            _check_plain(name, value)
        if value is not None and name in _RULES:
            _RULES[name](value)


def check_memory(name: str, array: Any) -> None:
    """Raise ``ValueError`` if an array is too large for memory.

    Example:
        >>> import numpy as np
        >>> check_memory("x", np.zeros(3))
    """
    count = getattr(array, "size", 0)
    if (count if isinstance(count, int) else array.numel() if callable(count) else 0) > _MOST:
        raise ValueError(f"{name} does not fit in memory: {shown(array)}")


def _with_type(value: Any) -> str:
    """Return a value for a message, with its type."""
    kind, text = type(value).__name__, shown(value)
    return kind if value is None else text if text.startswith(f"{kind} of ") else f"{kind} {text}"


def _check_tensor(name: str, tensor: Any) -> None:
    if str(tensor.layout) != "torch.strided" or tensor.is_complex() or tensor.is_nested:
        raise TypeError(f"{name} must be dense and of real numbers, got {tensor.layout} and {tensor.dtype}")
    if tensor.is_meta:
        raise TypeError(f"{name} must have values, got a tensor on the device meta: move it to 'cpu' with its values")


def _check_plain(name: str, array: Any) -> None:
    import numpy as np

    if isinstance(array, np.matrix):
        raise TypeError(f"{name} must be a plain numpy array, got matrix: pass numpy.asarray({name})")
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{name} must be an array without a mask: pass {name}.data, or {name}.filled(numpy.nan)")


def _error(name: str, kinds: Sequence[Kind]) -> type[Exception]:
    """Return ``ValueError`` for numbers, flags and choices, else ``TypeError``."""
    plain = all(kind in _PLAIN.values() or kind[0].startswith("'") for kind in kinds)
    return ValueError if plain else TypeError


@cache
def _kinds(function: Callable[..., Any]) -> list[tuple[str, list[Kind]]]:
    """Return the kinds of each argument that has an annotation of known kinds."""
    if inspect.isclass(function):
        names = vars(inspect.getmodule(function))
        notes = {field.name: field.type for field in dataclasses.fields(cast(Any, function))}
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
    outer = re.fullmatch(r"(Sequence|Iterable|Mapping|tuple)\[(.*)\]", term)
    if outer:
        return _many(outer[1], outer[2], names)
    return _kind_of_name(term, names)


def _kind_of_name(term: str, names: Mapping[str, Any]) -> Kind | None:
    """Return the kind of a name of a module: a choice, a protocol or a class."""
    named = names.get(term)
    if get_origin(named) is Literal:
        choices = get_args(named)
        return one_of([repr(choice) for choice in choices]), lambda value: isinstance(value, str) and value in choices
    if isinstance(named, GenericAlias):
        return _kind(str(named), names)
    if getattr(named, "_is_protocol", False):
        public = {name: of_class for name, of_class in vars(named).items() if name[0] != "_" or name == "__call__"}
        return _WORDS.get(term, f"a {term}"), lambda value: all(
            callable(getattr(value, name, None)) if callable(of_class) else hasattr(value, name)
            for name, of_class in public.items()
        )
    if inspect.isclass(named) and named is not Any:
        return _WORDS.get(term, f"a {term}"), lambda value: isinstance(value, named)
    return None


def _many(outer: str, inner: str, names: Mapping[str, Any]) -> Kind:
    """Return the kind of a container. Values of sequences are checked too, if their kinds are known."""
    if outer == "Mapping":
        return "a dictionary", lambda value: isinstance(value, Mapping)
    if outer == "Iterable":
        words, of_sequences = _many("Sequence", inner, names)
        return words, lambda value: of_sequences(value) if isinstance(value, Sequence) else _is_iterable(value)
    parts = [] if "[" in inner else inner.removesuffix(", ...").split(", ")
    count = len(parts) if outer == "tuple" and parts and not inner.endswith("...") else None
    kinds = _kinds_of(parts[0], names) if parts else []
    words = "a sequence" if count is None else f"{count} values"

    def fits(values: Any) -> bool:
        countable = isinstance(values, Sequence) and not isinstance(values, str | bytes)
        if not countable and not (getattr(values, "ndim", 0) > 0 and hasattr(values, "tolist")):
            return False
        if count is not None and len(values) != count:
            return False
        return not kinds or all(any(one(value) for _, one in kinds) for value in values)

    return f"{words} of which each is {one_of([one for one, _ in kinds])}" if kinds else words, fits


def _is_iterable(value: Any) -> bool:
    return isinstance(value, Iterable) and getattr(value, "ndim", 1) > 0 and not isinstance(value, Mapping)


def _check_seed(seed: Any) -> None:
    if is_integer(seed) and not 0 <= seed <= _LARGEST_SEED:
        limit = "of 0 or more" if seed < 0 else f"from 0 to {_LARGEST_SEED}"
        raise ValueError(f"seed must be an integer {limit}, got {shown(seed)}")


def _check_planes(planes: Any) -> None:
    if hasattr(planes, "ndim") and (planes.ndim != 4 or 0 in planes.shape):
        raise ValueError(f"expected planes of shape (N, C, H, W), got {shown(planes)}")


def _check_white(white: Any) -> None:
    if hasattr(white, "ndim") and not hasattr(white, "is_integer"):
        raise ValueError(f"data_range must be a plain number, got {shown(white)}: pass data_range.item()")
    white = float(white)
    if not white > 0 or math.isinf(white):
        raise ValueError(f"the value of white, data_range, must be a positive number, got {shown(white)}")
    if not _LEAST_WHITE <= white <= 1 / _LEAST_WHITE:
        raise ValueError(
            f"data_range must be from {_LEAST_WHITE} to {1 / _LEAST_WHITE:g}, got {white:g}: scale the image"
        )


def _check_sizes(name: str, value: Any) -> None:
    for one in value if isinstance(value, Sequence) else [value]:
        if is_integer(one):
            check_count(name, check_count(name, one), 1, _LARGEST_SIZE)


#: Checks of arguments that mean the same everywhere, by their names.
_RULES: dict[str, Callable[[Any], None]] = {
    **{name: partial(_check_sizes, name) for name in _SIZES},
    "seed": _check_seed,
    "planes": _check_planes,
    "data_range": _check_white,
}


def _is_array(value: Any) -> bool:
    import numpy as np

    return isinstance(value, np.ndarray) and value.dtype.kind in "biuf"


def _is_tensor(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


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
#: Classes in words.
_WORDS = {"NoiseModel": "a noise model such as GaussianNoise", "LazyArray": "an array of dask, Zarr or xarray"}
_KINDS: dict[str, Kind] = {
    **_PLAIN,
    "str": ("a string", lambda value: isinstance(value, str)),
    "Path": ("a path", _is_path),
    "np.ndarray": ("a numpy array of real numbers", _is_array),
    "Tensor": ("a torch tensor", _is_tensor),
    "nn.Module": ("a torch module that returns energies", _is_module),
    "torch.Generator": ("a torch.Generator", _is_generator),
    "torch.device": ("a device of this machine, such as 'cpu'", _is_device),
    "ProgressCallback": ("a function", callable),
    "Projection": ("a function", callable),
    "Shape": ("a function", callable),
}
