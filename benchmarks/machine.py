"""What a benchmark ran on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

import scorematching as sm


def machine() -> str:
    """Processor, cores, and the versions of what matters, in one line."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, scorematching {sm.__version__}"
    return f"{processor}, {cores} cores, {torch.get_num_threads()} threads, {versions}"


def peers() -> dict[str, str]:
    """The versions of the libraries to compare with, by their names on the package index."""
    found = {}
    for name in ("torchebm", "ebmkit", "folx", "jax", "bm3d", "scikit-image"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def forget_peak() -> int:
    """Let the peak of this process's memory start anew; bytes that it holds now. Linux alone knows."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_memory()


def peak_memory() -> int:
    """The largest size that this process has had, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])
