"""Figures that other packages print, and the same fits with this library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

import scorematching as sm
from scorematching.domains import Domain, Interval, Sphere
from scorematching.energies import ExponentialFamily, Gaussian

Statistic = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Figure:
    """Numbers of another package, or of a paper.

    Attributes:
        name: Description of the numbers.
        source: Package or paper, and where the numbers stand.
        printed: The numbers.
        digits: Number of decimal digits to which they must agree.
        compute: Function that returns the same numbers, computed with this library.
    """

    name: str
    source: str
    printed: tuple[float, ...]
    digits: int
    compute: Callable[[], list[float]]


def normals_of_r(seed: int, count: int) -> np.ndarray:
    """Return normal random numbers of R's default generator: Mersenne Twister, and inversion.

    Example:
        >>> normals_of_r(1, 2).round(7)  # rnorm(2) after set.seed(1)
        array([-0.6264538,  0.1836433])
    """
    state = [seed]
    for _ in range(50 + 625):
        state.append((69069 * state[-1] + 1) % 2**32)
    twister = np.random.RandomState()
    twister.set_state(("MT19937", np.array(state[-624:], dtype=np.uint32), 624, 0, 0.0))
    uniform = twister.randint(0, 2**32, size=2 * count, dtype=np.uint32) * 2.3283064365386963e-10
    found: np.ndarray = ndtri((np.floor(2**27 * uniform[0::2]) + uniform[1::2]) / 2**27)
    return found


def truncated_normal() -> list[float]:
    """Return mean and variance of the normal distribution, from a sample of its positive part."""
    drawn = normals_of_r(6, 2000 + 52)
    kept = [part[part >= 0] for part in (drawn[:2000], drawn[2000:])]
    x = torch.from_numpy(np.concatenate(kept)[:1000, None])
    domain = Interval(0, shape=lambda d: torch.log1p(d).clamp(max=2))
    precision, eta = sm.fit_closed_form(Gaussian(1).double(), x, domain=domain).estimate.tolist()
    return [eta / precision, 1 / precision]


def synthetic() -> tuple[Tensor, Tensor]:
    """Return 40 points on the unit sphere, and 60 proportions of four parts, which were given to scorematchingad."""
    rng = np.random.default_rng(2026)
    points = rng.normal(size=(40, 3)) * [1, 0.8, 0.6] + [0.6, 0.3, 1.0]
    rng.normal(size=(30, 2))
    parts = rng.gamma([0.7, 1.4, 2.0, 3.0], size=(60, 4))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return torch.from_numpy(points), torch.from_numpy(parts / parts.sum(1, keepdims=True))


def family(statistics: list[Statistic], x: Tensor, domain: Domain) -> tuple[Tensor, Tensor]:
    """Fit an exponential family; return its parameters, and their standard errors with N - 1 in place of N."""
    found = sm.fit_closed_form(ExponentialFamily(statistics).double(), x, domain=domain)
    return found.estimate, found.standard_errors * (len(x) / (len(x) - 1)) ** 0.5


def entry(*places: int) -> Statistic:
    """Return the product of entries as a statistic."""
    return lambda z: z[:, list(places)].prod(1)


LINEAR = [entry(i) for i in range(3)]


def von_mises_fisher() -> list[float]:
    """Return the parameters of a von Mises-Fisher distribution, and their standard errors."""
    return torch.cat(family(LINEAR, synthetic()[0], Sphere())).tolist()


def fisher_bingham() -> list[float]:
    """Return the parameters of a Fisher-Bingham distribution."""
    squares: list[Statistic] = [lambda z, i=i: z[:, i] ** 2 - z[:, 2] ** 2 for i in range(2)]  # type: ignore[misc]
    products: list[Statistic] = [
        lambda z, i=i, j=j: 2 * z[:, i] * z[:, j]  # type: ignore[misc]
        for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    return family([*squares, *products, *LINEAR], synthetic()[0], Sphere())[0].tolist()


def dirichlet() -> list[float]:
    """Return the parameters minus 1 of a Dirichlet distribution of square roots, and their standard errors."""
    logarithms: list[Statistic] = [lambda z, i=i: z[:, i].log() for i in range(4)]  # type: ignore[misc]
    positive = Sphere(lambda z: z.amin(1), cap=0.1)
    estimate, errors = family(logarithms, synthetic()[1].sqrt(), positive)
    return torch.cat([(estimate - 1) / 2, errors / 2]).tolist()


def microbiome(table: Path) -> list[float]:
    """Return the estimates and standard errors of Table 4 of Scealy & Wood (2023), from their data.

    Args:
        table: CSV file of 92 people: one line of names, and then for each an identifier and five proportions (TM7,
            Cyanobacteria/Chloroplast, Actinobacteria, Proteobacteria, all others). The R package scorematchingad has
            these data, as ``ppi_microbiomedata_cleaned_TCAP``.
    """
    u = np.loadtxt(table, delimiter=",", skiprows=1)[:, 1:]
    z = torch.from_numpy(np.sqrt(u / u.sum(1, keepdims=True))).clamp_min(1e-9)  # 1 / z must be finite
    shapes = torch.tensor([-0.8, -0.85, 0, -0.2, 0], dtype=torch.float64)
    statistics = [entry(i, i, i, i) for i in range(4)]
    pairs = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
    statistics += [lambda z, i=i, j=j: 2 * (z[:, i] * z[:, j]) ** 2 for i, j in pairs]  # type: ignore[misc]
    statistics += [entry(i, i) for i in range(4)]

    class WithShapes(ExponentialFamily):
        """The family, with known powers of the proportions."""

        def forward(self, x: Tensor) -> Tensor:
            """Return the energies."""
            return super().forward(x) - ((1 + 2 * shapes) * x.log()).sum(1)

    found = sm.fit_closed_form(WithShapes(statistics).double(), z, domain=Sphere(lambda z: z.amin(1), cap=0.01))
    return [*found.estimate.tolist(), *found.standard_errors.tolist()]


#: Table 4 of Scealy & Wood (2023): estimates, and then their standard errors.
TABLE_4 = (
    -126742.31, -9026.6003, -58.650366, -33.147724, 15498.177, 2099.7523, -145.99201, 98.89397, 311.05321, 8.8940576,
    -251.15851, 78.697956, 5.1471484, -2.9545485,
    25166.784, 4315.7856, 35.861412, 17.97258, 10192.372, 915.89229, 189.98443, 676.70781, 212.29883, 13.410266,
    239.19681, 50.893722, 8.5741361, 4.2475257,
)  # fmt: skip

FIGURES = (
    Figure(
        "truncated normal: mean, variance",
        "genscore 1.0.2, vignette",
        (-0.01763796, 1.02421948),
        6,
        truncated_normal,
    ),
    Figure(
        "von Mises-Fisher: parameters, standard errors",
        "scorematchingad 0.1.6, output",
        (1.6213134392, 0.8575220843, 2.5199316863, 0.4523311105, 0.4230157350, 0.4257694296),
        9,
        von_mises_fisher,
    ),
    Figure(
        "Fisher-Bingham: parameters",
        "scorematchingad 0.1.6, output",
        (1.0290484965, 1.1367190139, 0.2740799672, 0.5644344266, -0.2124098903, 0.7741044403, 0.7497832667,
         4.9813607275),
        9,
        fisher_bingham,
    ),
    Figure(
        "Dirichlet, square roots: parameters, standard errors",
        "scorematchingad 0.1.6, output",
        (-0.3633054251, 0.5563014042, 0.856561963, 1.857519571, 0.1251424851, 0.1088949674, 0.2015357952,
         0.2842826485),
        9,
        dirichlet,
    ),
)  # fmt: skip
