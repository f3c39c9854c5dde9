"""GIF files, by Pillow: one image, or the frames of an animation. They are only read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from scorematching.images.io.metadata import Metadata


def read(path: Path) -> list[np.ndarray]:
    """Read the frames as they are shown, uint8: (H, W) if all are gray, (H, W, 3), or (H, W, 4) if any is transparent.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "movie.gif"
        >>> frames = [Image.fromarray(np.full((4, 6), value, np.uint8)) for value in (10, 20)]
        >>> frames[0].save(path, save_all=True, append_images=frames[1:])
        >>> [(frame.shape, int(frame.max())) for frame in read(path)]
        [((4, 6), 10), ((4, 6), 20)]
    """
    with Image.open(path, formats=["GIF"]) as file:
        frames = [np.asarray(frame.convert("RGBA")) for frame in ImageSequence.Iterator(file)]
    if any((frame[..., 3] < 255).any() for frame in frames):
        return frames
    if all((frame[..., :3] == frame[..., :1]).all() for frame in frames):
        return [frame[..., 0] for frame in frames]
    return [frame[..., :3] for frame in frames]


def read_metadata(path: Path) -> Metadata:
    """Return no metadata: a GIF has none that other formats store.

    Example:
        >>> read_metadata(Path("movie.gif")) == Metadata()
        True
    """
    return Metadata()
