"""Journal of a long job: what is done, so that an interrupted job goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class Journal:
    """File that lists the finished parts of a job, one in a line, below the description of the job.

    Args:
        path: File. It is created, with the folder that it is in.
        job: Description of the job: what the result depends on, as JSON.
        resume: Whether to go on from a journal that exists.

    Raises:
        ValueError: There is a journal, and ``resume`` is not set, or it is that of another job.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "job.journal"
        >>> Journal(path, {"sigma": 25}).add("a.tif")
        >>> Journal(path, {"sigma": 25}, resume=True).done
        {'a.tif': None}
        >>> Journal(path, {"sigma": 10}, resume=True)
        Traceback (most recent call last):
        ValueError: job.journal is of another job (sigma was 25, is 10): repeat the command as it was, or delete it
    """

    def __init__(self, path: Path, job: dict[str, Any], resume: bool = False) -> None:
        self.path = path
        self.done: dict[str, Any] = {}
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._append(json.dumps(job, sort_keys=True), exclusive=True)
            return
        if not resume:
            raise ValueError(f"{path} is left from an interrupted run: pass --resume to go on with it, or delete it")
        first, *rest = path.read_text().splitlines()
        self._check(json.loads(first), json.loads(json.dumps(job)))
        for line in rest:
            try:
                name, figures = json.loads(line)
            except ValueError:  # the run ended while it wrote this line
                continue
            self.done[name] = figures

    def add(self, name: str, figures: Any = None) -> None:
        """Note that a part is finished, with figures that are kept."""
        self._append(json.dumps([name, figures]))
        self.done[name] = figures

    def remove(self) -> None:
        """Delete the journal, at the end of the job."""
        self.path.unlink(missing_ok=True)

    def _append(self, line: str, exclusive: bool = False) -> None:
        with self.path.open("x" if exclusive else "a") as file:
            file.write("\n" + line if not exclusive else line)
            file.flush()
            os.fsync(file.fileno())

    def _check(self, before: dict[str, Any], now: dict[str, Any]) -> None:
        for name in sorted({*before, *now}):
            if before.get(name) != now.get(name):
                raise ValueError(
                    f"{self.path.name} is of another job ({name} was {before.get(name)}, is {now.get(name)}): "
                    "repeat the command as it was, or delete it"
                )
