"""The disk is full at every place that something is written."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from faults.forked_command import PHASES, Operation, full_disk
from faults.tiny_faults import Tally, Tiny

pytestmark = pytest.mark.faults

MARKS = {  # a phase has ended when this file is there
    "drawing": "wardrobe/settings.json",
    "backbone": "runs/wardrobe/backbone/stage.json",
    "extraction": "runs/wardrobe/features/manifest.json",
    "embedder": "runs/wardrobe/embedder/stage.json",
    "manipulator": "runs/wardrobe/manipulator/stage.json",
    "method": "runs/wardrobe/methods/cls_concat/stage.json",
    "selection": "runs/wardrobe/scoring.json",
    "evaluation": "runs/wardrobe/report/metrics.json",
}


def places(operations: Sequence[Operation], phase: str) -> list[Operation]:
    """The first operation of each kind that needs space."""
    found: dict[str, Operation] = {}
    for operation in operations:
        if operation.writes and operation.phase == phase:
            found.setdefault(operation.place, operation)
    return list(found.values())


def survives(operation: Operation, at_write: bool, tiny: Tiny) -> str:
    """What is wrong with the command on the full disk or the one after it; empty: nothing."""
    full = tiny.train(full_disk(operation.number, at_write))
    said = "space" in full.err or (full.code == 0 and "No space left" in full.out)
    if full.code not in (0, 1) or "Traceback" in full.err:
        return f"on the full disk: {full}"
    changed = tiny.changed()
    if (full.code or changed) and not said:
        return f"on the full disk: nothing is said: {full}, {changed}"
    if left := [path for path in tiny.folder.rglob(".*") if ".new." in path.name]:
        return f"on the full disk: half a file is left: {left}"
    last = {each.phase: each.number for each in tiny.operations}
    done = [mark for phase, mark in MARKS.items() if last[phase] < operation.number]
    gone = [mark for mark in done if not (tiny.folder / mark).is_file()]
    if gone:
        return f"what was finished is gone: {gone}"
    again = tiny.train()
    changed = tiny.changed()
    return f"afterwards: {again}, {changed}" if again.code or changed else ""


@pytest.mark.parametrize("phase", PHASES)
def test_full_disk(phase: str, tiny: Tiny, tally: Tally) -> None:
    """From one operation on, or only while one file is written."""
    for operation in places(tiny.operations, phase):
        for at_write in [False, True] if operation.event == "open" else [False]:
            tiny.clear()
            tally.add(operation, survives(operation, at_write, tiny))
    tally.check()
