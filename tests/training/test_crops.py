"""Random crops: they depend on seed and number alone, and their noise is of one level."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from small_models import with_noise

from scorematching.training.crops import CropStream
from scorematching.training.data import open_images
from scorematching.training.noise import with_noise as with_known_noise
from scorematching.training.planes import Plane


@pytest.fixture
def planes() -> list[Plane]:
    return open_images(np.ones((30, 40)))[0]


def test_crops_depend_on_seed_and_number_alone(planes: list[Plane]) -> None:
    colored = open_images([np.random.default_rng(0).random((50, 20, 3))])[0]
    one, two, other = (CropStream([*planes, *colored], 8, 6, fresh=0.1, seed=s) for s in (1, 1, 2))
    assert one[5].pixels.shape == (6, 1, 8, 8)
    assert torch.equal(one[5].pixels, two[5].pixels)
    assert not torch.equal(one[5].pixels, one[6].pixels)
    assert not torch.equal(one[5].pixels, other[5].pixels)


def test_blind_crops_know_their_share_of_the_noise(planes: list[Plane]) -> None:
    """Every fourth one has less; the contrast is lowered with the noise."""
    plain, blind = (CropStream(planes, 8, 8, seed=1, blind=blind)[3] for blind in (False, True))
    assert torch.equal(plain.noise, torch.ones(8))
    assert int((blind.noise < 1).sum()) == 2
    torch.testing.assert_close(blind.pixels, plain.pixels * blind.noise[:, None, None, None])


def test_blind_crops_noisier_than_the_highest_level_are_as_they_are(planes: list[Plane]) -> None:
    several = [replace(plane, sigma=s) for s in (0.05, 0.3) for plane in planes]
    stream = CropStream(several, 8, 32, blind=True, max_level=0.2)
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


@pytest.fixture
def flat() -> tuple[list[Plane], float]:
    """Flat images of three noise levels, and the level of their crops."""
    levels = [0.02, 0.05, 0.1]
    images = [with_noise(np.full((96, 96), 0.5), level, seed) for seed, level in enumerate(levels)]
    known, told, _ = with_known_noise(open_images(images, 1.0), levels)
    return [plane for image in known for plane in image], told


def test_noise_that_is_added_to_noisy_images_brings_crops_to_one_level(flat: tuple[list[Plane], float]) -> None:
    """The whole noise is that told; what was added has the mean product that Stein's estimate needs."""
    planes, told = flat
    stream, variance, product = added_noise(planes, told, max_level=0.12)
    assert stream.own == 16
    assert variance == pytest.approx(1, abs=0.02)
    assert product == pytest.approx(1, abs=0.05)


def test_noise_that_is_added_to_clean_images_has_the_level_told() -> None:
    clean = open_images(np.full((30, 40), 0.5))[0]
    stream, variance, product = added_noise(clean, 0.1, fresh=0.1, max_level=0.4)
    assert stream.own == 0
    assert variance == pytest.approx(1, abs=0.02)
    assert product == pytest.approx(1, abs=0.02)


def test_a_highest_level_below_the_noise_of_all_images_is_refused(flat: tuple[list[Plane], float]) -> None:
    with pytest.raises(
        ValueError, match=r"1\.41 times the lowest noise level of the images, 0\.02, or more, got 0\.025"
    ):
        CropStream(flat[0], crop=8, batch=4, max_level=0.025)


def test_a_plane_smaller_than_a_crop_is_named(planes: list[Plane]) -> None:
    with pytest.raises(ValueError, match="array 0, of 30 x 40 pixels, is smaller than a crop of 31"):
        CropStream(planes, 31, 4)


def test_crops_that_are_not_turned_are_pieces_of_the_plane() -> None:
    plane = open_images([np.arange(30.0).reshape(5, 6)], data_range=30)[0]
    pieces = [CropStream(plane, 3, 16, seed=0, turned=turned)[0].pixels * 30 for turned in (False, True)]
    straight = [bool((p[0, :, 1:] > p[0, :, :-1]).all() and (p[0, 1:] > p[0, :-1]).all()) for p in pieces[0]]
    assert all(straight)
    assert not all((p[0, :, 1:] > p[0, :, :-1]).all() for p in pieces[1])
