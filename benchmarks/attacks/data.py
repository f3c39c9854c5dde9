"""Attacks on the data of a training: files that are damaged, change, vanish, or are too many."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile

from benchmarks.attacks.program import PATIENCE, Attack, command
from scorematching.images import write_image, write_pages

#: Options of a training that ends within seconds, and of one that is interrupted by the attack.
_SHORT = ("-o", "prior.safetensors", "--sigma", "9", "--filters", "4", "--size", "3", "--steps", "30", "--crop", "16")
_LONG = (*_SHORT, "--steps", "100000", "--memory", "0", "--no-compile")


def _images(random: np.random.Generator, count: int, dtype: str = "u1") -> list[np.ndarray]:
    return [random.integers(0, 200, (40, 48)).astype(dtype) for _ in range(count)]


def _folder(folder: Path, random: np.random.Generator, suffix: str, count: int = 30) -> Path:
    (folder / "images").mkdir()
    for number, image in enumerate(_images(random, count)):
        write_image(folder / "images" / f"{number:02d}{suffix}", image)
    return folder / "images"


def _refused(folder: Path, name: str, *arguments: str | Path) -> None:
    """Check that a training ends with an error that names a file, and leaves no prior."""
    result = command(folder, "fit", *arguments)
    assert result.returncode == 1, result
    line = next(line for line in result.stderr.splitlines() if line.startswith("error: "))
    assert name in line, result.stderr
    assert not (folder / "prior.safetensors").exists()


def one_of_many_files_is_damaged(folder: Path, random: np.random.Generator) -> None:
    """Some bytes of a file are others."""
    for suffix in (".png", ".tif"):
        (folder / suffix).mkdir()
        images = _folder(folder / suffix, random, suffix)
        path = images / f"{random.integers(30):02d}{suffix}"
        content = bytearray(path.read_bytes())
        place = int(random.integers(len(content) // 4, len(content) // 2))
        content[place : place + 40] = random.bytes(40)
        path.write_bytes(content)
        _refused(folder, path.name, images, *_SHORT, "--steps", "400")


def one_of_many_files_is_cut_off(folder: Path, random: np.random.Generator) -> None:
    """A file ends too early: it is found before the training."""
    for suffix in (".png", ".tif", ".npy"):
        (folder / suffix).mkdir()
        images = _folder(folder / suffix, random, suffix)
        path = images / f"{random.integers(30):02d}{suffix}"
        os.truncate(path, int(random.integers(1, path.stat().st_size)))
        _refused(folder, path.name, images, *_SHORT)


def _meanwhile(folder: Path, images: Path, change: Callable[[Path], None], message: str) -> None:
    """Change the files of a training after its first checkpoint, and check the error."""

    def attack() -> None:
        end = time.monotonic() + PATIENCE
        while not (folder / "prior.safetensors.training").exists() and time.monotonic() < end:
            time.sleep(0.05)
        for path in images.iterdir() if images.is_dir() else [images]:
            change(path)

    threading.Thread(target=attack).start()
    _refused(folder, message, images, *_LONG)
    assert (folder / "prior.safetensors.training").exists()


def files_vanish_during_the_training(folder: Path, random: np.random.Generator) -> None:
    """The state of the training remains."""
    _meanwhile(folder, _folder(folder, random, ".png"), Path.unlink, "no such file: ")


def files_change_during_the_training(folder: Path, random: np.random.Generator) -> None:
    """Each is replaced by another image of the same shape."""

    def change(path: Path) -> None:
        write_image(path, _images(random, 1)[0])

    _meanwhile(folder, _folder(folder, random, ".png"), change, "has changed since the training started")


def stacks_are_cut_off_during_the_training(folder: Path, random: np.random.Generator) -> None:
    """A stack that is mapped into memory would end the process by a signal."""
    for name in ("a.npy", "b.tif", "imagej.tif"):
        path = folder / name
        if name == "imagej.tif":
            tifffile.imwrite(path, np.stack(_images(random, 30)), imagej=True)
        else:
            write_pages(path, _images(random, 30))
        _meanwhile(folder, path, lambda path: os.truncate(path, 500), name)
        (folder / "prior.safetensors.training").unlink()


def a_pipe_is_among_the_files(folder: Path, random: np.random.Generator) -> None:
    """In a folder it does not count; given by itself it is refused, and does not wait for ever."""
    images = _folder(folder, random, ".png", 3)
    os.mkfifo(images / "pipe.png")
    for given in (images / "pipe.png", images):
        _refused(folder, "pipe.png is a pipe, expected an image", given, *_SHORT)


def the_last_value_is_missing(folder: Path, random: np.random.Generator) -> None:
    """Floating-point numbers of the last file, with a known and an unknown value of white."""
    images = _folder(folder, random, ".npy", 12)
    for path in images.iterdir():
        np.save(path, np.load(path).astype(np.float32))
    values = np.load(images / "11.npy")
    values[-1, -1] = np.nan
    np.save(images / "11.npy", values)
    for options in ((), ("--white", "255", "--steps", "400")):
        _refused(folder, "11.npy: image has 1 values that are NaN", images, *_SHORT, *options)


def hardly_any_memory_is_allowed(folder: Path, random: np.random.Generator) -> None:
    """The result is the same for any number of workers, and nonsense is refused."""
    images, results = _folder(folder, random, ".png"), []
    for memory, workers in (("0", "0"), ("1e-300", "3")):
        assert command(folder, "fit", images, *_SHORT, "--memory", memory, "--workers", workers).returncode == 0
        results.append((folder / "prior.safetensors").read_bytes())
        (folder / "prior.safetensors").unlink()
    assert results[0] == results[1]
    for memory in ("nan", "inf", "-1"):
        assert command(folder, "fit", images, *_SHORT, "--memory", memory).returncode in (1, 2)


def there_are_more_stacks_than_files_may_be_open(folder: Path, random: np.random.Generator) -> None:
    """A process may open 100 files."""
    (folder / "images").mkdir()
    for number in range(150):
        write_pages(folder / "images" / f"{number}.tif", _images(random, 2))
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
    assert command(folder, "fit", folder / "images", *_SHORT).returncode == 0


ATTACKS: list[Attack] = [
    one_of_many_files_is_damaged,
    one_of_many_files_is_cut_off,
    files_vanish_during_the_training,
    files_change_during_the_training,
    stacks_are_cut_off_during_the_training,
    a_pipe_is_among_the_files,
    the_last_value_is_missing,
    hardly_any_memory_is_allowed,
    there_are_more_stacks_than_files_may_be_open,
]
