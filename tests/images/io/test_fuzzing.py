"""Damaged files of every format are read, or refused with an error of one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.damage import DAMAGES, Damage, check, damaged, samples

DAMAGE = st.builds(Damage, st.sampled_from(DAMAGES), st.floats(0, 1, exclude_max=True), st.integers(0, 2**31))
FORMATS = ("tiff", "png", "jpeg", "webp", "bmp", "pnm", "gif", "npy", "fits", "mrc", "heic", "raw")


def test_there_are_samples_of_every_format() -> None:
    assert samples().keys() == set(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=20, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_read_or_refused_in_one_line(name: str, data: st.DataObject, tmp_path: Path) -> None:
    suffix, content = data.draw(st.sampled_from(samples()[name]))
    damages = data.draw(st.lists(DAMAGE, min_size=1, max_size=3))
    path = tmp_path / f"file{suffix}"
    path.write_bytes(damaged(content, damages, mended=name == "png" and data.draw(st.booleans())))
    assert check(path) in ("read", "refused")
