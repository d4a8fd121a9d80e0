"""Every notebook runs on a finished run and shows pictures; its two forms are one."""

from __future__ import annotations

import os
import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest

jupytext = pytest.importorskip("jupytext", reason="the notebooks extra is not installed")
nbformat = pytest.importorskip("nbformat")

pytestmark = pytest.mark.slow  # each notebook starts a Python of its own

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted((ROOT / "notebooks").glob("inspect_*.py"))
NAMES = [script.stem for script in SCRIPTS]


@pytest.fixture(scope="module")
def executed(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Each notebook with its outputs, by name."""
    pytest.importorskip("nbclient")
    run = tmp_path_factory.mktemp("inspected") / "runs" / "wardrobe"
    shutil.copytree(trained / "runs" / "wardrobe", run, ignore=shutil.ignore_patterns("wandb"))
    execute = runpy.run_path(str(ROOT / "notebooks" / "execute.py"))["execute"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", os.environ.copy())
        patch.setenv("PYTHONPATH", str(ROOT / "src"))
        written = execute(run)  # raises where a cell does
    return {path.stem: nbformat.read(path, as_version=4) for path in written}


def test_the_notebooks_are_those_of_the_folder(executed: dict[str, Any]) -> None:
    assert sorted(executed) == NAMES == ["inspect_data", "inspect_run", "inspect_spaces"]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_shows_pictures_and_no_error(name: str, executed: dict[str, Any]) -> None:
    outputs = [o for cell in executed[name].cells for o in cell.get("outputs", [])]
    assert not [o for o in outputs if o.output_type == "error"]
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    assert len(pictures) >= 2
    assert all(len(o.data["image/png"]) > 1000 for o in pictures)
    assert not [o.text for o in outputs if o.get("name") == "stderr"]  # no noise on a page


@pytest.mark.parametrize("script", SCRIPTS, ids=NAMES)
def test_script_and_notebook_are_the_same_and_hold_no_output(script: Path) -> None:
    """``jupytext --sync notebooks/*.py`` makes them so."""
    notebook = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    cells = [(cell.cell_type, cell.source) for cell in jupytext.read(script).cells]
    assert [(cell.cell_type, cell.source) for cell in notebook.cells] == cells
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    assert script.with_suffix(".ipynb").stat().st_size < 20_000
