"""The command line from within Python."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scorematching.cli import main

#: Asserts that a command is refused with a message: its arguments, where ``IN`` and ``PRIOR`` stand for good files.
Refusal = Callable[[tuple[str, ...], str], None]


def run(*arguments: object) -> int:
    """Return the exit status of ``scorematching`` with these arguments."""
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    return int(stop.value.code or 0)
