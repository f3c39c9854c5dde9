"""Hessian-vector products: by automatic differentiation for any module, by the sweeps for graphs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scorematching.graph import Graph
from scorematching.runtime.functional import transformed
from scorematching.runtime.validation import energies
from scorematching.sweeps import sweep1, sweep2, sweep3, sweep4

#: Advice for attention.
ATTENTION = (
    "call the loss and backward() inside torch.nn.attention.sdpa_kernel(SDPBackend.MATH), because the fused kernels of "
    "attention have no second derivative"
)


class Products:
    """Gradient of an energy at a batch of data, and products of its Hessian with vectors.

    If gradients are enabled, the gradient and the products are differentiable with respect to the parameters, and with
    respect to ``x`` if ``x.requires_grad``.

    Args:
        energy: Any module that returns energies.
        x: Data, shape (N, ...).

    Attributes:
        d: Gradient with respect to the data, with the shape of ``x``.

    Raises:
        RuntimeError: An operation has no second derivative, such as attention by a fused kernel.
    """

    def __init__(self, energy: nn.Module, x: Tensor) -> None:
        self.differentiable, self._pull = torch.is_grad_enabled(), None
        if transformed():  # torch.autograd.grad can't run there
            slope = torch.func.grad(lambda x: energies(energy, x).sum())
            self.x = x.view_as(x)  # the products are not derivatives with respect to the caller's x
            self.d, self._pull = torch.func.vjp(slope, x)[:2]
            return
        with torch.inference_mode(False), torch.enable_grad():
            plain = x.clone() if x.is_inference() else x  # an inference tensor can have no gradient
            self.x = plain if plain.requires_grad and self.differentiable else plain.detach().requires_grad_()
            self._d = self._gradient(energies(energy, self.x).sum(), create=True)
        self.d = self._d if self.differentiable else self._d.detach()

    def hessian_times(self, v: Tensor) -> Tensor:
        """Return ``H v`` for each sample, with the shape of ``x``. ``v`` has that shape, or the shape of one sample."""
        if self._pull is not None:
            return self._pull(v.expand_as(self.x))[0]
        if not self._d.requires_grad:
            return torch.zeros_like(self.x)
        with torch.inference_mode(False), torch.enable_grad():
            return self._gradient((self._d * (v.clone() if v.is_inference() else v)).sum(), create=self.differentiable)

    def _gradient(self, value: Tensor, create: bool) -> Tensor:
        if not value.requires_grad:
            return torch.zeros_like(self.x)
        try:
            (found,) = torch.autograd.grad(value, self.x, create_graph=create, retain_graph=True, allow_unused=True)
        except RuntimeError as error:
            if "attention" not in str(error):
                raise
            raise RuntimeError(f"{error}: {ATTENTION}") from error
        return torch.zeros_like(self.x) if found is None else found


class SweptProducts:
    """Products of the Hessian of a graph with vectors, without gradients. They take half the time of :class:`Products`.

    ``H v`` is the gradient of ``v·d`` with respect to the data. So it is ``c`` of the data, if sweep 3 starts from
    ``a = v`` and ``a2 = 0``.

    Args:
        graph: The energy.
        x: Data, shape (N, ...).

    Attributes:
        d: Gradient with respect to the data, with the shape of ``x``.
    """

    @torch.no_grad()
    def __init__(self, graph: Graph, x: Tensor) -> None:
        self.graph, self.state = graph, sweep1(graph, x)
        sweep2(graph, self.state, curvature=False)
        self.d = self.state.d[graph.input]

    @torch.no_grad()
    def hessian_times(self, v: Tensor) -> Tensor:
        """Return ``H v`` for each sample, with the shape of the data."""
        sweep3(self.graph, self.state, v, None)
        sweep4(self.graph, self.state, by_parameters=False)
        return self.state.c[self.graph.input]


def saved_bytes(energy: nn.Module, x: Tensor) -> int:
    """Measure the bytes that automatic differentiation keeps for a gradient and one product at the samples of ``x``."""
    held: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if not tensor._is_zerotensor():  # zeros without memory, as in the derivatives of abs
            storage = tensor.untyped_storage()
            held[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        Products(energy, x).hessian_times(torch.ones_like(x))
    parameters = {p.untyped_storage().data_ptr() for p in energy.parameters()}
    return sum(size for place, size in held.items() if place not in parameters)
