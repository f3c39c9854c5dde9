"""Other packages' conventions of the score matching loss, and how their numbers become ours.

Ours: the loss is summed over the D inputs and averaged over the samples; ``lam`` multiplies the squared second
derivatives; the score is ``grad_x log p = -dE/dx``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

from torch import Tensor

from scorematching.validation import check_choice, check_positive

Number = TypeVar("Number", float, Tensor)


@dataclass(frozen=True)
class Convention:
    """How a loss is written down elsewhere. Every method takes and gives a number or a tensor.

    Args:
        inputs: Whether theirs is the ``"sum"`` over the inputs, as ours, or the ``"mean"``.
        lam_factor: Their regulariser over ours, where both add the same multiple of the squared curvature.
        score_sign: 1 where what they call score is ``grad_x log p``, as ours; -1 where it is ``dE/dx``.

    Raises:
        ValueError: A value is none of these, or the factor is not above 0.

    Example:
        >>> DKEF.lam_to_ours(0.5)
        0.25
        >>> PYLEARN2_SM.loss_to_ours(-0.5, dim=64)
        -32.0
    """

    inputs: Literal["sum", "mean"] = "sum"
    lam_factor: float = 1.0
    score_sign: Literal[1, -1] = 1

    def __post_init__(self) -> None:
        check_choice("inputs", self.inputs, ("sum", "mean"))
        check_positive("lam_factor", self.lam_factor)
        if self.score_sign not in (1, -1):
            raise ValueError(f"score_sign must be 1 or -1, got {self.score_sign!r}")

    def loss_to_ours(self, loss: Number, dim: int) -> Number:
        """Our loss from theirs, for D = ``dim`` inputs a sample, at the regulariser that :meth:`lam_to_ours` gives."""
        return loss * dim if self.inputs == "mean" else loss

    def loss_from_ours(self, loss: Number, dim: int) -> Number:
        """Their loss from ours, for D = ``dim`` inputs a sample."""
        return loss / dim if self.inputs == "mean" else loss

    def lam_to_ours(self, lam: Number) -> Number:
        """Our ``lam`` from their regulariser."""
        return lam / self.lam_factor

    def lam_from_ours(self, lam: Number) -> Number:
        """Their regulariser from our ``lam``."""
        return lam * self.lam_factor

    def score_to_ours(self, score: Number) -> Number:
        """Our score from theirs."""
        return score * self.score_sign

    def score_from_ours(self, score: Number) -> Number:
        """Their score from ours."""
        return score * self.score_sign


#: The ``SM`` cost of pylearn2: the mean over inputs, at the same regulariser.
PYLEARN2_SM = Convention(inputs="mean")
#: Deep kernel exponential families: the curvature's penalty is lambda_C / 2.
DKEF = Convention(lam_factor=2.0)
#: ScoreMatching.jl (Julia): as ours.
SCORE_MATCHING_JL = Convention()
#: jngiam/scoreMatching (Matlab): as ours.
JNGIAM = Convention()
