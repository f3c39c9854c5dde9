"""Losses: regularized score matching with any curvature method, sliced and denoising score matching."""

from scorematching.losses.bounds import DomainWarning
from scorematching.losses.denoising_score_matching import denoising_score_matching_loss
from scorematching.losses.kinks import KinkWarning
from scorematching.losses.repeats import RepeatedValuesWarning, repeated
from scorematching.losses.score_matching import ScoreMatchingLoss, score_matching_loss
from scorematching.losses.sliced import sliced_score_matching_loss

__all__ = [
    "DomainWarning",
    "KinkWarning",
    "RepeatedValuesWarning",
    "ScoreMatchingLoss",
    "denoising_score_matching_loss",
    "repeated",
    "score_matching_loss",
    "sliced_score_matching_loss",
]
