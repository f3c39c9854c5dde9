"""Denoising: Tweedie's formula with a prior of noisy images, MAP with a prior of clean images."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, cast, get_args, overload

import numpy as np
import torch
from torch import Tensor

from scorematching.images.arrays import from_planes
from scorematching.images.axes import over_images, white_of_array
from scorematching.images.neighbors import is_blank
from scorematching.noise import NoiseModel, as_noise_model
from scorematching.restoration.choice import PriorChoice, loaded
from scorematching.restoration.error_bars import as_image, check_error_bars, deviation_of_clean, posterior_variance
from scorematching.restoration.lazy import LazyArray, denoise_lazy, is_lazy
from scorematching.restoration.missing import Known, fill_missing
from scorematching.restoration.neighbors import planes_of_neighbors
from scorematching.restoration.noise_estimate import estimate_noise
from scorematching.restoration.plan import Method, Observed, Options, Plan
from scorematching.restoration.removed import warn_if_far
from scorematching.restoration.splitting import variance_after_splitting
from scorematching.runtime.arguments import check_choice
from scorematching.runtime.kinds import check_arguments
from scorematching.runtime.progress import ProgressCallback, subtask

#: Work of denoising and its error bars together, in units of that of denoising, for the progress.
_WORK = 26


@overload
def denoise(
    image: np.ndarray,
    noise: float | NoiseModel | None = ...,
    prior: PriorChoice = ...,
    *,
    method: Method = ...,
    self_ensemble: bool = ...,
    fast: bool = ...,
    data_range: float | None = ...,
    axes: str | None = ...,
    neighbors: Sequence[np.ndarray] = ...,
    seed: int = ...,
    device: str | torch.device | None = ...,
    progress: ProgressCallback | None = ...,
    return_std: Literal[False] = ...,
) -> np.ndarray: ...


@overload
def denoise(
    image: np.ndarray,
    noise: float | NoiseModel | None = ...,
    prior: PriorChoice = ...,
    *,
    method: Method = ...,
    self_ensemble: bool = ...,
    fast: bool = ...,
    data_range: float | None = ...,
    axes: str | None = ...,
    neighbors: Sequence[np.ndarray] = ...,
    seed: int = ...,
    device: str | torch.device | None = ...,
    progress: ProgressCallback | None = ...,
    return_std: Literal[True],
) -> tuple[np.ndarray, np.ndarray]: ...


@overload
def denoise(
    image: LazyArray,
    noise: float | NoiseModel | None = ...,
    prior: PriorChoice = ...,
    *,
    method: Method = ...,
    self_ensemble: bool = ...,
    fast: bool = ...,
    data_range: float | None = ...,
    axes: str | None = ...,
    seed: int = ...,
    device: str | torch.device | None = ...,
) -> Any: ...


def denoise(
    image: np.ndarray | LazyArray,
    noise: float | NoiseModel | None = None,
    prior: PriorChoice = None,
    *,
    method: Method = "auto",
    self_ensemble: bool = False,
    fast: bool = False,
    data_range: float | None = None,
    axes: str | None = None,
    neighbors: Sequence[np.ndarray] = (),
    seed: int = 0,
    device: str | torch.device | None = None,
    progress: ProgressCallback | None = None,
    return_std: bool = False,
) -> Any:
    """Remove noise from an image: white, correlated or of photons, found in the image if not given.

    **Method.** With a prior of noisy images, Tweedie's formula ``x = y + sigma^2 grad log p(y)`` gives the mean of all
    clean images that ``y`` may come from. It holds at the noise level of the prior. For another level, the contrast of
    ``y`` is rescaled so that its noise has the level of the prior. This is an approximation. It is good if images look
    similar at the other contrast. With a prior of clean images, the result is the most probable clean image (MAP).

    **Color.** A color prior sees red, green and blue together. A grayscale prior sees luminance and two color
    differences, whose noise is white and has the same level.

    **Clipped noise.** If noise was clipped to the range of the file, Tweedie's formula is applied twice. After the
    first pass, the noise of clipped pixels is drawn again beyond the range
    (:func:`scorematching.restoration.unclipped`). The result stays within the range.

    **Low light.** The generalized Anscombe transform turns Poisson-Gaussian noise into white noise of one level. In
    the dark it leaves less noise; the missing noise is added, the same each time. The exact unbiased inverse transforms
    the result back.

    **Correlated noise**, and noise with a level of its own in each channel or pixel, is removed by half-quadratic
    splitting: five times, the prior removes white noise, and a data term keeps what the noise does not explain. With
    ``fast=True`` the prior removes white noise once, of the level of the strongest frequency or pixel. On photographs
    from cameras this takes a fifth of the time and gives about 0.3 dB less.
    A prior that was trained on correlated noise applies Tweedie's formula with its covariance instead,
    ``x = y + Sigma grad log p(y)``. It takes a number as the standard deviation of a pixel, with the correlation that
    it was trained on, and warns if the noise is correlated in another way.

    **Error bars.** With ``return_std=True``, the second result is the posterior standard deviation of each pixel,
    ``sigma sqrt(1 - sigma^2 H_ii)``, where ``H`` is the Hessian of the energy at the noisy image. If the prior is
    right, the error of a pixel has this standard deviation. It is exact for fields of experts. For deep priors it is
    estimated from 25 products of the Hessian with random signs, and takes about 25 times as long as denoising. A
    self-ensemble has the mean of the variances of its eight results. Where noise was clipped to the range or the
    contrast is rescaled, the error bars are an approximation. After splitting, and for priors of correlated noise, they
    are averaged over 15 x 15 pixels; after splitting they are an approximation.

    **Movies and volumes.** A prior that was fitted with neighbors (:class:`scorematching.FieldConfig`) also sees the
    images before and after the image, and takes from them what lowers the error. Pass a stack and ``axes``, or
    ``neighbors``. Each neighbor is brought to the level of the image, so that bleaching does no harm; blank images are
    no neighbors, and are kept.

    **Larger than memory.** An array of dask, Zarr or xarray is denoised tile by tile when the result is computed, with
    Tweedie's formula. Memory depends on the tile, not on the image. The result is that of the whole image: bit for bit
    for white noise on the CPU, and to the rounding of 32 bits for other noise. Of images of more than 2048 rows or
    columns, a sample tells the noise, the range, and whether values were clipped
    (:func:`scorematching.images.sampled`). Where that differs from the whole image, so may the result.

    Args:
        image: Image of shape (H, W) or (H, W, C), integers or floating point. An alpha channel is not changed. With
            ``axes``, an array of several images. It may be lazy: an array of dask, Zarr or xarray.
        noise: Noise, in the units of the image (0-255 for 8 bit): a standard deviation or a noise model. By default it
            is estimated from the image (:func:`scorematching.estimate_noise`). At level 0 a copy of the image is
            returned, with a warning.
        prior: A prior, the name of one that comes with this library, or a file. By default ``"natural-color"`` for
            color images and ``"natural-gray"`` for grayscale images, including grayscale stored as color.
        method: ``"tweedie"``, ``"map"``, or ``"auto"`` for the one that suits the prior.
        self_ensemble: Whether to average the results for all eight rotations and reflections of the image. This is a
            little better, because a trained prior is not exactly equivariant, and takes eight times as long.
        fast: Whether to remove noise that is not white by one call of the prior instead of five.
        data_range: Value of white in the image, as in :func:`scorematching.images.to_planes`.
        axes: Letters of the axes of ``image``, one per dimension, if they are not (H, W) or (H, W, C): T, Z and C for
            time, depth and channels, Y and X for rows and columns, and S for colors. By default those of the names of
            the dimensions, for xarray. Each image is denoised by itself, with the same value of white. If ``noise`` is
            not given, it is estimated in up to five images of each channel, and each image has that of the nearest. A
            noise model is that of one image, (H, W) or (H, W, C).
        neighbors: Images before and after the image, in their order, for a prior that sees them, if ``axes`` is not
            given.
        seed: Seed of the noise that is drawn for clipped pixels, and of the noise estimate.
        device: Device to compute on; the prior is moved there. By default the device of the prior.
        progress: Called after each step; not for lazy arrays, for which dask has its own.
        return_std: Whether to return error bars too; not for lazy arrays.

    Returns:
        The denoised image, with the shape, type and range of ``image``. For an array of dask or Zarr it is one of dask,
        for xarray one of xarray. With ``return_std=True`` a tuple: the denoised
        image, and the standard deviations, float32 of the same shape and in the units of the image. They are 0 for
        alpha, and NaN for missing pixels (NaN, infinite or fully transparent), which are not denoised.

    Raises:
        FileNotFoundError: There is no such prior.
        TypeError: The type of the image is not supported, or ``noise`` or ``prior`` is of the wrong type.
        ValueError: The image is too small or its shape is not supported, a value is not finite, ``noise`` is not above
            0, the image is grayscale and the prior is a color prior, the method, the noise, the neighbors or the
            self-ensemble does not suit the prior, or error bars are asked of a prior of clean images or of MAP.

    Example:
        >>> import scorematching as sm
        >>> noisy = sm.GaussianNoise(25).simulate(np.full((48, 64), 128.0))
        >>> clean = sm.denoise(noisy, data_range=255)
        >>> bool(np.abs(clean - 128).mean() < 5)
        True

        With error bars:

        >>> prior = sm.priors.FieldPrior(sm.FieldConfig(filters=8, size=3), noise=25 / 255)
        >>> clean, std = sm.denoise(noisy, 25, prior, data_range=255, return_std=True)
        >>> std.shape, bool(std.max() < 25)
        ((48, 64), True)

        In low light, with a prior that was not trained:

        >>> prior = sm.priors.FieldPrior(sm.FieldConfig(filters=8, size=3), noise=0.1)
        >>> photons = sm.PoissonGaussianNoise(gain=1.0)
        >>> counts = photons.simulate(np.full((20, 30), 7.0))
        >>> bool(sm.denoise(counts, photons, prior, data_range=20).std() < counts.std() / 2)
        True
    """
    check_choice("method", method, get_args(Method))
    if noise is not None:
        as_noise_model(noise)
    check_arguments(denoise, locals())
    neighbors = list(neighbors)
    if is_lazy(image):
        if return_std:
            raise ValueError("a lazy array has no error bars: pass a part of it as a NumPy array")
        if neighbors:
            raise ValueError("neighbors are for one image in memory: leave them out for a lazy array")
        return denoise_lazy(image, noise, prior, Options(method, self_ensemble, fast, data_range, seed, device), axes)
    image, chosen = cast(np.ndarray, image), loaded(prior)
    if return_std and chosen is not None:
        check_error_bars(chosen, method)
    if axes is not None and neighbors:
        raise ValueError("neighbors are for one image: those in a stack with axes are found, leave neighbors out")
    if axes is not None:
        common: dict[str, Any] = {"data_range": white_of_array(image, axes, data_range), "seed": seed, "device": device}
        find = (lambda one: noise) if noise is not None else partial(estimate_noise, prior=chosen, **common)
        once = partial(denoise, prior=chosen, method=method, self_ensemble=self_ensemble, fast=fast, **common)
        count = 0 if chosen is None else chosen.config.neighbors
        return over_images(partial(once, return_std=return_std), image, axes, progress, find, count)
    if chosen is not None and chosen.images > 1 and isinstance(image, np.ndarray) and is_blank(image):
        return image.copy()
    of_image = Options(method, self_ensemble, fast, data_range, seed, device)
    plan = Plan.of(image, noise, chosen, of_image)
    near = planes_of_neighbors(plan.prior, image, neighbors, plan.data_range)
    if return_std:
        check_error_bars(plan.prior, method)
    known = fill_missing(image, data_range)
    planes = known.planes.data
    if plan.removes_nothing:
        warnings.warn(
            "the noise level is 0, so the image is returned unchanged: pass noise to denoise it", stacklevel=2
        )
        return (image.copy(), as_image(known, torch.zeros(1))) if return_std else image.copy()
    plan.check(planes)
    first, rest = (subtask(progress, *part, parts=_WORK) if return_std else progress for part in ((0, 1), (1, _WORK)))
    observed = plan.observe(planes, neighbors=near)
    x = plan.remove(observed, first)
    clean = plan.clean(x, planes)
    warn_if_far(known, clean, plan.noise)
    result = known.put_back(from_planes(known.planes, clean), image)
    return (result, _error_bars(plan, known, observed, x, rest)) if return_std else result


def _error_bars(
    plan: Plan, known: Known, observed: Observed, x: Tensor, progress: ProgressCallback | None
) -> np.ndarray:
    """Return the error bars of a denoised image, given its planes before the inverse of the stabilizer."""
    if observed.covariance:
        white = plan.white(observed.origin)
        variance = variance_after_splitting(observed.seen, x, observed.covariance, white, plan.options.seed, progress)
    else:
        of_white = partial(
            posterior_variance, plan.prior, plan.options.seed, extent=plan.extent, origin=observed.origin
        )
        variance = plan.turned(of_white)(observed.seen, plan.level, progress)
    if plan.stabilizer is None:
        return as_image(known, variance.sqrt())
    return as_image(known, deviation_of_clean(plan.stabilizer, x, variance.sqrt()))
