"""``scorematching fit``: fit a prior to images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

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
from scorematching.priors.architecture import ModelConfig
from scorematching.training.config import RATES, TrainingConfig

if TYPE_CHECKING:
    from scorematching.noise import NoiseModel


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
    white: WhiteOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Fit a prior to images, noisy or clean, and save it as one file.

    With [bold]--noisy[/bold] no clean image is needed. The prior denoises images with the noise levels of the training
    images, by Tweedie's formula. Noise that is correlated between pixels is found, or given by [bold]--noise[/bold].

    An interrupted training leaves FILE.training behind. The same command continues from there.

    Several processes train together, on CPUs or GPUs, if [bold]torchrun[/bold] starts them. Two processes with
    [bold]--batch 8[/bold] do the steps of one with 16.

    Example: [bold]scorematching fit scans/ -o scans.safetensors --noisy --sigma 25[/bold]
    Example: [bold]torchrun --nproc-per-node 2 -m scorematching fit scans/ -o scans.safetensors --batch 8[/bold]
    """
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
    training = TrainingConfig(
        steps=steps,
        batch=batch,
        crop=crop,
        rate=rate,
        lam=lam,
        max_sigma=max_sigma,
        blind=blind,
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
    _run(paths, output, config, training, noisy, known, clean, bfloat16, white, device)


def _run(
    paths: list[Path],
    output: Path,
    config: ModelConfig,
    training: TrainingConfig,
    noisy: bool,
    noise: NoiseModel | None,
    clean: Path | None,
    bfloat16: bool,
    white: float | None,
    device: str,
) -> None:
    """Fit a prior, save it, and print its quality."""
    from scorematching.cli.console import print_error, progress_bar, quiet, say
    from scorematching.cli.options import check_device
    from scorematching.images.io.atomic import check_target
    from scorematching.noise import PoissonGaussianNoise
    from scorematching.priors.store import save_prior
    from scorematching.runtime.distributed import LostProcessError, is_first_launched, launched
    from scorematching.runtime.precision import bfloat16_products, has_bfloat16
    from scorematching.training.fitting import fit as fit_prior

    check_target(output)
    where = check_device(device)
    checkpoint = output.with_name(output.name + ".training")
    if checkpoint.exists() and is_first_launched():
        say(f"continuing from {checkpoint}")
    if bfloat16 and where.type == "cpu" and not has_bfloat16():
        say("note: this processor has no native bfloat16 support; training is faster without --bfloat16")
    try:
        with (
            launched(where) as (processes, own),
            quiet(not processes.is_first),
            progress_bar("fitting", transient=False) as progress,
            bfloat16_products(bfloat16),
        ):
            result = fit_prior(
                paths,
                noise=noise,
                noisy=noisy,
                model=config,
                training=training,
                clean=clean,
                data_range=white,
                device=own,
                progress=progress,
                checkpoint=checkpoint,
            )
    except LostProcessError as error:
        if is_first_launched():
            print_error(f"error: {error}; {_left(checkpoint)}")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        if is_first_launched():
            print_error(f"interrupted; {_left(checkpoint)}")
        raise typer.Exit(130) from None
    if not is_first_launched():
        return
    save_prior(result.prior, output)
    checkpoint.unlink(missing_ok=True)
    say(f"wrote {output}: best held-out loss {result.best:+.4f} per pixel")
    if noise is None and result.found is not None:
        low, high = (255 * level for level in result.found)
        reach = 0 if result.prior.noise is None else result.prior.noise.reach
        how = f", correlated up to {reach} pixels apart" if reach else ""
        say(f"noise levels found: {low:.3g} to {high:.3g} on the 0-255 scale{how}")
    if result.expected_psnr is not None:
        stabilized = ", stabilized" if isinstance(noise, PoissonGaussianNoise) else ""
        say(
            f"expected PSNR of one denoising step on held-out noisy images{stabilized}: {result.expected_psnr:.2f} dB "
            "(Stein's estimate, from noisy images alone; too high if the noise was clipped to the range of the file)"
        )
    if result.psnr is not None:
        say(f"true PSNR, from the clean images: {result.psnr:.2f} dB")


def _left(checkpoint: Path) -> str:
    """Return what an interrupted training left, in words."""
    return f"the same command continues from {checkpoint}" if checkpoint.exists() else "nothing was saved yet"
