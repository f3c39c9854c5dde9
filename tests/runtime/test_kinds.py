"""Checks of arguments by their annotations."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from scorematching.runtime.kinds import check_arguments

Side = Literal["left", "right"]


def function(
    x: Tensor | None = None,
    image: np.ndarray | None = None,
    count: int = 1,
    level: float = 1.0,
    flag: bool = False,
    side: Side = "left",
    sizes: Sequence[int] = (1, 2),
    pair: tuple[int, int] = (1, 2),
    path: str | Path = "a.png",
    device: str | torch.device = "cpu",
    callback: Callable[[int], None] | None = None,
    seed: int = 0,
    anything: Any = None,
) -> None:
    """A function with arguments of all kinds."""
    check_arguments(function, locals())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x": np.zeros(3)}, TypeError, "x must be a torch tensor, got ndarray of float64, shape (3,)"),
        ({"x": torch.zeros(2).to_sparse()}, TypeError, "x must be dense and of real numbers"),
        ({"x": torch.zeros(()).expand(10**6, 10**6)}, ValueError, "x does not fit in memory"),
        ({"x": torch.zeros(2, device="meta")}, TypeError, "x must have values, got a tensor on the device meta"),
        (
            {"x": torch.nested.nested_tensor([torch.zeros(2)], layout=torch.jagged)},
            TypeError,
            "x must be dense and of real numbers",
        ),
        ({"image": np.zeros((2, 2)).view(np.matrix)}, TypeError, "image must be a plain numpy array, got matrix"),
        (
            {"image": np.ma.zeros(2)},
            TypeError,
            "image must be an array without a mask: pass image.data",
        ),
        ({"image": np.zeros(2, complex)}, TypeError, "image must be a numpy array of real numbers, got ndarray"),
        ({"image": np.zeros(2, object)}, TypeError, "image must be a numpy array of real numbers, got ndarray"),
        (
            {"image": memoryview(b"a")},
            TypeError,
            "image must be a numpy array of real numbers, got memoryview",
        ),
        ({"image": [[1]]}, TypeError, "image must be a numpy array of real numbers, got list [[1]]"),
        ({"image": np.broadcast_to(np.zeros(()), (10**6, 10**6))}, ValueError, "image does not fit in memory"),
        ({"count": 1.0}, ValueError, "count must be an integer, got 1.0"),
        ({"count": True}, ValueError, "count must be an integer, got True"),
        ({"level": "3"}, ValueError, "level must be a number, got '3'"),
        ({"level": np.nan}, ValueError, "level must be a number, got nan"),
        ({"flag": 1}, ValueError, "flag must be True or False, got 1"),
        ({"side": "up"}, ValueError, "side must be 'left' or 'right', got 'up'"),
        ({"sizes": (1, "2")}, TypeError, "sizes must be a sequence of which each is an integer, got tuple (1, '2')"),
        ({"pair": (1,)}, TypeError, "pair must be 2 values of which each is an integer, got tuple (1,)"),
        ({"path": b"a"}, TypeError, "path must be a path, got bytes b'a'"),
        ({"device": "abacus"}, TypeError, "device must be a device of this machine, such as 'cpu', got str 'abacus'"),
        ({"callback": 3}, TypeError, "callback must be a function, got int 3"),
        ({"seed": -1}, ValueError, "seed must be an integer of 0 or more, got -1"),
        ({"seed": 10**30}, ValueError, "seed must be an integer from 0 to 9223372036854775807"),
        ({"anything": None, "count": None}, ValueError, "count must be an integer, got None"),
    ],
)
def test_other_kinds_are_refused_by_name(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        function(**arguments)


def test_numbers_of_numpy_and_arrays_of_one_dimension_are_taken() -> None:
    function(count=np.int64(3), level=np.float32(0.5), flag=np.bool_(True), sizes=np.array([1, 2]))  # type: ignore[arg-type]
    function(torch.zeros(2), np.zeros(2), level=3, pair=[1, 2], path=Path("b"), callback=print)  # type: ignore[arg-type]
