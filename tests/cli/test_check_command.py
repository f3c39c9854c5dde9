"""``check``: every rule agrees with automatic differentiation, and one that does not is told."""

from __future__ import annotations

import pytest
from command_line import run

from scorematching.checks import CheckError
from scorematching.checks.cases import LAYERS, NETWORKS


def test_all_rules_agree(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check") == 0
    assert "cases agree with automatic differentiation" in capsys.readouterr().out


def test_a_wrong_rule_makes_the_status_1(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def errors(name: str, *_: object) -> dict[str, float]:
        if name == wrong:
            raise CheckError("wrong", {"a rule": 0.5}, 1e-10)
        return {"a rule": 0.0}

    wrong, total = next(iter(LAYERS)), len(LAYERS) + len(NETWORKS)
    monkeypatch.setattr("scorematching.cli.check._errors", errors)
    assert run("check") == 1
    said = capsys.readouterr().out
    assert said.count("WRONG") == 1
    assert f"{total - 1} of {total} cases agree" in said
