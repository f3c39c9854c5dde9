"""Results that depend on the parts of a module and not on their values, computed once."""

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
    """A result that depends on the parts of a module and not on their values, computed once for its present parts.

    A weak reference to a part that is gone equals no other, so that no new part is taken for an old one.
    """
    parts = [weakref.ref(part) for _, part in modules_of(module)]
    known = _KNOWN.setdefault(module, {})
    if key not in known or known[key][0] != parts:
        known[key] = parts, compute()
    return known[key][1]
