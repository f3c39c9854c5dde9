"""How a training goes down: which optimizer moves what, and how far."""

from __future__ import annotations

import torch

import scorematching as sm
from scorematching.training.descent import Descent


def test_a_step_of_a_matrix_has_equal_singular_values_and_one_of_the_rest_equal_entries() -> None:
    convolution, random = sm.Conv2d(4, 6, 3), torch.Generator().manual_seed(0)
    before = [parameter.detach().clone() for parameter in convolution.parameters()]
    uneven = torch.randn(6, 36, generator=random) * torch.tensor([8.0, 4, 4, 2, 2, 1])[:, None]
    descent = Descent([*convolution.parameters()], [convolution.weight], rate=0.05, steps=10)
    ((convolution.weight.flatten(1) * uneven).sum() + (convolution.bias * uneven[:, 0]).sum()).backward()
    descent.step()
    weight, bias = (now.detach() - old for now, old in zip(convolution.parameters(), before, strict=True))
    values = torch.linalg.svdvals(weight.flatten(1))
    torch.testing.assert_close(values, torch.full((6,), 0.01), rtol=0.4, atol=0)
    assert values[0] < 2 * values[-1]
    assert torch.linalg.svdvals(uneven)[0] > 5 * torch.linalg.svdvals(uneven)[-1]
    torch.testing.assert_close(bias, -0.002 * uneven[:, 0].sign(), rtol=1e-4, atol=0)
    assert (weight.flatten(1) * uneven).sum() < 0


def test_without_matrices_it_is_adam_in_one_cycle() -> None:
    mine, other = (torch.nn.Parameter(torch.tensor([1.0, -2.0, 0.1])) for _ in range(2))
    descent, adam = Descent([mine], [], rate=0.1, steps=5), torch.optim.Adam([other], lr=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, 0.1, total_steps=6)
    for _ in range(5):
        mine.pow(4).sum().backward()
        descent.step()
        adam.zero_grad()
        other.pow(4).sum().backward()
        torch.nn.utils.clip_grad_norm_([other], 1.0)
        adam.step()
        schedule.step()
    assert torch.equal(mine, other)


def test_a_halved_rate_halves_all_later_rates() -> None:
    parameters = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    whole, half = (Descent([parameter], [], rate=0.1, steps=4) for parameter in parameters)
    half.scale(0.5)
    for _ in range(4):
        assert half.rate == whole.rate / 2
        for descent, parameter in zip((whole, half), parameters, strict=True):
            parameter.sum().backward()
            assert descent.step()


def test_gradients_that_are_not_finite_change_nothing() -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    descent = Descent([parameter], [], rate=0.1, steps=4)
    parameter.grad = torch.tensor([1.0, torch.inf])
    assert not descent.step()
    assert parameter.grad is None
    assert torch.equal(parameter.detach(), torch.ones(2))
