"""Description of the machine and the versions, and memory of the process."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

import scorematching as sm


def machine() -> str:
    """Describe processor, cores, threads and versions in one line."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, scorematching {sm.__version__}"
    return f"{processor}, {cores} cores, {torch.get_num_threads()} threads, {versions}"


def peers() -> dict[str, str]:
    """Return the versions of the libraries to compare with, by their names on the package index."""
    found = {}
    for name in ("torchebm", "ebmkit", "folx", "jax", "bm3d", "scikit-image"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def forget_peak() -> int:
    """Reset the peak memory of this process, and return its current memory in bytes. Linux only."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_memory()


def peak_memory() -> int:
    """Return the peak memory of this process in bytes. Linux only."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])
