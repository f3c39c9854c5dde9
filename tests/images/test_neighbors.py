"""Neighbors of an image: which they are, and their level."""

from __future__ import annotations

import numpy as np
import pytest

from scorematching.images.neighbors import Level, find_neighbors, is_blank, level_of, lines


def test_bleaching_is_found(photograph: np.ndarray) -> None:
    random = np.random.default_rng(0)
    scene = np.tile(photograph.astype(float), (2, 2))
    noisy = [gain * scene + random.normal(0, 25, scene.shape) for gain in (1.0, 0.9)]
    level = level_of(noisy[1], noisy[0])
    assert np.abs(level.apply(0.9 * scene) - scene).mean() < 1


def test_what_has_changed_does_not_count(photograph: np.ndarray) -> None:
    scene = photograph.astype(float)
    changed = 0.8 * scene
    changed[20:60, 30:80] = 255
    level = level_of(changed, scene)
    assert level.gain == pytest.approx(1.25, rel=1e-6)


@pytest.mark.parametrize("other", [np.full((96, 120), 7.0), np.full((96, 120), np.nan)], ids=["blank", "missing"])
def test_no_change_where_nothing_tells_it(photograph: np.ndarray, other: np.ndarray) -> None:
    assert level_of(other, photograph) == Level()
    assert level_of(photograph, photograph) == Level()


def test_equal_borders_and_alpha_do_not_count(photograph: np.ndarray) -> None:
    scene = np.pad(photograph.astype(float), 48)
    assert level_of(0.8 * scene, scene).gain == pytest.approx(1.25, rel=1e-6)
    opaque = np.dstack([photograph, photograph, photograph, np.full_like(photograph, 255)]).astype(float)
    dark = opaque * (0.8, 0.8, 0.8, 1)
    level = level_of(dark, opaque)
    assert level.gain == pytest.approx(1.25, rel=1e-6)
    assert np.allclose(level.apply(dark), opaque)
    assert is_blank(opaque * (0, 0, 0, 1))
    assert level_of(scene[:4, :4], scene[:4, :4]) == Level()


def test_very_different_brightness_is_matched_by_all_pixels(photograph: np.ndarray) -> None:
    noise = np.random.default_rng(0).normal(0, 25, photograph.shape)
    level = level_of(0.01 * (photograph + noise), photograph + noise[::-1])
    assert level.gain == pytest.approx(100, rel=0.02)
    nearly_blank = level_of(0.01 * noise, photograph + noise[::-1])
    assert nearly_blank.gain == pytest.approx((photograph + noise[::-1]).std() / (0.01 * noise).std())


def test_lines_follow_time_before_depth_before_channels() -> None:
    assert lines((2, 3), "TZ") == [[0, 3], [1, 4], [2, 5]]
    assert lines((3,), "Z") == lines((1, 3), "TZ") == [[0, 1, 2]]
    assert lines((2,), "C") == lines((1, 2), "TC") == [[0, 1]]
    assert lines((2, 2), "CZ") == [[0, 1], [2, 3]]
    assert lines((), "") == [[0]]


def test_neighbors_are_the_nearest_that_show_something() -> None:
    found = find_neighbors(range(6), [False, False, True, False, False, False], 2)
    assert found == {0: [5, 4, 1, 3], 1: [5, 0, 3, 4], 3: [0, 1, 4, 5], 4: [1, 3, 5, 0], 5: [3, 4, 1, 0]}
    assert find_neighbors(range(3), [False] * 3, 2) == {0: [1, 2, 1, 2], 1: [0, 2, 0, 2], 2: [0, 1, 0, 1]}
    with pytest.raises(ValueError, match=r"neighbors=2 needs 3 frames, slices or channels .* got 2"):
        find_neighbors(range(4), [False, True, True, False], 2)
