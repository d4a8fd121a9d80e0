"""The registry of methods: each file of this folder may define ``METHODS``, a list of ``Method``.

``registered`` finds the files; no other file must name a new method.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from torch import nn

from flam_pl.config.root import Config
from flam_pl.editing.editor import Editor
from flam_pl.errors import ConfigError
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.retrieval.posteriors import Posteriors
from flam_pl.training.records import StageRecord
from flam_pl.training.run import Run

FOLDER = "methods"  # of a run, with one folder per trained method

# rows of the tables that are no method
OTHER_ROWS: dict[str, dict[str, str]] = {
    "filter": {"title": "filter, then similarity", "color": "#333333"},
    "oracle": {"title": "oracle: true labels, then similarity", "color": "#000000"},
}


@dataclass(frozen=True)
class OpenMethod:
    """A loaded method, ready to search."""

    editor: Editor
    classifiers: Posteriors | None = None  # its own, which can score its results
    nets: nn.Module | None = None


@dataclass(frozen=True)
class Place:
    """The folder of a trained method, and frozen embedders: its own, or those of its run."""

    name: str
    folder: Path
    record: StageRecord | None  # of the last stage; None: nothing to train
    embedders: AttributeEmbedders


@dataclass(frozen=True)
class Method:
    """What the rest of the program knows about a method."""

    name: str
    title: str
    color: str  # in every chart, #rrggbb
    row: int  # position in the tables
    open: Callable[[Place], OpenMethod]
    training: Callable[[Run, Method], StageRecord] | None = None
    overrides: tuple[str, ...] = ()  # config groups; a value that the user writes wins
    own_embedders: bool = False  # trains stage 2 by its own recipe
    own_vectors: bool = False  # stores a second vector per photo, not for instance search
    in_table_3: bool = False  # of the paper
    by_candidates: bool = True  # its scored row is also measured with few candidates

    @property
    def place(self) -> str:
        """Folder of the trained method, below the run's."""
        return "manipulator" if self.name == "flam" else f"{FOLDER}/{self.name}"


@cache
def registered() -> Mapping[str, Method]:
    """Every method by name, in the order of the tables."""
    import flam_pl.methods as room

    found: list[Method] = []
    for module in pkgutil.iter_modules(room.__path__):
        found += getattr(import_module(f"{room.__name__}.{module.name}"), "METHODS", [])
    return {method.name: method for method in sorted(found, key=lambda method: method.row)}


def trainable() -> list[str]:
    """Names that ``methods=[...]`` can hold."""
    return [name for name, method in registered().items() if method.training and name != "flam"]


def chosen(config: Config) -> list[Method]:
    """The methods that the settings name, in the order of the tables.

    Raises:
        ConfigError: a name without a trainable method; a setting that no method uses.
    """
    require_known(config.methods, "methods")
    found = [method for name, method in registered().items() if name in config.methods]
    embedder = config.embedder
    softmax = embedder.loss == "softmax" or any(method.own_embedders for method in found)
    if embedder.self_training and not softmax:
        raise ConfigError(
            f"embedder.self_training is {embedder.self_training}, but no method uses it: it needs "
            "the probabilities of embedder.loss=softmax. Add methods=[flam_plus]."
        )
    return found


def require_known(names: Sequence[str], setting: str) -> None:
    """Raise ConfigError for a name that no trainable method has."""
    for name in names:
        if name not in trainable():
            raise ConfigError(f"{setting} has {name!r}; expected some of {', '.join(trainable())}")


def looks() -> dict[str, dict[str, str]]:
    """Title and color of every method and further row, in the order of the tables."""
    found = {name: {"title": of.title, "color": of.color} for name, of in registered().items()}
    return found | OTHER_ROWS
