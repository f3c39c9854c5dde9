"""Atomic writing: a file is written completely or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def check_target(path: str | Path) -> Path:
    """Check that a file can be written to a path, and return the path.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: The path is a folder.
        PermissionError: The folder is not writable.

    Example:
        >>> check_target("prior.safetensors").name
        'prior.safetensors'
    """
    path = Path(path)
    check_folder(path.parent)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, expected a file to write")
    return path


def check_folder(folder: Path) -> None:
    """Check that files can be written to a folder.

    Raises:
        FileNotFoundError: The folder does not exist.
        PermissionError: The folder is not writable.

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
    """Context manager that yields a temporary path in the same folder, to be written in the block.

    At the end of the block, the temporary file is moved to ``path``. After an error it is deleted, and ``path`` is not
    changed. If ``path`` exists, its permissions are kept.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: The path is a folder.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "notes.txt"
        >>> with whole_file(path) as partial:
        ...     _ = partial.write_text("complete")
        >>> path.read_text()
        'complete'
    """
    path = check_target(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield partial
        if path.exists():
            shutil.copymode(path, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


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
