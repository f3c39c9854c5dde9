"""Plot of the noise of an image: its variance against brightness, and its spectrum."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from scorematching.images.io import atomic
from scorematching.noise import NoiseModel
from scorematching.noise.correlated import CorrelatedNoise
from scorematching.plotting.figures import check_target
from scorematching.restoration.missing import fill_missing
from scorematching.runtime.kinds import check_arguments

#: Colors of the channels: of a grayscale image, and of red, green and blue.
_COLORS = {1: ["0.25"], 3: ["#d6604d", "#4d9221", "#2166ac"]}
#: Number of bins of brightness, and minimum number of pixels of a bin.
_BINS, _PIXELS = 24, 200


def draw_noise(path: str | Path, noisy: np.ndarray, clean: np.ndarray, noise: NoiseModel) -> None:
    """Draw the variance of what was removed against brightness, and its spectrum, each with that of the model.

    Args:
        path: File to write, a ``.png``.
        noisy: Noisy image, as in :func:`scorematching.images.to_planes`.
        clean: Denoised image of the same shape.
        noise: Noise model, in the units of the image.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: The path does not end in ``.png``.

    Example:
        >>> import tempfile
        >>> from scorematching.noise import GaussianNoise
        >>> path = Path(tempfile.mkdtemp()) / "noise.png"
        >>> draw_noise(path, GaussianNoise(5).simulate(np.zeros((40, 40))), np.zeros((40, 40)), GaussianNoise(5))
        >>> path.exists()
        True
    """
    check_arguments(draw_noise, locals())
    check_target(path)
    if noisy.shape != clean.shape:
        raise ValueError(f"noisy and clean must have one shape, got {noisy.shape} and {clean.shape}")
    white = fill_missing(noisy).planes.data_range
    before, after = (white * fill_missing(image, white).planes.data[:, 0].double().numpy() for image in (noisy, clean))
    variance = np.moveaxis(noise.variance(np.moveaxis(after, 0, 2)), 2, 0)
    colors = _COLORS.get(len(before), ["0.25"] * len(before))
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    levels, spectrum = figure.subplots(1, 2)
    for y, x, expected, color in zip(before, after, variance, colors, strict=True):
        centers, found, modeled = _by_brightness(x, y - x, expected)
        levels.plot(centers, found, ".", color=color)
        levels.plot(centers, modeled, "-", color=color, lw=1)
        frequency, power = _radial(y - x)
        spectrum.semilogy(frequency, power, ".", color=color, ms=4)
    frequency = np.linspace(0.01, 0.5, 50)
    for channel, color in zip(_modeled_spectrum(noise, variance, frequency), colors, strict=False):
        spectrum.semilogy(frequency, channel, "-", color=color, lw=1)
    levels.set(xlabel="brightness", ylabel="variance", title="variance: removed (dots), model (lines)")
    levels.set_ylim(bottom=0)
    spectrum.set(xlabel="cycles per pixel", ylabel="spectral density", title="spectrum: removed (dots), model (lines)")
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    atomic.write_atomically(path, buffer.getvalue())


def _by_brightness(x: np.ndarray, residual: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the centers of bins of brightness, the variance of the residual in each, and that of the model."""
    edges = np.linspace(x.min(), x.max() + 1e-9, _BINS + 1)
    place = np.digitize(x, edges) - 1
    rows = [
        (x[inside].mean(), residual[inside].var(), expected[inside].mean())
        for inside in (place == k for k in range(_BINS))
        if inside.sum() >= _PIXELS
    ]
    return tuple(np.array(rows).reshape(-1, 3).T)


def _radial(residual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies and the mean spectral density of a residual around each."""
    height, width = residual.shape
    power = np.abs(np.fft.rfft2(residual - residual.mean())) ** 2 / residual.size
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    edges = np.linspace(0, 0.5, 40)
    place = np.digitize(radius.ravel(), edges)
    count, total = (np.bincount(place, weights, len(edges) + 1)[1 : len(edges)] for weights in (None, power.ravel()))
    known = count > 0
    return (edges[:-1] + edges[1] / 2)[known], total[known] / count[known]


def _modeled_spectrum(noise: NoiseModel, variance: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    """Return the spectral density of the noise of each channel along the rows, (C, frequencies)."""
    if not isinstance(noise, CorrelatedNoise):
        return np.repeat(variance.mean((1, 2))[:, None], len(frequency), 1)
    lags = np.einsum("ccij->cij", noise.autocovariance).sum(1)
    waves = np.cos(2 * np.pi * frequency[:, None] * (np.arange(lags.shape[1]) - noise.reach))
    return np.maximum(lags @ waves.T, 1e-12)
