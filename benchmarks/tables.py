"""Tables of contests, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def contest_table(results: Sequence[dict[str, Any]], against: Sequence[str], megapixels: float | None = None) -> str:
    """Return a table with a row per contestant: times, runs, memory, and times relative to other contestants.

    Args:
        results: Records of a contest.
        against: Names of the contestants whose times are the reference of the last columns.
        megapixels: Size of the image that a call restores, in megapixels. It adds a column of megapixels per second.
    """
    medians = {result["name"]: result["median"] for result in results}
    header = ["contestant", "median", "spread", "runs", "first call", "memory"]
    header += [] if megapixels is None else ["megapixels/s"]
    header += [f"÷ {name}" for name in against]
    rows = [header, ["---"] * len(header)]
    for result in results:
        if result["failure"] is not None:
            rows.append([result["name"], result["failure"], *["-"] * (len(header) - 2)])
            continue
        median = result["median"]
        row = [result["name"], duration(median), duration(result["spread"]), str(result["runs"])]
        row += [duration(result["first"]), size(result["memory"])]
        row += [] if megapixels is None else [f"{megapixels / median:.3g}"]
        rows.append(row + [ratio(median, medians.get(name)) for name in against])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def duration(seconds: float | None) -> str:
    """Format a time with its unit.

    Example:
        >>> [duration(s) for s in (0.00001234, 0.1234, 1234.0, None)]
        ['12.3 µs', '123 ms', '1230 s', '-']
    """
    if seconds is None:
        return "-"
    factor, unit = (1e6, "µs") if seconds < 1e-3 else (1e3, "ms") if seconds < 1 else (1.0, "s")
    value = float(f"{seconds * factor:.3g}")
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def size(count: float | None) -> str:
    """Format a number of bytes in MB.

    Example:
        >>> size(12_345_678), size(None)
        ('12.3 MB', '-')
    """
    return "-" if count is None else f"{count / 1e6:.1f} MB" if count < 1e8 else f"{count / 1e6:.0f} MB"


def ratio(seconds: float, other: float | None) -> str:
    """Format the ratio of two times.

    Example:
        >>> ratio(3.0, 2.0), ratio(3.0, None)
        ('1.50', '-')
    """
    return "-" if other is None else f"{seconds / other:.3g}" if seconds >= 10 * other else f"{seconds / other:.2f}"
