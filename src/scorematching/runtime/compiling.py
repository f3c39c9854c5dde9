"""Compilation: a fixed computation on an energy is recorded once and run by ``torch.compile`` from then on.

The layers' rules stay as they are; what is recorded is the list of operations on tensors that they make, and the
compiler fuses the point-wise ones between the matrix products, where most of the time of a step is lost.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Hashable
from contextlib import ContextDecorator
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Literal, get_args
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from scorematching.runtime.cache import remembered
from scorematching.runtime.functional import call_with, modules_of, state_of

Backend = Literal["inductor", "eager"]
#: Programs an energy; each shape of data has its own.
LIMIT = 16
#: Environment variable that names the backend outside of any :class:`compiled`; empty for no compilation.
VARIABLE = "SCOREMATCHING_COMPILE"

_PLAIN = (bool, int, float, str)
_KEPT = (*_PLAIN, tuple)
_INTERNAL = frozenset(vars(nn.Module())) - {"training"}  # what every module holds

_backend: ContextVar[str | None] = ContextVar("scorematching_backend", default=None)
_programs: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()


class compiled(ContextDecorator):  # noqa: N801  # a context such as torch.no_grad
    """Run the sweeps by ``torch.compile``: as a context or a decorator, several times as fast once it is warm.

    The loss of a :class:`scorematching.Graph`, with its gradient, and the score are recorded and compiled at their
    first call for each shape of data: some 20 seconds in a fresh installation, some 3 where torch's cache on disk
    knows them. What can't be compiled (no C++ compiler; a layer whose course depends on the values) is run as
    usual, and a warning says so. The numbers are those of the usual run up to rounding.

    Args:
        enabled: Whether to compile.
        backend: ``"inductor"``, or ``"eager"``, which only records and runs the record: for tests.

    Raises:
        ValueError: The backend is unknown.

    Example:
        >>> import scorematching as sm
        >>> energy = sm.energies.ProductOfStudentT(16, 32)
        >>> with compiled(backend="eager"):
        ...     loss = sm.score_matching_loss(energy, torch.randn(8, 16))
        >>> loss.backward()
    """

    def __init__(self, enabled: bool = True, backend: Backend = "inductor") -> None:
        if backend not in get_args(Backend):
            raise ValueError(f"backend must be 'inductor' or 'eager', got {backend!r}")
        self.backend = backend if enabled else ""
        self._before: list[Token[str | None]] = []

    def __enter__(self) -> compiled:
        self._before.append(_backend.set(self.backend))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _backend.reset(self._before.pop())


def backend() -> str:
    """The backend that is in force; empty where nothing is compiled."""
    chosen = _backend.get()
    return os.environ.get(VARIABLE, "") if chosen is None else chosen


def run(function: Callable[..., Any], energy: nn.Module, *tensors: Tensor | None) -> Any:
    """``function(energy, *tensors)``, by its compiled program where one is wanted and to be had.

    Args:
        function: Hashable, and equal to any other that does the same. Its result is made of tensors, and no
            gradient goes through it.
        energy: What the function works on: its parameters and buffers are arguments of the program.
        tensors: Data.
    """
    name = backend()
    if not name:
        return function(energy, *tensors)
    state = state_of(energy)
    program = _program(function, energy, state, tensors, name)
    if program is None:
        return function(energy, *tensors)
    return program(state, tensors)


def _program(
    function: Callable[..., Any],
    energy: nn.Module,
    state: dict[str, Tensor],
    tensors: tuple[Tensor | None, ...],
    backend: str,
) -> _Program | None:
    """The program for data such as these; ``None`` where there is none."""
    kinds = tuple(None if t is None else (t.shape, t.dtype, t.device) for t in tensors)
    asked = tuple(tensor.requires_grad for tensor in state.values())
    key = ("program", function, backend, kinds, asked, _settings(energy))
    return remembered(energy, key, lambda: _made(function, energy, state, tensors, backend))


def _made(
    function: Callable[..., Any],
    energy: nn.Module,
    state: dict[str, Tensor],
    tensors: tuple[Tensor | None, ...],
    backend: str,
) -> _Program | None:
    """A new program, or ``None`` and a warning."""
    count = _programs[energy] = _programs.get(energy, 0) + 1
    if count > LIMIT:
        _tell(energy, f"it was compiled for {LIMIT} shapes or settings already")
        return None
    unfit = next((module for module in energy.modules() if not getattr(module, "recordable", True)), None)
    if unfit is not None:
        _tell(energy, f"{type(unfit).__name__}({unfit.extra_repr()}) looks at its values or differentiates on its own")
        return None

    try:
        with torch.no_grad(), compiled(enabled=False), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own, about its own parts
            return _Program(function, energy, state, tensors, backend)
    except Exception as error:  # whatever stands against it, the usual run has the last word
        function(energy, *tensors)
        said = [line.strip() for line in str(error).splitlines() if line.strip()]
        _tell(energy, " ".join([f"{type(error).__name__}:", *said[:2]]))
        return None


class _Program:
    """The list of operations that a function makes, on a flat list of tensors: parameters and buffers, then data."""

    def __init__(
        self,
        function: Callable[..., Any],
        energy: nn.Module,
        state: dict[str, Tensor],
        tensors: tuple[Tensor | None, ...],
        backend: str,
    ) -> None:
        def flat(*inputs: Tensor) -> list[Any]:
            named, rest = dict(zip(state, inputs, strict=False)), iter(inputs[len(state) :])
            result = call_with(function, energy, named, *(None if t is None else next(rest) for t in tensors))
            leaves, self._shape = tree_flatten(result)
            return leaves

        from torch.fx.experimental.proxy_tensor import make_fx  # slow to import

        inputs = _inputs(state, tensors)
        self._call: Callable[..., Any] = make_fx(flat)(*inputs)
        if backend == "inductor":
            from torch._inductor import compile as inductor

            plain: list[Any] = [tensor.detach() for tensor in inputs]
            # The transposed copies of its layout optimization cost more than they save.
            self._call = inductor(self._call, plain, options={"layout_optimization": False})
            self._call(*plain)

    def __call__(self, state: dict[str, Tensor], tensors: tuple[Tensor | None, ...]) -> Any:
        with torch.no_grad():
            return tree_unflatten(self._call(*_inputs(state, tensors)), self._shape)


def _inputs(state: dict[str, Tensor], tensors: tuple[Tensor | None, ...]) -> list[Tensor]:
    """Without what is not there."""
    return [*state.values(), *(tensor for tensor in tensors if tensor is not None)]


def _tell(energy: nn.Module, why: str) -> None:
    warnings.warn(f"{type(energy).__name__} is run without compilation: {why}", RuntimeWarning, stacklevel=2)


def _settings(energy: nn.Module) -> tuple[Hashable, ...]:
    """The numbers, words and flags that the modules of an energy hold: a program is for the present ones."""
    return tuple(
        value if isinstance(value, _PLAIN) else repr(value)
        for _, module in modules_of(energy)
        for name, value in vars(module).items()
        if name not in _INTERNAL and isinstance(value, _KEPT)
    )
