"""The exact minimum of the loss where the energy is linear in the parameters, with standard errors.

For ``E(x) = E_0(x) + sum_k theta_k phi_k(x)`` the derivatives by the data are linear in ``theta`` too. With ``t = (1,
theta)``, and ``D_k``, ``C_k`` the gradient and the diagonal of the Hessian of ``phi_k`` (``k = 0`` for ``E_0``), the
regularized loss of a sample is a quadratic, with sums over the inputs, which ``w`` weights::

    J_n = 1/2 t^T G_n t - s_n·t        G_n = <D, w D> + 2 lam <C, w C>        s_n = <C, w>

Its mean over N samples is least where ``A theta = b``, with ``A = G[1:, 1:]`` and ``b = s[1:] - G[1:, 0]``. The slopes
``psi_n = dJ_n/dtheta`` have mean zero there, and their covariance ``V`` says how far that point moves from one data set
to the next: the covariance of the estimate is Godambe's sandwich ``A^-1 V A^-1 / N`` (Godambe 1960; for this loss and
exponential families Forbes & Lauritzen 2015). It does not take the model to be true.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scorematching.curvature import Choice, CurvaturePropagation, Hutchinson, method_named
from scorematching.graph import Graph, check_graph
from scorematching.runtime.arguments import check_positive
from scorematching.runtime.validation import check_data, check_weight

#: Bytes that are held of derivatives at a time.
BYTES = 2**27
#: The largest relative error of what is taken to be linear, in float64.
LINEAR = 1e-8
#: The smallest eigenvalue of ``A``, with its diagonal scaled to 1, in a direction that the data determine.
SINGULAR = 1e-12
#: Rows of the table that ``print`` shows.
ROWS = 20


@dataclass(frozen=True, eq=False)
class ClosedForm:
    """The minimum of the loss, and how well the data determine it. ``print`` it.

    Attributes:
        shapes: Of each parameter that was fitted, by its name in the energy, in the order of ``estimate``.
        estimate: All K entries of the parameters in one row, shape (K,), float64.
        covariance: Of the estimate, Godambe's sandwich, shape (K, K): asymptotic, for many more samples than K, which
            must be independent. Unit: that of the parameters, squared.
        loss: The loss at the minimum.
        samples: N.
    """

    shapes: dict[str, torch.Size]
    estimate: Tensor
    covariance: Tensor
    loss: float
    samples: int

    @property
    def standard_errors(self) -> Tensor:
        """Square roots of the diagonal of the covariance, shape (K,)."""
        return self.covariance.diagonal().clamp_min(0).sqrt()

    def by_name(self) -> dict[str, tuple[Tensor, Tensor]]:
        """The estimate and the standard errors of each parameter, by its name and in its shape."""
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
    lam: float = 0.0,
    parameters: Sequence[str] | None = None,
    curvature: Choice = "auto",
    weight: Tensor | None = None,
) -> ClosedForm:
    """Fit parameters in which the energy is linear: the exact minimum of the loss, by one linear system.

    The parameters of the energy are set to it, in place; after an error they are as they were. The work is done in
    float64, on a copy, and goes over the data twice with one evaluation of the derivatives a parameter entry.

    With ``lam`` above 0 the estimate is biased, toward the energy of a smoothed density (a Gaussian of variance ``m``
    gets the precision ``1 / (m + 2 lam)``); the standard errors are those around that biased value.

    Args:
        energy: The model.
        x: Data, shape (N, ...), float32 or float64.
        lam: The regularizer, as in :func:`score_matching_loss`.
        parameters: Names, as ``energy.named_parameters()`` has them. By default the weight that is to be learned of
            the last layer that has one: not its bias, which the loss does not see.
        curvature: As in :func:`score_matching_loss`, but for the methods that draw at random.
        weight: Weights of the inputs in the loss, of the shape of ``x`` or of one sample.

    Raises:
        TypeError: ``energy`` is no graph, or a tensor is not of floating point.
        ValueError: The energy is not linear in the parameters; a name is unknown; the loss has no single minimum; the
            curvature is a random one; a shape does not fit; or ``x``, or a derivative there, is not finite.

    Example:
        A Gaussian has the precision ``1 / mean(x^2)``:

        >>> import scorematching as sm
        >>> energy = sm.Sequential(sm.layers.Square(), sm.layers.Scale(1), sm.Sum(0.5))
        >>> print(fit_closed_form(energy, torch.tensor([[-2.0], [-1.0], [1.0], [2.0]])))
        loss -0.2 on 4 samples
        parameter             estimate  standard error
        layers.1.weight[0]         0.4            0.12
        >>> energy.layers[1].weight.data
        tensor([0.4000])
    """
    lam = check_positive("lam", lam, zero=True)
    check_data(energy, x, finite=True)
    named = _chosen(check_graph(energy, "fit_closed_form"), parameters)
    weight = x.new_ones(x.shape[1:]) if weight is None else check_weight(weight, x, finite=True)
    terms = _Terms(energy, list(named), curvature, x)
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
    _write(list(named.values()), estimate)
    return ClosedForm(shapes, estimate, covariance, loss, len(x))


class _Terms:
    """The derivatives of the terms ``E_0`` and ``phi_k`` of an energy, in float64.

    They are those of a copy of the energy with ``theta`` at zero and at the unit vectors.
    """

    def __init__(self, energy: Graph, names: list[str], curvature: Choice, x: Tensor) -> None:
        self.energy, self.names = copy.deepcopy(energy).double(), names
        named = dict(self.energy.named_parameters())
        self.parameters = [named[name] for name in names]
        self.units = torch.eye(sum(p.numel() for p in self.parameters), dtype=torch.float64, device=x.device)
        self.size = max(1, BYTES // (48 * (1 + len(self.units)) * x[0].numel()))
        self.method = method_named(curvature, self.energy, x[: self.size].double())
        if isinstance(self.method, Hutchinson | CurvaturePropagation):
            raise ValueError(
                f"curvature must not be random, got {type(self.method).__name__}: take 'auto', or another exact method"
            )

    def batches(self, x: Tensor, weight: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """A few samples at a time, and the weights of their inputs, shape (n, inputs)."""
        for part, w in zip(x.split(self.size), weight.expand_as(x).split(self.size), strict=True):
            yield part.double(), w.double().flatten(1)

    def at(self, theta: Tensor, x: Tensor) -> Tensor:
        """``d`` and ``d2`` of the energy with these parameters, shape (2, n, inputs)."""
        _write(self.parameters, theta)
        d, d2, _ = self.method.derivatives(self.energy, x)
        return torch.stack([d.flatten(1), d2.flatten(1)])

    def __call__(self, x: Tensor) -> Tensor:
        """Those of each term, shape (1 + K, 2, n, inputs)."""
        zero = self.at(torch.zeros_like(self.units[0]), x)
        found = torch.stack([zero, *(self.at(unit, x) - zero for unit in self.units)])
        if not bool(torch.isfinite(found).all()):
            raise ValueError(
                f"the energy has derivatives at x that are NaN or infinite, with {', '.join(self.names)} at 0 or 1: "
                "it must be linear in them, and smooth at every sample"
            )
        return found

    def check_linear(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless the derivatives at a random ``theta`` are those of the terms put together."""
        generator = torch.Generator().manual_seed(0)
        theta = torch.randn(len(self.units), generator=generator, dtype=torch.float64).to(x.device)
        terms, point = self(x), torch.cat([torch.ones_like(theta[:1]), theta])
        errors = (self.at(theta, x) - torch.tensordot(point, terms, 1)).abs().amax((1, 2))
        sizes = torch.tensordot(point.abs(), terms.abs(), 1).amax((1, 2))
        if not bool((errors <= LINEAR * sizes).all()):
            raise ValueError(
                f"the energy is not linear in {', '.join(self.names)}: name parameters that it is linear in, such as "
                "the weights of the last layer, or minimize score_matching_loss with an optimizer"
            )


