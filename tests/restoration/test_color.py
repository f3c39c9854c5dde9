"""Priors of colors: red, green and blue seen together, from the crops of a training to an image restored."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import run

import scorematching as sm
from scorematching.cli.choice import NATURAL, named_prior
from scorematching.images import read_pages, write_pages
from scorematching.images.photographs import held_out_photograph
from scorematching.priors.deep import DeepPrior
from scorematching.priors.kinds import build_prior
from scorematching.priors.tweedie import tweedie
from scorematching.restoration import Mask
from scorematching.restoration.color import posterior_mean
from scorematching.restoration.inverse import RestorationMethod
from scorematching.training.crops import CropStream
from scorematching.training.data import open_images

SIZES: dict[str, Any] = {"model": "deep", "filters": 8, "depth": 2, "crop": 24, "batch": 4, "color": True}


@pytest.fixture
def colored(info: sm.priors.PriorInfo) -> DeepPrior:
    prior = build_prior(info.replace(model="deep", depth=2, colors=3))
    assert isinstance(prior, DeepPrior)
    return prior


@pytest.fixture
def photo() -> np.ndarray:
    """A 96 x 120 piece of a photograph in color, uint8."""
    return np.rint(held_out_photograph("chelsea", color=True)[100:196, 120:240] * 255).astype(np.uint8)


def test_crops_hold_the_colors_of_one_place() -> None:
    """Turned and mirrored alike, each with noise of its own."""
    ramp = np.random.default_rng(0).random((40, 50)).astype(np.float32)
    (plane,) = open_images(np.stack([ramp, 0.5 * ramp, 0.25 * ramp], 2), data_range=1, colors=3)[0]
    assert plane.pixels().shape == (3, 40, 50)
    clean, noisy = (CropStream([plane], 32, 1, sigma=sigma, seed=1)[2].pixels for sigma in (0.0, 0.1))
    assert clean.shape == (1, 3, 32, 32)
    torch.testing.assert_close(clean[:, 1:], clean[:, :1] * torch.tensor([0.5, 0.25])[None, :, None, None])
    noise = (noisy - clean).transpose(0, 1).flatten(1)
    assert bool((torch.corrcoef(noise) - torch.eye(3)).abs().max() < 0.2)


def test_the_loss_is_an_estimate_of_the_exact_one(colored: DeepPrior) -> None:
    x = torch.randn(1, 3, 8, 8).mul(colored.info.unit)
    truth = sm.score_matching_loss(colored._bordered[0], x / colored.info.unit, curvature="full") / 3 / 64
    generator, many = torch.Generator().manual_seed(0), x.expand(100, -1, -1, -1)
    draws = torch.stack([colored.loss(many, generator).detach() for _ in range(20)])
    assert abs(draws.mean() - truth) < 4 * draws.std() / 20**0.5


def test_the_gradient_sees_all_colors(colored: DeepPrior) -> None:
    """A change of red changes the score of blue."""
    planes = torch.rand(1, 3, 16, 16, dtype=torch.float64)
    colored.double()
    other = planes.clone()
    other[:, 0] += 0.1 * torch.rand(16, 16, dtype=torch.float64)
    assert not torch.allclose(colored.score(planes)[:, 2], colored.score(other)[:, 2])


def test_the_planes_of_a_image_are_seen_together(colored: DeepPrior) -> None:
    planes = torch.rand(3, 1, 20, 24)
    expected = tweedie(planes.transpose(0, 1), 0.1, colored).transpose(0, 1)
    torch.testing.assert_close(posterior_mean(planes, 0.1, colored), expected, rtol=0, atol=0)
    assert colored.seen(colored.seen(planes)).shape == planes.shape


def test_a_prior_of_colors_is_learned_from_noisy_images(photo: np.ndarray) -> None:
    noisy = (photo + np.random.default_rng(0).normal(0, 25, photo.shape)).astype(np.float32)
    options = {**SIZES, "filters": 16, "sigma": 25, "noisy": True, "data_range": 255, "clean": photo.astype(np.float32)}
    result = sm.fit(noisy, steps=150, max_sigma=55, **options)
    assert result.prior.info.colors == 3
    assert result.expected_psnr is not None
    assert result.psnr == pytest.approx(result.expected_psnr, abs=0.5)
    assert sm.psnr(photo / 255, sm.denoise(noisy, 25, result.prior, data_range=255) / 255) > 25


@pytest.mark.parametrize("method", ["map", "annealed"])
def test_restoration_keeps_colors_together(colored: DeepPrior, photo: np.ndarray, method: RestorationMethod) -> None:
    colored.info = colored.info.replace(levels=(5 / 255, 55 / 255))
    mask = Mask(torch.rand(96, 120) > 0.3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so few steps of an untrained prior need not explain the image
        found = sm.restore(photo, mask, colored, method=method, steps=3)
    assert found.shape == photo.shape
    assert found.dtype == np.uint8


def test_gray_is_refused(colored: DeepPrior, photo: np.ndarray) -> None:
    for gray in (photo[..., 0], np.repeat(photo[..., :1], 3, axis=2)):
        with pytest.raises(ValueError, match=r"in red, green and blue.*is gray: take.*natural-gray"):
            sm.denoise(gray, 25, colored)
    with pytest.raises(ValueError, match=r"array 0 has 1 channel.*learn gray"):
        sm.fit(photo[..., 0], sigma=25, noisy=True, steps=1, **SIZES)
    with pytest.raises(ValueError, match="color is for deep priors, got model 'foe'"):
        sm.fit(photo, sigma=25, noisy=True, steps=1, color=True)
    with pytest.raises(ValueError, match="colors must be 1, or 3 of a deep prior, got 2"):
        colored.info.replace(colors=2)


def test_the_shipped_prior_that_suits_a_image(photo: np.ndarray) -> None:
    prior_for = named_prior(NATURAL)
    assert prior_for(photo).info.colors == 3
    assert prior_for(photo) is prior_for(photo)
    third = np.linspace(0, 1, 77)[None]  # red and green are the same but for rounding
    rounded = np.stack([third, 0.1 * third * 10, third], 2)
    for gray in (photo[..., 0], photo[..., :1], photo[..., :2], np.repeat(photo[..., :1], 3, axis=2), rounded):
        assert prior_for(gray).info.colors == 1


def test_a_file_keeps_colors(colored: DeepPrior, tmp_path: Path) -> None:
    sm.save_prior(colored, tmp_path / "c.safetensors")
    back = sm.load_prior(tmp_path / "c.safetensors")
    assert back.info == colored.info
    planes = torch.rand(1, 3, 13, 12)
    assert torch.equal(back.score(planes), colored.score(planes))


def test_a_folder_of_all_kinds_of_images(photo: np.ndarray, tmp_path: Path) -> None:
    """Each by the prior that suits it: colors, gray, gray stored as colors, with alpha; and pages of a stack."""
    noisy = np.rint(photo + np.random.default_rng(0).normal(0, 15, photo.shape)).clip(0, 255).astype(np.uint8)
    gray, alpha = np.repeat(noisy[..., :1], 3, axis=2), np.full_like(noisy[..., :1], 77)
    kinds = {"c.png": noisy, "g.png": noisy[..., 0], "s.png": gray, "a.png": np.dstack([noisy, alpha])}
    (tmp_path / "in").mkdir()
    for name, image in kinds.items():
        sm.write_image(tmp_path / "in" / name, image)
    write_pages(tmp_path / "in" / "t.tif", iter([noisy, gray]))
    assert run("denoise", tmp_path / "in", "-o", tmp_path / "out", "--sigma", 15) == 0
    found = {name: sm.read_image(tmp_path / "out" / name) for name in kinds}
    color, plain = (sm.denoise(noisy, 15, sm.load_prior(f"natural-{name}")) for name in ("color", "gray"))
    assert not np.array_equal(color, plain)
    np.testing.assert_array_equal(found["c.png"], color)
    np.testing.assert_array_equal(found["a.png"], np.dstack([color, alpha]))
    np.testing.assert_array_equal(found["s.png"], np.repeat(found["g.png"][..., None], 3, axis=2))
    pages = list(read_pages(tmp_path / "out" / "t.tif"))
    np.testing.assert_array_equal(pages[0], color)
    np.testing.assert_array_equal(pages[1], found["s.png"])


def test_a_page_that_does_not_suit_the_prior_is_named(
    colored: DeepPrior, photo: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sm.save_prior(colored, tmp_path / "c.safetensors")
    write_pages(tmp_path / "t.tif", iter([photo, np.repeat(photo[..., :1], 3, axis=2)]))
    options = ("-o", tmp_path / "out.tif", "--sigma", 25, "--prior", tmp_path / "c.safetensors")
    assert run("denoise", tmp_path / "t.tif", *options) == 1
    assert "page 2: this prior is one of images in red, green and blue" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out.tif").exists()


def test_the_seed_reaches_the_restoration(photo: np.ndarray, tmp_path: Path) -> None:
    sm.write_image(tmp_path / "in.png", photo[:48, :48])
    holes = np.zeros((48, 48), np.uint8)
    holes[20:30, 20:30] = 255
    sm.write_image(tmp_path / "holes.png", holes)
    outs = [tmp_path / f"{name}.png" for name in ("a", "b", "c")]
    for out, seed in zip(outs, (0, 0, 1), strict=True):
        assert run("inpaint", tmp_path / "in.png", "--mask", tmp_path / "holes.png", "-o", out, "--seed", seed) == 0
    first, again, other = (sm.read_image(out) for out in outs)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_colors_from_the_command_line(photo: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sm.write_image(tmp_path / "in.png", photo)
    out, options = tmp_path / "p.safetensors", ("--noisy", "--model", "deep", "--filters", 4, "--depth", 2)
    assert run("fit", tmp_path / "in.png", "-o", out, *options, "--color", "--steps", 2, "--crop", 24) == 0
    assert run("show", out, "--steps", 1, "--image", tmp_path / "in.png") == 0
    assert "in red, green and blue" in capsys.readouterr().out
    assert run("show", "natural") == 1
    assert "natural is no prior by itself: expected natural-color or natural-gray" in capsys.readouterr().err
