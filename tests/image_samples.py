"""Random images of every type that the tests of images and files share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import ImageCms

from scorematching.images import read_metadata, read_pages, write_pages

RANDOM = np.random.default_rng(0)

#: Integer images of 7 x 9 pixels, by name.
INTEGERS = {
    "gray 8": RANDOM.integers(0, 256, (7, 9), dtype=np.uint8),
    "rgb 8": RANDOM.integers(0, 256, (7, 9, 3), dtype=np.uint8),
    "rgba 8": RANDOM.integers(0, 256, (7, 9, 4), dtype=np.uint8),
    "gray 16": RANDOM.integers(0, 65536, (7, 9), dtype=np.uint16),
    "rgb 16": RANDOM.integers(0, 65536, (7, 9, 3), dtype=np.uint16),
}
#: Floating-point images of 7 x 9 pixels, by name.
FLOATS = {"gray float32": RANDOM.random((7, 9), dtype=np.float32), "rgb float64": RANDOM.random((7, 9, 3))}
#: Three grayscale pages of one stack.
PAGES = [RANDOM.integers(0, 256, (24, 28), dtype=np.uint8) for _ in range(3)]
#: A color image of 16 x 24 pixels, a 16-bit color image, and a color profile.
COLORS = RANDOM.integers(0, 256, (16, 24, 3), dtype=np.uint8)
DEEP = RANDOM.integers(0, 65536, (7, 9, 3), dtype=np.uint16)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def copy_with_metadata(source: Path, target: Path, factor: int = 1) -> None:
    """Copy the pages of a file with their metadata, enlarged by a factor."""
    pages = [page.repeat(factor, 0).repeat(factor, 1) for page in read_pages(source)]
    write_pages(target, pages, read_metadata(source).enlarged(factor))
