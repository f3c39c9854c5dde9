"""The command line from within Python."""

from __future__ import annotations

import pytest

from scorematching.cli.main import main


def run(*arguments: object) -> int:
    """The exit status of ``scorematching`` with these arguments."""
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    return int(stop.value.code or 0)
