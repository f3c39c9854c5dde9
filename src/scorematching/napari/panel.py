"""The panel beside the viewer: find the noise of a layer, denoise it, and show error bars."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from magicgui.widgets import CheckBox, ComboBox, Container, FileEdit, Label, LineEdit, ProgressBar, PushButton
from napari.layers import Image, Layer
from napari.qt.threading import FunctionWorker
from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QObject, Signal

from scorematching.images.axes import check_axes
from scorematching.napari.layers import Source, axes_of, image_in_view
from scorematching.restoration.denoising import denoise
from scorematching.restoration.lazy import is_lazy
from scorematching.restoration.noise_estimate import estimate_noise
from scorematching.runtime.progress import Progress, ProgressCallback

if TYPE_CHECKING:
    import napari.viewer
    from napari.types import LayerDataTuple

#: Steps of the progress bar.
_STEPS = 1000


class CanceledError(Exception):
    """The user has canceled the work."""


class _Messages(QObject):  # type: ignore[misc]
    """Messages from the thread that works to that of the viewer."""

    progress = Signal(object)


class DenoisePanel(Container):  # type: ignore[misc]
    """Panel that denoises a layer of a viewer, in a thread of its own.

    Args:
        viewer: The viewer.

    Example:
        >>> DenoisePanel.__name__  # Plugins > Denoise (Score Matching) in napari
        'DenoisePanel'
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self.viewer = viewer
        self.layer = ComboBox(label="layer", choices=self._images, tooltip="The image to denoise.")
        self.axes = LineEdit(
            label="axes", tooltip="One letter an axis: T, Z, C for time, depth, channels; Y, X; S for colors."
        )
        self.noise = LineEdit(
            label="noise level",
            tooltip="Standard deviation of the noise, in the units of the layer. Leave it empty to find the noise.",
        )
        self.prior = FileEdit(
            label="prior",
            filter="*.safetensors",
            nullable=True,
            tooltip="A file of `scorematching fit`. Leave it empty for the prior that comes with the library.",
        )
        self.error_bars = CheckBox(text="error bars", tooltip="Also show the standard deviation of each pixel's error.")
        self.find_button = PushButton(text="Find the noise", tooltip="Find the noise of the image in view.")
        self.denoise_button = PushButton(text="Denoise", tooltip="Denoise all images of the layer.")
        self.cancel_button = PushButton(text="Cancel", enabled=False)
        self.bar = ProgressBar(label="", max=_STEPS, value=0)
        self.status = Label(value="")
        self.worker: Any = None
        self.closed = False
        self._messages = _Messages()
        super().__init__(
            widgets=[
                self.layer,
                self.axes,
                self.noise,
                self.prior,
                self.error_bars,
                self.find_button,
                self.denoise_button,
                self.cancel_button,
                self.bar,
                self.status,
            ]
        )
        self.layer.changed.connect(self._show_axes)
        self.find_button.changed.connect(self.find_noise)
        self.denoise_button.changed.connect(self.denoise)
        self.cancel_button.changed.connect(self.cancel)
        self.noise.native.setPlaceholderText("found in the images")
        self.status.native.setWordWrap(True)
        self._messages.progress.connect(self._while_open(self._show_progress))
        self.native.destroyed.connect(self._close)
        self._show_axes()

    def reset_choices(self, *_: object) -> None:
        """Offer the images of the viewer, when layers were added or removed."""
        before = self.layer.value
        super().reset_choices()
        if self.layer.value is not before:
            self._show_axes()

    def find_noise(self) -> None:
        """Find the noise of the image in view, and show it."""

        def prepared() -> Callable[[ProgressCallback], str]:
            image = image_in_view(self._chosen(), self.viewer.dims.point, self._letters())
            return partial(_found, image, self._prior())

        self._start("finding the noise", prepared, self._show_noise)

    def denoise(self) -> None:
        """Denoise the layer, and add the result, and error bars if wanted, as layers."""

        def prepared() -> Callable[[ProgressCallback], list[LayerDataTuple]]:
            source = Source.of(self._chosen())
            axes = check_axes(self._letters(), source.values.shape)
            options = {"noise": self._level(), "prior": self._prior(), "axes": axes}
            return partial(_denoised, source, self.error_bars.value, options)

        self._start("denoising", prepared, self._add_layers)

    def cancel(self) -> None:
        """End the work after its current step."""
        if self.worker is not None:
            self.worker.quit()
            self.status.value = "canceling"

    def _chosen(self) -> Image:
        if self.layer.value is None:
            raise ValueError("there is no image: open one, and choose its layer")
        return self.layer.value

    def _letters(self) -> str:
        return self.axes.value.strip().upper()

    def _level(self) -> float | None:
        """Return the noise level that the user has typed, or ``None``."""
        text = self.noise.value.strip()
        try:
            return float(text) if text else None
        except ValueError:
            raise ValueError(f"noise level: expected a number, or nothing to find the noise, got {text!r}") from None

    def _prior(self) -> str | None:
        return None if self.prior.value is None else str(self.prior.value)

    def _start(
        self, title: str, prepared: Callable[[], Callable[[ProgressCallback], Any]], show: Callable[[Any], None]
    ) -> None:
        """Do work in a thread, once its options are checked, and show its result."""
        try:
            work = prepared()
        except (TypeError, ValueError) as error:
            self._show_error(error)
            return
        worker: Any = FunctionWorker(_until_canceled, work, lambda state: self._report(worker, state))
        self.worker = worker
        slots: dict[str, Callable[..., None]] = {
            "returned": show,
            "errored": self._show_error,
            "warned": _show_warning,
            "finished": self._finish,
        }
        for signal, slot in slots.items():
            getattr(worker, signal).connect(self._while_open(slot))
        self._wait(True)
        self.bar.value, self.status.value = 0, title
        worker.start()

    def _while_open(self, slot: Callable[..., None]) -> Callable[..., None]:
        """Return a slot that does nothing once the panel is closed, whose widgets are deleted."""

        def called(*arguments: Any) -> None:
            if not self.closed:
                slot(*arguments)

        return called

    def _report(self, worker: Any, state: Progress) -> None:
        """In the thread that works: send the progress to the viewer, or end the work."""
        if worker.abort_requested:
            raise CanceledError
        self._messages.progress.emit(state)

    def _show_progress(self, state: Progress) -> None:
        self.bar.value = round(_STEPS * state.step / state.steps)

    def _show_noise(self, words: str) -> None:
        self.status.value = words

    def _add_layers(self, layers: list[LayerDataTuple]) -> None:
        names = [self.viewer.add_layer(Layer.create(*layer)).name for layer in layers]
        self.status.value = "added " + " and ".join(f"“{name}”" for name in names)

    def _show_error(self, error: Exception) -> None:
        self.status.value = str(error)
        show_error(str(error))

    def _finish(self) -> None:
        """Be ready for the next work."""
        if self.worker is not None and self.worker.abort_requested:
            self.status.value = "canceled"
        self.worker = None
        self.bar.value = 0
        self._wait(False)

    def _wait(self, working: bool) -> None:
        """Enable the buttons that make sense."""
        self.find_button.enabled = self.denoise_button.enabled = not working
        self.cancel_button.enabled = working

    def _images(self, _: object = None) -> list[Image]:
        return [layer for layer in self.viewer.layers if isinstance(layer, Image)]

    def _show_axes(self) -> None:
        layer = self.layer.value
        try:
            self.axes.value = "" if layer is None else axes_of(layer)
        except ValueError as error:
            self.axes.value, self.status.value = "", str(error)

    def _close(self) -> None:
        """End the work when the viewer closes, and show nothing any more."""
        self.closed = True
        if self.worker is not None:
            self.worker.quit()


def _show_warning(warning: tuple[Any, ...]) -> None:
    """Show a warning of the work, which comes as the arguments of ``warnings.showwarning``."""
    show_warning(str(warning[0]))


def _until_canceled(work: Callable[[ProgressCallback], Any], progress: ProgressCallback) -> Any:
    """Return the result of work; ``None`` if it was canceled."""
    try:
        return work(progress)
    except CanceledError:
        return None


def _found(image: np.ndarray, prior: str | None, progress: ProgressCallback) -> str:
    """Return the noise of an image, in words."""
    return f"noise found: {estimate_noise(image, prior)}"


def _denoised(
    source: Source, error_bars: bool, options: dict[str, Any], progress: ProgressCallback
) -> list[LayerDataTuple]:
    """Return the layers of the results of denoising a layer."""
    run: Any = partial(denoise, source.values, return_std=error_bars, **options)
    results = run() if is_lazy(source.values) else run(progress=progress)
    if not error_bars:
        return [source.result(results)]
    clean, std = results
    return [source.result(clean), source.error_bars(std)]
