"""Picture files: PNG and JPEG through imagecodecs, TIFF through tifffile, 8 and 16 bit and floating point."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
_TIFF = (".tif", ".tiff")


def read_image(path: str | Path) -> np.ndarray:
    """Read a picture as it is stored: (H, W) or (H, W, C), uint8, uint16 or floating point.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is a folder, of another kind than PNG, JPEG and TIFF, damaged, or not one picture.
    """
    path = Path(path)
    _check_suffix(path)
    if not path.exists():
        raise FileNotFoundError(f"no such file: {path}")
    if path.is_dir():
        raise ValueError(f"{path} is a folder, expected a picture")
    try:
        if path.suffix.lower() in _TIFF:
            image = tifffile.imread(path)
        elif path.suffix.lower() == ".png":
            image = imagecodecs.png_decode(path.read_bytes())
        else:
            image = imagecodecs.jpeg_decode(path.read_bytes())
    except (ValueError, RuntimeError, tifffile.TiffFileError, OSError) as error:
        raise ValueError(f"{path} can't be read as a picture: {error}") from None
    if image.ndim == 3 and image.shape[0] in (3, 4) and image.shape[2] not in (1, 2, 3, 4):
        image = np.ascontiguousarray(np.moveaxis(image, 0, 2))  # planar TIFF
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] > 4):
        raise ValueError(f"{path} must hold one grey or colour picture, got an array of shape {image.shape}")
    return image


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write a picture without loss (or as JPEG at quality 95); the file appears whole or not at all.

    Args:
        path: Where to; its ending says what kind of file.
        image: (H, W) or (H, W, C). PNG takes uint8 and uint16, JPEG takes uint8, TIFF takes floating point too.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: An ending other than PNG, JPEG and TIFF, or a type that such a file can't hold.
    """
    path = Path(path)
    check_writable(path, image.dtype)
    partial = path.with_name(f".{path.name}.{os.getpid()}{path.suffix}")
    try:
        if path.suffix.lower() in _TIFF:
            colour = image.ndim == 3 and image.shape[2] in (3, 4)
            tifffile.imwrite(partial, image, photometric="rgb" if colour else "minisblack", compression="zlib")
        elif path.suffix.lower() == ".png":
            partial.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(image)))
        else:
            partial.write_bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(image), level=95))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def check_writable(path: str | Path, dtype: np.dtype) -> None:
    """Raise, before any work is done, where a picture of a type could not be written to a path.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: An ending other than PNG, JPEG and TIFF, or a type that such a file can't hold.
    """
    path = Path(path)
    _check_suffix(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no such folder: {path.parent}")
    suffix = path.suffix.lower()
    fits = suffix in _TIFF or dtype == np.uint8 or (suffix == ".png" and dtype == np.uint16)
    if not fits:
        raise ValueError(f"{path.name}: {suffix} files can't hold {dtype} pixels; write a .tif instead")


def check_output(path: str | Path, dtype: np.dtype, source: str | Path) -> None:
    """Raise where a result could not, or must not, be written to a path: :func:`check_writable`, and not the source.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: The file would overwrite ``source``, or can't hold pixels of the type.
    """
    check_writable(path, dtype)
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
            found += sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
        elif path.exists():
            _check_suffix(path)
            found.append(path)
        else:
            raise FileNotFoundError(f"no such file or folder: {path}")
    if not found:
        raise FileNotFoundError(
            f"no picture ({', '.join(IMAGE_SUFFIXES)}) in {', '.join(map(str, given)) or 'nothing'}"
        )
    return found


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise ValueError(f"{path}: expected a file that ends in {', '.join(IMAGE_SUFFIXES)}")
