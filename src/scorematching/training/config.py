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
        patience: Number of evaluations of the held-out loss without a new best one, after which the training stops.
            There is one every 50 steps, or ten in all of a short training. By default, the training goes on to the
            last step, where the learning rate is lowest.
        average: Decay per step of an exponential moving average of the weights, between 0 and 1, such as 0.99. The
            averaged weights are evaluated too, and kept if their held-out loss is the best. By default there is none.
        seed: Seed of everything random. The same seed, data, machine and number of threads give the same bits.
        memory: Gibibytes of decoded images of files that are kept in memory. Others are decoded again when they are
            needed. If all do not fit, crops are drawn from 64 images at a time, which change one after the other: then
            the result is another one than with enough memory.
        workers: Number of threads that decode files and prepare crops ahead; 0 for none. The result does not depend on
            it.
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
    patience: int | None = None
    average: float | None = None
    seed: int = 0
    memory: float = 2.0
    workers: int = 2
    compile: bool | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "crop"):
            object.__setattr__(self, name, check_count(name, getattr(self, name)))
        for name in ("seed", "workers"):
            object.__setattr__(self, name, check_count(name, getattr(self, name), 0))
        for name in ("rate", "lam", "max_sigma", "memory"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, check_positive(name, value, zero=name in ("lam", "memory")))
        check_flag("blind", self.blind)
        if self.patience is not None:
            object.__setattr__(self, "patience", check_count("patience", self.patience))
        if self.average is not None:
            object.__setattr__(self, "average", check_positive("average", self.average))
            if self.average >= 1:
                raise ValueError(f"average must be a decay below 1, such as 0.99, got {self.average:g}")
        if not isinstance(self.compile, bool | str) or self.compile not in (True, False, "auto"):
            raise ValueError(f"compile must be True, False or 'auto', got {shown(self.compile)}")
        if self.lam and (self.blind or self.max_sigma is not None):
            name = "blind" if self.blind else "max_sigma"
            raise ValueError(f"{name} needs a loss without regularizer: leave out lam, got {self.lam:g}")
