"""Pictures: files, arrays of any type, quality measures."""

from scorematching.images.anscombe import Anscombe, Stabilizer, camera_noise
from scorematching.images.arrays import Planes, find_white, from_planes, to_planes
from scorematching.images.files import (
    IMAGE_SUFFIXES,
    count_pages,
    find_white_of_file,
    read_image,
    read_metadata,
    read_pages,
    write_image,
    write_pages,
)
from scorematching.images.metadata import Metadata
from scorematching.images.metrics import psnr, ssim
from scorematching.images.noise import estimate_noise
from scorematching.images.paths import find_images

__all__ = [
    "IMAGE_SUFFIXES",
    "Anscombe",
    "Metadata",
    "Planes",
    "Stabilizer",
    "camera_noise",
    "count_pages",
    "estimate_noise",
    "find_images",
    "find_white",
    "find_white_of_file",
    "from_planes",
    "psnr",
    "read_image",
    "read_metadata",
    "read_pages",
    "ssim",
    "to_planes",
    "write_image",
    "write_pages",
]
