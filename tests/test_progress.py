"""Bars name their stage, count what they say, and can be turned off."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from flam_pl.terminal import progress as module
from flam_pl.terminal.progress import progress, show_progress

SOURCE = Path(module.__file__).parent


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "DELAY", 0)
    show_progress(True)
    yield
    show_progress(True)


def test_a_bar_names_its_stage_and_gives_the_items(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress(iter("abc"), "checking images", 3)) == ["a", "b", "c"]
    assert "checking images" in capsys.readouterr().err


def test_a_bar_moved_by_hand_counts_what_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    bar = progress(None, "extracting features", 9)
    bar.update(4)
    bar.refresh()
    assert "4/9" in capsys.readouterr().err
    bar.close()


def test_a_bar_that_is_turned_off_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show_progress(False)
    assert list(progress([1, 2], "hashing photos")) == [1, 2]
    bar = progress(None, "extracting features", 9)
    bar.update(4)
    bar.close()
    assert capsys.readouterr().err == ""


def test_no_other_module_makes_a_bar_of_its_own() -> None:
    """Else ``trainer.progress=false`` would not reach it."""
    importers = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] == "tqdm" for name in names):
                importers.add(path.name)
    assert importers == {"progress.py"}
