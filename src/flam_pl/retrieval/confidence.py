"""How sure an edited search is of its results, and whether anything in the gallery fits.

The embedders' probabilities are calibrated for a photo drawn at random. The photos at the head of a
ranking were chosen by these probabilities, so there they may promise too much (the winner's curse).
Platt scaling (Platt, 1999), two numbers, sets them right by the edited searches of the validation
split, whose answers are known.

Why Platt scaling, compared (with one embedder a type) on the 299 validation photos of
fashion_products, fitted on one half,
judged on the other, whose photos are neither its queries nor its gallery (ten such fits; the mean
logarithmic loss). Results: raw .257, Platt .258, Platt with the rank's logarithm .258, isotonic
.267; an isotonic step learns single photos, and in a cross-validation by query alone, which leaves
these in the gallery, it looks best. Answer: raw and Platt both .366, isotonic .377; from
1 - prod(1 - p_g) with the query's doubt inside of each p_g .379, from the likeliest photo .394,
from these and four more numbers .371. So the embedders are nearly right there by themselves, and
the two numbers are for data on which they are not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from flam_pl.atomic_io import write_text
from flam_pl.editing.edits import Edit, in_order, wanted_probabilities
from flam_pl.errors import FlamError
from flam_pl.evaluation.outcomes import KINDS, Outcomes, raw_probabilities
from flam_pl.retrieval.posteriors import LEAST
from flam_pl.retrieval.vectors import Posteriors

FILE = "calibration.json"
"""Beside the checkpoint that it was measured with."""

WRONGLY_TOLD = 0.1
"""Share of the validation edits with an answer that may be told that there is none."""


@dataclass(frozen=True)
class Platt:
    """logit(p) = slope * logit(raw) + intercept."""

    slope: float
    intercept: float

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        """Probabilities -> probabilities, of any shape."""
        found: np.ndarray = expit(self.slope * bounded_logit(raw) + self.intercept)
        return found

    @classmethod
    def fit(cls, raw: np.ndarray, true: np.ndarray) -> Platt:
        """The likeliest one, with scikit-learn's usual weight of the penalty.

        Args:
            raw: of any shape.
            true: of the same, bool. Where all are alike there is nothing to learn from, and the raw
                probabilities are believed.
        """
        if true.all() or not true.any():
            return cls(1.0, 0.0)
        model = LogisticRegression().fit(bounded_logit(raw).reshape(-1, 1), true.ravel())
        return cls(float(model.coef_[0, 0]), float(model.intercept_[0]))


def bounded_logit(p: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)), finite also for 0 and 1."""
    bounded: np.ndarray = logit(np.clip(np.asarray(p, dtype=np.float64), LEAST, 1 - LEAST))
    return bounded


