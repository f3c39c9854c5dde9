"""Losses of samples as functions of chosen parameters, in float64, for fits and their standard errors."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from scorematching.curvature import Choice, CurvaturePropagation, Hutchinson, method_named
from scorematching.curvature.objective import Objective, sm_value
from scorematching.domains import DomainChoice, domain_named
from scorematching.graph import Graph
from scorematching.losses.bounds import warn_of_bounds
from scorematching.runtime.arguments import check_positive
from scorematching.runtime.functional import call_with
from scorematching.runtime.validation import check_data, check_weight

#: Memory for the derivatives of one batch of samples, in bytes.
BYTES = 2**27
#: Number of parameter vectors that are evaluated at a time.
TOGETHER = 64

Batch = tuple[Tensor, Tensor, Tensor]


class SampleLosses:
    """Losses of the samples of a data set, as functions of a flat vector ``theta`` of parameters.

    Args:
        energy: Model; a copy is made.
        x: Data, shape (N, ...).
        lam: Regularizer.
        parameters: Names of the parameters; ``None`` for the default of :func:`chosen`.
        curvature: Curvature method, not a random one.
        weight: Weights of the samples or of the inputs.
        domain: Set that the data lie in.

    Attributes:
        named: The parameters of ``energy`` itself, by name.
        theta: Their present values, shape (K,), float64.
        x: The data, in the coordinates of the domain.
        lam: Regularizer.
        size: Number of samples to process at a time.

    Raises:
        TypeError: A tensor is not of floating point.
        ValueError: A name is unknown, the method is random, a shape does not fit, or ``x`` is not valid.
    """

    def __init__(
        self,
        energy: nn.Module,
        x: Tensor,
        *,
        lam: float,
        parameters: Sequence[str] | None,
        curvature: Choice,
        weight: Tensor | None,
        domain: DomainChoice,
    ) -> None:
        self.lam = check_positive("lam", lam, zero=True)
        check_data(energy, x, finite=True)
        if not x.numel():
            raise ValueError(f"x has samples without inputs, shape {tuple(x.shape)}")
        self.named = chosen(energy, parameters)
        bounded = domain_named(domain)
        if bounded is not None:
            bounded.check(energy, x)
            if weight is not None:
                bounded.check_weight(weight, x)
            energy, x, bounded = bounded.coordinates(energy, x)
            bounded = bounded.fitted(x)
        self.x, self.domain = x, bounded
        self.weight = x.new_ones(x.shape[1:]) if weight is None else check_weight(weight, x, finite=True)
        if domain is None:
            warn_of_bounds(energy, x, self.weight)
        names = {id(parameter): name for name, parameter in energy.named_parameters()}
        self.names = [names[id(parameter)] for parameter in self.named.values()]
        self.energy = copy.deepcopy(energy).double().requires_grad_(False)
        self.theta = torch.cat([p.detach().double().flatten() for p in self.named.values()])
        self.size = max(1, BYTES // (48 * (1 + len(self.theta)) * x[0].numel()))
        method = method_named(curvature, self.energy, x[: self.size].double())
        if isinstance(method, Hutchinson | CurvaturePropagation):
            raise ValueError(
                f"curvature must not be random, got {type(method).__name__}: use 'auto' or another exact method"
            )
        self.method = method if bounded is None else bounded.along(method)

    @property
    def shapes(self) -> dict[str, torch.Size]:
        """Shapes of the parameters, by name."""
        return {name: parameter.shape for name, parameter in self.named.items()}

    def batches(self, x: Tensor | None = None) -> Iterator[Batch]:
        """Yield batches of samples, and the weights of their inputs and their slopes, shape (n, inputs).

        Args:
            x: Samples in place of the data, all with the weights of one sample.
        """
        samples = self.x if x is None else x
        given = self.weight.expand_as(samples).double()
        for part, w in zip(samples.double().split(self.size), given.split(self.size), strict=True):
            h, slope = (None if self.domain is None else self.domain.weights(part)) or (torch.ones_like(w), 0 * w)
            yield part, (w * h).flatten(1), (w * slope).flatten(1)

    def at(self, theta: Tensor, x: Tensor) -> Tensor:
        """Return ``d`` and ``d2`` of the energy with the parameters ``theta``, shape (2, n, inputs)."""
        parts = theta.split([parameter.numel() for parameter in self.named.values()])
        shaped = (part.view_as(parameter) for part, parameter in zip(parts, self.named.values(), strict=True))
        state, squared = dict(zip(self.names, shaped, strict=True)), self.lam > 0
        d, d2, _ = call_with(self.method.derivatives, self.energy, state, x, squared)
        return torch.stack([d.flatten(1), d2.flatten(1)])

    def together(self, thetas: Tensor, x: Tensor) -> Tensor:
        """Return :meth:`at` of several vectors of parameters, shape (K, 2, n, inputs)."""
        found: Tensor = torch.func.vmap(lambda theta: self.at(theta, x), chunk_size=TOGETHER)(thetas)
        return found

    def losses(self, theta: Tensor, batch: Batch) -> Tensor:
        """Return the losses of a batch of samples, shape (n,)."""
        part, w, slope = batch
        d, d2 = self.at(theta, part)
        return sm_value(d, d2, Objective(self.lam, w, slope))

    def gradients(self, theta: Tensor) -> Tensor:
        """Return the gradient ``psi_n`` of the loss of each sample, shape (N, K)."""

        def of_sample(theta: Tensor, *one: Tensor) -> Tensor:
            part, w, slope = (tensor[None] for tensor in one)
            return self.losses(theta, (part, w, slope))[0]

        each = torch.func.vmap(torch.func.grad(of_sample), (None, 0, 0, 0))
        return torch.cat([each(theta, *batch).detach() for batch in self.batches()])

    def hessian(self, theta: Tensor) -> Tensor:
        """Return the Hessian ``A`` of the mean loss, shape (K, K)."""
        found = torch.zeros(len(theta), len(theta), dtype=theta.dtype, device=theta.device)
        for batch in self.batches():
            found += self._hessian(theta, batch).detach()
        return 0.5 * (found + found.T) / len(self.x)

    def _hessian(self, theta: Tensor, batch: Batch) -> Tensor:
        def summed(theta: Tensor) -> Tensor:
            return self.losses(theta, batch).sum()

        derivative: Callable[[Tensor], Tensor] = torch.func.jacrev(torch.func.grad(summed), chunk_size=TOGETHER)
        return derivative(theta)


def chosen(energy: nn.Module, names: Sequence[str] | None) -> dict[str, nn.Parameter]:
    """Return parameters by name.

    Args:
        energy: Model.
        names: Their names. The default is the weight of the last layer with a learned weight for a graph, and all
            learned parameters for another module.

    Raises:
        ValueError: A name is unknown, or there is no parameter.
    """
    named = dict(energy.named_parameters())
    if names is None and isinstance(energy, Graph):
        weights = [getattr(layer, "weight", None) for _, layer in energy.pairs()]
        learned = [w for w in weights if isinstance(w, nn.Parameter) and w.requires_grad]
        names = [name for name, parameter in named.items() if learned and parameter is learned[-1]]
    elif names is None:
        names = [name for name, parameter in named.items() if parameter.requires_grad]
    if unknown := [name for name in names if name not in named]:
        raise ValueError(f"the energy has no parameter {unknown[0]!r}; it has {', '.join(named) or 'none'}")
    if len(names) == 0:
        raise ValueError(f"there is no parameter to fit: choose one or more of {', '.join(named) or 'none'}")
    return {name: named[name] for name in names}