def _moments(terms: _Terms, x: Tensor, weight: Tensor, lam: float) -> tuple[Tensor, Tensor]:
    """Means of ``G_n``, shape (1 + K, 1 + K), and of ``s_n``, shape (1 + K,)."""
    count = 1 + len(terms.units)
    gram, sums = terms.units.new_zeros(count, count), terms.units.new_zeros(count)
    for part, w in terms.batches(x, weight):
        t = terms(part)
        gram += (t * torch.stack([w, 2 * lam * w])).flatten(1) @ t.flatten(1).T
        sums += (t[:, 1] * w).flatten(1).sum(1)
    return gram / len(x), sums / len(x)


def _spread(terms: _Terms, x: Tensor, weight: Tensor, lam: float, point: Tensor) -> Tensor:
    """The covariance of ``psi_n`` at the minimum, shape (K, K)."""
    spread = torch.zeros_like(terms.units)
    for part, w in terms.batches(x, weight):
        t = terms(part)
        d, d2 = torch.tensordot(point, t, 1)
        psi = torch.einsum("kcni,cni->kn", t[1:], torch.stack([w * d, w * (2 * lam * d2 - 1)]))
        spread += psi @ psi.T
    return spread / len(x)


def _chosen(energy: Graph, names: Sequence[str] | None) -> dict[str, nn.Parameter]:
    """The parameters to be fitted, by name."""
    named = dict(energy.named_parameters())
    if names is None:
        weights = [getattr(layer, "weight", None) for _, layer in energy.pairs()]
        learned = [w for w in weights if isinstance(w, nn.Parameter) and w.requires_grad]
        names = [name for name, parameter in named.items() if learned and parameter is learned[-1]]
    if unknown := [name for name in names if name not in named]:
        raise ValueError(f"the energy has no parameter {unknown[0]!r}; it has {', '.join(named) or 'none'}")
    if not names:
        raise ValueError(f"there is no parameter to fit: name one or more, of {', '.join(named) or 'none'}")
    return {name: named[name] for name in names}


def _check_definite(a: Tensor, labels: list[str]) -> None:
    """Raise ``ValueError`` where the loss does not determine every parameter."""
    sizes = a.diagonal()
    if unseen := [label for label, size in zip(labels, sizes.tolist(), strict=True) if size == 0]:
        raise ValueError(
            f"the loss does not see {len(unseen)} of the {len(a)} parameters, {', '.join(unseen[:5])}: leave out what "
            "adds nothing but a constant to the energy at these data, such as a last bias"
        )
    scale = sizes.abs().rsqrt()
    flat = int((torch.linalg.eigvalsh(a * scale * scale[:, None]) < SINGULAR).sum())
    if flat:
        raise ValueError(
            f"the loss has no single minimum: of the {len(a)} directions of the parameters {flat} are not determined, "
            "by redundant features or too few data; take more data, lam > 0, or fewer parameters"
        )


def _labels(shapes: dict[str, torch.Size]) -> list[str]:
    """A name for each entry, such as ``layers.2.weight[0, 1]``."""
    return [
        f"{name}{list(index) if index else ''}"
        for name, shape in shapes.items()
        for index in itertools.product(*map(range, shape))
    ]


def _write(parameters: Sequence[Tensor], theta: Tensor) -> None:
    """Set parameters, in place, to the entries of one row."""
    for parameter, part in zip(parameters, theta.split([p.numel() for p in parameters]), strict=True):
        parameter.copy_(part.view_as(parameter))
