"""Errors of loss and gradient with TF32 and bfloat16 products, and training with bfloat16.

Reduced precision is simulated by rounding the factors of each product as the hardware does.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import scorematching as sm
from benchmarks.architectures import ARCHITECTURES, LAM, patches, trained
from benchmarks.machine import machine
from scorematching.cli.console import console
from scorematching.curvature import ApproximationWarning
from scorematching.images.photographs import training_photographs

_aten = torch.ops.aten
_PRODUCTS = {_aten.mm, _aten.addmm, _aten.bmm, _aten.convolution, _aten.convolution_backward}
#: Mantissa bits, without the leading one.
_TF32, _BFLOAT16 = 10, 7
NETWORKS = ("product of experts, 64-128", "field of experts, 24 of 5x5", "3 hidden layers, 64-128-128-64")


class RoundedProducts(TorchDispatchMode):
    """Mode that rounds the factors of matrix products and convolutions; sums stay in float32, as on tensor cores.

    Args:
        bits: Mantissa bits to keep, without the leading one.
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call an operation; round its arguments if it is a product."""
        if func.overloadpacket in _PRODUCTS:
            args = [rounded(a, self.bits) if isinstance(a, Tensor) else a for a in args]
        return func(*args, **(kwargs or {}))


def rounded(x: Tensor, bits: int) -> Tensor:
    """Round float32 numbers to a number of mantissa bits, not counting the leading one, with ties to even.

    Example:
        >>> rounded(torch.tensor([1 + 2**-8, 1 + 2**-7]), bits=7).tolist() == [1.0, 1 + 2**-7]
        True
    """
    drop = 23 - bits
    whole = x.contiguous().view(torch.int32)
    up = (1 << (drop - 1)) - 1 + ((whole >> drop) & 1)
    return ((whole + up) & -(1 << drop)).view(torch.float32)


KINDS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "float32": nullcontext,
    "TF32 products": lambda: RoundedProducts(_TF32),
    "bfloat16 products": lambda: RoundedProducts(_BFLOAT16),
    "bfloat16 autocast": lambda: torch.autocast("cpu", torch.bfloat16),
}


def precision(
    steps: Annotated[int, typer.Option(help="Training steps of each energy before it is measured.")] = 150,
    batch: Annotated[int, typer.Option(help="Batch size of the measured loss.")] = 256,
    training: Annotated[int, typer.Option(help="Training steps of the deep prior.")] = 300,
    seed: Annotated[int, typer.Option(help="Seed of the weights and the data.")] = 0,
) -> None:
    """Measure relative errors of score, loss and gradient in reduced precision, on trained energies.

    The reference is float64. Then a deep prior is trained on noisy photographs, in float32 and with large products in
    bfloat16.
    """
    console.print(machine(), "\n", soft_wrap=True)
    warnings.simplefilter("ignore", ApproximationWarning)
    print("| energy | precision | score | loss | gradient |\n|---|---|---|---|---|")
    for name in NETWORKS:
        energy = trained(name, steps, seed)
        x = patches(batch, ARCHITECTURES[name][1], seed + 1)
        exact = _results(energy.double(), x.double())
        energy = energy.float()
        for kind, context in KINDS.items():
            with context():
                found = _results(energy, x)
            errors = [_relative(one, other) for one, other in zip(found, exact, strict=True)]
            print("| " + " | ".join([name, kind, *(f"{error:.0e}" for error in errors)]) + " |", flush=True)

    print("\n| training of a deep prior | ms per step | held-out PSNR (dB) |\n|---|---|---|")
    for bfloat16 in (False, True):
        seconds, psnr = _training(training, seed, bfloat16)
        print(f"| {'bfloat16 products' if bfloat16 else 'float32'} | {1e3 * seconds:.0f} | {psnr:.2f} |", flush=True)


def _training(steps: int, seed: int, bfloat16: bool) -> tuple[float, float]:
    """Train a deep prior; return the median time of a step in seconds, and the held-out PSNR in dB."""
    clean, random, times = training_photographs(), np.random.default_rng(seed), list[float]()
    noisy = [(x + 15 / 255 * random.standard_normal(x.shape)).astype(np.float32) for x in clean]
    with sm.runtime.bfloat16_products(bfloat16):
        result = sm.fit(
            noisy,
            noise=15 / 255,
            clean=clean,
            model=sm.DeepConfig(depth=10),
            training=sm.TrainingConfig(steps=steps, batch=10, crop=64, max_sigma=55 / 255, seed=seed, compile=True),
            data_range=1.0,
            progress=lambda _: times.append(time.perf_counter()),
        )
    assert result.psnr is not None
    return float(np.median(np.diff(times))) / 5, result.psnr  # progress is reported every fifth step


def _results(energy: sm.Graph, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return score, loss and gradient, each flattened."""
    energy.zero_grad()
    with torch.no_grad():
        score = sm.score(energy, x)
    loss = sm.score_matching_loss(energy, x, lam=LAM)
    loss.backward()
    gradient = torch.cat([p.grad.flatten() for p in energy.parameters() if p.grad is not None])
    return score.flatten(), loss.detach().reshape(1), gradient.clone()


def _relative(found: Tensor, exact: Tensor) -> float:
    """Return the relative error in the Euclidean norm."""
    return float((found.double() - exact).norm() / exact.norm())
