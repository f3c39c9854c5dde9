"""Image priors: an energy, the scale and place at which it looks at an image, tiles."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scorematching.graph import Graph
from scorematching.layers import Sum
from scorematching.priors.info import PriorInfo
from scorematching.runtime.compiling import run
from scorematching.runtime.progress import Step


class Prior(nn.Module, ABC):
    """An energy of images, ``p(x) ∝ exp(-E(x))``. Images are (N, C, H, W), black 0, white 1.

    Gray ones have one channel; of color images a gray prior takes the channels for images of their own, and one of
    colors sees them together (:meth:`seen`).

    Attributes:
        info: What it is and where it came from.
        margin: How many pixels a pixel's score looks to each side; a multiple of ``block``.
    """

    #: In units of ``info.unit``.
    energy: Graph
    #: Images are worked on in blocks of this side; those that are not made of whole blocks get some mirrored pixels.
    block = 1
    #: Tiles of this side are worked on one at a time: memory does not grow with the image, and a tile fits the cache.
    tile = 128

    def __init__(self, info: PriorInfo, margin: int) -> None:
        super().__init__()
        self.info, self.margin = info, margin

    @property
    @abstractmethod
    def filters(self) -> Tensor:
        """The filters as they meet the image, (K, n, n), or (K, 3, n, n) of colors."""

    @abstractmethod
    def loss(self, crops: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The score matching loss on crops of images with ``info.lam``, a pixel, in units of ``info.unit``.

        Args:
            crops: Shape (N, C, H, W).
            generator: What random probes are drawn with, where there are any.
        """

    @abstractmethod
    def _places(self, planes: Tensor) -> Tensor:
        """What each place adds to the energy of padded planes, in units of ``info.unit``: (N, C, H, W) to (N, h, w).

        A place is where a filter, a patch or the network can be laid: one a pixel, or a block.
        """

    @abstractmethod
    def _gradient(self, planes: Tensor) -> Tensor:
        """Its gradient, (N, C, H, W)."""

    def fit_preprocessing(self, crops: Callable[[], Tensor]) -> None:
        """Set what is estimated from the data before the training, which are drawn by a call; nothing by default."""

    def constrain(self) -> None:
        """Project the parameters onto those allowed; called after each step of the training. Nothing by default."""

    @property
    def matrices(self) -> list[nn.Parameter]:
        """Weights (M, C, h, w) that training takes for matrices (M, C h w); none by default."""
        return []

    @property
    def level(self) -> float:
        """Noise level of the images whose energy is meant, white being 1; of clean images the unit.

        Of a prior that knows several it is the lowest, the one nearest to clean images.
        """
        return self.info.levels[0] or self.info.unit

    def score(self, planes: Tensor, contrast: float = 1.0, progress: Step | None = None) -> Tensor:
        """``grad log p`` of each image given its mirrored surroundings: (N, C, H, W), in tiles and without seams.

        Args:
            planes: Shape (N, C, H, W), with ``info.colors`` C.
            contrast: What they are multiplied by first.
            progress: Called with the tiles done and their number.

        Raises:
            ValueError: Not of that shape, or too small.
        """
        bottom, right = self._beyond(planes)
        rows = mirrored(planes.shape[2], self.margin, bottom, planes.device)
        columns = mirrored(planes.shape[3], self.margin, right, planes.device)
        m, result = self.margin, torch.empty_like(planes)
        tiles = list(self._tiles(len(rows) - 2 * m, len(columns) - 2 * m))
        for done, (down, across) in enumerate(tiles, 1):
            near = rows[down.start : down.stop + 2 * m, None], columns[across.start : across.stop + 2 * m]
            inner = result[..., down, across]
            height, width = inner.shape[2:]
            gradient = run(type(self)._gradient, self, contrast * planes[..., *near] / self.info.unit)
            inner.copy_(gradient[..., m : m + height, m : m + width] / -self.info.unit)
            if progress is not None:
                progress(done, len(tiles))
        return result

    @torch.no_grad()
    def energy_and_gradient(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """Energies with mirrored borders, (N,), and their exact gradient by the planes, (N, C, H, W); in tiles.

        They are those at noise of :attr:`level`.

        Raises:
            ValueError: Not of that shape, or too small.
        """
        leaf = planes.detach().requires_grad_()
        with torch.enable_grad():
            padded = self._padded(leaf) / self.level
        energies, by_padded = planes.new_zeros(len(planes)), torch.zeros_like(padded)
        m = self.margin
        for rows, columns in self._tiles(*padded[..., m:, m:].shape[2:]):  # each place belongs to one tile
            part = (..., slice(rows.start, rows.stop + m), slice(columns.start, columns.stop + m))
            energy, gradient = run(_energy_and_gradient, self, padded[part])
            energies += energy
            by_padded[part] += gradient
        return energies, torch.autograd.grad(padded, leaf, by_padded)[0]

    @torch.no_grad()
    def energy_map(self, planes: Tensor) -> Tensor:
        """Where the energy is: what the place around each pixel adds to it, (N, 1, H, W); in tiles.

        Of a field of experts the sum over the experts whose filters are centerd there, of one of several octaves shared
        among the pixels of the coarsest; of a product on patches the
        energy of the patch around the pixel; of a deep prior that of the pixel's block, shared among its pixels. All
        places together, with those just beyond the border, make the energy of :meth:`energy_and_gradient`.

        Raises:
            ValueError: Not of that shape, or too small.
        """
        padded = self._padded(planes) / self.level
        (height, width), b, m = planes.shape[2:], self.block, self.margin
        found = torch.empty_like(padded[:, :1, m:, m:])
        for rows, columns in self._tiles(*found.shape[2:]):
            around = padded[..., rows.start : rows.stop + m, columns.start : columns.stop + m]
            blocks = run(type(self)._places, self, around)
            found[:, 0, rows, columns] = blocks.repeat_interleave(b, 1).repeat_interleave(b, 2) / b**2
        half = m // 2  # so many places lie beyond each border
        return found[..., half : half + height, half : half + width]

    def seen(self, planes: Tensor) -> Tensor:
        """The planes of one image, (C, 1, H, W), as the prior sees them: one by one, or three together, (1, 3, H, W).

        The same leads back.

        Raises:
            ValueError: It is a prior of colors, and the image has others or none.
        """
        if self.info.colors == 1:
            return planes
        if planes.shape[:2] not in ((self.info.colors, 1), (1, self.info.colors)):
            what = "is gray" if len(planes) == 1 else f"has shape {tuple(planes.shape)}"
            raise ValueError(
                f"this prior is one of images in red, green and blue, and the image {what}: take one of gray "
                "images, such as natural-gray"
            )
        return planes.transpose(0, 1)

    @property
    def least(self) -> int:
        """Pixels that an image must have in height and width."""
        return self.margin + self.block

    @property
    def least_crop(self) -> int:
        """Pixels that a crop to learn from must have in height and width."""
        return 2 * self.least

    def _energy(self, planes: Tensor) -> Tensor:
        """Energy of each padded plane, (N,)."""
        return self._places(planes).sum((1, 2))

    def _padded(self, planes: Tensor) -> Tensor:
        bottom, right = self._beyond(planes)
        return F.pad(planes, [self.margin, right, self.margin, bottom], mode="reflect")

    def _beyond(self, planes: Tensor) -> tuple[int, int]:
        """Mirrored pixels below and to the right; above and to the left there are ``margin``."""
        colors = self.info.colors
        if planes.ndim != 4 or planes.shape[1] != colors:
            raise ValueError(f"expected planes of shape (N, {colors}, H, W), got {tuple(planes.shape)}")
        height, width = planes.shape[2:]
        if min(height, width) < self.least:
            fewer = "; a field of experts, as one learned from the image itself, takes fewer"
            raise ValueError(
                f"{width} x {height} pixels are too few: this prior takes {self.least} or more in width and height"
                f"{fewer if self.info.model == 'deep' else ''}"
            )
        bottom, right = (self.margin - n % -self.block for n in planes.shape[2:])
        return bottom, right

    def _tiles(self, height: int, width: int) -> Iterator[tuple[slice, slice]]:
        for top in range(0, height, self.tile):
            for left in range(0, width, self.tile):
                yield slice(top, min(top + self.tile, height)), slice(left, min(left + self.tile, width))


def mirrored(size: int, before: int, behind: int, device: torch.device) -> Tensor:
    """Which row is where, of an image with mirrored surroundings."""
    places = torch.arange(-before, size + behind, device=device).abs()
    return size - 1 - (size - 1 - places).abs()


def _energy_and_gradient(prior: Prior, planes: Tensor) -> tuple[Tensor, Tensor]:
    """Of a tile."""
    return prior._energy(planes), prior._gradient(planes)


def summands(energy: Graph, planes: Tensor) -> Tensor:
    """What each place adds to an energy of sums, (N, C, H, W) to (N, h, w); a place is that of the coarsest sum."""
    values, found = {energy.input: planes}, []
    for edge, layer in energy.pairs():
        if isinstance(layer, Sum):
            found.append(layer.weight * values[edge.source].sum(1))
        else:
            energy.add_to_node(values, edge, layer(values[edge.source]))
    height, width = (min(places.shape[side] for places in found) for side in (1, 2))
    squares = [places.unflatten(2, (width, -1)).unflatten(1, (height, -1)) for places in found]
    return torch.stack([square.sum((2, 4)) for square in squares]).sum(0)


@torch.no_grad()
def keep_bounded(info: PriorInfo, weights: Tensor) -> None:
    """Project the weights of experts onto those allowed.

    A prior of clean images is for MAP at any noise level, which needs an energy that is bounded below: no expert of
    it may have a negative weight. With noisy images Tweedie's formula needs no such thing, and free weights denoise
    better.
    """
    if not info.sigma:
        weights.clamp_(min=0)


@torch.no_grad()
def keep_rising(info: PriorInfo, weights: Tensor) -> None:
    """The same for splines of weights (K, knots): beyond the knots their straight lines must not fall."""
    if not info.sigma:
        weights[:, 0].clamp_(min=weights[:, 1])
        weights[:, -1].clamp_(min=weights[:, -2])


def place(planes: Tensor, prior: Prior, device: str | torch.device | None) -> Tensor:
    """Planes with the device and precision of a prior, after it was moved to ``device`` if one is given."""
    if device is not None:
        prior.to(device)
    return planes.to(next(prior.parameters()))
