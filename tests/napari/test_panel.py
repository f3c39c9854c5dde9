"""The plug-in of napari, in a real viewer on a virtual display."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_models import with_noise

import scorematching as sm

napari = pytest.importorskip("napari")
npe2 = pytest.importorskip("npe2")

pytestmark = pytest.mark.filterwarnings("ignore")  # those of napari itself
SHAPES = {2: (24, 30), 3: (2, 24, 30), 4: (2, 2, 24, 30), 5: (2, 1, 2, 24, 30)}


@pytest.fixture(scope="module")
def display() -> Iterator[None]:
    """A virtual display, if there is none."""
    if os.environ.get("DISPLAY"):
        yield
        return
    if shutil.which("Xvfb") is None and not os.environ.get("CI"):
        pytest.skip("there is no display, and no Xvfb")
    screen = ["Xvfb", "-displayfd", "1", "-screen", "0", "1280x1024x24"]
    with subprocess.Popen(screen, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        os.environ["DISPLAY"] = f":{server.stdout.readline().strip()}"
        yield
        del os.environ["DISPLAY"]
        server.terminate()


@pytest.fixture
def viewer(display: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A viewer whose settings are those of a new user."""
    monkeypatch.setenv("NAPARI_CONFIG", str(tmp_path / "settings.yaml"))
    viewer = napari.Viewer(show=True)
    yield viewer
    viewer.close()


@pytest.fixture
def prior_file(tmp_path: Path) -> Path:
    """A small prior, which was not trained."""
    path = tmp_path / "prior.safetensors"
    sm.save_prior(sm.priors.FieldPrior(sm.FieldConfig(filters=4, size=3), noise=25 / 255), path)
    return path


def open_panel(viewer: Any) -> Any:
    """Open the panel as the menu of plug-ins does."""
    return viewer.window.add_plugin_dock_widget("scorematching", "Denoise")[1]


def finish(panel: Any) -> None:
    """Wait until the work of the panel is done, 60 seconds at most."""
    from qtpy.QtWidgets import QApplication

    deadline = time.monotonic() + 60
    while panel.worker is not None:
        QApplication.processEvents()
        assert time.monotonic() < deadline
    QApplication.processEvents()


def press(button: Any) -> None:
    button.native.click()


def noisy(shape: tuple[int, ...]) -> np.ndarray:
    ramp = np.linspace(60, 200, shape[-1] if shape[-1] > 4 else shape[-2])
    clean = np.broadcast_to(ramp if shape[-1] > 4 else ramp[:, None], shape)
    return np.clip(np.rint(with_noise(clean, 25)), 0, 255).astype(np.uint8)


def test_the_manifest_names_the_panel() -> None:
    manifest = npe2.PluginManifest.from_distribution("scorematching")
    (command,) = manifest.contributions.commands
    assert command.python_name == "scorematching.napari.panel:DenoisePanel"
    manifest.validate_imports()


@pytest.mark.parametrize("dimensions", SHAPES)
def test_layers_of_two_to_five_dimensions_are_denoised(viewer: Any, prior_file: Path, dimensions: int) -> None:
    layer = viewer.add_image(noisy(SHAPES[dimensions]), name="cells", scale=(0.5,) * dimensions, colormap="green")
    panel = open_panel(viewer)
    assert panel.axes.value == "TCZYX"[-dimensions:]
    panel.noise.value, panel.prior.value, panel.error_bars.value = "25", prior_file, True
    press(panel.denoise_button)
    assert not panel.denoise_button.enabled
    finish(panel)
    assert [layer.name for layer in viewer.layers] == ["cells", "cells denoised", "cells error bars"]
    clean, std = sm.denoise(layer.data, 25, prior_file, axes=panel.axes.value, return_std=True)
    for result, expected in zip(viewer.layers[1:], (clean, std), strict=True):
        np.testing.assert_array_equal(result.data, expected)
        np.testing.assert_array_equal(result.scale, layer.scale)
    assert viewer.layers[1].colormap.name == "green"
    assert panel.denoise_button.enabled


def test_colors_are_denoised_together_and_shown(viewer: Any, prior_file: Path) -> None:
    layer = viewer.add_image(noisy((24, 30, 3)), name="photograph", rgb=True)
    panel = open_panel(viewer)
    assert panel.axes.value == "YXS"
    panel.noise.value, panel.prior.value, panel.error_bars.value = "25", prior_file, True
    press(panel.denoise_button)
    finish(panel)
    clean, std = sm.denoise(layer.data, 25, prior_file, return_std=True)
    np.testing.assert_array_equal(viewer.layers[1].data, clean)
    assert viewer.layers[1].rgb
    np.testing.assert_allclose(viewer.layers[2].data, np.sqrt((std**2).mean(-1)), rtol=1e-6)


def test_the_noise_of_the_image_in_view_is_shown(viewer: Any, photograph: np.ndarray) -> None:
    stack = np.stack([with_noise(photograph, 40), with_noise(photograph, 10)])
    viewer.add_image(stack, scale=(3, 1, 1))
    panel = open_panel(viewer)
    viewer.dims.set_current_step(0, 1)
    press(panel.find_button)
    finish(panel)
    assert panel.status.value == f"noise found: {sm.estimate_noise(stack[1])}"


