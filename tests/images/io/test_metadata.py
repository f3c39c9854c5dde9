"""Metadata that pass from one format to another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from image_samples import COLORS, PROFILE

from scorematching.images import read_image, read_metadata, write_image
from scorematching.images.io.metadata import Metadata


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("kind", ["png", "jpeg", "tiff"])
def test_resolution_and_profile_pass_between_formats(
    kind: str, suffix: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    write_image(tmp_path / f"other{suffix}", COLORS, read_metadata(request.getfixturevalue(kind)))
    found = read_metadata(tmp_path / f"other{suffix}")
    assert found.dpi == pytest.approx((300, 150 if kind == "png" else 300), abs=0.02)
    assert found.icc == PROFILE
    np.testing.assert_allclose(read_image(tmp_path / f"other{suffix}").mean(), COLORS.mean(), atol=2)


def test_a_resolution_that_can_not_be_stored_is_left_out_of_an_enlarged_image() -> None:
    with pytest.warns(UserWarning, match="a resolution of 6e[+]09 pixels can't be stored: left out"):
        assert Metadata(resolution=(3e9, 72.0)).enlarged(2).resolution is None


def test_a_pixel_size_that_is_no_number_is_kept_in_an_enlarged_image(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.ome.tif", COLORS[..., 0], metadata={"axes": "YX", "PhysicalSizeX": 1.5})
    damaged = (tmp_path / "a.ome.tif").read_bytes().replace(b'PhysicalSizeX="1.5"', b'PhysicalSizeX="a.5"')
    (tmp_path / "a.ome.tif").write_bytes(damaged)
    tags = read_metadata(tmp_path / "a.ome.tif").enlarged(2).tiff.pages[0]
    assert any(b'PhysicalSizeX="a.5"' in tag[3] for tag in tags)
