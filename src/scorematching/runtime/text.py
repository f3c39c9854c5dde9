"""Text from outside, such as names of files, made safe to print."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


def plain(text: object) -> str:
    r"""Return a text on one line, with escapes for what is not to be seen: control and format characters, bad bytes.

    Such characters could move the cursor of a terminal, change its colors, or reverse what follows.

    Example:
        >>> print(plain("scan\x1b[31m of\n  \u202egnp.exe"))
        scan\x1b[31m of \u202egnp.exe
    """
    line = " ".join(str(text).split())
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in line)


@contextmanager
def naming(name: object) -> Iterator[None]:
    """Put a name, such as that of a file, before the message of an error in the block.

    Args:
        name: Name of what the error is about.

    Raises:
        TypeError: The block raised one.
        ValueError: The block raised one.

    Example:
        >>> with naming("scan.png"):
        ...     raise ValueError("the image has no pixels")
        Traceback (most recent call last):
        ValueError: scan.png: the image has no pixels
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        raise (TypeError if isinstance(error, TypeError) else ValueError)(f"{name}: {error}") from None
