"""Fitting: what it learns, that it repeats itself bit for bit, that it goes on after an interruption."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import scorematching as sm
from scorematching.training.crops import CropStream
from scorematching.training.data import Plane, open_images, with_noise

QUICK = {"size": 3, "filters": 8, "crop": 16, "batch": 4}


@pytest.fixture
def noisy(photograph: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 25, photograph.shape)
    return np.rint(np.clip(photograph + noise, 0, 255)).astype(np.uint8)


@pytest.mark.parametrize("model", ["foe", "pot"])
def test_the_loss_falls_and_the_best_state_is_kept(noisy: np.ndarray, model: str) -> None:
    sizes = QUICK if model == "foe" else QUICK | {"filters": 16}
    result = sm.fit([noisy], sigma=25, noisy=True, model=model, steps=120, **sizes)
    held_out = [row[2] for row in result.history]
    assert result.best == min(held_out) < held_out[0] - 0.002
    assert len(result.history) == 10


def test_the_loss_predicts_the_error_of_the_denoiser(photograph: np.ndarray) -> None:
    """SURE = sigma^4 2J + D sigma^2: known from noisy images alone, within 0.3 dB of the truth."""
    clean = np.tile(photograph, (3, 3)) / np.float32(255)
    noise = np.random.default_rng(1).normal(0, 0.1, clean.shape)
    result = sm.fit([(clean + noise).astype(np.float32)], sigma=0.1, noisy=True, steps=150)
    held_out = clean[-clean.shape[0] // 10 :]
    fresh = (held_out + np.random.default_rng(2).normal(0, 0.1, held_out.shape)).astype(np.float32)
    restored = sm.denoise(fresh, 0.1, result.prior, data_range=1.0)
    assert result.expected_psnr == pytest.approx(sm.psnr(held_out, restored), abs=0.3)
    assert sm.psnr(held_out, restored) > sm.psnr(held_out, fresh) + 4


@pytest.mark.parametrize("options", [{"model": "foe"}, {"model": "pot"}, {"expert": "spline", "octaves": 2}])
def test_the_same_seed_gives_the_same_file(noisy: np.ndarray, options: dict[str, object], tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        result = sm.fit([noisy], sigma=25, noisy=True, steps=12, seed=seed, **options, **QUICK)
        sm.save_prior(result.prior, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()


@pytest.mark.parametrize("model", ["foe", "pot"])
def test_an_interrupted_training_ends_as_if_it_had_not_been(
    noisy: np.ndarray, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scorematching.training.trainer.SECONDS_BETWEEN_SAVES", 0.0)

    def stop(state: sm.training.Progress) -> None:
        if state.step == 15 and stopping:
            raise KeyboardInterrupt

    checkpoint = tmp_path / "training"
    files = []
    for stopping in (False, True):
        try:
            result = sm.fit(
                [noisy], sigma=25, noisy=True, steps=30, model=model, checkpoint=checkpoint, progress=stop, **QUICK
            )
        except KeyboardInterrupt:
            assert checkpoint.exists()
            assert stopping
            result = sm.fit([noisy], sigma=25, noisy=True, steps=30, model=model, checkpoint=checkpoint, **QUICK)
        checkpoint.unlink()
        sm.save_prior(result.prior, tmp_path / "prior")
        files.append(((tmp_path / "prior").read_bytes(), result.history))
    assert files[0] == files[1]


def test_a_checkpoint_of_another_training_is_refused(
    noisy: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scorematching.training.trainer.SECONDS_BETWEEN_SAVES", 0.0)

    def stop(state: sm.training.Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sm.fit([noisy], sigma=25, noisy=True, steps=30, checkpoint=tmp_path / "t", progress=stop, **QUICK)
    with pytest.raises(ValueError, match="not the checkpoint of this training"):
        sm.fit([noisy], sigma=25, noisy=True, steps=31, checkpoint=tmp_path / "t", **QUICK)


def test_clean_images_with_lam_and_with_fresh_noise(photograph: np.ndarray) -> None:
    clean = sm.fit([photograph], steps=20, **QUICK).prior.info
    assert (clean.sigma, clean.lam) == (0, 0.2)
    fresh = sm.fit([photograph], sigma=10, steps=20, **QUICK).prior.info
    assert (fresh.sigma, fresh.lam, fresh.unit) == (10 / 255, 0, 10 / 255)


def test_folders_colors_and_sixteen_bits(photograph: np.ndarray, tmp_path: Path) -> None:
    wide = photograph.astype(np.uint16) * 257
    for i in range(3):
        sm.write_image(tmp_path / f"{i}.tif", np.stack([wide] * 3, 2))
    info = sm.fit(tmp_path, sigma=25 * 257, noisy=True, steps=3, **QUICK).prior.info
    assert info.sigma == pytest.approx(25 / 255)
    assert info.data == "3 noisy images: 0.tif, 1.tif, 2.tif"


def test_files_that_do_not_fit_into_memory_are_read_when_needed(
    noisy: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(3):
        sm.write_image(tmp_path / f"{i}.png", noisy[i:])
    kept = sm.fit(tmp_path, sigma=25, noisy=True, steps=5, **QUICK)
    monkeypatch.setattr("scorematching.training.data.MEMORY", noisy.nbytes)
    read = sm.fit(tmp_path, sigma=25, noisy=True, steps=5, **QUICK)
    assert read.history == kept.history


def test_small_images_are_left_out_and_named(photograph: np.ndarray) -> None:
    with pytest.warns(UserWarning, match="smaller than a crop of 16 pixels: array 2"):
        sm.fit([photograph, photograph, photograph[:9, :9]], sigma=25, steps=2, **QUICK)


def test_white_may_be_said(photograph: np.ndarray) -> None:
    twelve = photograph.astype(np.uint16) * 16
    info = sm.fit([twelve, twelve], sigma=400, data_range=4080, steps=2, **QUICK).prior.info
    assert info.sigma == pytest.approx(25 / 255)


def test_crops_depend_on_seed_and_number_alone() -> None:
    random = np.random.default_rng(0)
    planes = [*open_images(np.ones((30, 40)))[0], *open_images([random.random((50, 20, 3))])[0]]
    one, two, other = (CropStream(planes, 8, 6, sigma=0.1, seed=s) for s in (1, 1, 2))
    assert one[5].pixels.shape == (6, 1, 8, 8)
    assert torch.equal(one[5].pixels, two[5].pixels)
    assert not torch.equal(one[5].pixels, one[6].pixels)
    assert not torch.equal(one[5].pixels, other[5].pixels)


def test_blind_crops_know_their_share_of_the_noise() -> None:
    """Every fourth one has less; the contrast is lowered with the noise."""
    planes = open_images(np.ones((30, 40)))[0]
    plain, blind = (CropStream(planes, 8, 8, seed=1, blind=blind)[3] for blind in (False, True))
    assert torch.equal(plain.noise, torch.ones(8))
    assert int((blind.noise < 1).sum()) == 2
    torch.testing.assert_close(blind.pixels, plain.pixels * blind.noise[:, None, None, None])


def test_blind_crops_noisier_than_the_highest_level_are_as_they_are() -> None:
    planes = [replace(plane, sigma=s) for s in (0.05, 0.3) for plane in open_images(np.ones((30, 40)))[0]]
    stream = CropStream(planes, 8, 32, blind=True, max_sigma=0.2)
    shares = torch.cat([stream[number].noise for number in range(8)])
    assert float(shares.max()) == 1
    assert float(shares.min()) >= 0.05 / 0.2


def added_noise(planes: list[Plane], told: float, **options: Any) -> tuple[CropStream, float, float]:
    """A stream with noise added: the deviation of flat crops from their means, and what Stein's lemma has of them.

    Both in units of the noise told.
    """
    stream = CropStream(planes, crop=8, batch=64, seed=1, **options)
    batches = [stream[number] for number in range(40)]
    pixels, added = (torch.cat(t) / told for t in zip(*((c.pixels, c.added) for c in batches), strict=True))
    noise = pixels - pixels.mean((1, 2, 3), keepdim=True)
    rest = torch.cat([c.pixels[stream.own :] for c in batches]) / told
    return stream, float(noise.var(correction=0) * 64 / 63), float((rest * added).mean())


def test_noise_that_is_added_brings_crops_to_one_level() -> None:
    """Of flat noisy images, the whole noise is that told; what was added has the mean product that Stein wants."""
    random = np.random.default_rng(0)
    levels = [0.02, 0.05, 0.1]
    flat = [(0.5 + s * random.standard_normal((96, 96))).astype(np.float32) for s in levels]
    images, told = with_noise(open_images(flat, 1.0), levels)
    planes = [plane for image in images for plane in image]
    stream, variance, product = added_noise(planes, told, max_sigma=0.12)
    assert stream.own == 16
    assert variance == pytest.approx(1, abs=0.02)
    assert product == pytest.approx(1, abs=0.05)
    clean = open_images(np.full((30, 40), 0.5))[0]
    stream, variance, product = added_noise(clean, 0.1, sigma=0.1, max_sigma=0.4)
    assert stream.own == 0
    assert variance == pytest.approx(1, abs=0.02)
    assert product == pytest.approx(1, abs=0.02)
    with pytest.raises(
        ValueError, match=r"1\.41 times the noise of some image or more: the least is 0\.02, got 0\.025"
    ):
        CropStream(planes, crop=8, batch=4, max_sigma=0.025)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_sigma": 50.0}, "highest is for deep priors without lam, got model 'foe'"),
        ({"model": "deep", "max_sigma": 50.0}, "highest needs the lowest level"),
        ({"model": "deep", "blind": True}, "blind needs the lowest level"),
        ({"model": "deep", "sigma": 25.0, "max_sigma": 20.0}, "highest must be sigma, 25, or more, got 20"),
        (
            {"model": "deep", "noisy": True, "sigma": 25.0, "max_sigma": -1.0},
            "highest must be a number above 0, got -1",
        ),
        ({"model": "deep", "noisy": True, "gain": 2.0, "max_sigma": 50.0}, "not for a gain"),
        ({"model": "deep", "depth": 3}, "an even depth"),
        ({"model": "deep", "size": 1}, "an odd size of 3 or more, got .* size 1"),
        ({"clean": []}, "clean is for images that are noisy already"),
        ({"sigma": -1.0}, "sigma must be a number of 0 or more, got -1"),
        ({"sigma": float("nan")}, "got nan"),
        ({"noisy": True, "sigma": 0.0}, "array 0: the noise level must be above 0, got 0"),
        ({"sigma": [1.0, 2.0]}, "sigma must be one number, only noisy images have one each"),
        ({"sigma": np.array([1.0, 2.0])}, "only noisy images have one each"),
        ({"steps": 0}, "steps must be a whole number of 1 or more, got 0"),
        ({"crop": 0}, "crop must be a whole number"),
        ({"batch": 1.5}, "batch must be a whole number"),
        ({"batch": 4.0}, "batch must be a whole number of 1 or more, got 4.0"),
        ({"steps": 3.0}, "steps must be a whole number of 1 or more, got 3.0"),
        ({"steps": True}, "steps must be a whole number of 1 or more, got True"),
        ({"size": 3.0}, "size must be a whole number of 0 to 64, got 3.0"),
        ({"rate": 0.0}, "rate must be a number above 0, got 0.0"),
        ({"rate": float("inf")}, "rate must be a number above 0, got inf"),
        ({"lam": -1.0}, "lam must be"),
        ({"model": "gan"}, "model must be 'foe', 'pot' or 'deep', got 'gan'"),
        ({"size": 30}, "96 rows is too small to fit to: it takes 120 or more"),
        ({"size": 65}, "size must be a whole number of 0 to 64"),
        ({"filters": 99}, "1 ... size\\^2 - 1 filters"),
        ({"seed": -1}, "seed must be a whole number of 0 or more"),
    ],
)
def test_bad_options(photograph: np.ndarray, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sm.fit([photograph], **{"steps": 2, **options})


def test_numbers_of_numpy_are_numbers(photograph: np.ndarray, tmp_path: Path) -> None:
    counts = {name: np.int64(n) for name, n in {"size": 3, "filters": 8, "steps": 2, "batch": 4, "crop": 16}.items()}
    options = {"sigma": np.float32(25), "lam": np.float32(0), "rate": np.float32(0.01), "data_range": np.float32(255)}
    for noisy in (True, False):
        checkpoint = tmp_path / f"training{noisy}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("scorematching.training.trainer.SECONDS_BETWEEN_SAVES", 0.0)
            prior = sm.fit([photograph], noisy=noisy, checkpoint=checkpoint, **options, **counts).prior
        assert checkpoint.exists()
        assert prior.info.sigma == 25 / 255
        sm.save_prior(prior, tmp_path / "p.safetensors")
        assert sm.load_prior(tmp_path / "p.safetensors").info == prior.info


def test_bad_data(photograph: np.ndarray) -> None:
    with pytest.raises(FileNotFoundError, match="no image was given"):
        sm.fit([])
    with pytest.raises(ValueError, match="differ in their white: 255 in array 0, 65535 in array 1"):
        sm.fit([photograph, photograph.astype(np.uint16)])
    with pytest.raises(ValueError, match="loss became"):
        sm.fit([photograph], sigma=25, steps=50, rate=1e30)
