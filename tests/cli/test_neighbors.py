"""Movies and volumes on the command line: ``--neighbors``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from command_line import run
from small_models import FIELD_OPTIONS

import scorematching as sm
from scorematching.images.io.sequence import lines_of_pages
from scorematching.images.neighbors import lines
from scorematching.training.data import open_images


@pytest.fixture
def movie(photograph: np.ndarray, tmp_path: Path) -> Path:
    """Four frames of two channels, as ImageJ writes them."""
    scene = np.stack([photograph[:60, :64], photograph[30:90, 40:104]])
    noisy = np.random.default_rng(0).normal(np.stack([scene] * 4), 20).clip(0, 255).astype(np.uint8)
    tifffile.imwrite(tmp_path / "movie.tif", noisy, imagej=True, metadata={"axes": "TCYX"})
    return tmp_path / "movie.tif"


def test_the_frames_before_and_after_belong_to_the_same_channel(movie: Path) -> None:
    images = open_images([movie], neighbors=1)
    assert [[one.page for one in planes[0].neighbors] for planes in images[2:6]] == [[0, 4], [1, 5], [2, 6], [3, 7]]
    frames = tifffile.imread(movie)
    found = images[3][0].crop(5, 6, 8)
    expected = frames[:3, 1, 5:13, 6:14] / 255
    assert np.abs(found.numpy() - expected).max() < 0.1  # up to the level
    assert np.allclose(found[1], expected[1])
    by_axes = open_images(frames, axes="TCYX", neighbors=1)
    assert np.array_equal(by_axes[3][0].pixels(), images[3][0].pixels())
    listed = open_images(list(frames[:, 1]), neighbors=1)
    assert np.array_equal(listed[1][0].pixels(), images[3][0].pixels())


def test_a_movie_is_denoised_by_what_it_shows(movie: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ("--sigma", 20, "--neighbors", 1)
    assert run("denoise", movie, "-o", tmp_path / "clean.tif", "--prior", "self", "--steps", 5, *common) == 0
    with tifffile.TiffFile(tmp_path / "clean.tif") as file:
        assert file.series[0].axes == "TCYX"
        assert file.series[0].shape == (4, 2, 60, 64)
    prior = tmp_path / "prior.safetensors"
    assert run("fit", movie, "-o", prior, "--noisy", "--steps", 5, *FIELD_OPTIONS, *common) == 0
    record = tmp_path / "record.json"
    assert run("denoise", movie, "-o", tmp_path / "b.tif", "--sigma", 20, "--prior", prior, "--json", record) == 0
    whole = sm.denoise(tifffile.imread(movie), 20, sm.load_prior(prior), axes="TCYX")
    assert np.array_equal(tifffile.imread(tmp_path / "b.tif"), whole)
    assert record.read_text().count('"page"') == 8
    assert run("show", prior, "-o", tmp_path / "prior.png", "--steps", 2) == 0
    assert "1 on each side" in capsys.readouterr().out


@pytest.mark.parametrize("axes", ["TZYXS", "TZCYX", "ZCYX"])
def test_pages_of_a_file_follow_one_another_by_its_axes(axes: str, tmp_path: Path) -> None:
    shape = tuple({"T": 3, "Z": 3, "C": 2, "Y": 20, "X": 24, "S": 3}[letter] for letter in axes)
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros(shape, np.uint8), imagej=True, metadata={"axes": axes})
    leading = "".join(letter for letter in axes if letter not in "YXS")
    assert lines_of_pages(tmp_path / "stack.tif") == lines(shape[: len(leading)], leading)


def test_unnamed_axes_and_pages_in_another_order(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "q.tif", np.zeros((2, 3, 20, 24), np.uint8), photometric="minisblack")
    assert lines_of_pages(tmp_path / "q.tif") == [[0, 1, 2], [3, 4, 5]]
    order = [0, 2, 4, 1, 3]
    places = "".join(
        f'<TiffData FirstT="{t}" FirstC="0" FirstZ="0" IFD="{n}" PlaneCount="1"/>' for t, n in enumerate(order)
    )
    sizes = 'SizeX="24" SizeY="20" SizeC="1" SizeZ="1" SizeT="5"'
    text = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        f'<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" {sizes}><Channel ID="Channel:0:0"/>{places}'
        "</Pixels></Image></OME>"
    )
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=False) as file:
        for n in range(5):
            page = np.full((20, 24), n, np.uint8)
            file.write(
                page, description=text if n == 0 else None, metadata=None, photometric="minisblack", contiguous=False
            )
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        assert file.series[0].asarray()[:, 0, 0].tolist() == order
    assert lines_of_pages(tmp_path / "a.ome.tif") == [order]


def test_the_last_slice_of_a_volume_is_no_neighbor_of_the_next_volume(tmp_path: Path) -> None:
    np.save(tmp_path / "volumes.npy", np.zeros((2, 3, 20, 24), np.uint8))
    assert lines_of_pages(tmp_path / "volumes.npy") == [[0, 1, 2], [3, 4, 5]]


def test_a_blank_frame_is_kept_and_has_a_record(movie: Path, tmp_path: Path) -> None:
    frames = tifffile.imread(movie)[:, 0]
    frames[1] = 0
    np.save(tmp_path / "blank.npy", np.concatenate([frames, frames[2:]]))
    prior, record = tmp_path / "prior.safetensors", tmp_path / "record.json"
    common = ("--sigma", 20, "--white", 255)
    assert run("fit", tmp_path / "blank.npy", "-o", prior, "--noisy", "--neighbors", 1, "--steps", 2, *common) == 0
    found = tmp_path / "out.npy"
    assert run("denoise", tmp_path / "blank.npy", "-o", found, "--prior", prior, "--json", record, *common) == 0
    assert not np.load(found)[1].any()
    assert record.exists()


def test_refused(movie: Path, noisy_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.tif"
    for arguments, message in (
        (("denoise", movie, "-o", out, "--neighbors", 1), "--neighbors is for --prior self"),
        (
            ("denoise", noisy_file, "-o", out, "--prior", "self", "--neighbors", 1),
            "noisy.png: neighbors=1 needs 2 frames",
        ),
        (
            ("denoise", movie, "-o", out, "--prior", "self", "--neighbors", 8),
            "page 1: neighbors=8 needs 9 frames",
        ),
        (("fit", movie, "-o", tmp_path / "p.safetensors", "--neighbors", 1), "neighbors are for noisy images"),
    ):
        assert run(*arguments) == 1
        assert message in capsys.readouterr().err.replace("\n", " ")
        assert not out.exists()
