"""Exact minimum of the loss for energies that are linear in their parameters, with standard errors.

For ``E(x) = E_0(x) + sum_k theta_k phi_k(x)``, the derivatives with respect to the data are linear in ``theta``. Let
``t = (1, theta)``. Let ``D_k`` and ``C_k`` be the gradient and the diagonal of the Hessian of ``phi_k``, where
``k = 0`` stands for ``E_0``. The regularized loss of a sample is then a quadratic function of ``theta``. Its sums run
over the inputs, with weights ``w``::

    J_n = 1/2 t^T G_n t - s_n·t        G_n = <D, w D> + 2 lam <C, w C>        s_n = <C, w> + <D, slope>

The weights ``w`` and their slopes are those of a domain (:mod:`scorematching.domains`), times weights that are given.
Without a domain the slopes are 0.

Let ``G`` and ``s`` be the means over N samples. The mean loss has its minimum where ``A theta = b``, with
``A = G[1:, 1:]`` and ``b = s[1:] - G[1:, 0]``.

At the minimum, the gradients ``psi_n = dJ_n/dtheta`` of the samples have mean zero. Their covariance ``V`` determines
how much the minimum varies between data sets. The covariance of the estimate is Godambe's sandwich
``A^-1 V A^-1 / N`` (Godambe 1960; for this loss and exponential families, Forbes & Lauritzen 2015). It is valid even
if the model is not the true distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from scorematching.curvature import Choice
from scorematching.domains import DomainChoice
from scorematching.energies import Gaussian
from scorematching.runtime.kinds import check_arguments
from scorematching.statistics.estimate import Estimate, factored, labels_of, sandwich
from scorematching.statistics.sample_losses import SampleLosses

#: Largest relative deviation from linearity that is accepted, in float64.
LINEAR = 1e-8


@torch.no_grad()
def fit_closed_form(
    energy: nn.Module,
    x: Tensor,
    *,
    lam: float = 0.0,
    parameters: Sequence[str] | None = None,
    curvature: Choice = "auto",
    weight: Tensor | None = None,
    domain: DomainChoice = None,
) -> Estimate:
    """Fit parameters that the energy is linear in: find the exact minimum of the loss by solving a linear system.

    The parameters of the energy are set to the minimum, in place. If an error is raised, they are not changed. The
    computation is done in float64, on a copy of the energy. It reads the data twice, and evaluates the derivatives of
    the energy once per parameter entry.

    With ``lam`` above 0, the estimate is biased: it fits a smoothed density. For example, for a Gaussian of variance
    ``m`` the fitted precision is ``1 / (m + 2 lam)``. The standard errors do not include this bias.

    Args:
        energy: Model: a graph or any module that is linear in the parameters.
        x: Data, shape (N, ...), float32 or float64.
        lam: Regularizer, 0 or more, as in :func:`score_matching_loss`.
        parameters: Names of the parameters to fit, as in ``energy.named_parameters()``. The default for a graph
            is the weight of the last layer that has a learned weight, without its bias, which does not affect the loss.
            For another module it is all learned parameters.
        curvature: Curvature method, as in :func:`score_matching_loss`. Random methods are not accepted.
        weight: Weights of the samples or of the inputs, as in :func:`score_matching_loss`.
        domain: Set that the data lie in, as in :func:`score_matching_loss`. The distance at which its weights are
            capped is chosen by the data, if it is left open.

    Warns:
        DomainWarning: The data look bounded, and ``domain`` is not given.

    Returns:
        The estimate with its covariance.

    Raises:
        TypeError: ``energy`` is not a module, or a tensor is not floating point.
        ValueError: The energy is not linear in the parameters; a name is unknown; the loss has no unique minimum; the
            curvature method is random; a shape does not fit; ``x`` is outside of the domain; or ``x`` or a derivative
            at ``x`` is not finite.

    Example:
        The fitted precision of a Gaussian is ``1 / mean(x^2)``:

        >>> import scorematching as sm
        >>> energy = sm.Sequential(sm.layers.Square(), sm.layers.Scale(1), sm.Sum(0.5))
        >>> print(fit_closed_form(energy, torch.tensor([[-2.0], [-1.0], [1.0], [2.0]])))
        loss -0.2 on 4 samples
        parameter             estimate  standard error
        layers.1.weight[0]         0.4            0.12
        >>> energy.layers[1].weight.data
        tensor([0.4000])

        The rate of exponential waiting times, which are positive:

        >>> energy = sm.Sequential(sm.layers.Scale(1), sm.Sum())
        >>> waits = torch.distributions.Exponential(3.0).sample((10_000, 1))
        >>> 2.7 < float(fit_closed_form(energy, waits, domain="positive").estimate) < 3.3
        True
    """
    check_arguments(fit_closed_form, locals())
    problem = SampleLosses(energy, x, lam=lam, parameters=parameters, curvature=curvature, weight=weight, domain=domain)
    _check_linear(problem)
    moments = moments_of(problem, energy, problem.lam > 0).at(problem.lam)
    estimate, factor = moments.minimum()
    psi = problem.gradients(estimate)
    covariance = sandwich(factor, psi.T @ psi / len(x), len(x))
    write_parameters(list(problem.named.values()), estimate)
    return Estimate(problem.shapes, estimate, covariance, moments.loss(estimate), len(x))


class Moments(NamedTuple):
    """Means of ``G_n`` and ``s_n``, which give the mean loss of any parameters.

    Attributes:
        gram: ``G``, shape (1 + K, 1 + K), at ``lam = 0``.
        curved: Mean of ``<C, w C>``, of the same shape; ``G`` is ``gram + 2 lam curved``. Zeros if it is not needed.
        sums: ``s``, shape (1 + K,).
        labels: Names of the K entries of the parameters.
    """

    gram: Tensor
    curved: Tensor
    sums: Tensor
    labels: list[str]

    def at(self, lam: float) -> Moments:
        """Return the moments with the regularizer in ``gram``."""
        return self._replace(gram=self.gram + 2 * lam * self.curved)

    @property
    def a(self) -> Tensor:
        """``A``, shape (K, K)."""
        return self.gram[1:, 1:]

    @property
    def b(self) -> Tensor:
        """``b``, shape (K,)."""
        return self.sums[1:] - self.gram[1:, 0]

    def minimum(self) -> tuple[Tensor, Tensor]:
        """Return the minimum of the loss, shape (K,), and the Cholesky factor of ``A``."""
        factor = factored(self.a, self.labels)
        return torch.cholesky_solve(self.b[:, None], factor)[:, 0], factor

    def within(self, kept: Tensor) -> Moments:
        """Return the moments of the loss with other parameters at 0.

        Args:
            kept: True for the parameters that may differ from 0, shape (K,).
        """
        places = torch.cat([kept.new_ones(1), kept]).nonzero()[:, 0]
        labels = [label for label, keep in zip(self.labels, kept.tolist(), strict=True) if keep]
        gram, curved = (matrix[places][:, places] for matrix in (self.gram, self.curved))
        return Moments(gram, curved, self.sums[places], labels)

    def loss(self, theta: Tensor) -> float:
        """Return the mean loss."""
        point = torch.cat([torch.ones_like(theta[:1]), theta])
        return float(0.5 * point @ self.gram @ point - self.sums @ point)


def moments_of(problem: SampleLosses, energy: nn.Module, curved: bool) -> Moments:
    """Return the moments of the data of a problem, at ``lam = 0``; with ``curved`` those for the regularizer too."""
    count = 1 + len(problem.theta)
    gram, squares = (problem.theta.new_zeros(count, count) for _ in range(2))
    sums = problem.theta.new_zeros(count)
    alike = isinstance(energy, Gaussian) and problem.domain is None and problem.weight.ndim == 1
    x = Gaussian.condensed(problem.x.double()) if alike and len(problem.x) > 2 * problem.x.shape[1] else problem.x
    for part, w, slope in problem.batches(x):
        t = _terms(problem, part)
        d, d2 = t[:, 0].flatten(1), t[:, 1].flatten(1)
        gram += (d * w.flatten()) @ d.T
        if curved:
            squares += (d2 * w.flatten()) @ d2.T
        sums += d2 @ w.flatten() + d @ slope.flatten()
    return Moments(gram / len(x), squares / len(x), sums / len(x), labels_of(problem.shapes))


def _terms(problem: SampleLosses, x: Tensor) -> Tensor:
    """Return ``d`` and ``d2`` of each term, shape (1 + K, 2, n, inputs): from ``theta`` at 0 and at unit vectors."""
    units = torch.eye(len(problem.theta), dtype=problem.theta.dtype, device=problem.theta.device)
    found = problem.together(torch.cat([torch.zeros_like(units[:1]), units]), x)
    found[1:] -= found[:1]
    if not bool(torch.isfinite(found).all()):
        raise ValueError(
            f"the energy has derivatives at x that are NaN or infinite, with {', '.join(problem.named)} at 0 or 1: "
            "use an energy that is linear in these parameters and smooth at every sample"
        )
    return found


def _check_linear(problem: SampleLosses) -> None:
    """Raise ``ValueError`` unless the derivatives at a random ``theta`` are linear in ``theta``."""
    x = problem.x[: min(32, problem.size)].double()
    generator = torch.Generator().manual_seed(0)
    theta = torch.randn(len(problem.theta), generator=generator, dtype=torch.float64).to(x.device)
    terms, point = _terms(problem, x), torch.cat([torch.ones_like(theta[:1]), theta])
    errors = (problem.together(theta[None], x)[0] - torch.tensordot(point, terms, 1)).abs().amax((1, 2))
    sizes = torch.tensordot(point.abs(), terms.abs(), 1).amax((1, 2))
    if not bool((errors <= LINEAR * sizes).all()):
        raise ValueError(
            f"the energy is not linear in {', '.join(problem.named)}: choose parameters that it is linear in, such as "
            "the weights of the last layer, or minimize score_matching_loss with an optimizer"
        )


def write_parameters(parameters: Sequence[Tensor], theta: Tensor) -> None:
    """Set parameters in place from a flat vector of their entries."""
    for parameter, part in zip(parameters, theta.split([p.numel() for p in parameters]), strict=True):
        parameter.copy_(part.view_as(parameter))
