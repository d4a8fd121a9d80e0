"""A command is killed before, or in the middle of, one file operation, and runs again."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter

import numpy as np
import pytest

from faults.forked_command import PHASES, Fault, Operation, Outcome, kill, tear
from faults.tiny_faults import Tally, Tiny

pytestmark = pytest.mark.faults

TRIALS = int(os.environ.get("FLAM_PL_FAULT_TRIALS", "200"))
KILLED = (-signal.SIGKILL, -signal.SIGXFSZ)
Trial = tuple[Operation, bool]  # the process is killed before it, or in the middle of its write


def drawn(operations: Sequence[Operation], trials: int) -> list[Trial]:
    """Trials at random, from every phase as many, as far as the phase has that many."""
    rng, ranked = np.random.default_rng(0), []
    for _, of_phase in groupby(sorted(operations, key=attrgetter("phase")), attrgetter("phase")):
        possible = [(o, torn) for o in of_phase for torn in (False, o.size > 1)]
        distinct = list(dict.fromkeys(possible))
        ranked += [(rank, distinct[n]) for rank, n in enumerate(rng.permutation(len(distinct)))]
    return [trial for _, trial in sorted(ranked, key=lambda pair: pair[0])[:trials]]


def survives(trial: Trial, tiny: Tiny, command: Callable[[Fault | None], Outcome]) -> str:
    """What is wrong after the command was killed and ran again; empty if nothing is."""
    operation, torn = trial
    number = operation.number
    killed = command(tear(number, operation.size // 2) if torn else kill(number))
    if killed.code not in KILLED:
        return f"it was not killed: {killed}"
    again = command(None)
    if again.code:
        return f"again: {again}"
    changed = tiny.changed()
    return f"other content than without the kill: {changed}" if changed else ""


@pytest.mark.parametrize("phase", PHASES)
def test_kill_9_while_training(phase: str, tiny: Tiny, tally: Tally) -> None:
    for trial in drawn(tiny.operations, TRIALS):
        if trial[0].phase == phase:
            tiny.clear()
            tally.add(trial, survives(trial, tiny, tiny.train))
    tally.check()


def test_kill_9_while_evaluating_again(tiny: Tiny, tally: Tally) -> None:
    """An older report is replaced."""
    tiny.restore()
    operations = tiny.evaluate().operations
    for trial in drawn(operations, TRIALS // 10):
        tiny.restore()
        tally.add(trial, survives(trial, tiny, tiny.evaluate))
    tally.check()
