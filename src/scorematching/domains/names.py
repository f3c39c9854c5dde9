"""Names of domains."""

from __future__ import annotations

from typing import Literal

from scorematching.domains.base import Domain
from scorematching.domains.circle import Circle
from scorematching.domains.interval import Interval
from scorematching.domains.simplex import Simplex
from scorematching.domains.sphere import Sphere
from scorematching.runtime.arguments import check_choice

DomainName = Literal["positive", "simplex", "sphere", "circle"]
_NAMED: dict[str, Domain] = {"positive": Interval(0.0), "simplex": Simplex(), "sphere": Sphere(), "circle": Circle()}
#: A domain, or the name of one; ``None`` for all of space.
DomainChoice = Domain | DomainName | None


def domain_named(choice: DomainChoice) -> Domain | None:
    """Return a domain by its name, or the given one.

    Raises:
        TypeError: It is neither a domain nor a name.
        ValueError: There is no such name.

    Example:
        >>> domain_named("positive")
        Interval(low=0.0, high=inf, cap=None, power=2, shape=None)
    """
    if choice is None or isinstance(choice, Domain):
        return choice
    if not isinstance(choice, str):
        raise TypeError(f"domain must be a name or an object of sm.domains, got {type(choice).__name__}")
    check_choice("domain", choice, tuple(_NAMED))
    return _NAMED[choice]
