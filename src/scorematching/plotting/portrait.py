"""Figure of a prior: its filters and experts, the energy of a photograph, and samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from torch import Tensor

from scorematching.energies.field_of_experts import FieldOfExperts
from scorematching.images import to_planes
from scorematching.images.photographs import held_out_photograph
from scorematching.noise import CorrelatedNoise
from scorematching.plotting.figures import check_target, save_figure, set_caption, show_image
from scorematching.priors.base import Prior
from scorematching.priors.devices import move
from scorematching.priors.neighbors import prior_alone
from scorematching.priors.posterior import tweedie
from scorematching.runtime.kinds import check_arguments

#: Experts are drawn for responses from minus this number to this number.
_REACH = 12.0


def photograph_for(prior: Prior, seed: int) -> np.ndarray:
    """Return a held-out photograph that suits a prior.

    It has noise of the prior's level if the prior was trained on noisy images, and colors if the prior has colors.

    Args:
        prior: Prior.
        seed: Seed of the noise.

    Returns:
        Photograph of shape (H, W) or (H, W, 3), float32, with white at 1.

    Example:
        >>> from scorematching.priors.store import load_prior
        >>> photograph_for(load_prior("natural-gray-small"), seed=0).shape
        (512, 512)
    """
    color = prior.config.colors > 1
    clean = held_out_photograph("chelsea" if color else "camera", color)
    if prior.noise is not None and prior.noise.kernel is not None:
        noise = CorrelatedNoise(prior.level**2 * prior.noise.kernel.numpy())
        return noise.simulate(clean, seed).astype(np.float32)
    white = np.random.default_rng(seed).normal(0, prior.level if prior.noise is not None else 0, clean.shape)
    return (clean + white).astype(np.float32)


def draw_prior(prior: Prior, path: str | Path, image: np.ndarray, samples: Tensor | None = None) -> None:
    """Draw a prior: filters and their spectrum, experts and their derivatives, an energy map, and samples.

    Of a prior that sees neighbors, the part for an image alone is drawn.

    Experts are drawn only for models that have them.

    Args:
        prior: Prior to draw.
        path: File to write, a ``.png``.
        image: Image for the energy map, shape (H, W), or (H, W, 3) for a color prior, with white at 1.
        samples: Samples of the prior, shape (N, C, h, w), if any.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: The path does not end in ``.png``; the image is too small for the prior; or its colors do not fit.

    Example:
        >>> import tempfile
        >>> from scorematching.priors.store import load_prior
        >>> prior, path = load_prior("natural-gray-small"), Path(tempfile.mkdtemp()) / "prior.png"
        >>> draw_prior(prior, path, photograph_for(prior, seed=0)[:60, :80])
        >>> path.exists()
        True
    """
    check_arguments(draw_prior, locals())
    check_target(path)
    prior = prior_alone(prior)
    if image.ndim != (2 if prior.config.colors == 1 else 3):
        kind = "grayscale, shape (H, W)" if prior.config.colors == 1 else "color, shape (H, W, 3)"
        raise ValueError(f"the prior needs an image in {kind}, got shape {image.shape}")
    prior.check_size(*image.shape[:2])
    squares: list[Callable[[Axes, Prior], None]] = [_draw_filters, _draw_spectrum]
    if isinstance(prior.energy, FieldOfExperts):
        squares += [_draw_experts, _draw_slopes]
    if samples is not None:
        squares.append(partial(_draw_samples, samples=samples))
    first, rest = squares[:4], squares[4:]
    wide = image.shape[1] / image.shape[0]
    width = 4.2 * len(first)
    heights = width / len(first), width / (2 * wide + len(rest))
    figure = Figure(figsize=(width, sum(heights) + 0.6), layout="constrained")
    (upper,), (lower,) = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)
    for axes, draw in zip(upper.subplots(1, len(first), squeeze=False)[0], first, strict=True):
        draw(axes, prior)
    left, right, *others = lower.subplots(1, 2 + len(rest), width_ratios=(wide, wide, *[1] * len(rest)))
    show_image(left, image, "an image")
    _draw_energy(right, prior, image)
    for axes, draw in zip(others, rest, strict=True):
        draw(axes, prior)
    save_figure(figure, path)


def _draw_filters(axes: Axes, prior: Prior) -> None:
    """Draw the filters, each scaled to the full range of intensities."""
    filters = prior.filters.detach().cpu().numpy()
    scaled = [0.5 + 0.5 * one / max(np.abs(one).max(), 1e-12) for one in filters]
    sheet = _sheet([one if one.ndim == 2 else np.moveaxis(one, 0, 2) for one in scaled], gap=1)
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    count, size = len(filters), filters.shape[-1]
    set_caption(axes, f"{count} filters of {size} x {size} pixels, each scaled")
    axes.set_axis_off()


def _draw_spectrum(axes: Axes, prior: Prior) -> None:
    """Draw the total gain of the filters at each frequency."""
    gain = torch.fft.fftshift(_power(prior).sum(0)).sqrt()
    drawn = axes.imshow(gain.numpy(), cmap="magma", extent=(-0.5, 0.5, -0.5, 0.5), interpolation="bilinear", vmin=0)
    set_caption(axes, "spectrum of the filters")
    axes.set(xlabel="cycles per pixel", ylabel="cycles per pixel")
    _add_bar(axes, drawn, "gain")


def _draw_experts(axes: Axes, prior: Prior) -> None:
    """Draw the energy of each expert over the response."""
    u, energies, _ = _experts(prior)
    _draw_curves(axes, prior, u, energies)
    set_caption(axes, "experts: energy of the response")
    axes.set_ylabel(r"$\rho(u)$")


def _draw_slopes(axes: Axes, prior: Prior) -> None:
    """Draw the derivative of each expert over the response."""
    u, _, slopes = _experts(prior)
    drawn = _draw_curves(axes, prior, u, slopes)
    set_caption(axes, "derivatives of the experts")
    axes.set_ylabel(r"$\rho\,^\prime(u)$")
    _add_bar(axes, drawn, "mean frequency of the filter, cycles per pixel")


def _draw_curves(axes: Axes, prior: Prior, u: Tensor, curves: Tensor) -> LineCollection:
    """Draw one curve per expert, colored by the mean frequency of its filter."""
    points = torch.stack([u.expand_as(curves), curves], 2).numpy()
    drawn = LineCollection(list(points), array=_mean_frequency(prior), cmap="viridis", linewidths=0.9)
    axes.add_collection(drawn)
    axes.autoscale()
    axes.margins(x=0)
    axes.set_box_aspect(1)
    axes.set_xlabel("response $u$" + (", in units of the noise level" if prior.noise is not None else ""))
    axes.spines[["top", "right"]].set_visible(False)
    return drawn


def _experts(prior: Prior) -> tuple[Tensor, Tensor, Tensor]:
    """Return responses, shape (T,), and the energies of the K experts and their derivatives there, shape (K, T)."""
    assert isinstance(prior.energy, FieldOfExperts)
    u = torch.linspace(-_REACH, _REACH, 481).to(prior.filters)
    responses = u[:, None].repeat(1, len(prior.filters)).requires_grad_()
    with torch.enable_grad():
        energies = prior.energy.experts(responses)
    (slopes,) = torch.autograd.grad(energies.sum(), responses)
    return u.cpu(), energies.detach().T.cpu(), slopes.T.cpu()


def _draw_energy(axes: Axes, prior: Prior, image: np.ndarray) -> None:
    """Draw the energy map of an image."""
    planes = move(to_planes(image, data_range=1.0).data, prior, None)
    energy = prior.energy_map(prior.arrange(planes))[0, 0].cpu().numpy()
    low, high = np.percentile(energy, (0.5, 99.5))
    drawn = axes.imshow(energy, cmap="magma", vmin=low, vmax=high, interpolation="nearest")
    set_caption(axes, f"energy of the image: {energy.mean():.3g} per pixel")
    axes.set_axis_off()
    _add_bar(axes, drawn, "energy")


def _draw_samples(axes: Axes, prior: Prior, samples: Tensor) -> None:
    """Draw samples; if the prior was trained on noisy images, each beside its denoised version."""
    images, caption = samples, "samples"
    if prior.noise is not None:
        images = torch.stack([samples, tweedie(samples, prior.level, prior)], 1).flatten(0, 1)
        caption = "samples, each with its denoised version"
    low, high = torch.quantile(images.flatten(1), torch.tensor([0.005, 0.995]).to(images), dim=1)[..., None, None, None]
    scaled = ((images - low) / (high - low).clamp_min(1e-12)).permute(0, 2, 3, 1).squeeze(3)
    show_image(axes, _sheet(list(scaled.cpu().numpy()), gap=2), caption)


def _sheet(images: Sequence[np.ndarray], gap: int) -> np.ndarray:
    """Arrange images of one shape, (h, w) or (h, w, 3), on a square grid.

    Args:
        images: Images.
        gap: Width of the empty space between images, in pixels.
    """
    columns = int(np.ceil(np.sqrt(len(images))))
    height, width = (n + gap for n in images[0].shape[:2])
    colors = images[0].shape[2:]
    sheet = np.full((-(-len(images) // columns) * height + gap, columns * width + gap, *colors), 1.0)
    if not colors:
        sheet[:] = np.nan  # NaN is not drawn
    for i, one in enumerate(images):
        top, left = i // columns * height + gap, i % columns * width + gap
        sheet[top : top + one.shape[0], left : left + one.shape[1]] = one
    return sheet


def _power(prior: Prior) -> Tensor:
    """Return the power of each filter at each frequency, summed over colors: (K, 64, 64), frequency 0 first."""
    filters = prior.filters.detach().cpu()
    return torch.fft.fft2(filters, s=(64, 64)).abs().square().reshape(len(filters), -1, 64, 64).sum(1)


def _mean_frequency(prior: Prior) -> np.ndarray:
    """Return the mean frequency of each filter, weighted by its power, in cycles per pixel: shape (K,)."""
    along, power = torch.fft.fftfreq(64), _power(prior)
    radius = torch.hypot(along[:, None], along)
    return ((power * radius).sum((1, 2)) / power.sum((1, 2)).clamp_min(1e-30)).numpy()


def _add_bar(axes: Axes, drawn: ScalarMappable, label: str) -> None:
    """Add a color bar to a panel."""
    bar = axes.figure.colorbar(drawn, ax=axes, shrink=0.8, pad=0.02, label=label)
    bar.outline.set_visible(False)
