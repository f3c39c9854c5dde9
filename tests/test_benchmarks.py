"""Benchmarks: the contests, the least work of a step, and the tables of restoration. No speed is asserted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import typer

import scorematching as sm
from benchmarks.contest import Contestant, Result, Rules, hold
from benchmarks.contestant import reason
from benchmarks.error_bars import calibrated, errorbars
from benchmarks.image_peers import _denoised, bm3d_with_noise, installed
from benchmarks.networks import Convolutional, Dense, Field, multiplications, products
from benchmarks.peers import products_step
from benchmarks.real import real
from benchmarks.restoration import restoration
from benchmarks.simulated import simulated
from benchmarks.simulated_noise import cases, noise_of_residual
from benchmarks.tables import contest_table
from benchmarks.tasks import chosen
from scorematching.images.photographs import held_out_photograph

MEGABYTES = 64


def working_step() -> Callable[[], object]:
    """Return a step that allocates and frees memory."""
    return lambda: np.ones(MEGABYTES * 10**6, np.uint8).sum()


def failing_step() -> Callable[[], object]:
    def step() -> None:
        raise ValueError("nothing to see\nhere")

    return step


def slow_step() -> Callable[[], object]:
    return lambda: time.sleep(60)


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    """Results of one contest, for all tests."""
    builders = (working_step, failing_step, slow_step)
    found = hold([Contestant(build.__name__, build) for build in builders], Rules(call=1.0, turns=3))
    return {result.name: result for result in found}


def test_time_and_memory_of_a_contestant_are_measured(results: dict[str, Result]) -> None:
    working = results["working_step"]
    assert working.failure is None
    assert len(working.seconds) == 3
    assert working.median > 0
    assert working.memory == pytest.approx(MEGABYTES * 1e6, rel=0.1)


@pytest.mark.parametrize(("name", "why"), [("failing_step", "ValueError: nothing to see"), ("slow_step", "too slow")])
def test_a_failed_contestant_has_a_reason(results: dict[str, Result], name: str, why: str) -> None:
    assert results[name].failure == why
    assert results[name].median is None


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ModuleNotFoundError("No module named 'folx'", name="folx"), "not installed"),
        (ModuleNotFoundError("No module named 'benchmarks.x'", name="benchmarks.x"), "ModuleNotFoundError: No module"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory"),
        (MemoryError(), "out of memory"),
    ],
)
def test_the_reason_of_an_error_is_short(error: Exception, why: str) -> None:
    assert reason(error).startswith(why)


def test_a_table_has_a_row_for_each_contestant(results: dict[str, Result]) -> None:
    table = contest_table([result.record() for result in results.values()], against=("working_step",))
    rows = table.splitlines()[2:]
    assert len(rows) == len(results)
    assert rows[0].startswith("| working_step |")
    assert rows[0].endswith("| 1.00 |")
    assert "| too slow |" in rows[2]


def test_a_product_of_experts_needs_eight_or_five_products() -> None:
    network = Dense((144, 256))
    assert multiplications(network, 10, lam=1e-3) == 8 * 10 * 144 * 256
    assert multiplications(network, 10, lam=0.0) == 5 * 10 * 144 * 256


def test_a_field_of_experts_multiplies_all_patches() -> None:
    assert multiplications(Field(48, 7, 48), 16, lam=1e-3) == 8 * 48 * 49 * 16 * 42 * 42


def test_each_further_layer_needs_nine_products() -> None:
    sizes = [(3, 5), (5, 7), (7, 2)]
    expected = {0.0: 5 * 15 + 9 * (35 + 14), 1e-3: 8 * 15 + 9 * (35 + 14)}
    for lam, count in expected.items():
        assert multiplications(Dense((3, 5, 7, 2)), 1, lam) == count
        assert len(list(products(Dense((3, 5, 7, 2)), lam))) == (5 if lam == 0 else 8) + 9 * (len(sizes) - 1)


def test_each_convolution_multiplies_the_patches_of_its_input() -> None:
    network = Convolutional((4, 6), 3, 10)
    assert multiplications(network, 2, 0.0) == 2 * (5 * 4 * 9 * 8 * 8 + 9 * 6 * 4 * 9 * 6 * 6)


@pytest.mark.parametrize("network", [Dense((3, 5, 4)), Field(4, 3, 8), Convolutional((2, 3), 3, 8)])
def test_the_products_have_matching_shapes(network: Dense | Field | Convolutional) -> None:
    products_step(network, batch=2, lam=1e-3)()


def test_restoration_improves_on_its_input(
    photograph: np.ndarray, prior: sm.Prior, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The PSNR rises for grayscale, color and 8-bit images, and for enlarging."""
    gray, colored = tmp_path / "gray", tmp_path / "colored"
    for folder, image in ((gray, photograph), (colored, np.stack([photograph, 255 - photograph, photograph], 2))):
        folder.mkdir()
        sm.write_image(folder / "it.png", image)
    sm.save_prior(prior, tmp_path / "prior.safetensors")
    options = {"denoise": [gray], "color": colored, "enlarge": gray, "sigma": [25.0], "factor": [2]}
    restoration(prior=[tmp_path / "prior.safetensors"], **options, eight=True, others=False, output=tmp_path)
    printed = capsys.readouterr().out
    assert "| gray, 8 bit, sigma 25 | PSNR (dB) | SSIM |" in printed
    tables = json.loads((tmp_path / "restoration.json").read_text())["restoration"]
    assert [table["title"] for table in tables][1:] == ["colored, color, 8 bit, sigma 25", "gray, enlarged by 2"]
    for table in tables:
        before, after, *_ = table["scores"].values()
        assert after["psnr"] > before["psnr"] + 1


