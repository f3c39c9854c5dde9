"""Restoration of pictures with a prior: one public function a task."""

from scorematching.restoration.denoise import denoise
from scorematching.restoration.map import maximum_a_posteriori
from scorematching.restoration.operators import BicubicDownsampling, LinearOperator
from scorematching.restoration.upscale import bicubic_upscale, upscale

__all__ = [
    "BicubicDownsampling",
    "LinearOperator",
    "bicubic_upscale",
    "denoise",
    "maximum_a_posteriori",
    "upscale",
]
