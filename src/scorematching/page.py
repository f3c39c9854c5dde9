"""One self-contained HTML page on a picture that was denoised: before and after, what was taken away, figures."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path
from string import Template

import numpy as np
from PIL import Image

from scorematching.atomic import write_atomically
from scorematching.images import Anscombe, psnr, ssim, to_planes

#: Pixels; larger pictures are shown shrunk, so that the page stays of a size that browsers bear.
_LARGEST = 2048
#: Standard deviations of the noise from black to white in the picture of what was taken away.
_SPAN = 6.0


def write_page(
    path: str | Path,
    before: np.ndarray,
    after: np.ndarray,
    noise: float | Anscombe,
    *,
    title: str,
    found: bool = False,
    peak: float | None = None,
    reference: np.ndarray | None = None,
) -> None:
    """Write the page.

    Args:
        path: Where to.
        before: The noisy picture, as :func:`scorematching.images.to_planes` takes it.
        after: The denoised one, of the same shape.
        noise: Its standard deviation, in the pictures' own units; or what it is where it grows with brightness.
        title: Of the page.
        found: Whether ``noise`` is an estimate.
        peak: The pictures' value of white.
        reference: The clean picture, where there is one.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: The shapes differ.
    """
    peak = to_planes(before, peak).peak
    planes = {name: _planes(image, peak) for name, image in (("before", before), ("after", after))}
    if isinstance(noise, Anscombe):
        said, taken = str(noise), noise(peak * planes["before"]) - noise.mean(peak * planes["after"])
    else:
        said, taken = f"sigma {noise:.4g}", (planes["before"] - planes["after"]) / (noise / peak)
    rows = {
        "picture": f"{before.shape[1]} x {before.shape[0]} pixels, {before.dtype}",
        "noise": f"{said} of {peak:g}, {'estimated from the picture' if found else 'as given'}",
        "taken away": f"standard deviation {taken.std():.2f} of the noise's, mean {taken.mean():+.3f}",
        "neighbours in it": f"correlation {_correlation(taken):+.3f}; 0 for noise, more where structure was lost",
    }
    if reference is not None:
        for name, image in (("before", before), ("after", after)):
            rows[name] = f"{psnr(reference, image, peak):.2f} dB, SSIM {ssim(reference, image, peak):.3f}"
    filled = _PAGE.substitute(
        title=html.escape(title),
        before=_encoded(planes["before"]),
        after=_encoded(planes["after"]),
        taken=_encoded(0.5 + taken / _SPAN),
        rows="".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in rows.items()),
    )
    write_atomically(path, filled.encode())


def _planes(image: np.ndarray, peak: float) -> np.ndarray:
    """Shape (C, H, W), white at 1, without alpha."""
    return to_planes(image, peak).data[:, 0].numpy()


def _correlation(taken: np.ndarray) -> float:
    """Of entries that are neighbours in a row or a column, the mean of both."""
    flat = taken - taken.mean()
    pairs = [(flat[..., 1:], flat[..., :-1]), (flat[..., 1:, :], flat[..., :-1, :])]
    return float(np.mean([(a * b).mean() for a, b in pairs]) / max(float((flat * flat).mean()), 1e-12))


def _encoded(planes: np.ndarray) -> str:
    """A picture as the address of its own data: PNG, 8 bit."""
    eight = np.rint(255 * np.clip(np.moveaxis(planes, 0, 2), 0, 1)).astype(np.uint8)
    picture = Image.fromarray(eight[..., 0] if eight.shape[2] == 1 else eight)
    picture.thumbnail((_LARGEST, _LARGEST))
    buffer = io.BytesIO()
    picture.save(buffer, "png")
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
<h2>Before, to the left of the line, and after</h2>
<div class="pair" id="pair">
<img src="$after" alt="after"><img class="top" src="$before" alt="before"><div class="line"></div>
</div>
<input type="range" min="0" max="100" value="50" step="0.1" aria-label="where the line is"
 oninput="document.getElementById('pair').style.setProperty('--at', this.value + '%')">
<h2>What was taken away: it should look like noise, and show nothing of the picture</h2>
<img class="taken" src="$taken" alt="the difference">
</body>
</html>
""")
