"""What is slow to load is loaded when it is used: asked of a fresh Python."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

#: Packages that take long to load, or that the mathematical part has no use for.
HEAVY = ("torch", "numpy", "scipy", "skimage", "sklearn", "matplotlib", "pywt", "tifffile", "PIL", "safetensors")
LOSS = """
import torch
energy = scorematching.Sequential(scorematching.Conv2d(1, 2, 3), scorematching.StudentT(2), scorematching.Sum())
scorematching.score_matching_loss(energy, torch.randn(3, 1, 6, 6), lam=0.1).backward()
"""
DENOISE = """
import scorematching as sm, numpy as np
sm.denoise(np.eye(12), 0.1, sm.priors.FieldPrior(sm.FieldConfig(4, 3), 0.1))
sm.fit, sm.restore, sm.upscale, sm.langevin, sm.load_prior("natural-gray-small")
"""
COMMAND = """
from scorematching.cli import main
try:
    main({arguments})
except SystemExit as stop:
    assert (stop.code or 0) == {status}, stop.code
else:
    raise AssertionError("the program did not exit")
"""


def loaded(code: str, modules: tuple[str, ...]) -> set[str]:
    """Return which of the modules a fresh Python has loaded after some code."""
    report = f"import json, sys\n{code}\nprint(json.dumps([m for m in {modules!r} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["--version"], 0),
        ([], 2),
        (["paint"], 2),
        (["fit", "--help"], 0),
        (["denoise", "in.png", "-o", "out.png", "--sgima", "25"], 2),
        (["upscale", "in.png", "-o", "out.png", "--factor", "many"], 2),
    ],
    ids=str,
)
def test_help_and_mistyped_options_load_nothing_heavy(arguments: list[str], status: int) -> None:
    assert loaded(COMMAND.format(arguments=arguments, status=status), HEAVY) == set()


def test_the_library_itself_loads_nothing_heavy() -> None:
    assert loaded("import scorematching, scorematching.priors, scorematching.training", HEAVY) == set()


def test_configurations_load_nothing_heavy() -> None:
    code = "import scorematching as sm; sm.FieldConfig(), sm.DeepConfig(), sm.TrainingConfig(), sm.__version__"
    assert loaded(code, HEAVY) == set()


def test_a_loss_and_its_gradient_load_torch_and_neither_its_compiler_nor_image_libraries() -> None:
    heavy = ("torch._inductor", "torch._dynamo", *HEAVY[2:])
    assert loaded(f"import scorematching; scorematching.score_matching_loss{LOSS}", ("torch", *heavy)) == {"torch"}


def test_denoising_loads_no_drawing_and_no_compiler() -> None:
    """A given noise level saves the estimate, and its libraries."""
    unused = ("torch._inductor", "torch._dynamo", "matplotlib", "sklearn", "skimage", "scipy.stats")
    assert loaded(DENOISE, unused) == set()
