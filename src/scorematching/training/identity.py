"""Identity of a training: the settings on which its result depends, and in what two trainings differ."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from scorematching.priors.store import describe_prior
from scorematching.runtime.compiling import backend
from scorematching.runtime.precision import in_bfloat16

if TYPE_CHECKING:
    from scorematching.training.trainer import Trainer

#: Number of images, and number of characters of a value, that a message names.
_NAMED, _LENGTH = 4, 60


def identity(trainer: Trainer) -> dict[str, Any]:
    """Return the settings that a checkpoint must share with a training, so that the result is the same, as JSON.

    Several processes may continue as any number of processes, with the same result up to rounding.
    """
    stream, training = trainer.stream, trainer.training
    found = {
        **describe_prior(trainer.prior),
        "rate": trainer.rates,
        "batch": stream.batch,
        "crop": stream.crop,
        "patience": training.patience,
        "average": training.average,
        "added noise": stream.fresh,
        "highest added noise": stream.max_level,
        "pools of images": stream.pooled,
        "threads": torch.get_num_threads() if trainer.processes.size == 1 else None,
        "backend of torch.compile": backend(),
        "bfloat16": in_bfloat16(),
        "device": trainer.device.type,
        "held out": [zlib.crc32(tensor.numpy().tobytes()) for tensor in trainer.held_out[:3]],
        "images": [
            {
                "name": plane.name,
                "size": plane.shape,
                "white": plane.data_range,
                "pixels": plane.checksum,
                "contrast": plane.contrast,
                "noise": repr(plane.noise),
            }
            for plane in stream.planes
        ],
    }
    return json.loads(json.dumps(found))


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Name each setting in which two trainings differ, with both values.

    Example:
        >>> differences({"provenance": {"steps": 100}, "images": []}, {"provenance": {"steps": 200}, "images": []})
        ['steps 100 -> 200']
    """
    one, two = _settings(before), _settings(now)
    if None in (one.get("threads"), two.get("threads")):  # several processes, whose number may change
        two["threads"] = one.get("threads")
    found = [
        f"{name} {_short(one.get(name))} -> {_short(two.get(name))}"
        for name in dict.fromkeys([*one, *two])
        if one.get(name) != two.get(name)
    ]
    found += _differences_of_images(before.get("images", []), now.get("images", []))
    if not found and before.get("held out") != now.get("held out"):
        found.append("other pixels in the held-out images")
    return found


def _settings(identity: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of an identity under names that are not nested, without the images."""
    found: dict[str, Any] = {}
    for name, value in identity.items():
        if name == "noise":
            found |= {f"noise {part}": number for part, number in (value or {}).items()}
        elif isinstance(value, dict):
            found |= value
        elif name not in ("images", "held out"):
            found[name] = value
    found.pop("data", None)  # the names of the images
    return found


def _differences_of_images(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[str]:
    """Name the images that are missing, new or changed."""
    one, two = ([str(image.get("name")) for image in images] for images in (before, now))
    found = [f"image {name} is missing" for name in dict.fromkeys(one) if name not in two]
    found += [f"image {name} is new" for name in dict.fromkeys(two) if name not in one]
    if not found and one != two:
        found = ["another order of the images"]
    if not found:
        found = list(_changes(before, now))
    return found[:_NAMED] + ([f"and {len(found) - _NAMED} more images"] if len(found) > _NAMED else [])


def _changes(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> Iterator[str]:
    """Name the first change of each image."""
    for one, two in zip(before, now, strict=True):
        for what in two:
            if one.get(what) != two[what]:
                values = "" if what == "pixels" else f" {_short(one.get(what))} -> {_short(two[what])}"
                yield f"{what} of image {two['name']}{values or ' differ'}"
                break


def _short(value: object) -> str:
    """Return a value in few characters."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    text = f"{value:.6g}" if isinstance(value, float) else "none" if value is None else str(value)
    return text if len(text) <= _LENGTH else text[:_LENGTH] + "..."