@dataclass(frozen=True)
class Calibration:
    """What sets the embedders' probabilities right.

    Attributes:
        attribute, combination: of a result.
        answer: of a search: some photo of the gallery has the wanted combination.
        threshold: of the last; a search below it says that nothing fits.
        checkpoint: SHA-256 of the method's checkpoint, which this was measured with.
    """

    attribute: Platt
    combination: Platt
    answer: Platt
    threshold: float
    checkpoint: str

    @classmethod
    def fit(cls, outcomes: Outcomes, checkpoint: str) -> Calibration:
        """Args:
        outcomes: of the validation split.
        """
        fitted = {k: Platt.fit(outcomes.raw[k], outcomes.true[k]) for k in KINDS}
        answered = fitted["answer"](outcomes.raw["answer"])[outcomes.true["answer"]]
        threshold = np.quantile(answered, WRONGLY_TOLD) if len(answered) else 0.0
        return cls(**fitted, threshold=float(threshold), checkpoint=checkpoint)

    def probabilities(self, raw: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Of each of ``KINDS``, from what the embedders say: ``(Q, N)`` twice and ``(Q,)``."""
        return {kind: getattr(self, kind)(raw[kind]) for kind in KINDS}

    def save(self, folder: Path) -> None:
        """As ``calibration.json`` beside the method's checkpoint."""
        write_text(folder / FILE, json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, folder: Path, checkpoint: str) -> Calibration | None:
        """That of this checkpoint; None where none was measured, or only with another checkpoint.

        Raises:
            FlamError: the file cannot be read.
        """
        path = folder / FILE
        if not path.is_file():
            return None
        try:
            plain: dict[str, Any] = json.loads(path.read_text())
            for kind in KINDS:
                plain[kind] = Platt(**{name: float(v) for name, v in plain[kind].items()})
            found = cls(**plain)
        except (ValueError, TypeError, KeyError) as error:
            raise FlamError(
                f"{path} cannot be read ({error!r}), expected what was measured on the validation "
                "split. Delete it and run make train-flam again: it is measured anew."
            ) from error
        return found if found.checkpoint == checkpoint else None


@dataclass(frozen=True)
class Confidence:
    """What is said of the searches of one edit.

    Attributes:
        attribute: how likely each result has the wanted classes, ``(Q, N)``.
        combination: how likely it has them and the query's own in every other type, ``(Q, N)``.
        answer: how likely some photo of the gallery has that combination, ``(Q,)``.
        wanted: the likeliest class of each type, e.g. ``("dress", "red", "striped")``, a query.
        threshold: below it nothing seems to fit.
    """

    attribute: np.ndarray
    combination: np.ndarray
    answer: np.ndarray
    wanted: list[tuple[str, ...]]
    threshold: float

    def texts(self) -> list[str]:
        """A line above the results of each query."""
        return [
            sentence(" ".join(names), float(p), self.threshold)
            for names, p in zip(self.wanted, self.answer, strict=True)
        ]


def sentence(wanted: str, answer: float, threshold: float) -> str:
    """E.g. ``No photo of the gallery seems to be "dress red striped" (12 % sure that there is
    one); the nearest:``."""
    sure = f"{100 * min(max(answer, 0.01), 0.99):.0f} % sure that there is one"
    if answer < threshold:
        return f'No photo of the gallery seems to be "{wanted}" ({sure}); the nearest:'
    return f'"{wanted}" ({sure}):'


class ConfidenceEstimator:
    """A gallery of which a search says how sure it is; its classes are measured once."""

    def __init__(self, sureness: Calibration, posteriors: Posteriors, features: Tensor) -> None:
        """Args:
        posteriors: those that ``sureness`` belongs to.
        features: of the gallery, as stored, ``(G, D)``.
        """
        self.sureness, self.posteriors = sureness, posteriors
        with torch.inference_mode():
            self._have = posteriors.read(features)

    @torch.inference_mode()
    def of(
        self,
        features: Tensor,
        edits: Sequence[Edit],
        found: np.ndarray | Tensor,
        exclude: Tensor | None = None,
    ) -> Confidence:
        """How sure searches are that all have the same edit.

        Args:
            features: of the queries, as stored, ``(Q, D)``.
            found: gallery positions of the results, best first, ``(Q, N)``.
            exclude: of each query its own gallery position, -1 for none, ``(Q,)``.

        Raises:
            SchemaError, EditError: as ``in_order``.
        """
        schema, device = self.posteriors.schema, self._have[0].device
        own = self.posteriors.read(features)
        asked = wanted_probabilities(own, edits, self.posteriors)
        types = [schema.types.index(edit.attribute_type) for edit in in_order(edits, schema)]
        results = torch.as_tensor(found, device=device)
        seen = raw_probabilities(asked, self._have, results, types, exclude)
        said = self.sureness.probabilities({k: p.cpu().numpy() for k, p in seen.items()})
        best: Sequence[list[int]] = torch.stack([of.argmax(dim=1) for of in asked], dim=1).tolist()
        wanted = [
            tuple(schema.of(name)[c] for name, c in zip(schema.types, row, strict=True))
            for row in best
        ]
        return Confidence(**said, wanted=wanted, threshold=self.sureness.threshold)
