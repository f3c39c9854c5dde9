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

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scorematching.curvature import Choice
from scorematching.curvature.objective import Objective, sm_partials
from scorematching.domains import DomainChoice, domain_named
from scorematching.graph import Graph, check_graph
from scorematching.losses.bounds import warn_of_bounds
from scorematching.runtime.arguments import check_positive
from scorematching.runtime.validation import check_data, check_weight
from scorematching.statistics.terms import Terms, write_parameters

#: Smallest eigenvalue of ``A``, with its diagonal scaled to 1, for a direction that the data determine.
SINGULAR = 1e-12
#: Maximum number of rows that ``print`` shows.
ROWS = 20


@dataclass(frozen=True, eq=False)
class ClosedForm:
    """Result of :func:`fit_closed_form`: the minimum of the loss, with standard errors. ``print`` shows a table.

    Attributes:
        shapes: Shape of each fitted parameter, by its name in the energy, in the order of ``estimate``.
        estimate: Fitted parameters, flattened and concatenated, shape (K,), float64.
        covariance: Covariance of the estimate (Godambe's sandwich), shape (K, K), in squared units of the parameters.
            It is valid asymptotically: the samples must be independent, and many more than K.
        loss: Loss at the minimum.
        samples: Number of samples N.

    Example:
        >>> import scorematching as sm
        >>> energy = sm.Sequential(sm.layers.Square(), sm.layers.Scale(1), sm.Sum(0.5))
        >>> found = fit_closed_form(energy, torch.tensor([[-2.0], [-1.0], [1.0], [2.0]]))
        >>> found.estimate, found.samples
        (tensor([0.4000], dtype=torch.float64), 4)
    """

    shapes: dict[str, torch.Size]
    estimate: Tensor
    covariance: Tensor
    loss: float
    samples: int

    @property
    def standard_errors(self) -> Tensor:
        """Standard error of each entry of the estimate, shape (K,)."""
        return self.covariance.diagonal().clamp_min(0).sqrt()

    def by_name(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Return the estimate and the standard errors of each parameter, by its name and in its shape."""
        sizes = [shape.numel() for shape in self.shapes.values()]
        parts = zip(self.shapes.items(), self.estimate.split(sizes), self.standard_errors.split(sizes), strict=True)
        return {name: (found.view(shape), error.view(shape)) for (name, shape), found, error in parts}

    def __str__(self) -> str:
        labels = _labels(self.shapes)[:ROWS]
        wide = max(len("parameter"), *map(len, labels))
        lines = [f"loss {self.loss:.6g} on {self.samples} samples", f"{'parameter':{wide}}    estimate  standard error"]
        rows = zip(labels, self.estimate.tolist(), self.standard_errors.tolist(), strict=False)
        lines += [f"{label:{wide}}  {found:10.4g}  {error:14.2g}" for label, found, error in rows]
        if (hidden := len(self.estimate) - len(labels)) > 0:
            lines.append(f"... and {hidden} more")
        return "\n".join(lines)


@torch.no_grad()
def fit_closed_form(
    energy: Graph,
    x: Tensor,
    *,
    lam: float = 0.0,
    parameters: Sequence[str] | None = None,
    curvature: Choice = "auto",
    weight: Tensor | None = None,
    domain: DomainChoice = None,
) -> ClosedForm:
    """Fit parameters that the energy is linear in: find the exact minimum of the loss by solving a linear system.

    The parameters of the energy are set to the minimum, in place. If an error is raised, they are not changed. The
    computation is done in float64, on a copy of the energy. It reads the data twice, and evaluates the derivatives of
    the energy once per parameter entry.

    With ``lam`` above 0, the estimate is biased: it fits a smoothed density. For example, for a Gaussian of variance
    ``m`` the fitted precision is ``1 / (m + 2 lam)``. The standard errors do not include this bias.

    Args:
        energy: Model.
        x: Data, shape (N, ...), float32 or float64.
        lam: Regularizer, 0 or more, as in :func:`score_matching_loss`.
        parameters: Names of the parameters to fit, as in ``energy.named_parameters()``. The default is the weight of
            the last layer that has a learned weight, without its bias, which does not affect the loss.
        curvature: Curvature method, as in :func:`score_matching_loss`. Random methods are not accepted.
        weight: Weights of the samples or of the inputs, as in :func:`score_matching_loss`.
        domain: Set that the data lie in, as in :func:`score_matching_loss`. The distance at which its weights are
            capped is chosen by the data, if it is left open.

    Warns:
        DomainWarning: The data look bounded, and ``domain`` is not given.

    Returns:
        The estimate with its covariance.

    Raises:
        TypeError: ``energy`` is not a graph, or a tensor is not floating point.
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
    lam = check_positive("lam", lam, zero=True)
    check_data(energy, x, finite=True)
    named = _chosen(check_graph(energy, "fit_closed_form"), parameters)
    if domain is None:
        warn_of_bounds(energy, x)
    if (bounded := domain_named(domain)) is not None:
        bounded.check(energy, x)
        if weight is not None:
            bounded.check_weight(weight, x)
        inner, x, bounded = bounded.coordinates(energy, x)
        energy, bounded = check_graph(inner, "fit_closed_form"), bounded.fitted(x)
    weight = x.new_ones(x.shape[1:]) if weight is None else check_weight(weight, x, finite=True)
    terms = Terms(energy, list(named), curvature, x, bounded)
    terms.check_linear(x[: min(32, terms.size)].double())
    gram, sums = _moments(terms, x, weight, lam)
    a, b = gram[1:, 1:], sums[1:] - gram[1:, 0]
    shapes = {name: parameter.shape for name, parameter in named.items()}
    _check_definite(a, _labels(shapes))
    factor = torch.linalg.cholesky(a)
    estimate = torch.cholesky_solve(b[:, None], factor)[:, 0]
    point = torch.cat([torch.ones_like(estimate[:1]), estimate])
    half = torch.cholesky_solve(_spread(terms, x, weight, lam, point), factor)
    covariance = torch.cholesky_solve(half.T, factor) / len(x)
    loss = float(0.5 * point @ gram @ point - sums @ point)
    write_parameters(list(named.values()), estimate)
    return ClosedForm(shapes, estimate, covariance, loss, len(x))


def _moments(terms: Terms, x: Tensor, weight: Tensor, lam: float) -> tuple[Tensor, Tensor]:
    """Return the means of ``G_n``, shape (1 + K, 1 + K), and of ``s_n``, shape (1 + K,)."""
    count = 1 + len(terms.units)
    gram, sums = terms.units.new_zeros(count, count), terms.units.new_zeros(count)
    for part, w, slope in terms.batches(x, weight):
        t = terms(part)
        gram += (t * torch.stack([w, 2 * lam * w])).flatten(1) @ t.flatten(1).T
        sums += (t[:, 1] * w + t[:, 0] * slope).flatten(1).sum(1)
    return gram / len(x), sums / len(x)


def _spread(terms: Terms, x: Tensor, weight: Tensor, lam: float, point: Tensor) -> Tensor:
    """Return the covariance of ``psi_n`` at the minimum, shape (K, K)."""
    spread = torch.zeros_like(terms.units)
    for part, w, slope in terms.batches(x, weight):
        t = terms(part)
        d, d2 = torch.tensordot(point, t, 1)
        psi = torch.einsum("kcni,cni->kn", t[1:], torch.stack(sm_partials(d, d2, Objective(lam, w, slope))))
        spread += psi @ psi.T
    return spread / len(x)


def _chosen(energy: Graph, names: Sequence[str] | None) -> dict[str, nn.Parameter]:
    """Return the parameters to fit, by name."""
    named = dict(energy.named_parameters())
    if names is None:
        weights = [getattr(layer, "weight", None) for _, layer in energy.pairs()]
        learned = [w for w in weights if isinstance(w, nn.Parameter) and w.requires_grad]
        names = [name for name, parameter in named.items() if learned and parameter is learned[-1]]
    if unknown := [name for name in names if name not in named]:
        raise ValueError(f"the energy has no parameter {unknown[0]!r}; it has {', '.join(named) or 'none'}")
    if not names:
        raise ValueError(f"there is no parameter to fit: choose one or more of {', '.join(named) or 'none'}")
    return {name: named[name] for name in names}


def _check_definite(a: Tensor, labels: list[str]) -> None:
    """Raise ``ValueError`` unless the loss determines every parameter."""
    sizes = a.diagonal()
    if unseen := [label for label, size in zip(labels, sizes.tolist(), strict=True) if size == 0]:
        raise ValueError(
            f"the loss does not depend on {len(unseen)} of the {len(a)} parameters, {', '.join(unseen[:5])}: do not "
            "fit parameters that only add a constant to the energy, such as the bias of the last layer"
        )
    scale = sizes.abs().rsqrt()
    flat = int((torch.linalg.eigvalsh(a * scale * scale[:, None]) < SINGULAR).sum())
    if flat:
        raise ValueError(
            f"the loss has no unique minimum: {flat} of the {len(a)} directions of the parameters are not determined, "
            "because of redundant features or too few data: use more data, lam > 0, or fewer parameters"
        )


def _labels(shapes: dict[str, torch.Size]) -> list[str]:
    """Return a name for each entry, such as ``layers.2.weight[0, 1]``."""
    return [
        f"{name}{list(index) if index else ''}"
        for name, shape in shapes.items()
        for index in itertools.product(*map(range, shape))
    ]
