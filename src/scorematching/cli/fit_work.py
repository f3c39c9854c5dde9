"""The work of ``scorematching fit``: train, save the prior, and print its quality."""

from __future__ import annotations

import errno
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import torch
import typer
from rich.table import Table

from scorematching.cli.console import console, print_error, progress_bar, quiet, say
from scorematching.cli.options import check_device
from scorematching.images.io.atomic import check_target
from scorematching.images.io.paths import check_outputs, find_images
from scorematching.noise import NoiseModel, PoissonGaussianNoise
from scorematching.plotting import draw_lam_choice
from scorematching.priors.architecture import ModelConfig
from scorematching.priors.base import Prior
from scorematching.priors.store import save_prior
from scorematching.runtime.distributed import LostProcessError, is_first_launched, launched
from scorematching.runtime.precision import bfloat16_products, has_bfloat16
from scorematching.runtime.progress import ProgressCallback
from scorematching.training.checkpoints import lam_of_checkpoint
from scorematching.training.config import TrainingConfig
from scorematching.training.fitting import fit
from scorematching.training.lam_choice import choose_lam
from scorematching.training.result import FitResult

#: Errors of a full disk, and the seconds between two tries to write the prior, and for all of them.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
PAUSE, PATIENCE = 5.0, 600.0


class _TerminatedError(BaseException):
    """The process got SIGTERM."""


@dataclass(frozen=True)
class FitJob:
    """Options of the command."""

    paths: list[Path]
    output: Path
    config: ModelConfig
    training: TrainingConfig
    noisy: bool
    noise: NoiseModel | None
    clean: Path | None
    bfloat16: bool
    white: float | None
    device: str
    resume: bool
    log: str | None
    select_lambda: bool

    @property
    def checkpoint(self) -> Path:
        """File of the state of the training."""
        return self.output.with_name(self.output.name + ".training")

    @property
    def figure(self) -> Path:
        """File of the plot of the choice of λ."""
        return self.output.with_suffix(".lambda.png")


def run(job: FitJob) -> None:
    """Fit a prior, save it, and print its quality."""
    check_target(job.output)
    figure = job.figure if job.select_lambda else None
    check_outputs([job.output, job.checkpoint, figure, job.log], find_images(job.paths))
    try:
        with _terminable():
            result = _fitted(job)
            if not is_first_launched():
                return
            _save(result.prior, job)
    except LostProcessError as error:
        if is_first_launched():
            print_error(f"error: {error}; {_left(job.checkpoint)}")
        raise typer.Exit(1) from None
    except (KeyboardInterrupt, _TerminatedError) as error:
        if is_first_launched():
            print_error(f"interrupted; {_left(job.checkpoint)}")
        raise typer.Exit(143 if isinstance(error, _TerminatedError) else 130) from None
    job.checkpoint.unlink(missing_ok=True)
    _tell(result, job)


def _fitted(job: FitJob) -> FitResult:
    """Train, in one process or in those that ``torchrun`` started."""
    where = check_device(job.device)
    if job.resume and is_first_launched():
        exists = job.checkpoint.exists()
        say(f"continuing from {job.checkpoint}" if exists else f"starting anew: there is no {job.checkpoint}")
    if job.bfloat16 and where.type == "cpu" and not has_bfloat16():
        say("note: this processor has no native bfloat16 support; training is faster without --bfloat16")
    with (
        launched(where) as (processes, own),
        quiet(not processes.is_first),
        progress_bar("fitting", transient=False) as progress,
        bfloat16_products(job.bfloat16),
    ):
        training = replace(job.training, lam=_lam(job, own, progress)) if job.select_lambda else job.training
        return fit(
            job.paths,
            noise=job.noise,
            noisy=job.noisy,
            model=job.config,
            training=training,
            clean=job.clean,
            data_range=job.white,
            device=own,
            progress=progress,
            checkpoint=job.checkpoint,
            resume=job.resume,
            log=job.log,
        )


def _lam(job: FitJob, device: torch.device, progress: ProgressCallback) -> float:
    """Choose the weight of the regularizer, with a table and a plot; or take that of the checkpoint to resume."""
    if job.resume and (known := lam_of_checkpoint(job.checkpoint)) is not None:
        return known
    choice = choose_lam(
        job.paths, model=job.config, training=job.training, data_range=job.white, device=device, progress=progress
    )
    table = Table("λ", *(f"PSNR at noise {level:g} (dB)" for level in choice.levels), "mean")
    for lam, row, mean in zip(choice.lams, choice.psnr, choice.means, strict=True):
        style = "bold" if lam == choice.lam else None
        table.add_row(f"{lam:g}", *(f"{value:.2f}" for value in (*row, mean)), style=style)
    console.print(table)
    if is_first_launched():
        draw_lam_choice(choice, job.figure)
    say(f"chosen λ: {choice.lam:g}; wrote {job.figure}")
    if choice.is_at_end:
        say("note: it is the lowest or highest of those compared: another one may be better (--lam)")
    return choice.lam


@contextmanager
def _terminable() -> Iterator[None]:
    """Context manager in which SIGTERM raises an error, as Ctrl-C does."""

    def terminate(*_: object) -> NoReturn:
        raise _TerminatedError

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is terminate:  # after a loss of a process, it is ignored to the end
            signal.signal(signal.SIGTERM, before)


def _save(prior: Prior, job: FitJob) -> None:
    """Write the prior. If the disk is full, say so, and try again for a while."""
    start = time.monotonic()
    while True:
        try:
            return save_prior(prior, job.output)
        except OSError as error:
            if error.errno not in _FULL or time.monotonic() - start > PATIENCE:
                raise OSError(f"{error}; {_left(job.checkpoint)}") from None
            if time.monotonic() - start < PAUSE:
                print_error(f"note: {error} (waiting up to 10 minutes for room)")
        time.sleep(PAUSE)


def _tell(result: FitResult, job: FitJob) -> None:
    """Print where the prior is, and its quality."""
    say(f"wrote {job.output}: best held-out loss {result.best:+.4f} per pixel")
    if job.noise is None and result.found is not None:
        low, high = (255 * level for level in result.found)
        reach = 0 if result.prior.noise is None else result.prior.noise.reach
        how = f", correlated up to {reach} pixels apart" if reach else ""
        say(f"noise levels found: {low:.3g} to {high:.3g} on the 0-255 scale{how}")
    if result.expected_psnr is not None:
        stabilized = ", stabilized" if isinstance(job.noise, PoissonGaussianNoise) else ""
        say(
            f"expected PSNR of one denoising step on held-out noisy images{stabilized}: {result.expected_psnr:.2f} dB "
            "(Stein's estimate, from noisy images alone; too high if the noise was clipped to the range of the file)"
        )
    if result.psnr is not None:
        say(f"true PSNR, from the clean images: {result.psnr:.2f} dB")


def _left(checkpoint: Path) -> str:
    """Return what an interrupted training left, in words."""
    if not checkpoint.exists():
        return "nothing was saved yet"
    return f"the same command with --resume continues from {checkpoint}"
