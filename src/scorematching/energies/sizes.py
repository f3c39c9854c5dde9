"""Valid ranges of the sizes of image energies."""

from __future__ import annotations

from typing import Literal, get_args

from scorematching.runtime.arguments import check_choice, check_count

ExpertName = Literal["student-t", "spline"]


def check_field_sizes(filters: int, size: int, octaves: int, expert: str) -> None:
    """Check the sizes of a field of experts.

    Raises:
        ValueError: A size is out of its range, or the expert is unknown.

    Example:
        >>> check_field_sizes(filters=8, size=3, octaves=1, expert="student-t")
    """
    check_count("size", size, 2, 64)
    check_count("filters", filters, 1, size**2 - 1)
    check_count("octaves", octaves, 1, 4)
    if octaves > 1 and size % 2 == 0:
        raise ValueError(f"several octaves need filters of odd size, got size {size} and {octaves} octaves")
    check_choice("expert", expert, get_args(ExpertName))


def check_neighbors(neighbors: int) -> int:
    """Return the number of neighbors on each side of an image, from 0 to 8, as ``int``.

    Raises:
        ValueError: It is out of its range.

    Example:
        >>> check_neighbors(2)
        2
    """
    return check_count("neighbors", neighbors, 0, 8)


def check_deep_sizes(channels: int, size: int, depth: int) -> None:
    """Check the sizes of a deep field.

    Raises:
        ValueError: A size is out of its range.

    Example:
        >>> check_deep_sizes(channels=64, size=3, depth=5)
        Traceback (most recent call last):
        ValueError: depth must be even, got 5
    """
    check_count("channels", channels, 1, 4096)
    check_count("size", size, 3, 63)
    check_count("depth", depth, 2, 64)
    if size % 2 == 0:
        raise ValueError(f"size must be odd, got {size}")
    if depth % 2:
        raise ValueError(f"depth must be even, got {depth}")
