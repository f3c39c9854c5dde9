"""Files of several pages, results in the place of their images, large images: in Python and on the command line."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile
from command_line import run
from PIL import Image

import scorematching as sm
from scorematching.images import (
    count_pages,
    find_white_of_file,
    from_planes,
    read_metadata,
    read_pages,
    to_planes,
    write_pages,
)
from scorematching.images.io.tiff import TiffPages
from scorematching.training.data import open_images

RANDOM = np.random.default_rng(0)
PAGES = [RANDOM.integers(0, 256, (24, 28), dtype=np.uint8) for _ in range(3)]


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    write_pages(tmp_path / "stack.tif", PAGES)
    return tmp_path / "stack.tif"


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(7, 9), (7, 9, 3), (7, 9, 4)])
def test_pages_come_back(kind: type, shape: tuple[int, ...], tmp_path: Path) -> None:
    pages = [RANDOM.integers(0, 255, shape).astype(kind) for _ in range(4)]
    write_pages(tmp_path / "a.tif", iter(pages))
    assert count_pages(tmp_path / "a.tif") == 4
    for page, back in zip(pages, read_pages(tmp_path / "a.tif"), strict=True):
        assert back.dtype == kind
        np.testing.assert_array_equal(back, page)
    np.testing.assert_array_equal(sm.read_image(tmp_path / "a.tif", page=2), pages[2])
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), pages)


def test_a_image_is_a_stack_of_one(tmp_path: Path) -> None:
    write_pages(tmp_path / "a.png", iter(PAGES[:1]))
    (page,) = read_pages(tmp_path / "a.png")
    np.testing.assert_array_equal(page, PAGES[0])
    with pytest.raises(ValueError, match=r"b\.png: \.png files hold one image, not 3 pages; write a \.tif instead"):
        write_pages(tmp_path / "b.png", PAGES)
    with pytest.raises(ValueError, match="there is no page to write"):
        write_pages(tmp_path / "b.tif", [])
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_images_that_are_stored_behind_one_page(tmp_path: Path) -> None:
    """As ImageJ writes large stacks."""
    tifffile.imwrite(tmp_path / "a.tif", np.stack(PAGES), photometric="minisblack", truncate=True)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert len(file.pages) == 1
    np.testing.assert_array_equal([*read_pages(tmp_path / "a.tif")], PAGES)
    write_pages(tmp_path / "b.tif", read_pages(tmp_path / "a.tif"), read_metadata(tmp_path / "a.tif"))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), PAGES)


def test_read_image_tells_of_pages(stack: Path) -> None:
    with pytest.raises(ValueError, match="it has 3 pages, expected one: read_pages reads them all, page=0 the first"):
        sm.read_image(stack)
    with pytest.raises(ValueError, match=r"there is no page 3"):
        sm.read_image(stack, page=3)


def test_stacks_that_are_refused(stack: Path, tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "mixed.tif") as file:
        for page in (PAGES[0], PAGES[1][:12]):
            file.write(page, metadata=None)
    with pytest.raises(ValueError, match=r"mixed\.tif .* page 2 is \(12, 28\) uint8, page 1 is \(24, 28\) uint8"):
        next(read_pages(tmp_path / "mixed.tif"))
    with tifffile.TiffFile(stack) as file:
        offset, size = file.pages[1].dataoffsets[0], file.pages[1].databytecounts[0]
        third = file.pages[2].offset
    data = bytearray(stack.read_bytes())
    (tmp_path / "cut.tif").write_bytes(data[:third])
    with pytest.raises(ValueError, match=r"cut\.tif .* cut off: another page should follow the 2"):
        count_pages(tmp_path / "cut.tif")
    data[offset : offset + size] = bytes(size)
    (tmp_path / "damaged.tif").write_bytes(data)
    pages = read_pages(tmp_path / "damaged.tif")
    np.testing.assert_array_equal(next(pages), PAGES[0])
    with pytest.raises(ValueError, match=r"damaged\.tif can't be read as an image: page 2: "):
        next(pages)
    with pytest.raises(ValueError, match=r"page 2 is \(12, 28\) uint8, page 1 is \(24, 28\) uint8"):
        write_pages(tmp_path / "new.tif", [PAGES[0], PAGES[1][:12]])
    assert not (tmp_path / "new.tif").exists()


def is_bigtiff(path: Path) -> bool:
    with tifffile.TiffFile(path) as file:
        return bool(file.is_bigtiff)


def test_more_than_4_gb_is_a_bigtiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scorematching.images.io.tiff._CLASSIC", 3 * PAGES[0].nbytes - 1)
    write_pages(tmp_path / "large.tif", PAGES)
    write_pages(tmp_path / "small.tif", PAGES[:2])
    assert [is_bigtiff(tmp_path / name) for name in ("large.tif", "small.tif")] == [True, False]
    np.testing.assert_array_equal([*read_pages(tmp_path / "large.tif")], PAGES)
    write_pages(
        tmp_path / "copy.tif",
        read_pages(tmp_path / "large.tif"),
        read_metadata(tmp_path / "large.tif"),
    )
    assert is_bigtiff(tmp_path / "copy.tif")


def test_pages_are_images_to_learn_from(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for memory in (2**30, 0):  # from memory, and from the file
        monkeypatch.setattr("scorematching.training.data.MEMORY", memory)
        images = open_images(stack)
        assert [planes[0].name for planes in images] == ["stack.tif page 1", "stack.tif page 2", "stack.tif page 3"]
        for planes, page in zip(images, PAGES, strict=True):
            np.testing.assert_allclose(planes[0].pixels()[0].numpy() * 255, page, atol=1e-4)
    model, training = sm.FieldConfig(filters=4, size=3), sm.TrainingConfig(steps=2, crop=8)
    assert sm.fit(stack, noise=9, model=model, training=training).prior.provenance.data.startswith("3 noisy")


def test_pages_of_floating_point_have_one_white(tmp_path: Path) -> None:
    write_pages(tmp_path / "a.tif", [np.full((20, 20), white, np.float32) for white in (100, 4000)])
    assert [planes[0].data_range for planes in open_images(tmp_path / "a.tif")] == [4000, 4000]


def test_white_of_integers_takes_one_page(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, whole = [], TiffPages.__getitem__
    monkeypatch.setattr(TiffPages, "__getitem__", lambda pages, number: (read.append(number), whole(pages, number))[1])
    assert find_white_of_file(stack) == 255
    assert find_white_of_file(stack, 99) == 99
    assert read == [0, 0]


def test_every_page_is_denoised(stack: Path, prior: sm.Prior, prior_file: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out.tif"
    assert run("denoise", stack, "-o", out, "--sigma", 25, "--prior", prior_file) == 0
    for page, found in zip(PAGES, read_pages(out), strict=True):
        np.testing.assert_array_equal(found, sm.denoise(page, 25, prior))
    assert run("denoise", stack, "-o", tmp_path / "out.png", "--sigma", 25, "--prior", prior_file) == 1
    assert "hold one image, not 3 pages" in capsys.readouterr().err.replace("\n", " ")
    assert run("denoise", stack, "-o", out, "--prior", prior_file, "--report", tmp_path / "r.html") == 1
    assert "for one image; got" in capsys.readouterr().err
    write_pages(stack, [PAGES[0], np.zeros_like(PAGES[1]), PAGES[2]])
    before = out.read_bytes()
    assert run("denoise", stack, "-o", out, "--prior", prior_file) == 1
    assert "no noise was found in stack.tif page 2" in capsys.readouterr().err.replace("\n", " ")
    assert out.read_bytes() == before


def test_the_summary_of_a_folder_counts_pages(stack: Path, prior_file: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    stack.rename(folder / "stack.tif")
    sm.write_image(folder / "one.png", PAGES[0])
    assert run("denoise", folder, "-o", tmp_path / "out", "--prior", prior_file, "--sigma", 25) == 0
    said = capsys.readouterr().out
    assert "28 x 24, 3 pages" in said
    assert said.count("pages") == 1
    assert "wrote 2 images" in said


@pytest.mark.filterwarnings("ignore:the result does not explain the image")  # pages of noise are no images
def test_stacks_are_enlarged_and_restored(stack: Path, prior_file: Path, tmp_path: Path) -> None:
    resolution = {"resolution": (300, 300), "resolutionunit": 2}
    tifffile.imwrite(stack, np.stack(PAGES[:2]), photometric="minisblack", **resolution)
    sm.write_image(tmp_path / "holes.png", np.pad(np.full((4, 4), 255, np.uint8), ((8, 12), (8, 16))))
    outs = [tmp_path / f"{name}.tif" for name in ("large", "whole", "sharp")]
    assert run("upscale", stack, "-o", outs[0], "--prior", prior_file) == 0
    assert run("inpaint", stack, "--mask", tmp_path / "holes.png", "-o", outs[1], "--prior", prior_file) == 0
    assert run("deblur", stack, "--blur", 0.5, "-o", outs[2], "--prior", prior_file) == 0
    shapes = [[page.shape for page in read_pages(out)] for out in outs]
    assert shapes == [[(48, 56)] * 2, [(24, 28)] * 2, [(24, 28)] * 2]
    assert [read_metadata(out).dpi for out in outs] == [(600, 600), (300, 300), (300, 300)]


def test_a_result_takes_the_place_of_its_image_where_told_to(
    stack: Path, prior_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = stack.read_bytes()
    stack.chmod(0o640)
    arguments = ("denoise", stack, "-o", stack, "--sigma", 25, "--prior", prior_file)
    assert run(*arguments) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert stack.read_bytes() == before
    assert run(*arguments, "--overwrite") == 0
    assert count_pages(stack) == 3
    assert stack.stat().st_mode & 0o777 == 0o640
    changed = stack.read_bytes()
    assert changed != before
    assert run("denoise", tmp_path, "-o", tmp_path, "--sigma", 25, "--prior", prior_file) == 1
    assert stack.read_bytes() == changed
    assert run("denoise", tmp_path, "-o", tmp_path, "--sigma", 25, "--prior", prior_file, "--overwrite") == 0
    assert stack.read_bytes() != changed
    assert {p.name for p in tmp_path.iterdir()} == {"stack.tif", "prior.safetensors"}


def test_a_image_stays_where_its_result_fails(
    stack: Path, prior_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, calls = stack.read_bytes(), []

    def fail(image: np.ndarray, *_: object, **__: object) -> np.ndarray:
        calls.append(image)
        if len(calls) == 3:
            raise ValueError("no more")
        return image

    monkeypatch.setattr("scorematching.cli.denoise_files.denoise", fail)
    assert run("denoise", stack, "-o", stack, "--sigma", 25, "--prior", prior_file, "--overwrite") == 1
    assert len(calls) == 3
    assert stack.read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"stack.tif", "prior.safetensors"}


def test_what_else_goes_in_is_never_overwritten(stack: Path, prior_file: Path, tmp_path: Path, capsys) -> None:
    mask = tmp_path / "holes.tif"
    sm.write_image(mask, np.eye(24, 28, dtype=np.uint8) * 255)
    before = mask.read_bytes()
    assert run("inpaint", stack, "--mask", mask, "-o", mask, "--prior", prior_file, "--overwrite") == 1
    assert "is an input" in capsys.readouterr().err
    assert mask.read_bytes() == before


def test_the_report_is_on_the_image_that_was_there_before(prior_file: Path, tmp_path: Path) -> None:
    sm.write_image(tmp_path / "a.png", PAGES[0])
    sm.write_image(tmp_path / "b.png", PAGES[0])
    for name, options in (("a", ("--overwrite",)), ("b", ())):
        out = tmp_path / ("a.png" if name == "a" else "c.png")
        arguments = (tmp_path / f"{name}.png", "-o", out, "--prior", prior_file, "--report", tmp_path / f"{name}.html")
        assert run("denoise", *arguments, *options) == 0
    pages = [(tmp_path / f"{name}.html").read_text().replace(f"{name}.png", "it") for name in ("a", "b")]
    assert pages[0] == pages[1]


def test_exif_orientation_and_profile_pass_through_a_command(prior_file: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(PAGES[0]).save(tmp_path / "a.jpg", exif=exif, icc_profile=b"profile")
    assert run("denoise", tmp_path / "a.jpg", "-o", tmp_path / "b.jpg", "--sigma", 25, "--prior", prior_file) == 0
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.size == (24, 28)
        assert image.getexif()[0x0112] == 1
        assert image.info["icc_profile"] == b"profile"


def test_denoising_takes_few_copies_of_a_large_image(prior: sm.Prior) -> None:
    """NumPy's share: the image, in and out, and its planes; blocks of the rest."""
    image = RANDOM.integers(0, 65536, (2048, 2048), dtype=np.uint16)
    tracemalloc.start()
    planes = to_planes(image)
    back = from_planes(planes, planes.data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(back, image)
    assert peak < 1.5 * (planes.data.numpy().nbytes + back.nbytes)
