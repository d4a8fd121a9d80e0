"""The finished run that faults are compared with, and the figures at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faults.tiny_faults import Tally, Tiny


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """Counts for the figures at the end."""
    found = Tally()
    yield found
    part = request.node.originalname.removeprefix("test_").replace("_", " ")
    request.node.user_properties.append(("faults", [part, found.tried, len(found.lost)]))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    """The tiny run. All that a command needs is imported here, before any process is forked."""
    from matplotlib.figure import Figure

    import flam_pl.experiments.search  # noqa: F401
    from flam_pl.config.loading import load_config

    load_config()
    with pytest.MonkeyPatch.context() as patch:
        # matplotlib takes a third of a command's time
        patch.setattr(Figure, "savefig", lambda self, file, **_: Path(file).write_bytes(b"PNG"))
        yield Tiny(tmp_path_factory.mktemp("faults"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    figures: dict[str, list[int]] = {}
    reports = [report for each in terminalreporter.stats.values() for report in each]
    for name, value in (p for r in reports for p in getattr(r, "user_properties", ())):
        if name == "faults":
            part, tried, lost = value
            before = figures.get(part, [0, 0])
            figures[part] = [before[0] + tried, before[1] + lost]
    if figures:
        terminalreporter.section("faults")
    for part, (tried, lost) in figures.items():
        line = f"{part}: {tried} tried, {tried - lost} survived, {lost} lost"
        terminalreporter.write_line(line)
