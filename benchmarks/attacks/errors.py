"""Hostile arguments of Python functions, hostile options of commands, and errors of single files of a folder."""

from __future__ import annotations

import contextlib
import io
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import typer

import scorematching as sm
from benchmarks.attacks.program import Attack, check_contract
from scorematching.cli import main
from scorematching.cli.app import app

_ROOT = Path(__file__).parents[2]
#: Number of tests that the public functions are divided among, and seconds that each may take.
_PARTS, _PATIENCE = 8, 570
_VALUES = ("nan", "inf", "-1", "0", "1e300", "1e-300", "", "much", "x" * 5000)
#: Commands on a tiny image, and those whose defaults take too long to be run with good values.
_COMMANDS: dict[str, list[str]] = {
    "fit": [
        "in.png",
        "-o",
        "out.safetensors",
        "--noisy",
        "--filters",
        "4",
        "--size",
        "3",
        "--batch",
        "2",
        "--crop",
        "16",
    ],
    "denoise": ["in.png", "-o", "out.png", "--prior", "prior.safetensors", "--overwrite"],
    "noise": ["in.png", "--prior", "prior.safetensors"],
    "upscale": ["in.png", "-o", "out.png", "--prior", "prior.safetensors", "--overwrite"],
    "inpaint": ["in.png", "--mask", "mask.png", "-o", "out.png", "--prior", "prior.safetensors", "--overwrite"],
    "deblur": ["in.png", "-o", "out.png", "--blur", "1", "--prior", "prior.safetensors", "--overwrite"],
    "show": ["prior.safetensors"],
    "check": [],
    "demo": ["--steps", "2", "-o", "results"],
}
_LONG = ("check",)
#: Options that wait for another machine, or start processes.
_LEFT = ("--scheduler", "--workers")
_ERRORS: tuple[Exception, ...] = (
    *(MemoryError(), RecursionError("too deep"), struct.error("unpack requires a buffer"), zlib.error("Error -3")),
    *(KeyError("x"), IndexError("out of range"), EOFError(), ZeroDivisionError(), AssertionError(), OSError(5, "I/O")),
    *(OverflowError("too large"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")),
)


def _hostile_arguments(part: int) -> Attack:
    """Return the attack that runs a part of the property tests of the contract, with many examples and a new seed."""

    def attack(folder: Path, random: np.random.Generator) -> None:
        test = f"tests/contract/test_contract.py::test_hostile_arguments_keep_the_contract[{part}]"
        seed = f"--hypothesis-seed={random.integers(2**31)}"
        words = [sys.executable, "-m", "pytest", test, "--hypothesis-profile=long", seed, "-vv"]
        done = subprocess.run(words, cwd=_ROOT, capture_output=True, text=True, timeout=_PATIENCE, check=False)
        assert done.returncode == 0, done.stdout[-5000:]

    attack.__name__ = f"hostile_arguments_of_public_functions,_part_{part + 1}_of_{_PARTS}"
    return attack


def _hostile_options(name: str) -> Attack:
    """Return the attack on a command that gives each option that takes a value hostile ones."""

    def attack(folder: Path, random: np.random.Generator) -> None:
        _write_files(folder)
        command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
        options = [one.opts[0] for one in command.params if one.opts[0].startswith("--") and not one.is_flag]
        with contextlib.chdir(folder):
            for option in options:
                for value in _VALUES:
                    if option not in _LEFT and not (name in _LONG and value in ("0", "1e300", "1e-300")):
                        _run(name, *_COMMANDS[name], option, value)

    attack.__name__ = f"hostile_options_of_{name}"
    return attack


def folders_go_on_after_any_error(folder: Path, random: np.random.Generator) -> None:
    """Let the reading of one file of a folder fail in all ways."""
    _write_files(folder)
    (folder / "images").mkdir()
    image = sm.read_image(folder / "in.png")
    for name in ("a.png", "bad.png", "c.png"):
        sm.write_image(folder / "images" / name, image)
    with contextlib.chdir(folder):
        for error in _ERRORS:
            for command, module in (("denoise", "denoise_files"), ("noise", "noise_files")):
                with _failing(f"scorematching.cli.{module}.find_white_of_file", error):
                    output = ["-o", "results", "--overwrite"] if command == "denoise" else []
                    done = _run(command, "images", "--prior", "prior.safetensors", *output)
                assert done.returncode == 1, f"{command} with {error!r} ends with {done.returncode}"
                assert "bad.png" in done.stderr, done.stderr
                assert "c.png" in done.stdout, f"{command} did not go on after {error!r}"


@contextlib.contextmanager
def _failing(place: str, error: Exception) -> Iterator[None]:
    """Make a function that gets the path of a file raise for one of them."""
    from scorematching.images.io.files import find_white_of_file

    def fails(path: str | Path, *arguments: Any, **options: Any) -> float:
        if Path(path).name == "bad.png":
            raise error
        return find_white_of_file(path, *arguments, **options)

    with patch(place, fails):
        yield


def _write_files(folder: Path) -> None:
    """Write a noisy image, a mask and a prior."""
    ramp = np.add.outer(np.linspace(40, 200, 48), np.linspace(0, 30, 44))
    image = sm.GaussianNoise(12).simulate(ramp).clip(0, 255).astype(np.uint8)
    sm.write_image(folder / "in.png", image)
    mask = np.zeros((48, 44), np.uint8)
    mask[20:24, 20:24] = 255
    sm.write_image(folder / "mask.png", mask)
    prior = sm.priors.FieldPrior(sm.FieldConfig(filters=4, size=3), noise=0.05)
    sm.save_prior(prior, folder / "prior.safetensors")


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in this process, and check that it ends with a finite result or an error of one line."""
    said, wrong = io.StringIO(), io.StringIO()
    status: Any = 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(wrong), warnings.catch_warnings():
        try:
            main(list(arguments))
        except SystemExit as stop:
            status = stop.code or 0
        except Exception as error:
            raise AssertionError(f"{[one[:50] for one in arguments]} raises {error!r}") from error
    done = subprocess.CompletedProcess(arguments, status, said.getvalue(), wrong.getvalue())
    try:
        check_contract(done)
        if status == 0 and Path("out.png").exists():
            assert np.isfinite(sm.read_image("out.png")).all(), "the result is not finite"
    except AssertionError as error:
        raise AssertionError(f"{[one[:50] for one in arguments]}: {error}") from error
    return done


ATTACKS: list[Attack] = [
    folders_go_on_after_any_error,
    *map(_hostile_options, typer.main.get_command(app).commands),  # type: ignore[attr-defined]
    *map(_hostile_arguments, range(_PARTS)),
]
