"""Priors: their score and energy, tiles, files, whitening."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import scorematching as sm
from scorematching.energies import ZCAWhitening
from scorematching.priors.deep import DeepPrior
from scorematching.priors.kinds import build_prior
from scorematching.priors.store import write_tensors

KINDS = {"foe": {}, "foe, two octaves": {"octaves": 2}, "pot": {}, "deep": {"depth": 2}}
KINDS["deep, colors"] = {"depth": 2, "colors": 3}


@pytest.fixture(params=KINDS)
def double(request: pytest.FixtureRequest, info: sm.priors.PriorInfo) -> sm.Prior:
    return build_prior(info.replace(model=request.param.partition(",")[0], **KINDS[request.param])).double()


def test_the_gradient_is_that_of_the_energy(double: sm.Prior) -> None:
    planes = torch.rand(2, double.info.colors, 11, 14, dtype=torch.float64, requires_grad=True)
    energies, gradient = double.energy_and_gradient(planes)
    padded = double._padded(planes) / double.info.unit
    value = double._energy(padded)
    torch.testing.assert_close(energies, value)
    torch.testing.assert_close(gradient, torch.autograd.grad(value.sum(), planes)[0], rtol=1e-9, atol=1e-9)


def test_the_score_is_that_of_the_padded_image(double: sm.Prior) -> None:
    planes, m = torch.rand(2, double.info.colors, 12, 13, dtype=torch.float64), double.margin
    padded = double._padded(planes).requires_grad_()
    (slope,) = torch.autograd.grad(double._energy(padded / double.info.unit).sum(), padded)
    torch.testing.assert_close(double.score(planes), -slope[..., m : m + 12, m : m + 13], rtol=1e-9, atol=1e-9)


def test_tiles_have_no_seams(double: sm.Prior) -> None:
    planes = torch.rand(1, double.info.colors, 50, 41, dtype=torch.float64)
    whole = double.score(planes)
    double.tile = 16
    torch.testing.assert_close(double.score(planes), whole, rtol=1e-12, atol=1e-10)
    tiled = *double.energy_and_gradient(planes), double.energy_map(planes)
    double.tile = 256
    for one, two in zip(tiled, (*double.energy_and_gradient(planes), double.energy_map(planes)), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-10)


def test_the_energy_map_adds_up_to_the_energy(double: sm.Prior) -> None:
    """But for the places beyond the border: none of them has any energy where the image is flat all around."""
    planes = torch.full((2, double.info.colors, 41, 50), 0.5, dtype=torch.float64)
    planes[:, :, 18:24, 20:26] += torch.rand(2, double.info.colors, 6, 6, dtype=torch.float64)
    if isinstance(double, DeepPrior):
        double.constrain()
    energies, _ = double.energy_and_gradient(planes)
    here = double.energy_map(planes)
    assert here.shape == planes[:, :1].shape
    torch.testing.assert_close(here.sum((1, 2, 3)), energies, rtol=1e-9, atol=1e-9)


def test_the_energy_map_is_centerd(double: sm.Prior) -> None:
    """One pixel that differs gives energy to the places around it: as far to the left as to the right."""
    if isinstance(double, DeepPrior):
        double.constrain()
    planes = torch.full((1, double.info.colors, 30, 32), 0.5, dtype=torch.float64)
    planes[..., 15, 12] = 1
    rows, columns = (double.energy_map(planes)[0, 0] > 1e-9).nonzero().T
    block = (15 - 15 % double.block, 12 - 12 % double.block)
    for found, first in zip((rows, columns), block, strict=True):
        assert int(found.min()) == first - double.margin // 2
        assert int(found.max()) == first + double.block - 1 + double.margin // 2


def test_too_small_a_image_is_refused(prior: sm.Prior) -> None:
    with pytest.raises(ValueError, match="9 x 2 pixels are too few: this prior takes 3 or more"):
        prior.score(torch.zeros(1, 1, 2, 9))


def test_whitening_whitens() -> None:
    patches = torch.randn(5000, 16).cumsum(1)
    whitening = ZCAWhitening(4)
    whitening.fit(patches)
    white = whitening(patches)
    torch.testing.assert_close(white.T @ white / len(white), torch.eye(15), rtol=0, atol=1e-3)
    torch.testing.assert_close(whitening(patches + 3), white, rtol=0, atol=1e-3)
    y = torch.randn(5000, 15)
    torch.testing.assert_close((white * y).sum(), (patches * whitening.adjoint(y)).sum(), rtol=1e-3, atol=1)
    with pytest.raises(ValueError, match="more than 16 patches of 16 pixels"):
        whitening.fit(patches[:10])


def test_a_file_comes_back(double: sm.Prior, tmp_path: Path) -> None:
    prior = double.float()
    sm.save_prior(prior, tmp_path / "p.safetensors")
    back = sm.load_prior(tmp_path / "p.safetensors")
    assert back.info == prior.info
    planes = torch.rand(1, double.info.colors, 13, 12)
    assert torch.equal(back.score(planes), prior.score(planes))
    assert [p.name for p in tmp_path.iterdir()] == ["p.safetensors"]


def _entries(prior: sm.Prior, **changes: object) -> dict[str, object]:
    return {"kind": "prior/1", **vars(prior.info), **changes}


def test_what_is_no_prior_is_refused(prior: sm.Prior, tmp_path: Path) -> None:
    path, tensors = tmp_path / "p", prior.state_dict()
    with pytest.raises(FileNotFoundError, match="no such file"):
        sm.load_prior(path)
    path.write_bytes(b"rubbish")
    with pytest.raises(ValueError, match="is not a safetensors file"):
        sm.load_prior(path)
    save_file(tensors, path)
    with pytest.raises(ValueError, match="not one of scorematching's"):
        sm.load_prior(path)
    save_file(tensors, path, {"scorematching": json.dumps([1])})
    with pytest.raises(ValueError, match="not one of scorematching's"):
        sm.load_prior(path)
    for entries, message in (
        (_entries(prior, kind="prior/99"), "not a prior that this version"),
        (_entries(prior, model="gan"), "describes no prior: model must be"),
        (_entries(prior, color="blue"), "describes no prior: .*color"),
        (_entries(prior, unit=0.0), "unit must be a number above 0, got 0.0"),
        (_entries(prior, size="big"), "size must be a whole number of 0 to 64, got 'big'"),
        (_entries(prior, filters=10**12), "filters must be a whole number"),
        (_entries(prior, sigma=float("inf")), "sigma must be a number of 0 or more, got inf"),
        (_entries(prior, data=None), "data must be text"),
    ):
        write_tensors(path, tensors, entries)
        with pytest.raises(ValueError, match=message):
            sm.load_prior(path)
    changed = tensors | {"energy.layers.1.weight": torch.zeros(3, 5)}
    write_tensors(path, changed, _entries(prior))
    with pytest.raises(ValueError, match=r"energy.layers.1.weight should be \(8, 5\), it is \(3, 5\)"):
        sm.load_prior(path)
    write_tensors(path, {n: t.double() for n, t in tensors.items()}, _entries(prior))
    with pytest.raises(ValueError, match=r"should be torch\.float32, it is torch\.float64"):
        sm.load_prior(path)
    write_tensors(path, tensors | {"energy.layers.1.weight": torch.full((8, 5), torch.nan)}, _entries(prior))
    with pytest.raises(ValueError, match="NaN or infinite"):
        sm.load_prior(path)
