"""Noise that was found in images, with standard errors, and remarks where the images can't tell."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from scorematching.noise.base import NoiseModel
from scorematching.noise.gaussian import GaussianNoise
from scorematching.noise.line import VarianceLine
from scorematching.noise.poisson_gaussian import PoissonGaussianNoise

#: Number of standard errors from which the slope of the variance over brightness counts as real. It is below 2 for
#: white noise in photographs, up to 4 for white noise that was clipped, and 9 or more for photons.
_CLEAR = 6.0
#: Fraction of the pixels below the lowest value that counts as noise.
LOWEST = 2e-3
_TOGETHER = (
    "The offset and the read noise are known together only, as intercept = sigma^2 - gain offset; {choice}. "
    "Dark frames tell them apart."
)


#: Remark on images without noise.
NOTHING = "No block of pixels can be noisy: all are constant, saturated or missing."


@dataclass(frozen=True)
class NoiseEstimate:
    """Noise that was found in images.

    Attributes:
        noise: The noise, in the units of the image.
        standard_errors: Standard errors by name: ``"gain"``, ``"intercept"`` of the variance over brightness,
            ``"offset"``, ``"sigma"``. A parameter that the images do not tell apart from others is missing.
        remarks: Sentences on what the images can't tell.
        slope: Slope of the noise variance over brightness, in multiples of its standard error. It is NaN if the images
            can't tell it.

    Example:
        >>> print(NoiseEstimate(GaussianNoise(5.0), {"sigma": 0.1}, ("There is no range of brightness.",)))
        sigma 5
        standard errors: sigma 0.1
        There is no range of brightness.
    """

    noise: NoiseModel
    standard_errors: dict[str, float] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    slope: float = math.nan

    def __str__(self) -> str:
        errors = ", ".join(f"{name} {value:.2g}" for name, value in self.standard_errors.items())
        return "\n".join([str(self.noise), *([f"standard errors: {errors}"] if errors else []), *self.remarks])

    @property
    def depends_on_brightness(self) -> bool:
        """Whether the noise grows with brightness: its slope is 6 standard errors or more above 0."""
        return self.slope >= _CLEAR


def estimate_of_line(
    line: VarianceLine, dark: float, bright: float, lowest: float, remarks: tuple[str, ...] = (), ranged: bool = True
) -> NoiseEstimate:
    """Return the noise that a line of the variance over brightness describes.

    Args:
        line: The line, with its covariance.
        dark: Brightness of the darkest pixels.
        bright: Brightness of the brightest pixels.
        lowest: Value of the lowest noisy pixels.
        remarks: Remarks on the images.
        ranged: Whether the range of brightness is wide enough to tell the slope.

    Returns:
        The noise. It is white if the slope can't be told, or is not above 0. The line is raised to a variance of 0 at
        ``dark`` if it is negative there.
    """
    middle = (dark + bright) / 2
    noise = line.model(dark, bright, lowest) if ranged and line.gain > 0 else None
    if not isinstance(noise, PoissonGaussianNoise):
        variance = max(float(line.at(middle)), 0.0)
        remark = (
            "The noise does not grow with brightness."
            if ranged
            else (
                "The image has no range of brightness, which the gain would show in; the noise is that of brightness "
                f"{middle:.4g}."
            )
        )
        slope = line.gain / line.gain_error if ranged else math.nan
        return NoiseEstimate(
            GaussianNoise(variance**0.5),
            {"sigma": root_error(variance, line.error_at(middle))},
            (*remarks, remark),
            slope,
        )
    errors = {"gain": line.gain_error, "intercept": line.error_at(0.0)}
    if noise.sigma:
        errors["sigma"] = root_error(noise.sigma**2, line.error_at(noise.offset))
        choice = f"the offset is taken as {noise.offset:.4g}"
    else:
        errors["offset"] = line.error_at(noise.offset) / line.gain
        choice = "the read noise is taken as 0"
    return NoiseEstimate(noise, errors, (*remarks, _TOGETHER.format(choice=choice)), line.gain / line.gain_error)


def root_error(variance: float, error: float) -> float:
    """Return the standard error of the root of a variance; near 0, the distance that one standard error moves it.

    Example:
        >>> root_error(100.0, 2.0), root_error(0.0, 4.0)
        (0.1, 2.0)
    """
    return min(error / (2 * math.sqrt(variance)) if variance else math.inf, math.sqrt(variance + error))
