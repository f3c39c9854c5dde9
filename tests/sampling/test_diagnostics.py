"""Effective sample size and R-hat of processes for which they are known."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import Tensor

from scorematching.sampling import SamplingWarning, effective_sample_size, r_hat, summarize

F64 = torch.float64


def autoregressive(rho: float, draws: int, chains: int) -> Tensor:
    """Return chains ``x <- rho x + sqrt(1 - rho^2) n``, whose effective sample size is ``(1 - rho) / (1 + rho)``."""
    generator = torch.Generator().manual_seed(0)
    x = [torch.randn(chains, 2, generator=generator, dtype=F64)]
    for _ in range(draws - 1):
        x.append(rho * x[-1] + (1 - rho**2) ** 0.5 * torch.randn(chains, 2, generator=generator, dtype=F64))
    return torch.stack(x)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_correlated_draws_are_worth_less(rho: float) -> None:
    draws = autoregressive(rho, 4000, 12)
    expected = 48_000 * (1 - rho) / (1 + rho)
    assert effective_sample_size(draws).tolist() == pytest.approx([expected] * 2, rel=0.15)
    found = summarize(3 * draws + 1)
    assert found.standard_error.tolist() == pytest.approx([3 / expected**0.5] * 2, rel=0.15)
    assert bool(((found.mean - 1).abs() < 4 * found.standard_error).all())
    assert found.std.tolist() == pytest.approx([3, 3], rel=0.05)
    assert bool((found.r_hat < 1.02).all())


def test_entries_of_images_keep_their_shape_and_long_tables_end() -> None:
    draws = torch.randn(400, 3, 1, 5, 6, generator=torch.Generator().manual_seed(0))
    assert effective_sample_size(draws).shape == r_hat(draws).shape == (1, 5, 6)
    lines = str(summarize(draws)).splitlines()
    assert lines[1].startswith("x[0, 0, 0] ")
    assert lines[-1] == "... and 10 more"
    assert len(lines) == 22


@pytest.mark.parametrize("value", [0.0, torch.tensor([[0.0], [1.0]])], ids=["all the same", "one value for each chain"])
def test_chains_that_never_move_have_not_mixed(value: float | Tensor) -> None:
    with pytest.warns(SamplingWarning, match="R-hat is up to (nan|inf)"):
        summarize(torch.zeros(8, 2, 1) + value)


def test_bad_draws_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match="draws must be a torch tensor, got NoneType: sample with keep=1"):
        summarize(None)
    with pytest.raises(ValueError, match=r"4 draws or more and N of 2 or more, got \(9, 1, 3\)"):
        r_hat(torch.zeros(9, 1, 3))
    with pytest.raises(ValueError, match="draws has entries that are NaN or infinite"):
        r_hat(torch.full((9, 2, 3), torch.nan))
    monkeypatch.setitem(sys.modules, "arviz_stats.base", None)
    with pytest.raises(
        ValueError, match=r"this needs the package arviz_stats: pip install 'scorematching\[statistics\]'"
    ):
        r_hat(torch.zeros(9, 2, 3))
