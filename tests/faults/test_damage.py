"""Every file of a finished run is damaged, and the commands that read it run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faults.forked_command import Outcome
from faults.tiny_faults import Tally, Tiny

pytestmark = pytest.mark.faults


def noise(content: bytes) -> bytes:
    """Random bytes in the middle third."""
    third = len(content) // 3
    end = len(content) - third
    return content[:third] + np.random.default_rng(0).bytes(end - third) + content[end:]


def unsealed(change: Callable[[Any], Any]) -> Callable[[bytes], bytes]:
    """Every value of a JSON object changed, without the hash over its content."""

    def through(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: through(each) for key, each in value.items() if key != "sha256"}
        return [through(each) for each in value] if isinstance(value, list) else change(value)

    return lambda content: json.dumps(through(json.loads(content))).encode()


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "half": lambda content: content[: len(content) // 2],
    "empty": lambda _: b"",
    "noise": noise,
    "deleted": lambda _: None,
    "of a wrong type": unsealed(str),
    "nan": unsealed(lambda value: float("nan") if type(value) in (int, float) else value),
}
FOR_JSON = {"of a wrong type", "nan"}
COMMANDS: dict[str, Callable[[Tiny], Outcome]] = {
    "search": Tiny.search,
    "evaluate": Tiny.evaluate,
    "train-flam": Tiny.train,
}


def targets(folder: Path) -> list[Path]:
    """Every file of the run and of the data set, but one picture per folder."""
    found: dict[str, Path] = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        short = file.relative_to(folder)
        kind = short.parent / file.suffix if file.suffix in (".png", ".jpg") else short
        if file.suffix != ".lock":
            found.setdefault(str(kind), short)
    return list(found.values())


def problem(file: Path, command: str, tiny: Tiny) -> str:
    """What is wrong with the end of a command; empty: it names the file or does as before."""
    done = COMMANDS[command](tiny)
    named = str(file) in done.out + done.err
    if done.code == 1 and "Traceback" not in done.err:
        folder = file.parent if file.parent != tiny.run else file
        return "" if named or str(folder) in done.err else f"no file is named: {done}"
    if done.code or named:
        return str(done) if done.code else ""
    if command == "search":
        return "" if tiny.found in done.out else f"other photos are found: {done.out}"
    # a curve is not drawn without its log; only the next extraction needs photos.npy
    ends = command == "evaluate" or file.name in ("metrics.csv", "photos.npy")
    changed = {path for path in tiny.changed() if "report/figures" not in path}
    changed -= {str(file.relative_to(tiny.folder))} if ends else set()
    return f"other content: {sorted(changed)}: {done.out}" if changed else ""


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("command", COMMANDS)
def test_damage(command: str, damage: str, tiny: Tiny, tally: Tally) -> None:
    for short in targets(tiny.finished):
        if damage in FOR_JSON and short.suffix != ".json":
            continue
        tiny.restore()
        file = tiny.folder / short
        content = DAMAGES[damage](file.read_bytes())
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)
        tally.add(f"{command}, {short} {damage}", problem(file, command, tiny))
    tally.check()
