"""The configuration of a training, checked where it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scorematching.runtime.arguments import check_count, check_flag, check_positive

#: Largest learning rate of each kind of prior.
RATES = {"field": 1e-2, "deep": 3e-3}


@dataclass(frozen=True)
class TrainingConfig:
    """How a prior is trained, whatever its architecture.

    Args:
        steps: Number of steps: of Adam, for deep priors of Muon, with a one-cycle learning rate and gradients clipped
            to norm 1.
        batch: Number of crops per step.
        crop: Side of a crop in pixels.
        rate: Largest learning rate of Adam; by default 0.01 for fields of experts and 0.003 for deep priors. Muon's is
            five times as large.
        lam: Regularizer of the loss. By default 0 for noisy images and 0.2 for clean ones: without noise or
            regularizer the loss of quantized images has no minimum.
        max_sigma: For deep priors: add noise to the crops, up to this level, in the units of the images. The prior then
            serves all levels from the images' own on. It also trains faster: where noise was added, no trace has to be
            estimated (:class:`scorematching.curvature.Stein`).
        blind: For deep priors: give every fourth crop less noise than the stated level, by a random factor. The prior
            then leaves regions alone that have less noise than the level it is told, such as clipped blacks.
        seed: Seed of everything random. The same seed, data, machine and number of threads give the same bits.
        compile: Whether to train inside :class:`scorematching.compiled`. ``"auto"`` does so on a CPU where it saves
            time, compilation included: from about 3,000 steps with 48 filters on.

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
        if self.compile not in (True, False, "auto"):
            raise ValueError(f"compile must be True, False or 'auto', got {self.compile!r}")
        if self.lam and (self.blind or self.max_sigma is not None):
            name = "blind" if self.blind else "max_sigma"
            raise ValueError(f"{name} needs a loss without regularizer: leave lam out, got {self.lam:g}")
