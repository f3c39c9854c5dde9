"""Files that do not fit into memory: little is read at the start, and the result depends on no thread."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_models import DEEP, FIELD, short, with_noise

import scorematching as sm
from scorematching.images.io.opened import OpenFile
from scorematching.training import noise as noise_module
from scorematching.training.crops import CropStream
from scorematching.training.data import open_images
from scorematching.training.planes import Plane

NONE = 1e-9  # gibibytes


@pytest.fixture
def arrays(noisy: np.ndarray) -> list[np.ndarray]:
    return [noisy[k : k + 40, 3 * k : 3 * k + 50] for k in range(12)]


@pytest.fixture
def folder(arrays: list[np.ndarray], tmp_path: Path) -> Path:
    for number, array in enumerate(arrays):
        sm.write_image(tmp_path / f"{number:02d}.png", array)
    return tmp_path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often each image is decoded, and each file is opened."""
    found: Counter[str] = Counter()
    read, opened = OpenFile.read, OpenFile.__init__

    def counted(self: OpenFile, page: int) -> np.ndarray:
        found[f"{self.path.name} {page}"] += 1
        return read(self, page)

    def counted_open(self: OpenFile, path: Path) -> None:
        found[path.name] += 1
        opened(self, path)

    monkeypatch.setattr(OpenFile, "read", counted)
    monkeypatch.setattr(OpenFile, "__init__", counted_open)
    return found


def history(images: Any, **options: Any) -> list[tuple[int, float, float]]:
    return sm.fit(images, noise=25, model=FIELD, training=short(4, **options)).history


def test_files_give_the_bits_of_arrays_with_any_number_of_workers(arrays: list[np.ndarray], folder: Path) -> None:
    expected = history(arrays)
    assert all(history(folder, workers=workers) == expected for workers in (0, 1, 3))


def test_files_beyond_memory_give_the_same_bits_with_any_number_of_workers(folder: Path) -> None:
    expected = history(folder, workers=0, memory=NONE)
    assert history(folder, workers=1, memory=0) == expected
    assert history(folder, workers=3, memory=1e-5) == expected  # some images are kept


def test_nothing_is_decoded_at_the_start(folder: Path, reads: Counter[str]) -> None:
    assert [planes[0].shape for planes in open_images(folder)] == [(40, 50)] * 12
    assert not any(" " in name for name in reads)


def test_images_that_fit_are_decoded_once(folder: Path, reads: Counter[str]) -> None:
    history(folder)
    assert max(count for name, count in reads.items() if " " in name) == 1


def test_a_stack_is_opened_once(noisy: np.ndarray, tmp_path: Path, reads: Counter[str]) -> None:
    sm.images.write_pages(tmp_path / "a.tif", [noisy[k : k + 40] for k in range(6)])
    history(tmp_path, memory=0)
    assert reads["a.tif"] == 1


def test_images_beyond_memory_are_decoded_for_several_crops(folder: Path) -> None:
    planes = [planes[0] for planes in open_images(folder)]
    many = [replace(plane, name=f"{plane.name} {n}") for n in range(50) for plane in planes]
    pooled, uniform = (
        {plane.name for step in range(12) for plane in drawn(CropStream(many, 16, 16, pooled=pooled), step)}
        for pooled in (True, False)
    )
    assert len(pooled) < 90 < len(uniform)


def drawn(stream: CropStream, step: int) -> list[Plane]:
    random = np.random.default_rng((stream.seed, step))
    return [stream._drawn(step, random, quiet=False) for _ in range(stream.batch)]


def test_a_pool_reaches_all_images_in_the_end(noisy: np.ndarray) -> None:
    (plane,) = open_images(noisy)[0]
    planes = [replace(plane, name=str(number)) for number in range(100)]
    stream = CropStream(planes, 16, 64, pooled=True)
    found = Counter(plane.name for step in range(0, 160, 2) for plane in drawn(stream, step))
    assert len(found) == 100
    assert max(found.values()) < 4 * 52


