"""Configurations: the architecture of each kind of prior. Values are checked when a configuration is created."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from scorematching.energies.sizes import ExpertName, check_deep_sizes, check_field_sizes, check_neighbors
from scorematching.runtime.arguments import check_flag

#: Number of pixels of a block of a deep prior.
_BLOCK = 4


@dataclass(frozen=True)
class FieldConfig:
    """Architecture of a field of experts (:class:`scorematching.energies.FieldOfExperts`): fast to train.

    Args:
        filters: Number of filters per octave, from 1 to ``size**2 - 1``.
        size: Side of a filter in pixels, 2 or more; odd with several octaves.
        octaves: Number of scales at which the field sees the image, 1 to 4. Each scale has half the resolution of the
            one before.
        expert: ``"student-t"`` for mixtures of Student-t experts, or ``"spline"`` for free curves.
        normalize_filters: Whether the filters are kept at zero mean and unit norm.
        neighbors: Number of images before and after an image that the prior sees with it, from 0 to 8: frames of a
            movie, slices of a volume, or channels.

    Raises:
        ValueError: A value is out of its range.

    Example:
        >>> FieldConfig(filters=48, size=7)
        FieldConfig(filters=48, size=7, octaves=1, expert='student-t', normalize_filters=False, neighbors=0)
    """

    kind: ClassVar[str] = "field"
    #: Number of color channels that the prior sees together.
    colors: ClassVar[int] = 1

    filters: int = 24
    size: int = 5
    octaves: int = 1
    expert: ExpertName = "student-t"
    normalize_filters: bool = False
    neighbors: int = 0

    def __post_init__(self) -> None:
        check_field_sizes(self.filters, self.size, self.octaves, self.expert)
        check_neighbors(self.neighbors)
        _to_int(self, "filters", "size", "octaves", "neighbors")
        check_flag("normalize_filters", self.normalize_filters)

    @property
    def weights(self) -> int:
        """Number of weights of all filters; the experts have more."""
        patch, planes = self.size**2, 2 * self.neighbors + 1
        alone = self.octaves * self.filters * patch
        return alone if not self.neighbors else alone + planes * (alone + patch**2)


@dataclass(frozen=True)
class DeepConfig:
    """Architecture of a deep prior (:class:`scorematching.energies.DeepField`): better denoising, slower training.

    Args:
        channels: Number of channels of the hidden layers, 1 to 4096.
        size: Side of a filter in blocks of 2 x 2 pixels, odd, 3 or more.
        depth: Number of convolutions on the longest path, even, 2 to 64.
        color: Whether the prior sees red, green and blue together. It then accepts only color images.
        neighbors: Number of images before and after an image that the prior sees with it, from 0 to 8: frames of a
            movie, slices of a volume, or channels.

    Raises:
        ValueError: A value is out of its range.

    Example:
        >>> DeepConfig(channels=32).depth
        6
    """

    kind: ClassVar[str] = "deep"

    channels: int = 64
    size: int = 3
    depth: int = 6
    color: bool = False
    neighbors: int = 0

    def __post_init__(self) -> None:
        check_deep_sizes(self.channels, self.size, self.depth)
        check_neighbors(self.neighbors)
        _to_int(self, "channels", "size", "depth", "neighbors")
        check_flag("color", self.color)

    @property
    def colors(self) -> int:
        """Number of color channels that the prior sees together."""
        return 3 if self.color else 1

    @property
    def weights(self) -> int:
        """Number of weights of all convolutions, without biases."""
        images = [1] if not self.neighbors else [1, 2 * self.neighbors + 1]
        ends = [2 * _BLOCK * self.colors * count for count in images]
        return sum(self.channels * self.size**2 * (end + (self.depth - 2) * self.channels) for end in ends)


def _to_int(config: FieldConfig | DeepConfig, *names: str) -> None:
    """Convert counts of other integer types, such as those of NumPy, to ``int``, which a file can hold."""
    for name in names:
        object.__setattr__(config, name, int(getattr(config, name)))


ModelConfig = FieldConfig | DeepConfig
