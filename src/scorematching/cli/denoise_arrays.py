"""The work of ``scorematching denoise`` for Zarr arrays: tile by tile, in one process or many."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scorematching.cli.console import end_with, print_error, say
from scorematching.cli.denoise_files import Job, describe_noise, described, note_where_approximate
from scorematching.cli.parts import Parts
from scorematching.images.arrays import find_white, has_white
from scorematching.images.axes import representative
from scorematching.images.io import ome_zarr
from scorematching.images.io.atomic import check_folder
from scorematching.images.io.formats import TIFF_SUFFIXES
from scorematching.images.io.microscope import (
    MICROSCOPE_SUFFIXES,
    MicroscopeArray,
    open_microscope_file,
    sizes_of_scene,
)
from scorematching.images.io.ome_zarr import Region, StoredArray
from scorematching.images.io.resolutions import check_levels, fill_region, regions_of_level
from scorematching.images.io.tiff_array import TiffArray, open_tiff, pixel_sizes
from scorematching.noise import GaussianNoise, NoiseModel, as_record, from_record
from scorematching.restoration.choice import prior_for
from scorematching.restoration.noise_estimate import estimate_noise
from scorematching.restoration.plan import Options, Plan
from scorematching.restoration.tiled import Tile, check_tiled, denoise_tile, tiles
from scorematching.runtime.journal import Journal
from scorematching.runtime.text import naming
from scorematching.runtime.workers import Workers

#: Plan of the last image of this process, by all that it depends on.
_PLANS: dict[tuple[Any, ...], Plan] = {}


@dataclass(frozen=True)
class _Shared:
    """What all parts need. It is sent to each process once.

    Attributes:
        description: All that the result depends on.
        job: Settings.
        source: Array to denoise.
        result: Array to write.
        white: Value of white, when it is known.
    """

    description: str
    job: Job
    source: StoredArray
    result: StoredArray
    white: float | None

    @property
    def options(self) -> Options:
        job = self.job
        return Options("auto", job.self_ensemble, job.fast, self.white, job.seed, job.device)


class _Part(NamedTuple):
    """Tile of an image, and the noise of the image."""

    image: tuple[int, ...]
    tile: Tile
    noise: NoiseModel | None = None


class _Level(NamedTuple):
    """Region of a resolution, counted from 1 for the second."""

    number: int
    region: Region


def check_arrays(job: Job, sources: list[Path], output: Path) -> None:
    """Raise ``ValueError`` or ``OSError``, before any work, if a Zarr array can't be denoised to a path."""
    readable = ome_zarr.is_zarr(sources[0]) or sources[0].suffix.lower() in (*TIFF_SUFFIXES, *MICROSCOPE_SUFFIXES)
    if len(sources) > 1 or not readable or output.suffix.lower() != ome_zarr.SUFFIX:
        raise ValueError(
            "an array becomes one Zarr array: pass one Zarr array, TIFF or file of a microscope as input, and as "
            f"--output a name that ends in {ome_zarr.SUFFIX}"
        )
    for value, name in ((job.report, "--report"), (job.std, "--std"), (job.record, "--json")):
        if value is not None:
            raise ValueError(f"{name} is for images that fit into memory, not for Zarr arrays")
    check_folder(output.parent)
    if sources[0].resolve() in output.resolve().parents:
        raise ValueError(f"{output} is in the input: choose another place for the result")
    if output.exists() or output.is_symlink():
        raise ValueError(f"{output} exists: choose another name for the result, or delete it")


