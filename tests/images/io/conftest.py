"""Files with metadata, one per format."""

from __future__ import annotations

from pathlib import Path

import pytest
import tifffile
from image_samples import COLORS, DEEP, PROFILE
from PIL import ExifTags, Image, PngImagePlugin

from scorematching.images import read_metadata, write_image


@pytest.fixture
def png(tmp_path: Path) -> Path:
    """A PNG of 16-bit colors with resolution, profile, gamma, date and texts."""
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", (45455).to_bytes(4, "big"))
    info.add(b"tIME", bytes([7, 228, 1, 2, 3, 4, 5]))
    info.add_text("Title", "a title")
    info.add_itxt("Comment", "größer")
    Image.fromarray(COLORS).save(tmp_path / "small.png", pnginfo=info, dpi=(300, 150), icc_profile=PROFILE)
    write_image(tmp_path / "a.png", DEEP, read_metadata(tmp_path / "small.png"))
    return tmp_path / "a.png"


@pytest.fixture
def jpeg(tmp_path: Path) -> Path:
    """A JPEG whose EXIF orientation rotates it by 90 degrees."""
    exif = Image.Exif()
    exif.update({ExifTags.Base.Orientation: 6, ExifTags.Base.Make: "Maker"})
    exif.update({ExifTags.Base.XResolution: 300.0, ExifTags.Base.YResolution: 300.0, ExifTags.Base.ResolutionUnit: 2})
    exif.get_ifd(ExifTags.IFD.Exif).update({ExifTags.Base.ExifImageWidth: 24, ExifTags.Base.ExifImageHeight: 16})
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    Image.fromarray(COLORS).save(
        tmp_path / "a.jpg", exif=exif, dpi=(300, 300), icc_profile=PROFILE, comment=b"a comment"
    )
    return tmp_path / "a.jpg"


@pytest.fixture
def tiff(tmp_path: Path) -> Path:
    """A TIFF with its resolution in centimeters, and a profile."""
    path = tmp_path / "a.tiff"
    tifffile.imwrite(path, COLORS, resolution=(118.11, 118.11), resolutionunit="CENTIMETER", iccprofile=PROFILE)
    return path
