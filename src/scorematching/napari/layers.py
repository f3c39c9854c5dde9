"""Layers of a viewer: their axes, the image in view, and the layers of results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scorematching.images.axes import LETTERS, check_axes, images_last, letters_of

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.types import LayerDataTuple

#: Axes of a layer that does not name them: the last of these.
_ORDER = "TCZYX"
#: What a layer of error bars has in common with that of the image.
_PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels", "metadata", "visible")


def values_of(layer: Image) -> Any:
    """Return the array of a layer; of several resolutions, the finest."""
    return layer.data[0] if layer.multiscale else layer.data


def axes_of(layer: Image) -> str:
    """Return the letters of the axes of a layer: by its labels if all are known, else the last of ``"TCZYX"``.

    Raises:
        ValueError: The layer has more than five axes, and does not name them.

    Example:
        >>> from types import SimpleNamespace
        >>> axes_of(SimpleNamespace(name="cells", ndim=3, axis_labels=("-3", "-2", "-1"), rgb=True))
        'ZYXS'
    """
    letters = letters_of(layer.axis_labels)
    if not set(letters) <= set(LETTERS):
        if layer.ndim > len(_ORDER):
            raise ValueError(
                f"layer {layer.name!r} has {layer.ndim} axes without names: name them, letters of {LETTERS}"
            )
        letters = _ORDER[-layer.ndim :]
    return letters + ("S" if layer.rgb else "")


def image_in_view(layer: Image, point: Sequence[float], axes: str) -> np.ndarray:
    """Return the image of a layer that a viewer shows, (H, W) or (H, W, C).

    Args:
        layer: Layer.
        point: Place of the viewer's sliders, in its own coordinates.
        axes: Letters of the axes.

    Raises:
        ValueError: The axes do not fit.
    """
    values = values_of(layer)
    check_axes(axes, values.shape)
    place = layer.world_to_data(point)
    index = tuple(
        slice(None) if letter in "YXS" else int(np.clip(np.rint(place[k]), 0, values.shape[k] - 1))
        for k, letter in enumerate(axes)
    )
    left = "".join(letter for letter in axes if letter in "YXS")
    return np.asarray(values[index]).transpose(images_last(left))


class Source(NamedTuple):
    """A layer as it was when the work began.

    Attributes:
        values: Its array.
        rgb: Whether its last axis is colors.
        state: Its place, colors and name.
    """

    values: Any
    rgb: bool
    state: dict[str, Any]

    @classmethod
    def of(cls, layer: Image) -> Source:
        """Return the present values and state of a layer."""
        _, state, _ = layer.as_layer_data_tuple()
        return cls(values_of(layer), layer.rgb, state)

    def result(self, clean: Any) -> LayerDataTuple:
        """Return the layer of a denoised image, which looks like that of the noisy one."""
        state = {name: value for name, value in self.state.items() if name != "multiscale"}
        return clean, state | {"name": f"{self.state['name']} denoised"}, "image"

    def error_bars(self, std: np.ndarray) -> LayerDataTuple:
        """Return the layer of error bars, at the place of the image; those of colors as one, their root mean square."""
        if self.rgb:
            std = np.sqrt(np.mean(np.square(std[..., :3]), -1))
        place = {name: self.state[name] for name in _PLACE}
        return std, place | {"name": f"{self.state['name']} error bars", "colormap": "inferno"}, "image"
