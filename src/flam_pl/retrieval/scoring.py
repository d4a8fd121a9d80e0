"""What was chosen on validation: the weights of each scored row, and the row that searches."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from flam_pl.atomic_io import write_text
from flam_pl.errors import FlamError
from flam_pl.retrieval.vectors import ScoreWeights

FILE = "scoring.json"
"""In the run's folder."""

FILTER = "filter"
"""Row: classify the gallery, take the photos of the wanted classes, the nearest to the query first.
As one inner product: the posteriors are 0 or 1, and a wrong class costs more than any cosine."""


def filter_weights(types: int) -> ScoreWeights:
    """A wrong class of an edited type costs more than all other types together, and those more
    than any cosine.

    Args:
        types: attribute types of the schema.
    """
    return ScoreWeights(target=10.0, others=9.0 / max(1, types - 1))


@dataclass(frozen=True)
class Scoring:
    """The choice of a run.

    Attributes:
        weights: per scored row.
        objective: per row, scored or not, what it reached on validation.
        best: the row that searches.
        checkpoints: SHA-256 of what it was chosen with, per stage and method.
        key: SHA-256 of all that it depends on.
    """

    weights: Mapping[str, ScoreWeights] = field(default_factory=dict)
    objective: Mapping[str, float] = field(default_factory=dict)
    best: str = "flam"
    checkpoints: Mapping[str, str] = field(default_factory=dict)
    key: str = ""

    def save(self, folder: Path) -> None:
        """As ``scoring.json`` in the run's folder."""
        write_text(folder / FILE, json.dumps(asdict(self), indent=1, allow_nan=False))

    @classmethod
    def load(cls, folder: Path) -> Scoring:
        """That of a run; the default, by the cosine alone, where none was chosen.

        Raises:
            FlamError: the file cannot be read.
        """
        path = folder / FILE
        if not path.is_file():
            return cls()
        try:
            plain: dict[str, Any] = json.loads(path.read_text())
            plain["weights"] = {
                name: ScoreWeights(**{part: float(value) for part, value in of.items()})
                for name, of in plain["weights"].items()
            }
            return cls(**plain)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise FlamError(
                f"{path} cannot be read ({error!r}), expected what was chosen on the validation "
                "split. Delete it and run make train-flam again: it is chosen anew."
            ) from error
