"""What one process does for all: the others wait, and learn of its failure."""

from __future__ import annotations

from collections.abc import Callable

from pytorch_lightning.strategies import Strategy
from pytorch_lightning.utilities import rank_zero_only

from flam_pl.errors import FlamError


def by_first_process(strategy: Strategy, action: Callable[[], None]) -> None:
    """Run ``action`` in the first process when all have come here; none goes on before it is done.

    A barrier alone would leave the others waiting for ever for a first process that has failed.

    Raises:
        Exception: in the first process, whatever ``action`` raises.
        FlamError: in the others, with the same message.
    """
    strategy.barrier()
    failure: Exception | None = None
    if strategy.is_global_zero:
        try:
            action()
        except Exception as error:  # whatever it is, the others wait for the word
            failure = error
    told = strategy.broadcast(None if failure is None else str(failure))
    if failure is not None:
        raise failure
    if told is not None:
        raise FlamError(told)


@rank_zero_only
def log(text: str) -> None:
    """Print a line, on the first process only."""
    print(text, flush=True)


def is_first_process() -> bool:
    """Whether this is the first process of a DDP run, or the only one."""
    return int(getattr(rank_zero_only, "rank", 0)) == 0
