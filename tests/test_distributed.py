"""One process works, all learn how it went: here two threads stand for two processes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flam_pl.distributed import by_first_process
from flam_pl.errors import FlamError


class Rank:
    """What ``by_first_process`` asks of a strategy; who waits in vain fails after 20 seconds."""

    def __init__(self, rank: int, meeting: threading.Barrier, board: list[Any]) -> None:
        self.is_global_zero = rank == 0
        self.meeting, self.board = meeting, board

    def barrier(self) -> None:
        self.meeting.wait(20)

    def broadcast(self, value: Any) -> Any:
        if self.is_global_zero:
            self.board.append(value)
        self.meeting.wait(20)
        return self.board[-1]


def on_two_ranks(action: Callable[[], None]) -> list[BaseException | None]:
    """The exception of each rank, None where it went well."""
    meeting, board = threading.Barrier(2), []  # type: ignore[var-annotated]
    with ThreadPoolExecutor(2) as threads:
        done = [
            threads.submit(by_first_process, Rank(rank, meeting, board), action)  # type: ignore[arg-type]
            for rank in (0, 1)
        ]
        return [future.exception(60) for future in done]


def test_the_first_one_works_once_and_all_go_on() -> None:
    times: list[int] = []
    assert on_two_ranks(lambda: times.append(1)) == [None, None]
    assert times == [1]


@pytest.mark.parametrize("trouble", [FlamError("the disk is full: /runs"), OSError(28, "No space")])
def test_a_failure_reaches_every_rank_with_its_message(trouble: Exception) -> None:
    def fail() -> None:
        raise trouble

    first, second = on_two_ranks(fail)
    assert first is trouble
    assert isinstance(second, FlamError) and str(second) == str(trouble)


def test_a_failure_without_a_message_is_one_too() -> None:
    def fail() -> None:
        raise ValueError

    first, second = on_two_ranks(fail)
    assert isinstance(first, ValueError) and isinstance(second, FlamError)
