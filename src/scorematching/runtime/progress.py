"""Progress of work that is done in parts."""

from __future__ import annotations

from collections.abc import Callable

#: Called with the steps done and their number.
Step = Callable[[int, int], None]


def share(progress: Step | None, first: int, last: int, parts: int) -> Step | None:
    """What a part of the work calls with its own progress, to be told as that of the whole.

    Args:
        progress: Of the whole, called with the steps done and their number.
        first: How many equal parts come before.
        last: How many are done at its end.
        parts: In all.

    Example:
        >>> share(print, 1, 3, parts=3)(5, 10)
        20 30
    """
    if progress is None:
        return None
    return lambda done, total: progress(first * total + (last - first) * done, parts * total)
