"""Standard errors of the parameters of any fitted energy: Godambe's sandwich."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from scorematching.curvature import Choice
from scorematching.domains import DomainChoice
from scorematching.runtime.kinds import check_arguments
from scorematching.statistics.estimate import Estimate, factored, labels_of, sandwich
from scorematching.statistics.sample_losses import SampleLosses

#: Distance from the minimum, in standard errors, that is accepted.
FAR = 0.1
#: Largest number of parameters.
MOST = 2000


class NotAtMinimumWarning(UserWarning):
    """The parameters are not at the minimum of the loss, so standard errors do not hold."""


@torch.no_grad()
def standard_errors(
    energy: nn.Module,
    x: Tensor,
    *,
    lam: float = 0.0,
    parameters: Sequence[str] | None = None,
    curvature: Choice = "auto",
    weight: Tensor | None = None,
    domain: DomainChoice = None,
) -> Estimate:
    """Return the parameters of a fitted energy with their covariance, Godambe's sandwich ``A^-1 V A^-1 / N``.

    ``A`` is the Hessian of the mean loss with respect to the parameters, and ``V`` is the covariance of the gradients
    of the losses of the samples (Godambe 1960). Both are exact derivatives, in float64. The covariance is valid even if
    the model is not the true distribution, for many independent samples and few parameters.

    Args:
        energy: Model at a minimum of its loss on ``x``. Energies that are linear in their parameters get there by
            :func:`scorematching.fit_closed_form`, which also returns this covariance.
        x: Data that the model was fitted to, shape (N, ...).
        lam: Regularizer of the fit.
        parameters: Names of the parameters; others count as known. The default is all that require a gradient and
            affect the loss.
        curvature: As in :func:`scorematching.score_matching_loss`, but not a random method.
        weight: As in :func:`scorematching.score_matching_loss`.
        domain: As in :func:`scorematching.score_matching_loss`.

    Warns:
        NotAtMinimumWarning: One Newton step would move a parameter by more than a tenth of its standard error.

    Raises:
        TypeError: A tensor is not of floating point.
        ValueError: There are more than 2,000 parameters, the loss does not determine them, a name is unknown, the
            curvature method is random, or ``x`` is not valid.

    Example:
        The filter of a normal distribution of mean 1 and standard deviation 2, ``E = (w x + b)^2 / 2``, is 0.5:

        >>> import scorematching as sm
        >>> x = 1 + 2 * torch.randn(5000, 1, generator=torch.Generator().manual_seed(0))
        >>> energy = sm.Sequential(sm.Linear(1, 1), sm.layers.Square(), sm.Sum(0.5))
        >>> _ = energy.layers[0].weight.data.fill_(1 / x.std()), energy.layers[0].bias.data.fill_(-x.mean() / x.std())
        >>> print(standard_errors(energy, x))
        loss -0.127181 on 5000 samples
        parameter                estimate  standard error
        layers.0.weight[0, 0]      0.5043          0.0053
        layers.0.bias[0]          -0.4966           0.015
    """
    check_arguments(standard_errors, locals())
    learned = [name for name, parameter in energy.named_parameters() if parameter.requires_grad]
    problem_of = partial(SampleLosses, energy, x, lam=lam, curvature=curvature, weight=weight, domain=domain)
    problem = problem_of(parameters=learned if parameters is None else parameters)
    if len(problem.theta) > MOST:
        raise ValueError(f"{len(problem.theta)} parameters are too many for a covariance: choose up to {MOST} by name")
    psi = problem.gradients(problem.theta)
    if parameters is None and len(names := _seen(problem, psi)) < len(learned):
        problem = problem_of(parameters=names)
        psi = problem.gradients(problem.theta)
    factor = factored(problem.hessian(problem.theta), labels_of(problem.shapes))
    covariance = sandwich(factor, psi.T @ psi / len(x), len(x))
    loss = sum(float(problem.losses(problem.theta, batch).sum()) for batch in problem.batches()) / len(x)
    found = Estimate(problem.shapes, problem.theta, covariance, loss, len(x))
    _check_minimum(found, torch.cholesky_solve(psi.mean(0)[:, None], factor)[:, 0])
    return found


def _seen(problem: SampleLosses, psi: Tensor) -> list[str]:
    """Return the names of the parameters that a loss depends on, unlike the bias of the last layer."""
    parts = psi.split([parameter.numel() for parameter in problem.named.values()], 1)
    return [name for name, part in zip(problem.named, parts, strict=True) if bool(part.any())]


def _check_minimum(found: Estimate, step: Tensor) -> None:
    far, place = (step.abs() / found.standard_errors.clamp_min(1e-300)).max(0)
    if not far <= FAR:
        label = labels_of(found.shapes)[int(place)]
        warnings.warn(
            f"the parameters are not at the minimum of the loss: a Newton step moves {label} by {float(far):.2g} "
            "standard errors. Fit longer, with all of these data and without weight decay",
            NotAtMinimumWarning,
            stacklevel=3,
        )
