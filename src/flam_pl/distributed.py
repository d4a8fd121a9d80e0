"""What one process does for all processes of a DDP run."""

from __future__ import annotations

from collections.abc import Callable

from pytorch_lightning.strategies import Strategy
from pytorch_lightning.utilities import rank_zero_only

from flam_pl.errors import FlamError


def is_first_process() -> bool:
    """Whether this is the first process of a DDP run, or the only one."""
    return int(getattr(rank_zero_only, "rank", 0)) == 0


@rank_zero_only
def log(text: str) -> None:
    """Print a line, on the first process only."""
    print(text, flush=True)


def by_first_process(strategy: Strategy, action: Callable[[], None]) -> None:
    """Run ``action`` in the first process, when all have come here; the others wait for its end.

    Raises:
        Exception: in the first process, whatever ``action`` raises.
        FlamError: in the others, with the same message. A barrier alone would let them wait for
            ever for a first process that has failed.
    """
    strategy.barrier()
    failure: Exception | None = None
    if strategy.is_global_zero:
        try:
            action()
        except Exception as error:  # whatever it is, the others wait for word of it
            failure = error
    message = strategy.broadcast(None if failure is None else str(failure))
    if failure is not None:
        raise failure
    if message is not None:
        raise FlamError(message)
