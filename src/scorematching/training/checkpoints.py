"""Checkpoints: files with the state of a training, from which it continues after an interruption."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from torch import Tensor

from scorematching.images.io.atomic import check_target
from scorematching.priors.tensor_file import opened, write_tensors
from scorematching.runtime.arguments import check_positive
from scorematching.runtime.distributed import Processes
from scorematching.runtime.locks import locked
from scorematching.training.identity import differences

#: Interval between checkpoints in seconds. A training that is killed loses about this time.
SECONDS_BETWEEN_SAVES = 2.0
#: Content of a file, and version of its format.
_FORMAT = "training/1"
_REMEDY = "delete it and start again"


class Checkpoint:
    """File with the state of a training.

    It is a context manager, which keeps the file locked. In a process group, the first process writes the file.

    Args:
        path: The file.
        resume: Whether to go on from a file that exists.

    Raises:
        ValueError: The file exists, and ``resume`` is not set; or another training uses it.
    """

    def __init__(self, path: str | Path, resume: bool) -> None:
        self.path, self.resume = check_target(path), resume
        self.writes = Processes.current().is_first
        self._saved, self._told = time.monotonic(), False
        self._held = ExitStack()
        self._identity: Mapping[str, Any] = {}

    def __enter__(self) -> Checkpoint:
        with ExitStack() as held:
            if self.writes:
                held.enter_context(locked(self.path))
            if self.path.exists() and not self.resume:
                raise ValueError(
                    f"{self.path} is left from an interrupted training: pass --resume (resume=True) to go on with it, "
                    "or delete it"
                )
            self._held = held.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    @property
    def is_due(self) -> bool:
        """Whether the last save is long enough ago."""
        return time.monotonic() - self._saved >= SECONDS_BETWEEN_SAVES

    def load(self, identity: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Return the tensors and the entries of the file; ``None`` if there is no file.

        Args:
            identity: Settings of the training that goes on, and writes the file from now on.

        Raises:
            ValueError: The file is damaged, or the checkpoint of a training of another identity.
        """
        self._identity = identity
        if not self.path.exists():
            return None
        with opened(self.path) as file:
            before = file.entries.get("training")
            if file.entries.get("format") != _FORMAT or not isinstance(before, dict):
                raise ValueError(
                    f"{self.path} is not a checkpoint that this version of scorematching can read: {_REMEDY}"
                )
            tensors = file.tensors(_REMEDY)
        try:
            found = differences(before, dict(identity))
        except (AttributeError, TypeError, ValueError):
            raise self.damaged() from None
        if found:
            raise ValueError(
                f"{self.path} is not the checkpoint of this training ({', '.join(found)}): repeat the training as it "
                "was, or delete the file"
            )
        return tensors, file.entries

    def damaged(self) -> ValueError:
        """Return the error of a file whose state does not fit the training."""
        return ValueError(f"{self.path} is damaged: it does not have the state of this training: {_REMEDY}")

    def save(self, tensors: Mapping[str, Tensor], entries: Mapping[str, Any]) -> None:
        """Write the file. If that fails, such as on a full disk, warn once, and leave the file as it was."""
        if not self.writes:
            return
        try:
            write_tensors(self.path, tensors, {"format": _FORMAT, "training": self._identity, **entries})
            self._told = False
        except OSError as error:
            if not self._told:
                warnings.warn(
                    f"{error}: the training goes on, and tries again",
                    stacklevel=4,
                )
            self._told = True
        self._saved = time.monotonic()


def lam_of_checkpoint(path: Path) -> float | None:
    """Return the weight of the regularizer of the training that left a checkpoint; ``None`` if there is none."""
    if not path.exists():
        return None
    with opened(path) as file:
        try:
            return check_positive("lam", file.entries["training"]["provenance"]["lam"], zero=True)
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"{path} is damaged: it names no weight of the regularizer: {_REMEDY}") from None