def test_restoration_of_the_usual_test_sets(
    photograph: np.ndarray, prior: sm.Prior, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, image in (("BSD68", photograph), ("Set12", photograph), ("Set5", np.stack([photograph] * 3, 2))):
        (tmp_path / name).mkdir()
        sm.write_image(tmp_path / name / "it.png", image)
    sm.save_prior(prior, tmp_path / "prior.safetensors")
    options = {"sigma": [25.0], "factor": [2], "others": False, "output": tmp_path}
    restoration(tmp_path, [tmp_path / "prior.safetensors"], **options)
    printed = capsys.readouterr().out
    for title in ("BSD68, sigma 25", "Set12, sigma 25", "Set5, color, sigma 25", "Set5, enlarged by 2"):
        assert f"| {title} | PSNR (dB) | SSIM |" in printed
    with pytest.raises(typer.BadParameter, match="expected DATA"):
        restoration(prior=[tmp_path / "prior.safetensors"], **options)


def test_error_bars_are_compared_with_errors(
    photograph: np.ndarray, prior: sm.Prior, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "BSD68").mkdir()
    for name in ("a", "b"):
        sm.write_image(tmp_path / "BSD68" / f"{name}.png", photograph)
    sm.save_prior(prior, tmp_path / "prior.safetensors")
    options = {"prior": str(tmp_path / "prior.safetensors"), "sigma": [25.0], "photons": [50.0], "output": tmp_path}
    errorbars(tmp_path, images=1, crop=60, **options)
    printed = capsys.readouterr().out
    for row in ("| 1 images | 1 | 2 |", "| sigma 25 | ", "| 50 photons | "):
        assert row in printed
    (white, _) = json.loads((tmp_path / "errorbars.json").read_text())["errorbars"]
    assert white["predicted"] == sorted(white["predicted"])


def test_calibrated_error_bars_have_ratios_of_one() -> None:
    random = np.random.default_rng(0)
    std = [random.uniform(1, 5, (100, 200)), random.uniform(2, 9, (150, 150))]
    predicted, true, whole = calibrated([(one, one * random.standard_normal(one.shape)) for one in std])
    np.testing.assert_allclose(true / predicted, 1, atol=0.06)
    assert whole == pytest.approx(1, abs=0.03)


def test_real_photographs_are_compared_with_their_clean_versions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clean = 255 * held_out_photograph("chelsea", color=True)[60:124, 150:214]
    noisy = sm.GaussianNoise(15).simulate(clean).clip(0, 255)
    for name, image in {"cat_real": noisy, "cat_mean": clean}.items():
        sm.write_image(tmp_path / f"{name}.png", np.rint(image).astype(np.uint8))
    real(tmp_path, "natural-color", None, peers=False)
    header, _, row, mean = capsys.readouterr().out.splitlines()
    assert header.count("|") == row.count("|") == mean.count("|") == 5
    before, after, best = (float(cell.split(",")[0]) for cell in row.split("|")[2:5])
    assert before + 5 < after <= best + 0.5


@pytest.mark.parametrize("color", [False, True])
def test_simulated_noise_is_found_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], color: bool) -> None:
    clean = 255 * held_out_photograph("chelsea", color)[60:124, 150:214]
    sm.write_image(tmp_path / "cat.png", np.rint(clean).astype(np.uint8))
    simulated(tmp_path, crop=48, case=["100 photons", "quality 95, level 20"])
    header, _, photons, jpeg = capsys.readouterr().out.splitlines()
    assert header.split(" | ") == ["| 1 images", "noisy", "no setting", "told", "difference", "worst", "found |"]
    for row in (photons, jpeg):
        noisy, found, told, difference, worst = (float(cell) for cell in row.split("|")[2:7])
        assert told > noisy + 2
        assert difference == worst == pytest.approx(found - told, abs=0.011)


