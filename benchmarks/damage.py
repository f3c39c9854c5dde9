"""Small image files of every format, damage that is done to them, and what readers may do with a damaged file."""

from __future__ import annotations

import io
import tempfile
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from scorematching.images import count_pages, read_metadata, read_pages, write_pages
from scorematching.images.io.formats import TIFF_SUFFIXES
from scorematching.images.io.limits import allowed
from scorematching.images.io.sequence import lines_of_pages

#: Ways to damage a file.
DAMAGES = ("flip", "cut", "remove", "repeat", "number", "copy", "zero")
#: Numbers that replace others in a file.
_EXTREMES = (0, 1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
_RANDOM = np.random.default_rng(0)
_GRAY = _RANDOM.integers(0, 256, (40, 56), dtype=np.uint8)
_COLORS = np.dstack([_GRAY, 255 - _GRAY, np.roll(_GRAY, 9, 1)])
_STACK = np.stack([_GRAY, _GRAY // 2, 255 - _GRAY]).astype(np.uint16)


class Damage(NamedTuple):
    """One damage: its kind, its place as a fraction of the file, and a number that says more."""

    kind: str
    place: float
    number: int


def damaged(content: bytes, damages: list[Damage], mended: bool = False) -> bytes:
    """Return the content of a file with damages.

    Args:
        content: Content of the file.
        damages: They are done one after another.
        mended: Whether the checksums of a PNG are made right again, so that its content is decoded.

    Example:
        >>> damaged(b"abcdef", [Damage("cut", 0.5, 0)])
        b'abc'
    """
    for damage in damages:
        content = _damaged(content, damage)
    return _with_checksums(content) if mended else content


def _damaged(content: bytes, damage: Damage) -> bytes:
    """Return the content of a file with one damage."""
    number, at = damage.number, int(damage.place * len(content))
    before, part, behind = content[:at], content[at : at + 1 + number % 64], content[at + 1 + number % 64 :]
    if damage.kind == "flip":
        return before + bytes(byte ^ 1 << number % 8 for byte in content[at : at + 1]) + content[at + 1 :]
    if damage.kind == "number":
        size = (1, 2, 4, 8)[number % 4]
        extreme = _EXTREMES[number // 4 % len(_EXTREMES)] % 256**size
        return before + extreme.to_bytes(size, "big" if number % 3 else "little") + content[at + size :]
    if damage.kind == "cut":
        return before
    if damage.kind == "repeat":
        return before + part * (2 + number % 300) + behind
    if damage.kind == "copy":
        return before + content[number % max(len(content), 1) :][: len(part)] + behind
    return before + bytes(len(part) if damage.kind == "zero" else 0) + behind


def _with_checksums(png: bytes) -> bytes:
    """Return a PNG whose chunks have the right checksums, as far as they can be followed."""
    found, at = png[:8], 8
    while at + 12 <= len(png):
        end = at + 8 + int.from_bytes(png[at : at + 4], "big")
        if end + 4 > len(png):
            break
        found, at = found + png[at:end] + zlib.crc32(png[at + 4 : end]).to_bytes(4, "big"), end + 4
    return found + png[at:]


def check(path: Path) -> str:
    """Read a file in every way. Return ``"read"``, or ``"refused"`` if there was an error of one line.

    Raises:
        AssertionError: A reader did something else.
    """
    ways: list[Callable[[], Any]] = [
        lambda: count_pages(path),
        lambda: read_metadata(path),
        lambda: _check_images(path),
    ]
    if path.suffix in TIFF_SUFFIXES:
        ways.append(lambda: lines_of_pages(path))
    refused = False
    for way in ways:
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")
            try:
                way()
            except (ValueError, TypeError, OSError) as error:
                refused = True
                said = str(error)
                assert "\n" not in said, f"more than a line: {said!r}"
                assert path.name in said, f"does not name the file: {said!r}"
                assert not said.rstrip().endswith((":", ": None")), f"does not say why: {said!r}"
            except MemoryError:
                raise AssertionError("memory was exhausted") from None
            except BaseException as error:
                raise AssertionError(f"{type(error).__name__}: {error}") from error
        for warning in given:
            assert warning.category is UserWarning, f"warning of another: {warning.category.__name__} {warning.message}"
            assert path.name in str(warning.message), f"warning that does not name the file: {warning.message}"
    return "refused" if refused else "read"


def _check_images(path: Path) -> None:
    for image in islice(read_pages(path), 4):
        assert 0 < image.nbytes <= allowed(path.stat().st_size), f"an image of {image.nbytes} bytes"
        assert not isinstance(image, np.memmap), "an image in a memory map"


@cache
def samples() -> dict[str, list[tuple[str, bytes]]]:
    """Return small files by format: their suffixes and contents.

    Example:
        >>> {"tiff", "png", "jpeg"} <= samples().keys()
        True
    """
    found: dict[str, list[tuple[str, bytes]]] = {}
    with tempfile.TemporaryDirectory() as folder, suppress(ImportError):
        for name, suffix, write in _writers():
            path = Path(folder, f"a{suffix}")
            write(path)
            found.setdefault(name, []).append((suffix, path.read_bytes()))
    return found


def _writers() -> Iterator[tuple[str, str, Callable[[Path], Any]]]:
    """Yield formats, suffixes, and functions that write a file. Those that need optional packages come last."""
    tiffs: tuple[tuple[np.ndarray, dict[str, Any]], ...] = (
        (_GRAY, {}),
        (_COLORS, {"compression": "zlib", "tile": (16, 16), "predictor": True, "iccprofile": bytes(200)}),
        (_COLORS, {"compression": "jpeg", "photometric": "rgb"}),
        (_STACK, {"imagej": True, "metadata": {"axes": "TYX", "unit": "um"}}),
        (_STACK, {"ome": True, "metadata": {"axes": "TYX", "PhysicalSizeX": 0.2}}),
        (_STACK, {"bigtiff": True, "compression": "lzw", "byteorder": ">", "photometric": "minisblack"}),
        (_STACK, {"photometric": "minisblack", "truncate": True}),
        (_GRAY, {"photometric": "palette", "colormap": _RANDOM.integers(0, 65535, (3, 256), dtype=np.uint16)}),
        (_GRAY.astype(np.float32), {"compression": "zstd"}),
        (_GRAY // 16, {"bitspersample": 4, "photometric": "miniswhite"}),
        *((_COLORS, {"compression": name, "photometric": "rgb"}) for name in ("jpeg2000", "webp", "jpegxl", "png")),
        (_GRAY, {"compression": "lerc", "rowsperstrip": 7}),
    )
    for image, options in tiffs:
        yield "tiff", ".tif", partial(tifffile.imwrite, data=image, **options)
    yield "tiff", ".tif", _write_pyramid
    info, exif = PngImagePlugin.PngInfo(), Image.Exif()
    info.add_text("Title", "a title", zip=True)
    info.add_itxt("Comment", "größer", zip=True)
    exif.update({ExifTags.Base.Orientation: 6, ExifTags.Base.Make: "Maker", ExifTags.Base.XResolution: 300.0})
    exif.get_ifd(ExifTags.IFD.Exif).update({ExifTags.Base.ExifImageWidth: 56})
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    more: dict[str, Any] = {"icc_profile": profile, "exif": exif, "dpi": (300, 300)}
    gray, colors = Image.fromarray(_GRAY), Image.fromarray(_COLORS)
    images: tuple[tuple[str, str, Image.Image, dict[str, Any]], ...] = (
        ("png", ".png", colors, {"pnginfo": info, **more}),
        ("png", ".png", Image.fromarray(_STACK[0]), {}),
        ("png", ".png", colors.quantize(16), {"transparency": 3}),
        ("png", ".png", gray, {"save_all": True, "append_images": [gray.point(lambda value: 255 - value)]}),
        ("jpeg", ".jpg", colors, {"quality": 80, "comment": b"a comment", **more}),
        ("jpeg", ".jpg", gray, {"progressive": True}),
        ("jpeg", ".jpg", colors, {"restart_marker_rows": 1}),
        ("webp", ".webp", colors, {"lossless": True, **more}),
        ("webp", ".webp", colors.convert("RGBA"), {"quality": 50}),
        ("webp", ".webp", colors, {"save_all": True, "append_images": [gray.convert("RGB")]}),
        ("bmp", ".bmp", gray, {}),
        ("bmp", ".bmp", colors, {"dpi": (300, 300)}),
        ("pnm", ".pgm", gray, {}),
        ("pnm", ".pgm", Image.fromarray(_STACK[0]), {}),
        ("pnm", ".ppm", colors, {}),
        ("gif", ".gif", gray, {"save_all": True, "append_images": [gray.point(lambda value: 255 - value)]}),
        ("gif", ".gif", colors.quantize(16), {"transparency": 3}),
    )
    for name, suffix, image_, options in images:
        yield name, suffix, partial(image_.save, **options)
    for array in (_STACK, np.asfortranarray(_STACK)):
        yield "npy", ".npy", partial(np.save, arr=array)
    for suffix in (".fits", ".mrc"):
        yield suffix[1:], suffix, lambda path: write_pages(path, list(_STACK))
    yield "fits", ".fits", _write_compressed_fits
    yield "heic", ".heic", lambda path: path.write_bytes(_heic(colors))
    from benchmarks.raw import sensor, write_dng

    yield "raw", ".dng", lambda path: write_dng(path, sensor(_COLORS / 256))


def _write_pyramid(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        file.write(_GRAY, subifds=1)
        file.write(_GRAY[::2, ::2], subfiletype=1)


def _write_compressed_fits(path: Path) -> None:
    fits = import_module("astropy.io.fits")
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(_STACK)]).writeto(path, overwrite=True)


def _heic(image: Image.Image) -> bytes:
    import pillow_heif

    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file)
    return file.getvalue()
