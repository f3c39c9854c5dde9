"""The shortcuts of a step: blocks of samples, constants of a batch of one, blocks of pixels. Each changes no number."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._pytree import tree_leaves

import scorematching as sm
from scorematching.checks import check_layer
from scorematching.checks.cases import LAYERS, NETWORKS, make_layer, make_network
from scorematching.curvature import DiagonalRecursion, diagonal
from scorematching.energies import FieldOfExperts, ProductOfStudentT
from scorematching.layers import Power, correlation
from scorematching.layers.base import Sides
from scorematching.layers.correlation import block_side, correlate
from scorematching.sweeps import sweep1, sweep2, sweep3, sweep4

pytestmark = pytest.mark.filterwarnings("ignore::scorematching.curvature.ApproximationWarning")


def _loss_and_gradients(energy: sm.Graph, x: Tensor, lam: float, weight: Tensor | None) -> list[Tensor]:
    x = x.detach().requires_grad_()
    loss = sm.score_matching_loss(energy, x, lam=lam, curvature="diagonal", weight=weight)
    found = torch.autograd.grad(3 * loss, [x, *energy.parameters()], allow_unused=True)
    return [loss.detach(), *(g for g in found if g is not None)]


@pytest.mark.parametrize("weighted", ["no weight", "of a sample", "of the batch"])
@pytest.mark.parametrize("lam", [0.0, 0.3])
def test_blocks_of_samples_add_up(lam: float, weighted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    energy, _, _ = make_network("PoE, Student-t")
    x = torch.randn(7, 4, dtype=torch.float64)
    weight = {"no weight": None, "of a sample": torch.rand(4).double(), "of the batch": torch.rand(7, 4).double()}
    whole = _loss_and_gradients(energy, x, lam, weight[weighted])
    monkeypatch.setattr(diagonal.DiagonalRecursion, "samples", lambda self, energy, x: 3)
    sizes: list[int] = []
    plain = diagonal.DiagonalRecursion.gradients
    monkeypatch.setattr(diagonal.DiagonalRecursion, "gradients", lambda *a: (sizes.append(len(a[2])), plain(*a))[1])
    torch.testing.assert_close(_loss_and_gradients(energy, x, lam, weight[weighted]), whole, rtol=1e-12, atol=1e-12)
    assert sizes == [3, 2, 2]


@pytest.mark.parametrize("name", ["dense", "convolutional"])
def test_the_sweeps_of_a_block_fill_the_cache_and_no_more(name: str) -> None:
    """Measured: the bytes of all tensors that the four sweeps leave in their state."""
    dense = name == "dense"
    energy = ProductOfStudentT(144, 256) if dense else FieldOfExperts(16, 5)
    like = torch.zeros(1, 144) if dense else torch.zeros(1, 1, 48, 48)
    samples = DiagonalRecursion().samples(energy, like)
    state = sweep1(energy, torch.randn(samples, *like.shape[1:]))
    with torch.no_grad():
        sweep2(energy, state)
        sweep3(energy, state, state.d["x"], 0.2 * state.d2["x"] - 1)
        sweep4(energy, state)
    weights = {p.untyped_storage().data_ptr() for p in energy.parameters()}
    tensors = [leaf for leaf in tree_leaves(vars(state)) if isinstance(leaf, Tensor)]
    held = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    size = sum(number for place, number in held.items() if place not in weights)
    assert 0.4 * diagonal.BLOCK < size <= diagonal.BLOCK


def test_a_sample_that_is_larger_than_a_block_is_a_block() -> None:
    assert DiagonalRecursion().samples(FieldOfExperts(48, 7), torch.zeros(1, 1, 512, 512)) == 1


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("lam", [0.0, 0.3])
@pytest.mark.parametrize("masked", [False, True])
def test_the_summed_loss_is_the_sum_of_the_losses(name: str, lam: float, masked: bool) -> None:
    """One is by one step of four sweeps, with its shortcut for lam at 0; the other by two sweeps and two more."""
    energy, x, _ = make_network(name)
    x.requires_grad_()
    weight = torch.rand_like(x[0]) if masked else None
    each = sm.score_matching_loss(energy, x, lam=lam, curvature="diagonal", weight=weight, reduction="none").mean()
    at_once = sm.score_matching_loss(energy, x, lam=lam, curvature="diagonal", weight=weight)
    torch.testing.assert_close(at_once, each, rtol=1e-10, atol=1e-12)
    leaves = [x, *energy.parameters()]
    expected = torch.autograd.grad(each, leaves, allow_unused=True, materialize_grads=True)
    found = torch.autograd.grad(at_once, leaves, allow_unused=True, materialize_grads=True)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_constants_have_a_batch_of_one() -> None:
    """What is the same for all samples is computed once: with lam at 0, ``a2`` before the first expert."""
    energy, x, _ = make_network("PoE, Student-t")
    state = sweep1(energy, x)
    sweep2(energy, state)
    sweep3(energy, state, state.d["x"], torch.full_like(x[:1], -1.0))
    assert {node: len(d) for node, d in state.d.items()} == {"x": len(x), "g1": len(x), "g2": 1, "energy": 1}
    assert {node: len(a2) for node, a2 in state.a2.items()} == {"x": 1, "g1": 1, "g2": len(x)}


@pytest.mark.parametrize("name", LAYERS)
def test_a_batch_of_one_stands_for_all_samples(name: str) -> None:
    """Each rule, and each gradient, for every choice of what is the same for all samples."""
    layer, x = make_layer(name)
    x = x[:1].expand(3, *x.shape[1:]) + 0.01 * torch.randn(3, *x.shape[1:], dtype=x.dtype)
    if isinstance(layer, Power):
        x = x.abs() + 0.1
    with torch.no_grad():
        local, y = layer.local(x), layer(x)
    for same in itertools.product([True, False], repeat=4):
        d, d2, a, a2 = (torch.randn_like(t[:1] if s else t) for s, t in zip(same, (y, y, x, x), strict=True))
        whole = [t.expand_as(like) for t, like in zip((d, d2, a, a2), (y, y, x, x), strict=True)]
        short = Sides(d, d2, a, a2, torch.randn_like(y))
        long = Sides(*whole, short.c)
        for rule, arguments, full in (
            ("pull_d", (d,), (long.d,)),
            ("pull_d2", (d, d2), (long.d, long.d2)),
            ("push_a", (a, a2), (long.a, long.a2)),
            ("push_a2", (a2,), (long.a2,)),
            ("pull_c", (short,), (long,)),
        ):
            expected = getattr(layer, rule)(local, *full)
            found = getattr(layer, rule)(local, *arguments)
            torch.testing.assert_close(found.expand_as(expected), expected, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(layer.gradients(local, short), layer.gradients(local, long), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("outputs", [1, 2, 3, 5])
@pytest.mark.parametrize("kernel", [(3, 3), (7, 7), (5, 2), (1, 1)])
@pytest.mark.parametrize("padding", [(0, 0), (4, 1)])
def test_blocks_of_pixels_are_the_plain_correlation(
    outputs: int, kernel: tuple[int, int], padding: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(correlation, "FEW", 0)
    x = torch.randn(2, 6, 11, 13, dtype=torch.float64, requires_grad=True)
    w = torch.randn(outputs, 6, *kernel, dtype=torch.float64, requires_grad=True)
    plain = F.conv2d(x, w, padding=padding)
    blocks = (correlation._in_blocks(x, w, padding, side) for side in (2, 3, 4))
    for found in (correlate(x, w, padding), *blocks, correlation._by_fourier(x, w, padding)):
        torch.testing.assert_close(found, plain, rtol=1e-10, atol=1e-11)
        upstream = torch.randn_like(plain)
        torch.testing.assert_close(
            torch.autograd.grad(found, (x, w), upstream),
            torch.autograd.grad(plain, (x, w), upstream, retain_graph=True),
            rtol=1e-10,
            atol=1e-11,
        )


@pytest.mark.parametrize("kernel", [5, (6, 5)])
@pytest.mark.parametrize("padding", [0, 2])
def test_large_filters_go_by_fourier_transforms(
    kernel: int | tuple[int, int], padding: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every rule of the layer, with filters of this size taken for large."""
    calls: list[object] = []
    plain = correlation._by_fourier
    monkeypatch.setattr(correlation, "FEW", 0)
    monkeypatch.setattr(correlation, "LARGE", 5)
    monkeypatch.setattr(correlation, "_by_fourier", lambda *a: (calls.append(a), plain(*a))[1])
    errors = check_layer(sm.Conv2d(2, 3, kernel, padding=padding), torch.randn(2, 2, 8, 9))
    assert max(errors.values()) < 1e-10
    assert calls


def test_blocks_of_pixels_are_for_few_channels() -> None:
    sides = {(outputs, k): block_side(outputs, (k, k)) for outputs in (1, 2, 4, 16, 64) for k in (1, 3, 7)}
    assert all(side == 1 for (outputs, k), side in sides.items() if outputs >= 16)
    assert sides[1, 7] == 4
    assert sides[4, 3] == 2


def test_samples_that_are_not_counted_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: two constants are paired once, and not once a sample."""
    right = sm.Linear._paired
    monkeypatch.setattr(sm.Linear, "_paired", lambda self, y, x, samples: right(self, y, x, min(samples, _length(y))))
    with pytest.raises(AssertionError):
        test_a_batch_of_one_stands_for_all_samples("Linear")


def _length(t: Tensor | None) -> int:
    return 1 if t is None else len(t)
