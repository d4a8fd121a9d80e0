"""Executes every notebook script of this folder on one run; the results go beside its report.

python notebooks/execute.py [run folder]      (default: the run whose report is the newest)
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent


def newest_run() -> Path:
    """The run whose report was written last."""
    reports = sorted(Path("runs").glob("*/report/metrics.json"), key=lambda p: p.stat().st_mtime)
    if not reports:
        sys.exit("error: no finished run under runs/; make train-flam trains one")
    return reports[-1].parents[1]


def execute(run: Path) -> list[Path]:
    """Run every notebook on ``run``; returns the executed notebooks."""
    os.environ["FLAM_PL_RUN"] = str(run.resolve())
    # what tqdm misses, widgets for its bars, no executed page would show
    os.environ.setdefault("PYTHONWARNINGS", "ignore:IProgress not found")
    folder = run / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for script in sorted(HERE.glob("*.py")):
        if script == Path(__file__).resolve():
            continue
        notebook = jupytext.read(script)
        client = NotebookClient(
            notebook,
            timeout=600,
            kernel_name="python3",
            resources={"metadata": {"path": os.getcwd()}},  # paths mean what they mean to commands
        )
        client.execute()
        target = folder / f"{script.stem}.ipynb"
        nbformat.write(notebook, target)
        written.append(target)
        print(target, flush=True)
    return written


if __name__ == "__main__":
    execute(Path(sys.argv[1]) if len(sys.argv) > 1 else newest_run())
