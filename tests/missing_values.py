"""Data with missing values, for the tests of the marginal loss."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

import scorematching as sm

#: Precision matrix of the Gaussian of these tests.
PRECISION = torch.tensor([[1.5, 0.6, -0.4], [0.6, 1.2, 0.3], [-0.4, 0.3, 1.0]], dtype=torch.float64)


def gaussian() -> sm.energies.Gaussian:
    """The Gaussian of mean (1, 0, -1) and the precision above."""
    model = sm.energies.Gaussian(3).double()
    rows, columns = torch.triu_indices(3, 3)
    with torch.no_grad():
        model.interaction.copy_(PRECISION[rows, columns])
        model.linear.copy_(PRECISION @ torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64))
    return model


def gaussian_samples(samples: int) -> Tensor:
    """Samples of this Gaussian, shape (samples, 3)."""
    model = gaussian()
    return torch.distributions.MultivariateNormal(model.mean.detach(), precision_matrix=PRECISION).sample((samples,))


def at_random(x: Tensor, share: float = 0.3) -> Tensor:
    """Data with a share of missing entries, without the rows that have none left."""
    x = x.masked_fill(torch.rand_like(x) < share, torch.nan)
    return x[~x.isnan().all(1)]


class Opaque(nn.Module):
    """Energy that hides the formulas of another one."""

    def __init__(self, energy: nn.Module) -> None:
        super().__init__()
        self.energy = energy

    def forward(self, x: Tensor) -> Tensor:
        """Return the energies."""
        return self.energy(x)


class Grid:
    """Proposal that integrates over one missing entry on a grid of equal steps."""

    def __init__(self, width: float, points: int) -> None:
        self.places = torch.linspace(-width, width, points, dtype=torch.float64)

    def draw(
        self, x: Tensor, observed: Tensor, samples: int, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Return the grid."""
        assert samples == len(self.places)
        assert bool(((~observed).sum(1) == 1).all())
        draws = self.places[None, :, None].expand(len(x), samples, x.shape[1])
        return draws, torch.zeros(len(x), samples, dtype=x.dtype)


def integrated(energy: nn.Module, x: Tensor, missing: int, places: Tensor) -> Tensor:
    """Energy of the marginal without one entry, integrated on a grid, shape (N,)."""
    column = places[None, :, None].expand(len(x), -1, 1)
    others = x[:, None].expand(-1, len(places), -1)
    points = torch.cat([others[..., :missing], column, others[..., missing:]], 2)
    return -(-energy(points.flatten(0, 1))).view(len(x), -1).logsumexp(1)


def loss_by_autograd(marginal: Callable[[Tensor], Tensor], x: Tensor, lam: float) -> Tensor:
    """Score matching losses of an energy, shape (N,), by automatic differentiation alone."""

    def of_sample(one: Tensor) -> Tensor:
        def at(point: Tensor) -> Tensor:
            return marginal(point[None])[0]

        d, d2 = torch.func.grad(at)(one), torch.func.hessian(at)(one).diagonal()
        return (0.5 * d.square() - d2 + lam * d2.square()).sum()

    return torch.stack([of_sample(one) for one in x])


def minimize(parameters: list[nn.Parameter], loss: Callable[[], Tensor]) -> None:
    """Find the minimum, by LBFGS."""
    optimizer = torch.optim.LBFGS(
        parameters, max_iter=100, tolerance_grad=1e-7, tolerance_change=1e-10, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)


def sandwich_errors(parameters: list[nn.Parameter], losses: Callable[[], Tensor]) -> Tensor:
    """Standard errors of a minimum, shape (K,), by differences of the losses of the samples and of the gradient."""
    start, step = nn.utils.parameters_to_vector(parameters).detach(), 1e-3
    psi, hessian = [], []
    for unit in step * torch.eye(len(start), dtype=start.dtype):
        sides = []
        for theta in (start + unit, start - unit):
            nn.utils.vector_to_parameters(theta, parameters)
            found = losses()
            gradient = torch.autograd.grad(found.mean(), parameters)
            sides.append((found.detach(), torch.cat([g.flatten() for g in gradient])))
        psi.append((sides[0][0] - sides[1][0]) / (2 * step))
        hessian.append((sides[0][1] - sides[1][1]) / (2 * step))
    nn.utils.vector_to_parameters(start, parameters)
    scores, inverse = torch.stack(psi), torch.linalg.inv(torch.stack(hessian))
    return (inverse @ (scores @ scores.T) @ inverse).diagonal().sqrt() / scores.shape[1]


def expectation_maximization(x: Tensor, steps: int = 60) -> tuple[Tensor, Tensor]:
    """Mean and covariance of a Gaussian, by maximum likelihood, from data with missing values."""
    seen = ~x.isnan()
    mean, covariance = torch.zeros_like(x[0]), torch.eye(x.shape[1], dtype=x.dtype)
    patterns, which = seen.unique(dim=0, return_inverse=True)
    for _ in range(steps):
        filled, spread = x.clone(), torch.zeros_like(covariance)
        for number, pattern in enumerate(patterns):
            o, m, rows = pattern.nonzero()[:, 0], (~pattern).nonzero()[:, 0], (which == number).nonzero()
            gain = torch.linalg.solve(covariance[o][:, o], covariance[o][:, m]).T
            filled[rows, m] = mean[m] + (x[rows, o] - mean[o]) @ gain.T
            spread[m[:, None], m] += len(rows) * (covariance[m][:, m] - gain @ covariance[o][:, m])
        mean = filled.mean(0)
        covariance = filled.T.cov(correction=0) + spread / len(x)
    return mean, covariance
