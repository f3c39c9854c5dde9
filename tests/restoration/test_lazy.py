"""Arrays of dask, Zarr and xarray: tile by tile, as in memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import torch
import xarray as xr
import zarr

import scorematching as sm
from scorematching.noise import NoiseModel
from scorematching.restoration import tiled

SIDE = 64


@pytest.fixture(autouse=True)
def _small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiled.tiles, "__defaults__", (SIDE,))


@pytest.fixture
def deep() -> sm.Prior:
    """A deep prior that is not trained, with tiles of its own that fit into those of the image."""
    prior = sm.priors.DeepPrior(sm.DeepConfig(channels=8, depth=4), noise=25 / 255)
    prior.tile = 32
    for parameter in prior.parameters():
        torch.nn.init.normal_(parameter, std=0.08, generator=torch.Generator().manual_seed(0))
    prior.constrain()
    return prior


def scene(height: int = 150, width: int = 200) -> np.ndarray:
    rows, columns = np.indices((height, width))
    return 100 + 50 * np.sin(rows / 9) * np.cos(columns / 13) + 30 * (columns > 90)


def test_white_noise_is_removed_bit_for_bit_as_in_memory(deep: sm.Prior) -> None:
    noisy = sm.GaussianNoise(25).simulate(scene()).astype(np.float32)
    lazy = sm.denoise(da.from_array(noisy, chunks=(70, 90)), 25, deep, data_range=255)
    assert isinstance(lazy, da.Array)
    assert lazy.chunks == ((64, 64, 22), (64, 64, 64, 8))
    whole = sm.denoise(noisy, 25, deep, data_range=255)
    assert abs(whole - noisy).mean() > 0.5
    assert np.array_equal(lazy.compute(), whole)


BLURRED = sm.CorrelatedNoise(64.0 * np.outer([0.3, 0.7, 1, 0.7, 0.3], [0.3, 0.7, 1, 0.7, 0.3]))
KINDS: dict[str, NoiseModel] = {
    "photons": sm.PoissonGaussianNoise(gain=20.0, offset=5.0, sigma=2.0),
    "correlated": BLURRED,
    "growing, correlated": sm.ModulatedNoise(sm.PoissonGaussianNoise(gain=3.0), BLURRED),
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_other_noise_is_removed_as_in_memory_to_rounding(kind: str) -> None:
    noise = KINDS[kind]
    noisy = noise.simulate(scene(), seed=1).astype(np.float32)
    whole = sm.denoise(noisy, noise, "natural-gray-small", data_range=255)
    lazy = sm.denoise(da.from_array(noisy, chunks=75), noise, "natural-gray-small", data_range=255).compute()
    assert np.abs(whole - noisy).mean() > 2
    np.testing.assert_allclose(lazy, whole, atol=2e-3)


def test_noise_is_found_from_the_image_as_in_memory() -> None:
    noisy = sm.GaussianNoise(20).simulate(scene(60, 64)).clip(0, 255).astype(np.uint8)
    assert np.array_equal(sm.denoise(da.from_array(noisy, chunks=50)).compute(), sm.denoise(noisy))


def hot(image: np.ndarray) -> np.ndarray:
    image[100, 120] = 4000
    return image


def with_holes(image: np.ndarray) -> np.ndarray:
    image[:70, :70] = np.nan
    image[100, 120] = np.inf
    return image


def dark(image: np.ndarray) -> np.ndarray:
    return (image - 90).clip(0, None)


@pytest.mark.parametrize("spoil", [hot, with_holes, dark])
def test_spikes_missing_and_clipped_pixels_are_treated_as_in_memory(spoil, deep: sm.Prior) -> None:
    noisy = spoil(sm.GaussianNoise(15).simulate(scene()).astype(np.float32))
    whole = sm.denoise(noisy, 15, deep, data_range=255)
    np.testing.assert_allclose(sm.denoise(da.from_array(noisy), 15, deep, data_range=255), whole, atol=2e-3)


def test_colors_and_alpha_are_treated_as_in_memory() -> None:
    color = sm.GaussianNoise(20).simulate(scene()[..., None] * [1.0, 0.8, 0.5]).clip(0, 255)
    alpha = np.where(np.arange(200) < 70, 0, 255) * np.ones((150, 1))
    image = np.concatenate([color, alpha[..., None]], 2).astype(np.uint8)
    gray = np.repeat(image[..., :1], 3, 2)
    for one in (image, gray):
        found, whole = sm.denoise(da.from_array(one, chunks=80), 20).compute(), sm.denoise(one, 20)
        assert np.abs(found.astype(int) - whole).max() <= 1
        assert np.mean(found != whole) < 1e-3


def test_axes_come_in_any_order_and_white_is_that_of_the_whole_array(deep: sm.Prior) -> None:
    movie = np.stack([sm.GaussianNoise(5).simulate(scene(60, 80), k) * (k + 1) for k in range(3)], 1).astype(np.float32)
    assert movie.max() > 400
    whole = sm.denoise(movie, 9, deep, axes="YTX")
    found = sm.denoise(da.from_array(movie, chunks=(60, 2, 30)), 9, deep, axes="YTX")
    assert np.array_equal(found.compute(), whole)


def test_zarr_and_xarray_come_back_lazily(tmp_path: Path, deep: sm.Prior) -> None:
    noisy = sm.GaussianNoise(25).simulate(np.stack([scene(60, 80)] * 2)).astype(np.float32)
    stored = zarr.open_array(tmp_path / "movie.zarr", mode="w", shape=noisy.shape, dtype="f4", chunks=(1, 30, 80))
    stored[:] = noisy
    whole = sm.denoise(noisy, 25, deep, axes="TYX", data_range=255)
    assert np.array_equal(sm.denoise(stored, 25, deep, axes="TYX", data_range=255).compute(), whole)
    named = xr.DataArray(noisy, dims=("time", "y", "x"), coords={"time": [3.0, 4.0]}, attrs={"unit": "counts"})
    for array in (named, named.chunk(30)):
        found = sm.denoise(array, 25, deep, data_range=255)
        assert found.chunks is None or array.chunks is not None
        assert (found.dims, found.attrs) == (named.dims, named.attrs)
        assert np.array_equal(found.values, whole)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"return_std": True}, "a lazy array has no error bars"),
        ({"method": "map"}, "MAP looks at the whole image"),
        ({"noise": sm.NoiseMap(np.ones((60, 80)))}, "a noise map is that of one image in memory"),
        ({"axes": "TY"}, "axes must be letters"),
        ({"noise": -1}, "noise must be a number above 0"),
    ],
)
def test_what_a_lazy_array_does_not_take_is_refused_at_once(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sm.denoise(da.zeros((60, 80)), **options)


def test_images_that_are_too_small_or_of_an_unknown_type_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="an image of 8 x 60 pixels is too small"):
        sm.denoise(da.zeros((60, 8)))
    with pytest.raises(TypeError, match="got complex128"):
        sm.denoise(da.zeros((60, 80), dtype=complex))
    with pytest.raises(ValueError, match=r"C from 1 to 4, got \(60, 80, 9\)"):
        sm.denoise(da.zeros((60, 80, 9)))


_BEYOND_MEMORY = """
import resource
import dask
import dask.array as da
import torch
import scorematching as sm
torch.set_num_threads(1)
prior = sm.priors.FieldPrior(sm.FieldConfig(filters=4, size=3), noise=25 / 255)
def peak(rows):
    noisy = da.random.default_rng(0).normal(128, 25, (rows, 1024), chunks=256)
    clean = sm.denoise(noisy, 25, prior, data_range=255)
    with dask.config.set(scheduler="synchronous"):
        error = float(abs(clean - 128).mean().compute())
    assert error < 25, error
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
first = peak(1024)
print(peak({rows}) - first)
"""


def test_an_array_of_ten_times_the_memory_is_denoised() -> None:
    """An array of 400 MB, in float64, adds less than 40 MB to what one tile took."""
    rows = 400_000_000 // (1024 * 8)
    code = _BEYOND_MEMORY.replace("{rows}", str(rows))
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(found.stdout) < 40_000_000


def test_a_prior_of_clean_images_is_refused_at_once() -> None:
    prior = sm.priors.FieldPrior(sm.FieldConfig(filters=4, size=3))
    with pytest.raises(ValueError, match="this prior was trained on clean images, and MAP looks at the whole image"):
        sm.denoise(da.zeros((60, 80)), 20, prior)


def test_colors_outside_of_the_sample_are_kept(deep: sm.Prior, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample of a large image may be gray although the image is not."""
    monkeypatch.setattr("scorematching.images.sample._SIDE", 64)
    image = np.repeat(sm.GaussianNoise(20).simulate(scene(300, 64))[..., None], 3, 2).clip(0, 255).astype(np.uint8)
    image[:20, :, 1:] //= 3
    found = sm.denoise(da.from_array(image), 20, deep).compute()
    assert abs(found[:20].mean((0, 1)) - image[:20].mean((0, 1))).max() < 3


def test_names_of_dimensions_are_taken_as_they_are_meant(deep: sm.Prior) -> None:
    volume = sm.GaussianNoise(20).simulate(np.stack([scene(60, 80)] * 2)).astype(np.float32)
    found = sm.denoise(xr.DataArray(volume, dims=("slice", "y", "x")), 20, deep, data_range=255)
    assert np.array_equal(found.values, sm.denoise(volume, 20, deep, axes="ZYX", data_range=255))
    with pytest.raises(ValueError, match=r"axes must be letters .* got '\?YX'"):
        sm.denoise(xr.DataArray(volume, dims=("step", "y", "x")), 20, deep)
