"""A process that adds photos to a gallery is killed at random moments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from faults.test_kills import TRIALS
from faults.tiny_faults import Tally
from gallery_adder import BATCHES, killed_while_adding, lost_or_double

pytestmark = pytest.mark.faults


def test_kill_9_while_adding_to_a_gallery(tmp_path: Path, tally: Tally) -> None:
    rng, interrupted = np.random.default_rng(0), 0
    for trial in range(TRIALS):
        path = tmp_path / f"{trial}.db"
        acknowledged = killed_while_adding(path, rng.integers(BATCHES), rng.uniform(0, 0.01))
        interrupted += len(acknowledged) < BATCHES
        # the same photos once more
        again = killed_while_adding(path, rng.integers(BATCHES), rng.uniform(0, 0.01))
        tally.add(trial, lost_or_double(path, sorted({*acknowledged, *again})))
    assert not tally.lost
    assert interrupted > TRIALS / 4
