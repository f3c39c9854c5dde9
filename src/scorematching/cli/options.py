"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scorematching.priors.names import SHIPPED
from scorematching.runtime.text import naming

if TYPE_CHECKING:
    import torch

    from scorematching.noise import NoiseModel

#: Value of ``--prior`` for the default prior for the colors of each image.
NATURAL = "natural"
#: Value of ``--prior`` for a prior that is fitted to the images.
SELF = "self"
#: Default number of training steps with ``--prior self``.
SELF_STEPS = 600

DeviceOption = Annotated[str, typer.Option("--device", help="Device to compute on: cpu, cuda or cuda:1.")]
SeedOption = Annotated[
    int,
    typer.Option("--seed", min=0, help="Seed of all random numbers. The same seed gives the same result on a machine."),
]
WhiteOption = Annotated[
    float | None,
    typer.Option(
        "--white",
        help="Pixel value of white, such as 4095 for 12-bit data in 16-bit files.",
        show_default="255 or 65535 for integers; 1, or the largest value above 2, for floating point",
    ),
]
ImageArgument = Annotated[Path, typer.Argument(help="Image or stack (TIFF, PNG, JPEG, NumPy, FITS, MRC and others).")]
OutputOption = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="File to write the result to.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Allow the result to replace its input.")]
_SIGMA_HELP = (
    "Standard deviation of the noise, in the units of the image: 0-255 for 8 bit, 0-65535 for 16 bit, pixel values for "
    "floating point."
)
SigmaOption = Annotated[
    float | None, typer.Option("--sigma", help=_SIGMA_HELP, show_default="estimated from each image")
]
FitSigmaOption = Annotated[
    float | None,
    typer.Option(
        "--sigma",
        help=_SIGMA_HELP + " Without --noisy, noise of this level is added to the images.",
        show_default="estimated from each image with --noisy, none without",
    ),
]
LevelOption = Annotated[
    float | None,
    typer.Option(
        "--sigma",
        help="Standard deviation of the noise, in the units of the image (0-255 for 8 bit).",
        show_default="1/255 of white",
    ),
]
GainOption = Annotated[
    float | None,
    typer.Option(
        "--gain",
        help="For low light, where noise grows with brightness: increase of a pixel value per photon, in the units of "
        "the image. It is in the data sheet of the camera (the inverse of electrons per count), or the slope of the "
        "variance over the mean in shots of evenly lit paper. --sigma is then the read noise alone, 0 by default.",
        show_default="one noise level for all pixels",
    ),
]
NoiseOption = Annotated[
    Path | None,
    typer.Option(
        "--noise",
        metavar="JSON",
        help="The noise, in a file that [bold]noise --json[/bold] wrote for one page, such as a blank one.",
    ),
]
OffsetOption = Annotated[
    float,
    typer.Option("--offset", help="With --gain: pixel value without light, the mean of a shot with the lens covered."),
]
PriorOption = Annotated[
    str,
    typer.Option(
        "--prior",
        metavar="NAME|FILE",
        help=f"A prior that comes with the library ({', '.join(SHIPPED)}; the last one is not for commercial use; "
        "natural-gray-small takes a fifth of the time), a file of [bold]fit[/bold], [bold]natural[/bold] for "
        "natural-color or natural-gray by the colors of each image, or [bold]self[/bold] to fit a prior to the images.",
    ),
]
NamedPriorOption = Annotated[
    str,
    typer.Option(
        "--prior",
        metavar="NAME|FILE",
        help=f"A prior that comes with the library ({', '.join(SHIPPED)}), a file of [bold]fit[/bold], or "
        "[bold]natural[/bold] for natural-color or natural-gray by the colors of each image.",
    ),
]
StepsOption = Annotated[
    int | None,
    typer.Option("--steps", min=1, help="With --prior self: training steps.", show_default=str(SELF_STEPS)),
]
NeighborsOption = Annotated[
    int | None,
    typer.Option(
        "--neighbors",
        min=1,
        max=8,
        metavar="N",
        help="The prior also sees the N images before and after an image: frames, or else slices, or else channels. "
        "1 or 2 are usual.",
        show_default="none",
    ),
]


def noise_from_options(
    sigma: float | None, gain: float | None, offset: float, file: Path | None = None
) -> NoiseModel | None:
    """Return the noise that the options describe, or ``None`` if it has to be estimated.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A number is out of its range, an offset comes without a gain, or the file does not have one noise.
    """
    from scorematching.noise import PoissonGaussianNoise, as_noise_model

    if file is not None:
        if sigma is not None or gain is not None or offset:
            raise ValueError("--noise has the whole noise: leave out --sigma, --gain and --offset")
        return _noise_of_file(file)
    if gain is not None:
        return PoissonGaussianNoise(gain, offset, sigma or 0.0)
    if offset:
        raise ValueError(f"--offset is for noise that grows with brightness: pass --gain too, got offset {offset:g}")
    return None if sigma is None else as_noise_model(sigma)


def _noise_of_file(file: Path) -> NoiseModel:
    """Return the noise in a file that ``scorematching noise --json`` wrote."""
    import json

    from scorematching.noise import from_record

    if not file.is_file():
        raise FileNotFoundError(f"no such file: {file}")
    try:
        entries = json.loads(file.read_text())
    except (ValueError, RecursionError):
        raise ValueError(f"{file} is not JSON: write it by scorematching noise --json") from None
    if not isinstance(entries, list) or len(entries) != 1 or not isinstance(entries[0], dict):
        count = f"{len(entries)} entries" if isinstance(entries, list) else "no list"
        raise ValueError(f"{file} has {count}, expected one noise: write it by scorematching noise --json for one page")
    with naming(file):
        return from_record(entries[0].get("noise"))


def check_device(name: str) -> torch.device:
    """Return the device with a name.

    Raises:
        ValueError: This machine does not have the device.
    """
    import torch

    if name.partition(":")[0] not in ("cpu", "cuda"):
        raise ValueError(f"no device {name!r} here: expected cpu or cuda")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise ValueError(f"no device {name!r} here: try --device cpu") from None
    return device
