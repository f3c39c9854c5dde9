"""Configuration of a training. Values are checked when it is created."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scorematching.runtime.arguments import check_count, check_flag, check_positive, shown

#: Largest learning rate of each kind of prior, and the factor for priors that see neighbors. A field of experts that
#: sees five images loses 0.06 dB at the whole rate, and 0.13 dB more at a quarter of it.
RATES, RATE_WITH_NEIGHBORS = {"field": 1e-2, "deep": 3e-3}, 0.5


@dataclass(frozen=True)
class TrainingConfig:
    """Options of a training that do not depend on the architecture of the prior.

    The optimizer is Adam, and Muon for most weights of deep priors. The learning rate follows one cycle, and gradients
    are clipped to norm 1.

    Args:
        steps: Number of steps.
        batch: Number of crops per step; with several processes, of each process.
        crop: Side of a crop in pixels.
        rate: Largest learning rate of Adam. By default 0.01 for fields of experts and 0.003 for deep priors, and half
            as large for the part of a prior that sees neighbors. The rate of Muon is five times as large.
        lam: Weight of the regularizer, in units of the squared :attr:`scorematching.Prior.unit`. By default 0 for noisy
            images and 0.2 for clean images. Without noise and regularizer, the loss of quantized images has no minimum.
        max_sigma: For deep priors: highest level of noise that is added to the crops, in the units of the images. The
            prior then serves all levels from that of the images to this one. Training is also faster, because crops
            with added noise need no second derivatives (:class:`scorematching.curvature.Stein`).
        blind: For deep priors: whether every fourth crop has less noise than the stated level, by a random factor. The
            prior then handles regions with less noise than the stated level, such as clipped blacks.
        seed: Seed of everything random. The same seed, data, machine and number of threads give the same bits.
        compile: Whether to train inside :class:`scorematching.compiled`. ``"auto"`` does so on a CPU if it saves time,
            including the compilation: from about 1,700 steps on, with 48 filters and the default crops.

    Raises:
        ValueError: A value is out of its range, or ``max_sigma`` or ``blind`` comes with a regularizer.

    Example:
        >>> TrainingConfig(steps=3000).crop
        48
    """

    steps: int = 1500
    batch: int = 16
    crop: int = 48
    rate: float | None = None
    lam: float | None = None
    max_sigma: float | None = None
    blind: bool = False
    seed: int = 0
    compile: bool | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "crop"):
            object.__setattr__(self, name, check_count(name, getattr(self, name)))
        object.__setattr__(self, "seed", check_count("seed", self.seed, 0))
        for name in ("rate", "lam", "max_sigma"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, check_positive(name, value, zero=name == "lam"))
        check_flag("blind", self.blind)
        if not isinstance(self.compile, bool | str) or self.compile not in (True, False, "auto"):
            raise ValueError(f"compile must be True, False or 'auto', got {shown(self.compile)}")
        if self.lam and (self.blind or self.max_sigma is not None):
            name = "blind" if self.blind else "max_sigma"
            raise ValueError(f"{name} needs a loss without regularizer: leave out lam, got {self.lam:g}")
