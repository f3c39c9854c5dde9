"""TIFF stacks and files of microscopes that become OME-Zarr images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from command_line import run
from ome_zarr_models import open_ome_zarr

import scorematching as sm
from scorematching.images.io.ome_zarr import open_array
from scorematching.images.io.tiff_array import open_tiff, pixel_sizes


@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_a_hyperstack_becomes_an_ome_zarr_image(
    kind: str, movie: np.ndarray, tmp_path: Path, prior: sm.Prior, prior_file: Path
) -> None:
    """The axes are put into the order of OME-Zarr, and the sizes of pixels are kept."""
    stack, source = np.stack([movie, movie[::-1]], 1), tmp_path / "cells.tif"  # TZCYX
    if kind == "imagej":
        told = {"axes": "TZCYX", "spacing": 0.5, "unit": "um", "finterval": 3.0}
        tifffile.imwrite(source, stack, imagej=True, resolution=(4, 4), metadata=told)
    else:
        told = {"axes": "TZCYX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25, "PhysicalSizeZ": 0.5}
        told |= {"TimeIncrement": 3.0, "TimeIncrementUnit": "s"}
        tifffile.imwrite(source, stack, ome=True, metadata=told)
    target = tmp_path / "clean.ome.zarr"
    assert run("denoise", source, "-o", target, "--sigma", 20, "--prior", prior_file) == 0
    image = zarr.open_group(target, mode="r").attrs["ome"]["multiscales"][0]
    assert [axis["name"] for axis in image["axes"]] == ["t", "c", "z", "y", "x"]
    assert [axis.get("unit") for axis in image["axes"]] == ["second", None, *["micrometer"] * 3]
    assert image["datasets"][0]["coordinateTransformations"][0]["scale"] == [3, 1, 0.5, 0.25, 0.25]
    found = zarr.open_group(target, mode="r")["0"][:]
    assert np.array_equal(found, sm.denoise(stack, 20, prior, axes="TZCYX").swapaxes(1, 2))
    open_ome_zarr(zarr.open_group(target, mode="r"))  # valid


def test_a_large_color_image_has_resolutions(tmp_path: Path, prior_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scorematching.images.io.ome_zarr.CHUNK", 64)
    image = np.random.default_rng(0).integers(0, 256, (130, 150, 3), np.uint8)
    tifffile.imwrite(tmp_path / "slide.tif", image, photometric="rgb", tile=(64, 64))
    target = tmp_path / "clean.zarr"
    assert run("denoise", tmp_path / "slide.tif", "-o", target, "--sigma", 20, "--prior", prior_file) == 0
    group = zarr.open_group(target, mode="r")
    assert {name: array.shape for name, array in group.arrays()} == {
        "0": (3, 130, 150),
        "1": (3, 65, 75),
        "2": (3, 33, 38),
    }
    middle = group["0"][:, :64, :64].reshape(3, 32, 2, 32, 2).mean((2, 4))
    assert np.abs(group["1"][:, :32, :32] - middle).max() <= 0.5


def test_values_of_another_meaning_are_refused(tmp_path: Path, prior_file: Path, capsys) -> None:
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((60, 64), np.uint8), photometric="miniswhite")
    assert run("denoise", tmp_path / "x.tif", "-o", tmp_path / "c.zarr", "--sigma", 9, "--prior", prior_file) == 1
    assert "x.tif can't be read as an array with axes: its values are miniswhite" in capsys.readouterr().err


def test_a_file_of_a_microscope_becomes_an_ome_zarr_image(
    movie: np.ndarray, tmp_path: Path, prior: sm.Prior, prior_file: Path, capsys
) -> None:
    czi = pytest.importorskip("pylibCZIrw.czi")
    pytest.importorskip("bioio_czi")
    source, target = tmp_path / "cells.czi", tmp_path / "clean.ome.zarr"
    with czi.create_czi(str(source)) as file:
        for t, c in np.ndindex(movie.shape[:2]):
            file.write(movie[t, c][..., None], plane={"T": t, "C": c}, scene=0)
        file.write_metadata("cells", scale_x=2.5e-7, scale_y=2.5e-7)
    assert run("denoise", source, "-o", target, "--sigma", 20, "--prior", prior_file) == 0
    image = zarr.open_group(target, mode="r").attrs["ome"]["multiscales"][0]
    assert image["datasets"][0]["coordinateTransformations"][0]["scale"][-2:] == pytest.approx([0.25, 0.25])
    found = zarr.open_group(target, mode="r")["0"][:, :, 0]
    assert np.array_equal(found, sm.denoise(movie, 20, prior, axes="TCYX"))
    assert run("denoise", source, "-o", tmp_path / "x.zarr", "--scene", "second") == 1
    assert "pass one of them as --scene" in capsys.readouterr().err
    source.write_bytes(source.read_bytes()[:500])
    assert run("denoise", source, "-o", tmp_path / "x.zarr") == 1
    assert "cells.czi can't be read" in capsys.readouterr().err


def test_samples_that_are_neither_colors_nor_alpha_are_channels(
    movie: np.ndarray, tmp_path: Path, prior: sm.Prior, prior_file: Path
) -> None:
    pair, target = np.moveaxis(movie[0], 0, 2), tmp_path / "clean.zarr"
    tifffile.imwrite(tmp_path / "x.tif", pair, photometric="minisblack", planarconfig="contig", extrasamples=[0])
    assert run("denoise", tmp_path / "x.tif", "-o", target, "--sigma", 20, "--prior", prior_file) == 0
    assert np.array_equal(zarr.open_group(target, mode="r")["0"][:], sm.denoise(movie[0], 20, prior, axes="CYX"))


def test_files_of_several_images_are_refused(movie: np.ndarray, tmp_path: Path, prior_file: Path, capsys) -> None:
    with tifffile.TiffWriter(tmp_path / "two.ome.tif", ome=True) as file:
        file.write(movie[0, 0])
        file.write(movie[0, 1])
    group = zarr.open_group(tmp_path / "two.zarr", mode="w")
    axes = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    images = [{"axes": axes, "datasets": [{"path": name}]} for name in ("a", "b")]
    group.attrs["ome"] = {"version": "0.5", "multiscales": images}
    for name, message in (
        ("two.ome.tif", "it has 2 images"),
        ("two.zarr", "has 2 images: name one of their arrays, a, b"),
    ):
        assert run("denoise", tmp_path / name, "-o", tmp_path / "clean.zarr", "--prior", prior_file) == 1
        assert message in capsys.readouterr().err.replace("\n", " ")


def test_names_of_xarray_and_minutes_of_imagej_are_understood(movie: np.ndarray, tmp_path: Path) -> None:
    array = zarr.create_array(tmp_path / "x.zarr", data=np.moveaxis(movie[:, 0], 0, 2), zarr_format=2)
    array.attrs["_ARRAY_DIMENSIONS"] = ["y", "x", "time"]
    assert open_array(tmp_path / "x.zarr").axes == "YXT"
    told = {"axes": "TYX", "finterval": 5.0, "tunit": "min"}
    tifffile.imwrite(tmp_path / "x.tif", movie[:, 0], imagej=True, metadata=told)
    assert pixel_sizes(tmp_path / "x.tif") == {"T": (5.0, "minute")}


def test_pages_that_are_not_described_and_damaged_sizes_are_told(movie: np.ndarray, tmp_path: Path) -> None:
    sizes = {"axes": "ZYX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25}
    tifffile.imwrite(
        tmp_path / "a.ome.tif", np.stack([movie[0, 0]] * 3), ome=True, photometric="minisblack", metadata=sizes
    )
    content = (tmp_path / "a.ome.tif").read_bytes()
    for name, old, new in (("b", b'SizeZ="3"', b'SizeZ="2"'), ("c", b'SizeX="0.25"', b'SizeX="abcd"')):
        (tmp_path / f"{name}.ome.tif").write_bytes(content.replace(old, new))
    with pytest.warns(UserWarning, match="only 2 of its 3 pages are described"):
        assert open_tiff(tmp_path / "b.ome.tif").shape[0] == 2
    with pytest.warns(UserWarning, match="the sizes of pixels can't be read, and are left out"):
        assert pixel_sizes(tmp_path / "c.ome.tif") == {}
