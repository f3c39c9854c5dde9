"""Atomic writing: a file is complete, or as it was before, and no other file is touched."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from pathlib import Path

import pytest

from scorematching.images.io import atomic
from scorematching.images.io.atomic import check_target, whole_file, write_atomically

STALE = f".scorematching-{0:032x}.part"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_replaced_file_keeps_its_permissions_and_a_new_one_has_the_default_ones(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    usual = tmp_path / "usual"
    usual.touch()
    write_atomically(path, b"before")
    assert path.stat().st_mode == usual.stat().st_mode
    path.chmod(0o640)
    write_atomically(path, b"after")
    assert path.read_bytes() == b"after"
    assert path.stat().st_mode & 0o777 == 0o640


def test_an_error_leaves_the_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_atomically(path, b"before")
    with pytest.raises(RuntimeError, match="interrupted"):
        _interrupted_write(path)
    assert names(tmp_path) == ["a.bin"]
    assert path.read_bytes() == b"before"


def _interrupted_write(path: Path) -> None:
    with whole_file(path) as partial:
        partial.write_bytes(b"half")
        raise RuntimeError("interrupted")


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    link, file = tmp_path / "link.bin", tmp_path / "results" / "a.bin"
    link.symlink_to(file)
    for data in (b"new", b"replaced"):
        write_atomically(link, data)
        assert link.is_symlink()
        assert file.read_bytes() == data
    assert names(tmp_path / "results") == ["a.bin"]


def test_a_link_under_the_temporary_name_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"of somebody else")
    monkeypatch.setattr(atomic.secrets, "token_hex", lambda _: f"{0:032x}")
    (tmp_path / STALE).symlink_to(other)
    with pytest.raises(OSError, match=r"a\.bin can't be written: File exists"):
        write_atomically(tmp_path / "a.bin", b"data")
    assert other.read_bytes() == b"of somebody else"


def test_writers_of_one_file_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    contents = [bytes([number]) * 100_000 for number in range(4)]
    write_atomically(path, contents[0])
    threads = [
        threading.Thread(target=lambda data=data: [write_atomically(path, data) for _ in range(10)])
        for data in contents
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert path.read_bytes() in contents
    assert names(tmp_path) == ["a.bin"]


def test_what_a_killed_process_left_is_deleted_and_what_another_writes_is_not(tmp_path: Path) -> None:
    hour_ago = time.time() - 3600
    (tmp_path / STALE).touch()
    os.utime(tmp_path / STALE, (hour_ago, hour_ago))
    (tmp_path / ".scorematching-notes.part").touch()
    os.utime(tmp_path / ".scorematching-notes.part", (hour_ago, hour_ago))
    with whole_file(tmp_path / "a.bin") as partial:
        os.utime(partial, (hour_ago, hour_ago))
        atomic._swept.clear()
        write_atomically(tmp_path / "b.bin", b"other")
        assert names(tmp_path) == sorted([partial.name, ".scorematching-notes.part", "b.bin"])


def test_a_full_disk_is_named_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_atomically(path, b"before")
    before, limits = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"a\.bin can't be written: File too large"):
            write_atomically(path, bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert names(tmp_path) == ["a.bin"]
    assert path.read_bytes() == b"before"


def test_devices_and_pipes_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/null")
    for path in (tmp_path / "pipe", tmp_path / "link", Path("/dev/null")):
        with pytest.raises(ValueError, match="is a device, a pipe or a socket"):
            check_target(path)


def test_a_write_protected_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.bin"
    path.touch()
    monkeypatch.setattr(atomic.os, "access", lambda place, _: place != path)  # as for users other than root
    with pytest.raises(PermissionError, match=r"a\.bin is write-protected"):
        check_target(path)
