"""What ``fit`` can be told about priors and noise, and what is so by default."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from scorematching.runtime.arguments import check_choice, check_flag, check_positive

#: What each model can be told about its shape, and what is so by default.
SHAPES: dict[str, dict[str, Any]] = {
    "foe": {"size": 5, "filters": 24, "octaves": 1, "expert": "student-t", "normalize_filters": False},
    "pot": {"size": 8, "filters": 128},
    "deep": {"size": 3, "filters": 64, "depth": 6},
}
#: The largest learning rate of each.
RATES = {"foe": 1e-2, "pot": 1e-2, "deep": 3e-3}


def check_images(noisy: bool, gain: float | None, offset: float, clean: bool) -> None:
    """Raise ``ValueError`` where something is said of noisy images, and they are clean."""
    check_flag("noisy", noisy)
    if not noisy and (gain is not None or offset):
        raise ValueError(f"gain and offset are for images that are noisy already (noisy), got {gain} and {offset}")
    if not noisy and clean:
        raise ValueError("clean is for images that are noisy already (noisy), got clean images for clean ones")


def check_deep(model: str, lam: float | None, blind: bool, color: bool, max_sigma: float | None) -> None:
    """Raise ``ValueError`` where something is said of deep priors, and the model is none or ``lam`` forbids it."""
    check_flag("blind", blind)
    check_flag("color", color)
    for name, wanted in (("blind", blind), ("max_sigma", max_sigma is not None)):
        if wanted and (model != "deep" or lam):
            got = f"model {model!r}" if model != "deep" else f"lam {lam:g}"
            raise ValueError(f"{name} is for deep priors without lam, got {got}")
    if color and model != "deep":
        raise ValueError(f"color is for deep priors, got model {model!r}: it learns from each channel")


def shape_of(model: str, **given: object) -> dict[str, Any]:
    """What was said about the model, and what is so by default.

    Raises:
        ValueError: There is no such model, or it has no such thing.
    """
    check_choice("model", model, tuple(SHAPES))
    told = {name: value for name, value in given.items() if value is not None}
    for name, value in told.items():
        if name not in SHAPES[model]:
            kinds = [kind for kind, shape in SHAPES.items() if name in shape]
            raise ValueError(f"{name} is for {' and '.join(kinds)} priors, got {name} {value!r} for model {model!r}")
    return {**SHAPES[model], **told}


def fresh_level(sigma: float | Sequence[float] | None, data_range: float) -> float:
    """The level of the noise that is added to clean images, white being 1.

    Raises:
        ValueError: It is no number of 0 or more.
    """
    if isinstance(sigma, Iterable):
        raise ValueError(f"sigma must be one number, only noisy images have one each, got {sigma}")
    return check_positive("sigma", 0.0 if sigma is None else sigma, zero=True) / data_range


def highest_level(
    max_sigma: float | None, data_range: float, level: float, noisy: bool, blind: bool, gain: float | None
) -> float | None:
    """The level up to which noise is added, white being 1.

    Raises:
        ValueError: It is no number above 0, or below that of the noise that is added to clean images; or the
            images have no noise, or none of one level.
    """
    for name, wanted in (("blind", blind), ("max_sigma", max_sigma is not None)):
        if wanted and not level:
            raise ValueError(f"{name} needs the lowest level that clean images are to have: say it (sigma)")
    if max_sigma is None:
        return None
    if gain is not None:
        raise ValueError("highest is for noise that is the same everywhere, not for a gain")
    up_to = check_positive("max_sigma", max_sigma) / data_range
    if not noisy and up_to < level:
        raise ValueError(f"highest must be sigma, {level * data_range:g}, or more, got {max_sigma:g}")
    return up_to
