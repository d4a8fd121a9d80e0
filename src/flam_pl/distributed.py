"""What the first process of a DDP run does for all processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pytorch_lightning.strategies import Strategy
from pytorch_lightning.utilities import rank_zero_only
from torch import distributed

from flam_pl.errors import FlamError

T = TypeVar("T")


def is_first_process() -> bool:
    return int(getattr(rank_zero_only, "rank", 0)) == 0


@rank_zero_only
def log(text: str) -> None:
    print(text, flush=True)


def by_first_process(strategy: Strategy, action: Callable[[], None]) -> None:
    """Run ``action`` in the first process. The others wait; they raise its error as FlamError."""
    strategy.barrier()
    failure: Exception | None = None
    if strategy.is_global_zero:
        try:
            action()
        except Exception as error:  # any error: else the others would wait for ever
            failure = error
    message = strategy.broadcast(None if failure is None else str(failure))
    if failure is not None:
        raise failure
    if message is not None:
        raise FlamError(message)


def from_all_processes(value: T) -> list[T]:
    """The values of all processes, by rank."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return [value]
    values: list[T] = [value] * distributed.get_world_size()
    distributed.all_gather_object(values, value)
    return values
