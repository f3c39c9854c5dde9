"""``scorematching fit``: a prior from images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

import scorematching as sm
from scorematching.cli.common import (
    SIGMA_HELP,
    DeviceOption,
    GainOption,
    OffsetOption,
    SeedOption,
    WhiteOption,
    check_device,
    console,
    errors,
    fit_bar,
)
from scorematching.energies.field_of_experts import ExpertName
from scorematching.images.io.atomic import check_target
from scorematching.priors.info import ModelName
from scorematching.runtime.arguments import check_choice
from scorematching.runtime.precision import knows_bfloat16
from scorematching.training.options import RATES, SHAPES


def _by_model(values: dict[str, Any]) -> str:
    """What is so by default, for each model."""
    return ", ".join(f"{value} ({model})" for model, value in values.items())


def _defaults(name: str) -> str:
    return _by_model({model: shape[name] for model, shape in SHAPES.items() if name in shape})


def fit(
    paths: Annotated[list[Path], typer.Argument(help="Images (PNG, JPEG, TIFF) or folders of them.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write the prior: a .safetensors file.")
    ],
    noisy: Annotated[bool, typer.Option("--noisy", help="The images carry noise already.")] = False,
    sigma: Annotated[
        float | None,
        typer.Option(
            "--sigma",
            help=SIGMA_HELP + " Without --noisy, such noise is added to the images.",
            show_default="estimated from each image with --noisy, 0 without",
        ),
    ] = None,
    gain: GainOption = None,
    offset: OffsetOption = 0.0,
    clean: Annotated[
        Path | None,
        typer.Option(
            "--clean",
            help="With --noisy, the same images without noise, by file name: to measure the result, not to learn.",
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            help="foe: a field of experts. pot: a product of Student-t on patches. deep: a convolutional network; it "
            "denoises best and learns slowest.",
        ),
    ] = "foe",
    filters: Annotated[
        int | None,
        typer.Option("--filters", min=1, help="Experts, or channels.", show_default=_defaults("filters")),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option("--size", min=2, help="Side of a filter or patch.", show_default=_defaults("size")),
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(
            "--depth", min=2, help="Convolutions of a deep prior, an even number.", show_default=_defaults("depth")
        ),
    ] = None,
    octaves: Annotated[
        int | None,
        typer.Option(
            "--octaves",
            min=1,
            max=4,
            help="Foe: at how many scales it sees the image.",
            show_default=_defaults("octaves"),
        ),
    ] = None,
    expert: Annotated[
        str | None,
        typer.Option("--expert", help="Foe: student-t (mixtures) or spline.", show_default=_defaults("expert")),
    ] = None,
    normalize_filters: Annotated[
        bool | None,
        typer.Option(
            "--normalize-filters/--free-filters", help="Foe: filters of zero mean and unit norm.", show_default="free"
        ),
    ] = None,
    blind: Annotated[
        bool,
        typer.Option("--blind", help="Deep: let the prior expect less noise than it is told, as in clipped blacks."),
    ] = False,
    color: Annotated[
        bool, typer.Option("--color", help="Deep: learn red, green and blue together; for color images only.")
    ] = False,
    max_sigma: Annotated[
        float | None,
        typer.Option("--max-sigma", help="Deep: add noise to the images, up to this level, and serve all levels."),
    ] = None,
    lam: Annotated[
        float | None,
        typer.Option("--lam", help="The regularizer.", show_default="0 with noise, 0.2 without"),
    ] = None,
    steps: Annotated[
        int, typer.Option("--steps", min=1, help="Steps of training; 1500 take a minute or so (deep: 6).")
    ] = 1500,
    crop: Annotated[int, typer.Option("--crop", min=1, help="Side of the crops to train on, in pixels.")] = 48,
    rate: Annotated[
        float | None, typer.Option("--rate", help="Largest learning rate.", show_default=_by_model(RATES))
    ] = None,
    compile: Annotated[
        bool | None,
        typer.Option("--compile/--no-compile", help="Compile the training.", show_default="where it is done earlier"),
    ] = None,
    bfloat16: Annotated[
        bool,
        typer.Option(
            "--bfloat16", help="Deep: train with products in bfloat16, faster where the processor knows it natively."
        ),
    ] = False,
    white: WhiteOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Fit a prior to images, noisy or clean, and save it as one file.

    With noisy images ([bold]--noisy[/bold]) no clean one is ever needed: the prior denoises images of their noise
    level, or levels, by Tweedie's formula.

    A training that is interrupted leaves FILE.training behind; the same command then goes on from there.

    Example: [bold]scorematching fit scans/ -o scans.safetensors --noisy --sigma 25[/bold]
    """
    check_target(output)
    if output.suffix != ".safetensors":
        raise ValueError(f"{output}: expected a file that ends in .safetensors")
    check_choice("--model", model, tuple(SHAPES))
    where = check_device(device)
    checkpoint = output.with_name(output.name + ".training")
    if checkpoint.exists():
        console.print(f"going on from {checkpoint}")
    if bfloat16 and where.type == "cpu" and not knows_bfloat16():
        console.print("note: this processor does not know bfloat16; without --bfloat16 the training takes less time")
    try:
        with fit_bar("fitting") as progress, sm.runtime.bfloat16_products(bfloat16):
            result = sm.fit(
                paths,
                sigma=sigma,
                noisy=noisy,
                gain=gain,
                offset=offset,
                model=cast(ModelName, model),
                filters=filters,
                size=size,
                depth=depth,
                octaves=octaves,
                expert=cast(ExpertName | None, expert),
                normalize_filters=normalize_filters,
                blind=blind,
                color=color,
                max_sigma=max_sigma,
                lam=lam,
                steps=steps,
                crop=crop,
                rate=rate,
                seed=seed,
                data_range=white,
                clean=clean,
                device=where,
                progress=progress,
                checkpoint=checkpoint,
                compile="auto" if compile is None else compile,
            )
    except KeyboardInterrupt:
        how = f"the same command goes on from {checkpoint}" if checkpoint.exists() else "nothing was saved yet"
        errors.print(f"interrupted; {how}", highlight=False)
        raise typer.Exit(130) from None
    sm.save_prior(result.prior, output)
    checkpoint.unlink(missing_ok=True)
    console.print(f"wrote {output}: best held-out loss {result.best:+.4f} a pixel", highlight=False)
    low, high = (255 * level for level in result.found)
    if noisy and sigma is None and gain is None:
        console.print(f"noise levels found: {low:.3g} to {high:.3g} on the 0-255 scale", highlight=False)
    if result.expected_psnr is not None:
        held_out = "noisy images held out" if gain is None else "noisy images held out, stabilized"
        console.print(
            f"one denoising step with it should give {result.expected_psnr:.2f} dB (Stein's estimate, from "
            f"{held_out}; too high where the noise was clipped to the range of the file)",
            highlight=False,
        )
    if result.psnr is not None:
        console.print(f"and gives {result.psnr:.2f} dB, by the clean images", highlight=False)
