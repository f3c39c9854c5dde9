"""What a change of structure must not change, compared to float rounding: processors differ."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safety_net import FINGERPRINTS, PARTS, fingerprint

#: Relative: losses are in float64; images and trainings in float32, by many steps.
TOLERANCES = {"losses": 1e-9, "closed form": 1e-9, "restored": 1e-4, "trainings": 1e-3}


@pytest.mark.parametrize("part", PARTS)
def test_numbers_are_what_they_were(part: str) -> None:
    known = json.loads(FINGERPRINTS.read_text())
    found = {name: fingerprint(numbers) for name, numbers in PARTS[part]().items()}
    assert found
    for name, values in found.items():
        norm = known[name][0]
        np.testing.assert_allclose(values, known[name], rtol=0, atol=TOLERANCES[part] * norm, err_msg=name)
