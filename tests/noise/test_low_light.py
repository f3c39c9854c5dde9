"""Noise that grows with brightness: the transform, its unbiased inverse, and images denoised by them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import run
from scipy import integrate, stats

import scorematching as sm
from scorematching.noise import PoissonGaussianNoise
from scorematching.noise.poisson_gaussian import Stabilizer
from scorematching.plotting.html_report import write_page
from scorematching.restoration.classics import non_local_means
from scorematching.training.data import open_images, with_noise

READ = [0.0, 0.2, 1.0, 3.0]  # photons


def seen(x: np.ndarray, gain: float, sigma: float = 0.0, offset: float = 0.0, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return offset + gain * random.poisson((x - offset) / gain) + random.normal(0, sigma, x.shape)


def moments(f: PoissonGaussianNoise, photons: float) -> tuple[float, float]:
    """Mean and standard deviation of ``f`` for unit gain, by adaptive integration, independent of the library."""
    counts = np.arange(math.ceil(photons + 12 * math.sqrt(photons) + 20))
    chances = stats.poisson.pmf(counts, photons)

    def over_read_noise(count: int, power: int) -> float:
        root = lambda t: float(f(count + f.sigma * t)) ** power * stats.norm.pdf(t)  # noqa: E731
        if not f.sigma:
            return float(f(float(count))) ** power
        edge = max(-(count + 0.375 + f.sigma**2) / f.sigma, -10.0)
        return integrate.quad(root, edge, 10, epsabs=1e-9, epsrel=1e-9, limit=200)[0]

    likely = [(chance, int(count)) for chance, count in zip(chances, counts, strict=True) if chance > 1e-12]
    mean, square = (sum(chance * over_read_noise(count, power) for chance, count in likely) for power in (1, 2))
    return mean, math.sqrt(square - mean**2)


@pytest.mark.parametrize("read", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("photons", [0.3, 3.0])
def test_the_mean_and_the_inverse_against_integration(photons: float, read: float) -> None:
    f = PoissonGaussianNoise(gain=1.0, sigma=read)
    mean, deviation = moments(f, photons)
    assert float(f.mean(photons)) == pytest.approx(mean, abs=1e-5)
    assert float(f.inverse(mean)) == pytest.approx(photons, abs=1e-5)
    assert float(f.deviation(photons)) == pytest.approx(deviation, abs=1e-4)
    if photons >= 3:
        assert deviation == pytest.approx(1, abs=0.05 if read else 0.01)


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize("photons", [3, 10, 100, 1000])
def test_noise_gets_variance_one_and_pixels_keep_their_mean(photons: float, read: float) -> None:
    """In units and at an offset of their own, by 400,000 draws; beyond the table too."""
    gain, offset = 3.5, 100.0
    x, f = offset + gain * photons, PoissonGaussianNoise(gain, gain * read, offset)
    values = f(seen(np.full(400_000, x), gain, gain * read, offset))
    assert values.std() == pytest.approx(1, abs=0.05 if read else 0.015)
    error = 4 * gain * math.sqrt((photons + read**2) / values.size)
    assert float(f.inverse(values.mean())) == pytest.approx(x, abs=error)


def test_no_light_and_strong_light() -> None:
    f = PoissonGaussianNoise(gain=2.0, sigma=1.0, offset=50.0)
    assert float(f.inverse(f.mean(50.0))) == pytest.approx(50)
    assert float(f.inverse(0.0)) == 50
    assert float(f(-1e9)) == 0
    strong = np.array([1e4, 1e6, 1e9])
    np.testing.assert_allclose(f.inverse(f.mean(strong)), strong, rtol=1e-12)


def test_planes_go_there_and_back() -> None:
    stabilizer = Stabilizer(PoissonGaussianNoise(4.0, 3.0, 20.0), data_range=255.0)
    planes = torch.linspace(20 / 255, 1, 50).view(1, 1, 5, 10)
    shown = stabilizer.mean(planes)
    assert (float(shown.min()), float(shown.max())) == pytest.approx((0, 1), abs=0.02)
    torch.testing.assert_close(stabilizer.inverse(shown).float(), planes, rtol=0, atol=1e-5)


@pytest.mark.parametrize("photons", [0.0, 0.2, 1.0, 3.0, 30.0])
def test_the_noise_of_planes_has_its_level_in_the_dark_too(photons: float) -> None:
    """What the transform leaves too little of is added, and the mean stays."""
    stabilizer = Stabilizer(PoissonGaussianNoise(2.0), data_range=255.0)
    clean = torch.full((1, 1, 300, 400), 2 * photons / 255, dtype=torch.float64)
    noisy = torch.from_numpy(seen(255 * clean.numpy(), 2.0) / 255)
    shown = stabilizer.forward(noisy)
    assert float(shown.std()) == pytest.approx(stabilizer.level, rel=0.02)
    error = 4 * stabilizer.level / math.sqrt(shown.numel())
    assert float(shown.mean()) == pytest.approx(float(stabilizer.mean(clean).mean()), abs=error)
    torch.testing.assert_close(stabilizer.forward(noisy), shown, rtol=0, atol=0)


@pytest.mark.parametrize("read", [0.0, 2.0])
def test_a_photograph_in_low_light(photograph: np.ndarray, read: float) -> None:
    """More than a decibel better than by the best single level; blacks stay black, and pixels keep their mean."""
    gain, prior = 255 / 10, sm.load_prior("natural-gray")
    clean = photograph.astype(np.float64)
    clean[:40, :40] = 0
    noisy = seen(clean, gain, gain * read)
    restored = sm.denoise(noisy, gain * read, prior, gain=gain, data_range=255)
    level = np.sqrt(gain * clean.mean() + (gain * read) ** 2)
    single = 255 * non_local_means(noisy / 255, level / 255, clean / 255)
    assert sm.psnr(clean, restored, 255) > sm.psnr(clean, single, 255) + 1
    assert np.abs(restored[4:36, 4:36]).max() < 0.1 * 255
    assert restored.mean() == pytest.approx(noisy.mean(), rel=0.01)


def test_an_offset_stays_and_units_do_not_matter(photograph: np.ndarray, prior: sm.Prior) -> None:
    noisy = seen(40 + 0.8 * photograph, 2.0, 1.0)  # bright enough that no noise is added
    plain = sm.denoise(noisy, 1, prior, gain=2, data_range=255)
    shifted = sm.denoise(noisy + 100, 1, prior, gain=2, offset=100, data_range=355)
    scaled = sm.denoise(noisy * 8, 8, prior, gain=16, data_range=255 * 8)
    np.testing.assert_allclose(shifted - 100, plain, atol=1e-2)
    np.testing.assert_allclose(scaled / 8, plain, atol=1e-3)


def test_a_prior_is_learned_from_the_stabilized_image(photograph: np.ndarray, tmp_path: Path) -> None:
    clean = np.tile(photograph, (2, 2)).astype(np.float64)
    noisy, options = seen(clean, 8.0), {"noisy": True, "gain": 8.0, "data_range": 255.0}
    result = sm.fit([noisy], clean=[clean], steps=80, size=3, filters=8, crop=32, **options)
    stabilizer = Stabilizer(PoissonGaussianNoise(8.0), 255.0)
    assert result.prior.info.sigma == pytest.approx(stabilizer.level)
    assert result.prior.info.data == "1 noisy, stabilized (gain 8) images: array 0"
    assert result.expected_psnr == pytest.approx(result.psnr, abs=0.5)
    restored = sm.denoise(noisy, 0, result.prior, gain=8.0, data_range=255)
    assert sm.psnr(clean, restored, 255) > sm.psnr(clean, noisy, 255) + 6
    write_page(tmp_path / "it.html", noisy, restored, stabilizer.noise, title="it", data_range=255)
    page = (tmp_path / "it.html").read_text()
    assert "gain 8, read noise 0 of 255, as given" in page


def test_clean_planes_are_compared_with_the_mean_of_stabilized_ones() -> None:
    (noisy,), level = with_noise(open_images(np.full((16, 16), 4.0), data_range=100), None, gain=4.0)
    stabilizer = Stabilizer(PoissonGaussianNoise(4.0), 100.0)
    mean = stabilizer.mean(torch.full((16, 16), 0.04))
    assert (noisy[0].sigma, noisy[0].contrast) == (level, 1)
    torch.testing.assert_close(replace(noisy[0], sigma=0.0).pixels()[0], mean)


def test_each_image_may_have_its_own_read_noise(photograph: np.ndarray) -> None:
    info = sm.fit(
        [photograph, photograph], sigma=[2.0, 9.0], noisy=True, gain=5.0, steps=2, size=3, filters=4, crop=16
    ).prior.info
    expected = [Stabilizer(PoissonGaussianNoise(5.0, sigma), 255.0).level for sigma in (2.0, 9.0)]
    assert info.levels == pytest.approx(sorted(expected))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma": 1, "gain": 0.0}, "gain must be a positive number, got 0.0"),
        ({"sigma": 1, "gain": float("nan")}, "gain must be a positive number, got nan"),
        ({"sigma": -1, "gain": 2.0}, "sigma, with a gain the read noise alone, must be a number of 0 or more, got -1"),
        ({"sigma": 1, "gain": 2.0, "offset": float("inf")}, "offset must be a number, got inf"),
        ({"sigma": 1, "gain": 2.0, "offset": 255}, "offset must lie below white, 255, got 255"),
        ({"sigma": 1, "offset": 3.0}, "give the gain too, got offset 3"),
        ({"sigma": 0}, "sigma must be a number above 0, got 0"),
    ],
)
def test_what_can_not_be(photograph: np.ndarray, prior: sm.Prior, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sm.denoise(photograph, prior=prior, **options)
    if options["sigma"]:
        with pytest.raises(ValueError, match=message):
            sm.fit([photograph], noisy=True, steps=2, **options)


def test_a_gain_is_for_noisy_images(photograph: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"for images that are noisy already \(noisy\), got 2.0 and 0.0"):
        sm.fit([photograph], sigma=3, gain=2.0, steps=2)


def test_the_command_line(
    photograph: np.ndarray, prior_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Learned from the image itself; a prior of a file is told of the stabilized level."""
    counts = np.random.default_rng(0).poisson(photograph / 20.0)
    image, out, page = tmp_path / "dark.tif", tmp_path / "clean.tif", tmp_path / "it.html"
    sm.write_image(image, (100 + 20 * counts).astype(np.uint16))
    noise = ("--gain", 20, "--offset", 100, "--white", 355)
    own = ("--prior", "self", "--steps", 60)
    assert run("denoise", image, "-o", out, *noise, *own, "--report", page) == 0
    assert "noise given: gain 20, read noise 0, offset 100" in " ".join(capsys.readouterr().out.split())
    assert "gain 20, read noise 0, offset 100 of 355" in page.read_text()
    noisy, clean = sm.read_image(image), sm.read_image(out)
    assert sm.psnr(photograph + 100.0, clean, 355) > sm.psnr(photograph + 100.0, noisy, 355) + 5
    assert run("denoise", image, "-o", out, *noise, "--prior", prior_file) == 0
    assert "to use it at 59 of the stabilized image (white: 355)" in " ".join(capsys.readouterr().out.split())
    assert run("fit", image, "-o", tmp_path / "p.safetensors", "--noisy", *noise, "--steps", 2, "--crop", 24) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "noisy images held out, stabilized" in said
    assert "noise levels found" not in said
