"""Graphs: order, sums at nodes, and errors that name the place."""

from __future__ import annotations

import pytest
import torch

import scorematching as sm
from scorematching.energies import FieldOfExperts, ProductOfStudentT
from scorematching.layers import (
    Add,
    AvgPool2d,
    Flatten,
    Gather,
    Identity,
    Layer,
    Multiply,
    Reshape,
    Scale,
    Scatter,
    Spline,
    Square,
    StudentTMixture,
    SumOver,
    Tanh,
)


def edges(*pairs: tuple[str, str]) -> list[tuple[str, Layer, str]]:
    return [(source, Identity(), target) for source, target in pairs]


def test_edges_may_come_in_any_order() -> None:
    given = [
        ("u", sm.Sum(), "energy"),
        ("h", Tanh(), "u"),
        ("x", Identity(), "u"),
        ("x", Square(), "h"),
    ]
    x = torch.randn(3, 4)
    torch.testing.assert_close(sm.Graph(given)(x), (torch.tanh(x * x) + x).sum(1))
    assert [(e.source, e.target) for e in sm.Graph(given).edges][-1] == ("u", "energy")


BAD = {
    "cycle": (edges(("x", "a"), ("a", "b"), ("b", "a"), ("b", "energy")), "cycle, through some of the nodes"),
    "self-loop": (edges(("x", "a"), ("a", "a"), ("a", "energy")), "cycle"),
    "orphan": (edges(("x", "energy"), ("b", "energy")), r"no edge leads to \['b'\]"),
    "dead end": (edges(("x", "energy"), ("x", "b")), r"no edge leaves \['b'\]"),
    "no input": (edges(("a", "energy")), "no edge leaves the input node 'x'"),
    "no output": (edges(("x", "a")), "no edge leads to the output node 'energy'"),
    "into the input": (edges(("x", "a"), ("a", "x"), ("a", "energy")), "leads into the input node"),
    "out of the output": (edges(("x", "energy"), ("energy", "a")), "leaves the output node"),
    "nothing": ([], "no edge leaves the input node"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_graph_that_is_none_is_refused(name: str) -> None:
    given, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        sm.Graph(given)


def test_a_module_that_is_no_layer_is_refused() -> None:
    with pytest.raises(TypeError, match="edge x -> energy: expected a scorematching layer, got Tanh"):
        sm.Sequential(torch.nn.Tanh())  # type: ignore[arg-type]


def test_shapes_that_do_not_add_up_are_named() -> None:
    energy = sm.Graph([("x", sm.Linear(4, 3), "h"), ("x", Identity(), "h"), ("h", sm.Sum(), "energy")])
    with pytest.raises(ValueError, match=r"node 'h' is a sum of shape \(2, 3\) so far, but edge 1 \(x -> h\) adds"):
        energy(torch.zeros(2, 4))


def test_an_energy_is_one_number_a_sample() -> None:
    energy = sm.Sequential(sm.Linear(4, 3), Tanh())
    for call in (energy, lambda x: sm.score(energy, x)):
        with pytest.raises(
            ValueError, match=r"one energy per sample, shape \(2,\), got \(2, 3\): end the network with Sum"
        ):
            call(torch.zeros(2, 4))


def test_state_dict_and_names() -> None:
    energy = sm.Sequential(sm.Linear(4, 3), sm.StudentT(learn_scale=True), sm.WeightedSum(3))
    assert list(energy.state_dict()) == ["layers.0.weight", "layers.0.bias", "layers.1.scale", "layers.2.weight"]
    assert "edge 1 (g1 -> g2)" in repr(energy)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (sm.Linear(4, 3), (2, 5), r"expected shape \(N, 4\)"),
        (sm.Conv2d(2, 3, 3), (2, 1, 5, 5), r"expected shape \(N, 2, H, W\)"),
        (sm.Conv2d(1, 3, 5), (2, 1, 4, 6), r"H and W of at least \(5, 5\)"),
        (sm.WeightedSum(3), (2, 4), r"expected shape \(N, 3, ...\)"),
        (Scale(3), (2, 4), r"expected shape \(N, 3, ...\)"),
        (AvgPool2d(3), (2, 1, 2, 5), "H and W of at least 3"),
        (sm.Sum(), (2,), r"expected shape \(N, ...\)"),
        (Flatten(), (2,), r"expected shape \(N, ...\)"),
        (Reshape((2, 3)), (2, 4), r"samples of 6 entries, got shape \(2, 4\)"),
        (SumOver([2]), (2, 4), r"3 dimensions or more, got shape \(2, 4\)"),
        (Multiply(torch.ones(3)), (2, 4), r"a shape to which \(3,\) broadcasts, got \(2, 4\)"),
        (Add(torch.ones(2, 1)), (4,), r"a shape to which \(2, 1\) broadcasts, got \(4,\)"),
        (Gather([5]), (2, 4), r"\(N, 6 or more, ...\)"),
        (Scatter([0, 1], 4), (2, 4), r"expected shape \(N, 2, ...\)"),
        (sm.StudentT(channels=3), (2, 4), r"expected shape \(N, 3, ...\)"),
        (StudentTMixture(3), (2, 4), r"expected shape \(N, 3, ...\)"),
    ],
)
def test_each_layer_says_what_it_expects(layer: Layer, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sm.Sequential(layer, sm.Sum())(torch.zeros(shape))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: sm.StudentT(0.0), "scale and channels must be positive"),
        (lambda: StudentTMixture(3, scales=()), "one or more positive numbers"),
        (lambda: Gather([-1]), "of 0 or more"),
        (lambda: Gather([]), "one or more integers"),
        (lambda: AvgPool2d(0), "of 1 or more"),
        (lambda: sm.Conv2d(1, 1, 3, padding="same"), "padding must be given in pixels"),
        (lambda: Scatter([4], 4), "from 0 to 3"),
        (lambda: FieldOfExperts(9, 3), "filters must be an integer from 1 to 8, got 9"),
        (lambda: FieldOfExperts(4, 3, (1.0,), expert="spline"), "not of splines"),
        (lambda: Spline(2, reach=float("inf")), "got channels=2, reach=inf, knots=33"),
        (lambda: ProductOfStudentT(0, 3), "1 or more"),
    ],
)
def test_bad_sizes_are_refused(build: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()  # type: ignore[operator]
