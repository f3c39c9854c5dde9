"""JPEG files, by Pillow."""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile

from scorematching.images.io.jpeg_data import check_scans, padded
from scorematching.images.io.jpeg_scans import has_all_scans
from scorematching.images.io.limits import read_file
from scorematching.images.io.metadata import Metadata
from scorematching.images.io.pillow import opened

#: Maximum size of an EXIF block in bytes.
_LARGEST_EXIF = 65533


def read(path: Path) -> np.ndarray:
    """Read the image, rotated upright by its EXIF orientation.

    Raises:
        ValueError: The colors are neither grayscale nor RGB; pixels are missing; or there are more than 100 scans.

    Warns:
        UserWarning: It is progressive, and scans with its details are missing.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.jpg"
        >>> _ = path.write_bytes(encode(np.zeros((4, 6), np.uint8), Metadata()))
        >>> read(path).shape
        (4, 6)
    """
    with opened(path, JpegImageFile) as image:
        if image.mode not in ("L", "RGB"):
            raise ValueError(f"its colors are {image.mode}, expected grayscale or RGB: convert the file first")
        content = read_file(path)
        check_scans(content)
        image.load()
        complete = has_all_scans(content)
        with JpegImageFile(io.BytesIO(padded(content))) as other:
            if not np.array_equal(np.asarray(image), np.asarray(other)):
                raise ValueError("it is damaged: pixels are missing before its end")
        if not complete:
            warnings.warn(f"{path.name}: scans with its details are missing", stacklevel=3)
        return np.asarray(ImageOps.exif_transpose(image))


def read_metadata(path: Path) -> Metadata:
    """Read resolution, color profile, EXIF, comment and XMP, as if the image were stored upright.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "image.jpg"
        >>> _ = path.write_bytes(encode(np.zeros((4, 6), np.uint8), Metadata(resolution=(300.0, 300.0))))
        >>> read_metadata(path).resolution
        (300, 300)
    """
    with opened(path, JpegImageFile) as image:
        info, exif = dict(image.info), image.getexif()
        block, xmp, dpi = info.get("exif"), info.get("xmp"), info.get("dpi")
        turned = exif.get(ExifTags.Base.Orientation, 1)
        if turned != 1:
            exif[ExifTags.Base.Orientation] = 1
            block = exif.tobytes()
    dpi = dpi[::-1] if dpi and turned > 4 else dpi
    texts = {"comment": info.get("comment"), "xmp": xmp and re.sub(rb'(tiff:Orientation(?:="|>))\d', rb"\g<1>1", xmp)}
    kept = {name: text for name, text in texts.items() if text}
    return Metadata(dpi, icc=info.get("icc_profile"), exif=block, jpeg=kept)


def encode(image: np.ndarray, metadata: Metadata) -> bytes:
    """Return the bytes of a JPEG file at quality 95, with colors at full resolution.

    Args:
        image: Image of shape (H, W) or (H, W, 3), uint8.
        metadata: Metadata to store.

    Example:
        >>> encode(np.zeros((4, 6), np.uint8), Metadata())[6:10]
        b'JFIF'
    """
    height, width = image.shape[:2]
    file = io.BytesIO()
    options = {**metadata.jpeg, **metadata.pillow_options(width, height)}
    if len(options.get("exif", b"")) > _LARGEST_EXIF:
        warnings.warn("the EXIF block is too long for a JPEG and is left out", stacklevel=2)
        del options["exif"]
    Image.fromarray(image).save(file, "jpeg", quality=95, subsampling="4:4:4", **options)
    return file.getvalue()
