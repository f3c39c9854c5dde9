"""Compilation: a computation on an energy is recorded once, and compiled by Inductor, the compiler of PyTorch.

The record is the list of tensor operations that the rules of the layers run. The compiler fuses the pointwise
operations between the matrix products. Without fusion they take most of the time of a step.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Hashable
from contextlib import ContextDecorator
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Literal, get_args
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_map_only, tree_unflatten

from scorematching.runtime.cache import remembered
from scorematching.runtime.compile_cache import use_private_cache
from scorematching.runtime.functional import call_with, modules_of, state_of
from scorematching.runtime.kinds import check_arguments

Backend = Literal["inductor", "eager"]
#: Maximum number of compiled programs per energy. Each shape of the data has its own program.
LIMIT = 16
#: Environment variable with the default backend, used outside of :class:`compiled`. Empty means no compilation.
VARIABLE = "SCOREMATCHING_COMPILE"

#: Options of Inductor. The transposed copies of its layout optimization cost more than they save, and it keeps
#: precompiled headers in the folder for temporary files, under a name that other users can guess.
_OPTIONS = {"layout_optimization": False, "cpp_cache_precompile_headers": False}
_PLAIN = (bool, int, float, str)
_KEPT = (*_PLAIN, tuple)
_INTERNAL = frozenset(vars(nn.Module())) - {"training"}  # attributes of every module

#: Backends of the contexts that are entered, the innermost last.
_backends: ContextVar[tuple[str, ...]] = ContextVar("scorematching_backends", default=())
_programs: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()


class compiled(ContextDecorator):  # noqa: N801  # a context such as torch.no_grad
    """Context or decorator that compiles the sweeps, for faster steps after the first one.

    The score, and the loss of a :class:`scorematching.Graph` with its gradient, are compiled at the first call for each
    shape of the data. This takes about 20 seconds in a fresh installation, and about 3 seconds with PyTorch's cache on
    disk. If the compilation fails, a warning gives the reason, and the call runs uncompiled. Reasons are a missing C++
    compiler, or a layer whose operations depend on the values. The results are the same up to rounding.

    As ``torch.no_grad``, it holds in the thread that enters it, and not in threads that this one starts. As a decorator
    of the function that the threads run, it holds in each of them.

    Args:
        enabled: Whether to compile.
        backend: ``"inductor"``, or ``"eager"``, which records the operations and runs the record uncompiled, for tests.

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
        check_arguments(compiled.__init__, locals())
        if backend not in get_args(Backend):
            raise ValueError(f"backend must be 'inductor' or 'eager', got {backend!r}")
        self.backend = backend if enabled else ""

    def __enter__(self) -> compiled:
        _backends.set((*_backends.get(), self.backend))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _backends.set(_backends.get()[:-1])


def backend() -> str:
    """Return the current backend, or an empty string for no compilation."""
    return (_backends.get() or (os.environ.get(VARIABLE, ""),))[-1]


def run(function: Callable[..., Any], energy: nn.Module, *inputs: Any) -> Any:
    """Return ``function(energy, *inputs)``, computed by a compiled program if compilation is on and possible.

    Args:
        function: Function that depends only on its arguments. It returns tensors, without gradients.
        energy: First argument of the function. Its parameters and buffers are inputs of the program.
        inputs: Other arguments: tensors, hashable settings, and tuples or registered dataclasses of these. The tensors
            are inputs of the program. There is one program for each combination of settings.
    """
    name = backend()
    if not name:
        return function(energy, *inputs)
    state, (leaves, structure) = state_of(energy), tree_flatten(inputs)
    tensors = [*state.values(), *(leaf for leaf in leaves if isinstance(leaf, Tensor))]
    settings = tuple(None if isinstance(leaf, Tensor) else leaf for leaf in leaves)
    kinds = tuple((t.shape, t.dtype, t.device) for t in tensors[len(state) :])
    asked = tuple(tensor.requires_grad for tensor in state.values())
    key = ("program", function, name, structure, settings, kinds, asked, _settings(energy))
    program = remembered(energy, key, lambda: _new_program(function, energy, list(state), inputs, tensors, name))
    return function(energy, *inputs) if program is None else program(tensors)


def _new_program(
    function: Callable[..., Any],
    energy: nn.Module,
    names: list[str],
    inputs: tuple[Any, ...],
    tensors: list[Tensor],
    backend: str,
) -> _Program | None:
    """Return a new program, or warn and return ``None`` if compilation fails."""
    count = _programs[energy] = _programs.get(energy, 0) + 1
    if count > LIMIT:
        _tell(energy, f"it is already compiled for {LIMIT} shapes or settings")
        return None
    unfit = next((module for module in energy.modules() if not getattr(module, "recordable", True)), None)
    if unfit is not None:
        _tell(energy, f"{type(unfit).__name__}({unfit.extra_repr()}) checks its values or differentiates by itself")
        return None

    try:
        with torch.no_grad(), compiled(enabled=False), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch warns about its internals
            return _Program(function, energy, names, inputs, tensors, backend)
    except Exception as error:  # any compilation failure falls back to eager execution
        function(energy, *inputs)  # invalid input raises its own error here
        said = [line.strip() for line in str(error).splitlines() if line.strip()]
        _tell(energy, " ".join([f"{type(error).__name__}:", *said[:2]]))
        return None


class _Program:
    """Recorded operations of a function. It is called with parameters and buffers, then the tensors of the inputs.

    Args:
        function: The function.
        energy: Its first argument.
        names: Names of the parameters and buffers.
        inputs: Its other arguments.
        tensors: Parameters and buffers, then the tensors of the inputs.
        backend: ``"inductor"`` or ``"eager"``.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        energy: nn.Module,
        names: list[str],
        inputs: tuple[Any, ...],
        tensors: list[Tensor],
        backend: str,
    ) -> None:
        def flat(*given: Tensor) -> list[Any]:
            state, rest = dict(zip(names, given, strict=False)), iter(given[len(names) :])
            result = call_with(function, energy, state, *tree_map_only(Tensor, lambda _: next(rest), inputs))
            leaves, self._structure = tree_flatten(result)
            return leaves

        use_private_cache()  # before PyTorch chooses a folder
        from torch.fx.experimental.proxy_tensor import make_fx  # slow to import

        self._call: Callable[..., Any] = make_fx(flat)(*tensors)
        if backend == "inductor":
            from torch._inductor import compile as inductor

            plain: list[Any] = [tensor.detach() for tensor in tensors]
            self._call = inductor(self._call, plain, options=_OPTIONS)
            self._call(*plain)

    def __call__(self, tensors: list[Tensor]) -> Any:
        with torch.no_grad():
            return tree_unflatten(self._call(*tensors), self._structure)


def _tell(energy: nn.Module, why: str) -> None:
    warnings.warn(f"{type(energy).__name__} runs without compilation: {why}", RuntimeWarning, stacklevel=2)


def _settings(energy: nn.Module) -> tuple[Hashable, ...]:
    """Return the numbers, strings and flags of the modules of an energy. A program is valid only for these."""
    return tuple(
        value if isinstance(value, _PLAIN) else repr(value)
        for _, module in modules_of(energy)
        for name, value in vars(module).items()
        if name not in _INTERNAL and isinstance(value, _KEPT)
    )
