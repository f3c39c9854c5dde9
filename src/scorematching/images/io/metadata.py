"""Metadata of image files: resolution, color profile, EXIF, texts, TIFF tags."""

from __future__ import annotations

import re
import warnings
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import ExifTags, Image

from scorematching.images.io.pillow import quiet

Unit = Literal["inch", "centimeter", "none"]
Alpha = Literal["assocalpha", "unassalpha"]
Colors = Literal["minisblack", "miniswhite", "rgb", "palette"]
#: A tag as tifffile writes it: code, type, count, packed value, and whether it is written on the first page only.
ExtraTag = tuple[int, int, int, bytes, bool]

#: Codes of tags with pixel coordinates (GeoTIFF tags, and outlines and overlays of ImageJ). They are wrong after an
#: enlargement.
IN_PIXELS = frozenset((33550, 33922, 34264, 34735, 34736, 34737, 50838, 50839))
_INCHES = {"inch": 1.0, "centimeter": 2.54}
#: Number of pixels per inch or centimeter that can't be stored in a TIFF.
_MOST = 2**32


@dataclass(frozen=True)
class Samples:
    """Meaning of the samples of a page of a TIFF.

    Attributes:
        colors: ``"minisblack"``, ``"miniswhite"`` (the value 0 is shown as white), ``"rgb"``, or ``"palette"`` (values
            with a color table that shows them).
        alpha: ``"assocalpha"`` if the colors are multiplied by alpha, ``"unassalpha"`` if not, or ``None`` if the page
            has no alpha channel.
        images: Number of images that a page is split into: its channels, if they are neither colors nor alpha.
        bits: Bits of a sample, if fewer than those of the type of the pixels.
        orientation: Orientation by TIFF and EXIF, from 1 (upright) to 8. Pixels stay as they are stored.
        table: Color table, shape (3, 2^bits), uint16.

    Example:
        >>> Samples(bits=12).white(np.dtype(np.uint16))
        4095
    """

    colors: Colors = "minisblack"
    alpha: Alpha | None = None
    images: int = 1
    bits: int | None = None
    orientation: int = 1
    table: np.ndarray | None = field(default=None, compare=False)

    def white(self, dtype: np.dtype) -> int:
        """Return the largest value of a type of unsigned integers that a sample can have."""
        return 2 ** (self.bits or 8 * dtype.itemsize) - 1

    def inverted(self, image: np.ndarray) -> np.ndarray:
        """Exchange white at 0 and black at 0, if the file has white at 0 and integers. Alpha stays as it is."""
        if self.colors != "miniswhite" or image.dtype.kind != "u":
            return image
        alpha = image[..., 1:] if self._has_alpha(image) else image[..., :0]
        color = image[..., :1] if self._has_alpha(image) else image
        other = self.white(image.dtype) - np.minimum(color, self.white(image.dtype)).astype(image.dtype)
        return np.concatenate([other, alpha], 2) if alpha.size else other

    def clipped(self, image: np.ndarray) -> np.ndarray:
        """Clip values above those that the bits of a sample can store."""
        if self.bits is None or image.dtype.kind != "u":
            return image
        return np.minimum(image, self.white(image.dtype)).astype(image.dtype)

    def shown(self, image: np.ndarray) -> np.ndarray:
        """Return an image for formats without these samples: upright, and with colors not multiplied by alpha.

        Samples of fewer than 8 bits are stretched to 8 bits.
        """
        image = self.clipped(image)
        if self.bits is not None and self.bits < 8:
            image = image * np.uint8(255 // self.white(image.dtype))
        if self.alpha == "assocalpha" and self._has_alpha(image):
            white, alpha = float(np.iinfo(image.dtype).max), np.maximum(image[..., -1:], 1)
            colors = np.rint(image[..., :-1] * (white / alpha)).clip(0, white).astype(image.dtype)
            image = np.concatenate([colors, image[..., -1:]], 2)
        if self.orientation >= 5:
            image = image.swapaxes(0, 1)
        down, across = (-1 if self.orientation in turned else 1 for turned in ((3, 4, 7, 8), (2, 3, 6, 7)))
        return np.ascontiguousarray(image[::down, ::across])

    def _has_alpha(self, image: np.ndarray) -> bool:
        """Return whether the last channel of an image is alpha."""
        return self.alpha is not None and image.ndim == 3 and image.shape[2] in (2, 4)


@dataclass(frozen=True)
class TiffTags:
    """Tags of the pages of a TIFF, other than pixels, resolution and color profile.

    Attributes:
        pages: Tags of each image; those of a page that is split are with its first image.
        byteorder: Byte order of the file and of the packed values.
        imagej: Whether the file was written by ImageJ, which stores a stack contiguously.
        samples: Meaning of the samples.

    Example:
        >>> TiffTags().byteorder
        '<'
    """

    pages: tuple[tuple[ExtraTag, ...], ...] = ()
    byteorder: Literal["<", ">"] = "<"
    imagej: bool = False
    samples: Samples = Samples()


@dataclass(frozen=True)
class Metadata:
    """Content of an image file other than its pixels.

    When it is written to a file of another format, entries that the format can't store are dropped.

    Attributes:
        resolution: Pixels per ``unit``, (horizontal, vertical).
        unit: Unit of length; ``"none"`` if the resolution is only an aspect ratio or has a program's own unit.
        icc: ICC color profile.
        exif: EXIF block of a JPEG or PNG.
        chunks: Names and contents of the color and text chunks of a PNG.
        jpeg: ``comment`` and ``xmp`` of a JPEG.
        tiff: Other tags of a TIFF.
        leading: Dimensions of a NumPy, FITS or MRC file before those of an image; empty for one image.
        header: Header of a FITS or MRC file, as its library reads it.

    Example:
        >>> Metadata(resolution=(300.0, 300.0)).enlarged(2).resolution
        (600.0, 600.0)
    """

    resolution: tuple[float, float] | None = None
    unit: Unit = "inch"
    icc: bytes | None = None
    exif: bytes | None = None
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    jpeg: dict[str, bytes] = field(default_factory=dict)
    tiff: TiffTags = TiffTags()
    leading: tuple[int, ...] = ()
    header: Any = field(default=None, compare=False)

    @property
    def dpi(self) -> tuple[float, float] | None:
        """Pixels per inch, (horizontal, vertical), or None if unknown."""
        if self.resolution is None or self.unit not in _INCHES:
            return None
        across, down = (_INCHES[self.unit] * pixels for pixels in self.resolution)
        return across, down

    def enlarged(self, factor: int) -> Metadata:
        """Return the metadata of an image with ``factor`` times more pixels per side and the same physical size."""
        if factor == 1:
            return self
        resolution = self.resolution
        if resolution is not None and (self.unit != "none" or self.tiff.imagej):
            resolution = factor * resolution[0], factor * resolution[1]
            if max(resolution) >= _MOST:
                warnings.warn(f"a resolution of {max(resolution):g} pixels can't be stored: left out", stacklevel=2)
                resolution = None
        pages = tuple(
            tuple(_enlarged(tag, factor) for tag in page if tag[0] not in IN_PIXELS) for page in self.tiff.pages
        )
        return replace(self, resolution=resolution, tiff=replace(self.tiff, pages=pages), header=None)

    def pillow_options(self, width: int, height: int) -> dict[str, Any]:
        """Return resolution, profile and EXIF, as far as known, as Pillow's options for an image of this size."""
        options = {"dpi": self.dpi, "icc_profile": self.icc, "exif": self.exif_for(width, height)}
        return {name: value for name, value in options.items() if value}

    def exif_for(self, width: int, height: int) -> bytes | None:
        """Return the EXIF block with its image size and resolution updated, or None if there is no EXIF block.

        Args:
            width: Width of the image in pixels.
            height: Height of the image in pixels.
        """
        if self.exif is None:
            return None
        with quiet():
            return self._exif_for(self.exif, width, height)

    def _exif_for(self, block: bytes, width: int, height: int) -> bytes:
        """Return an EXIF block with its image size and resolution updated."""
        exif = Image.Exif()
        exif.load(block)
        before = exif.tobytes()
        details = exif.get_ifd(ExifTags.IFD.Exif) if ExifTags.IFD.Exif in exif else {}
        sizes = {ExifTags.Base.ExifImageWidth: width, ExifTags.Base.ExifImageHeight: height}
        details |= {tag: pixels for tag, pixels in sizes.items() if tag in details}
        if self.dpi is not None and ExifTags.Base.XResolution in exif:
            resolution = (ExifTags.Base.XResolution, ExifTags.Base.YResolution, ExifTags.Base.ResolutionUnit)
            exif.update(zip(resolution, (*self.dpi, 2), strict=True))
        return block if exif.tobytes() == before else exif.tobytes()


def warn_of_frames(path: Path, count: int) -> None:
    """Warn if a file is an animation, of which the first frame is read.

    Example:
        >>> warn_of_frames(Path("image.png"), 1)
    """
    if count > 1:
        warnings.warn(
            f"{path.name} is an animation of {count} frames, of which only the first is read: save the frames as pages "
            "of a TIFF to keep them all",
            stacklevel=2,
        )


def is_ome(value: bytes) -> bool:
    """Return whether a description is OME-XML.

    Example:
        >>> is_ome(b"<OME></OME>")
        True
    """
    return value.rstrip(b"\0\n ").endswith(b"OME>")


def without_file_names(value: bytes) -> bytes | None:
    """Return OME-XML without the name and the identifier of its file; ``None`` if it describes several files.

    Example:
        >>> without_file_names(b'<TiffData IFD="0"><UUID FileName="a.tif">urn:uuid:1</UUID></TiffData>')
        b'<TiffData IFD="0"></TiffData>'
    """
    names = set(re.findall(rb'\bFileName="([^"]*)"', value))
    if len(names) > 1:
        return None
    return re.sub(rb'<UUID\b[^<>]*>[^<]*</UUID>|\sUUID="[^"]*"', b"", value) if names else value


def _enlarged(tag: ExtraTag, factor: int) -> ExtraTag:
    """Return a tag for an enlarged image. In OME-XML, the pixel counts and the pixel sizes are updated."""
    code, kind, count, value, once = tag
    if is_ome(value):
        value = re.sub(rb'\bSize([XY])="(\d+)"', lambda m: b'Size%s="%d"' % (m[1], factor * int(m[2])), value)
        size = rb'\bPhysicalSize([XY])="([^"]+)"'
        with suppress(ValueError):  # a size that is no number is kept
            value = re.sub(size, lambda m: b'PhysicalSize%s="%r"' % (m[1], float(m[2]) / factor), value)
    return code, kind, count, value, once
