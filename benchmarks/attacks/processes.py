"""Attacks on processes: forks, threads, and folders that others prepared."""

from __future__ import annotations

import multiprocessing as mp
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import numpy as np
import torch

import scorematching as sm
from benchmarks.attacks.program import Attack, command
from scorematching.images import write_image
from scorematching.runtime.compiling import compiled

_COMPILED = """
import torch, scorematching as sm
from scorematching.runtime.compiling import compiled
energy = sm.energies.ProductOfStudentT(8, 16)
with compiled():
    sm.score_matching_loss(energy, torch.randn(32, 8))
"""


def forked_processes_do_not_hang(folder: Path, random: np.random.Generator) -> None:
    """Children of a process that has computed with several threads compute the same."""
    torch.set_num_threads(4)
    energy, x = sm.energies.ProductOfStudentT(64, 128), torch.tensor(random.normal(size=(4096, 64))).float()
    expected = sm.score_matching_loss(energy, x).item()
    context = mp.get_context("fork")
    results: SimpleQueue[float] = context.SimpleQueue()
    children = [context.Process(target=_put_loss, args=(energy, x, results)) for _ in range(8)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0, "a forked process hangs"
    for _ in children:
        assert abs(results.get() - expected) < 1e-5 * abs(expected)


def threads_compute_what_one_computes(folder: Path, random: np.random.Generator) -> None:
    """Three hundred threads at once, some of them with compilation."""
    energy, x = sm.energies.ProductOfStudentT(16, 32), torch.tensor(random.normal(size=(64, 16))).float()
    expected = sm.score_matching_loss(energy, x).item()

    def loss(number: int) -> float:
        with compiled(enabled=number % 2 == 0, backend="eager"):
            return sm.score_matching_loss(energy, x).item()

    with ThreadPoolExecutor(300) as pool:
        found = list(pool.map(loss, range(3000)))
    assert max(abs(one - expected) for one in found) < 1e-5 * abs(expected)


def programs_of_others_are_not_run(folder: Path, random: np.random.Generator) -> None:
    """Somebody else has made the folder that PyTorch would use for compiled programs. Nothing is put or read there."""
    home, shared = folder / "home", folder / "tmp"
    home.mkdir()
    shared.mkdir()
    planted = shared / f"torchinductor_{os.environ.get('USER', 'root')}"
    planted.mkdir()
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(shared), "USER": os.environ.get("USER", "root")}
    for name in ("TORCHINDUCTOR_CACHE_DIR", "TORCH_HOME", "XDG_CACHE_HOME"):
        environment.pop(name, None)
    for before in ("", "import torch._dynamo\n"):  # which chooses the folder of others
        subprocess.run([sys.executable, "-c", before + _COMPILED], env=environment, check=True, timeout=300)
        assert not list(planted.iterdir())
    assert list((home / ".cache" / "torch" / "inductor").iterdir())


def commands_side_by_side_give_the_same_bits(folder: Path, random: np.random.Generator) -> None:
    """Four commands at once, of any number of threads, give what one alone gives."""
    write_image(folder / "a.png", (128 + random.normal(0, 20, (96, 96))).clip(0, 255).astype(np.uint8))
    command(folder, "denoise", "a.png", "-o", "b.png", "--sigma", "20")
    words = [sys.executable, "-m", "scorematching", "denoise", "a.png", "--sigma", "20"]
    options = [["-o", f"c{number}.png", "--threads", str(1 + number % 2)] for number in range(4)]
    processes = [subprocess.Popen([*words, *own], cwd=folder, stdout=subprocess.DEVNULL) for own in options]
    assert [process.wait(300) for process in processes] == [0] * 4
    expected = (folder / "b.png").read_bytes()
    assert all((folder / own[1]).read_bytes() == expected for own in options)


def _put_loss(energy: torch.nn.Module, x: torch.Tensor, results: SimpleQueue[float]) -> None:
    results.put(sm.score_matching_loss(energy, x).item())


ATTACKS: list[Attack] = [
    forked_processes_do_not_hang,
    threads_compute_what_one_computes,
    programs_of_others_are_not_run,
    commands_side_by_side_give_the_same_bits,
]
