"""Attacks on the readers of images: files that lie about themselves, are incomplete, have no end, or change."""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from benchmarks.attacks.program import Attack, check_contract, command
from scorematching.images import read_image, read_pages

#: Bytes of memory that a hostile file of a few kB may make a reader take, and seconds.
_MEMORY, _PATIENCE = 2**29, 60
_READ = """
import resource, sys, warnings
import numpy, scorematching.images as images
from pathlib import Path
warnings.simplefilter("ignore")
path, before = Path(sys.argv[1]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
said = "read"
for way in (images.count_pages, images.read_metadata, lambda path: [page.max() for page in images.read_pages(path)]):
    try:
        way(path)
    except (ValueError, TypeError, OSError) as error:
        said = str(error)
print(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
print(said)
"""
_OME = """<?xml version="1.0"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0"
DimensionOrder="XYZCT" Type="uint16" SizeX="64" SizeY="48" SizeZ="1" SizeC="1" SizeT="1000000000"><TiffData IFD="0"
PlaneCount="1000000000"/></Pixels></Image></OME>"""
_PIXELS = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)


def _refused(path: Path, *words: str) -> None:
    """Check that a file is refused in Python and by a command, with these words, in little memory and time."""
    words_of_program = (sys.executable, "-c", _READ, str(path))
    result = subprocess.run(words_of_program, capture_output=True, text=True, timeout=_PATIENCE, check=True)
    memory, _, said = result.stdout.partition("\n")
    assert all(word in said for word in (path.name, *words)), said
    assert int(memory) < _MEMORY, f"{path.name} took {int(memory):,} bytes"
    result = command(path.parent, "denoise", path, "-o", "out.tif")
    assert result.returncode == 1, result.stdout
    assert all(word in result.stderr for word in (path.name, *words)), result.stderr


def pages_that_form_a_circle(folder: Path, _: np.random.Generator) -> None:
    """Make the only page, or the last of several, point back; and a smaller copy, too."""
    for count, back in ((1, 0), (120, 0), (120, 119)):
        path = folder / f"{count}-{back}.tif"
        with tifffile.TiffWriter(path) as writer:
            for _page in range(count):
                writer.write(_PIXELS[:8, :8], metadata=None)
        with tifffile.TiffFile(path) as file:
            offsets, end = [page.offset for page in file.pages], file.pages.next_page_offset
        assert end is not None
        content = bytearray(path.read_bytes())
        struct.pack_into("<I", content, end, offsets[back])
        path.write_bytes(content)
        _refused(path, "circle")


def claims_of_many_pixels(folder: Path, _: np.random.Generator) -> None:
    """Small files of every format whose headers claim gigabytes."""
    for path in _claims(folder):
        _refused(path, "SCOREMATCHING_MAX_BYTES")


def _claims(folder: Path) -> list[Path]:
    """Write the files, and return their paths."""
    colors = Image.fromarray(np.zeros((64, 64, 3), np.uint8))

    def changed(name: str, change: Callable[[bytearray], None]) -> Path:
        file = io.BytesIO()
        colors.save(file, Path(name).suffix[1:].replace("jpg", "jpeg"))
        content = bytearray(file.getvalue())
        change(content)
        (folder / name).write_bytes(content)
        return folder / name

    def jpeg(content: bytearray) -> None:
        struct.pack_into(">HH", content, content.index(b"\xff\xc0") + 5, 65500, 17000)

    def png(content: bytearray) -> None:
        struct.pack_into(">II", content, 16, 50000, 50000)
        struct.pack_into(">I", content, 29, zlib.crc32(content[12:29]))

    found = [changed("a.jpg", jpeg), changed("a.png", png)]
    found += [changed("a.bmp", lambda content: struct.pack_into("<ii", content, 18, 40000, 40000))]
    found += [changed("a.gif", lambda content: struct.pack_into("<HH", content, 6, 65000, 65000))]
    (folder / "a.ppm").write_bytes(b"P6 40000 40000 255\n" + bytes(99))
    (folder / "a.webp").write_bytes(_large_webp())
    with (folder / "b.npy").open("wb") as numbers:
        np.lib.format.write_array_header_1_0(numbers, {"descr": "<f8", "fortran_order": False, "shape": (60000, 60000)})
        numbers.truncate(60000 * 60000 * 8)  # without taking space
    tifffile.imwrite(folder / "a.tif", np.zeros((64, 64, 3), np.uint8), compression="jpeg", photometric="rgb")
    content = bytearray((folder / "a.tif").read_bytes())
    struct.pack_into(">HH", content, content.index(b"\xff\xc0") + 5, 60000, 60000)
    (folder / "part.tif").write_bytes(content)
    tifffile.imwrite(folder / "b.tif", np.zeros((64, 64), np.uint8), compression="zlib", tile=(16, 16))
    with tifffile.TiffFile(folder / "b.tif", mode="r+") as file:
        for tag in ("TileWidth", "TileLength"):
            file.pages.first.tags[tag].overwrite(65520)
    return [*found, *(folder / name for name in ("a.ppm", "a.webp", "b.npy", "part.tif", "b.tif"))]


