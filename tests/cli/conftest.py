"""A folder of images and priors that commands refuse, and what proves that they refuse them before any work."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from command_line import Refusal, run

import scorematching as sm


def _write_bad_files(folder: Path) -> None:
    (folder / "BAD.png").write_bytes(b"rubbish")
    for name in ("EMPTY", "FOLDER.png", "LOCKED"):
        (folder / name).mkdir()
    gray = np.random.default_rng(0).integers(0, 256, (60, 64), np.uint8)
    images = {
        "SMALL.png": np.zeros((4, 4), np.uint8),
        "EYE.png": 255 * np.eye(4, dtype=np.uint8),
        "FLAT.png": np.zeros((60, 60), np.uint8),
        "WHITE.png": np.full((40, 40), 255, np.uint8),
        "KERNEL.png": np.full((201, 3), 255, np.uint8),
        "LONG.png": np.full((8, 4200), 90, np.uint8),
        "DEEP.png": np.full((50, 50), 9000, np.uint16),
    }
    for name, image in images.items():
        sm.write_image(folder / name, image)
    colored = np.random.default_rng(1).integers(0, 256, (60, 64, 3), np.uint8)
    sm.images.write_pages(folder / "STACK.tif", [colored, np.dstack([gray] * 3)])


@pytest.fixture
def refuse(
    noisy_file: Path,
    prior_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    _no_work_begins: None,
) -> Refusal:
    """Run a command that ends in one line on stderr before any work, and writes nothing."""
    monkeypatch.chdir(tmp_path)
    _write_bad_files(tmp_path)
    allowed = os.access

    def access(path: str | Path, mode: int) -> bool:
        return allowed(path, mode) and not (Path(path).name == "LOCKED" and mode == os.W_OK)

    monkeypatch.setattr("os.access", access)
    names = {"IN": noisy_file.name, "PRIOR": prior_file.name}
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}

    def refused(arguments: tuple[str, ...], message: str) -> None:
        assert run(*(names.get(a, a) for a in arguments)) != 0
        said = capsys.readouterr().err
        assert message in said.replace("\n", " ")
        assert said.count("\n") == 1
        assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before

    return refused


@pytest.fixture
def folder(noisy: np.ndarray, tmp_path: Path) -> Path:
    """A folder with one noisy image, ``a.png``."""
    (tmp_path / "noisy").mkdir()
    sm.write_image(tmp_path / "noisy" / "a.png", noisy)
    return tmp_path / "noisy"


@pytest.fixture
def movie() -> np.ndarray:
    """Two frames of two channels with noise of level 20, TCYX."""
    rows, columns = np.indices((130, 150))
    clean = 100 + 50 * np.sin(rows / 9) * np.cos(columns / 13)
    return sm.GaussianNoise(20).simulate(np.broadcast_to(clean, (2, 2, 130, 150))).clip(0, 255).astype(np.uint8)
