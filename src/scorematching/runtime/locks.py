"""Files that one process at a time has open: journals, checkpoints, and files that are being written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import lock_descriptor


def open_locked(path: Path) -> int:
    """Open a file for reading and appending, and lock it until it is closed. It is created if it does not exist.

    A symbolic link is not followed, since another user may have put it there.

    Returns:
        Descriptor of the file.

    Raises:
        OSError: The file is a link, or can't be opened.
        ValueError: Another process, thread or container has it locked.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "job.journal"
        >>> descriptor = open_locked(path)
        >>> open_locked(path)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ValueError: ...job.journal is in use: another run writes the same result; wait for its end
        >>> os.close(descriptor)
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise OSError(f"{path} is a link or no file, expected a file: delete it")
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0), 0o666)
        if not lock_descriptor(descriptor, blocking=False):
            os.close(descriptor)
            raise ValueError(f"{path} is in use: another run writes the same result; wait for its end")
        if _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)  # the run that had it has just deleted it


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time run the block. A hidden file beside ``path`` is locked, and deleted at the end.

    Raises:
        OSError: The hidden file can't be created.
        ValueError: Another process, thread or container runs such a block.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "prior.safetensors"
        >>> with locked(path):
        ...     [file.name for file in path.parent.iterdir()]
        ['.prior.safetensors.lock']
    """
    lock = path.with_name(f".{path.name}.lock")
    try:
        descriptor = open_locked(lock)
    except ValueError:
        raise ValueError(f"{path} is in use: another run writes it; wait for its end") from None
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    """Return whether an open file is that at a path, which another process may have deleted or replaced."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False