@pytest.mark.parametrize("color", [False, True])
def test_simulated_noise_has_its_level(color: bool) -> None:
    clean = np.full((120, 160, 3) if color else (120, 160), 128.0)
    jpeg = 7.5 if color else 10  # the colors of JPEG files have half the resolution
    levels = {"blurred": 15, "JPEG quality 95, level 10": jpeg, "Bayer": 7.6, "100 photons": 18.2}
    for name, case in cases(color).items():
        noisy = case.add(clean, np.random.default_rng(0)).astype(float)
        for start, level in levels.items():
            if name.startswith(start):
                assert np.std(noisy - clean) == pytest.approx(level, rel=0.05), name


def test_the_noise_of_a_residual_is_that_of_its_model() -> None:
    row = np.array([1.0, 2.0, 3.0, 2.0, 1.0])
    colors = np.array([[1.0, 0.5, 0.0], [0.5, 1.0, 0.2], [0.0, 0.2, 2.0]])
    noise = sm.CorrelatedNoise(colors[..., None, None] * np.outer(row, row))
    found = noise_of_residual(noise.simulate(np.zeros((300, 400, 3))), reach=12)
    np.testing.assert_allclose(found.autocovariance[..., 10:15, 10:15], noise.autocovariance, atol=1.5)


def test_methods_are_chosen_by_parts_of_their_names() -> None:
    assert chosen({"BM3D": 1, "told": 2}, ["to", "x"]) == {"told": 2}
    with pytest.raises(typer.BadParameter, match="none of BM3D contains x"):
        chosen({"BM3D": 1}, ["x"])


def test_a_missing_package_is_left_out_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert installed("numpy", "")
    assert not installed("no_such_package.at_all", "pip install it")
    printed = " ".join(capsys.readouterr().err.split())
    assert printed == "no_such_package is not installed and is left out: pip install it"


@pytest.mark.parametrize("name", ["natural-gray-small", "natural-color"])
def test_the_differentiable_denoiser_is_the_usual_one(name: str) -> None:
    prior = sm.load_prior(name).requires_grad_(False)
    x = torch.rand(2, 3, 45, 50, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = _denoised(prior, x)
    found.square().sum().backward()
    assert x.grad is not None
    assert float(x.grad.abs().min()) > 0
    with torch.no_grad():
        torch.testing.assert_close(_denoised(prior, x), found, atol=1e-4, rtol=0)


def test_bm3d_takes_each_noise_model() -> None:
    pytest.importorskip("bm3d")
    clean = np.full((48, 48), 100.0)
    lags = np.zeros((3, 3))
    lags[1] = 50, 100, 50
    for noise in (sm.GaussianNoise(10), sm.CorrelatedNoise(lags), sm.PoissonGaussianNoise(2.0, 0.0, 3.0)):
        noisy = noise.simulate(clean)
        assert np.abs(bm3d_with_noise(noisy, noise) - clean).mean() < np.abs(noisy - clean).mean() / 2
