"""One self-contained HTML page on an image that was denoised: before and after, what was taken away, figures."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path
from string import Template

import numpy as np
from PIL import Image

from scorematching.images import psnr, ssim, to_planes
from scorematching.images.io.atomic import write_atomically
from scorematching.images.metrics import SSIM_WINDOW
from scorematching.noise import NoiseModel

#: Pixels; larger images are shown shrunk, so that the page stays of a size that browsers bear.
_LARGEST = 2048
#: Pixels; of images over twice that size the middle is shown too, pixel by pixel, as shrinking takes noise away.
_MIDDLE = 512
#: Standard deviations of the noise from black to white in the image of what was taken away.
_SPAN = 6.0


def write_page(
    path: str | Path,
    before: np.ndarray,
    after: np.ndarray,
    noise: NoiseModel,
    *,
    title: str,
    found: bool = False,
    data_range: float | None = None,
    reference: np.ndarray | None = None,
) -> None:
    """Write the page.

    Args:
        path: Where to.
        before: The noisy image, as :func:`scorematching.images.to_planes` takes it.
        after: The denoised one, of the same shape.
        noise: The noise that was removed, in the images' own units.
        title: Of the page.
        found: Whether ``noise`` is an estimate.
        data_range: The images' value of white.
        reference: The clean image, where there is one; of another type than ``before`` it has a white of its own.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: The shapes differ, but for alpha channels, which don't count.
    """
    data_range = to_planes(before, data_range).data_range
    planes = {name: _planes(image, data_range) for name, image in (("before", before), ("after", after))}
    taken = noise.residual(data_range * planes["before"], data_range * planes["after"])
    rows = {
        "image": f"{before.shape[1]} x {before.shape[0]} pixels, {before.dtype}",
        "noise": f"{noise}, white is {data_range:g}, {'estimated from the image' if found else 'as given'}",
        "taken away": f"standard deviation {taken.std():.2f} of the noise's, mean {taken.mean():+.3f}",
        "neighbors in it": f"correlation {_correlation(taken):+.3f}; 0 for noise, more where structure was lost",
    }
    if reference is not None:
        check_reference(reference, before)
        clean = _planes(reference, data_range if reference.dtype == before.dtype else None)
        rows |= {name: _quality(clean, planes[name]) for name in planes}
    shown = {**planes, "taken": 0.5 + taken / _SPAN}
    scale = min(1.0, _LARGEST / max(before.shape[:2]))
    views = [_view(shown, f" (at {scale:.0%} of the size, which weakens noise)" if scale < 1 else "")]
    if max(before.shape[:2]) > 2 * _MIDDLE:
        middle = tuple(slice(max(0, n - _MIDDLE) // 2, (n + _MIDDLE) // 2) for n in before.shape[:2])
        views.append(
            _view({name: of[:, *middle] for name, of in shown.items()}, " (the middle, pixel by pixel)", "as-is")
        )
    filled = _PAGE.substitute(
        title=html.escape(title),
        rows="".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in rows.items()),
        views="".join(views),
    )
    write_atomically(path, filled.encode())


def check_reference(reference: np.ndarray, image: np.ndarray) -> None:
    """Raise ``ValueError`` where a clean image has not the size and colors of an image; alpha does not count."""
    if _colors(reference) != _colors(image):
        raise ValueError(
            f"the reference is {reference.shape}, the image is {image.shape}: expected the same but for alpha"
        )


def _colors(image: np.ndarray) -> tuple[int, int, int]:
    return *image.shape[:2], len(to_planes(image[:1, :1]).data)


def _quality(clean: np.ndarray, planes: np.ndarray) -> str:
    """In words; of images that are too small for it without the SSIM."""
    first, second = np.moveaxis(clean, 0, 2), np.moveaxis(planes, 0, 2)
    similar = f", SSIM {ssim(first, second):.3f}" if min(planes.shape[1:]) >= SSIM_WINDOW else ""
    return f"{psnr(first, second):.2f} dB{similar}"


def _view(shown: dict[str, np.ndarray], which: str, kind: str = "") -> str:
    """The images of the page, or parts of them."""
    return _VIEW.substitute({name: _encoded(planes) for name, planes in shown.items()}, which=which, kind=kind)


def _planes(image: np.ndarray, data_range: float | None) -> np.ndarray:
    """Shape (C, H, W), white at 1, without alpha."""
    return to_planes(image, data_range).data[:, 0].numpy()


def _correlation(taken: np.ndarray) -> float:
    """Of entries that are neighbors in a row or a column, the mean of both."""
    flat = taken - taken.mean()
    pairs = [(flat[..., 1:], flat[..., :-1]), (flat[..., 1:, :], flat[..., :-1, :])]
    return float(np.mean([(a * b).mean() for a, b in pairs]) / max(float((flat * flat).mean()), 1e-12))


def _encoded(planes: np.ndarray) -> str:
    """An image as the address of its own data: PNG, 8 bit."""
    eight = np.rint(255 * np.clip(np.moveaxis(planes, 0, 2), 0, 1)).astype(np.uint8)
    image = Image.fromarray(eight[..., 0] if eight.shape[2] == 1 else eight)
    image.thumbnail((_LARGEST, _LARGEST))
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; } h2 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
.pair { position: relative; line-height: 0; }
.pair img, .taken { width: 100%; image-rendering: pixelated; }
.as-is .slid { width: fit-content; } .as-is img { width: auto; max-width: 100%; }
.pair .top { position: absolute; inset: 0; clip-path: inset(0 calc(100% - var(--at, 50%)) 0 0); }
.pair .line { position: absolute; top: 0; bottom: 0; left: var(--at, 50%); width: 2px; background: #e08214; }
input { width: 100%; margin: .6rem 0; accent-color: #e08214; }
table { border-collapse: collapse; } th, td { text-align: left; padding: .2rem 1rem .2rem 0; font-weight: normal; }
th { opacity: .7; }
</style>
</head>
<body>
<h1>$title</h1>
<table>$rows</table>
$views
</body>
</html>
""")

_VIEW = Template("""
<div class="$kind">
<h2>Before, to the left of the line, and after$which</h2>
<div class="slid">
<div class="pair">
<img src="$after" alt="after"><img class="top" src="$before" alt="before"><div class="line"></div>
</div>
<input type="range" min="0" max="100" value="50" step="0.1" aria-label="where the line is"
 oninput="this.previousElementSibling.style.setProperty('--at', this.value + '%')">
</div>
<h2>What was taken away$which: it should look like noise, and show nothing of the image</h2>
<img class="taken" src="$taken" alt="the difference">
</div>""")
