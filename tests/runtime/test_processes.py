"""Processes and files of a run: forks, locks, text for the terminal, and the folder of compiled programs."""

from __future__ import annotations

import multiprocessing as mp
import os
import tempfile
from pathlib import Path

import pytest
import torch

import scorematching as sm
from scorematching.runtime.compile_cache import VARIABLE, use_private_cache
from scorematching.runtime.locks import locked, open_locked
from scorematching.runtime.text import plain


def _loss_in_child(energy: torch.nn.Module, x: torch.Tensor, results: mp.SimpleQueue) -> None:
    results.put((sm.score_matching_loss(energy, x).item(), torch.get_num_threads()))


def test_a_forked_process_computes_after_its_parent_used_two_threads() -> None:
    energy, x = sm.energies.ProductOfStudentT(64, 128), torch.randn(4096, 64)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        expected = sm.score_matching_loss(energy, x).item()
        context = mp.get_context("fork")
        results = context.SimpleQueue()
        process = context.Process(target=_loss_in_child, args=(energy, x, results))
        process.start()
        process.join(30)
        process.kill()
        assert process.exitcode == 0
        loss, own = results.get()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert own == 1


def test_one_at_a_time_has_a_lock_and_no_file_is_left(tmp_path: Path) -> None:
    path = tmp_path / "prior.safetensors"
    for _ in range(2):
        with locked(path), pytest.raises(ValueError, match=r"prior\.safetensors is in use"), locked(path):
            pass
    assert not list(tmp_path.iterdir())


def test_a_lock_does_not_follow_links(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("of somebody else")
    (tmp_path / "journal").symlink_to(other)
    with pytest.raises(OSError, match="journal is a link or no file"):
        open_locked(tmp_path / "journal")


@pytest.mark.parametrize(
    "name", ["\x1b]8;;http://x\x07a", "a\u202eb", "a\rb", "a\x9bm", os.fsdecode(b"\xff\xfe"), "a\u2028b", "[red]\x00"]
)
def test_no_control_character_of_a_name_is_printed(name: str) -> None:
    assert plain(name).isprintable()
    assert plain(name).encode()


def test_programs_are_kept_in_a_folder_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    use_private_cache()
    assert Path(os.environ[VARIABLE]) == tmp_path / "home" / "inductor"
    assert (tmp_path / "home" / "inductor").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(("name", "kept"), [("torchinductor_someone", False), ("own", True)])
def test_the_default_of_pytorch_is_not_taken_for_the_wish_of_the_user(
    name: str, kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch itself sets the variable when ``torch._dynamo`` is imported."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv(VARIABLE, str(tmp_path / name))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    use_private_cache()
    assert Path(os.environ[VARIABLE]) == tmp_path / (name if kept else "home/inductor")


def test_a_folder_that_others_can_write_to_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "inductor").mkdir()
    (tmp_path / "inductor").chmod(0o777)
    use_private_cache()
    chosen = Path(os.environ[VARIABLE])
    assert chosen != tmp_path / "inductor"
    assert chosen.stat().st_mode & 0o777 == 0o700
