"""Find input images and check output paths, before any work is done."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from scorematching.images.io.files import count_pages, read_pages
from scorematching.images.io.formats import IMAGE_SUFFIXES, check_suffix, check_writable
from scorematching.runtime.kinds import check_arguments


def find_images(paths: Iterable[str | Path]) -> list[Path]:
    """Return the image files among paths.

    Files are kept in the given order. A folder is replaced by its image files in sorted order, without hidden files;
    subfolders are not searched.

    Raises:
        FileNotFoundError: A path does not exist, or there is no image.
        ValueError: A file has another format.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("b.png", "a.tif", "c.txt"):
        ...     (folder / name).touch()
        >>> [path.name for path in find_images([folder])]
        ['a.tif', 'b.png']
    """
    check_arguments(find_images, locals())
    found: list[Path] = []
    given = [Path(path) for path in paths]
    for path in given:
        if path.is_dir():
            found += sorted(filter(_is_image, path.iterdir()))
        elif path.exists():
            check_suffix(path)
            found.append(path)
        else:
            raise FileNotFoundError(f"no such file or folder: {path}")
    if not found:
        kinds = ", ".join(IMAGE_SUFFIXES)
        raise FileNotFoundError(f"no image ({kinds}) in {', '.join(map(str, given)) or 'nothing'}")
    return found


def _is_image(path: Path) -> bool:
    """Return whether a path of a folder is named as an image file and not hidden. It may be a pipe or a broken link."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and not path.is_dir()


def check_output(path: str | Path, source: str | Path, *others: str | Path, overwrite: bool = False) -> None:
    """Check that a result can be written to a path, and does not overwrite an input.

    Args:
        path: File to write.
        source: Input image. The result has the same type and number of pages.
        others: Other input files.
        overwrite: Whether the result may replace ``source``. It may never replace the others.

    Raises:
        FileNotFoundError: The folder or the source does not exist.
        IsADirectoryError: The path is a folder.
        ValueError: The result would overwrite an input, or the format can't store such images.

    Example:
        >>> check_output("image.png", "image.png")
        Traceback (most recent call last):
        ValueError: image.png is the input: choose another file for the result, or pass --overwrite to replace it
    """
    check_apart(path, source, *others, overwrite=overwrite)
    count = count_pages(source)
    check_writable(path, next(read_pages(source)), count)


def check_apart(path: str | Path, source: str | Path, *others: str | Path, overwrite: bool = False) -> None:
    """Raise ``ValueError`` if a result would overwrite an input. The arguments are those of :func:`check_output`.

    Example:
        >>> check_apart("result.png", "image.png")
        >>> check_apart("image.png", "image.png", overwrite=True)
    """
    check_no_input(path, *others)
    if not overwrite and _same(path, source):
        raise ValueError(f"{path} is the input: choose another file for the result, or pass --overwrite to replace it")


def check_no_input(path: str | Path, *inputs: str | Path) -> None:
    """Raise ``ValueError`` if a file to write is one of the inputs.

    Example:
        >>> check_no_input("mask.png", "mask.png")
        Traceback (most recent call last):
        ValueError: mask.png is an input: choose another file for the result
    """
    check_outputs([path], inputs)


def check_outputs(outputs: Iterable[str | Path | None], inputs: Iterable[str | Path | None]) -> None:
    """Raise ``ValueError`` if two files to write are one, or one of them is an input. ``None`` is for no file.

    Example:
        >>> check_outputs(["result.png", None, "./result.png"], [])
        Traceback (most recent call last):
        ValueError: result.png is the file of two results: choose another file for one of them
    """
    places = {_real(path) for path in inputs if path is not None}
    written: set[Path] = set()
    for path in (Path(path) for path in outputs if path is not None):
        place = _real(path)
        if place in places:
            raise ValueError(f"{path} is an input: choose another file for the result")
        if place in written:
            raise ValueError(f"{path} is the file of two results: choose another file for one of them")
        written.add(place)


def check_others(sources: Iterable[Path], targets: Iterable[Path]) -> None:
    """Raise ``ValueError`` if the result of an image would replace another image.

    Example:
        >>> check_others([Path("a.png"), Path("b.png")], [Path("out/a.png"), Path("a.png")])
        Traceback (most recent call last):
        ValueError: the result of b.png would replace a.png: choose another folder
    """
    pairs = list(zip(sources, targets, strict=True))
    known = {_real(source): source for source, _ in pairs}
    for source, target in pairs:
        other = known.get(_real(target), source)
        if other != source:
            raise ValueError(f"the result of {source} would replace {other}: choose another folder")


def _same(path: str | Path, other: str | Path) -> bool:
    return _real(path) == _real(other)


def _real(path: str | Path) -> Path:
    """Return a path without links. Links that form a circle stay, and are an error when the file is opened."""
    return Path(os.path.realpath(path))
