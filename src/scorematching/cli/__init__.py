"""Command line ``scorematching``, one file per command. Modules that load slowly are imported inside the commands."""

from __future__ import annotations

import os


def main(arguments: list[str] | None = None) -> None:
    """Run a command. Invalid input prints one line on stderr and sets a non-zero exit status.

    Args:
        arguments: Command line without the name of the program. By default that of the process.
    """
    if os.environ.get("COLUMNS", "").strip("0") == "":  # a terminal that does not know its width
        os.environ.pop("COLUMNS", None)
    from scorematching.cli.app import run

    run(arguments)
