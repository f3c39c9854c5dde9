"""Batches ahead: the results, the errors, and values that are kept."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import pytest

from scorematching.training.prefetch import prefetched
from scorematching.training.sources import Recent


def squared(number: int) -> int:
    if number == 7:
        raise ValueError("seven")
    return number**2


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_results_come_in_any_order_and_errors_with_their_number(workers: int) -> None:
    with prefetched(squared, 8, workers) as result:
        assert [result(number) for number in (3, 4, 5, 2, 9, 6)] == [9, 16, 25, 4, 81, 36]
        with pytest.raises(ValueError, match="seven"):
            result(7)
        assert result(0) == 0


def test_an_error_of_a_check_comes_with_the_next_result() -> None:
    failed = threading.Event()

    def check() -> None:
        failed.set()
        raise ValueError("damaged")

    with prefetched(squared, 10**9, 1, [check]) as result:
        assert failed.wait(10)
        with pytest.raises(ValueError, match="damaged"):
            deque(map(result, range(8, 10**5)))


def test_checks_end_with_the_block() -> None:
    begun = threading.Event()
    with prefetched(squared, 4, 1, (begun.set for _ in iter(int, 1))) as result:
        assert result(3) == 9
        assert begun.wait(10)


def test_the_least_recently_used_values_are_dropped() -> None:
    kept: Recent[int] = Recent(10)
    for key in (1, 2, 1, 3):
        assert kept.get(key, lambda key=key: (key, 5)) == key
    assert [key in kept for key in (1, 2, 3)] == [True, False, True]
    kept.get(4, lambda: (4, 99))
    assert [key in kept for key in (1, 3, 4)] == [False, False, True]
    with pytest.raises(ZeroDivisionError):
        kept.get(5, lambda: (1 // 0, 1))
    assert kept.get(5, lambda: (5, 1)) == 5


def test_a_value_is_made_once_for_all_threads() -> None:
    kept, made, together = Recent[int](10), [], threading.Barrier(4)

    def make() -> tuple[int, int]:
        made.append(1)
        return 7, 1

    def get() -> int:
        together.wait(10)
        return kept.get("key", make)

    with ThreadPoolExecutor(4) as threads:
        assert [one.result() for one in [threads.submit(get) for _ in range(4)]] == [7] * 4
    assert len(made) == 1
