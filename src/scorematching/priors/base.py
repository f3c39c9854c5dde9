"""Base class of image priors: an energy of images, evaluated in tiles, and its noise level."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scorematching.curvature.derivatives import score
from scorematching.energies.metric import with_metric
from scorematching.graph import Graph
from scorematching.noise import GaussianNoise
from scorematching.priors.architecture import ModelConfig
from scorematching.priors.batch import Crops
from scorematching.priors.info import Provenance, TrainedNoise, as_trained_noise
from scorematching.priors.summands import summands
from scorematching.priors.tiles import Grid, mirrored, squares
from scorematching.runtime.arguments import check_between
from scorematching.runtime.cache import remembered
from scorematching.runtime.compiling import run
from scorematching.runtime.kinds import check_arguments
from scorematching.runtime.progress import Progress, ProgressCallback

#: Intensity that the energy of clean images sees as 1, with white at 1.
_UNIT_OF_CLEAN = 10 / 255


class Prior(nn.Module, ABC):
    """Energy of images, ``p(x) ∝ exp(-E(x))``. Images are planes (N, C, H, W), with black at 0 and white at 1.

    A grayscale prior, with C = 1, sees the channels of color images one by one. A color prior, with C = 3, sees red,
    green and blue together (:meth:`arrange`). A prior that sees neighbors has the planes of several images, in their
    order, with those of the image itself (:attr:`own`) in the middle.

    Attributes:
        config: Architecture.
        noise: Noise of the images whose density the prior models; ``None`` for clean images.
        provenance: Origin of the prior: its data and its training.
        margin: Distance in pixels up to which the score of a pixel depends on others; a multiple of ``block``.
    """

    config: ModelConfig
    #: The energy. It takes images in multiples of :attr:`unit`.
    energy: Graph
    #: Side in pixels of the blocks that the energy works on. Images of other sizes are extended by mirrored pixels.
    block = 1
    #: Side in pixels of the tiles that are processed one after the other, so that memory does not grow with the image.
    tile = 128

    def __init__(
        self,
        config: ModelConfig,
        noise: float | GaussianNoise | TrainedNoise | None,
        margin: int,
        provenance: Provenance | None,
    ) -> None:
        super().__init__()
        self.config, self.noise, self.margin = config, as_trained_noise(noise), margin
        kernel = None if self.noise is None else self.noise.kernel
        if kernel is not None and len(kernel) != config.colors:
            raise ValueError(
                f"this prior takes images of {config.colors} channels, but the correlation of the noise is of "
                f"{len(kernel)}: pass shape ({config.colors}, {config.colors}, k, k)"
            )
        self.provenance = Provenance() if provenance is None else provenance

    @property
    @abstractmethod
    def filters(self) -> Tensor:
        """Filters as they act on the image, shape (K, n, n), or (K, 3, n, n) for color."""

    @abstractmethod
    def loss(self, crops: Crops, lam: float, generator: torch.Generator | None = None) -> Tensor:
        """Return the score matching loss per pixel, for images in multiples of :attr:`unit`.

        Args:
            crops: A batch.
            lam: Weight of the regularizer, in units of :attr:`unit` squared.
            generator: Random number generator of the probes, for priors that use probes.
        """

    def constrain(self) -> None:
        """Project the parameters onto the allowed ones, after each training step. By default all are allowed."""

    @property
    def parts(self) -> Sequence[Prior]:
        """Priors that are trained at the same time, each by its own optimizer. By default this one."""
        return [self]

    @property
    def matrices(self) -> list[nn.Parameter]:
        """Weights (M, C, h, w) that the optimizer treats as matrices (M, C h w). By default none."""
        return []

    @property
    def images(self) -> int:
        """Number of images that the prior sees together: 1, or more with neighbors."""
        return 2 * self.config.neighbors + 1

    @property
    def own(self) -> slice:
        """Channels of the image itself, among those of its neighbors."""
        first = self.config.neighbors * self.config.colors
        return slice(first, first + self.config.colors)

    @property
    def unit(self) -> float:
        """Intensity that the energy sees as 1, with white at 1: the noise level, or 10/255 for clean images."""
        return self.noise.sigma if self.noise is not None else _UNIT_OF_CLEAN

    @property
    def level(self) -> float:
        """Noise level of the images that :meth:`energy_and_gradient` describes, with white at 1.

        For a prior of several levels it is the lowest one, which is nearest to clean images. For a prior of clean
        images it is :attr:`unit`.
        """
        return self.noise.range[0] if self.noise is not None else self.unit

    @property
    def min_size(self) -> int:
        """Minimum height and width of an image, in pixels."""
        return self.margin + self.block

    @property
    def min_crop(self) -> int:
        """Minimum height and width of a training crop, in pixels."""
        return 2 * self.min_size

    def in_metric(self, energy: Graph) -> Graph:
        """Return an energy of this prior, differentiated in the metric of its noise, as training needs.

        For white noise and clean images this is the energy itself. See :func:`scorematching.energies.with_metric`.
        """
        noise = self.noise
        kernel = None if noise is None else noise.kernel
        if kernel is None:
            return energy
        like = next(energy.parameters())
        return remembered(energy, ("metric", noise, like.dtype, like.device), lambda: with_metric(energy, kernel))

    def check_size(self, height: int, width: int) -> None:
        """Raise ``ValueError`` if an image is too small for the prior."""
        check_arguments(Prior.check_size, locals())
        if min(height, width) < self.min_size:
            smaller = "; a field of experts, such as one fitted to the image itself, takes smaller ones"
            raise ValueError(
                f"an image of {width} x {height} pixels is too small: this prior takes {self.min_size} or more in "
                f"width and height{smaller if self.config.kind == 'deep' else ''}"
            )

    def score(
        self,
        planes: Tensor,
        contrast: float = 1.0,
        progress: ProgressCallback | None = None,
        at: tuple[int, int] = (0, 0),
    ) -> Tensor:
        """Return ``grad log p`` of each image with mirrored borders. It is computed in tiles, without seams.

        Args:
            planes: Images, shape (N, C, H, W), with the number of channels of the prior. The result is 0 for neighbors.
            contrast: Factor that the images are multiplied by first.
            progress: Called after each tile.
            at: Row and column of a larger image at which the images start. Its tiles give the same bits.

        Returns:
            Shape (N, C, H, W).

        Raises:
            ValueError: The shape does not fit, or the image is too small.
        """
        check_arguments(Prior.score, locals())
        contrast = check_between("contrast", contrast, 1e-9, 1e9)
        tiles, result = self.grid(planes).tiles(self.tile, at=at), torch.zeros_like(planes)
        for done, tile in enumerate(tiles, 1):
            gradient = run(_gradient, self, contrast * tile.take(planes) / self.unit)
            tile.put(result[:, self.own], gradient[:, self.own] / -self.unit)
            if progress is not None:
                progress(Progress(done, len(tiles)))
        return result

    def grid(self, planes: Tensor) -> Grid:
        """Return the images with mirrored borders, to be cut into tiles.

        Raises:
            ValueError: The shape does not fit, or the image is too small.
        """
        bottom, right = self._padding(planes)
        rows = mirrored(planes.shape[2], self.margin, bottom, planes.device)
        columns = mirrored(planes.shape[3], self.margin, right, planes.device)
        return Grid(rows, columns, self.margin)

    @torch.no_grad()
    def energy_and_gradient(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """Return the energies of images with mirrored borders, (N,), and their exact gradient, (N, C, H, W).

        Both are for images with noise of :attr:`level`, and are computed in tiles.

        Raises:
            ValueError: The shape does not fit, or the image is too small.
        """
        check_arguments(Prior.energy_and_gradient, locals())
        self._padding(planes)
        leaf = planes.detach().requires_grad_()
        with torch.enable_grad():
            padded = self._padded(leaf) / self.level
        energies, by_padded, m = planes.new_zeros(len(planes)), torch.zeros_like(padded), self.margin
        # Each summand belongs to one tile.
        for rows, columns in squares(padded.shape[2] - m, padded.shape[3] - m, self.tile):
            part = (..., slice(rows.start, rows.stop + m), slice(columns.start, columns.stop + m))
            energies += run(summands, self.energy, padded[part]).sum((1, 2))
            by_padded[part] += run(_gradient, self, padded[part])
        return energies, torch.autograd.grad(padded, leaf, by_padded)[0]

    @torch.no_grad()
    def energy_map(self, planes: Tensor) -> Tensor:
        """Return a map of the contributions to the energy, shape (N, 1, H, W). It is computed in tiles.

        For a field of experts, the value of a pixel is the sum over the experts whose filters are centered at the
        pixel. With several octaves, it is shared equally among the pixels of a block of the coarsest octave. For a deep
        prior, it is the contribution of a block, shared equally among its pixels. The sum over all pixels, including
        those just beyond the border, is the energy of :meth:`energy_and_gradient`.

        Raises:
            ValueError: The shape does not fit, or the image is too small.
        """
        check_arguments(Prior.energy_map, locals())
        padded = self._padded(planes) / self.level
        (height, width), b, m = planes.shape[2:], self.block, self.margin
        found = torch.empty_like(padded[:, :1, m:, m:])
        for rows, columns in squares(found.shape[2], found.shape[3], self.tile):
            around = padded[..., rows.start : rows.stop + m, columns.start : columns.stop + m]
            blocks = run(summands, self.energy, around)
            found[:, 0, rows, columns] = blocks.repeat_interleave(b, 1).repeat_interleave(b, 2) / b**2
        half = m // 2  # number of positions beyond each border
        return found[..., half : half + height, half : half + width]

    def arrange(self, planes: Tensor) -> Tensor:
        """Arrange the planes of one image, (C, 1, H, W), as the prior sees them: one by one, or as (1, 3, H, W).

        This method is its own inverse. With neighbors, the planes of all images come one after the other,
        (images C, 1, H, W), and become (C, images, H, W), or (1, 3 images, H, W).

        Raises:
            ValueError: The prior is a color prior, and the image is grayscale; or the neighbors are missing.
        """
        check_arguments(Prior.arrange, locals())
        count = self.images
        if len(planes) % count:
            raise ValueError(f"this prior sees {count} images together, got {len(planes)} planes: pass neighbors")
        images = [self._arranged(image) for image in planes.chunk(count)]
        return torch.cat(images, 1) if count > 1 else images[0]

    def check_colors(self, planes: Tensor) -> None:
        """Raise ``ValueError`` if the planes of an image, (C, 1, H, W), have other colors than the prior."""
        self._arranged(planes)

    def separate(self, arranged: Tensor) -> Tensor:
        """Return the planes that :meth:`arrange` arranged."""
        images = [self._arranged(image) for image in arranged.split(self.config.colors, 1)]
        return torch.cat(images) if self.images > 1 else images[0]

    def _arranged(self, planes: Tensor) -> Tensor:
        """Arrange the planes of one image, (C, 1, H, W), or (1, C, H, W) back."""
        colors = self.config.colors
        if colors == 1:
            return planes
        if planes.shape[:2] not in ((colors, 1), (1, colors)):
            what = "is grayscale" if len(planes) == 1 else f"has shape {tuple(planes.shape)}"
            raise ValueError(
                f"this prior is for images in red, green and blue, and the image {what}: take a prior of grayscale "
                "images, such as natural-gray"
            )
        return planes.transpose(0, 1)

    def _padded(self, planes: Tensor) -> Tensor:
        bottom, right = self._padding(planes)
        return F.pad(planes, [self.margin, right, self.margin, bottom], mode="reflect")

    def _padding(self, planes: Tensor) -> tuple[int, int]:
        """Return the number of mirrored pixels below and to the right; above and to the left it is ``margin``."""
        channels, like = self.images * self.config.colors, next(self.parameters())
        if planes.ndim != 4 or planes.shape[1] != channels:
            raise ValueError(f"expected planes of shape (N, {channels}, H, W), got {tuple(planes.shape)}")
        if planes.dtype != like.dtype:
            raise TypeError(f"planes must be of {like.dtype}, as this prior, got {planes.dtype}")
        self.check_size(*planes.shape[2:])
        bottom, right = (self.margin - n % -self.block for n in planes.shape[2:])
        return bottom, right


def _gradient(prior: Prior, planes: Tensor) -> Tensor:
    """Return the gradient of the energy of a padded tile, (N, C, H, W)."""
    with torch.no_grad():
        return -score(prior.energy, planes, check_finite=False)
