"""``inpaint``: the mask, and the seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import run
from simulated import color_photograph

import scorematching as sm


def test_the_seed_reaches_the_restoration(tmp_path: Path) -> None:
    sm.write_image(tmp_path / "in.png", color_photograph()[:48, :48])
    holes = np.zeros((48, 48), np.uint8)
    holes[20:30, 20:30] = 255
    sm.write_image(tmp_path / "holes.png", holes)
    outs = [tmp_path / f"{name}.png" for name in ("a", "b", "c")]
    for out, seed in zip(outs, (0, 0, 1), strict=True):
        assert run("inpaint", tmp_path / "in.png", "--mask", tmp_path / "holes.png", "-o", out, "--seed", seed) == 0
    first, again, other = (sm.read_image(out) for out in outs)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_mask_of_ones_is_not_taken_for_black(
    photograph: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sm.write_image(tmp_path / "it.png", photograph)
    sm.write_image(tmp_path / "mask.png", (photograph > 100).astype(np.uint8))
    assert run("inpaint", tmp_path / "it.png", "--mask", tmp_path / "mask.png", "-o", tmp_path / "out.png") == 1
    assert "mask.png has no hole: missing pixels must be white (255), but" in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()
