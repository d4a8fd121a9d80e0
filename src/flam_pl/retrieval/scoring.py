"""What was chosen on validation: the weights of each scored method, and the best method."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from flam_pl.atomic_io import write_text
from flam_pl.errors import FlamError
from flam_pl.retrieval.vectors import ScoreWeights

T = TypeVar("T")
FILE = "scoring.json"  # in the run's folder

FILTER = "filter"  # the method whose posteriors are 0 or 1


def filter_weights(types: int) -> ScoreWeights:
    """Photos of the wanted classes first, then those with most of the other classes."""
    return ScoreWeights(target=10.0, others=9.0 / max(1, types - 1))


@dataclass(frozen=True)
class Scoring:
    """The choice of a run."""

    weights: Mapping[str, ScoreWeights] = field(default_factory=dict)  # per scored method
    objective: Mapping[str, float] = field(default_factory=dict)  # what each method reached
    best: str = "flam"  # the method that searches
    checkpoints: Mapping[str, str] = field(default_factory=dict)  # SHA-256 per stage and method
    key: str = ""  # SHA-256 of all that the choice depends on

    def save(self, folder: Path) -> None:
        write_text(folder / FILE, json.dumps(asdict(self), indent=1, allow_nan=False))

    @classmethod
    def load(cls, folder: Path) -> Scoring:
        """Without a file: FLAM by the cosine alone. Raises FlamError."""

        def parse(plain: dict[str, Any]) -> Scoring:
            weights = {
                name: ScoreWeights(**{part: float(value) for part, value in of.items()})
                for name, of in plain["weights"].items()
            }
            return cls(**plain | {"weights": weights})

        return read_choice(folder / FILE, parse) or cls()


def read_choice(path: Path, parse: Callable[[dict[str, Any]], T]) -> T | None:
    """A JSON file of what was chosen; None without it, FlamError for a damaged file."""
    if not path.is_file():
        return None
    try:
        return parse(json.loads(path.read_text()))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FlamError(
            f"{path} cannot be read ({error!r}), expected what was chosen on the validation "
            "split. Delete it and run make train-flam again: it is measured anew."
        ) from error
