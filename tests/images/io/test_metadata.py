"""Metadata that pass from one format to another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from image_samples import COLORS, PROFILE

from scorematching.images import read_image, read_metadata, write_image


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
