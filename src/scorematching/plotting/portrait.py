"""A prior as an image: what it is made of, what it says of a photograph, and samples of it."""

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
from scorematching.plotting.figures import check_target, save_figure, set_caption, show_image
from scorematching.priors.base import Prior, move
from scorematching.priors.tweedie import tweedie

#: Responses for which experts are drawn, up to this and down to minus this.
_REACH = 12.0


def photograph_for(prior: Prior, seed: int) -> np.ndarray:
    """A held-out photograph, with noise where the prior is one of noisy images: (H, W) or (H, W, 3), white at 1."""
    color = prior.config.colors > 1
    clean = held_out_photograph("chelsea" if color else "camera", color)
    noise = np.random.default_rng(seed).normal(0, prior.level if prior.noise is not None else 0, clean.shape)
    return (clean + noise).astype(np.float32)


def draw_prior(prior: Prior, path: str | Path, image: np.ndarray, samples: Tensor | None = None) -> None:
    """Filters and their frequencies; experts and their derivatives, where there are some; an energy map; samples.

    Args:
        prior: A prior.
        path: A ``.png``.
        image: Whose energy is mapped: (H, W), or (H, W, 3) for a prior of colors, white at 1.
        samples: Of the prior, (N, C, h, w).

    Raises:
        ValueError: The path does not end in ``.png``, or the image is too small for the prior, or has other colors.
    """
    check_target(path)
    if (image.ndim == 3) != (prior.config.colors > 1):
        raise ValueError(f"the image is {image.shape}, and the prior is one of {prior.config.colors} color(s)")
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
    filters = prior.filters.detach().cpu().numpy()
    scaled = [0.5 + 0.5 * one / max(np.abs(one).max(), 1e-12) for one in filters]
    sheet = _sheet([one if one.ndim == 2 else np.moveaxis(one, 0, 2) for one in scaled], gap=1)
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    count, size = len(filters), filters.shape[-1]
    set_caption(axes, f"{count} filters of {size} x {size}, each scaled")
    axes.set_axis_off()


def _draw_spectrum(axes: Axes, prior: Prior) -> None:
    gain = torch.fft.fftshift(_power(prior).sum(0)).sqrt()
    drawn = axes.imshow(gain.numpy(), cmap="magma", extent=(-0.5, 0.5, -0.5, 0.5), interpolation="bilinear", vmin=0)
    set_caption(axes, "frequencies that the filters see")
    axes.set(xlabel="cycles a pixel", ylabel="cycles a pixel")
    _add_bar(axes, drawn, "gain")


def _draw_experts(axes: Axes, prior: Prior) -> None:
    u, energies, _ = _experts(prior)
    _draw_curves(axes, prior, u, energies)
    set_caption(axes, "experts: energy of a response")
    axes.set_ylabel(r"$\rho(u)$")


def _draw_slopes(axes: Axes, prior: Prior) -> None:
    u, _, slopes = _experts(prior)
    drawn = _draw_curves(axes, prior, u, slopes)
    set_caption(axes, "their derivatives")
    axes.set_ylabel(r"$\rho\,^\prime(u)$")
    _add_bar(axes, drawn, "mean frequency of the filter, cycles a pixel")


def _draw_curves(axes: Axes, prior: Prior, u: Tensor, curves: Tensor) -> LineCollection:
    """A curve an expert, colored by the frequencies that its filter sees."""
    points = torch.stack([u.expand_as(curves), curves], 2).numpy()
    drawn = LineCollection(list(points), array=_mean_frequency(prior), cmap="viridis", linewidths=0.9)
    axes.add_collection(drawn)
    axes.autoscale()
    axes.margins(x=0)
    axes.set_box_aspect(1)
    axes.set_xlabel("response $u$" + (", in units of the noise" if prior.noise is not None else ""))
    axes.spines[["top", "right"]].set_visible(False)
    return drawn


def _experts(prior: Prior) -> tuple[Tensor, Tensor, Tensor]:
    """Responses, (T,), with the energies that the experts give to them and their derivatives, (K, T)."""
    assert isinstance(prior.energy, FieldOfExperts)
    u = torch.linspace(-_REACH, _REACH, 481).to(prior.filters)
    responses = u[:, None].repeat(1, len(prior.filters)).requires_grad_()
    with torch.enable_grad():
        energies = prior.energy.experts(responses)
    (slopes,) = torch.autograd.grad(energies.sum(), responses)
    return u.cpu(), energies.detach().T.cpu(), slopes.T.cpu()


def _draw_energy(axes: Axes, prior: Prior, image: np.ndarray) -> None:
    planes = move(to_planes(image, data_range=1.0).data, prior, None)
    energy = prior.energy_map(prior.arrange(planes))[0, 0].cpu().numpy()
    low, high = np.percentile(energy, (0.5, 99.5))
    drawn = axes.imshow(energy, cmap="magma", vmin=low, vmax=high, interpolation="nearest")
    set_caption(axes, f"its energy: {energy.mean():.3g} a pixel")
    axes.set_axis_off()
    _add_bar(axes, drawn, "energy")


def _draw_samples(axes: Axes, prior: Prior, samples: Tensor) -> None:
    images, caption = samples, "samples"
    if prior.noise is not None:
        images = torch.stack([samples, tweedie(samples, prior.level, prior)], 1).flatten(0, 1)
        caption = "samples, and the same denoised"
    low, high = torch.quantile(images.flatten(1), torch.tensor([0.005, 0.995]).to(images), dim=1)[..., None, None, None]
    scaled = ((images - low) / (high - low).clamp_min(1e-12)).permute(0, 2, 3, 1).squeeze(3)
    show_image(axes, _sheet(list(scaled.cpu().numpy()), gap=2), caption)


def _sheet(images: Sequence[np.ndarray], gap: int) -> np.ndarray:
    """Images of one shape, (h, w) or (h, w, 3), as a square, with empty pixels between them."""
    columns = int(np.ceil(np.sqrt(len(images))))
    height, width = (n + gap for n in images[0].shape[:2])
    colors = images[0].shape[2:]
    sheet = np.full((-(-len(images) // columns) * height + gap, columns * width + gap, *colors), 1.0)
    if not colors:
        sheet[:] = np.nan  # nothing is drawn there
    for i, one in enumerate(images):
        top, left = i // columns * height + gap, i % columns * width + gap
        sheet[top : top + one.shape[0], left : left + one.shape[1]] = one
    return sheet


def _power(prior: Prior) -> Tensor:
    """The power of each filter at each frequency, of all its colors: (K, 64, 64), frequency 0 first."""
    filters = prior.filters.detach().cpu()
    return torch.fft.fft2(filters, s=(64, 64)).abs().square().reshape(len(filters), -1, 64, 64).sum(1)


def _mean_frequency(prior: Prior) -> np.ndarray:
    """Of each filter, weighted by its power, in cycles a pixel: (K,)."""
    along, power = torch.fft.fftfreq(64), _power(prior)
    radius = torch.hypot(along[:, None], along)
    return ((power * radius).sum((1, 2)) / power.sum((1, 2)).clamp_min(1e-30)).numpy()


def _add_bar(axes: Axes, drawn: ScalarMappable, label: str) -> None:
    bar = axes.figure.colorbar(drawn, ax=axes, shrink=0.8, pad=0.02, label=label)
    bar.outline.set_visible(False)