def denoise_array(
    job: Job, source: Path, target: Path, axes: str | None, scene: str | None, workers: Workers, resume: bool
) -> None:
    """Denoise a Zarr array, a TIFF or a scene of a microscope's file, and print what was written.

    The result is written to a hidden folder beside the target, and moved when it is complete.
    """
    stored, target = _open(source, axes, scene), target.absolute()
    _check_images(job, stored)
    description = {"image": stored.path, "axes": stored.axes, "shape": stored.shape, "scene": scene}
    description |= {"state of the image": stored.state} | described(job)
    partial = target.with_name(f".{target.name}.partial")
    if partial.is_symlink():
        raise ValueError(f"{partial} is a link, expected a folder for what is unfinished: delete it")
    if partial.exists() and not (partial / "journal").exists():
        raise ValueError(f"{partial} is in the way, and not of an interrupted run: delete it, or choose another name")
    if (partial / target.name).is_symlink():
        raise ValueError(f"{partial / target.name} is a link, expected a folder for what is unfinished: delete it")
    with workers, Journal(partial / "journal", description, resume) as journal:
        parts = Parts(workers, journal)
        place = partial / target.name
        if "created" not in journal.done:
            shutil.rmtree(place, ignore_errors=True)  # half created
            result = _create(place, stored)
            journal.add("created", [result.levels, result.axes, result.shape])
        levels, letters, shape = journal.done["created"]
        result = StoredArray(str(place), tuple(levels), letters, tuple(shape), stored.dtype)
        try:
            noise = _compute(_Shared(str(description), job, stored, result, None), parts)
        except ValueError:  # repeating the command would not help
            shutil.rmtree(partial, ignore_errors=True)
            raise
    if parts.failures:
        print_error(f"note: what was denoised is in {partial}: repeat the command with --resume to do only the rest")
        end_with([f"{source.name}: {failure}" for failure in parts.failures])
    Path(result.path).rename(target)
    parts.journal.remove()
    partial.rmdir()
    how = "found" if job.noise is None else "given"
    say(f"wrote {target}: {_size(stored)}; noise {how}: {describe_noise(list(noise.values()))}")


def _open(source: Path, axes: str | None, scene: str | None) -> StoredArray:
    """Open an array of any format."""
    if not source.exists():
        raise FileNotFoundError(f"no such file or folder: {source}")
    if source.suffix.lower() in MICROSCOPE_SUFFIXES:
        return open_microscope_file(source, axes, scene)
    if scene is not None:
        raise ValueError(f"--scene is for files of microscopes, {', '.join(MICROSCOPE_SUFFIXES)}, got {source}")
    return ome_zarr.open_array(source, axes) if ome_zarr.is_zarr(source) else open_tiff(source, axes)


def _create(place: Path, stored: StoredArray) -> StoredArray:
    """Create the result, without values, for an array of any format."""
    if isinstance(stored, MicroscopeArray):
        return ome_zarr.create(place, stored, sizes_of_scene(stored))
    if isinstance(stored, TiffArray):
        return ome_zarr.create(place, stored, pixel_sizes(stored.path))
    return ome_zarr.create_like(place, stored)


def _compute(shared: _Shared, parts: Parts) -> dict[tuple[int, ...], NoiseModel]:
    """Write the result, tile by tile, and its coarser resolutions. Return the noise of each image."""
    source = shared.source
    white = _white(shared, parts)
    shared = replace(shared, white=white)
    noise = _noise(shared, parts)
    if there := [one for one in noise.values() if one != GaussianNoise(0)]:
        prior = prior_for(np.zeros((1, 1)), shared.job.prior)  # those of gray and color images are for the same noise
        note_where_approximate(prior, there, white)
    named = {
        f"{_name(source, image)}rows {tile.down.start} to {tile.down.stop}, columns {tile.across.start} to "
        f"{tile.across.stop}": _Part(image, tile, noise[image])
        for image in source.images
        if image in noise
        for tile in tiles(*source.image_shape[:2])
    }
    parts.run(_denoise, shared, named, "denoising")
    for number in range(1, 0 if parts.failures else len(shared.result.levels)):
        regions = regions_of_level(shared.result, number)
        levels = {f"resolution {number}, part {k}": _Level(number, region) for k, region in enumerate(regions)}
        parts.run(_fill, shared, levels, f"resolution {number}")
    return noise


