"""The analysis of exactness against the truth: random graphs, large images, the report, the warning, the choice."""

from __future__ import annotations

import importlib

import pytest
import torch
from random_graphs import random_graph

import scorematching as sm
from scorematching.checks import brute_force
from scorematching.checks.cases import NETWORKS, make_network
from scorematching.curvature import DiagonalRecursion
from scorematching.curvature.analysis import structure
from scorematching.curvature.analysis.exactness import path_meetings
from scorematching.curvature.auto import method_named
from scorematching.energies import ProductOfStudentT
from scorematching.layers import (
    AvgPool2d,
    ConvTranspose2d,
    Gather,
    Identity,
    Multiply,
    Scatter,
    Sin,
    Softplus,
    Square,
    SumPool2d,
    Tanh,
)


@torch.no_grad()
def recursion_error(energy: sm.Graph, x: torch.Tensor) -> float:
    """Largest difference of the recursion from the true diagonal, relative to the largest entry."""
    with torch.enable_grad():
        diagonal = brute_force(energy, x)[1].diagonal(dim1=1, dim2=2).view_as(x)
    found = DiagonalRecursion().derivatives(energy, x).d2
    return float((found - diagonal).abs().max() / diagonal.abs().max().clamp_min(1e-300))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_verdict_on_the_cases_is_right(name: str) -> None:
    energy, x, exact = make_network(name)
    report = sm.exactness_report(energy, tuple(x.shape[1:]))
    assert report.exact == exact
    assert bool(report.where) != exact


@pytest.mark.parametrize("image", [False, True], ids=["vectors", "images"])
@pytest.mark.parametrize("seed", range(100))
def test_the_verdict_on_random_graphs_is_right(seed: int, image: bool) -> None:
    """Exact is never said where random weights show an error; and approximate only where they do.

    The latter but for selections, which may drop the very units that make the difference.
    """
    energy, x = random_graph(seed, image)
    report = sm.exactness_report(energy, tuple(x.shape[1:]))
    error = recursion_error(energy, x)
    if report.exact:
        assert error < 1e-9, str(report)
    elif not any(isinstance(layer, Gather) for layer in energy.layers):
        assert error > 1e-9, str(report)


@pytest.mark.parametrize("image", [False, True], ids=["vectors", "images"])
@pytest.mark.parametrize("seed", range(20))
def test_the_class_of_a_node_is_that_of_its_hessian(seed: int, image: bool) -> None:
    """At the data: zero, diagonal, or neither, as the true Hessian has it; and ``d2`` of other nodes by the blocks."""
    energy, x = random_graph(seed, image)
    h = brute_force(energy, x)[1].detach()
    beside = h - torch.diag_embed(h.diagonal(dim1=1, dim2=2))
    kind = sm.exactness_report(energy, tuple(x.shape[1:])).nodes[0].hessian
    assert kind in ("zero", "diagonal", "block", "full")
    if kind == "zero":
        assert h.abs().max() == 0
    elif kind == "diagonal":
        assert beside.abs().max() < 1e-12 * h.abs().max()
    if kind != "full":
        assert (h == 0).any() or h.shape[1] == 1


