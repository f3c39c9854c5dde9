"""``python -m benchmarks attacks``: run all attacks, each in a process of its own with a limit of time."""

from __future__ import annotations

import multiprocessing as mp
import tempfile
import traceback
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from pkgutil import iter_modules
from typing import Annotated

import numpy as np
import typer

import benchmarks.attacks
from benchmarks.tasks import SeedOption

#: Modules of attacks.
AREAS = sorted({module.name for module in iter_modules(benchmarks.attacks.__path__)} - {"program", "runner"})
#: Seconds that one attack may take.
_PATIENCE = 600


def attacks(
    areas: Annotated[list[str] | None, typer.Argument(help=f"Areas: {', '.join(AREAS)}.", show_default="all")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Number of times that each attack is run, with new seeds.")] = 1,
    seed: SeedOption = 0,
) -> None:
    """Attack the tool with damaged files, hostile names, full disks and killed processes.

    Each attack has a line. The exit status is 1 if one succeeds: a traceback, a hang, a silent wrong result, or a file
    that is lost, torn or of others.
    """
    failures = 0
    for area in areas or AREAS:
        for number, attack in enumerate(import_module(f"benchmarks.attacks.{area}").ATTACKS):
            for turn in range(rounds):
                error = _outcome(area, number, (seed, turn))
                failures += error is not None
                typer.echo(f"{'FAILED' if error else 'ok':6} {area}: {attack.__name__.replace('_', ' ')}")
                if error is not None:
                    typer.echo(error)
    if failures:
        raise typer.Exit(1)


def _outcome(area: str, number: int, seed: tuple[int, int]) -> str | None:
    """Run an attack in a new process. Return why it succeeded, or ``None`` if the tool held."""
    context = mp.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(area, number, seed, sender))
    process.start()
    sender.close()
    try:
        return receiver.recv() if receiver.poll(_PATIENCE) else f"it did not end within {_PATIENCE} seconds"
    except EOFError:
        process.join()
        return f"the process ended with status {process.exitcode}"
    finally:
        process.kill()
        process.join()


def _run(area: str, number: int, seed: tuple[int, int], sender: Connection) -> None:
    attack = import_module(f"benchmarks.attacks.{area}").ATTACKS[number]
    try:
        with tempfile.TemporaryDirectory() as folder:
            attack(Path(folder), np.random.default_rng(seed))
    except BaseException:
        sender.send(traceback.format_exc())
    else:
        sender.send(None)
