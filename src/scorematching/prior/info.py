"""What a prior is and where it came from."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal, get_args

from scorematching.fields import ExpertName

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
        lam: The regulariser of the loss, in units of ``unit`` squared.
        seed: Of the training.
        steps: Of the training.
        data: What it was trained on, in words.
        version: Of this library.
        depth: Convolutions of a deep prior, one behind the other.
        blind: Whether it was also trained on pictures with less noise than it is told.
        octaves: At how many scales a field of experts sees the picture.
        expert: What its experts are: ``"student-t"`` or ``"spline"``.
        normed: Whether its filters have zero mean and unit norm.
        levels: The lowest and the highest noise level that it was trained for; ``sigma`` twice if not given.
        colours: Of a pixel: 1 for grey pictures; 3, red, green and blue, which deep priors can see together.
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
    normed: bool = False
    levels: tuple[float, float] = (0.0, 0.0)
    colours: int = 1

    def __post_init__(self) -> None:
        if self.model not in get_args(ModelName):
            raise ValueError(f"model must be 'foe', 'pot' or 'deep', got {self.model!r}")
        for name, largest in (*_LARGEST.items(), ("seed", None), ("steps", None)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 0 or (largest is not None and value > largest):
                limit = f"a whole number of 0 to {largest}" if largest else "a whole number of 0 or more"
                raise ValueError(f"{name} must be {limit}, got {value!r}")
        self._check_field()
        for name in ("unit", "sigma", "lam"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0 <= value < math.inf or (name == "unit" and value == 0):
                raise ValueError(f"unit must be positive, sigma and lam 0 or more, got {name}={value!r}")
        self._check_levels()
        for name in ("blind", "normed"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be True or False, got {getattr(self, name)!r}")
        for name in ("data", "version"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} must be text, got {getattr(self, name)!r}")

    def _check_field(self) -> None:
        if self.octaves < 1:
            raise ValueError(f"octaves must be 1 or more, got {self.octaves}")
        if self.expert not in get_args(ExpertName):
            raise ValueError(f"expert must be 'student-t' or 'spline', got {self.expert!r}")
        told = (self.octaves, self.expert, self.normed)
        if self.model != "foe" and told != (1, "student-t", False):
            raise ValueError(f"octaves, expert and normed are for 'foe', got {told} for {self.model!r}")
        if type(self.colours) is not int or self.colours not in ((1, 3) if self.model == "deep" else (1,)):
            raise ValueError(f"colours must be 1, or 3 of a deep prior, got {self.colours!r} for {self.model!r}")

    def _check_levels(self) -> None:
        levels = (self.sigma, self.sigma) if tuple(self.levels) == (0.0, 0.0) else tuple(self.levels)
        numbers = all(isinstance(level, int | float) and 0 <= level < math.inf for level in levels)
        if len(levels) != 2 or not numbers or levels[0] > levels[1]:
            raise ValueError(f"levels must be two numbers of 0 or more, the lower one first, got {self.levels!r}")
        object.__setattr__(self, "levels", (float(levels[0]), float(levels[1])))

    def replace(self, **changes: object) -> PriorInfo:
        """A copy with some entries changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]
