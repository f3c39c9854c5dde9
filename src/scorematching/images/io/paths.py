"""Which files go in and where results may go: what is checked before any work."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from scorematching.images.io.files import IMAGE_SUFFIXES, check_suffix, check_writable, count_pages, read_pages


def find_images(paths: Iterable[str | Path]) -> list[Path]:
    """The image files among paths: files as given, folders searched (not below them), sorted.

    Raises:
        FileNotFoundError: A path does not exist, or no image was found.
        ValueError: A file is of another kind than PNG, JPEG and TIFF.
    """
    found: list[Path] = []
    given = [Path(path) for path in paths]
    for path in given:
        if path.is_dir():
            found += sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
        elif path.exists():
            check_suffix(path)
            found.append(path)
        else:
            raise FileNotFoundError(f"no such file or folder: {path}")
    if not found:
        kinds = ", ".join(IMAGE_SUFFIXES)
        raise FileNotFoundError(f"no image ({kinds}) in {', '.join(map(str, given)) or 'nothing'}")
    return found


def check_output(path: str | Path, source: str | Path, *others: str | Path, overwrite: bool = False) -> None:
    """Raise, before any work is done, where what is made of a file could not, or must not, be written to a path.

    Args:
        path: Where to.
        source: Its images are made into others of the same type.
        others: What else goes in.
        overwrite: Whether the result may take the place of ``source``; never that of the others.

    Raises:
        FileNotFoundError: The folder, or the source, does not exist.
        IsADirectoryError: The path is a folder.
        ValueError: The file would overwrite what it is made from, or can't hold such images.
    """
    check_apart(path, source, *others, overwrite=overwrite)
    count = count_pages(source)
    check_writable(path, next(read_pages(source)), count)


def check_apart(path: str | Path, source: str | Path, *others: str | Path, overwrite: bool = False) -> None:
    """Raise ``ValueError`` where a result would overwrite what it is made from; see :func:`check_output`."""
    check_no_input(path, *others)
    if not overwrite and _same(path, source):
        raise ValueError(f"{path} is the input: choose another file for the result, or allow it by --overwrite")


def check_no_input(path: str | Path, *inputs: str | Path) -> None:
    """Raise ``ValueError`` where a file to write is one of those that are read."""
    if any(_same(path, other) for other in inputs):
        raise ValueError(f"{path} is an input: choose another file for the result")


def _same(path: str | Path, other: str | Path) -> bool:
    return Path(path).resolve() == Path(other).resolve()
