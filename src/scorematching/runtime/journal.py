"""Journal of a long job: what is done, so that an interrupted job goes on."""

from __future__ import annotations

import json
import os
import zlib
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import Any

from scorematching.runtime.locks import open_locked

#: Number of letters of the checksum of a line.
_CHECKSUM = 9


class Journal:
    """File that lists the finished parts of a job, each in a line with a checksum, below the description of the job.

    It is a context manager, which keeps the file open and locked.

    Args:
        path: File. It is created, with the folder that it is in.
        job: Description of the job: what the result depends on, as JSON.
        resume: Whether to go on from a journal that exists.

    Attributes:
        done: Figures of the finished parts, by name.

    Raises:
        ValueError: There is a journal, and ``resume`` is not set, or it is that of another job or in use.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "job.journal"
        >>> with Journal(path, {"sigma": 25}) as journal:
        ...     journal.add("a.tif")
        >>> with Journal(path, {"sigma": 25}, resume=True) as journal:
        ...     journal.done
        {'a.tif': None}
        >>> Journal(path, {"sigma": 10}, resume=True)
        Traceback (most recent call last):
        ValueError: job.journal is of another job (sigma was 25, is 10): repeat the command as it was, or delete it
    """

    def __init__(self, path: Path, job: dict[str, Any], resume: bool = False) -> None:
        self.path = path
        self.done: dict[str, Any] = {}
        left = path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.fdopen(open_locked(path), "a+", encoding="utf-8", errors="replace", newline="\n")
        try:
            if left and not resume:
                raise ValueError(
                    f"{path} is left from an interrupted run: pass --resume to go on with it, or delete it"
                )
            self._read(job)
        except ValueError:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, name: str, figures: Any = None) -> None:
        """Note that a part is finished, with figures that are kept."""
        self._append([name, figures])
        self.done[name] = figures

    def remove(self) -> None:
        """Delete the journal, at the end of the job."""
        self.path.unlink(missing_ok=True)

    def _read(self, job: dict[str, Any]) -> None:
        """Read what is done, or write the description into a new journal, or one that is damaged in its first line.

        The first damaged line, and what follows it, is deleted: it is done again.
        """
        self._file.seek(0)
        lines = list(takewhile(_is_whole, self._file.read().splitlines(keepends=True)))
        self._file.truncate(sum(map(len, lines)))
        if not lines:
            self._append(job)
            return
        first, *rest = (json.loads(line[_CHECKSUM:]) for line in lines)
        self._check(first, json.loads(json.dumps(job)))
        self.done = dict(rest)

    def _append(self, line: Any) -> None:
        text = json.dumps(line, sort_keys=True) + "\n"
        self._file.write(_checksum(text) + text)
        self._file.flush()
        os.fsync(self._file.fileno())

    def _check(self, before: dict[str, Any], now: dict[str, Any]) -> None:
        for name in sorted({*before, *now}):
            if before.get(name) != now.get(name):
                raise ValueError(
                    f"{self.path.name} is of another job ({name} was {before.get(name)}, is {now.get(name)}): "
                    "repeat the command as it was, or delete it"
                )


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x} "


def _is_whole(line: str) -> bool:
    """Return whether a line has the checksum of its text: it is not damaged, and the run did not end within it."""
    text = line[_CHECKSUM:]
    return line[:_CHECKSUM] == _checksum(text) and text.endswith("\n")
