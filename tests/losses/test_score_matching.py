"""The loss as a user meets it: autograd, precision, options, errors."""

from __future__ import annotations

import pytest
import torch

import scorematching as sm
from scorematching.checks.cases import make_network
from scorematching.layers import Identity, Layer, Scale, Square, Tanh

pytestmark = pytest.mark.recorded


@pytest.fixture
def energy() -> sm.Graph:
    return sm.Sequential(sm.Linear(4, 6), sm.StudentT(), sm.WeightedSum(6))


def gradients(energy: sm.Graph) -> list[torch.Tensor]:
    found = [p.grad.clone() for p in energy.parameters() if p.grad is not None]
    energy.zero_grad()
    return found


def test_scaling_accumulation_and_sums(energy: sm.Graph) -> None:
    x = torch.randn(8, 4)
    sm.score_matching_loss(energy, x, lam=0.1).backward()
    whole = gradients(energy)
    for part in (x[:4], x[4:]):
        (0.5 * sm.score_matching_loss(energy, part, lam=0.1)).backward()
    for one, two in zip(whole, gradients(energy), strict=True):
        torch.testing.assert_close(one, two)
    decay = sum(p.square().sum() for p in energy.parameters())
    (sm.score_matching_loss(energy, x, lam=0.1) + decay).backward()
    for one, two, p in zip(whole, gradients(energy), energy.parameters(), strict=True):
        torch.testing.assert_close(one + 2 * p, two)


def test_reductions(energy: sm.Graph) -> None:
    x, up = torch.randn(5, 4), torch.randn(5)
    losses = sm.score_matching_loss(energy, x, lam=0.1, reduction="none")
    assert losses.shape == (5,)
    torch.testing.assert_close(sm.score_matching_loss(energy, x, lam=0.1), losses.mean())
    torch.testing.assert_close(sm.score_matching_loss(energy, x, lam=0.1, reduction="sum"), losses.sum())
    losses.backward(up)
    found = gradients(energy)
    for u, sample in zip(up, x, strict=True):
        (u * sm.score_matching_loss(energy, sample[None], lam=0.1)).backward()
    for one, two in zip(found, gradients(energy), strict=True):
        torch.testing.assert_close(one, two)


def test_weights_of_samples_and_a_tensor_as_lam(energy: sm.Graph) -> None:
    x, weight = torch.randn(5, 4), torch.rand(5)
    expected = weight @ sm.score_matching_loss(energy, x, lam=0.1, reduction="none")
    found = sm.score_matching_loss(energy, x, lam=torch.tensor(0.1), weight=weight, reduction="sum")
    torch.testing.assert_close(found, expected)
    with pytest.raises(ValueError, match=r"weight of shape \(4,\) may be of the samples or of their inputs"):
        sm.score_matching_loss(energy, x[:4], weight=weight[:4])
    with pytest.raises(ValueError, match=r"lam requires a gradient, which is not computed: pass lam\.item\(\)"):
        sm.score_matching_loss(energy, x, lam=torch.tensor(0.1, requires_grad=True))
    with pytest.raises(TypeError, match="positional argument"):
        sm.score_matching_loss(energy, x, 0.1)  # type: ignore[misc]


def test_zero_weight_leaves_an_input_out() -> None:
    """Inputs out of the loss count as given: for a factorizing energy they do not matter at all."""
    energy = sm.Sequential(Scale(3), sm.StudentT(), sm.Sum())
    x = torch.randn(4, 3)
    moved = x.clone()
    moved[:, 1] += 5
    keep = torch.tensor([1.0, 0.0, 1.0])
    torch.testing.assert_close(
        sm.score_matching_loss(energy, x, lam=0.1, weight=keep),
        sm.score_matching_loss(energy, moved, lam=0.1, weight=keep),
    )
    everywhere = torch.ones(4, 3)
    torch.testing.assert_close(
        sm.score_matching_loss(energy, x, lam=0.1, weight=everywhere), sm.score_matching_loss(energy, x, lam=0.1)
    )


