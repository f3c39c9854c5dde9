"""Third derivatives of normalizations, which the gradient of the loss of a plain module needs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import scorematching as sm
from scorematching.runtime.normalization import ExactNormalization


class Energy(nn.Module):
    """A linear layer, a normalization, and the sum of a function of it."""

    def __init__(self, normalize: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.normalizations = nn.Linear(3, 12).double(), [normalize]

    def forward(self, x: Tensor) -> Tensor:
        """Energies, shape (N,)."""
        weights = torch.linspace(-1, 1, 12, dtype=x.dtype).view(3, 4)
        return (self.normalizations[0](self.first(x).view(-1, 3, 4)).tanh() * weights).sum((1, 2))


def by_hand(h: Tensor) -> Tensor:
    centered = h - h.mean(2, keepdim=True)
    return centered / (centered.square().mean(2, keepdim=True) + 1e-5).sqrt()


NORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "F.layer_norm": lambda h: F.layer_norm(h, (4,)),
    "torch.layer_norm": lambda h: torch.layer_norm(h, (4,)),
    "F.instance_norm": F.instance_norm,
    "LayerNorm": nn.LayerNorm(4).double(),
    "InstanceNorm1d": nn.InstanceNorm1d(3, affine=True, track_running_stats=True).double(),
}


@pytest.mark.parametrize("curvature", ["coloring", "hutchinson"])
@pytest.mark.parametrize("name", NORMS)
def test_gradients_of_the_loss_are_those_of_the_elementary_operations(name: str, curvature: str) -> None:
    module, x = Energy(NORMS[name]), torch.randn(2, 3, dtype=torch.float64)
    found = []
    for normalize in (NORMS[name], by_hand):
        module.normalizations = [normalize]
        torch.manual_seed(1)
        loss = sm.score_matching_loss(module, x, curvature=curvature)
        found.append(torch.autograd.grad(loss, module.first.weight)[0])
    assert float((found[0] - found[1]).norm() / found[1].norm()) < 1e-10


def test_values_and_running_statistics_are_those_of_torch() -> None:
    weight, bias, h = torch.randn(4), torch.randn(4), torch.randn(2, 3, 4)
    one, two = (nn.InstanceNorm1d(3, track_running_stats=True, affine=True) for _ in range(2))
    with ExactNormalization():
        found = F.layer_norm(h, (4,), weight, bias, 0.1), one(h), one.eval()(h)
    torch.testing.assert_close(found, (F.layer_norm(h, (4,), weight, bias, 0.1), two(h), two.eval()(h)))
    torch.testing.assert_close(one.running_mean, two.running_mean)
