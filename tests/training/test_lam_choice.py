"""Choice of λ for clean images: by the PSNR of denoised held-out images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import run
from small_models import FIELD, FIELD_OPTIONS, short

import scorematching as sm
from scorematching.training import LamChoice, choose_lam


def test_a_weight_that_spoils_the_prior_is_not_chosen(photograph: np.ndarray) -> None:
    choice = choose_lam([photograph], model=FIELD, training=short(60, rate=0.03), lams=(100, 0.2), levels=(25,))
    assert choice.lams == (0.2, 100)
    assert choice.psnr[0][0] > choice.psnr[1][0] + 0.5
    assert (choice.lam, choice.is_at_end) == (0.2, True)


def test_colors_are_denoised_together(photograph: np.ndarray) -> None:
    color, model = np.stack([photograph] * 3, 2), sm.DeepConfig(channels=4, depth=2, color=True)
    choice = choose_lam([color], model=model, training=short(2, crop=24), lams=(0.2,), levels=(25, 50))
    assert np.isfinite(choice.psnr).all()
    assert np.shape(choice.psnr) == (1, 2)


@pytest.mark.parametrize("wrong", [{"lams": ()}, {"levels": ()}, {"lams": (0,)}, {"levels": (-1,)}])
def test_weights_and_levels_are_checked(wrong: dict[str, tuple[float, ...]], photograph: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"lams|levels"):
        choose_lam([photograph], model=FIELD, training=short(2), **wrong)  # type: ignore[arg-type]


def test_the_command_prints_a_table_draws_a_plot_and_trains_with_the_best(
    noisy_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = LamChoice((0.1, 0.3, 0.5), (25.0,), ((27.0,), (28.5,), (28.0,)))
    monkeypatch.setattr("scorematching.cli.fit_work.choose_lam", lambda *_, **__: choice)
    target = tmp_path / "p.safetensors"
    assert run("fit", noisy_file, "-o", target, "--select-lambda", "--steps", 2, *FIELD_OPTIONS) == 0
    said = capsys.readouterr().out
    assert "28.50" in said
    assert f"chosen λ: 0.3; wrote {tmp_path / 'p.lambda.png'}" in said
    assert sm.read_image(tmp_path / "p.lambda.png").shape[2] == 4
    assert sm.load_prior(target).provenance.lam == 0.3
    assert run("fit", noisy_file, "-o", target, "--select-lambda", "--lam", 0.1) == 1
    assert "--select-lambda is for clean images" in capsys.readouterr().err
