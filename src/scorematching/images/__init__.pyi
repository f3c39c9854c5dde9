from . import photographs
from .arrays import Planes, find_own_white, find_white, from_planes, to_planes
from .io.files import (
    count_pages,
    find_white_of_file,
    read_image,
    read_metadata,
    read_pages,
    write_image,
    write_pages,
)
from .io.formats import IMAGE_SUFFIXES
from .io.metadata import Metadata
from .io.paths import find_images
from .metrics import psnr, ssim
from .sample import sampled
from .validity import can_be_noisy, tells_level

__all__ = [
    "IMAGE_SUFFIXES",
    "Metadata",
    "Planes",
    "can_be_noisy",
    "count_pages",
    "find_images",
    "find_own_white",
    "find_white",
    "find_white_of_file",
    "from_planes",
    "photographs",
    "psnr",
    "read_image",
    "read_metadata",
    "read_pages",
    "sampled",
    "ssim",
    "tells_level",
    "to_planes",
    "write_image",
    "write_pages",
]
