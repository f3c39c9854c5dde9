"""Pixels that can carry noise."""

from __future__ import annotations

import torch

from scorematching.images import can_be_noisy
from scorematching.images.validity import clipped_ends


def test_noise_everywhere_can_be_noisy() -> None:
    assert can_be_noisy(torch.rand(3, 1, 20, 30)).all()


def test_a_constant_square_of_seven_pixels_cannot_be_noisy_and_smaller_ones_can() -> None:
    planes = torch.rand(1, 1, 40, 40)
    planes[..., 5:12, 5:12] = 0.5
    planes[..., 20:26, 20:40] = 0.5
    silent = ~can_be_noisy(planes)
    assert silent[5:12, 5:12].all()
    assert int(silent.sum()) == 49


def test_a_square_must_be_constant_in_all_colors() -> None:
    planes = torch.rand(3, 1, 20, 20)
    planes[:2, ..., :10] = 0.5
    assert can_be_noisy(planes).all()


def test_clipped_pixels_cannot_be_noisy() -> None:
    planes = torch.rand(1, 1, 50, 50) * 1.4
    clipped = planes.clamp(max=1.0)
    assert clipped_ends(planes) == []
    assert clipped_ends(clipped) == [(1.0, -1.0)]
    torch.testing.assert_close(can_be_noisy(clipped), clipped[0, 0] < 1)


def test_a_small_image_has_no_constant_square() -> None:
    assert can_be_noisy(torch.full((1, 1, 5, 9), 0.5)).all()
