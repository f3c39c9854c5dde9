"""Self-contained HTML report on a denoised image: before and after, the removed noise, and measurements."""

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
from scorematching.restoration.certificate import Certificate
from scorematching.restoration.missing import fill_missing
from scorematching.restoration.removed import removed_noise
from scorematching.restoration.structure import Structure
from scorematching.runtime.text import plain

#: Largest side of a displayed image in pixels. Larger images are shrunk, to keep the page small.
_LARGEST = 2048
#: Side of the center crop in pixels. Images of more than twice this size are shown with a crop at full size, because
#: shrinking averages the noise away.
_MIDDLE = 512
#: Range of the image of the removed noise, from black to white, in standard deviations of the noise.
_SPAN = 6.0
#: Quantile of the error bars that is shown as white.
_BRIGHTEST = 0.999


def _in_words(structure: Structure) -> str:
    """Return the numbers of a structure in words."""
    return (
        f"correlation of neighboring pixels {structure.neighbors:+.2f}, rank correlation of the energy with brightness "
        f"{structure.brightness:+.2f}, with edges {structure.edges:+.2f}"
    )


def write_page(
    path: str | Path,
    before: np.ndarray,
    after: np.ndarray,
    certificate: Certificate,
    *,
    title: str,
    found: bool = False,
    data_range: float | None = None,
    reference: np.ndarray | None = None,
    std: np.ndarray | None = None,
) -> None:
    """Write the report on a denoised image.

    Args:
        path: File to write.
        before: Noisy image, as in :func:`scorematching.images.to_planes`.
        after: Denoised image of the same shape.
        certificate: Certificate of the denoised image, with the noise model.
        title: Title of the page.
        found: Whether ``noise`` is an estimate.
        data_range: Value of white in the images.
        reference: Clean image, if known. If its type differs from that of ``before``, its white is the default of its
            own type.
        std: Error bars, of the shape of ``after``, in the units of the images.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: The shapes of the images differ; alpha channels are ignored.

    Example:
        >>> import tempfile
        >>> from scorematching.noise import GaussianNoise
        >>> from scorematching.restoration.certificate import certify
        >>> path = Path(tempfile.mkdtemp()) / "report.html"
        >>> noisy = np.random.default_rng(0).normal(128, 20, (32, 32))
        >>> gray = np.full((32, 32), 128.0)
        >>> certificate = certify(noisy, gray, GaussianNoise(20), lambda _: gray, 255)
        >>> write_page(path, noisy, gray, certificate, title="A report", data_range=255)
        >>> "<title>A report</title>" in path.read_text()
        True
    """
    known = fill_missing(before, data_range)
    data_range = known.planes.data_range
    planes = {name: _planes(image, data_range) for name, image in (("before", before), ("after", after))}
    cleaned = fill_missing(after, data_range).planes.data
    taken = removed_noise(known.planes, cleaned, certificate.noise, known.mask)[0][:, 0].numpy()
    rows = {
        "image": f"{before.shape[1]} x {before.shape[0]} pixels, {before.dtype}",
        "noise": f"{certificate.noise}, white is {data_range:g}, {'estimated from the image' if found else 'as given'}",
        "expected quality": "unknown"
        if certificate.psnr is None
        else f"{certificate.psnr:.1f} ± {certificate.psnr_error:.1f} dB, if the noise is right (Stein)",
        "removed noise": f"standard deviation {certificate.removed:.2f}, relative to the noise",
        "structure of the removed noise": _in_words(certificate.structure),
        "structure of simulated noise": f"{_in_words(certificate.expected)}, after it was added and removed again",
        "what to do": "; ".join(certificate.advice) or "nothing is off",
    }
    if reference is not None:
        check_reference(reference, before)
        clean = _planes(reference, data_range if reference.dtype == before.dtype else None)
        rows |= {name: _quality(clean, planes[name]) for name in planes}
    shown = {**planes, "taken": 0.5 + taken / _SPAN}
    if std is not None:
        errors = np.nan_to_num(_planes(std, data_range))
        largest = max(float(np.quantile(errors, _BRIGHTEST)), 1e-30)
        shown["error"] = errors / largest
        rows["error bars"] = f"in the image at the end: black 0, white {data_range * largest:.3g} or more"
    scale = min(1.0, _LARGEST / max(before.shape[:2]))
    views = [_view(shown, f" (at {scale:.0%} of the size, which averages noise away)" if scale < 1 else "")]
    if max(before.shape[:2]) > 2 * _MIDDLE:
        middle = tuple(slice(max(0, n - _MIDDLE) // 2, (n + _MIDDLE) // 2) for n in before.shape[:2])
        views.append(_view({name: of[:, *middle] for name, of in shown.items()}, " (center, at full size)", "as-is"))
    filled = _PAGE.substitute(
        title=html.escape(plain(title)),
        rows="".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in rows.items()),
        views="".join(views),
    )
    write_atomically(path, filled.encode())


def check_reference(reference: np.ndarray, image: np.ndarray) -> None:
    """Raise ``ValueError`` unless a clean image has the size and colors of an image. Alpha channels are ignored.

    Example:
        >>> check_reference(np.zeros((4, 6, 3)), np.zeros((4, 6, 4)))
    """
    if _colors(reference) != _colors(image):
        raise ValueError(
            f"the reference has shape {reference.shape}, the image {image.shape}: expected the same shape, except for "
            "an alpha channel"
        )


def _colors(image: np.ndarray) -> tuple[int, int, int]:
    """Return height, width and number of colors, without alpha."""
    return *image.shape[:2], len(to_planes(image[:1, :1]).data)


def _quality(clean: np.ndarray, planes: np.ndarray) -> str:
    """Return PSNR and SSIM as text, for small images the PSNR alone."""
    first, second = np.moveaxis(clean, 0, 2), np.moveaxis(planes, 0, 2)
    similar = f", SSIM {ssim(first, second):.3f}" if min(planes.shape[1:]) >= SSIM_WINDOW else ""
    return f"{psnr(first, second):.2f} dB{similar}"


def _view(shown: dict[str, np.ndarray], which: str, kind: str = "") -> str:
    """Return the HTML of the images, or of crops of them."""
    images = {name: _encoded(planes) for name, planes in shown.items()}
    bars = _BARS.substitute(images, which=which) if "error" in images else ""
    return _VIEW.substitute(images, which=which, kind=kind, bars=bars)


def _planes(image: np.ndarray, data_range: float | None) -> np.ndarray:
    """Return the color planes of an image, shape (C, H, W), with white at 1 and without alpha."""
    return fill_missing(image, data_range).planes.data[:, 0].numpy()


def _encoded(planes: np.ndarray) -> str:
    """Return an image as the data URL of an 8-bit PNG."""
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
<h2>Before (left of the line) and after (right)$which</h2>
<div class="slid">
<div class="pair">
<img src="$after" alt="after"><img class="top" src="$before" alt="before"><div class="line"></div>
</div>
<input type="range" min="0" max="100" value="50" step="0.1" aria-label="position of the line"
 oninput="this.previousElementSibling.style.setProperty('--at', this.value + '%')">
</div>
<h2>Removed noise$which: it should look like pure noise, without any structure of the image</h2>
<img class="taken" src="$taken" alt="the difference">
$bars
</div>""")

_BARS = Template("""
<h2>Error bars$which: the standard deviation of each pixel</h2>
<img class="taken" src="$error" alt="the error bars">""")
