"""Atomic writing: a file is written completely or not at all."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import lock_descriptor

#: Names of files that are being written. The number is random, so that nobody can put a file or a link there before.
_PARTIAL = re.compile(r"\.scorematching-[0-9a-f]{32}\.part")
#: Seconds after which a file that is being written is stale, if no process has it locked.
_STALE = 60
_swept: set[Path] = set()


def check_target(path: str | Path) -> Path:
    """Check that a file can be written to a path, and return the path.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: The path is a folder.
        PermissionError: The folder or the file is not writable.
        ValueError: The path is a device, a pipe or a socket.

    Example:
        >>> check_target("prior.safetensors").name
        'prior.safetensors'
    """
    path = Path(path)
    place = _followed(path)
    check_folder(place.parent)
    if place.is_dir():
        raise IsADirectoryError(f"{path} is a folder, expected a file to write")
    if place.exists() and not place.is_file():
        raise ValueError(f"{path} is a device, a pipe or a socket, expected a file to write")
    if place.exists() and not os.access(place, os.W_OK):
        raise PermissionError(f"{path} is write-protected: choose another file, or allow writing")
    return path


def check_folder(folder: Path) -> None:
    """Check that files can be written to a folder.

    Raises:
        FileNotFoundError: The folder does not exist.
        PermissionError: The folder is not writable, or its disk is read-only.

    Example:
        >>> check_folder(Path("missing"))
        Traceback (most recent call last):
        FileNotFoundError: no such folder: missing
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"no such folder: {folder}")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"no permission to write to the folder {folder}")


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Context manager that yields a new, empty file in the same folder, to be written in the block.

    At the end of the block, the file is moved to ``path``, and is on the disk even if the machine fails. After an error
    it is deleted, and ``path`` is not changed. Several processes may write one path: it then has the content of one of
    them. If ``path`` exists, its permissions are kept, and a symbolic link stays: the file that it points to is
    replaced. What killed processes have left in the folder is deleted.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: The path is a folder.
        OSError: The file can't be written, for example since the disk is full.
        ValueError: The path is a device, a pipe or a socket.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "notes.txt"
        >>> with whole_file(path) as partial:
        ...     _ = partial.write_text("complete")
        >>> path.read_text()
        'complete'
    """
    place = _followed(check_target(path))
    _sweep(place.parent)
    try:
        partial, descriptor = _created(place.parent)
    except OSError as error:
        raise _failure(path, error) from None
    try:
        yield partial
        _sync(partial)
        if place.exists():
            shutil.copymode(place, partial)
        partial.replace(place)
        _sync(place.parent)
    except OSError as error:
        if error.filename is None or Path(error.filename) == partial:  # writing, and not reading an input
            raise _failure(path, error) from None
        raise
    finally:
        partial.unlink(missing_ok=True)
        os.close(descriptor)


def write_atomically(path: str | Path, data: bytes) -> None:
    """Write bytes to a file, completely or not at all. See :func:`whole_file`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "data.bin"
        >>> write_atomically(path, b"data")
        >>> path.read_bytes()
        b'data'
    """
    with whole_file(path) as partial:
        partial.write_bytes(data)


def _failure(path: str | Path, error: OSError) -> OSError:
    """Return an error of the same kind that names the file to write."""
    found = OSError(f"{path} can't be written: {error.strerror or error}")
    found.errno = error.errno
    return found


def _followed(path: Path) -> Path:
    """Return the path that a symbolic link points to, or the path itself."""
    try:
        return path.resolve() if path.is_symlink() else path
    except RuntimeError:
        raise OSError(errno.ELOOP, "links form a circle", str(path)) from None


def _created(folder: Path) -> tuple[Path, int]:
    """Create a file of a random name, which did not exist, and return it with its descriptor, which locks it."""
    path = folder / f".scorematching-{secrets.token_hex(16)}.part"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o666)
    if os.name == "posix":  # elsewhere, a lock would keep the process itself from writing
        with suppress(OSError):  # a file system without locks
            lock_descriptor(descriptor, blocking=False)
    return path, descriptor


def _sweep(folder: Path) -> None:
    """Delete the files that killed processes were writing to a folder: old ones that no process has locked."""
    if folder in _swept or os.name != "posix":
        return
    _swept.add(folder)
    for path in folder.iterdir():
        if _PARTIAL.fullmatch(path.name) and not path.is_symlink():
            with suppress(OSError):  # it is finished or deleted at the same time, or there are no locks
                _delete_stale(path)


def _delete_stale(path: Path) -> None:
    if time.time() - path.stat().st_mtime < _STALE:
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        if lock_descriptor(descriptor, blocking=False):
            path.unlink()
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if path.is_dir() and os.name != "posix":  # only there can a folder be opened
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
