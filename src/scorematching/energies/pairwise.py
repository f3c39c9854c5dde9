"""Pairwise graphical models: Gaussian, truncated Gaussian, and those of powers of positive variables."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scorematching.curvature import AnalyticEnergy, Derivatives
from scorematching.runtime.arguments import check_count, check_positive
from scorematching.runtime.kinds import check_arguments

#: Smallest eigenvalue of a covariance that is not singular, relative to the largest.
_SINGULAR = 1e-10


class PairwiseModel(AnalyticEnergy):
    """Pairwise interactions of powers: ``E(x) = x^a · K x^a / (2 a) - eta · x^b / b``, with powers by entry.

    Reference: Yu, Drton & Shojaie 2019. Two variables are independent, given the others, if and only if their entry of
    ``K`` is 0. With ``a = b = 1`` this is a Gaussian, or on a bounded domain a truncated Gaussian. With ``a = b = 0.5``
    it is the square-root graphical model of positive variables, and with ``b = 0`` the last term is
    ``eta · log x``. Models with other powers than 1 are for ``domain="positive"``.

    The energy is linear in its parameters, so :func:`scorematching.fit_closed_form` fits it. ``K`` starts as the
    identity, and ``eta`` as 0.

    Args:
        dim: Number of variables D.
        a: Power of the interactions, above 0.
        b: Power of the linear term, 0 or more.

    Attributes:
        interaction: Entries of ``K`` on and above the diagonal, row by row, shape (D (D + 1) / 2,).
        linear: ``eta``, shape (D,).

    Raises:
        ValueError: A number is out of its range.

    Example:
        >>> model = PairwiseModel(3, a=0.5, b=0.5)
        >>> model(torch.tensor([[1.0, 4.0, 9.0]]))
        tensor([14.], grad_fn=<SubBackward0>)
    """

    places: Tensor

    def __init__(self, dim: int, a: float = 1.0, b: float = 1.0) -> None:
        check_arguments(PairwiseModel.__init__, locals())
        super().__init__()
        check_count("dim", dim)
        self.a, self.b = check_positive("a", a), check_positive("b", b, zero=True)
        rows, columns = torch.triu_indices(dim, dim)
        places = torch.zeros(dim, dim, dtype=torch.long)
        places[rows, columns] = places[columns, rows] = torch.arange(len(rows))
        self.register_buffer("places", places, persistent=False)
        self.interaction = nn.Parameter((rows == columns).float())
        self.linear = nn.Parameter(torch.zeros(dim))

    @property
    def matrix(self) -> Tensor:
        """``K``, shape (D, D), symmetric."""
        return self.interaction[self.places]

    @property
    def edges(self) -> list[tuple[int, int]]:
        """Pairs of variables whose entry of ``K`` is not 0."""
        return [(i, j) for i, j in self.matrix.detach().nonzero().tolist() if i < j]

    def forward(self, x: Tensor) -> Tensor:
        """Return the energies, shape (N,), of data, shape (N, D)."""
        self._check(x)
        u = _power(x, self.a)
        last = x.log() if self.b == 0 else _power(x, self.b) / self.b
        return 0.5 / self.a * (u * (u @ self.matrix)).sum(1) - last @ self.linear

    def derivatives(self, x: Tensor) -> Derivatives:
        """Return the gradient and the diagonal of the Hessian, each of shape (N, D)."""
        self._check(x)
        a, b, k = self.a, self.b, self.matrix
        field, slope = _power(x, a) @ k, _power(x, a - 1)
        d = slope * field - _power(x, b - 1) * self.linear
        d2 = a * slope.square() * k.diagonal()
        if a != 1:
            d2 = d2 + (a - 1) * _power(x, a - 2) * field
        if b != 1:
            d2 = d2 - (b - 1) * _power(x, b - 2) * self.linear
        return Derivatives(d, d2)

    def extra_repr(self) -> str:
        """Return the settings, for ``print``."""
        return f"{len(self.linear)}, a={self.a:g}, b={self.b:g}"

    def _check(self, x: Tensor) -> None:
        if x.ndim != 2 or x.shape[1] != len(self.linear):
            raise ValueError(f"expected data of shape (N, {len(self.linear)}), got {tuple(x.shape)}")


class Gaussian(PairwiseModel):
    """Gaussian with any precision matrix and mean: ``E(x) = x · K x / 2 - eta · x``, where ``eta = K mu``.

    :func:`scorematching.fit_closed_form` fits it from the moments of the data alone.

    Args:
        dim: Number of variables D.

    Example:
        >>> import scorematching as sm
        >>> x = torch.randn(1000, 2, generator=torch.Generator().manual_seed(0)) * 3 + 1
        >>> model = Gaussian(2)
        >>> fit = sm.fit_closed_form(model, x)
        >>> torch.allclose(model.mean, x.mean(0), atol=1e-4)
        True
        >>> torch.allclose(model.covariance, x.T.cov(correction=0), rtol=1e-4)
        True
    """

    def __init__(self, dim: int) -> None:
        check_arguments(Gaussian.__init__, locals())
        super().__init__(dim)

    @property
    def mean(self) -> Tensor:
        """Mean, shape (D,)."""
        return torch.linalg.solve(self.matrix, self.linear)

    @property
    def covariance(self) -> Tensor:
        """Covariance, shape (D, D): the inverse of ``K``."""
        return torch.linalg.inv(self.matrix)

    @torch.no_grad()
    def fit_moments(self, mean: Tensor, covariance: Tensor, lam: float = 0.0) -> None:
        """Set the parameters to the minimum of the loss on data with these moments.

        The matrix ``K`` solves ``(C K + K C) / 2 + 2 lam diag(K) = I``. In the eigenvectors of ``C`` the first term is
        inverted, and a linear system for the diagonal of ``K`` remains. The cost is that of D^4 multiplications, or D^3
        at ``lam = 0``.

        Args:
            mean: Mean, shape (D,).
            covariance: Covariance ``C``, shape (D, D).
            lam: Regularizer, 0 or more.

        Raises:
            ValueError: A shape does not fit, or ``lam`` is 0 and the covariance is singular.
        """
        lam = check_positive("lam", lam, zero=True)
        check_arguments(Gaussian.fit_moments, locals())
        if covariance.shape != self.matrix.shape or mean.shape != self.linear.shape:
            shapes = f"{tuple(mean.shape)} and {tuple(covariance.shape)}"
            raise ValueError(f"expected moments of {len(self.linear)} variables, got {shapes}")
        if not bool(torch.isfinite(mean).all() & torch.isfinite(covariance).all()):
            raise ValueError("mean or covariance has entries that are NaN or infinite")
        values, vectors = torch.linalg.eigh(covariance.double())
        if values[0] <= _SINGULAR * values[-1] and not lam:
            raise ValueError("the covariance of the data is singular: use more samples, lam > 0, or fewer variables")
        values = values.clamp_min(_SINGULAR * values[-1])
        inverse = 2 / (values[:, None] + values)
        right = torch.eye(len(values), dtype=values.dtype, device=values.device)
        if lam:
            pairs = vectors[:, None] * vectors  # [i, j, a]
            response = torch.einsum("ija,ab,ijb->ij", pairs, inverse, pairs)
            first = (vectors.square() * inverse.diagonal()).sum(1)
            right = right - 2 * lam * torch.linalg.solve(right + 2 * lam * response, first).diag()
        matrix = vectors @ (inverse * (vectors.T @ right @ vectors)) @ vectors.T
        self.interaction.copy_(matrix[tuple(torch.triu_indices(*matrix.shape, device=matrix.device))])
        self.linear.copy_(matrix @ mean.double())

    @staticmethod
    def condensed(x: Tensor) -> Tensor:
        """Return 2 D samples with the mean and the covariance of ``x``, on which each Gaussian has the same mean loss.

        They are the mean, plus and minus the columns of ``(D C)^(1/2)``, for the covariance ``C``.
        """
        values, vectors = torch.linalg.eigh(x.T.cov(correction=0).view(x.shape[1], -1))
        steps = (vectors * (len(values) * values.clamp_min(0)).sqrt()).T
        return torch.cat([x.mean(0) + steps, x.mean(0) - steps])

    def marginal_derivatives(self, x: Tensor, observed: Tensor) -> Derivatives:
        """Return the derivatives of the energies of the marginals of observed variables, 0 for the others.

        Args:
            x: Data, shape (N, D). The values of unobserved variables are ignored.
            observed: True for the observed variables, shape (N, D).

        Raises:
            ValueError: A shape does not fit, or the precision of unobserved variables is not positive definite.
        """
        self._check(x)
        patterns, which = observed.unique(dim=0, return_inverse=True)
        hidden, k = (~patterns).to(x), self.matrix
        inner = hidden[:, :, None] * k * hidden[:, None] + torch.diag_embed(1 - hidden)
        factor, failed = torch.linalg.cholesky_ex(inner)
        if bool(failed.any()):
            raise ValueError(
                "the precision of unobserved variables is not positive definite, so the others have no marginal: start "
                "from a matrix that is, and take smaller steps"
            )
        half = torch.linalg.solve_triangular(factor, hidden[:, :, None] * k, upper=False)
        gain = torch.linalg.solve_triangular(factor, (hidden * self.linear)[:, :, None], upper=False)
        precision = k - half.mT @ half
        eta = self.linear - (half.mT @ gain)[:, :, 0]
        seen = torch.where(observed, x, 0.0)
        d = (precision[which] @ seen[:, :, None])[:, :, 0] - eta[which]
        return Derivatives(d * observed, precision.diagonal(dim1=1, dim2=2)[which] * observed)


def _power(x: Tensor, power: float) -> Tensor:
    """Return ``x^power``, with a derivative of exactly 0 or 1 at 0 where it is one."""
    return torch.ones_like(x) if power == 0 else x if power == 1 else x**power