# Noise that is estimated when an image is first used


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise_module, "_IMAGES", 3)
    monkeypatch.setattr(noise_module, "_PIXELS", 1)


@pytest.fixture
def levels() -> list[np.ndarray]:
    flat = np.full((64, 64), 128.0)
    return [with_noise(flat, 5 + 2 * number, number) for number in range(12)]


@pytest.mark.usefixtures("few_at_once")
def test_the_noise_of_many_images_is_estimated_when_they_are_used(levels: list[np.ndarray]) -> None:
    known = noise_module.with_noise(open_images(levels, 255), None)
    later = [planes[0].later is not None for planes in known.images]
    assert [number for number, one in enumerate(later) if not one] == [0, 4, 8]
    for number, (plane,) in enumerate(known.images):
        found = plane.known()
        assert 255 * found.sigma == pytest.approx(5 + 2 * number, rel=0.1)
        assert found.contrast == known.level / found.sigma
        assert found.known() is found


@pytest.mark.usefixtures("few_at_once")
def test_estimates_do_not_depend_on_their_order(
    levels: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noise_module, "found_correlated", lambda *_: None)
    for number, image in enumerate(levels):
        sm.write_image(tmp_path / f"{number:02d}.png", np.rint(image.clip(0, 255)).astype(np.uint8))
    results = [
        sm.fit(tmp_path, model=FIELD, training=short(4, memory=memory, workers=workers)).history
        for memory, workers in ((1, 0), (1, 3), (0, 0), (0, 3))
    ]
    assert results[0] == results[1] != results[2] == results[3]


@pytest.mark.usefixtures("few_at_once")
def test_crops_with_more_noise_are_of_images_with_little(levels: list[np.ndarray]) -> None:
    planes = [planes[0] for planes in noise_module.with_noise(open_images(levels, 255), None).images]
    stream = CropStream(planes, 16, 4, max_level=12 / 255)
    quiet = [stream._drawn(0, np.random.default_rng(seed), quiet=True).sigma * 255 for seed in range(40)]
    assert max(quiet) < 12 / 2**0.5 < max(plane.known().sigma * 255 for plane in planes)
    with pytest.raises(ValueError, match=r"max_sigma must be 1\.41 times the lowest noise level of the images, 4\.9"):
        CropStream(planes, 16, 4, max_level=2 / 255)


@pytest.mark.usefixtures("few_at_once")
def test_correlated_noise_is_estimated_later_too(levels: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = np.outer([0.5, 1.0, 0.5], [0.5, 1.0, 0.5])
    monkeypatch.setattr(
        "scorematching.training.correlation.estimate_noise", lambda *_, **__: sm.CorrelatedNoise(81 * kernel)
    )
    with pytest.warns(UserWarning, match="is correlated between pixels"):
        known = noise_module.with_noise(open_images([levels[2]] * 12, 255), None, correlated=True)
    found = known.images[1][0].known()
    assert isinstance(found.noise, sm.CorrelatedNoise)
    assert 255 * found.sigma == pytest.approx(9, rel=0.05)


# What a training is recognized by


@pytest.mark.usefixtures("_save_often")
def test_a_checkpoint_belongs_to_the_content_of_the_files(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    checkpoint = tmp_path_factory.mktemp("b") / "t"
    options: dict[str, Any] = {"noise": 25, "model": FIELD, "checkpoint": checkpoint}
    first = sm.fit(folder, training=short(4), **options).history
    os.utime(folder / "00.png", (0, 0))  # as by a copy
    assert sm.fit(folder, training=short(4), resume=True, **options).history == first
    for changed in ({"memory": 0}, {}):
        if not changed:
            sm.write_image(folder / "00.png", sm.read_image(folder / "00.png")[::-1])
        with pytest.raises(ValueError, match="not the checkpoint of this training"):
            sm.fit(folder, training=short(4, **changed), resume=True, **options)


def test_a_deep_prior_is_trained_beyond_memory(folder: Path) -> None:
    training = short(2, crop=24, max_sigma=60, memory=0)
    assert sm.fit(folder, noise=25, model=DEEP, training=training).history