def _large_webp() -> bytes:
    """Return a WebP without loss of 16383 x 16383 pixels of one color."""
    file = io.BytesIO()
    Image.new("RGB", (16383, 16383)).save(file, "webp", lossless=True, method=0, quality=0)
    return file.getvalue()


def a_limit_that_the_user_raises(folder: Path, _: np.random.Generator) -> None:
    """The value in the message lets the image pass."""
    Image.new("L", (17000, 17000)).save(folder / "a.png")
    result = command(folder, "denoise", "a.png", "-o", "b.png", environment={"SCOREMATCHING_MAX_BYTES": "1000000"})
    assert "SCOREMATCHING_MAX_BYTES=" in result.stderr, result.stderr
    needed = result.stderr.partition("SCOREMATCHING_MAX_BYTES=")[2].split()[0]
    os.environ["SCOREMATCHING_MAX_BYTES"] = needed
    assert read_image(folder / "a.png").shape == (17000, 17000)


def texts_and_profiles_that_unpack_to_gigabytes(folder: Path, _: np.random.Generator) -> None:
    """Compressed texts and color profiles of a PNG."""
    bomb = zlib.compress(bytes(2**29), 9)
    file = io.BytesIO()
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(file, "png")
    plain = file.getvalue()
    for name, content in (
        ("zTXt", b"key\0\0" + bomb),
        ("iCCP", b"key\0\0" + bomb),
        ("iTXt", b"key\0\1\0\0\0" + bomb),
    ):
        chunk = name.encode() + content
        path = folder / f"{name}.png"
        path.write_bytes(
            plain[:33] + struct.pack(">I", len(content)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + plain[33:]
        )
        _refused(path)


def pixels_that_are_missing(folder: Path, _: np.random.Generator) -> None:
    """Strips that are not there, JPEGs that end before their pixels, truncated files."""
    tifffile.imwrite(folder / "strips.tif", _PIXELS, rowsperstrip=8)
    with tifffile.TiffFile(folder / "strips.tif", mode="r+") as file:
        file.pages.first.tags["StripByteCounts"].overwrite([0] * 6)
    _refused(folder / "strips.tif", "0 of 6 parts")
    photograph = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8))
    for progressive in (False, True):
        path = folder / f"early-{progressive}.jpg"
        photograph.save(path, progressive=progressive)
        path.write_bytes(path.read_bytes()[:9000] + b"\xff\xd9")
        _refused(path, "missing")
    photograph.save(folder / "cut.jpg")
    tifffile.imwrite(folder / "jpeg.tif", np.asarray(photograph), compression="jpeg", photometric="rgb")
    with tifffile.TiffFile(folder / "jpeg.tif", mode="r+") as file:
        tag = file.pages.first.tags["StripByteCounts"]
        tag.overwrite(tag.value[0] // 2)
    for name, size in (("cut.jpg", 9000), ("jpeg.tif", None)):
        path = folder / name
        path.write_bytes(path.read_bytes()[:size])
        _refused(path)


def pipes_sockets_and_devices(folder: Path, _: np.random.Generator) -> None:
    """Wherever a command reads a file, it refuses what has no end or would be waited for."""
    Image.fromarray(_PIXELS.astype(np.uint8)).save(folder / "image.png")
    for name in ("pipe.png", "pipe.tif", "pipe.npy", "pipe.dng", "pipe.czi", "pipe.safetensors", "pipe.json"):
        os.mkfifo(folder / name)
    for suffix in (".png", ".jpg", ".tif"):
        (folder / f"zero{suffix}").symlink_to("/dev/zero")
    one = ("image.png", "-o", "out.png")
    for arguments in (
        *(("denoise", f"pipe{suffix}", "-o", "out.tif") for suffix in (".png", ".tif", ".npy", ".dng")),
        *(("denoise", f"zero{suffix}", "-o", "out.tif") for suffix in (".png", ".jpg", ".tif")),
        ("denoise", "pipe.czi", "-o", "out.zarr"),
        ("denoise", "pipe.tif", "-o", "out.zarr"),
        ("denoise", *one, "--prior", "pipe.safetensors"),
        ("denoise", *one, "--noise", "pipe.json"),
        ("denoise", *one, "--report", "out.html", "--reference", "pipe.png"),
        ("inpaint", *one, "--mask", "pipe.png"),
        ("deblur", *one, "--kernel", "pipe.png"),
        ("upscale", "pipe.png", "-o", "out.png"),
        ("noise", "pipe.png"),
        ("fit", "pipe.png", "-o", "prior.safetensors"),
        ("show", "pipe.safetensors"),
    ):
        result = command(folder, *arguments)
        assert result.returncode in (1, 2), f"{arguments}: {result.stdout}"
        assert "pipe" in result.stderr or "device" in result.stderr, result.stderr


def arrays_that_lie(folder: Path, _: np.random.Generator) -> None:
    """Zarr arrays with a huge shape, huge chunks, a bomb or a pipe in them, and OME-XML with many planes."""
    import zarr
    from zarr.codecs import GzipCodec

    for name, shape, chunks in (("shape", (10**9, 64, 64), (1, 64, 64)), ("chunk", (64, 64), (64, 64))):
        place = folder / f"{name}.zarr"
        zarr.create_array(place, shape=shape, chunks=chunks, dtype="u1")
        if name == "chunk":
            entries = json.loads((place / "zarr.json").read_text())
            entries["shape"] = entries["chunk_grid"]["configuration"]["chunk_shape"] = [10**5, 10**5]
            (place / "zarr.json").write_text(json.dumps(entries))
        _fails(command(folder, "denoise", place, "-o", "out.zarr"), "SCOREMATCHING_MAX_BYTES")
    zarr.create_array(folder / "pipe.zarr", data=_PIXELS)
    chunk = next(path for path in (folder / "pipe.zarr" / "c").rglob("*") if path.is_file())
    chunk.unlink()
    os.mkfifo(chunk)
    _fails(command(folder, "denoise", folder / "pipe.zarr", "-o", "out.zarr"), "is a pipe")
    zarr.create_array(folder / "bomb.zarr", data=_PIXELS, compressors=GzipCodec())
    chunk = next(path for path in (folder / "bomb.zarr" / "c").rglob("*") if path.is_file())
    chunk.write_bytes(gzip.compress(bytes(2**29), 1))
    _fails(command(folder, "denoise", folder / "bomb.zarr", "-o", "out.zarr"), "decompresses to more than")
    tifffile.imwrite(folder / "a.ome.tif", _PIXELS, description=_OME, metadata=None)
    _fails(command(folder, "denoise", folder / "a.ome.tif", "-o", "out.zarr"), "1 of 1000000000 pages are in the file")


def _fails(result: subprocess.CompletedProcess[str], words: str) -> None:
    check_contract(result)
    assert result.returncode == 1, result.stdout
    assert words in result.stderr, result.stderr


def files_that_change_while_they_are_read(folder: Path, _: np.random.Generator) -> None:
    """Pages stay as they were read, and a file that becomes shorter is an error, not a signal."""
    pages = [_PIXELS] * 200
    tifffile.imwrite(folder / "a.tif", np.stack(pages), photometric="minisblack", truncate=True)
    tifffile.imwrite(folder / "b.tif", np.stack(pages), imagej=True, metadata={"axes": "TYX"})
    np.save(folder / "a.npy", np.stack(pages))
    for name in ("a.tif", "b.tif", "a.npy"):
        path, images = folder / name, read_pages(folder / name)
        first = next(images)
        path.write_bytes(bytes(path.stat().st_size // 100))
        assert np.array_equal(first, _PIXELS), f"{name} changed"
        try:
            for _page in images:
                pass
        except ValueError:
            continue
        raise AssertionError(f"{name} was read to its end")


ATTACKS: list[Attack] = [
    pages_that_form_a_circle,
    claims_of_many_pixels,
    a_limit_that_the_user_raises,
    texts_and_profiles_that_unpack_to_gigabytes,
    pixels_that_are_missing,
    pipes_sockets_and_devices,
    arrays_that_lie,
    files_that_change_while_they_are_read,
]
