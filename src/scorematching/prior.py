"""Image priors: an energy, the scale and place at which it looks at a picture, and where it came from."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scorematching.compiling import run
from scorematching.derivatives import score
from scorematching.losses import score_matching_loss
from scorematching.models import FieldsOfExperts, PoT, Whitening

ModelName = Literal["foe", "pot"]


@dataclass(frozen=True)
class PriorInfo:
    """What a prior is and where it came from; intensities are shares of white.

    Attributes:
        model: ``"foe"`` (field of experts) or ``"pot"`` (product of Student-t on patches).
        size: Side of a filter or patch, in pixels.
        filters: Number of experts.
        unit: The intensity that the energy sees as 1: the noise level where there is one.
        sigma: Standard deviation of the noise in the training data; 0 for clean data.
        lam: The regulariser of the loss, in units of ``unit`` squared.
        seed: Of the training.
        steps: Of the training.
        data: What it was trained on, in words.
        version: Of this library.
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

    def __post_init__(self) -> None:
        if self.model not in ("foe", "pot"):
            raise ValueError(f"model must be 'foe' or 'pot', got {self.model!r}")
        for name, largest in (("size", 64), ("filters", 4096), ("seed", None), ("steps", None)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 0 or (largest is not None and value > largest):
                limit = f"a whole number of 0 to {largest}" if largest else "a whole number of 0 or more"
                raise ValueError(f"{name} must be {limit}, got {value!r}")
        for name in ("unit", "sigma", "lam"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0 <= value < math.inf or (name == "unit" and value == 0):
                raise ValueError(f"unit must be positive, sigma and lam 0 or more, got {name}={value!r}")
        for name in ("data", "version"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} must be text, got {getattr(self, name)!r}")

    def replace(self, **changes: object) -> PriorInfo:
        """A copy with some entries changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]


class Prior(nn.Module, ABC):
    """An energy of pictures, ``p(x) ∝ exp(-E(x))``. Pictures are planes: (N, 1, H, W), black 0, white 1.

    Attributes:
        info: What it is and where it came from.
        margin: How many pixels a pixel's score looks to each side.
    """

    energy: FieldsOfExperts | PoT

    #: Tiles of this side are worked on one at a time: memory does not grow with the picture, and a tile fits the cache.
    tile = 128

    def __init__(self, info: PriorInfo) -> None:
        super().__init__()
        self.info = info
        self.margin = info.size - 1

    @property
    @abstractmethod
    def filters(self) -> Tensor:
        """The filters as they meet the picture, (K, n, n)."""

    @abstractmethod
    def loss(self, crops: Tensor) -> Tensor:
        """The score matching loss on crops of pictures with ``info.lam``, a pixel, in units of ``info.unit``."""

    @abstractmethod
    def _energy(self, planes: Tensor) -> Tensor:
        """Energy of each padded plane, in units of ``info.unit``: (N, 1, H, W) to (N,)."""

    @abstractmethod
    def _gradient(self, planes: Tensor) -> Tensor:
        """Its gradient, (N, 1, H, W)."""

    def fit_preprocessing(self, crops: Tensor) -> None:
        """Set what is estimated from the data before the training; nothing by default."""

    def constrain(self) -> None:
        """Project the parameters onto those allowed; called after each step of the training.

        A prior of clean pictures is for MAP at any noise level, which needs an energy that is bounded below: no expert
        of it may have a negative weight. With noisy pictures Tweedie's formula needs no such thing, and free weights
        denoise better.
        """
        if not self.info.sigma:
            with torch.no_grad():
                self.energy.weights.clamp_(min=0)

    def score(self, planes: Tensor) -> Tensor:
        """``grad log p`` of each plane given its mirrored surroundings: (N, 1, H, W), in tiles and without seams.

        Raises:
            ValueError: Not of shape (N, 1, H, W), or not larger than ``margin``.
        """
        padded = self._padded(planes)
        m, result = self.margin, torch.empty_like(planes)
        for rows, columns in self._tiles(planes):
            around = padded[..., rows.start : rows.stop + 2 * m, columns.start : columns.stop + 2 * m]
            gradient = run(type(self)._gradient, self, around / self.info.unit)
            result[..., rows, columns] = -gradient[..., m:-m, m:-m] / self.info.unit
        return result

    @torch.no_grad()
    def energy_and_gradient(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """Energies with mirrored borders, (N,), and their exact gradient by the planes, (N, 1, H, W); in tiles.

        Raises:
            ValueError: Not of shape (N, 1, H, W), or not larger than ``margin``.
        """
        leaf = planes.detach().requires_grad_()
        with torch.enable_grad():
            padded = self._padded(leaf) / self.info.unit
        energies, by_padded = planes.new_zeros(len(planes)), torch.zeros_like(padded)
        m = self.margin
        places = padded[..., m:, m:]  # one for each patch: its energy belongs to one tile
        for rows, columns in self._tiles(places):
            part = (..., slice(rows.start, rows.stop + m), slice(columns.start, columns.stop + m))
            energy, gradient = run(_energy_and_gradient, self, padded[part])
            energies += energy
            by_padded[part] += gradient
        return energies, torch.autograd.grad(padded, leaf, by_padded)[0]

    def _padded(self, planes: Tensor) -> Tensor:
        if planes.ndim != 4 or planes.shape[1] != 1 or min(planes.shape[2:]) <= self.margin:
            raise ValueError(
                f"expected planes of shape (N, 1, H, W), H and W over {self.margin}, got {tuple(planes.shape)}"
            )
        return F.pad(planes, [self.margin] * 4, mode="reflect")

    def _tiles(self, planes: Tensor) -> Iterator[tuple[slice, slice]]:
        height, width = planes.shape[2:]
        for top in range(0, height, self.tile):
            for left in range(0, width, self.tile):
                yield slice(top, min(top + self.tile, height)), slice(left, min(left + self.tile, width))


def _energy_and_gradient(prior: Prior, planes: Tensor) -> tuple[Tensor, Tensor]:
    """Of a tile."""
    return prior._energy(planes), prior._gradient(planes)


class FieldPrior(Prior):
    """A field of experts over the whole picture."""

    def __init__(self, info: PriorInfo) -> None:
        super().__init__(info)
        self.energy = FieldsOfExperts(info.filters, info.size)

    @property
    def filters(self) -> Tensor:
        """The filters, (K, n, n)."""
        return self.energy.filters[:, 0]

    def loss(self, crops: Tensor) -> Tensor:
        """The loss of the pixels that all their filters cover, given those around them."""
        m, weight = self.margin, torch.zeros_like(crops[0])
        weight[:, m:-m, m:-m] = 1
        x = crops / self.info.unit
        return score_matching_loss(self.energy, x, self.info.lam, weight=weight, check_finite=False) / weight.sum()

    def _energy(self, planes: Tensor) -> Tensor:
        return self.energy(planes)

    def _gradient(self, planes: Tensor) -> Tensor:
        return -score(self.energy, planes, check_finite=False)


class PatchPrior(Prior):
    """A product of Student-t on whitened patches; a picture's energy is the mean over the grids of patches.

    Every pixel is in ``size^2`` patches, and the energies of all patches are added with a factor of 1 / size^2: a
    denoised pixel is then the mean over the denoised patches that it is in.
    """

    def __init__(self, info: PriorInfo) -> None:
        super().__init__(info)
        self.whitening = Whitening(info.size)
        self.energy = PoT(info.size**2 - 1, info.filters, info.seed)

    @property
    def filters(self) -> Tensor:
        """The filters with the whitening in them, (K, n, n)."""
        return self.whitening.adjoint(self.energy.filters).unflatten(1, [self.info.size] * 2)

    def fit_preprocessing(self, crops: Tensor) -> None:
        """Estimate the whitening."""
        self.whitening.fit(self._patches(crops / self.info.unit, self.info.size))

    def loss(self, crops: Tensor) -> Tensor:
        """The loss of whitened patches that do not overlap, a dimension."""
        whitened = self.whitening(self._patches(crops / self.info.unit, self.info.size))
        return score_matching_loss(self.energy, whitened, self.info.lam, check_finite=False) / whitened.shape[1]

    def _energy(self, planes: Tensor) -> Tensor:
        patches = self.whitening(self._patches(planes, stride=1))
        return self.energy(patches).view(len(planes), -1).sum(1) / self.info.size**2

    def _gradient(self, planes: Tensor) -> Tensor:
        patches = self.whitening(self._patches(planes, stride=1))
        gradient = self.whitening.adjoint(-score(self.energy, patches, check_finite=False))
        columns = gradient.view(len(planes), -1, self.info.size**2).transpose(1, 2)
        height, width = planes.shape[2:]
        return F.fold(columns, (height, width), self.info.size) / self.info.size**2

    def _patches(self, planes: Tensor, stride: int) -> Tensor:
        return F.unfold(planes, self.info.size, stride=stride).transpose(1, 2).flatten(0, 1)


def build_prior(info: PriorInfo) -> Prior:
    """An untrained prior.

    Raises:
        ValueError: A size is out of its range.
    """
    return (FieldPrior(info) if info.model == "foe" else PatchPrior(info)).float()


def place(planes: Tensor, prior: Prior, device: str | torch.device | None) -> Tensor:
    """Planes with the device and precision of a prior, after it was moved to ``device`` if one is given."""
    if device is not None:
        prior.to(device)
    return planes.to(next(prior.parameters()))
