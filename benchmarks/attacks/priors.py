"""Attacks by files of priors: damaged bytes, crafted descriptions, huge claims."""

from __future__ import annotations

import dataclasses
import json
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

import scorematching as sm
from benchmarks.attacks.program import Attack, command
from scorematching.priors import TrainedNoise, build_prior
from scorematching.priors.store import describe_prior
from scorematching.priors.tensor_file import write_tensors

#: Number of damaged files, and memory in bytes that a file may take above what the library has taken.
_FILES, _ROOM = 1200, 10**9


def _priors() -> list[sm.Prior]:
    """Return a prior of each kind, and a shipped one."""
    correlated = TrainedNoise.with_autocovariance(torch.tensor([[0.0, 0.002, 0], [0.002, 0.01, 0.002], [0, 0.002, 0]]))
    return [
        build_prior(sm.FieldConfig(filters=8, size=3), 0.1),
        build_prior(sm.FieldConfig(filters=8, size=3, octaves=2, expert="spline", neighbors=1), 0.1),
        build_prior(sm.FieldConfig(filters=8, size=3), correlated),
        build_prior(sm.DeepConfig(channels=4, depth=2, color=True), None),
        sm.load_prior("natural-gray-small"),
    ]


def _refused(path: Path) -> bool:
    """Return whether a file is refused, in one line that names it."""
    try:
        sm.load_prior(path)
    except ValueError as refusal:
        error = str(refusal)
    else:
        return False
    assert path.name in error, error
    assert "\n" not in error, error
    return True


def _damages(data: bytes, random: np.random.Generator) -> bytes:
    """Return damaged bytes: some flipped, cut, repeated, zeroed, exchanged or inserted."""
    start = int(random.integers(len(data)))
    length = int(random.integers(1, 1 + min(64, len(data))))
    rest = data[start + length :]
    return [
        lambda: data[:start] + bytes(random.integers(256, size=min(length, len(data) - start), dtype=np.uint8)) + rest,
        lambda: data[:start] + bytes([data[start] ^ (1 << int(random.integers(8)))]) + data[start + 1 :],
        lambda: data[:start],
        lambda: data[:start] + rest,
        lambda: data[:start] + data[start : start + length] * 2 + rest,
        lambda: data[:start] + bytes(len(data[start : start + length])) + rest,
        lambda: data + bytes(length),
    ][int(random.integers(7))]()


