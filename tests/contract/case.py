"""One public callable in the table of the contract: good arguments, and those that are not attacked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract.hostile import hostile, like
from hypothesis import strategies as st

#: Options that ask for more work, without a limit: as much as asked for is done.
_WORK = {
    "steps",
    "warmup",
    "leapfrog_steps",
    "replicas",
    "samples",
    "chains",
    "probes",
    "max_iter",
    "n_samples",
    "keep",
}
#: Most work that is tried.
_MOST = 10
Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """A callable with good arguments.

    Attributes:
        function: Public function, constructor or bound method.
        good: Good values of some arguments, by name; digits are positions. The others are optional.
        left: Names of arguments that are not attacked.
        quiet: Whether a result that is not finite is right, as for the difference of equal images in decibels.
        local: Whether values that are not finite, or whose squares are not, come back in their places.
        slow: Whether few examples are tried, because each takes long.
    """

    function: Callable[..., Any]
    good: Arguments
    left: tuple[str, ...] = ()
    quiet: bool = False
    local: bool = False
    slow: bool = False

    def call(self, arguments: Arguments) -> Any:
        """Call the function. Names that are digits are positions."""
        positional = [value for name, value in arguments.items() if name.isdigit()]
        return self.function(*positional, **{name: value for name, value in arguments.items() if not name.isdigit()})

    def options(self) -> dict[str, Any]:
        """Return the attacked arguments: good values, and the defaults of the others."""
        named = inspect.signature(self.function).parameters.values()
        plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        defaults = {one.name: one.default for one in named if one.kind in plain}
        needed = [name for name, default in defaults.items() if default is inspect.Parameter.empty]
        missing = set(needed) - set(self.good)
        assert not missing or "0" in self.good, f"no good values for {missing}"
        defaults = {name: default for name, default in defaults.items() if name not in missing}
        return {name: good for name, good in {**defaults, **self.good}.items() if name not in self.left}

    def values(self, name: str, good: Any) -> list[Any]:
        """Return the listed hostile values of an argument."""
        return [value for value in like(good) if tried(name, value)]

    def attacks(self) -> st.SearchStrategy[dict[str, Any]]:
        """Return a strategy of changes of the good arguments, mostly of one of them."""
        options = self.options()

        def change(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
            return st.fixed_dictionaries(
                {name: hostile(options[name]).filter(lambda value, name=name: tried(name, value)) for name in names}
            )

        one = st.sampled_from(list(options)).map(lambda name: [name])
        two = st.lists(st.sampled_from(list(options)), min_size=1, max_size=2, unique=True)
        return st.one_of(one, one, two).flatmap(change)


def tried(name: str, value: Any) -> bool:
    """Return whether a value is tried: not if it asks for work that does not end."""
    countable = isinstance(value, int | float) and not isinstance(value, bool)
    return not (name in _WORK and countable and _MOST < value < 2**40)


#: Makes the cases of an area, given a folder for files.
Table = Callable[[Path], dict[str, Case]]
