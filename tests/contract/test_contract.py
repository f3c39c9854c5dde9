"""Every public callable, with hostile arguments, gives a right result, a warning, or an error of one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from contract.case import Case
from contract.public import public_callables
from contract.table import all_cases
from contract.verdict import violation
from hypothesis import HealthCheck, given, settings

#: Share of the examples that slow callables get.
_SLOW = 20
#: Number of tests that the callables are divided among.
_PARTS = 8


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    return all_cases(tmp_path_factory.mktemp("contract"))


def broken_by(case: Case) -> str | None:
    """Return how hostile arguments break the contract, or None."""
    examples = max(1, settings().max_examples // (_SLOW if case.slow else 1))

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(case.attacks())
    def keeps_the_contract(changes: dict[str, object]) -> None:
        assert violation(case, changes) is None, f"{violation(case, changes)}, for {changes}"

    try:
        if case.options():
            keeps_the_contract()
    except AssertionError as error:
        return " ".join(str(error).split())[:500]
    return None


def test_every_public_callable_is_in_the_table(cases: dict[str, Case]) -> None:
    assert set(public_callables()) <= set(cases)


def test_good_arguments_give_results(cases: dict[str, Case]) -> None:
    assert {name: found for name, case in cases.items() if (found := violation(case, {}))} == {}


@pytest.mark.parametrize("part", range(_PARTS))
def test_hostile_arguments_keep_the_contract(
    part: int, cases: dict[str, Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # some strings are good names of files
    assert {name: found for name in list(cases)[part::_PARTS] if (found := broken_by(cases[name]))} == {}
