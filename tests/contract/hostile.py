"""Hostile values: what a caller may pass by mistake in the place of a good value of some kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor, nn

#: Values of no use to any function.
WRONG: list[Any] = [None, "25", "", b"25", [], {}, object(), "x" * 300]
INTEGERS: list[Any] = [0, -1, 1, 2, 7, 10**30, -(10**30), 2**62, True]
FLOATS: list[Any] = [
    *(0.0, -0.0, -1.0, 0.5, 1e-300, 5e-324, 1e-38, 1e38, 1e300, -1e300, math.nan, math.inf, -math.inf),
    *(np.float64(math.nan), np.float32(0.5), np.float16(2), np.int8(-3), np.uint64(2**64 - 1), np.bool_(True)),
    *(complex(1, 1), np.array(0.5), np.array([0.5]), torch.tensor(0.5), torch.tensor([0.5, 1.0])),
]
NUMBERS = [*INTEGERS, *FLOATS]
#: Values of the entries of arrays: of one entry, and of all.
ENTRIES = [math.nan, math.inf, -math.inf, 0.0, 7.0, -7.0, 1e-300, 5e-324, 1e-38, 1e38, -1e38, 1e300, -1e300]
SHAPES = [(), (0,), (1,), (5,), (0, 5), (5, 0), (1, 1), (2, 2), (1, 5), (5, 1), (1, 1, 3), (9, 9, 7), (2, 1, 5, 5)]
#: Entries by the million in each dimension, which take no memory.
HUGE = (10**6, 10**6)


def arrays(good: np.ndarray) -> list[Any]:
    """Return arrays that are unlike a good one in shape, type or values."""
    found: list[Any] = [np.full(shape, 3, good.dtype) for shape in SHAPES]
    found += [np.broadcast_to(np.zeros((), good.dtype), HUGE), np.broadcast_to(good.ravel()[:1], (10**12,))]
    with np.errstate(all="ignore"):
        found += [good.astype(kind) for kind in ("?", "i1", "i8", "u8", "f2", "f4", "f8", "c16", "O", "U9")]
    for value in ENTRIES:
        found += [np.full(good.shape, value), _with_one(good.astype(np.float64), value)]
        if abs(value) < 1e30 or not math.isfinite(value):
            found += [np.full(good.shape, value, np.float32)]
    found += [np.linspace(-1e300, 1e300, good.size).reshape(good.shape), np.full(good.shape, 1.7e308)]
    found += [np.geomspace(1e-300, 1e300, good.size).reshape(good.shape)]
    found += [np.asfortranarray(good), good[::-1], good[:1], good[:0], good.tolist(), torch.from_numpy(good.copy())]
    found += [np.ma.masked_array(good), memoryview(good.tobytes()), *([good.view(np.matrix)] if good.ndim == 2 else [])]
    return found


def tensors(good: Tensor) -> list[Any]:
    """Return tensors that are unlike a good one in shape, type or values."""
    kind = good.dtype if good.is_floating_point() else torch.float32
    most = torch.finfo(kind).max
    found: list[Any] = [torch.full(shape, 3).to(good.dtype) for shape in SHAPES]
    found += [torch.zeros((), dtype=good.dtype).expand(HUGE)]
    kinds = (torch.bool, torch.int64, torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64)
    found += [good.to(other) for other in (*kinds, torch.complex64)]
    for value in (*(one for one in ENTRIES if not math.isfinite(one) or abs(one) <= most), most, most / 4, -most):
        found += [torch.full(good.shape, value, dtype=kind), _with_one(good.to(kind), value)]
    found += [torch.linspace(-1, 1, good.numel(), dtype=kind).reshape(good.shape) * (most / 8)]
    found += [good[:1], good[:0], good.tolist(), good.numpy(), good.to_sparse(), good.to("meta"), good.unsqueeze(0)]
    return found


def _with_one(values: Any, value: float) -> Any:
    """Return a copy of an array or a tensor whose first entry has a value."""
    changed = values.copy() if isinstance(values, np.ndarray) else values.clone()
    changed.reshape(-1)[:1] = value
    return changed


def _near(good: Any) -> list[Any]:
    """Return sequences that are unlike a good one."""
    wrong = (*NUMBERS, *WRONG, np.zeros(2), np.zeros(0))
    return [*WRONG, 3, (), *((one,) for one in wrong), *((*good, one) for one in wrong), list(good) * 2]


#: Makers of hostile values by the type of a good value.
_LIKE: tuple[tuple[type, Callable[[Any], list[Any]]], ...] = (
    (np.ndarray, lambda good: [*arrays(good), *WRONG, 3, math.nan]),
    (Tensor, lambda good: [*tensors(good), *WRONG, 3, math.nan]),
    (bool, lambda good: [0, 1, 2, "yes", None, np.bool_(True), math.nan, [], np.zeros(2)]),
    (int | float, lambda good: [*INTEGERS, *FLOATS, *WRONG]),
    (str, lambda good: [*WRONG, 3, math.nan, True, np.zeros(2), good.upper(), f"{good} "]),
    (Path, lambda good: [None, *WRONG[2:], 3, math.nan, Path("no such folder/file"), Path(), "nul\0byte"]),
    (nn.Module, lambda good: [*WRONG, 3, nn.Identity(), nn.Linear(3, 2), torch.zeros(3), type(good)]),
    (Sequence, _near),
)


def like(good: Any) -> list[Any]:
    """Return hostile values in the place of a good value, or of a default."""
    for kind, make in _LIKE:
        if isinstance(good, kind):
            return make(good)
    return [*WRONG, *NUMBERS, np.zeros((2, 2)), np.zeros(0), torch.zeros(2, 2), nn.Identity(), [1.0, math.nan]]


def hostile(good: Any) -> st.SearchStrategy[Any]:
    """Return a strategy of hostile values in the place of a good value, or of a default."""
    listed = st.sampled_from(like(good))
    if isinstance(good, np.ndarray | Tensor):
        made = st.builds(_mixed, st.just(good), st.lists(st.floats(), min_size=1, max_size=6))
        return st.one_of(listed, listed, made)
    if isinstance(good, float):
        return st.one_of(listed, st.floats())
    return listed


def _mixed(good: Any, values: list[float]) -> Any:
    """Return an array or a tensor of the same shape, with values repeated."""
    repeated = np.resize(np.array(values), good.shape)
    if isinstance(good, np.ndarray):
        return repeated
    with np.errstate(all="ignore"):
        return torch.from_numpy(repeated).to(good.dtype if good.is_floating_point() else torch.float32)