LARGE = {
    "FoE": (lambda: [sm.Conv2d(1, 3, 5), sm.StudentT(), sm.Sum()], True),
    "strided": (lambda: [sm.Conv2d(1, 3, 3, stride=2), Softplus(), sm.WeightedSum(3)], True),
    "pooled squares": (lambda: [Square(), SumPool2d(3), Softplus(), sm.Sum()], True),
    "pools of pools": (
        lambda: [
            Square(),
            SumPool2d(2),
            Softplus(),
            SumPool2d(2),
            Tanh(),
            sm.Sum(),
        ],
        True,
    ),
    "pools apart": (lambda: [Square(), SumPool2d(2, 3), Softplus(), sm.Sum()], True),
    "overlapping pools": (
        lambda: [Square(), SumPool2d(3, 2), Softplus(), sm.Sum()],
        True,
    ),
    "overlapping pools, twice": (
        lambda: [AvgPool2d(3, 2), Square(), AvgPool2d(2), Sin(), sm.Sum()],
        False,
    ),
    "patches": (
        lambda: [sm.Conv2d(1, 3, 4, 4), Tanh(), sm.Conv2d(3, 3, 1), Tanh(), sm.Sum()],
        False,
    ),
    "patches, pooled": (
        lambda: [sm.Conv2d(1, 1, 4, 4), Tanh(), SumPool2d(2), Tanh(), sm.Sum()],
        True,
    ),
    "two convolutions": (
        lambda: [sm.Conv2d(1, 2, 3), Tanh(), sm.Conv2d(2, 2, 3), Tanh(), sm.Sum()],
        False,
    ),
    "up again": (
        lambda: [
            sm.Conv2d(1, 2, 2, 2),
            Tanh(),
            ConvTranspose2d(2, 1, 2, 2),
            Tanh(),
            sm.Sum(),
        ],
        False,
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_image_is_judged_by_a_small_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One period in the middle of a small image tells what all entries of the large one would."""
    build, exact = LARGE[name]
    energy = sm.Sequential(*build())
    assert sm.exactness_report(energy, (1, 600, 700)).exact == exact
    x = torch.zeros(1, 1, 24, 36)
    assert bool(path_meetings(energy, x)) == (not exact)
    module = importlib.import_module("scorematching.curvature.analysis.exactness")
    monkeypatch.setattr(module, "_has_one_way", lambda energy: False)
    in_the_middle = module._path_meetings(energy, x)
    monkeypatch.setattr(structure, "_middle", lambda spans, actual: (10**9, []))
    assert bool(module._path_meetings(energy, x)) == bool(in_the_middle) == (not exact)


class _Flipped(Identity):
    """A layer that inherits the claim to keep positions, and does not."""

    def linear(self, x: torch.Tensor, w: object) -> torch.Tensor:
        return x.flip(-1)

    def adjoint(self, y: torch.Tensor, w: object, shape: torch.Size) -> torch.Tensor:
        return y.flip(-1)


def test_an_inherited_claim_is_not_believed() -> None:
    energy = sm.Graph(
        [
            ("x", _Flipped(), "h"),
            ("x", Identity(), "h"),
            ("h", Square(), "q"),
            ("q", Square(), "r"),
            ("r", sm.Sum(), "energy"),
        ]
    )
    assert not sm.exactness_report(energy, (1, 1, 61)).exact
    sm.check_gradients(energy, torch.randn(2, 1, 3, 6), curvature="coloring")


def test_a_layer_that_comes_again_is_seen() -> None:
    """The same parts in another order are another structure."""
    linear, identity = sm.Linear(4, 4), Identity()
    energy = sm.Sequential(linear, identity, identity, sm.StudentT(), sm.Sum())
    x = torch.randn(3, 4)
    assert isinstance(method_named("auto", energy, x), DiagonalRecursion)
    energy.layers[1] = Tanh()
    energy.layers[2] = linear
    assert not isinstance(method_named("auto", energy, x), DiagonalRecursion)


def test_values_of_their_own_at_each_position() -> None:
    """Such a layer is not judged by a smaller image, which it would not fit."""
    energy = sm.Sequential(Multiply(torch.rand(1, 40, 40)), sm.Conv2d(1, 2, 3), sm.StudentT(), sm.Sum())
    assert sm.exactness_report(energy, (1, 40, 40)).exact
    assert sm.exactness_report(sm.Sequential(Multiply(2.0), *list(energy.layers)[1:]), (1, 400, 400)).exact


def test_a_zero_is_a_weight_like_another() -> None:
    gate = sm.Graph(
        [
            ("x", sm.Linear(4, 4), "a"),
            ("a", Multiply(0.0), "b"),
            ("x", Identity(), "b"),
            ("b", Square(), "c"),
            ("c", sm.Sum(), "energy"),
        ]
    )
    assert not sm.exactness_report(gate).exact


@pytest.mark.parametrize("stride", [2, 3, 4, 5])
def test_a_net_that_goes_down_and_up_again(stride: int) -> None:
    """Sizes that match in the actual image match in the small one that stands for it."""
    energy = sm.Graph(
        [
            ("x", sm.Conv2d(1, 2, stride, stride), "a"),
            ("a", Tanh(), "b"),
            ("b", ConvTranspose2d(2, 1, stride, stride), "c"),
            ("x", Identity(), "c"),
            ("c", sm.StudentT(), "d"),
            ("d", sm.Sum(), "energy"),
        ]
    )
    assert not sm.exactness_report(energy, (1, 120, 180)).exact


def test_too_many_paths_are_not_called_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "LIMIT", 100)
    report = sm.exactness_report(sm.Sequential(Scatter(range(20), 20), sm.Linear(20, 30), sm.StudentT(), sm.Sum()))
    assert not report.exact
    assert "not known: 20 times 71 counts" in report.where[0]
    assert report.nodes[0].exact is None
    assert "not known" in str(report)


def test_the_report_tells_structures_apart() -> None:
    """Weighted sums, pools, skips and couplings: classes, coupled nodes, and where it ends."""
    energy, _, _ = make_network("residual")
    report = sm.exactness_report(energy, batch=64)
    assert report.where == ("Linear on edge 2 (u -> r) mixes what depends on the same inputs",)
    assert [(node.name, node.hessian) for node in report.nodes if node.hessian in ("zero", "diagonal")] == [
        ("l", "zero"),
        ("t", "diagonal"),
        ("q", "zero"),
        ("energy", "zero"),
    ]
    assert report.coupled == (("x", "h"), ("x", "u"))
    text = str(report)
    assert "approximate: the recursion" in text
    assert "x and h, x and u" in text
    assert [cost.method for cost in report.costs] == ["diagonal", "full", "jacobian", "coloring"]
    assert all(cost.multiplications > 0 for cost in report.costs)
    parallel, _, _ = make_network("parallel edges")
    assert sm.exactness_report(parallel).where == ("paths from the same inputs meet at node 'u', where 2 edges end",)
    disjoint, _, _ = make_network("disjoint halves")
    assert ("a", "b") in sm.exactness_report(disjoint).coupled
    assert sm.exactness_report(sm.Sequential(sm.Linear(3, 2), sm.Sum())).nodes[0].hessian == "zero"


def test_costs_grow_with_the_batch() -> None:
    energy, _, _ = make_network("three hidden layers")
    one, many = sm.exactness_report(energy).costs, sm.exactness_report(energy, batch=50).costs
    assert [cost.multiplications * 50 for cost in one] == [cost.multiplications for cost in many]
    assert [cost.memory * 50 for cost in one] == [cost.memory for cost in many]


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: sm.exactness_report(torch.nn.Linear(3, 1)), TypeError, "got Linear"),
        (
            lambda: sm.exactness_report(ProductOfStudentT(4, 5), (3,)),
            ValueError,
            r"Linear on edge 0 .*expected shape \(N, 4\), got \(1, 3\)",
        ),
    ],
)
def test_bad_input_is_named(call: object, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()
