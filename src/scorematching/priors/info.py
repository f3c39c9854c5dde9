"""Noise levels that a prior was trained for, and its origin."""

from __future__ import annotations

from dataclasses import dataclass

from scorematching._version import __version__
from scorematching.noise import GaussianNoise, as_noise_model
from scorematching.runtime.arguments import check_count, check_flag, check_positive


@dataclass(frozen=True)
class TrainedNoise:
    """White Gaussian noise of the images whose density a prior models, with white at 1.

    Args:
        sigma: Noise level of the modeled density. For an image of another level, the contrast is rescaled.
        lowest: Lowest noise level that the prior was trained for; ``sigma`` by default.
        highest: Highest noise level that the prior was trained for; ``sigma`` by default.
        blind: Whether the prior was also trained on images with less noise than the stated level.

    Raises:
        ValueError: A level is not above 0, or ``lowest`` is above ``highest``.

    Example:
        >>> TrainedNoise(0.1).highest
        0.1
    """

    sigma: float
    lowest: float | None = None
    highest: float | None = None
    blind: bool = False

    def __post_init__(self) -> None:
        for name in ("sigma", "lowest", "highest"):
            given = getattr(self, name)
            object.__setattr__(self, name, check_positive(name, self.sigma if given is None else given))
        if self.range[0] > self.range[1]:
            raise ValueError(f"lowest must not be above highest, got {self.lowest} and {self.highest}")
        check_flag("blind", self.blind)

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest level."""
        return self.lowest or self.sigma, self.highest or self.sigma

    @property
    def is_wide(self) -> bool:
        """True if the highest level is at least four times the lowest, as annealing needs."""
        low, high = self.range
        return 4 * low <= high


def as_trained_noise(noise: float | GaussianNoise | TrainedNoise | None) -> TrainedNoise | None:
    """Return the noise of a prior: from a level with white at 1, a model, or ``None`` for clean images.

    Raises:
        TypeError: It is none of these.
        ValueError: The level is not above 0.

    Example:
        >>> as_trained_noise(0.1).range
        (0.1, 0.1)
    """
    if noise is None or isinstance(noise, TrainedNoise):
        return noise
    model = as_noise_model(noise)
    if not isinstance(model, GaussianNoise):
        raise TypeError(f"a prior models white Gaussian noise, got {model}: pass the level of the stabilized images")
    return TrainedNoise(model.sigma)


@dataclass(frozen=True)
class Provenance:
    """Origin of a prior.

    Attributes:
        data: Training data, in words.
        steps: Number of training steps; 0 for a prior that was not trained.
        seed: Seed of the training.
        lam: Weight of the regularizer, in units of the squared ``unit`` of the prior.
        version: Version of this library.
    """

    data: str = "none"
    steps: int = 0
    seed: int = 0
    lam: float = 0.0
    version: str = __version__

    def __post_init__(self) -> None:
        for name in ("steps", "seed"):
            object.__setattr__(self, name, check_count(name, getattr(self, name), 0))
        object.__setattr__(self, "lam", check_positive("lam", self.lam, zero=True))
        for name in ("data", "version"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} must be text, got {getattr(self, name)!r}")
