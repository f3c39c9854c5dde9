"""Attacks on what is written: planted links, killed processes, full disks, and names that look like something else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.attacks.program import Attack, check_contract, command
from scorematching.images import read_image, write_image

#: Names of files that a terminal, a markup language or a shell could take for something else.
NAMES = (
    "a b  c.png",
    "-o.png",
    "[red]a[bold].png",
    "[link=file:a]b.png",
    ":skull:.png",
    "a\x1b[31mb.png",
    "a\x1b]8;;http:b\x07.png",
    "a\nb.png",
    "a\rb.png",
    "a\u202egnp.exe.png",
    "a\u2028b.png",
    "\x9b31m.png",
    os.fsdecode(b"\xff\xfe.png"),
    "$(touch x).png",
    "'\".png",
    "%s%n{0}.png",
    "λ漢字😀.png",
    "e\u0301.png",
    "x" * 251 + ".png",
)


def planted_links_are_not_followed(folder: Path, random: np.random.Generator) -> None:
    """A link under each name that the next processes could choose points to the file of somebody else."""
    victim = folder / "victim"
    victim.write_text("of somebody else")
    _noisy(folder / "a.png", random)
    for number in range(os.getpid(), os.getpid() + 500):
        (folder / f".b.png.{number}").symlink_to(victim)
    for name in (".denoise.journal", ".b.ome.zarr.partial"):
        (folder / name).symlink_to(victim)
    command(folder, "denoise", "a.png", "-o", "b.png", "--sigma", "20")
    _check_image(folder / "b.png")
    _noisy(folder / "c.png", random)
    (folder / "results").mkdir()
    (folder / "results" / ".denoise.journal").symlink_to(victim)
    refused = command(folder, "denoise", "a.png", "c.png", "-o", "results", "--sigma", "20", "--resume")
    assert refused.returncode == 1
    assert victim.read_text() == "of somebody else"


def links_and_permissions_stay(folder: Path, random: np.random.Generator) -> None:
    """The result goes to the file that a link points to, which keeps its permissions."""
    _noisy(folder / "a.png", random)
    (folder / "archive").mkdir()
    old = folder / "archive" / "old.png"
    old.write_bytes(b"old")
    old.chmod(0o640)
    (folder / "b.png").symlink_to(old)
    command(folder, "denoise", "a.png", "-o", "b.png", "--sigma", "20")
    assert (folder / "b.png").is_symlink()
    assert old.stat().st_mode & 0o777 == 0o640
    _check_image(old)


def no_device_is_replaced(folder: Path, random: np.random.Generator) -> None:
    """Pipes, devices, the input and missing folders are refused before the work."""
    _noisy(folder / "a.png", random)
    os.mkfifo(folder / "pipe.png")
    (folder / "null.png").symlink_to("/dev/null")
    for name in ("pipe.png", "null.png", "missing/b.png", "a.png", "", "/proc/b.png", "y" * 300 + ".png"):
        assert command(folder, "denoise", "a.png", "-o", name, "--sigma", "20").returncode in (1, 2), name
    for option in ("--json", "--std", "--report"):
        result = command(folder, "denoise", "a.png", "-o", "b.png", "--sigma", "20", option, "pipe.png")
        assert result.returncode == 1
    assert not (folder / "b.png").exists()
    assert Path("/dev/null").is_char_device()


def one_file_for_two_results_is_refused(folder: Path, random: np.random.Generator) -> None:
    """A result may not replace another of the same command."""
    _noisy(folder / "a.png", random)
    for option, name in (("--std", "b.tif"), ("--json", "./b.tif")):
        result = command(folder, "denoise", "a.png", "-o", "b.tif", "--sigma", "20", option, name)
        assert result.returncode == 1, option


def writers_of_one_file_never_tear_it(folder: Path, random: np.random.Generator) -> None:
    """Three processes write one file at once. It is then the whole result of one of them."""
    _noisy(folder / "a.png", random)
    words = [sys.executable, "-m", "scorematching", "denoise", "a.png", "-o", "b.png", "--threads", "1", "--sigma"]
    processes = [subprocess.Popen([*words, level], cwd=folder, stdout=subprocess.DEVNULL) for level in "123"]
    assert [process.wait(300) for process in processes] == [0, 0, 0]
    _check_image(folder / "b.png")
    assert _names(folder) == ["a.png", "b.png"]


def ended_processes_leave_nothing(folder: Path, random: np.random.Generator) -> None:
    """Signals at random moments: the old result stays or the new one is whole, and no other file is left."""
    _noisy(folder / "a.png", random)
    write_image(folder / "b.png", np.zeros((8, 8), np.uint8))
    words = [sys.executable, "-m", "scorematching", "denoise", "a.png", "-o", "b.png", "--sigma", "20"]
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT) * 2:
        process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(random.uniform(0.5, 6))
        process.send_signal(number)
        out, error = process.communicate(timeout=60)
        if process.returncode not in (-number, -signal.SIGINT):  # before Python could set up
            result = subprocess.CompletedProcess(words, process.returncode, out, error)
            check_contract(result, {0, 128 + number, 130})
        read_image(folder / "b.png")
        assert _names(folder) == ["a.png", "b.png"]


def what_a_killed_process_left_is_swept(folder: Path, random: np.random.Generator) -> None:
    """A file that was being written an hour ago, by a process that was killed, is deleted by the next one."""
    _noisy(folder / "a.png", random)
    left = folder / f".scorematching-{0:032x}.part"
    left.touch()
    os.utime(left, (time.time() - 3600,) * 2)
    command(folder, "denoise", "a.png", "-o", "b.png", "--sigma", "20")
    assert _names(folder) == ["a.png", "b.png"]


def a_full_disk_is_told(folder: Path, random: np.random.Generator) -> None:
    """Results that do not fit are named in one line, and the old ones stay."""
    _noisy(folder / "a.png", random)
    old = (folder / "a.png").read_bytes()
    result = command(folder, "denoise", "a.png", "-o", "a.png", "--overwrite", "--sigma", "20", file_blocks=1)
    assert result.returncode == 1
    assert (folder / "a.png").read_bytes() == old
    assert _names(folder) == ["a.png"]


def any_name_works(folder: Path, random: np.random.Generator) -> None:
    """All names are read and written, one by one and in a folder, and print as plain text."""
    images, results = folder / "images", folder / "results"
    images.mkdir()
    for name in NAMES:
        _noisy(images / name, random)
    done = command(folder, "denoise", "images", "-o", "results", "--sigma", "20")
    assert done.returncode == 0, done.stderr
    assert _names(results) == sorted(NAMES)
    for name in NAMES[:8]:
        options = ("--json", folder / "b.json", "--report", folder / "b.html", "--sigma", "20")
        assert command(folder, "denoise", images / name, "-o", folder / "b.png", *options).returncode == 0, name
        assert "\x1b" not in (folder / "b.html").read_text()
    missing = command(folder, "noise", *(f"missing{name}" for name in NAMES[:1]), "nothing\x1b[2J.png")
    assert missing.returncode == 1
    for encoding in ("ascii", "latin-1"):
        shown = command(folder, "noise", images / NAMES[-3], environment={"PYTHONIOENCODING": encoding})
        assert shown.returncode == 0, encoding


def closed_outputs_end_quietly(folder: Path, random: np.random.Generator) -> None:
    """A pipe that is closed, and a full disk behind stdout, end without a traceback."""
    _noisy(folder / "a.png", random)
    for redirect in ("| true", "> /dev/full", ">&-", "2>&-"):
        line = f'"{sys.executable}" -m scorematching noise a.png {redirect}'
        result = subprocess.run(
            ["bash", "-c", line], cwd=folder, capture_output=True, text=True, timeout=120, check=False
        )
        assert "Traceback" not in result.stderr, result.stderr


def _noisy(path: Path, random: np.random.Generator) -> None:
    """Write an image of the value 128 with noise of 20."""
    write_image(path, (128 + random.normal(0, 20, (48, 64))).clip(0, 255).astype(np.uint8))


def _check_image(path: Path) -> None:
    image = read_image(path)
    assert image.shape == (48, 64)
    assert abs(image.mean() - 128) < 5


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


ATTACKS: list[Attack] = [
    planted_links_are_not_followed,
    links_and_permissions_stay,
    no_device_is_replaced,
    one_file_for_two_results_is_refused,
    writers_of_one_file_never_tear_it,
    ended_processes_leave_nothing,
    what_a_killed_process_left_is_swept,
    a_full_disk_is_told,
    any_name_works,
    closed_outputs_end_quietly,
]
