"""Denoising of camera raw files after or before the colors between the pixels of the sensor are filled in."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import tifffile
import typer

import scorematching as sm
from scorematching.images.io.raw import develop, opened

#: Values of the sensor without light and of white, and its sensitivity to red, green and blue, relative to green.
BLACK, WHITE, SENSITIVITY = 512, 16383, (0.5, 1.0, 0.625)
#: Read noise in electrons, and the side of a photograph.
_READ_NOISE, _SIDE = 3.0, 256
#: Places of the four kinds of pixels of the sensor: red, green, green, blue.
_PLACES = ((0, 0), (0, 1), (1, 0), (1, 1))
#: XYZ to linear sRGB.
_SRGB = np.linalg.inv(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def linear(photograph: np.ndarray) -> np.ndarray:
    """Return the light of a photograph in sRGB (0-255), from 0 to 1."""
    value = photograph / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def sensor(light: np.ndarray) -> np.ndarray:
    """Return the values that a sensor with red, green, green and blue pixels has for light, without noise."""
    values = np.empty(light.shape[:2])
    for (down, across), color in zip(_PLACES, (0, 1, 1, 2), strict=True):
        values[down::2, across::2] = SENSITIVITY[color] * light[down::2, across::2, color]
    return BLACK + (WHITE - BLACK) * values


def write_dng(path: Path, values: np.ndarray, orientation: int = 1) -> None:
    """Write values of a sensor as a DNG file."""

    def fractions(numbers: np.ndarray | tuple[float, ...]) -> list[int]:
        return [part for number in np.ravel(numbers) for part in (round(10_000 * number), 10_000)]

    tags = [
        (50706, "B", 4, (1, 4, 0, 0), True),  # version
        (33421, "H", 2, (2, 2), True),  # size and colors of the pattern of the sensor
        (33422, "B", 4, (0, 1, 1, 2), True),
        (50714, "H", 1, (BLACK,), True),
        (50717, "H", 1, (WHITE,), True),
        (50721, "2i", 9, fractions(np.diag(SENSITIVITY) @ _SRGB), True),  # XYZ to the colors of the sensor
        (50728, "2I", 3, fractions(SENSITIVITY), True),  # colors of white
        (50778, "H", 1, (21,), True),  # daylight
        (274, "H", 1, (orientation,), True),
    ]
    tifffile.imwrite(path, values.astype(np.uint16), photometric=32803, planarconfig=1, extratags=tags)


def raw(
    images: Annotated[list[Path], typer.Argument(help="Clean color photographs of 256 pixels or more.")],
    electrons: Annotated[
        list[float] | None, typer.Option("--electrons", help="Electrons of white.", show_default="50, 200, 1000")
    ] = None,
) -> None:
    """Print the PSNR of simulated raw files, denoised after or before they are developed.

    "AHD" and "DHT" are developed images in which the noise is found and removed. "before" finds and removes it in the
    values of the sensor, and develops with DHT.
    """
    print("| photograph | electrons | noisy | AHD | DHT | before |")
    print("|---|---|---|---|---|---|")
    for path in images:
        photograph = sm.read_image(path)[:_SIDE, :_SIDE].astype(float)
        for count in electrons or (50.0, 200.0, 1000.0):
            print(
                f"| {path.stem} | {count:g} | {' | '.join(f'{p:.2f}' for p in _figures(photograph, count))} |",
                flush=True,
            )


def _figures(photograph: np.ndarray, electrons: float) -> list[float]:
    """Return the PSNR of each method for one photograph."""
    random, light = np.random.default_rng(0), (sensor(linear(photograph)) - BLACK) / (WHITE - BLACK)
    counts = random.poisson(light * electrons) + random.normal(0, _READ_NOISE, light.shape)
    values = np.clip(np.rint(BLACK + counts * (WHITE - BLACK) / electrons), 0, WHITE).astype(np.uint16)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photograph.dng"
        write_dng(path, values)
        with opened(path) as file:
            noisy, ahd = develop(file), develop(file, "AHD")
        results = [noisy, sm.denoise(ahd), sm.denoise(noisy), sm.restoration.denoise_raw(path).image]
    return [sm.psnr(photograph, result / 257, data_range=255) for result in results]