def _check_images(job: Job, stored: StoredArray) -> None:
    """Raise ``TypeError`` or ``ValueError`` if the images of an array can't be denoised."""
    with naming(Path(stored.path).name):
        check_tiled(np.dtype(stored.dtype), stored.image_shape, job.noise, job.prior)
    check_levels(stored)


def _size(stored: StoredArray) -> str:
    height, width = stored.image_shape[:2]
    count = len(stored.images)
    return f"{width} x {height}" + (f", {count} images ({stored.leading})" if count > 1 else "")


def _name(stored: StoredArray, image: tuple[int, ...]) -> str:
    return "".join(f"{letter} {place}, " for letter, place in zip(stored.leading, image, strict=True))


def _white(shared: _Shared, parts: Parts) -> float:
    """Return the value of white. If it depends on the values, all are read."""
    dtype, given = np.dtype(shared.source.dtype), shared.job.white
    if given is not None or has_white(dtype):
        return find_white(np.zeros((1, 1), dtype), given)
    images = {f"{_name(shared.source, image)}range": image for image in shared.source.images}
    ends = parts.run(_ends, shared, images, "looking for white")
    with naming(Path(shared.source.path).name):
        return find_white(np.array(list(ends.values()) or [[0, 0]]).astype(dtype))


def _ends(shared: _Shared, image: tuple[int, ...]) -> list[float]:
    """Return the smallest and the largest finite value of an image; 0 if there is none."""
    found = [0.0, 0.0]
    for number, tile in enumerate(tiles(*shared.source.image_shape[:2])):
        values = shared.source.read(image, *tile)
        values = values[np.isfinite(values)]
        if values.size:
            ends = [float(values.min()), float(values.max())]
            found = [min(ends[0], found[0]), max(ends[1], found[1])] if number else ends
    return found


def _noise(shared: _Shared, parts: Parts) -> dict[tuple[int, ...], NoiseModel]:
    """Return the noise of each image: the given one, or that which is found in a sample."""
    source = shared.source
    if shared.job.noise is not None:
        return dict.fromkeys(source.images, shared.job.noise)
    likes = {image: representative(image, source.counts, source.leading) for image in source.images}
    images = {f"{_name(source, image)}noise": image for image in dict.fromkeys(likes.values())}
    records = parts.run(_find, shared, images, "noise")
    known = {images[name]: from_record(record) for name, record in records.items()}
    found = {image: known[like] for image, like in likes.items() if like in known}
    if found and all(getattr(noise, "sigma", 1) == 0 for noise in found.values()) and not parts.failures:
        raise ValueError(f"no noise was found in {source.path}: pass --sigma")
    return found


def _find(shared: _Shared, image: tuple[int, ...]) -> dict[str, Any]:
    """Return the record of the noise of an image."""
    job, sample = shared.job, shared.source.sample(image)
    return as_record(estimate_noise(sample, job.prior, data_range=shared.white, seed=job.seed, device=job.device))


def _denoise(shared: _Shared, part: _Part) -> None:
    """Denoise a tile and write it."""
    assert part.noise is not None
    key = (shared.description, part.image, str(as_record(part.noise)))
    if key not in _PLANS:
        plan = Plan.of(shared.source.sample(part.image), part.noise, shared.job.prior, shared.options)
        _PLANS.clear()
        _PLANS[key] = plan
    plan = _PLANS[key]
    near = part.tile.near(plan.margin, *shared.source.image_shape[:2])
    clean = denoise_tile(plan, shared.source.read(part.image, *near), part.tile, near)
    shared.result.write(shared.result.place_of(shared.source, part.image), *part.tile, clean)


def _fill(shared: _Shared, level: _Level) -> None:
    """Compute a region of a coarser resolution."""
    fill_region(shared.result, level.number, level.region)
