"""``scorematching fit``: a prior from pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

import scorematching as sm
from scorematching.atomic import check_target
from scorematching.cli.common import (
    SIGMA_HELP,
    DeviceOption,
    SeedOption,
    WhiteOption,
    check_device,
    console,
    errors,
    fit_bar,
)
from scorematching.prior import ModelName


def fit(
    paths: Annotated[list[Path], typer.Argument(help="Pictures (PNG, JPEG, TIFF) or folders of them.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write the prior: a .safetensors file.")
    ],
    noisy: Annotated[bool, typer.Option("--noisy", help="The pictures carry noise of level --sigma already.")] = False,
    sigma: Annotated[
        float, typer.Option("--sigma", help=SIGMA_HELP + " Without --noisy, such noise is added to the pictures.")
    ] = 0.0,
    model: Annotated[
        str, typer.Option("--model", help="foe: a field of experts. pot: a product of Student-t on patches.")
    ] = "foe",
    filters: Annotated[
        int | None, typer.Option("--filters", min=1, help="Number of experts.", show_default="24 (foe), 128 (pot)")
    ] = None,
    size: Annotated[
        int | None, typer.Option("--size", min=2, help="Side of a filter or patch.", show_default="5 (foe), 8 (pot)")
    ] = None,
    lam: Annotated[
        float | None,
        typer.Option("--lam", help="The regulariser.", show_default="0 with noise, 0.2 without"),
    ] = None,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps of Adam; 1500 take a minute or so.")] = 1500,
    crop: Annotated[int, typer.Option("--crop", min=1, help="Side of the crops to train on, in pixels.")] = 48,
    rate: Annotated[float, typer.Option("--rate", help="Largest learning rate.")] = 1e-2,
    compile: Annotated[
        bool | None,
        typer.Option("--compile/--no-compile", help="Compile the training.", show_default="where it is done earlier"),
    ] = None,
    white: WhiteOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Fit a prior to pictures, noisy or clean, and save it as one file.

    With noisy pictures ([bold]--noisy --sigma S[/bold]) no clean one is ever needed: the prior denoises pictures of
    that noise level by Tweedie's formula.

    A training that is interrupted leaves FILE.training behind; the same command then goes on from there.

    Example: [bold]scorematching fit scans/ -o scans.safetensors --noisy --sigma 25[/bold]
    """
    check_target(output)
    if output.suffix != ".safetensors":
        raise ValueError(f"{output}: expected a file that ends in .safetensors")
    if model not in ("foe", "pot"):
        raise ValueError(f"--model must be foe or pot, got {model}")
    where = check_device(device)
    checkpoint = output.with_name(output.name + ".training")
    if checkpoint.exists():
        console.print(f"going on from {checkpoint}")
    try:
        with fit_bar("fitting") as progress:
            result = sm.fit(
                paths,
                sigma=sigma,
                noisy=noisy,
                model=cast(ModelName, model),
                filters=filters,
                size=size,
                lam=lam,
                steps=steps,
                crop=crop,
                rate=rate,
                seed=seed,
                peak=white,
                device=where,
                progress=progress,
                checkpoint=checkpoint,
                compile="auto" if compile is None else compile,
            )
    except KeyboardInterrupt:
        errors.print(f"interrupted; the same command goes on from {checkpoint}", highlight=False)
        raise typer.Exit(130) from None
    sm.save_prior(result.prior, output)
    checkpoint.unlink(missing_ok=True)
    console.print(f"wrote {output}: best held-out loss {result.best:+.4f} a pixel", highlight=False)
    if result.expected_psnr is not None:
        console.print(
            f"one denoising step with it should give {result.expected_psnr:.2f} dB (Stein's estimate, from noisy "
            "held-out crops; too high where the noise was clipped to the range of the file)",
            highlight=False,
        )
