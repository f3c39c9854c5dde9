"""Damaged files of priors: each is refused, or gives the weights that were saved."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reached import forbid

import scorematching as sm
from scorematching.priors.architecture import ModelConfig
from scorematching.priors.kinds import build_prior
from scorematching.priors.store import describe_prior
from scorematching.priors.tensor_file import write_tensors

#: Architectures that would take gigabytes if they were believed.
HUGE: dict[str, ModelConfig] = {
    "deep": sm.DeepConfig(channels=4096, depth=64),
    "field": sm.FieldConfig(filters=4095, size=64, expert="spline", neighbors=8),
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.sets(st.floats(0, 1, exclude_max=True), min_size=1, max_size=3), change=st.integers(1, 255))
def test_changed_bytes_are_refused_or_change_nothing(prior_file: Path, places: set[float], change: int) -> None:
    whole, damaged = prior_file.read_bytes(), prior_file.with_name("damaged.safetensors")
    data = bytearray(whole)
    for place in places:
        data[int(place * len(data))] ^= change
    damaged.write_bytes(data)
    expected = sm.load_prior(prior_file)
    try:
        found = sm.load_prior(damaged)
    except ValueError:
        return
    assert (found.config, found.noise, found.provenance) == (expected.config, expected.noise, expected.provenance)
    assert all(torch.equal(t, expected.state_dict()[name]) for name, t in found.state_dict().items())


@pytest.mark.parametrize("length", [0, 7, 8, 100, -1])
def test_a_file_cut_short_is_refused(prior_file: Path, length: int) -> None:
    prior_file.write_bytes(prior_file.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"prior\.safetensors is not a safetensors file"):
        sm.load_prior(prior_file)


def test_a_changed_weight_names_the_checksum_and_the_remedy(prior_file: Path) -> None:
    data = bytearray(prior_file.read_bytes())
    data[-1] ^= 1
    prior_file.write_bytes(data)
    with pytest.raises(ValueError, match="do not have the checksum that it states: fit it again or copy it again"):
        sm.load_prior(prior_file)


@pytest.mark.parametrize("config", HUGE.values(), ids=HUGE)
def test_nothing_is_built_for_a_small_file_that_claims_much(
    config: ModelConfig, prior: sm.Prior, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    architecture = {"kind": config.kind, **dataclasses.asdict(config)}
    write_tensors(path, prior.state_dict(), {**describe_prior(prior), "architecture": architecture})
    forbid(monkeypatch, "priors.store.build_prior")
    with pytest.raises(ValueError, match=r"weights or more, too many for [0-9]+ bytes"):
        sm.load_prior(path)


@pytest.mark.parametrize(
    "config",
    [
        sm.FieldConfig(8, 3, octaves=2),
        sm.FieldConfig(8, 3, octaves=2, neighbors=1, expert="spline"),
        sm.DeepConfig(4, depth=6, color=True),
        sm.DeepConfig(4, size=5, depth=2, neighbors=2),
    ],
)
def test_the_weights_of_a_configuration_are_those_of_its_filters(config: ModelConfig) -> None:
    tensors = build_prior(config, 0.1).state_dict().values()
    assert config.weights == sum(tensor.numel() for tensor in tensors if tensor.ndim == 4)
