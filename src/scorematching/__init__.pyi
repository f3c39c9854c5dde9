from . import (
    checks,
    curvature,
    domains,
    energies,
    estimators,
    images,
    layers,
    losses,
    noise,
    plotting,
    priors,
    restoration,
    runtime,
    sampling,
    statistics,
    tracing,
    training,
)
from ._version import __version__
from .checks.curvature_error import curvature_report
from .checks.gradients import check_gradients
from .curvature.analysis.exactness import exactness_report
from .curvature.derivatives import hessian_diagonal, score
from .estimators.energy_model import EnergyModel
from .graph import Graph, Sequential
from .images.io.files import read_image, write_image
from .images.metrics import psnr
from .layers import Conv2d, Linear, StudentT, Sum, WeightedSum
from .losses import (
    ScoreMatchingLoss,
    denoising_score_matching_loss,
    marginal_score_matching_loss,
    score_matching_loss,
    sliced_score_matching_loss,
)
from .noise import ChannelNoise, CorrelatedNoise, GaussianNoise, ModulatedNoise, NoiseMap, PoissonGaussianNoise
from .priors.architecture import DeepConfig, FieldConfig
from .priors.base import Prior
from .priors.store import load_prior, save_prior
from .restoration.denoising import denoise
from .restoration.inverse import restore
from .restoration.noise_estimate import estimate_noise
from .restoration.upscaling import upscale
from .runtime.compiling import compiled
from .sampling import hmc, langevin
from .statistics import fit_closed_form
from .tracing import from_torch
from .training.config import TrainingConfig
from .training.fitting import fit

__all__ = [
    "ChannelNoise",
    "Conv2d",
    "CorrelatedNoise",
    "DeepConfig",
    "EnergyModel",
    "FieldConfig",
    "GaussianNoise",
    "Graph",
    "Linear",
    "ModulatedNoise",
    "NoiseMap",
    "PoissonGaussianNoise",
    "Prior",
    "ScoreMatchingLoss",
    "Sequential",
    "StudentT",
    "Sum",
    "TrainingConfig",
    "WeightedSum",
    "__version__",
    "check_gradients",
    "checks",
    "compiled",
    "curvature",
    "curvature_report",
    "denoise",
    "denoising_score_matching_loss",
    "domains",
    "energies",
    "estimate_noise",
    "estimators",
    "exactness_report",
    "fit",
    "fit_closed_form",
    "from_torch",
    "hessian_diagonal",
    "hmc",
    "images",
    "langevin",
    "layers",
    "load_prior",
    "losses",
    "marginal_score_matching_loss",
    "noise",
    "plotting",
    "priors",
    "psnr",
    "read_image",
    "restoration",
    "restore",
    "runtime",
    "sampling",
    "save_prior",
    "score",
    "score_matching_loss",
    "sliced_score_matching_loss",
    "statistics",
    "tracing",
    "training",
    "upscale",
    "write_image",
]
