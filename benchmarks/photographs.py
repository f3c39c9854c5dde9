"""Training tiles from freely licensed photographs, for priors without license restrictions."""

from __future__ import annotations

import importlib.util
import io
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image
from rich.progress import track

from scorematching.cli.console import console, errors

#: Program of apt that downloads a file and verifies its checksum.
_APT = "/usr/lib/apt/apt-helper"


@dataclass(frozen=True)
class Package:
    """Debian package that contains photographs.

    Attributes:
        path: Path in the folder ``pool/main`` of a Debian mirror.
        checksum: SHA-256 of the package.
        files: Patterns for the paths of the photographs.
    """

    path: str
    checksum: str
    files: tuple[str, ...]


def _in(folder: str, names: str, suffix: str = ".jpg") -> tuple[str, ...]:
    """Return the paths of files in a folder."""
    return tuple(f"{folder}/{name}{suffix}" for name in names.split())


#: All packages are free by Debian's guidelines. The license of each file is in the package's copyright file.
PACKAGES = (
    Package(
        "b/budgie-backgrounds/budgie-backgrounds_3.0-1_all.deb",
        "b91c2d5209558bc11d8d3a161f22a608857e3f8c735980cfab0d6650b03014ca",
        _in(
            "usr/share/backgrounds/budgie",
            "abstract-spiral beacon-street-sunset blue-periwinkle canyon-wren casa-mila extreme-desert-hike "
            "high-trestle-trail lake-sherburne oakland-zoo-otters ocean-waves perched-osprey piazza-gae-aulenti "
            "roman-colosseum singaporean-cityscape tea-gardens",
        ),
    ),
    Package(
        "u/ukui-wallpapers/ukui-wallpapers_20.04.4-1_all.deb",
        "3e9036f3e9fa197e3ff8fc6551eeba208f31ac99cba06da052e49a00d77ed62d",
        _in(
            "usr/share/backgrounds",
            "bluebird bridgecity bridgecity2 flamingos horse house look mountain-range mountain mountain2 sea sky "
            "snowy-mountains still-life sunf",
        ),
    ),
    Package(
        "l/lomiri-wallpapers/lomiri-wallpapers-16.04_20.04.0-2_all.deb",
        "a99ff6a3bfe451e4cc0682ecb3cc82e71740626d59e4845ae34a0a0e45421eab",
        _in(
            "usr/share/backgrounds",
            "Bridge_by_* Dragonfly_by_* Image_0B_* Image_1A_* Wine_by_* aitzgorri_by_* friends_by_* greentock_by_* "
            "life_by_* picosdeeuropa_by_* seeding_by_* sunset_by_*",
        ),
    ),
    Package(
        "l/lomiri-wallpapers/lomiri-wallpapers-20.04_20.04.0-5_all.deb",
        "abe7057e139f8b5059a94dc8f082b96f8532664bf90fe3eaead479f083e729c0",
        _in("usr/share/backgrounds", "Kleiber_by_*"),
    ),
    Package(
        "m/mate-backgrounds/mate-backgrounds_1.26.0-1_all.deb",
        "7bf4c2209f34b4f61ba6d24c8b58c28b361e82e4b943aae6d42c030169af9e04",
        _in("usr/share/backgrounds/mate/nature", "*"),
    ),
    Package(
        "p/palapeli/palapeli-data_22.12.3-1_all.deb",
        "69a15dce2ac25ed8708ac518cd0cee5f4eb0c70ed15da2fdb8899a19ac0ee058",
        _in("usr/share/palapeli/collection", "*"),
    ),
    Package(
        "g/gnome-backgrounds/gnome-backgrounds_3.38.0-1_all.deb",
        "76d8a4c52e5f346d9cb08bc8a1f58ad443d2bae211721af8a7248457c7a520e8",
        _in("usr/share/backgrounds/gnome", "Dark_Ivy Road Icetwigs SeaSunset"),
    ),
    Package(
        "p/plasma-workspace-wallpapers/plasma-workspace-wallpapers_5.27.5-2_all.deb",
        "32cd18b71c8c938a18b3b351f217c02ac590e323caa3cf322fbb875ce8892f8b",
        _in(
            "usr/share/wallpapers",
            "BytheWater ColorfulCups EveningGlow FallenLeaf Gray Kite OneStandsOut Path",
            "/contents/images/2560x1600.jpg",
        ),
    ),
    Package(
        "g/gcompris-qt/gcompris-qt-data_3.1-2_all.deb",
        "e9cf06ab2105529068df73085784e835d2ff03f870d2a8091f09125d40abac9f",
        _in("usr/share/gcompris-qt/rcc", "erase explore_*", ".rcc"),
    ),
)
#: Photographs in Python libraries, without the three that tests and examples hold out.
LIBRARIES = {
    "skimage": (
        *_in("data", "coffee motorcycle_left gravel brick grass ihc", ".png"),
        *_in("data", "rocket retina"),
    ),
    "sklearn": _in("datasets/images", "china flower"),
    "matplotlib": _in("mpl-data/sample_data", "grace_hopper"),
}

