"""What the page of promises says of equal bits: runs, processes and threads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch

import scorematching as sm
from benchmarks.determinism import compared

#: Prints a checksum of what a process computes, for any order of the hashes of Python.
IN_PROCESS = """
import zlib, numpy as np, torch, scorematching as sm
image = np.random.default_rng(0).normal(128, 20, (48, 48))
torch.manual_seed(0)
energy = sm.energies.ProductOfStudentT(4, 8)
sm.score_matching_loss(energy, torch.randn(16, 4)).backward()
found = [sm.denoise(image, noise=20.0, data_range=255.0), *(p.grad.numpy() for p in energy.parameters())]
print(zlib.crc32(b"".join(one.tobytes() for one in found)))
"""


def noisy() -> np.ndarray:
    return np.random.default_rng(0).normal(128, 20, (72, 72)).clip(0, 255).astype(np.uint8)


def weights_of(model: sm.FieldConfig | sm.DeepConfig) -> np.ndarray:
    training = sm.TrainingConfig(steps=8, batch=2, crop=24, compile=False)
    state = sm.fit([noisy()], noise=20.0, model=model, training=training).prior.state_dict()
    return np.concatenate([tensor.numpy().ravel() for tensor in state.values()])


def samples() -> np.ndarray:
    generator = torch.Generator().manual_seed(0)
    target = sm.energies.ProductOfStudentT(3, 4)
    for parameter in target.parameters():
        torch.nn.init.ones_(parameter)
    return sm.hmc(target, torch.zeros(8, 3), steps=5, step_size=0.3, generator=generator).x.numpy()


RESULTS: dict[str, Callable[[], np.ndarray]] = {
    "field of experts": lambda: weights_of(sm.FieldConfig(filters=6, size=3)),
    "deep prior": lambda: weights_of(sm.DeepConfig(channels=4, depth=2)),
    "denoised image": lambda: sm.denoise(noisy(), noise=20.0),
    "samples": samples,
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", RESULTS)
def test_the_same_seed_gives_the_same_bits(name: str) -> None:
    torch.rand(7)  # the generator of PyTorch is not used
    assert compared(RESULTS[name](), RESULTS[name]()) == "equal"


def test_processes_give_the_same_bits() -> None:
    found = {
        subprocess.run(
            [sys.executable, "-c", IN_PROCESS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
    assert found.pop().strip().isdigit()


def test_threads_change_no_bit_of_a_denoised_image_and_rounding_of_a_loss() -> None:
    energy, x = sm.energies.ProductOfStudentT(64, 128), torch.randn(4096, 64)
    threads, images, losses = torch.get_num_threads(), [], []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            images.append(sm.denoise(noisy(), noise=20.0))
            losses.append(sm.score_matching_loss(energy, x).item())
    finally:
        torch.set_num_threads(threads)
    assert compared(*images) == "equal"
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
