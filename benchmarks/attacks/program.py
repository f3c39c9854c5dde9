"""One attack: how it is run, and what its programs may not do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np

#: An attack gets an empty folder and a generator of random numbers. It raises ``AssertionError`` if the tool fails.
Attack = Callable[[Path, np.random.Generator], None]
#: Seconds that a command may take, and address space that it may take in GiB (PyTorch itself maps about 5).
PATIENCE, MEMORY = 120, 10


def command(
    folder: Path, *arguments: str | Path, environment: dict[str, str] | None = None, file_blocks: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``scorematching`` in a folder, and check that it ends in time, with errors of one line."""
    limits = f"ulimit -v {MEMORY * 2**20}; trap '' XFSZ; ulimit -f {file_blocks or 'unlimited'}; exec \"$@\""
    words: Sequence[str | Path] = ("bash", "-c", limits, "-", sys.executable, "-m", "scorematching", *arguments)
    result = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        encoding="utf-8",
        errors="backslashreplace",
        timeout=PATIENCE,
        check=False,
    )
    check_contract(result)
    return result


def check_contract(result: subprocess.CompletedProcess[str], statuses: Collection[int] = (0, 1, 2)) -> None:
    """Check that a command gave a result, or an error of one line; and that no control character was printed."""
    said = result.stdout + result.stderr
    assert "Traceback" not in said, said
    assert result.returncode in statuses, f"exit status {result.returncode}: {said}"
    assert not any(ord(letter) < 32 and letter not in "\n" for letter in said), repr(said)
    if result.returncode in (1, 2):
        assert any(line.startswith("error: ") for line in result.stderr.splitlines()), said
