"""Regularised score matching by extended double backpropagation, and image priors fitted with it."""

from scorematching import conventions
from scorematching import layers as _layers
from scorematching._version import __version__
from scorematching.checks import CheckError, brute_force, check_gradients, check_layer
from scorematching.closed_form import ClosedForm, fit_closed_form
from scorematching.compiling import compiled
from scorematching.conventions import Convention
from scorematching.curvature import (
    ApproximationWarning,
    Coloring,
    Curvature,
    CurvaturePropagation,
    Diagonal,
    Exactness,
    Full,
    Hutchinson,
    Jacobian,
    Stein,
    exactness,
)
from scorematching.curvature.report import CurvatureReport, curvature_report
from scorematching.deep import DeepField
from scorematching.derivatives import hessian_diagonal, score
from scorematching.fields import FieldsOfExperts
from scorematching.graph import Edge, Graph, Sequential
from scorematching.images import (
    Anscombe,
    Metadata,
    estimate_noise,
    psnr,
    read_image,
    read_metadata,
    read_pages,
    ssim,
    write_image,
    write_pages,
)
from scorematching.layers import *  # noqa: F403
from scorematching.losses import (
    ScoreMatchingLoss,
    denoising_score_matching_loss,
    score_matching_loss,
    sliced_score_matching_loss,
)
from scorematching.models import NICE, PoT, Whitening
from scorematching.prior import Prior, PriorInfo
from scorematching.products import bfloat16_products
from scorematching.restoration import (
    BicubicDownsampling,
    Blur,
    FunctionOperator,
    Mask,
    check_adjoint,
    denoise,
    find_noise,
    gaussian_kernel,
    restore,
    upscale,
)
from scorematching.sampling import Samples, langevin
from scorematching.tracing import from_torch
from scorematching.training import FitResult, Progress, fit, load_prior, save_prior

__all__ = [
    "NICE",
    "Anscombe",
    "ApproximationWarning",
    "BicubicDownsampling",
    "Blur",
    "CheckError",
    "ClosedForm",
    "Coloring",
    "Convention",
    "Curvature",
    "CurvaturePropagation",
    "CurvatureReport",
    "DeepField",
    "Diagonal",
    "Edge",
    "Exactness",
    "FieldsOfExperts",
    "FitResult",
    "Full",
    "FunctionOperator",
    "Graph",
    "Hutchinson",
    "Jacobian",
    "Mask",
    "Metadata",
    "PoT",
    "Prior",
    "PriorInfo",
    "Progress",
    "Samples",
    "ScoreMatchingLoss",
    "Sequential",
    "Stein",
    "Whitening",
    "__version__",
    "bfloat16_products",
    "brute_force",
    "check_adjoint",
    "check_gradients",
    "check_layer",
    "compiled",
    "conventions",
    "curvature_report",
    "denoise",
    "denoising_score_matching_loss",
    "estimate_noise",
    "exactness",
    "find_noise",
    "fit",
    "fit_closed_form",
    "from_torch",
    "gaussian_kernel",
    "hessian_diagonal",
    "langevin",
    "load_prior",
    "psnr",
    "read_image",
    "read_metadata",
    "read_pages",
    "restore",
    "save_prior",
    "score",
    "score_matching_loss",
    "sliced_score_matching_loss",
    "ssim",
    "upscale",
    "write_image",
    "write_pages",
]
__all__ += _layers.__all__
