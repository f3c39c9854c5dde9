"""Domains of data that do not fill all of space: intervals, polyhedra and others, the simplex, the sphere, the circle.

Score matching integrates by parts, and drops the terms at the boundary. On a bounded domain they do not vanish, and the
fit is wrong. Generalized score matching (Hyvärinen 2007; Yu, Drton & Shojaie 2019; Liu, Kanamori & Williams 2022)
weights the inputs by ``h_i(x)``, which vanishes on the boundary::

    J_h = sum_i  h_i (1/2 delta_i^2 - delta'_i + lam delta'_i^2) - (dh_i/dx_i) delta_i

So a domain is a pair of weights: :class:`Weights`. Everything else of the loss stays as it is. Curved domains have
none, and change the derivatives (:class:`Sphere`) or nothing (:class:`Circle`).
"""

from scorematching.curvature.objective import Weights
from scorematching.domains.base import Domain
from scorematching.domains.circle import Circle
from scorematching.domains.distance import Distance, Polyhedron
from scorematching.domains.interval import Interval
from scorematching.domains.names import DomainChoice, domain_named
from scorematching.domains.simplex import Simplex
from scorematching.domains.sphere import Sphere

__all__ = [
    "Circle",
    "Distance",
    "Domain",
    "DomainChoice",
    "Interval",
    "Polyhedron",
    "Simplex",
    "Sphere",
    "Weights",
    "domain_named",
]
