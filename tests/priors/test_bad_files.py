"""Files that hold no prior are refused with the name of the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import scorematching as sm
from scorematching.priors.store import describe_prior
from scorematching.priors.tensor_file import write_tensors

WEIGHT = "energy.layers.1.weight"


def test_a_name_that_is_no_file_is_answered_by_those_of_the_library(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such file: .*natural-gray-small"):
        sm.load_prior(tmp_path / "p")


@pytest.mark.parametrize("metadata", [None, {"scorematching": "[1]"}, {"other": "{}"}])
def test_files_of_others_are_refused(prior: sm.Prior, path: Path, metadata: dict[str, str] | None) -> None:
    save_file(prior.state_dict(), path, metadata)
    with pytest.raises(ValueError, match=r"p\.safetensors is a safetensors file, but was not written by scorematching"):
        sm.load_prior(path)


@pytest.mark.parametrize("content", [b"", b"rubbish", bytes(1000)])
def test_rubbish_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"p\.safetensors is not a safetensors file"):
        sm.load_prior(path)


@pytest.mark.parametrize("text", ['{"format": "prior/3"', "[" * 100_000, '{"format": ' + "9" * 5000 + "}"])
def test_a_description_that_is_no_json_is_refused(prior: sm.Prior, path: Path, text: str) -> None:
    save_file(prior.state_dict(), path, {"scorematching": text})
    with pytest.raises(ValueError, match=r"p\.safetensors is damaged: its description is not JSON"):
        sm.load_prior(path)


#: Entries that replace those of a prior, or of one of its sections, and what is said of them.
WRONG: list[tuple[str | None, dict[str, Any], str]] = [
    (None, {"format": "prior/1"}, "not a prior that this version .* can read: fit it again"),
    (None, {"format": "prior/2"}, "not a prior that this version .* can read"),
    (None, {"format": None}, "not a prior that this version .* can read"),
    (None, {"weights": 1}, "an unknown section, weights"),
    (None, {"architecture": None}, "describes no prior"),
    (None, {"noise": [0.1]}, "describes no prior"),
    (None, {"noise": {}}, "describes no prior: it has no noise field blind"),
    (None, {"provenance": "home"}, "describes no prior"),
    ("architecture", {"kind": "gan"}, "kind must be 'field' or 'deep', got 'gan'"),
    ("architecture", {"kind": "deep"}, "describes no prior: it has no architecture field channels"),
    ("architecture", {"color": "blue"}, "describes no prior: it has an unknown architecture field, color"),
    ("architecture", {"filters": 4095, "size": 64}, "16773120 weights or more, too many for [0-9]+ bytes"),
    ("architecture", {"size": "big"}, "size must be an integer from 2 to 64, got 'big'"),
    ("architecture", {"filters": 10**12}, "filters must be an integer"),
    ("architecture", {"expert": "cauchy"}, "expert must be"),
    ("noise", {"sigma": 0.0}, "sigma must be a number above 0, got 0.0"),
    ("noise", {"sigma": float("inf")}, "sigma must be a number above 0, got inf"),
    ("noise", {"lowest": 1.0}, "lowest must not be above highest"),
    ("noise", {"sigma": 10**400}, "describes no prior: sigma must be a number above 0, got 1000"),
    ("noise", {"gain": 2.0}, "describes no prior: it has an unknown noise field, gain"),
    ("provenance", {"data": None}, "data must be text"),
    ("provenance", {"steps": -1}, "steps must be an integer of 0 or more"),
    ("provenance", {"author": "me"}, "describes no prior: it has an unknown provenance field, author"),
]


@pytest.mark.parametrize(("section", "changes", "message"), WRONG)
def test_wrong_entries_are_refused(
    prior: sm.Prior, path: Path, section: str | None, changes: dict[str, Any], message: str
) -> None:
    entries = describe_prior(prior)
    (entries if section is None else entries[section]).update(changes)
    write_tensors(path, prior.state_dict(), entries)
    with pytest.raises(ValueError, match=rf"p\.safetensors .*{message}"):
        sm.load_prior(path)


@pytest.mark.parametrize("section", ["architecture", "noise", "provenance"])
def test_a_missing_section_is_named(prior: sm.Prior, path: Path, section: str) -> None:
    entries = describe_prior(prior)
    del entries[section]
    write_tensors(path, prior.state_dict(), entries)
    with pytest.raises(ValueError, match=rf"p\.safetensors describes no prior: it has no section {section}"):
        sm.load_prior(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({WEIGHT: torch.zeros(3, 5)}, r"should be \(8, 5\), it is \(3, 5\)"),
        ({WEIGHT: torch.zeros(8, 5, dtype=torch.float64)}, r"should be torch\.float32, it is torch\.float64"),
        ({WEIGHT: torch.full((8, 5), torch.nan)}, "NaN or infinite"),
        ({WEIGHT: torch.full((8, 5), 3e38)}, r"scores are not finite"),
        ({WEIGHT: None}, r"should be \(8, 5\), it is nothing"),
        ({"more": torch.zeros(1)}, r"more should be no such tensor, it is \(1,\)"),
    ],
)
def test_damaged_tensors_are_refused(
    prior: sm.Prior, path: Path, changes: dict[str, torch.Tensor | None], message: str
) -> None:
    tensors = {name: tensor for name, tensor in (prior.state_dict() | changes).items() if tensor is not None}
    write_tensors(path, tensors, describe_prior(prior))
    with pytest.raises(ValueError, match=rf"p\.safetensors .*{message}"):
        sm.load_prior(path)
