"""Choice of the regularizer's weight for clean images: by denoising held-out images with each prior."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from scorematching.images import psnr
from scorematching.priors.architecture import FieldConfig, ModelConfig
from scorematching.priors.base import Prior
from scorematching.restoration import denoise
from scorematching.runtime.arguments import check_between, check_positive
from scorematching.runtime.kinds import check_arguments
from scorematching.runtime.progress import ProgressCallback, subtask
from scorematching.training.config import TrainingConfig
from scorematching.training.data import ImageSource, listed, open_images, split
from scorematching.training.fitting import fit

#: Default weights, and noise levels on the 0-255 scale.
LAMS, LEVELS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0), (10.0, 25.0, 50.0)
#: Maximum number of steps of the training for each weight, of images that are denoised, and of their sides in pixels.
_STEPS, _IMAGES, _SIDE = 200, 4, 128


@dataclass(frozen=True)
class LamChoice:
    """Quality of priors of clean images with different weights of the regularizer.

    Attributes:
        lams: Weights, ascending.
        levels: Standard deviations of the noise, on the 0-255 scale.
        psnr: PSNR in dB of denoised held-out images, one row per weight, one column per level.

    Example:
        >>> choice = LamChoice((0.1, 0.2), (25.0,), ((27.0,), (28.0,)))
        >>> choice.lam, choice.is_at_end
        (0.2, True)
    """

    lams: tuple[float, ...]
    levels: tuple[float, ...]
    psnr: tuple[tuple[float, ...], ...]

    @property
    def means(self) -> list[float]:
        """Mean PSNR over the levels for each weight."""
        return [sum(row) / len(row) for row in self.psnr]

    @property
    def lam(self) -> float:
        """Weight with the highest mean PSNR."""
        return self.lams[int(np.argmax(self.means))]

    @property
    def is_at_end(self) -> bool:
        """Whether that weight is the lowest or the highest, so that another one may be better."""
        return self.lam in (self.lams[0], self.lams[-1])


def choose_lam(
    images: Iterable[ImageSource] | ImageSource,
    *,
    model: ModelConfig | None = None,
    training: TrainingConfig | None = None,
    lams: Sequence[float] = LAMS,
    levels: Sequence[float] = LEVELS,
    data_range: float | None = None,
    axes: str | None = None,
    device: str | torch.device = "cpu",
    progress: ProgressCallback | None = None,
) -> LamChoice:
    """Compare weights of the regularizer for a prior of clean images, by what the prior is for.

    The losses of different weights can't be compared: that of quantized images falls without bound as the weight goes
    to 0. So a short training is done with each weight. Then noise is added to images that were held out, and each prior
    denoises them (MAP). The PSNR is comparable.

    Args:
        images: Clean images, as for :func:`scorematching.fit`.
        model: Architecture.
        training: Options of the training. At most 200 steps are taken.
        lams: Weights to compare, in units of the squared :attr:`scorematching.Prior.unit`.
        levels: Standard deviations of the added noise, on the 0-255 scale.
        data_range: Value of white in the images.
        axes: Letters of the axes of the arrays, if they are stacks.
        device: Device to compute on.
        progress: Called during the trainings.

    Raises:
        ValueError: There is no weight or level; a weight is not above 0, or a level not from 0.01 to 10000; or as in
            :func:`scorematching.fit`.

    Example:
        >>> import scorematching as sm
        >>> image = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
        >>> small, short = sm.FieldConfig(filters=4, size=3), sm.TrainingConfig(steps=3, crop=6)
        >>> choose_lam([image], model=small, training=short, lams=(0.1, 0.2, 0.4), levels=(25,)).lam in (0.1, 0.2, 0.4)
        True
    """
    check_arguments(choose_lam, locals())
    model = FieldConfig() if model is None else model
    training = TrainingConfig() if training is None else training
    if not lams or not levels:
        raise ValueError("choose_lam needs one weight (lams) and one noise level (levels) or more")
    chosen = sorted(check_positive("lams", lam) for lam in lams)
    sigmas = [check_between("levels", level, 0.01, 1e4) / 255 for level in levels]
    images = listed(images)
    rows = []
    held_out: list[np.ndarray] = []
    for number, lam in enumerate(chosen):
        part = subtask(progress, number, number + 1, len(chosen))
        short = replace(training, lam=lam, steps=min(training.steps, _STEPS))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of short trainings and bad weights
            prior = fit(
                images,
                noisy=False,
                model=model,
                training=short,
                data_range=data_range,
                axes=axes,
                device=device,
                progress=part,
            ).prior
            if not held_out:
                planes = split(open_images(images, data_range, model.colors, axes), rows=prior.min_crop)[1]
                held_out = [_middle(plane.pixels()) for plane in planes if min(plane.shape) >= prior.min_size][:_IMAGES]
            rows.append(tuple(_quality(prior, held_out, sigma, training.seed) for sigma in sigmas))
    return LamChoice(tuple(chosen), tuple(255 * sigma for sigma in sigmas), tuple(rows))


def _middle(pixels: torch.Tensor) -> np.ndarray:
    """Return the middle of an image, (C, H, W), as (H, W) or (H, W, 3) with white at 1."""
    top, left = (max(0, (n - _SIDE) // 2) for n in pixels.shape[1:])
    part = pixels[:, top : top + _SIDE, left : left + _SIDE].permute(1, 2, 0).numpy()
    return part[..., 0] if part.shape[2] == 1 else part


def _quality(prior: Prior, images: list[np.ndarray], sigma: float, seed: int) -> float:
    """Return the mean PSNR of denoised images."""
    random, found = np.random.default_rng(seed), []
    for image in images:
        noisy = (image + random.normal(0, sigma, image.shape)).astype(np.float32)
        found.append(psnr(image, denoise(noisy, sigma, prior, data_range=1.0), 1.0))
    return float(np.mean(found))
