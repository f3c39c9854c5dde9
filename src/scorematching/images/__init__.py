"""Pictures: files, arrays of any type, quality measures."""

from scorematching.images.anscombe import Anscombe, Stabilizer, camera_noise
from scorematching.images.arrays import Planes, from_planes, to_planes
from scorematching.images.files import IMAGE_SUFFIXES, find_images, read_image, write_image
from scorematching.images.metrics import psnr, ssim
from scorematching.images.noise import estimate_noise

__all__ = [
    "IMAGE_SUFFIXES",
    "Anscombe",
    "Planes",
    "Stabilizer",
    "camera_noise",
    "estimate_noise",
    "find_images",
    "from_planes",
    "psnr",
    "read_image",
    "ssim",
    "to_planes",
    "write_image",
]
