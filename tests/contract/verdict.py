"""The contract of public functions: a right result, a warning, or an error of one line, and no other end."""

from __future__ import annotations

import dataclasses
import linecache
import math
import signal
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import numpy as np
import torch
from contract.case import Case
from torch import Tensor

import scorematching as sm

#: Seconds that a call on tiny data may take.
PATIENCE = 20
_HOME = str(Path(sm.__file__).parent)
#: Folders of libraries whose errors are the user's own, as their documentation says.
_TRUSTED = ("sklearn",)


class SlowError(BaseException):
    """A call did not end in time."""


@contextmanager
def limited_time(seconds: int) -> Iterator[None]:
    """Raise :class:`SlowError` inside after so many seconds."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise SlowError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def violation(case: Case, changes: Mapping[str, Any]) -> str | None:
    """Call a function. Return how it breaks the contract; ``None`` if it keeps it.

    Args:
        case: The function.
        changes: Arguments that are not the good ones.
    """
    arguments = {**case.good, **changes}
    before = {name: _copy(value) for name, value in arguments.items()}
    torch.manual_seed(0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with limited_time(PATIENCE):
                result = case.call(arguments)
        except sm.checks.CheckError:
            return None  # what a check is for
        except (ValueError, TypeError, OSError) as error:
            return _bad_error(error) or _changed(before, arguments)
        except (Exception, SlowError) as error:
            return f"{type(error).__name__}: {_short(str(error))} at {_place(error.__traceback__)[0]}"
    quiet = case.quiet or (case.local and not all(map(_moderate, changes.values())))
    return _bad_result(result, caught, quiet) or _changed(before, arguments)


def _bad_result(result: Any, caught: list[warnings.WarningMessage], quiet: bool) -> str | None:
    """Return what is wrong with a result, or with the warnings that it comes with."""
    foreign = next((one for one in caught if _is_foreign(one)), None)
    if foreign is not None:
        return f"{foreign.category.__name__}: {_short(str(foreign.message))} at {foreign.filename}:{foreign.lineno}"
    if not quiet and not caught and not _finite(result):
        return f"the result is not finite, and nothing warns: {_short(repr(result))}"
    return None


def _bad_error(error: BaseException) -> str | None:
    """Return what is wrong with an error: it must be raised by the library itself, and have one line."""
    message = str(error)
    place, line, name = _place(error.__traceback__)
    trusted = any(f"/site-packages/{library}/" in name for library in _TRUSTED)
    if not message or (not trusted and ("\n" in message or len(message) > 700)):
        return f"{type(error).__name__} of another length than one line: {_short(message)}"
    if not trusted and not isinstance(error, OSError) and (not name.startswith(_HOME) or "raise" not in line):
        return f"{type(error).__name__} of another library: {_short(message)} at {place}"
    return None


def _place(traceback: TracebackType | None) -> tuple[str, str, str]:
    """Return where an error was raised: the innermost places of the library and of all, the line, and the file."""
    own = place = line = name = ""
    while traceback is not None:
        name = traceback.tb_frame.f_code.co_filename
        line = linecache.getline(name, traceback.tb_lineno).strip()
        place = f"{Path(name).name}:{traceback.tb_lineno}"
        own = place if name.startswith(_HOME) else own
        traceback = traceback.tb_next
    return (own if own == place else f"{own} > {place}"), line, name


def _is_foreign(warning: warnings.WarningMessage) -> bool:
    """Return whether a warning is one of NumPy or PyTorch about its own affairs."""
    if "torch.jit.script` is deprecated" in str(warning.message):
        return False  # of torch.func itself
    if issubclass(warning.category, UserWarning) and warning.category.__module__.startswith("scorematching"):
        return False
    internal = "Triggered internally" in str(warning.message) or "/site-packages/" in warning.filename
    return internal or not issubclass(warning.category, UserWarning)


def _moderate(value: Any) -> bool:
    """Return whether an array has values whose squares are finite."""
    if isinstance(value, Tensor):
        plain = value.is_floating_point() and not value.is_meta and 0 < value.numel() < 10**6
        return not plain or bool(1e3 * value.detach().to_dense().abs().amax() ** 2 < math.inf)
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size < 10**6:
        return bool((np.abs(value.astype(np.float64)) < 1e150).all())
    return True


def _finite(result: Any) -> bool:
    """Return whether a result has finite values only."""
    if dataclasses.is_dataclass(result):
        result = [getattr(result, one.name) for one in dataclasses.fields(result)]
    if isinstance(result, tuple | list | Mapping):
        return all(map(_finite, result.values() if isinstance(result, Mapping) else result))
    if isinstance(result, Tensor):
        plain = result.is_floating_point() and not result.is_meta and result.numel() < 10**6
        return not plain or bool(torch.isfinite(result.detach()).all())
    if isinstance(result, np.ndarray):
        return result.dtype.kind not in "fc" or bool(np.isfinite(result).all())
    return not isinstance(result, float) or math.isfinite(result)


def _copy(value: Any) -> Any:
    """Return a copy of an array or tensor that takes memory of its own and has values; ``None`` for other values."""
    if isinstance(value, Tensor) and value.numel() < 10**6 and value.layout == torch.strided and not value.is_meta:
        return value.detach().clone()
    return value.copy() if isinstance(value, np.ndarray) and value.size < 10**6 and value.dtype != object else None


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """Return which argument a call has changed."""
    for name, value in before.items():
        if isinstance(value, Tensor) and not bool(((value == after[name]) | value.isnan()).all()):
            return f"it changes {name}"
        if isinstance(value, np.ndarray) and value.tobytes() != after[name].tobytes():
            return f"it changes {name}"
    return None


def _short(text: str) -> str:
    """Return the start of a text, on one line."""
    return " ".join(text.split())[:200]
