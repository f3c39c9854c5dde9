"""``deblur``: by a Gaussian blur, or by a kernel from an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from command_line import run

import scorematching as sm
from scorematching.restoration import Blur, gaussian_kernel


def test_a_blurred_photograph_gets_sharper(photograph: np.ndarray, prior_file: Path, tmp_path: Path) -> None:
    planes = torch.from_numpy(photograph.astype(np.float32))[None, None]
    blurred = Blur(gaussian_kernel(1.0))(planes)[0, 0].numpy().round().astype(np.uint8)
    sm.write_image(tmp_path / "in.png", blurred)
    assert run("deblur", tmp_path / "in.png", "-o", tmp_path / "out.png", "--blur", 1, "--prior", prior_file) == 0
    sharp = sm.read_image(tmp_path / "out.png")
    assert sm.psnr(photograph, sharp, 255) > sm.psnr(photograph, blurred, 255) + 1


def test_a_kernel_is_an_image_whose_sum_does_not_matter(noisy_file: Path, prior_file: Path, tmp_path: Path) -> None:
    results = []
    for brightness in (80, 160):
        kernel = np.zeros((5, 5), np.uint8)
        kernel[2, 1:4] = brightness
        sm.write_image(tmp_path / "kernel.png", kernel)
        paths = ("-o", tmp_path / "out.png", "--kernel", tmp_path / "kernel.png", "--prior", prior_file)
        assert run("deblur", noisy_file, *paths, "--sigma", 25) == 0
        results.append(sm.read_image(tmp_path / "out.png"))
    assert results[0].shape == sm.read_image(noisy_file).shape
    np.testing.assert_allclose(results[0].astype(float), results[1], atol=1)
