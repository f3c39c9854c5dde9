"""Clean images of noisy ones: they are matched, and converted to the same units."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from scorematching.training.planes import ImagePlanes, Plane


def belonging(clean: ImagePlanes, noisy: ImagePlanes) -> list[list[Plane]]:
    """Return the clean images in the order of the noisy ones, with the white of the noisy ones.

    Files are matched by name, or by name without suffix if the suffixes differ. Arrays are matched by their order. A
    floating-point image has the white of the noisy image, unless that one has integers and the clean one is in the
    range from 0 to 1.

    Raises:
        ValueError: The clean images differ from the noisy ones in name, number or shape.
    """
    clean = _in_order(clean, noisy)
    shapes, expected = ([[plane.shape for plane in planes] for planes in images] for images in (clean, noisy))
    if shapes != expected:
        raise ValueError(f"clean must be the same images: {len(clean)} for {len(noisy)} noisy ones, or other shapes")
    return [[_like(*pair) for pair in zip(*both, strict=True)] for both in zip(clean, noisy, strict=True)]


def _in_order(clean: ImagePlanes, noisy: ImagePlanes) -> ImagePlanes:
    files, wanted = ([planes[0].file for planes in images] for images in (clean, noisy))
    if None in (*files, *wanted) or (len({*files}) == 1 and len({*wanted}) == 1):
        return clean
    for part in ("name", "stem"):
        names, order = (_names(images, part) for images in (clean, noisy))
        if sorted(names) == sorted(order):
            ranks = sorted(range(len(order)), key=order.__getitem__)
            sources = sorted(range(len(names)), key=names.__getitem__)
            return [clean[source] for _, source in sorted(zip(ranks, sources, strict=True))]
    alone, missing = (
        ", ".join(sorted({name for name, _ in (Counter(one) - Counter(other))})) or "nothing"
        for one, other in ((names, order), (order, names))
    )
    raise ValueError(
        f"clean must have the same file names: it has {alone}, and lacks {missing}; rename files or leave them out"
    )


def _names(images: ImagePlanes, part: str) -> list[tuple[str, int]]:
    """Return the name of each image's file, or its stem, and the page."""
    return [(getattr(Path(planes[0].file or ""), part), planes[0].page) for planes in images]


def _like(plane: Plane, noisy: Plane) -> Plane:
    same_units = plane.dtype.kind == "f" and (noisy.dtype.kind == "f" or plane.data_range != 1)
    data_range = noisy.data_range if same_units else plane.data_range
    return replace(plane, data_range=data_range)
