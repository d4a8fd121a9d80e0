"""The choice on the validation split: weights of each scored method, and the best method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from flam_pl.atomic_io import write_text
from flam_pl.config.saved_files import read_json, sealed
from flam_pl.retrieval.vectors import ScoreWeights

FILE = "scoring.json"  # in the run's folder

REMEDY = "Run make train-flam: it is measured again on the validation split."

FILTER = "filter"  # the method whose posteriors are 0 or 1


def filter_weights(types: int) -> ScoreWeights:
    """Photos with the wanted classes first, then by number of the query's other classes."""
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
        write_text(folder / FILE, sealed(asdict(self)))

    @classmethod
    def load(cls, folder: Path) -> Scoring:
        """The stored choice; without a file, FLAM by the cosine alone. Raises DamagedFile."""
        if not (folder / FILE).is_file():
            return cls()
        found: Scoring = read_json(folder / FILE, cls, REMEDY)
        return found
