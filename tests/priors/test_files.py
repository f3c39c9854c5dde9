"""Files of priors: they come back as they were, and the same prior gives the same bytes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from small_models import FIELD

import scorematching as sm
from scorematching.priors import FieldPrior, Provenance, TrainedNoise
from scorematching.priors.store import describe_prior

PROVENANCE = Provenance("two images, «a» and «b»", steps=7, seed=3, lam=0.2, version="0.0.9")
NOISE = {"clean": None, "one level": TrainedNoise(25 / 255), "blind range": TrainedNoise(0.05, 0.02, 0.2, blind=True)}


def test_every_architecture_comes_back(double: sm.Prior, path: Path) -> None:
    prior = double.float()
    sm.save_prior(prior, path)
    back = sm.load_prior(path)
    assert (type(back), back.config) == (type(prior), prior.config)
    planes = torch.rand(1, prior.config.colors, 13, 12)
    assert torch.equal(back.score(planes), prior.score(planes))
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
def test_noise_and_provenance_come_back(noise: TrainedNoise | None, path: Path) -> None:
    sm.save_prior(FieldPrior(FIELD, noise, PROVENANCE), path)
    back = sm.load_prior(str(path))
    assert (back.noise, back.provenance) == (noise, PROVENANCE)


def test_two_saves_give_the_same_bytes(prior: sm.Prior, tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    sm.save_prior(prior, first)
    sm.save_prior(sm.load_prior(first), second)
    assert first.read_bytes() == second.read_bytes()


def test_a_folder_that_is_missing_is_named(prior: sm.Prior, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such folder: .*none"):
        sm.save_prior(prior, tmp_path / "none" / "p")


def test_a_file_says_all_that_a_configuration_has(prior: sm.Prior) -> None:
    described = describe_prior(prior)
    assert described["architecture"] == {"kind": "field", **dataclasses.asdict(prior.config)}
    assert described["format"] == "prior/3"


def test_priors_in_double_precision_are_not_saved(tmp_path: Path) -> None:
    prior = sm.priors.FieldPrior(sm.FieldConfig(filters=4, size=3), 0.1).double()
    with pytest.raises(TypeError, match=r"have weights of torch\.float32, got torch\.float64: save prior\.float\(\)"):
        sm.save_prior(prior, tmp_path / "p.safetensors")
