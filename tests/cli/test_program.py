"""The program itself: help and version."""

from __future__ import annotations

import pytest
from command_line import run

import scorematching as sm

COMMANDS = ["demo", "fit", "denoise", "upscale", "inpaint", "deblur", "show", "check"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--help") == 0
    text = capsys.readouterr().out
    assert "Usage" in text
    assert len(text.splitlines()) > 8


def test_paragraphs_of_help_are_not_broken_by_the_lines_of_the_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("denoise", "--help") == 0
    text = capsys.readouterr().out
    assert all(said in text for said in ("0-255", "They must have the same"))


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    words = capsys.readouterr().out.split()
    assert all(command in words for command in COMMANDS)


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 2
    said = capsys.readouterr()
    assert "Usage" in said.out + said.err
    assert "error" not in said.err


def test_an_argument_without_text_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """An unset variable of the shell is not the current folder."""
    assert run("denoise", "", "-o", "out") == 1
    assert "error: an argument is empty, expected a file or a value" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out.strip() == sm.__version__
