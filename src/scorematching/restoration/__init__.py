"""Restoration of pictures with a prior: one public function a task."""

from scorematching.restoration.annealed import annealed
from scorematching.restoration.clipping import unclipped
from scorematching.restoration.convergence import Convergence
from scorematching.restoration.denoise import denoise
from scorematching.restoration.map import maximum_a_posteriori
from scorematching.restoration.noise_level import find_noise
from scorematching.restoration.operators import (
    BicubicDownsampling,
    Blur,
    FunctionOperator,
    LinearOperator,
    Mask,
    bicubic_upscale,
    check_adjoint,
    gaussian_kernel,
)
from scorematching.restoration.restore import restore
from scorematching.restoration.stein import stein_error
from scorematching.restoration.tweedie import tweedie
from scorematching.restoration.upscale import upscale

__all__ = [
    "BicubicDownsampling",
    "Blur",
    "Convergence",
    "FunctionOperator",
    "LinearOperator",
    "Mask",
    "annealed",
    "bicubic_upscale",
    "check_adjoint",
    "denoise",
    "find_noise",
    "gaussian_kernel",
    "maximum_a_posteriori",
    "restore",
    "stein_error",
    "tweedie",
    "unclipped",
    "upscale",
]
