"""Text from outside, such as names of files, made safe to print."""

from __future__ import annotations


def plain(text: object) -> str:
    r"""Return a text on one line, with escapes for what is not to be seen: control and format characters, bad bytes.

    Such characters could move the cursor of a terminal, change its colors, or reverse what follows.

    Example:
        >>> print(plain("scan\x1b[31m of\n  \u202egnp.exe"))
        scan\x1b[31m of \u202egnp.exe
    """
    line = " ".join(str(text).split())
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in line)