def damaged_bytes_are_refused_or_change_nothing(folder: Path, random: np.random.Generator) -> None:
    """Damage files at random, in their headers as often as in their weights."""
    path, refused = folder / "damaged.safetensors", 0
    for number, prior in enumerate(priors := _priors()):
        sm.save_prior(prior, path)
        whole = path.read_bytes()
        header = 8 + int.from_bytes(whole[:8], "little")
        for turn in range(_FILES // len(priors)):
            part = whole[:header] if turn % 2 else whole
            path.write_bytes(_damages(part, random) + whole[len(part) :])
            if _refused(path):
                refused += 1
                continue
            found = sm.load_prior(path)
            assert describe_prior(found) == describe_prior(prior), number
            assert all(torch.equal(t, prior.state_dict()[name]) for name, t in found.state_dict().items()), number
    assert refused > 0.8 * _FILES, refused


def _hostile() -> Iterator[tuple[str, str, Any]]:
    """Yield values that a field of a description must not have: section, field, value."""
    numbers: list[Any] = [-1, 0, 0.5, 10**6, 10**12, 10**400, float("nan"), float("inf"), True]
    others: list[Any] = [None, "", "7", [], [7], {}, {"a": 7}, "\x1b[31m"]
    for field in dataclasses.fields(sm.FieldConfig):
        for value in [*numbers, *others]:
            if (field.name, value) not in (("normalize_filters", True), ("neighbors", 0)):
                yield "architecture", field.name, value
    for name in ("sigma", "lowest", "highest"):
        for value in [*numbers, *others]:
            if value not in (None, 0.5, 10**6, 10**12) or (name, value) == ("sigma", None) or value is True:
                yield "noise", name, value
    kernels: list[Any] = [[[1.0]] * 2, [[float("nan")]], [[1, 2], [3]], [[[[[1.0]]]]], "1", 7, {}]
    for value in kernels:
        yield "noise", "correlation", value
    for value in (0, 1, None, "yes"):
        yield "noise", "blind", value
    for name in ("steps", "seed", "lam"):
        for value in (-1, float("nan"), float("inf"), "7", [7], None, True):
            yield "provenance", name, value
    for name in ("data", "version"):
        for value in (None, 7, ["a"], {}):
            yield "provenance", name, value


def crafted_descriptions_are_refused(folder: Path, random: np.random.Generator) -> None:
    """Write descriptions with hostile values, and right checksums."""
    del random
    path, prior = folder / "crafted.safetensors", _priors()[0]
    for section, name, value in _hostile():
        entries = describe_prior(prior)
        entries[section][name] = value
        write_tensors(path, prior.state_dict(), entries)
        assert _refused(path), (section, name, value)
    for section in ("architecture", "noise", "provenance"):
        for name in describe_prior(prior)[section]:
            entries = describe_prior(prior)
            del entries[section][name]
            write_tensors(path, prior.state_dict(), entries)
            assert _refused(path), (section, name)


def huge_claims_take_little_memory(folder: Path, random: np.random.Generator) -> None:
    """Claim sizes that would take all memory, in files of a few bytes, with 1 GB to take."""
    del random
    path, prior = folder / "huge.safetensors", _priors()[0]
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for write in _claims(path, prior):
        write()
        assert _refused(path)
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - used
    assert taken < _ROOM, f"{taken / 1e9:.2f} GB"


def _claims(path: Path, prior: sm.Prior) -> Iterator[Callable[[], object]]:
    """Yield functions that write files with huge claims."""
    for config in (
        sm.DeepConfig(channels=4096, depth=64),
        sm.DeepConfig(channels=1, size=63, depth=64, neighbors=8, color=True),
        sm.FieldConfig(filters=4095, size=64, expert="spline"),
        sm.FieldConfig(filters=1, size=64, neighbors=8),
    ):
        entries = describe_prior(prior)
        entries["architecture"] = {"kind": config.kind, **dataclasses.asdict(config)}
        yield lambda entries=entries: write_tensors(path, prior.state_dict(), entries)  # type: ignore[misc]
    for length in (2**63 - 1, 2**40, 10**8, 10**9, 255):
        yield lambda length=length: path.write_bytes(length.to_bytes(8, "little") + b"{}")  # type: ignore[misc]
    text = json.dumps(describe_prior(prior))
    for shape in ([2**62, 4], [2**31, 2**31, 0], [10**12]):
        header = {
            "__metadata__": {"scorematching": text},
            "w": {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]},
        }
        yield lambda header=header: path.write_bytes(_file(json.dumps(header).encode()))  # type: ignore[misc]
    for nested in ("[" * 10**6, "[[]," * 10**6, '{"a":' * 10**5, '{"format": ' + "9" * 10**6 + "}"):
        yield lambda nested=nested: save_file(prior.state_dict(), path, {"scorematching": nested})  # type: ignore[misc]
    many = {f"w{number}": torch.zeros(0) for number in range(20_000)}
    yield lambda: write_tensors(path, many, describe_prior(prior))


def _file(header: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header


def commands_refuse_damaged_priors_in_one_line(folder: Path, random: np.random.Generator) -> None:
    """Pass damaged priors to commands."""
    sm.write_image(folder / "in.png", random.integers(0, 256, (40, 40)).astype(np.uint8))
    sm.save_prior(_priors()[0], folder / "p.safetensors")
    data = bytearray((folder / "p.safetensors").read_bytes())
    data[-2] ^= 16
    (folder / "p.safetensors").write_bytes(data)
    for arguments in (("show", "p.safetensors"), ("denoise", "in.png", "-o", "out.png", "--prior", "p.safetensors")):
        result = command(folder, *arguments)
        assert result.returncode == 1, result
        assert "p.safetensors is damaged: its weights do not have the checksum" in result.stderr, result
    assert not (folder / "out.png").exists()


ATTACKS: list[Attack] = [
    damaged_bytes_are_refused_or_change_nothing,
    crafted_descriptions_are_refused,
    huge_claims_take_little_memory,
    commands_refuse_damaged_priors_in_one_line,
]
