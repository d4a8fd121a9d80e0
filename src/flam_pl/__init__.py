"""Fashion search with edits: "this one, but in red".

    from flam_pl import Edit, evaluate, load_config, open_run, train

    run = train(load_config("data=table", "data.root=photos.csv"))
    print(evaluate(run).summary())
    open_run("runs/table").search("photo.jpg", [Edit("color", "red")])

A shop searches a whole catalogue with ``Searcher``, see ``docs/serving.md``.

The names are imported when they are first used: ``import flam_pl`` alone loads nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flam_pl.editing.edits import Edit as Edit
    from flam_pl.experiments.api import evaluate as evaluate
    from flam_pl.experiments.api import load_config as load_config
    from flam_pl.experiments.api import open_run as open_run
    from flam_pl.experiments.api import train as train
    from flam_pl.serving.searcher import Searcher as Searcher

PUBLIC = {
    "Edit": "flam_pl.editing.edits",
    "load_config": "flam_pl.experiments.api",
    "train": "flam_pl.experiments.api",
    "evaluate": "flam_pl.experiments.api",
    "Searcher": "flam_pl.serving.searcher",
    "open_run": "flam_pl.experiments.api",
}
"""Public name -> its module."""

__all__ = ["Edit", "Searcher", "evaluate", "load_config", "open_run", "train"]


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module 'flam_pl' has no attribute {name!r}")
    return getattr(import_module(PUBLIC[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *PUBLIC]
