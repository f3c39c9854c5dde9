"""``inpaint``: holes are filled, and known pixels stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from command_line import run

import scorematching as sm


def test_holes_are_filled_and_known_pixels_stay(photograph: np.ndarray, prior_file: Path, tmp_path: Path) -> None:
    missing = np.zeros(photograph.shape, bool)
    missing[20:30, 40:50] = True
    torn = np.where(missing, 0, photograph).astype(np.uint8)
    sm.write_image(tmp_path / "torn.png", torn)
    sm.write_image(tmp_path / "holes.png", 255 * missing.astype(np.uint8))
    paths = ("--mask", tmp_path / "holes.png", "-o", tmp_path / "out.png", "--prior", prior_file)
    assert run("inpaint", tmp_path / "torn.png", *paths) == 0
    whole = sm.read_image(tmp_path / "out.png")
    np.testing.assert_array_equal(whole[~missing], torn[~missing])
    before, after = (sm.psnr(photograph[missing], image[missing], 255) for image in (torn, whole))
    assert after > before + 10
