from .denoising import denoise
from .inverse import restore
from .noise_estimate import find_noise
from .operators import BicubicDownsampling, Blur, FunctionOperator, LinearOperator, Mask, check_adjoint, gaussian_kernel
from .upscaling import upscale

__all__ = [
    "BicubicDownsampling",
    "Blur",
    "FunctionOperator",
    "LinearOperator",
    "Mask",
    "check_adjoint",
    "denoise",
    "find_noise",
    "gaussian_kernel",
    "restore",
    "upscale",
]
