"""Pages of a stack as training images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from image_samples import PAGES

import scorematching as sm
from scorematching.images import write_pages
from scorematching.training.data import open_images
from scorematching.training.sources import Store


def test_a_prior_is_trained_on_the_pages_of_a_stack(tmp_path: Path) -> None:
    stack = tmp_path / "stack.tif"
    write_pages(stack, PAGES)
    for memory in (2**30, 0):  # from memory, and from the file
        images = open_images(stack, store=Store(memory))
        assert [planes[0].name for planes in images] == ["stack.tif page 1", "stack.tif page 2", "stack.tif page 3"]
        for planes, page in zip(images, PAGES, strict=True):
            np.testing.assert_allclose(planes[0].pixels()[0].numpy() * 255, page, atol=1e-4)
    model, training = sm.FieldConfig(filters=4, size=3), sm.TrainingConfig(steps=2, crop=8)
    assert sm.fit(stack, noise=9, model=model, training=training).prior.provenance.data.startswith("3 noisy")


def test_pages_of_floating_point_have_one_white(tmp_path: Path) -> None:
    write_pages(tmp_path / "a.tif", [np.full((20, 20), white, np.float32) for white in (100, 4000)])
    assert [planes[0].data_range for planes in open_images(tmp_path / "a.tif")] == [4000, 4000]
