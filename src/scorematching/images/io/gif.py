"""GIF files, by imagecodecs: one image, or the frames of an animation. They are only read."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
from PIL.GifImagePlugin import GifImageFile

from scorematching.images.io.limits import check_images, read_file
from scorematching.images.io.metadata import Metadata
from scorematching.images.io.pillow import opened


def read(path: Path) -> list[np.ndarray]:
    """Read the frames as they are shown, uint8: (H, W) if all are gray, (H, W, 3), or (H, W, 4) if any is transparent.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> path = Path(tempfile.mkdtemp()) / "movie.gif"
        >>> frames = [Image.fromarray(np.full((4, 6), value, np.uint8)) for value in (10, 20)]
        >>> frames[0].save(path, save_all=True, append_images=frames[1:])
        >>> [(frame.shape, int(frame.max())) for frame in read(path)]
        [((4, 6), 10), ((4, 6), 20)]
    """
    with opened(path, GifImageFile) as file:  # all frames are decoded at once
        check_images(
            (getattr(file, "n_frames", 1), file.height, file.width, 4), np.dtype(np.uint8), path.stat().st_size
        )
    decoded = imagecodecs.gif_decode(read_file(path))
    frames = decoded if decoded.ndim == 4 else decoded[None]
    if frames.shape[3] == 4 and (frames[..., 3] == 255).all():
        frames = frames[..., :3]
    if frames.shape[3] == 3 and (frames == frames[..., :1]).all():
        frames = frames[..., 0]
    return list(frames)


def read_metadata(path: Path) -> Metadata:
    """Return no metadata: a GIF has none that other formats store.

    Example:
        >>> read_metadata(Path("movie.gif")) == Metadata()
        True
    """
    return Metadata()
