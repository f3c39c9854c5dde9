"""Conversion of PyTorch modules: the graph has the same energies and the same parameters."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tracing_cases import CASES, Unet, chain, dense

import scorematching as sm


@pytest.mark.parametrize("name", CASES)
def test_the_graph_equals_the_module(name: str) -> None:
    module, shape = CASES[name]()
    module, x = module.double(), torch.randn(2, *shape, dtype=torch.float64)
    graph, parameters = sm.from_torch(module, x), list(module.parameters())
    torch.testing.assert_close(graph(x), module(x).reshape(2), rtol=1e-12, atol=1e-12)
    assert max(sm.check_gradients(graph, x).values()) < 1e-10
    assert {id(p) for p in graph.parameters() if p.requires_grad} <= {id(p) for p in parameters}
    by_graph, by_module = (torch.autograd.grad(e(x).sum(), parameters, allow_unused=True) for e in (graph, module))
    for one, two in zip(by_graph, by_module, strict=True):
        assert one is two is None or torch.allclose(one, two, 1e-9, 1e-9)
    sm.score_matching_loss(graph, x).backward()
    assert any(p.grad is not None for p in parameters)


def test_a_module_used_twice_is_one_layer_and_nodes_have_the_names_of_operations() -> None:
    graph = sm.from_torch(CASES["shared"]()[0])
    assert graph.layers[1] is graph.layers[3]
    names = {edge.target for edge in sm.from_torch(Unet(), torch.zeros(1, 1, 6, 6)).edges}
    assert names >= {"conv2d", "silu", "add", "pixel_unshuffle", "pixel_shuffle.flat", "cat", "energy"}


@pytest.mark.parametrize("side", [9, 28])
def test_an_example_is_made_from_the_first_layer(side: int) -> None:
    pool = nn.AdaptiveAvgPool2d(1) if side == 9 else nn.Identity()
    head = nn.Linear(3 if side == 9 else 3 * 26 * 26, 1)
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.SiLU(), pool, nn.Flatten(), head)
    x, state = torch.randn(5, 2, side, side), torch.get_rng_state()
    graph = sm.from_torch(module)
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(graph(x), module(x).flatten())


KINKED = [nn.ReLU(), nn.ReLU(inplace=True), nn.LeakyReLU(0.2), nn.ReLU6(), nn.Hardtanh(), nn.Softshrink(0.1)]
FORMS: list[Callable[[Tensor], Tensor]] = [torch.abs, F.relu, lambda h: h.relu(), lambda h: h.clamp(min=0)]


@pytest.mark.parametrize("module", [*map(chain, KINKED), *(dense(lambda m, h, f=f: f(h))[0] for f in FORMS)])
def test_piecewise_linear_operations_give_a_warning(module: nn.Module) -> None:
    module, x = module.double(), torch.randn(3, 4, dtype=torch.float64)
    message = r"piecewise linear operations: .*\(node .*curvature is at the kinks.*Use Softplus or SiLU"
    with pytest.warns(UserWarning, match=message):
        graph = sm.from_torch(module)
    torch.testing.assert_close(graph(x), module(x).flatten(), rtol=1e-12, atol=1e-12)
    sm.check_gradients(graph, x)
