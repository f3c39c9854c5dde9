"""Errors of decoders, which are of many types and lines, as one line that names the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Turn any error of a decoder in the block into a ``ValueError`` of one line that names the file.

    Example:
        >>> with named(Path("a.png")):
        ...     raise RuntimeError("no pixels")
        Traceback (most recent call last):
        ValueError: a.png can't be read as an image: no pixels
    """
    try:
        yield
    except MemoryError:
        raise
    except FileNotFoundError:
        raise FileNotFoundError(f"no such file: {path}") from None
    except Exception as error:  # decoders raise many types of errors for damaged files
        said = str(error) or type(error).__name__
        raise ValueError(said if str(path) in said else f"{path} can't be read as an image: {one_line(said)}") from None


def one_line(message: object) -> str:
    r"""Return the message of a library's error on one line.

    Example:
        >>> one_line("the end is missing:\n  byte 7")
        'the end is missing: byte 7'
    """
    return " ".join(str(message).split())
