"""``scorematching fit``: fit a prior to images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from scorematching.cli.model_options import MODELS, by_model, config_from_options, defaults_of
from scorematching.cli.options import (
    DeviceOption,
    FitSigmaOption,
    GainOption,
    NeighborsOption,
    NoiseOption,
    OffsetOption,
    SeedOption,
    WhiteOption,
    noise_from_options,
)
from scorematching.training.config import RATES, TrainingConfig


def fit(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Images (TIFF, PNG, JPEG, NumPy, FITS, MRC and others) or folders of them."),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="File to write the prior to; it ends in .safetensors."),
    ],
    noisy: Annotated[
        bool, typer.Option("--noisy", help="The images have noise. By default they are taken as clean.")
    ] = False,
    sigma: FitSigmaOption = None,
    gain: GainOption = None,
    offset: OffsetOption = 0.0,
    noise: NoiseOption = None,
    clean: Annotated[
        Path | None,
        typer.Option(
            "--clean",
            help="With --noisy: the same images without noise, by file name. They measure the result.",
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            help="foe: a field of experts. deep: a convolutional network, better and slower to train.",
        ),
    ] = "foe",
    filters: Annotated[
        int | None,
        typer.Option(
            "--filters", min=1, help="Number of filters (foe) or channels (deep).", show_default=defaults_of("filters")
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            "--size",
            min=2,
            help="Side of a filter: pixels (foe), blocks of 2 x 2 (deep).",
            show_default=defaults_of("size"),
        ),
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option("--depth", min=2, help="Deep: number of convolutions, even.", show_default=defaults_of("depth")),
    ] = None,
    octaves: Annotated[
        int | None,
        typer.Option("--octaves", min=1, max=4, help="Foe: number of scales.", show_default=defaults_of("octaves")),
    ] = None,
    expert: Annotated[
        str | None,
        typer.Option("--expert", help="Foe: student-t (mixtures) or spline.", show_default=defaults_of("expert")),
    ] = None,
    normalize_filters: Annotated[
        bool | None,
        typer.Option(
            "--normalize-filters/--free-filters",
            help="Foe: keep filters at zero mean and unit norm.",
            show_default="free",
        ),
    ] = None,
    blind: Annotated[
        bool,
        typer.Option("--blind", help="Deep: also train on less noise than the stated level, as in clipped blacks."),
    ] = False,
    color: Annotated[
        bool | None,
        typer.Option("--color", help="Deep: train a color prior, for color images only."),
    ] = None,
    neighbors: NeighborsOption = None,
    max_sigma: Annotated[
        float | None,
        typer.Option(
            "--max-sigma", help="Deep: add noise up to this level; the prior then serves all levels up to it."
        ),
    ] = None,
    lam: Annotated[
        float | None, typer.Option("--lam", help="Weight of the regularizer.", show_default="0 with noise, 0.2 without")
    ] = None,
    select_lambda: Annotated[
        bool,
        typer.Option(
            "--select-lambda",
            help="Clean images: choose the regularizer by short trainings that denoise held-out images.",
        ),
    ] = False,
    steps: Annotated[
        int, typer.Option("--steps", min=1, help="Training steps. 1500 take about a minute (deep: 6 minutes).")
    ] = TrainingConfig.steps,
    batch: Annotated[
        int, typer.Option("--batch", min=1, help="Number of crops per step, in each process.")
    ] = TrainingConfig.batch,
    crop: Annotated[
        int, typer.Option("--crop", min=1, help="Side of the training crops, in pixels.")
    ] = TrainingConfig.crop,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate",
            help="Largest learning rate.",
            show_default=by_model({model: RATES[config.kind] for model, config in MODELS.items()}),
        ),
    ] = None,
    memory: Annotated[
        float,
        typer.Option(
            "--memory", min=0, metavar="GIB", help="Largest size of decoded images of files that are kept in memory."
        ),
    ] = TrainingConfig.memory,
    workers: Annotated[
        int, typer.Option("--workers", min=0, help="Threads that decode files. The result does not depend on them.")
    ] = TrainingConfig.workers,
    compile: Annotated[
        bool | None,
        typer.Option("--compile/--no-compile", help="Compile the training.", show_default="where it saves time"),
    ] = None,
    bfloat16: Annotated[
        bool,
        typer.Option(
            "--bfloat16", help="Deep: compute products in bfloat16; faster on processors with native support."
        ),
    ] = False,
    patience: Annotated[
        int | None,
        typer.Option(
            "--patience",
            min=1,
            help="Stop after so many evaluations (one every 50 steps, or ten in all) without a new best held-out loss.",
            show_default="train to the last step",
        ),
    ] = None,
    average: Annotated[
        float | None,
        typer.Option(
            "--average",
            metavar="DECAY",
            help="Also evaluate a moving average of the weights, with a decay per step such as 0.99.",
            show_default="none",
        ),
    ] = None,
    log: Annotated[
        str | None,
        typer.Option(
            "--log",
            metavar="FILE|FOLDER/",
            help="Write the losses and the learning rate to a file of JSON lines, or to a folder for TensorBoard.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from what an interrupted run of the same command left.")
    ] = False,
    white: WhiteOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Fit a prior to images, noisy or clean, and save it as one file.

    With [bold]--noisy[/bold] no clean image is needed. The prior denoises images with the noise levels of the training
    images, by Tweedie's formula. Noise that is correlated between pixels is found, or given by [bold]--noise[/bold].

    An interrupted training leaves FILE.training behind. The same command with [bold]--resume[/bold] continues from
    there.

    Several processes train together, on CPUs or GPUs, if [bold]torchrun[/bold] starts them. Two processes with
    [bold]--batch 8[/bold] do the steps of one with 16. torchrun has a [bold]--log[/bold] of its own: write that of this
    program as [bold]--log=FILE[/bold].

    Example: [bold]scorematching fit scans/ -o scans.safetensors --noisy --sigma 25[/bold]
    Example: [bold]torchrun --nproc-per-node 2 -m scorematching fit scans/ -o scans.safetensors --batch 8[/bold]
    """
    from scorematching.cli.fit_work import FitJob, run
    from scorematching.images.io.paths import check_outputs

    config = config_from_options(
        model,
        filters=filters,
        size=size,
        depth=depth,
        octaves=octaves,
        expert=expert,
        normalize_filters=normalize_filters,
        color=color or None,
        neighbors=neighbors,
    )
    wanted: bool | Literal["auto"] = "auto" if compile is None else compile
    train = TrainingConfig(
        steps=steps,
        batch=batch,
        crop=crop,
        rate=rate,
        lam=lam,
        max_sigma=max_sigma,
        blind=blind,
        patience=patience,
        average=average,
        seed=seed,
        memory=memory,
        workers=workers,
        compile=wanted,
    )
    if output.suffix != ".safetensors":
        raise ValueError(f"{output}: expected a file that ends in .safetensors")
    if not noisy and (gain is not None or offset):
        raise ValueError("--gain and --offset are for images with noise: pass --noisy")
    known = noise_from_options(sigma, gain, offset, noise)
    if select_lambda and (noisy or known is not None or lam is not None):
        raise ValueError("--select-lambda is for clean images without noise: leave out --noisy, --sigma and --lam")
    check_outputs([output, log], [noise])
    options = (noisy, known, clean, bfloat16, white, device, resume, log, select_lambda)
    run(FitJob(paths, output, config, train, *options))
