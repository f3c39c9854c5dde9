"""Lazy arrays of images, those of dask, Zarr and xarray: denoised tile by tile when they are computed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, Protocol, TypeGuard

import numpy as np

from scorematching.images.arrays import find_white, has_white
from scorematching.images.axes import check_axes, images_last, letters_of, representative
from scorematching.images.sample import sampled
from scorematching.noise import NoiseModel, as_noise_model
from scorematching.restoration.choice import PriorChoice, prior_for
from scorematching.restoration.noise_estimate import estimate_noise
from scorematching.restoration.plan import AROUND, Options, Plan
from scorematching.restoration.tiled import Tile, check_tiled, denoise_tile, tiles
from scorematching.runtime.extras import required

#: Packages whose arrays are lazy.
_PACKAGES = ("dask", "zarr", "xarray")
#: Extra that installs them.
EXTRA = "large"
#: Distance in pixels up to which noise that is found may be correlated.
_REACH = 32


class LazyArray(Protocol):
    """Array whose values are computed or read when they are needed, such as those of dask, Zarr and xarray."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of each dimension."""

    @property
    def chunks(self) -> Any:
        """Sizes of the parts that are computed or read at once."""


def is_lazy(array: object) -> TypeGuard[LazyArray]:
    """Return whether an array is one of dask, Zarr or xarray.

    Example:
        >>> is_lazy(np.zeros(3))
        False
    """
    return type(array).__module__.split(".", maxsplit=1)[0] in _PACKAGES


def denoise_lazy(
    array: Any, noise: float | NoiseModel | None, prior: PriorChoice, options: Options, axes: str | None
) -> Any:
    """Return the denoised array, to be computed tile by tile; see :func:`scorematching.denoise`.

    Args:
        array: Array of dask, Zarr or xarray.
        noise: Noise, or ``None`` to estimate it for each image, from a sample.
        prior: Prior, or ``None`` for the default one for the colors of each image.
        options: Options.
        axes: Letters of the axes. By default the names of the dimensions of xarray, otherwise Y, X or Y, X, S.

    Raises:
        TypeError: The type of the array is not supported.
        ValueError: The axes do not fit, or as in :func:`scorematching.restoration.tiled.check_tiled`.

    Example:
        >>> import dask.array as da
        >>> from scorematching.noise import GaussianNoise
        >>> noisy = da.from_array(GaussianNoise(25).simulate(np.full((2, 48, 64), 128.0)), chunks=(1, 48, 64))
        >>> clean = denoise_lazy(noisy, 25, "natural-gray", Options(data_range=255), "TYX")
        >>> clean.shape, clean.chunks == noisy.chunks, bool(abs(clean[0].compute() - 128).mean() < 5)
        ((2, 48, 64), True, True)
    """
    if options.method == "map":
        raise ValueError("MAP looks at the whole image at once: leave out method for a lazy array")
    if type(array).__module__.startswith("xarray"):
        return _denoise_xarray(array, noise, prior, options, axes)
    noise = None if noise is None else as_noise_model(noise)
    da, dask = required("dask.array", EXTRA), required("dask", EXTRA)
    if not hasattr(array, "shape"):
        raise TypeError(f"expected an array, got {type(array).__name__} of zarr: pass one of its arrays")
    source = array if isinstance(array, da.Array) else da.from_zarr(array)
    if np.isnan(source.shape).any():
        raise ValueError("the array has chunks of unknown size: call compute_chunk_sizes() first")
    axes = check_axes(axes or ("YXS" if source.ndim == 3 else "YX"), source.shape)
    order = images_last(axes)
    moved = source.transpose(order)
    leading = moved.shape[: len(axes) - len(set(axes) & set("YXS"))]
    check_tiled(moved.dtype, moved.shape[len(leading) :], noise, prior)
    shared = _Shared(dask.delayed(prior, traverse=False), options, _white(source, options.data_range))
    margin, letters = _margin(noise, prior), "".join(letter for letter in axes if letter not in "YXS")
    found = {}
    for place in np.ndindex(leading):
        like = representative(place, leading, letters)
        if like not in found:
            found[like] = noise or dask.delayed(_noise)(sampled(moved[like]), *shared)
    images = [
        _denoised(moved[place], found[representative(place, leading, letters)], shared, margin)
        for place in np.ndindex(leading)
    ]
    stacked = da.stack(images).reshape(moved.shape) if leading else images[0]
    return stacked.transpose(np.argsort(order).tolist())


