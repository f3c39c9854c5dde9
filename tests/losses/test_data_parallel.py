"""A user's own energy on two processes: averaged gradients are those of the whole batch."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

import scorematching as sm


def energy_named(name: str) -> nn.Module:
    torch.manual_seed(0)
    graph = sm.Sequential(sm.Linear(4, 6), sm.layers.SiLU(), sm.Linear(6, 1), sm.layers.Sum())
    plain = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1))
    return (graph if name == "graph" else plain).double()


def data() -> Tensor:
    return torch.randn(12, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def _train(rank: int, folder: str, name: str, accumulated: bool) -> None:
    """Compute the gradients of a part of the batch, and save what DDP makes of them."""
    dist.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=2)
    energy = energy_named(name)
    unused = name == "plain"  # the last bias, which adds a constant to the energy
    loss = DistributedDataParallel(sm.ScoreMatchingLoss(energy, lam=0.1), find_unused_parameters=unused)
    part = data()[rank::2]
    if accumulated:
        with loss.no_sync():
            loss(part[:3]).backward()
        loss(part[3:]).backward()
    else:
        loss(part).backward()
    if rank == 1:
        torch.save([parameter.grad for parameter in energy.parameters()], f"{folder}/gradients")
    dist.barrier()
    os._exit(0)  # PyTorch 2.13 sometimes aborts while it takes down the group, after all is done


@pytest.mark.parametrize("accumulated", [False, True], ids=["whole", "accumulated"])
@pytest.mark.parametrize("name", ["graph", "plain"])
def test_the_gradients_are_those_of_the_whole_batch(name: str, accumulated: bool, tmp_path: Path) -> None:
    mp.spawn(_train, (str(tmp_path), name, accumulated), nprocs=2)
    found = torch.load(tmp_path / "gradients")
    energy = energy_named(name)
    sm.score_matching_loss(energy, data(), lam=0.1).backward()
    factor = 2 if accumulated else 1  # two means of half of the part
    for gradient, parameter in zip(found, energy.parameters(), strict=True):
        if parameter.grad is not None:
            torch.testing.assert_close(gradient, factor * parameter.grad, rtol=1e-10, atol=1e-12)
    assert sum(parameter.grad is not None for parameter in energy.parameters()) >= 3
