"""Log of a training: one row per evaluation, as JSON lines or for TensorBoard."""

from __future__ import annotations

import json
import os
import time
import warnings
from abc import ABC, abstractmethod
from pathlib import Path

from scorematching.images.io.atomic import check_target, write_atomically
from scorematching.runtime.extras import required


class Log(ABC):
    """Log of the evaluations of a training."""

    @abstractmethod
    def start(self, step: int) -> None:
        """Begin a new log, or go on with the log of a training that resumes at ``step``: later rows are removed."""

    @abstractmethod
    def add(self, step: int, loss: float, held_out: float, rate: float) -> None:
        """Add a row: the step, the running training loss, the held-out loss, and the learning rate."""


class JsonLog(Log):
    """File with one JSON object in a line: step, loss, held_out, rate, and the seconds since the start.

    If it can't be written, a warning says so once, and the rows are written later.

    Example:
        >>> import tempfile
        >>> log = JsonLog(Path(tempfile.mkdtemp()) / "log.jsonl")
        >>> log.start(0)
        >>> log.add(0, 0.5, 0.4, 0.01)
        >>> json.loads(log.path.read_text())["held_out"]
        0.4
    """

    def __init__(self, path: Path) -> None:
        self.path = check_target(path)
        self._begun, self._waiting, self._told = time.monotonic(), "", False

    def start(self, step: int) -> None:
        """Begin a new file, or keep the rows up to ``step`` of a training that resumes."""
        kept = _rows(self.path, step) if step else []
        if kept:
            self._begun -= float(kept[-1]["seconds"])
        write_atomically(self.path, "".join(json.dumps(row) + "\n" for row in kept).encode())

    def add(self, step: int, loss: float, held_out: float, rate: float) -> None:
        """Append a row, and those that could not be written before."""
        seconds = round(time.monotonic() - self._begun, 3)
        row = {"step": step, "loss": loss, "held_out": held_out, "rate": rate, "seconds": seconds}
        self._waiting += json.dumps(row) + "\n"
        size = self.path.stat().st_size if self.path.exists() else 0
        try:
            with self.path.open("a") as file:
                file.write(self._waiting)
        except OSError as error:
            if not self._told:
                warnings.warn(f"{self.path} can't be written ({error.strerror}): rows are kept for later", stacklevel=4)
            self._told = True
            if self.path.exists():
                os.truncate(self.path, size)  # no part of a row
        else:
            self._waiting, self._told = "", False


class TensorBoardLog(Log):
    """Folder of event files for TensorBoard.

    Raises:
        ValueError: The package ``tensorboard`` is not installed.
    """

    def __init__(self, folder: Path) -> None:
        required("tensorboard", "tensorboard")
        self.folder = folder

    def start(self, step: int) -> None:
        """Begin a new event file. TensorBoard hides rows of earlier ones that are later than ``step``."""
        writer = required("torch.utils.tensorboard", "tensorboard").SummaryWriter
        self._writer = writer(str(self.folder), purge_step=step + 1 if step else 0)

    def add(self, step: int, loss: float, held_out: float, rate: float) -> None:
        """Add scalars."""
        for name, value in {"loss": loss, "held out": held_out, "rate": rate}.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()


def open_log(path: str | Path | None) -> Log | None:
    """Return the log at a path: for TensorBoard if it is a folder or ends in ``/``, otherwise a file of JSON lines.

    Raises:
        FileNotFoundError: The folder of the file does not exist.
        ValueError: It is a folder, and the package ``tensorboard`` is not installed.

    Example:
        >>> open_log(None) is None
        True
    """
    if path is None:
        return None
    if str(path).endswith(("/", os.sep)) or Path(path).is_dir():
        return TensorBoardLog(Path(path))
    return JsonLog(Path(path))


def _rows(path: Path, step: int) -> list[dict[str, float]]:
    """Return the rows of a log up to a step; none if it is not the log of a training."""
    try:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        return [row for row in rows if row["step"] <= step and row["seconds"] >= 0]
    except (OSError, ValueError, KeyError, TypeError):
        return []