#: Side of a tile in pixels.
_SIDE = 180
#: Shorter sides that photographs are shrunk to, in pixels, and the maximum number of tiles at each size.
_SIZES = {720: 6, 560: 6, 430: 6, 320: 2}
#: Photographs are shrunk to at most this share of their size, to remove noise and compression artifacts. The limit
#: does not apply to photographs whose shorter side has at most this number of pixels.
_SHARE, _SMALL = 0.57, 600
#: Minimum size of a photograph in a resource file: bytes, and pixels of the shorter side.
_BYTES, _LEAST = 20_000, 560


def photographs(output: Annotated[Path, typer.Argument(help="Folder to write to. It is created if needed.")]) -> None:
    """Download about 190 freely licensed photographs (330 MB of Debian packages) and cut them into tiles.

    A tile is a PNG of 180 x 180 pixels. The more detailed half of each photograph is used, at several sizes. The tiles
    that a training holds out, every tenth, therefore come from the same photographs as the others.
    """
    if not Path(_APT).exists():
        raise typer.BadParameter(f"{_APT} is needed to download packages: run this on Debian or Ubuntu")
    output.mkdir(exist_ok=True)
    if any(output.iterdir()):
        raise typer.BadParameter(f"{output} is not empty, and its files would be trained on: choose an empty folder")
    counts: list[int] = []
    for name, image in _photographs():
        tiles = list(_tiles(image))
        for number, tile in enumerate(tiles, sum(counts)):
            Image.fromarray(tile).save(output / f"{number:04d}-{name}.png")
        counts.append(len(tiles))
    console.print(f"wrote {sum(counts)} tiles of {len(counts)} photographs to {output}/", highlight=False)


def _photographs() -> Iterator[tuple[str, Image.Image]]:
    """Yield the names and the photographs of all packages and libraries."""
    mirror = _mirror()
    for package in track(PACKAGES, "packages", console=errors):
        with tempfile.TemporaryDirectory() as folder:
            _unpack(package, mirror, Path(folder))
            for pattern in package.files:
                for path in sorted(Path(folder).glob(pattern)):
                    yield from _resources(path) if path.suffix == ".rcc" else [(path.stem, Image.open(path))]
    for library, files in LIBRARIES.items():
        spec = importlib.util.find_spec(library)
        for path in (Path(str(spec and spec.origin)).parent / file for file in files):
            yield path.stem, Image.open(path)


def _mirror() -> str:
    """Return the address of the Debian mirror that apt uses.

    Raises:
        typer.BadParameter: apt uses no Debian mirror.
    """
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    listed = subprocess.run(command, check=False, capture_output=True, text=True)
    for address in listed.stdout.split():
        if address.endswith("/debian/"):
            return address
    raise typer.BadParameter("apt has no Debian mirror: add one to /etc/apt/sources.list and run apt-get update")


def _unpack(package: Package, mirror: str, folder: Path) -> None:
    """Download a package and unpack it.

    Raises:
        ValueError: The mirror does not have the package any more, or its checksum differs.
    """
    address, file = f"{mirror}pool/main/{package.path}", folder / "it.deb"
    command = [_APT, "download-file", address, str(file), f"SHA256:{package.checksum}"]
    fetched = subprocess.run(command, check=False, capture_output=True)
    if fetched.returncode != 0:
        raise ValueError(
            f"{address} can't be downloaded; old packages are on snapshot.debian.org: {fetched.stderr.decode()}"
        )
    subprocess.run(["dpkg-deb", "-x", file, folder], check=True)


def _resources(path: Path) -> Iterator[tuple[str, Image.Image]]:
    """Yield the photographs, stored as WebP, in a Qt resource file."""
    content, start = path.read_bytes(), 0
    while (start := content.find(b"RIFF", start)) >= 0:
        size = 8 + int.from_bytes(content[start + 4 : start + 8], "little")
        if content[start + 8 : start + 12] == b"WEBP" and size > _BYTES:
            image = Image.open(io.BytesIO(content[start : start + size]))
            if min(image.size) > _LEAST:
                yield f"{path.stem}-{start}", image
        start += 4


def _tiles(image: Image.Image) -> Iterator[np.ndarray]:
    """Yield tiles of the more detailed half of a photograph at several sizes, shape (180, 180, 3)."""
    colors = image.convert("RGB")
    shorter = min(colors.size)
    for lines, most in _SIZES.items():
        share = lines / shorter
        if share > (_SHARE if shorter > _SMALL else 1):
            continue
        width, height = (round(side * share) for side in colors.size)
        pixels = np.asarray(colors.resize((width, height), Image.Resampling.LANCZOS))
        corners = [(y, x) for y in range(0, height - _SIDE + 1, _SIDE) for x in range(0, width - _SIDE + 1, _SIDE)]
        tiles = sorted((pixels[y : y + _SIDE, x : x + _SIDE] for y, x in corners), key=_detail, reverse=True)
        kept = tiles[: max(1, len(tiles) // 2)]
        for number in range(min(most, len(kept))):
            yield kept[number * len(kept) // min(most, len(kept))]


def _detail(tile: np.ndarray) -> float:
    """Return the median difference of neighboring pixels."""
    gray = tile.astype(float).mean(2)
    return float(np.median(np.abs(np.diff(gray, axis=0)[:, :-1]) + np.abs(np.diff(gray, axis=1)[:-1])))
