"""Figures of priors: the panels show the filters, experts, energy map and samples of the prior."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import scorematching as sm
from scorematching.plotting.figures import save_figure
from scorematching.plotting.portrait import draw_prior
from scorematching.priors import DeepPrior, FieldPrior

NOISE = 25 / 255
KINDS: dict[str, Callable[[], sm.Prior]] = {
    "field": lambda: FieldPrior(sm.FieldConfig(filters=8, size=3), NOISE),
    "field of splines": lambda: FieldPrior(sm.FieldConfig(filters=8, size=3, octaves=2, expert="spline"), NOISE),
    "deep": lambda: DeepPrior(sm.DeepConfig(channels=8, depth=2), NOISE),
    "deep, color": lambda: DeepPrior(sm.DeepConfig(channels=8, depth=2, color=True), NOISE),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> sm.Prior:
    return KINDS[request.param]()


@pytest.fixture
def drawn(kind: sm.Prior, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Axes]:
    """Panels of the figure, by caption."""
    figures: list[Figure] = []

    def keep(figure: Figure, path: Path) -> None:
        figures.append(figure)
        save_figure(figure, path)

    monkeypatch.setattr("scorematching.plotting.portrait.save_figure", keep)
    draw_prior(kind, tmp_path / "it.png", _image(kind), torch.rand(2, kind.config.colors, 20, 20))
    assert sm.read_image(tmp_path / "it.png").ndim == 3
    return {axes.get_title().partition(":")[0]: axes for axes in figures[0].axes}


def _image(kind: sm.Prior) -> np.ndarray:
    shape = (30, 40, 3) if kind.config.colors == 3 else (30, 40)
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def test_the_energy_map_is_that_of_the_image(kind: sm.Prior, drawn: dict[str, Axes]) -> None:
    planes = torch.from_numpy(np.atleast_3d(_image(kind))).permute(2, 0, 1)[None]
    expected = kind.energy_map(planes)[0, 0].numpy()
    np.testing.assert_array_equal(drawn["energy of the image"].images[0].get_array(), expected)
    np.testing.assert_array_equal(drawn["an image"].images[0].get_array(), _image(kind))


def test_the_second_panel_of_experts_shows_derivatives(kind: sm.Prior, drawn: dict[str, Axes]) -> None:
    """Finite differences of the experts equal the drawn derivatives. A deep prior has no experts."""
    if kind.config.kind == "deep":
        assert not {"experts", "derivatives of the experts"} & drawn.keys()
        return
    energies, slopes = (
        np.array(drawn[name].collections[0].get_segments()) for name in ("experts", "derivatives of the experts")
    )
    assert energies.shape == (len(kind.filters), 481, 2)
    differences = np.gradient(energies[..., 1], energies[0, :, 0], axis=1)
    np.testing.assert_allclose(slopes[:, 1:-1, 1], differences[:, 1:-1], rtol=0, atol=2e-3)


def test_samples_are_drawn_with_their_denoised_versions(kind: sm.Prior, drawn: dict[str, Axes]) -> None:
    sheet = drawn["samples, each with its denoised version"].images[0].get_array()
    assert sheet.shape == (2 * 22 + 2, 2 * 22 + 2, *_image(kind).shape[2:])
    inner = [np.asarray(sheet[top : top + 20, left : left + 20]) for top in (2, 24) for left in (2, 24)]
    assert all(np.isfinite(one).all() and one.min() == 0 and one.max() == 1 for one in inner)


@pytest.mark.parametrize("shape", [(), (30,), (30, 0), (0, 40), (30, 40, 1)])
def test_images_of_other_shapes_are_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the prior needs an image in grayscale|is too small"):
        draw_prior(KINDS["field"](), tmp_path / "it.png", np.zeros(shape, np.float32))
