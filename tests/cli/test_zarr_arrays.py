"""Zarr arrays on the command line: tile by tile, in several processes, interrupted and gone on with."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import zarr
from command_line import run
from ome_zarr.format import FormatV04, FormatV05
from ome_zarr.writer import write_image

import scorematching as sm
from scorematching.cli import denoise_arrays
from scorematching.images.io.ome_zarr import open_array
from scorematching.restoration import tiled
from scorematching.runtime.journal import Journal


@pytest.fixture(autouse=True)
def _small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiled.tiles, "__defaults__", (128,))


@pytest.fixture
def store(movie: np.ndarray, tmp_path: Path) -> Path:
    """An OME-Zarr image of two resolutions, TCYX."""
    return stored(movie, tmp_path / "movie.ome.zarr", FormatV05())


def stored(movie: np.ndarray, path: Path, version: FormatV04 | FormatV05) -> Path:
    group = zarr.open_group(path, mode="w", zarr_format=version.zarr_format)
    scale = {"t": 2.0, "c": 1.0, "y": 0.3, "x": 0.3}
    write_image(movie, group, scale_factors=(2,), axes="tcyx", fmt=version, scale=scale)
    return path


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if "clean" in path.name)


@pytest.mark.parametrize("version", [FormatV04(), FormatV05()])
def test_the_result_is_that_in_memory_with_the_metadata_of_the_input(
    version: FormatV04 | FormatV05, movie: np.ndarray, tmp_path: Path, prior: sm.Prior, prior_file: Path, capsys
) -> None:
    source, target = stored(movie, tmp_path / "movie.zarr", version), tmp_path / "clean.zarr"
    assert run("denoise", source, "-o", target, "--sigma", 20, "--prior", prior_file) == 0
    assert "150 x 130, 4 images (TC); noise given: 20" in capsys.readouterr().out
    before, found = (zarr.open_group(path, mode="r") for path in (source, target))
    assert dict(before.attrs) == dict(found.attrs)
    sizes = [{name: (a.shape, a.dtype) for name, a in group.arrays()} for group in (before, found)]
    assert sizes[0] == sizes[1]
    fine, coarse = (found[level][:] for level in open_array(target).levels)
    assert np.array_equal(fine, sm.denoise(movie, 20, prior, axes="TCYX"))
    assert np.array_equal(coarse, np.rint(fine.reshape(2, 2, 65, 2, 75, 2).astype(float).mean((3, 5))))
    assert left(tmp_path) == ["clean.zarr"]


def test_noise_is_found_and_axes_can_be_given(movie: np.ndarray, tmp_path: Path, capsys) -> None:
    source = tmp_path / "color.zarr"
    color = np.stack([movie[0, 0], movie[0, 1], movie[1, 0]])[:, :64, :80].astype(np.float32) * 3
    zarr.save_array(source, color)
    assert run("denoise", source, "-o", tmp_path / "clean.zarr", "--axes", "SYX") == 0
    assert "80 x 64; noise found: " in capsys.readouterr().out
    expected = sm.denoise(np.moveaxis(color, 0, 2), data_range=float(color.max()))
    found = np.moveaxis(zarr.open_array(tmp_path / "clean.zarr", mode="r")[:], 0, 2)
    np.testing.assert_allclose(found, expected, atol=2e-2)
    assert run("denoise", source, "-o", tmp_path / "b.zarr", "--axes", "SYX", "--sigma", 1, "--white", 255) == 0
    assert "which is an approximation" in capsys.readouterr().out


def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_bits(
    store: Path, tmp_path: Path, prior_file: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    command = ("denoise", store, "--sigma", 20, "--prior", prior_file, "-o")
    assert run(*command, tmp_path / "whole.zarr") == 0
    target, calls, own = tmp_path / "clean.zarr", [], denoise_arrays.denoise_tile

    def dying(*arguments):
        calls.append(0)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return own(*arguments)

    monkeypatch.setattr(denoise_arrays, "denoise_tile", dying)
    assert run(*command, target) != 0
    assert left(tmp_path) == [".clean.zarr.partial"]
    journal = tmp_path / ".clean.zarr.partial" / "journal"
    journal.write_text(journal.read_text() + '\n["half a li')  # a kill in the middle of a line
    capsys.readouterr()
    assert run(*command, target) == 1
    assert "is left from an interrupted run: pass --resume to go on with it, or delete it" in capsys.readouterr().err
    assert run(*command[:3], 10, *command[4:], target, "--resume") == 1
    assert "is of another job (noise was" in capsys.readouterr().err
    assert run(*command, target, "--resume") == 0
    assert len(calls) == 4 + 16 - 3  # three of sixteen tiles were done before
    assert left(tmp_path) == ["clean.zarr"]
    one, other = (zarr.open_group(tmp_path / name, mode="r") for name in ("whole.zarr", "clean.zarr"))
    assert all(np.array_equal(a[:], other[name][:]) for name, a in one.arrays())


def _faulty(shared: denoise_arrays._Shared, part: denoise_arrays._Part) -> None:
    """Denoise a tile; the process is killed once, and one tile can never be denoised."""
    once = Path(shared.result.path).parent / "killed"
    with suppress(FileExistsError):
        once.touch(exist_ok=False)
        os.kill(os.getpid(), signal.SIGKILL)
    if part.image == (1, 0) and part.tile.down.start == 0 and part.tile.across.start == 0:
        raise ValueError("poison")
    denoise_arrays_denoise(shared, part)


denoise_arrays_denoise = denoise_arrays._denoise


def test_a_lost_worker_is_replaced_and_a_poisoned_tile_is_named(
    store: Path, movie: np.ndarray, tmp_path: Path, prior: sm.Prior, prior_file: Path, monkeypatch, capsys
) -> None:
    """Two processes; one of them is killed."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    command = ("denoise", store, "--sigma", 20, "--prior", prior_file, "-o", tmp_path / "clean.zarr", "--workers", 2)
    monkeypatch.setattr(denoise_arrays, "_denoise", _faulty)
    assert run(*command) == 1
    said = capsys.readouterr().err
    assert "movie.ome.zarr: T 1, C 0, rows 0 to 128, columns 0 to 128: poison" in said
    assert "repeat the command with --resume to do only the rest" in said
    assert (tmp_path / ".clean.zarr.partial" / "killed").exists()
    (tmp_path / ".clean.zarr.partial" / "killed").unlink()
    monkeypatch.undo()
    monkeypatch.setattr(tiled.tiles, "__defaults__", (128,))
    assert run(*command, "--resume") == 0
    found = zarr.open_group(tmp_path / "clean.zarr", mode="r")[open_array(tmp_path / "clean.zarr").levels[0]]
    assert np.array_equal(found[:], sm.denoise(movie, 20, prior, axes="TCYX"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-o", "clean.tif"), "an array becomes one Zarr array"),
        (("-o", "movie.ome.zarr"), "movie.ome.zarr exists: choose another name"),
        (("-o", "missing/clean.zarr"), "no such folder: missing"),
        (("-o", "clean.zarr", "--std", "e.tif"), "--std is for images that fit into memory"),
        (("-o", "clean.zarr", "--axes", "TYX"), "axes 'TYX' are 3, but the array has 4 dimensions"),
        (("-o", "clean.zarr", "--prior", "natural-color"), "this prior is for images in red, green and blue"),
        (("-o", "clean.zarr", "--scheduler", "tcp://127.0.0.1:9"), "tcp://127.0.0.1:9"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_work(
    options: tuple[str, ...], message: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("denoise", store.name, *options) == 1
    error = capsys.readouterr().err
    assert message in error.replace("\n", " ")
    assert error.count("\n") == 1
    assert left(tmp_path) == []


def test_a_plate_or_damaged_metadata_are_named(store: Path, tmp_path: Path, capsys) -> None:
    plate = tmp_path / "plate.zarr"
    zarr.open_group(plate, mode="w").create_group("A")
    assert run("denoise", plate, "-o", tmp_path / "clean.zarr") == 1
    assert "is no OME-Zarr image; it has A in it: name one of them" in capsys.readouterr().err.replace("\n", " ")
    described = json.loads((store / "zarr.json").read_text())
    (store / "zarr.json").write_text(json.dumps(described)[:-9])
    assert run("denoise", store, "-o", tmp_path / "clean.zarr") == 1
    assert "can't be read as Zarr" in capsys.readouterr().err.replace("\n", " ")
    assert run("denoise", tmp_path / "no.zarr", "-o", tmp_path / "clean.zarr") == 1
    assert "no such file or folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((64, 64), 1e32, np.float32), "flat.zarr: the values, up to 1e+32"),
        (np.ones((64, 64), np.uint8), "no noise was found in"),
        (np.ones((64, 64), np.complex64), "flat.zarr: image must have integers of 8, 16 or 32 bits"),
    ],
)
def test_values_that_cannot_be_denoised_are_named_and_leave_nothing(
    values: np.ndarray, message: str, tmp_path: Path, capsys
) -> None:
    zarr.create_array(tmp_path / "flat.zarr", data=values)
    assert run("denoise", tmp_path / "flat.zarr", "-o", tmp_path / "clean.zarr") == 1
    error = capsys.readouterr().err.replace("\n", " ")
    assert error.startswith("error: ")
    assert message in error
    assert [path.name for path in tmp_path.iterdir()] == ["flat.zarr"]


def test_resolutions_that_are_rounded_down_are_halves_and_others_are_refused(
    tmp_path: Path, prior_file: Path, capsys
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (101, 131), np.uint8)
    for name, coarse in (("floor", (50, 65)), ("third", (80, 90))):
        group = zarr.open_group(tmp_path / f"{name}.zarr", mode="w")
        group.create_array("0", data=image)
        group.create_array("1", data=np.zeros(coarse, np.uint8))
        datasets = [{"path": "0"}, {"path": "1"}]
        axes = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
        group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    command = ("--sigma", 20, "--prior", prior_file, "-o")
    assert run("denoise", tmp_path / "floor.zarr", *command, tmp_path / "clean.zarr") == 0
    group = zarr.open_group(tmp_path / "clean.zarr", mode="r")
    halves = group["0"][:100, :130].reshape(50, 2, 65, 2).mean((1, 3))
    assert np.abs(group["1"][:] - halves).max() <= 0.5
    assert run("denoise", tmp_path / "third.zarr", *command, tmp_path / "third.out.zarr") == 1
    assert "its resolution of (80, 90) is no whole fraction of that of (101, 131)" in capsys.readouterr().err


def test_an_image_that_changed_is_not_gone_on_with(
    store: Path, tmp_path: Path, prior_file: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    command = ("denoise", store, "--sigma", 20, "--prior", prior_file, "-o", tmp_path / "clean.zarr")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(denoise_arrays, "denoise_tile", interrupted)
        assert run(*command) != 0
    array = zarr.open_group(store, mode="r+")["s0"]
    array[0, 0] = 255 - array[0, 0]
    assert run(*command, "--resume") == 1
    assert "is of another job (state of the image was" in capsys.readouterr().err


def test_a_result_in_the_input_and_a_run_beside_another_are_refused(
    store: Path, tmp_path: Path, prior_file: Path, capsys
) -> None:
    command = ("denoise", store, "--sigma", 20, "--prior", prior_file, "-o")
    assert run(*command, store / "clean.zarr") == 1
    assert "is in the input: choose another place" in capsys.readouterr().err.replace("\n", " ")
    with Journal(tmp_path / ".clean.zarr.partial" / "journal", {}):
        assert run(*command, tmp_path / "clean.zarr", "--resume") == 1
    assert "is in use: another run writes the same result" in capsys.readouterr().err.replace("\n", " ")
    (tmp_path / ".clean.zarr.partial" / "journal").write_text('{"torn')
    assert run(*command, tmp_path / "clean.zarr", "--resume") == 0