@pytest.mark.parametrize("name", ["PoE, mixtures", "FoE", "residual"])
def test_float32_follows_float64(name: str) -> None:
    energy, x, _ = make_network(name)
    sm.score_matching_loss(energy, x, lam=0.1).backward()
    exact = gradients(energy)
    sm.score_matching_loss(energy.float(), x.float(), lam=0.1).backward()
    for one, two in zip(exact, gradients(energy), strict=True):
        torch.testing.assert_close(one.float(), two, rtol=1e-3, atol=1e-4)


def test_autocast_does_not_lower_the_precision(energy: sm.Graph) -> None:
    x = torch.randn(8, 4)
    plain = sm.score_matching_loss(energy, x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(sm.score_matching_loss(energy, x), plain)


def test_no_graph_is_kept_without_gradients(energy: sm.Graph) -> None:
    with torch.no_grad():
        assert not sm.score_matching_loss(energy, torch.randn(2, 4)).requires_grad
        assert not sm.score(energy, torch.randn(2, 4)).requires_grad


def test_a_change_before_backward_does_not_touch_the_gradient(energy: sm.Graph) -> None:
    """The gradient is computed with the loss: it is that of the moment."""
    x, mask = torch.randn(2, 4), torch.ones(4)
    sm.score_matching_loss(energy, x).backward()
    expected = [parameter.grad for parameter in energy.parameters()]
    energy.zero_grad()
    loss = sm.score_matching_loss(energy, x, weight=mask)
    mask.zero_()
    with torch.no_grad():
        energy.layers[0].weight.mul_(2)
    loss.backward()
    torch.testing.assert_close([parameter.grad for parameter in energy.parameters()], expected)


@pytest.mark.parametrize("changed", ["weight", "mask"])
def test_a_change_before_backward_is_noticed_by_the_loss_of_each(energy: sm.Graph, changed: str) -> None:
    mask = torch.ones(4)
    losses = sm.score_matching_loss(energy, torch.randn(2, 4), weight=mask, reduction="none")
    with torch.no_grad():
        (mask if changed == "mask" else energy.layers[0].weight).mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        losses.sum().backward()


def test_a_mask_of_another_type_is_converted(energy: sm.Graph) -> None:
    x = torch.randn(2, 4)
    loss = sm.score_matching_loss(energy, x, weight=torch.ones(4, dtype=torch.float64))
    torch.testing.assert_close(loss, sm.score_matching_loss(energy, x))


def test_a_parametrization_is_refused(energy: sm.Graph) -> None:
    x = torch.randn(2, 4)
    torch.nn.utils.parametrizations.weight_norm(energy.layers[0])
    with pytest.raises(TypeError, match="remove the parametrization"):
        sm.score_matching_loss(energy, x)


def test_backward_twice_and_freed_memory(energy: sm.Graph) -> None:
    loss = sm.score_matching_loss(energy, torch.randn(2, 4))
    loss.backward(retain_graph=True)
    once = gradients(energy)
    loss.backward()
    for one, two in zip(once, gradients(energy), strict=True):
        assert torch.equal(one, two)
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        loss.backward()


def test_functional_call(energy: sm.Graph) -> None:
    x, loss = torch.randn(8, 4), sm.ScoreMatchingLoss(energy, lam=0.1)
    loss(x).backward()
    leaves = {n: p.detach().clone().requires_grad_() for n, p in loss.named_parameters()}
    found = torch.autograd.grad(torch.func.functional_call(loss, leaves, x), list(leaves.values()))
    for one, two in zip(gradients(energy), found, strict=True):
        torch.testing.assert_close(one, two)


def test_a_layer_may_be_replaced() -> None:
    energy = sm.Sequential(sm.Linear(4, 3), Identity(), sm.Sum())
    energy.layers[1] = sm.StudentT()
    assert max(sm.check_gradients(energy, torch.randn(2, 4)).values()) < 1e-10


class _Forgetful(Tanh):
    def __init__(self) -> None:
        super().__init__()
        self.height = torch.nn.Parameter(torch.ones(()))


class _Strange(sm.Linear):
    def __init__(self) -> None:
        super().__init__(4, 4)
        self.gain = torch.nn.Parameter(torch.ones(()))


@pytest.mark.parametrize(("kind", "message"), [(_Forgetful, "parameter_gradients"), (_Strange, "only weight and bias")])
def test_a_parameter_without_a_rule_is_not_forgotten(kind: type[Layer], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        sm.score_matching_loss(sm.Sequential(kind(), Square(), sm.Sum()), torch.randn(2, 4)).backward()


def test_the_module_form_can_be_wrapped_and_trained(energy: sm.Graph) -> None:
    loss = sm.ScoreMatchingLoss(energy, lam=0.1)
    x = torch.randn(64, 4)
    torch.testing.assert_close(loss(x), sm.score_matching_loss(energy, x, lam=0.1))
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.05)
    start = loss(x).item()
    for _ in range(30):
        optimizer.zero_grad()
        loss(x).backward()
        torch.nn.utils.clip_grad_norm_(loss.parameters(), 1.0)
        optimizer.step()
    assert loss(x).item() < start - 0.1
    assert "lam=0.1" in repr(loss)


def test_a_linear_energy_has_no_curvature() -> None:
    energy = sm.Sequential(sm.Linear(3, 2), sm.Sum())
    x = torch.randn(2, 3)
    assert sm.hessian_diagonal(energy, x).abs().max() == 0
    assert max(sm.check_gradients(energy, x).values()) < 1e-10


BAD = {
    "not a graph": (
        lambda e, x: sm.score_matching_loss(torch.nn.Linear(4, 1), x, curvature="diagonal"),
        TypeError,
        "Graph or Sequential, got Linear",
    ),
    "no module": (lambda e, x: sm.score(len, x), TypeError, "a torch module that returns energies, got builtin"),
    "no graph to check": (lambda e, x: sm.check_gradients(torch.nn.Linear(4, 1), x), TypeError, "got Linear"),
    "not a tensor": (lambda e, x: sm.score(e, [1.0]), TypeError, "torch tensor, got list"),
    "integers": (lambda e, x: sm.score(e, x.long()), TypeError, r"float32 or float64, got torch.int64.*x.float\(\)"),
    "precision": (
        lambda e, x: sm.score(e, x.double()),
        TypeError,
        "x is torch.float64 on cpu and layers.0.weight is torch.float32",
    ),
    "no batch": (lambda e, x: sm.score(e, x[0]), ValueError, r"shape \(N, ...\), got \(4,\)"),
    "empty": (lambda e, x: sm.score(e, x[:0]), ValueError, r"one sample or more.*got \(0, 4\)"),
    "shape": (
        lambda e, x: sm.score(e, x[:, :3]),
        ValueError,
        r"Linear on edge 0 \(x -> g1\): expected shape \(N, 4\), got \(2, 3\)",
    ),
    "NaN": (
        lambda e, x: sm.score(e, x / 0),
        ValueError,
        "8 entries that are NaN or infinite, of 8; check_finite=False",
    ),
    "lam": (
        lambda e, x: sm.score_matching_loss(e, x, lam=-1.0),
        ValueError,
        "lam must be a number of 0 or more, got -1",
    ),
    "lam NaN": (lambda e, x: sm.score_matching_loss(e, x, lam=float("nan")), ValueError, "lam must .* got nan"),
    "curvature": (
        lambda e, x: sm.score_matching_loss(e, x, curvature="no"),
        ValueError,
        "curvature must be 'auto', 'diagonal'.* or 'propagation', got 'no'",
    ),
    "curvature of diagonal": (lambda e, x: sm.hessian_diagonal(e, x, "no"), ValueError, "curvature must be"),
    "reduction": (lambda e, x: sm.score_matching_loss(e, x, reduction="no"), ValueError, "'mean', 'sum' or 'none'"),
    "weight": (
        lambda e, x: sm.score_matching_loss(e, x, weight=torch.ones(3)),
        ValueError,
        r"shape of x, \(2, 4\), of one sample, \(4,\), or one .* got \(3,\)",
    ),
    "weight type": (lambda e, x: sm.score_matching_loss(e, x, weight=torch.ones(4).bool()), TypeError, "torch.bool"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name: str, energy: sm.Graph) -> None:
    call, kind, message = BAD[name]
    with pytest.raises(kind, match=message):
        call(energy, torch.randn(2, 4))


def test_what_is_not_finite_may_pass(energy: sm.Graph) -> None:
    x = torch.full((2, 4), float("nan"))
    assert sm.score(energy, x, check_finite=False).isnan().all()
