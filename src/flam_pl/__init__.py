"""Fashion search with edits: "this one, but in red".

    from flam_pl import Edit, evaluate, load_config, open_run, train

    run = train(load_config("data=table", "data.root=photos.csv"))
    print(evaluate(run).summary())
    open_run("runs/table").search("photo.jpg", [Edit("color", "red")])

``Searcher`` searches a whole catalogue, see ``docs/serving.md``. The first use of a name imports
it.
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

MODULES = {"Edit": "flam_pl.editing.edits", "Searcher": "flam_pl.serving.searcher"}

__all__ = ["Edit", "Searcher", "evaluate", "load_config", "open_run", "train"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'flam_pl' has no attribute {name!r}")
    return getattr(import_module(MODULES.get(name, "flam_pl.experiments.api")), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
