"""Noise of a camera from frames of one scene or a movie, and from dark and flat frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from scorematching.noise.estimate import LOWEST, NOTHING, NoiseEstimate, estimate_of_line, root_error
from scorematching.noise.gaussian import GaussianNoise
from scorematching.noise.line import Blocks, VarianceLine, fit_line, joined
from scorematching.noise.poisson_gaussian import PoissonGaussianNoise
from scorematching.noise.saturation import saturation
from scorematching.runtime.kinds import check_arguments, check_memory

#: Least of the largest value of frames.
_LEAST_VALUE = 1e-30
#: Side of a block in pixels.
_SIDE = 8
#: Lags at which differences of frames may be correlated, and the sum of squared correlations, in standard deviations,
#: from which a block is said to move.
_LAGS, _MOVES = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0)), 16.0
#: Number of blocks of a square of 3 x 3 that move, from which all of it counts as moving.
_AMONG = 4
#: Fraction of blocks that seem to move in a scene at rest, with a margin.
_MUCH = 0.1
#: Variance of the mean square of successive differences, relative to that of independent ones.
_SUCCESSIVE = 1.5
#: Minimum range of brightness, in standard errors of the mean of a block, and minimum number of blocks.
_RANGE, _LEAST_BLOCKS = 6.0, 8


def noise_of_frames(
    frames: np.ndarray,
    dark: np.ndarray | None = None,
    flat: np.ndarray | Sequence[np.ndarray] | None = None,
) -> NoiseEstimate:
    """Find Poisson-Gaussian noise from frames of one scene or of a movie.

    The difference of two frames that follow each other contains the noise and nothing else, if the scene rests. In
    blocks of 8 x 8 pixels, half the variance of the difference is compared with the mean; the noise is a straight line.
    The differences lose their plane in each block first, so that drift of the lamp does not count. Blocks in which
    neighbors of the difference are correlated have moved, and do not count either.

    The offset and the read noise are identifiable together only, by the intercept of the line,
    ``sigma^2 - gain offset``. This is all that the transform of
    :class:`~scorematching.noise.PoissonGaussianNoise` needs, except for very few photons. Without dark frames the
    offset is taken as 0 if the intercept is 0 or more. Otherwise the read noise is taken as 0, or estimated roughly
    from the lowest values if these are near the offset.

    Args:
        frames: Frames in the order of time, shape (T, H, W) or (T, H, W, C), T at least 2, in raw values of the camera.
            All channels count as one.
        dark: Frames without light, shape (T, H, W) or (T, H, W, C). They tell the offset from the read noise. A single
            frame will do, T = 1, if the camera has no fixed pattern.
        flat: Frames of an evenly lit surface, one stack or several of different exposures, T at least 2 each.

    Returns:
        The noise, in the units of the frames, with standard errors and remarks.

    Raises:
        TypeError: Frames are not an array of numbers.
        ValueError: The shape does not fit, or a value is not finite.

    Example:
        >>> scene = np.tile(np.linspace(110, 250, 96), (96, 1))
        >>> noise = PoissonGaussianNoise(gain=2.0, offset=100, sigma=4)
        >>> frames = np.stack([noise.simulate(scene, seed) for seed in range(10)])
        >>> found = noise_of_frames(frames, dark=np.stack([noise.simulate(0 * scene + 100, s) for s in (20, 21)]))
        >>> abs(found.noise.gain - 2) < 0.1, abs(found.noise.sigma - 4) < 0.2, abs(found.noise.offset - 100) < 0.2
        (True, True, True)
    """
    scene = _as_stack("frames", frames, 2)
    check_arguments(noise_of_frames, locals())
    lowest = float(np.quantile(scene, LOWEST))
    found = [_blocks(scene)]
    flats = [] if flat is None else [flat] if isinstance(flat, np.ndarray) else list(flat)
    found += [_blocks(_as_stack("flat", one, 2)) for one in flats]
    remarks = _remarks(found)
    if dark is not None:
        stack = _as_stack("dark", dark, 1)
        found.append(_blocks(stack))
        if len(stack) == 1:
            remarks += ("A single dark frame was given: a fixed pattern of the camera counts as read noise.",)
    blocks = joined([part.blocks for part in found])
    if len(blocks.variance) < _LEAST_BLOCKS:
        return NoiseEstimate(GaussianNoise(0.0), {}, (*remarks, NOTHING))
    line = fit_line(blocks)
    low, high = np.quantile(blocks.brightness, (0.02, 0.98))
    spread = math.sqrt(np.mean(blocks.error) * max(line.at(float(np.mean(blocks.brightness))), 0.0))
    estimate = estimate_of_line(line, float(low), float(high), lowest, remarks, bool(high - low > _RANGE * spread))
    return estimate if dark is None else _with_offset(estimate, line, found[-1].blocks)


class _Found(NamedTuple):
    """Blocks of a stack, and the fractions of its blocks that are saturated and that moved."""

    blocks: Blocks
    saturated: float
    moved: float


def _as_stack(name: str, frames: np.ndarray, least: int) -> np.ndarray:
    """Return frames as float64, shape (T, H, W, C)."""
    if not isinstance(frames, np.ndarray) or frames.dtype.kind not in "uif":
        raise TypeError(
            f"{name} must be a numpy array of numbers, got {getattr(frames, 'dtype', type(frames).__name__)}"
        )
    check_memory(name, frames)
    if frames.ndim not in (3, 4) or len(frames) < least or min(frames.shape[1:3]) < _SIDE:
        raise ValueError(
            f"{name} must have shape (T, H, W) or (T, H, W, C) with T {least} or more and sides of {_SIDE} pixels or "
            f"more, got {frames.shape}"
        )
    if not np.isfinite(frames).all():
        raise ValueError(f"{name} has {int((~np.isfinite(frames)).sum())} values that are NaN or infinite")
    stack = frames.reshape(*frames.shape[:3], -1).astype(np.float64)
    largest = float(np.abs(stack).max())
    if not _LEAST_VALUE < largest < 1 / _LEAST_VALUE and largest:
        raise ValueError(
            f"{name} has values up to {largest:.3g}, outside of the range of its squares: scale the frames"
        )
    return stack


def _blocks(stack: np.ndarray) -> _Found:
    """Return the blocks of a stack, (T, H, W, C). With T = 1 the variance is that over the pixels of a block."""
    pieces = _in_blocks(stack)  # (T, N, 64)
    differences = np.diff(pieces, axis=0) / math.sqrt(2) if len(stack) > 1 else pieces
    means = (pieces[1:] + pieces[:-1]).mean(-1) / 2 if len(stack) > 1 else pieces.mean(-1)
    free, lags = _plane_free()
    differences = differences @ free
    freedom = round(np.trace(free))
    variances = np.square(differences).sum(-1) / freedom
    structure = np.stack([np.sum(differences @ lag * differences, -1) for lag in lags])
    silent, full = _unusable(pieces, saturation(stack))
    moving = np.square(structure / np.maximum(variances, 1e-300)).sum(0) > _MOVES
    overall = structure.sum(1) / np.maximum(np.sqrt(_SUCCESSIVE * len(variances)) * variances.mean(0), 1e-300)
    moving |= np.square(overall).sum(0) > _MOVES
    moving |= _beside(moving.reshape(len(moving), -1, stack.shape[1] // _SIDE, stack.shape[2] // _SIDE))
    used = ~(silent | full | moving)
    times = used.sum(0)
    kept = times > 0
    times, used = times[kept], used[:, kept]

    def mean(values: np.ndarray) -> np.ndarray:
        return np.sum(values[:, kept] * used, axis=0) / times

    neighboring = np.where(times > 1, _SUCCESSIVE, 1.0) if len(stack) > 1 else 1.0
    positions = (stack.shape[1] // _SIDE) * (stack.shape[2] // _SIDE)
    blocks = Blocks(
        mean(means),
        mean(variances),
        freedom * times / neighboring,
        np.zeros(len(times)),
        1 / (pieces.shape[2] * (times + (len(stack) > 1))),
        np.flatnonzero(kept) % positions,
    )
    countable = ~(silent | full)
    return _Found(blocks, float(full.mean()), float((moving & countable).sum() / max(countable.sum(), 1)))


def _in_blocks(stack: np.ndarray) -> np.ndarray:
    """Split frames, (T, H, W, C), into blocks, (T, C N, 64)."""
    frames, height, width, _ = stack.shape
    down, across = height // _SIDE, width // _SIDE
    cut = stack[:, : down * _SIDE, : across * _SIDE].reshape(frames, down, _SIDE, across, _SIDE, -1)
    return cut.transpose(0, 5, 1, 3, 2, 4).reshape(frames, -1, _SIDE**2)


def _unusable(pieces: np.ndarray, white: float) -> tuple[np.ndarray, np.ndarray]:
    """Return which blocks of differences are constant, and which are saturated, both of shape (T - 1, N)."""
    constant = np.asarray(np.ptp(pieces, axis=-1) == 0)
    full = np.asarray((pieces >= white).any(-1))
    if len(pieces) == 1:
        return np.zeros_like(constant), full
    return constant[1:] & constant[:-1], full[1:] | full[:-1]


def _beside(moving: np.ndarray) -> np.ndarray:
    """Return which blocks are among moving ones, from (T, C, h, w) to (T, C h w): 4 of the 9 in the square around."""
    around = np.pad(moving.astype(int), [(0, 0), (0, 0), (1, 1), (1, 1)], mode="edge")
    total = np.lib.stride_tricks.sliding_window_view(around, (3, 3), (2, 3)).sum((-2, -1))
    return (total >= _AMONG).reshape(len(moving), -1)


@cache
def _plane_free() -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the projection that takes the plane out of a block, and quadratic forms of the correlations at short lags.

    The forms of white noise without its plane have mean 0, and its variance as standard deviation.
    """
    rows, columns = np.mgrid[:_SIDE, :_SIDE].reshape(2, -1)
    plane = np.linalg.qr(np.stack([np.ones(_SIDE**2), rows, columns], 1))[0]
    free = np.eye(_SIDE**2) - plane @ plane.T
    down, across = rows[:, None] - rows, columns[:, None] - columns
    forms = []
    for lag in _LAGS:
        paired = ((down == lag[0]) & (across == lag[1])).astype(float)
        inner = free @ (paired + paired.T) @ free
        inner -= np.trace(inner) / np.trace(free) * free
        forms.append(inner / math.sqrt(2 * np.sum(inner**2)))
    return free, forms


