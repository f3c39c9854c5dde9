from . import classics
from .choice import prior_for
from .clipping import unclipped
from .denoising import denoise
from .inverse import restore
from .noise_estimate import estimate_noise
from .operators import (
    BicubicDownsampling,
    Blur,
    FunctionOperator,
    LinearOperator,
    Mask,
    check_adjoint,
    gaussian_kernel,
)
from .photon_noise import estimate_photon_noise
from .raw import DenoisedRaw, denoise_raw
from .upscaling import upscale

__all__ = [
    "BicubicDownsampling",
    "Blur",
    "DenoisedRaw",
    "FunctionOperator",
    "LinearOperator",
    "Mask",
    "check_adjoint",
    "classics",
    "denoise",
    "denoise_raw",
    "estimate_noise",
    "estimate_photon_noise",
    "gaussian_kernel",
    "prior_for",
    "restore",
    "unclipped",
    "upscale",
]
