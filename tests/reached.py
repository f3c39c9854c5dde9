"""Sentinels in the place of work that must not begin."""

from __future__ import annotations

import pytest


class ReachedError(Exception):
    """Work has begun that must not begin."""


def forbid(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Make functions of the library, by their names in it, raise :class:`ReachedError`."""

    def reached(*_: object, **__: object) -> None:
        raise ReachedError

    for name in names:
        monkeypatch.setattr(f"scorematching.{name}", reached)
