"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def check_target(path: str | Path) -> Path:
    """Raise, before any work is done, where no file can be written to a path.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: The path is a folder.
        PermissionError: The folder is not writable.
    """
    path = Path(path)
    check_folder(path.parent)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, expected a file to write")
    return path


def check_folder(folder: Path) -> None:
    """Raise, before any work is done, unless files can be written to a folder.

    Raises:
        FileNotFoundError: The folder does not exist.
        PermissionError: The folder is not writable.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"no such folder: {folder}")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"no permission to write to the folder {folder}")


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """The name of a file to write in the block, beside its place; moved there at the end, gone after an error.

    A file that is replaced leaves its permissions to the new one.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: The path is a folder.
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
    """Write a file beside its place, then move it there; see :func:`whole_file`."""
    with whole_file(path) as partial:
        partial.write_bytes(data)