def test_lazy_layers_stay_lazy(viewer: Any, prior_file: Path) -> None:
    da = pytest.importorskip("dask.array")
    movie = noisy((3, 24, 30))
    viewer.add_image(da.from_array(movie, chunks=(1, 24, 30)), name="movie")
    panel = open_panel(viewer)
    panel.noise.value, panel.prior.value = "25", prior_file
    press(panel.denoise_button)
    finish(panel)
    result = viewer.layers[1].data
    assert isinstance(result, da.Array)
    np.testing.assert_array_equal(result.compute(), sm.denoise(movie, 25, prior_file, axes="ZYX"))


def test_work_is_canceled(viewer: Any, prior_file: Path) -> None:
    viewer.add_image(noisy((200, 24, 30)))
    panel = open_panel(viewer)
    panel.noise.value, panel.prior.value = "25", prior_file
    press(panel.denoise_button)
    press(panel.cancel_button)
    finish(panel)
    assert panel.status.value == "canceled"
    assert len(viewer.layers) == 1
    assert panel.denoise_button.enabled


def test_errors_are_shown(viewer: Any, prior_file: Path) -> None:
    panel = open_panel(viewer)
    press(panel.denoise_button)
    assert panel.status.value == "there is no image: open one, and choose its layer"
    viewer.add_image(noisy((24, 30)))
    assert panel.axes.value == "YX"  # the new layer is offered
    panel.axes.value = "TYX"
    press(panel.denoise_button)
    assert panel.status.value.startswith("axes 'TYX' are 3, but the array has 2 dimensions")
    panel.axes.value, panel.noise.value = "YX", "much"
    press(panel.denoise_button)
    assert panel.status.value.startswith("noise level: expected a number")
    panel.noise.value, panel.prior.value = "-1", prior_file
    press(panel.denoise_button)
    finish(panel)
    assert "-1" in panel.status.value
    assert len(viewer.layers) == 1


def test_warnings_are_shown(viewer: Any, prior_file: Path) -> None:
    from napari.utils.notifications import notification_manager

    viewer.add_image(noisy((24, 30)))
    panel = open_panel(viewer)
    panel.noise.value, panel.prior.value = "1e-9", prior_file
    before = len(notification_manager.records)
    press(panel.denoise_button)
    finish(panel)
    (note,) = notification_manager.records[before:]
    assert "returned unchanged" in note.message


def test_the_viewer_shows_the_result(viewer: Any, prior_file: Path) -> None:
    """The screenshot has the panel, and the denoised image in the canvas."""
    viewer.add_image(noisy((48, 60)))
    panel = open_panel(viewer)
    panel.noise.value, panel.prior.value = "25", prior_file
    before = viewer.screenshot(canvas_only=True, flash=False)
    press(panel.denoise_button)
    finish(panel)
    after = viewer.screenshot(canvas_only=True, flash=False)
    shown = after[..., 0] > 40
    assert shown.mean() > 0.05
    assert (
        np.abs(np.diff(after[..., 0].astype(float), axis=0)).mean()
        < np.abs(np.diff(before[..., 0].astype(float), axis=0)).mean()
    )


@pytest.mark.parametrize(
    ("labels", "shape", "expected"),
    [
        (("time", "y", "x"), (2, 24, 30), "TYX"),
        (("a", "y", "x"), (2, 24, 30), "ZYX"),
        (("c", "t", "y", "x"), (2, 2, 24, 30), "CTYX"),
    ],
)
def test_labels_of_axes_count(labels: tuple[str, ...], shape: tuple[int, ...], expected: str) -> None:
    from scorematching.napari.layers import axes_of

    assert axes_of(napari.layers.Image(noisy(shape), axis_labels=labels)) == expected


def test_more_than_five_axes_need_names(viewer: Any) -> None:
    viewer.add_image(np.zeros((1, 1, 1, 1, 8, 8)), name="scan")
    panel = open_panel(viewer)
    assert panel.status.value.startswith("layer 'scan' has 6 axes without names")
    assert panel.axes.value == ""


def test_a_layer_that_changes_meanwhile_does_no_harm(viewer: Any, prior_file: Path) -> None:
    movie = noisy((20, 24, 30))
    layer = viewer.add_image(movie, name="movie")
    panel = open_panel(viewer)
    panel.noise.value, panel.prior.value, panel.axes.value = "25", prior_file, " zyx "
    press(panel.denoise_button)
    layer.data = movie[0]
    viewer.layers.remove(layer)
    finish(panel)
    np.testing.assert_array_equal(viewer.layers[0].data, sm.denoise(movie, 25, prior_file, axes="ZYX"))
    assert panel.status.value == "added “movie denoised”"


def test_a_viewer_that_closes_meanwhile_ends_the_work(
    display: None, prior_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer(show=False)
    viewer.add_image(noisy((500, 24, 30)))
    panel = open_panel(viewer)
    panel.noise.value, panel.prior.value = "25", prior_file
    press(panel.denoise_button)
    worker = panel.worker
    deadline = time.monotonic() + 60
    while not panel.bar.value and time.monotonic() < deadline:
        QApplication.processEvents()
    viewer.close()
    while worker.is_running and time.monotonic() < deadline:
        QApplication.processEvents()
    for _ in range(10):
        QApplication.processEvents()
    assert panel.closed
    assert not worker.is_running
    assert "Traceback" not in capfd.readouterr().err


def test_the_finest_of_several_resolutions_is_denoised(viewer: Any, prior_file: Path) -> None:
    fine = noisy((24, 30))
    viewer.add_image([fine, fine[::2, ::2]], name="pyramid")
    panel = open_panel(viewer)
    panel.noise.value, panel.prior.value = "25", prior_file
    press(panel.denoise_button)
    finish(panel)
    np.testing.assert_array_equal(viewer.layers[1].data, sm.denoise(fine, 25, prior_file))
