"""``scorematching demo``: fit a prior to noisy photographs, then denoise and enlarge others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scorematching.cli.options import DeviceOption, SeedOption


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Output folder.")] = Path("demo"),
    steps: Annotated[int, typer.Option("--steps", min=1, help="Training steps.")] = 1500,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Fit a prior to noisy photographs, then denoise one other photograph and enlarge another.

    The photographs come with scikit-image and scikit-learn. Nothing is downloaded. Noise of level 25 is added to them
    once. The prior, a field of 48 experts, is trained on the noisy photographs only. The demo takes under three minutes
    on two cores.
    """
    from scorematching.cli.demonstration import demonstrate
    from scorematching.cli.options import check_device
    from scorematching.images.io.atomic import check_folder

    where = check_device(device)
    if output.exists() and not output.is_dir():
        raise NotADirectoryError(f"{output} is a file, expected a folder to write to")
    check_folder(output if output.is_dir() else output.parent)
    demonstrate(output, steps, seed, where)
