"""Cache of results that depend on the structure of a module, not on the values of its parameters."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from torch import nn

from scorematching.runtime.functional import modules_of

T = TypeVar("T")
_KNOWN: WeakKeyDictionary[nn.Module, dict[Any, Any]] = WeakKeyDictionary()


def remembered(module: nn.Module, key: tuple[object, ...], compute: Callable[[], T]) -> T:
    """Return ``compute()``, computed once for each key and each set of submodules of ``module``.

    Submodules are compared by weak references: a reference to a deleted one equals no other.
    """
    parts = [weakref.ref(part) for _, part in modules_of(module)]
    known = _KNOWN.setdefault(module, {})
    if key not in known or known[key][0] != parts:
        known[key] = parts, compute()
    return known[key][1]
