"""What image files say besides their pixels: resolution, color profile, EXIF, texts, tags."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Literal

from PIL import ExifTags, Image

Unit = Literal["inch", "centimeter", "none"]
#: A tag as tifffile writes it: code, type, count, packed value, whether on the first page only.
ExtraTag = tuple[int, int, int, bytes, bool]

#: Tags that count in pixels: those of maps, and ImageJ's own with outlines and overlays.
IN_PIXELS = frozenset((33550, 33922, 34264, 34735, 34736, 34737, 50838, 50839))
_INCHES = {"inch": 1.0, "centimeter": 2.54}


@dataclass(frozen=True)
class TiffTags:
    """What the pages of a TIFF say besides their pixels, resolution and color profile.

    Attributes:
        pages: The tags of each image.
        byteorder: That of the file, and of the packed values.
        imagej: Whether it is a file of ImageJ, which stores a stack in one piece.
        alpha: Whether colors were multiplied by alpha (``"assocalpha"``), or not.
    """

    pages: tuple[tuple[ExtraTag, ...], ...] = ()
    byteorder: Literal["<", ">"] = "<"
    imagej: bool = False
    alpha: Literal["assocalpha", "unassalpha"] = "unassalpha"


@dataclass(frozen=True)
class Metadata:
    """What an image file says besides its pixels. A file of another kind gets of it what that kind has a place for.

    Attributes:
        resolution: Pixels per ``unit``, across and down.
        unit: Of length; ``"none"`` where the resolution is a ratio, or a program's own.
        icc: The color profile.
        exif: Of a JPEG or PNG.
        chunks: Of a PNG: names and contents of those on colors, and of texts.
        jpeg: Of a JPEG: ``comment`` and ``xmp``.
        tiff: Of a TIFF: its other tags.

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

    @property
    def dpi(self) -> tuple[float, float] | None:
        """Pixels per inch, where that is known."""
        if self.resolution is None or self.unit not in _INCHES:
            return None
        across, down = (_INCHES[self.unit] * pixels for pixels in self.resolution)
        return across, down

    def enlarged(self, factor: int) -> Metadata:
        """That of images with so many times more pixels to a side, of the same size in centimetres."""
        if factor == 1:
            return self
        resolution = self.resolution
        if resolution is not None and (self.unit != "none" or self.tiff.imagej):
            resolution = factor * resolution[0], factor * resolution[1]
        pages = tuple(
            tuple(_enlarged(tag, factor) for tag in page if tag[0] not in IN_PIXELS) for page in self.tiff.pages
        )
        return replace(self, resolution=resolution, tiff=replace(self.tiff, pages=pages))

    def exif_for(self, width: int, height: int) -> bytes | None:
        """The EXIF block for an image of so many pixels: their number and the resolution brought up to date in it."""
        if self.exif is None:
            return None
        exif = Image.Exif()
        exif.load(self.exif)
        before = exif.tobytes()
        details = exif.get_ifd(ExifTags.IFD.Exif) if ExifTags.IFD.Exif in exif else {}
        sizes = {ExifTags.Base.ExifImageWidth: width, ExifTags.Base.ExifImageHeight: height}
        details |= {tag: pixels for tag, pixels in sizes.items() if tag in details}
        if self.dpi is not None and ExifTags.Base.XResolution in exif:
            resolution = (ExifTags.Base.XResolution, ExifTags.Base.YResolution, ExifTags.Base.ResolutionUnit)
            exif.update(zip(resolution, (*self.dpi, 2), strict=True))
        return self.exif if exif.tobytes() == before else exif.tobytes()


def _enlarged(tag: ExtraTag, factor: int) -> ExtraTag:
    """OME-XML says how many pixels there are, and of what size: the new ones."""
    code, kind, count, value, once = tag
    if value.rstrip(b"\0\n ").endswith(b"OME>"):
        value = re.sub(rb'\bSize([XY])="(\d+)"', lambda m: b'Size%s="%d"' % (m[1], factor * int(m[2])), value)
        size = rb'\bPhysicalSize([XY])="([^"]+)"'
        value = re.sub(size, lambda m: b'PhysicalSize%s="%r"' % (m[1], float(m[2]) / factor), value)
    return code, kind, count, value, once
