"""What a prior is and where it came from."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal, get_args

from scorematching.energies.field_of_experts import ExpertName
from scorematching.runtime.arguments import check_choice, check_count, check_flag, check_positive

ModelName = Literal["foe", "pot", "deep"]
_LARGEST = {"size": 64, "filters": 4096, "depth": 64, "octaves": 4}


@dataclass(frozen=True)
class PriorInfo:
    """What a prior is and where it came from; intensities are shares of white.

    Attributes:
        model: ``"foe"`` (field of experts), ``"pot"`` (product of Student-t on patches) or ``"deep"`` (convolutional).
        size: Side of a filter or patch, in pixels; of a deep prior in blocks of pixels.
        filters: Number of experts, of each octave; of a deep prior the channels of a layer.
        unit: The intensity that the energy sees as 1: the noise level where there is one.
        sigma: Standard deviation of the noise in the training data; 0 for clean data.
        lam: The regularizer of the loss, in units of ``unit`` squared.
        seed: Of the training.
        steps: Of the training.
        data: What it was trained on, in words.
        version: Of this library.
        depth: Convolutions of a deep prior, one behind the other.
        blind: Whether it was also trained on images with less noise than it is told.
        octaves: At how many scales a field of experts sees the image.
        expert: What its experts are: ``"student-t"`` or ``"spline"``.
        normalize_filters: Whether its filters have zero mean and unit norm.
        levels: The lowest and the highest noise level that it was trained for; ``sigma`` twice if not given.
        colors: Of a pixel: 1 for gray images; 3, red, green and blue, which deep priors can see together.
    """

    model: ModelName
    size: int
    filters: int
    unit: float
    sigma: float
    lam: float
    seed: int
    steps: int
    data: str
    version: str
    depth: int = 1
    blind: bool = False
    octaves: int = 1
    expert: ExpertName = "student-t"
    normalize_filters: bool = False
    levels: tuple[float, float] = (0.0, 0.0)
    colors: int = 1

    def __post_init__(self) -> None:
        check_choice("model", self.model, get_args(ModelName))
        for name, largest in (*_LARGEST.items(), ("seed", None), ("steps", None)):
            object.__setattr__(self, name, check_count(name, getattr(self, name), 0, largest))
        self._check_field()
        for name in ("unit", "sigma", "lam"):
            object.__setattr__(self, name, check_positive(name, getattr(self, name), zero=name != "unit"))
        self._check_levels()
        for name in ("blind", "normalize_filters"):
            check_flag(name, getattr(self, name))
        for name in ("data", "version"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} must be text, got {getattr(self, name)!r}")

    def _check_field(self) -> None:
        if self.octaves < 1:
            raise ValueError(f"octaves must be 1 or more, got {self.octaves}")
        check_choice("expert", self.expert, get_args(ExpertName))
        told = (self.octaves, self.expert, self.normalize_filters)
        if self.model != "foe" and told != (1, "student-t", False):
            raise ValueError(f"octaves, expert and normed are for 'foe', got {told} for {self.model!r}")
        if type(self.colors) is not int or self.colors not in ((1, 3) if self.model == "deep" else (1,)):
            raise ValueError(f"colors must be 1, or 3 of a deep prior, got {self.colors!r} for {self.model!r}")

    def _check_levels(self) -> None:
        given = (self.sigma, self.sigma) if tuple(self.levels) == (0.0, 0.0) else self.levels
        levels = tuple(check_positive("each of levels", level, zero=True) for level in given)
        if len(levels) != 2 or levels[0] > levels[1]:
            raise ValueError(f"levels must be two numbers of 0 or more, the lower one first, got {self.levels!r}")
        object.__setattr__(self, "levels", levels)

    def replace(self, **changes: object) -> PriorInfo:
        """A copy with some entries changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]