class _Shared(NamedTuple):
    """What all images have in common: prior, options, and the value of white, which is computed when it is needed."""

    prior: Any
    options: Options
    white: Any


def _denoise_xarray(
    array: Any, noise: float | NoiseModel | None, prior: PriorChoice, options: Options, axes: str | None
) -> Any:
    """Denoise an array with named dimensions: lazily if its values are lazy."""
    if not hasattr(array, "dims") or not hasattr(array, "variable"):
        raise TypeError(f"expected one array, got {type(array).__name__} of xarray: pass one of its arrays")
    axes = axes or letters_of(array.dims)
    if is_lazy(array.data):
        return array.copy(data=denoise_lazy(array.data, noise, prior, options, axes))
    values = required("dask.array", EXTRA).from_array(array.data)
    return array.copy(data=denoise_lazy(values, noise, prior, options, axes).compute())


def _margin(noise: float | NoiseModel | None, prior: PriorChoice) -> int:
    """Return the largest margin that a tile may need."""
    known = prior_for(np.zeros((1, 1), np.uint8), prior)
    reach = max(getattr(getattr(noise, "correlation", noise), "reach", 0), _REACH if noise is None else 0)
    return 2 * known.margin + max(reach, known.noise.reach if known.noise else 0) + AROUND


def _white(array: Any, data_range: float | None) -> Any:
    """Return the value of white, or a computation of it if it depends on the values."""
    dask = required("dask", EXTRA)
    if data_range is not None or has_white(array.dtype):
        return find_white(np.zeros((1, 1), array.dtype), data_range)
    ends = [dask.delayed(_ends)(block) for block in array.to_delayed().ravel()]
    return dask.delayed(_white_of_ends)(ends, array.dtype)


def _ends(block: np.ndarray) -> tuple[Any, Any]:
    """Return the smallest and the largest finite value; 0 if there is none."""
    values = block[np.isfinite(block)]
    return (values.min(), values.max()) if values.size else (0, 0)


def _white_of_ends(ends: list[tuple[Any, Any]], dtype: np.dtype) -> float:
    return find_white(np.array(ends, dtype))


def _denoised(image: Any, noise: Any, shared: _Shared, margin: int) -> Any:
    """Return one image of dask, denoised."""
    da, dask = required("dask.array", EXTRA), required("dask", EXTRA)
    height, width = image.shape[:2]
    plan = dask.delayed(_plan)(sampled(image), noise, *shared)
    rows: dict[int, list[Any]] = {}
    for tile in tiles(height, width):
        near = tile.near(margin, height, width)
        clean = dask.delayed(_of_tile)(plan, image[near], tile, near, (height, width))
        rows.setdefault(tile.down.start, []).append(
            da.from_delayed(clean, (*(part.stop - part.start for part in tile), *image.shape[2:]), image.dtype)
        )
    return da.concatenate([da.concatenate(row, 1) for row in rows.values()])


def _noise(sample: np.ndarray, prior: PriorChoice, options: Options, white: float) -> NoiseModel:
    return estimate_noise(sample, prior, data_range=white, seed=options.seed, device=options.device)


def _plan(sample: np.ndarray, noise: NoiseModel, prior: PriorChoice, options: Options, white: float) -> Plan:
    return Plan.of(sample, noise, prior, replace(options, data_range=white))


def _of_tile(plan: Plan, image: np.ndarray, tile: Tile, near: Tile, shape: tuple[int, int]) -> np.ndarray:
    """Denoise a tile that comes with a margin of at least that of the plan."""
    needed = tile.near(plan.margin, *shape)
    return denoise_tile(plan, image[needed.within(near)], tile, needed)
