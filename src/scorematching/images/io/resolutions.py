"""Coarser resolutions of a Zarr array, computed region by region as means of the finer ones."""

from __future__ import annotations

import itertools

import numpy as np

from scorematching.images.io.ome_zarr import Region, StoredArray, open_level


def regions_of_level(array: StoredArray, number: int) -> list[Region]:
    """Return the regions in which a resolution, counted from 1 for the second, is computed."""
    shape, chunks = (getattr(open_level(array.path, array.levels[number], "r"), name) for name in ("shape", "chunks"))
    parts = [[slice(n, min(n + c, size)) for n in range(0, size, c)] for size, c in zip(shape, chunks, strict=True)]
    return list(itertools.product(*parts))


def check_levels(array: StoredArray) -> None:
    """Raise ``ValueError`` if a resolution is not a whole fraction of the one before, rounded up or down."""
    shapes = [open_level(array.path, level, "r").shape for level in array.levels]
    for finer, coarser in itertools.pairwise(shapes):
        for n, m in zip(finer, coarser, strict=True):
            if abs(n - round(n / m) * m) >= max(round(n / m), 1):
                raise ValueError(
                    f"{array.path}: its resolution of {coarser} is no whole fraction of that of {finer}: it can't be "
                    f"computed; denoise {array.path}/{array.levels[0]} alone"
                )


def fill_region(array: StoredArray, number: int, region: Region) -> None:
    """Compute a region of a resolution, counted from 1 for the second, as the means of the one before."""
    finer, coarser = (open_level(array.path, array.levels[k], "r") for k in (number - 1, number))
    factors = tuple(round(n / m) for n, m in zip(finer.shape, coarser.shape, strict=True))
    above = tuple(slice(part.start * f, part.stop * f) for part, f in zip(region, factors, strict=True))
    values = _averaged(finer[above], factors, [part.stop - part.start for part in region])
    open_level(array.path, array.levels[number], "r+")[region] = values


def _averaged(values: np.ndarray, factors: tuple[int, ...], size: list[int]) -> np.ndarray:
    """Return the means over blocks, of a number of blocks a side; those at the end may be incomplete."""
    wanted = [n * f for n, f in zip(size, factors, strict=True)]
    cut = values[tuple(slice(0, n) for n in wanted)]
    padded = np.pad(cut, [(0, n - m) for n, m in zip(wanted, cut.shape, strict=True)], mode="edge")
    blocks = padded.reshape([n for pair in zip(size, factors, strict=True) for n in pair])
    means = blocks.astype(np.float64).mean(tuple(range(1, blocks.ndim, 2)))
    return (np.rint(means) if values.dtype.kind in "iu" else means).astype(values.dtype)
