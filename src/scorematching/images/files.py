"""Picture files, 8 and 16 bit and floating point: PNG by imagecodecs, TIFF by tifffile, JPEG by Pillow."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageOps

from scorematching.atomic import check_target, write_atomically

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
_TIFF = (".tif", ".tiff")


def read_image(path: str | Path) -> np.ndarray:
    """Read a picture as it is stored: (H, W) or (H, W, C), uint8, uint16 or floating point.

    A JPEG is turned upright as its EXIF entry says.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is a folder, of another kind than PNG, JPEG and TIFF, damaged, of several pages, or neither grey
            nor RGB.
    """
    path = Path(path)
    _check_suffix(path)
    if not path.exists():
        raise FileNotFoundError(f"no such file: {path}")
    if path.is_dir():
        raise ValueError(f"{path} is a folder, expected a picture")
    suffix = path.suffix.lower()
    decode = _read_tiff if suffix in _TIFF else _read_png if suffix == ".png" else _read_jpeg
    try:
        image = decode(path)
    except (ValueError, RuntimeError, tifffile.TiffFileError, OSError, SyntaxError) as error:
        raise ValueError(f"{path} can't be read as a picture: {error}") from None
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] > 4):
        raise ValueError(f"{path} must hold one grey or colour picture, got an array of shape {image.shape}")
    return image


def _read_png(path: Path) -> np.ndarray:
    return imagecodecs.png_decode(path.read_bytes())


def _read_jpeg(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        if picture.mode not in ("L", "RGB"):
            raise ValueError(f"its colours are {picture.mode}, expected grey or RGB")
        return np.asarray(ImageOps.exif_transpose(picture))


def _read_tiff(path: Path) -> np.ndarray:
    with tifffile.TiffFile(path) as file:
        if len(file.pages) != 1:
            raise ValueError(f"it has {len(file.pages)} pages, expected one")
        page = file.pages.first
        kind = tifffile.PHOTOMETRIC(page.photometric).name.lower()
        if kind not in ("minisblack", "miniswhite", "rgb"):
            raise ValueError(f"its colours are {kind}, expected grey or RGB")
        image = page.asarray()
    if image.ndim == 3 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
        image = np.ascontiguousarray(np.moveaxis(image, 0, 2))
    if kind == "miniswhite":
        if image.dtype.kind != "u":
            raise ValueError("it has zero for white in floating point")
        image = np.iinfo(image.dtype).max - image
    return image


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write a picture without loss (or as JPEG at quality 95); the file appears whole or not at all.

    Args:
        path: Where to; its ending says what kind of file.
        image: (H, W) or (H, W, C). PNG takes uint8 and uint16, JPEG takes uint8 without alpha, TIFF takes floating
            point too.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: The path is a folder.
        ValueError: An ending other than PNG, JPEG and TIFF, or a picture that such a file can't hold.
    """
    path = Path(path)
    check_writable(path, image)
    image = np.ascontiguousarray(image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image)
    suffix = path.suffix.lower()
    if suffix in _TIFF:
        channels = image.shape[2] if image.ndim == 3 else 1
        buffer = io.BytesIO()
        tifffile.imwrite(
            buffer,
            image,
            photometric="rgb" if channels >= 3 else "minisblack",
            planarconfig="contig" if channels > 1 else None,
            extrasamples=["unassalpha"] if channels in (2, 4) else None,
            compression="zlib",
        )
        data = buffer.getvalue()
    elif suffix == ".png":
        data = bytes(imagecodecs.png_encode(image))
    else:
        data = bytes(imagecodecs.jpeg8_encode(image, level=95))
    write_atomically(path, data)


def check_writable(path: str | Path, image: np.ndarray) -> None:
    """Raise, before any work is done, where such a picture could not be written to a path.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: The path is a folder.
        ValueError: An ending other than PNG, JPEG and TIFF, or a picture that such a file can't hold.
    """
    path = check_target(path)
    _check_suffix(path)
    suffix = path.suffix.lower()
    fits = suffix in _TIFF or image.dtype == np.uint8 or (suffix == ".png" and image.dtype == np.uint16)
    if not fits:
        raise ValueError(f"{path.name}: {suffix} files can't hold {image.dtype} pixels; write a .tif instead")
    if suffix in (".jpg", ".jpeg") and image.ndim == 3 and image.shape[2] in (2, 4):
        raise ValueError(f"{path.name}: {suffix} files can't hold an alpha channel; write a .png instead")


def check_output(path: str | Path, image: np.ndarray, source: str | Path) -> None:
    """Raise where a result could not, or must not, be written to a path: :func:`check_writable`, and not the source.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: The path is a folder.
        ValueError: The file would overwrite ``source``, or can't hold such a picture.
    """
    check_writable(path, image)
    check_not_source(path, source)


def check_not_source(path: str | Path, source: str | Path) -> None:
    """Raise ``ValueError`` where a result would overwrite what it is made from."""
    if Path(path).resolve() == Path(source).resolve():
        raise ValueError(f"{path} is the input: choose another file for the result")


def find_images(paths: Iterable[str | Path]) -> list[Path]:
    """The picture files among paths: files as given, folders searched (not below them), sorted.

    Raises:
        FileNotFoundError: A path does not exist, or no picture was found.
        ValueError: A file is of another kind than PNG, JPEG and TIFF.
    """
    found: list[Path] = []
    given = [Path(path) for path in paths]
    for path in given:
        if path.is_dir():
            found += sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
        elif path.exists():
            _check_suffix(path)
            found.append(path)
        else:
            raise FileNotFoundError(f"no such file or folder: {path}")
    if not found:
        kinds = ", ".join(IMAGE_SUFFIXES)
        raise FileNotFoundError(f"no picture ({kinds}) in {', '.join(map(str, given)) or 'nothing'}")
    return found


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise ValueError(f"{path}: expected a file that ends in {', '.join(IMAGE_SUFFIXES)}")
