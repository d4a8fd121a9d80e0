"""What was chosen on validation: weights of each scored method, and the method that searches."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from flam_pl.atomic_io import write_text
from flam_pl.errors import FlamError
from flam_pl.retrieval.vectors import ScoreWeights

FILE = "scoring.json"  # in the run's folder

FILTER = "filter"
"""The method that takes photos of the wanted classes (its posteriors are 0 or 1), nearest first."""


def filter_weights(types: int) -> ScoreWeights:
    """Of ``FILTER``: one wrong class of an edited type costs more than wrong classes of all other
    types, and one of those more than any cosine."""
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
        """Without a file FLAM, by the cosine alone. Raises FlamError for a damaged file."""
        path = folder / FILE
        if not path.is_file():
            return cls()
        try:
            plain = json.loads(path.read_text())
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
