"""Check an installed package: where it is, its data, and that its commands work."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import scorematching as sm
from scorematching.images import read_image, write_image

assert Path(sm.__file__).is_relative_to(sys.prefix), f"{sm.__file__} is not that of the environment"
for name in ("py.typed", "__init__.pyi", "napari/napari.yaml"):
    assert (Path(sm.__file__).parent / name).is_file(), f"{name} is missing"

with tempfile.TemporaryDirectory() as folder:
    noisy, clean = Path(folder) / "noisy.png", Path(folder) / "clean.png"
    image = 128 + np.random.default_rng(0).normal(0, 20, (64, 64))
    write_image(noisy, image.clip(0, 255).astype(np.uint8))
    program = Path(sys.executable).with_name("scorematching")
    subprocess.run([program, "denoise", noisy, "-o", clean, "--sigma", "20"], check=True)
    error = np.std(read_image(clean).astype(float) - 128)
    assert error < 5, f"the noise is {error:.2f} after denoising, of 20"
print(f"scorematching {sm.__version__} is complete")
