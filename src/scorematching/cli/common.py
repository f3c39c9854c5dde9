"""What the commands share: options, consoles, progress bars, memory."""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from scorematching.training import Progress

console = Console()
errors = Console(stderr=True)

DeviceOption = Annotated[str, typer.Option("--device", help="Where to compute: cpu, cuda, cuda:1.")]
SeedOption = Annotated[
    int,
    typer.Option("--seed", min=0, help="Of everything random. The same seed on the same machine gives the same bits."),
]
WhiteOption = Annotated[
    float | None,
    typer.Option(
        "--white",
        help="The pixel value of white, such as 4095 for 12-bit data in 16-bit files.",
        show_default="255, 65535 or 1, by the type; the largest value of floating point above 2",
    ),
]
ImageArgument = Annotated[
    Path, typer.Argument(help="The image, or stack: PNG, JPEG or TIFF, 8 or 16 bit or floating point.")
]
OutputOption = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write the result.")]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Let the result take the place of the image that it is made from.")
]
GainOption = Annotated[
    float | None,
    typer.Option(
        "--gain",
        help="For low light, where noise grows with brightness: how much one photon adds to a pixel, in the image's "
        "own units, as a camera's data sheet says (for electrons a count, take the inverse), or the slope of variance "
        "against mean in shots of evenly lit paper. --sigma is then the read noise alone, 0 by default.",
        show_default="noise of one level everywhere",
    ),
]
OffsetOption = Annotated[
    float,
    typer.Option(
        "--offset", help="With --gain, the pixel value of no light at all: the mean of a shot with the lens covered."
    ),
]
SIGMA_HELP = (
    "Standard deviation of the noise, in the image's own units: on the 0-255 scale for 8-bit input, 0-65535 for "
    "16-bit, the pixel values' own for floating point."
)


def check_sigma(sigma: float) -> None:
    """Raise ``ValueError`` unless ``sigma`` is a noise level, before any work is done."""
    if not 0 < sigma < math.inf:
        raise ValueError(f"--sigma must be a positive number, got {sigma}")


def check_device(name: str) -> torch.device:
    """The device of that name.

    Raises:
        ValueError: There is none here.
    """
    if name.partition(":")[0] not in ("cpu", "cuda"):
        raise ValueError(f"no device {name!r} here: expected cpu or cuda")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise ValueError(f"no device {name!r} here: try --device cpu") from None
    return device


@contextmanager
def fit_bar(title: str) -> Iterator[Callable[[Progress], None]]:
    """A progress bar for a training: loss, held-out loss, speed, time left. It appears with the first step."""
    columns = (
        TextColumn(title),
        BarColumn(bar_width=10),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:+.3f}, held out {task.fields[held_out]}"),
        TextColumn("{task.fields[speed]:.0f}/s"),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
    )
    bar = Bar(*columns, console=errors)
    task = bar.add_task(title, loss=0.0, held_out="", speed=0.0, total=None)
    try:

        def update(state: Progress) -> None:
            bar.start()
            bar.update(
                task,
                total=state.steps,
                completed=state.step,
                loss=state.loss,
                held_out="-" if math.isnan(state.held_out) else f"{state.held_out:+.3f}",
                speed=state.speed,
            )

        yield update
    finally:
        if bar.live.is_started:
            bar.stop()


class StepBar:
    """A progress bar for an iteration of at most so many steps, on a terminal only. It appears with the first step."""

    def __init__(self, title: str) -> None:
        columns = (
            TextColumn(title),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[said]}"),
        )
        self.bar = Bar(*columns, console=errors, transient=True, disable=not errors.is_terminal)
        self.task = self.bar.add_task(title, total=None, said="")

    def __call__(self, done: float, total: int) -> None:
        """Show the steps done and their number."""
        self.bar.start()
        self.bar.update(self.task, completed=done, total=total)

    def tell(self, state: object) -> None:
        """Show a few words on how far it has come."""
        self.bar.update(self.task, said=str(state))


@contextmanager
def step_bar(title: str) -> Iterator[StepBar]:
    """A :class:`StepBar` that is gone at the end."""
    step = StepBar(title)
    try:
        yield step
    finally:
        if step.bar.live.is_started:
            step.bar.stop()


def keep_freed_memory() -> None:
    """Have glibc keep freed memory in this process; elsewhere do nothing.

    By default it hands the large blocks of every tensor back to the kernel, which clears them again page by page at
    the next use: that takes longer than the arithmetic on them.
    """
    if not sys.platform.startswith("linux"):
        return
    m_trim_threshold, m_mmap_threshold, largest = -1, -3, 32 * 1024 * 1024
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(m_mmap_threshold, largest)
        mallopt(m_trim_threshold, 2**31 - 1)