def _remarks(found: list[_Found]) -> tuple[str, ...]:
    remarks = []
    if (full := max(part.saturated for part in found)) > 0:
        remarks.append(f"Saturated pixels do not count: {full:.0%} of the blocks have some.")
    if (moved := max(part.moved for part in found)) > _MUCH:
        remarks.append(
            f"Moving parts do not count: {moved:.0%} of the blocks. Slow motion in the others may make the noise seem "
            "stronger than it is."
        )
    return tuple(remarks)


def _with_offset(estimate: NoiseEstimate, line: VarianceLine, dark: Blocks) -> NoiseEstimate:
    """Return an estimate with the offset of dark frames, and the read noise at it."""
    offset = float(dark.brightness.mean())
    if not isinstance(estimate.noise, PoissonGaussianNoise):
        return estimate
    variance = max(line.at(offset), 0.0)
    errors = {
        "gain": line.gain_error,
        "offset": float(dark.brightness.std() / math.sqrt(len(dark.brightness))),
        "sigma": root_error(variance, line.error_at(offset)),
        "intercept": line.error_at(0.0),
    }
    noise = PoissonGaussianNoise(line.gain, offset, math.sqrt(variance))
    return NoiseEstimate(noise, errors, estimate.remarks[:-1], estimate.slope)
