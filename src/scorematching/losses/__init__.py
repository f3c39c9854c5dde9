"""Losses: regularized score matching with any curvature method, with missing values, sliced and denoising."""

from scorematching.losses.bounds import DomainWarning
from scorematching.losses.denoising_score_matching import denoising_score_matching_loss
from scorematching.losses.importance import ImportanceWarning
from scorematching.losses.kinks import KinkWarning
from scorematching.losses.marginal import KnowsMarginals, marginal_score_matching_loss
from scorematching.losses.missingness import MissingnessWarning
from scorematching.losses.proposals import Proposal, StudentTProposal
from scorematching.losses.repeats import RepeatedValuesWarning, repeated
from scorematching.losses.score_matching import ScoreMatchingLoss, score_matching_loss
from scorematching.losses.sliced import sliced_score_matching_loss

__all__ = [
    "DomainWarning",
    "ImportanceWarning",
    "KinkWarning",
    "KnowsMarginals",
    "MissingnessWarning",
    "Proposal",
    "RepeatedValuesWarning",
    "ScoreMatchingLoss",
    "StudentTProposal",
    "denoising_score_matching_loss",
    "marginal_score_matching_loss",
    "repeated",
    "score_matching_loss",
    "sliced_score_matching_loss",
]
