"""Deep fields: energies of tiles, padding, and sizes that are refused."""

from __future__ import annotations

import pytest
import torch

from scorematching.energies import DeepField


@pytest.fixture
def field() -> DeepField:
    return DeepField(channels=3, depth=4).double()


def test_energies_of_tiles_add_up_to_the_energy_of_the_image(field: DeepField) -> None:
    margin, x = field.margin, torch.randn(1, 1, 40, 32, dtype=torch.float64)
    inside = 40 - margin
    top = inside // 2 // 2 * 2
    upper, lower = x[:, :, : top + margin], x[:, :, top:]
    torch.testing.assert_close(field(upper) + field(lower), field(x))


def test_padding_shares_the_parameters(field: DeepField) -> None:
    padded = field.with_border()
    assert {id(p) for p in padded.parameters()} == {id(p) for p in field.parameters()}
    assert padded(torch.zeros(2, 1, 4, 4, dtype=torch.float64)).shape == (2,)
    with pytest.raises(ValueError, match="expected H and W of at least"):
        field(torch.zeros(2, 1, 4, 4, dtype=torch.float64))


@pytest.mark.parametrize(("name", "value"), [("channels", 0), ("colors", 0), ("depth", 3), ("depth", 0), ("size", 4)])
def test_sizes_out_of_range_are_refused(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name} must be .*, got {value}"):
        DeepField(**{name: value})
