"""Atomic writing: a file is complete, or as it was before."""

from __future__ import annotations

from pathlib import Path

import pytest

from scorematching.images.io.atomic import whole_file, write_atomically


def test_a_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_atomically(path, b"before")
    path.chmod(0o640)
    write_atomically(path, b"after")
    assert path.read_bytes() == b"after"
    assert path.stat().st_mode & 0o777 == 0o640


def test_an_error_leaves_the_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_atomically(path, b"before")
    with pytest.raises(RuntimeError, match="interrupted"):
        _interrupted_write(path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]
    assert path.read_bytes() == b"before"


def _interrupted_write(path: Path) -> None:
    with whole_file(path) as partial:
        partial.write_bytes(b"half")
        raise RuntimeError("interrupted")
