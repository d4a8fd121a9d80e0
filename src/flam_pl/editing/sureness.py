"""How sure an edited search is of its results, and whether anything in the gallery fits.

The embedders' probabilities are calibrated for a photo drawn at random. The photos at the head of a
ranking were chosen by these probabilities, so there they promise too much (the winner's curse).
Platt scaling (Platt, 1999) sets them right: a logistic regression on a few numbers of each search,
fitted on the edited searches of the validation split, whose answers are known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from flam_pl.editing.evidence import asked_classes, class_probabilities
from flam_pl.editing.outcomes import KINDS, Outcomes, evidence_of
from flam_pl.errors import FlamError
from flam_pl.files import write_text
from flam_pl.nets.embedder import Embedders

FILE = "sureness.json"
"""Beside the checkpoint that it was measured with."""

WRONGLY_TOLD = 0.05
"""Share of the validation edits with an answer that may be told that there is none."""


@dataclass(frozen=True)
class Logistic:
    """p = 1 / (1 + exp(-(intercept + weights . evidence)))."""

    intercept: float
    weights: tuple[float, ...]

    def __call__(self, evidence: np.ndarray) -> np.ndarray:
        """Evidence ``(..., len(weights))`` -> probabilities ``(...)``."""
        found: np.ndarray = expit(evidence @ np.array(self.weights) + self.intercept)
        return found

    @classmethod
    def fit(cls, evidence: np.ndarray, true: np.ndarray) -> Logistic:
        """The likeliest one, with scikit-learn's usual weight of the penalty.

        Args:
            evidence: ``(..., F)``; the first number is a logit.
            true: ``(...)`` bool. Where all are alike there is nothing to learn from, and the first
                number is believed as it is.
        """
        width = evidence.shape[-1]
        if true.all() or not true.any():
            return cls(0.0, (1.0, *[0.0] * (width - 1)))
        model = LogisticRegression().fit(evidence.reshape(-1, width), true.ravel())
        return cls(float(model.intercept_[0]), tuple(map(float, model.coef_[0])))


@dataclass(frozen=True)
class Sureness:
    """What turns evidence into probabilities.

    Attributes:
        attribute, combination: of a result.
        answer: of a search: some photo of the gallery has the wanted combination.
        threshold: of the last; a search below it says that nothing fits.
        checkpoint: SHA-256 of the method's checkpoint, which this was measured with.
    """

    attribute: Logistic
    combination: Logistic
    answer: Logistic
    threshold: float
    checkpoint: str

    @classmethod
    def fit(cls, outcomes: Outcomes, checkpoint: str) -> Sureness:
        """Args:
        outcomes: of the validation split.
        """
        fitted = {k: Logistic.fit(outcomes.evidence[k], outcomes.true[k]) for k in KINDS}
        answered = fitted["answer"](outcomes.evidence["answer"])[outcomes.true["answer"]]
        threshold = np.quantile(answered, WRONGLY_TOLD) if len(answered) else 0.0
        return cls(**fitted, threshold=float(threshold), checkpoint=checkpoint)

    def probabilities(self, evidence: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Of each of ``KINDS``, from the evidence for it: ``(Q, N)``, ``(Q, N)`` and ``(Q,)``."""
        return {kind: getattr(self, kind)(evidence[kind]) for kind in KINDS}

    def save(self, folder: Path) -> None:
        """As ``sureness.json`` beside the method's checkpoint."""
        write_text(folder / FILE, json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, folder: Path, checkpoint: str) -> Sureness | None:
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
                weights = tuple(float(weight) for weight in plain[kind]["weights"])
                plain[kind] = Logistic(float(plain[kind]["intercept"]), weights)
            found = cls(**plain)
        except (ValueError, TypeError, KeyError) as error:
            raise FlamError(
                f"{path} cannot be read ({error!r}), expected what was measured on the validation "
                "split. Delete it and run make train-flam again: it is measured anew."
            ) from error
        return found if found.checkpoint == checkpoint else None


@dataclass(frozen=True)
class Said:
    """What is said of the searches of one wish.

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


class SureGallery:
    """A gallery of which a search says how sure it is; its classes are measured once."""

    def __init__(self, sureness: Sureness, embedders: Embedders, features: Tensor) -> None:
        """Args:
        embedders: those of the method that ``sureness`` belongs to.
        features: of the gallery, as stored, ``(G, D)``.
        """
        self.sureness, self.embedders = sureness, embedders
        with torch.inference_mode():
            self._have = class_probabilities(embedders, features)

    @torch.inference_mode()
    def of(
        self,
        features: Tensor,
        wishes: Mapping[str, str],
        found: np.ndarray | Tensor,
        exclude: Tensor | None = None,
    ) -> Said:
        """How sure searches are that all have the same wish.

        Args:
            features: of the queries, as stored, ``(Q, D)``.
            wishes: type -> wanted class, e.g. ``{"color": "red"}``.
            found: gallery positions of the results, best first, ``(Q, N)``.
            exclude: of each query its own gallery position, -1 for none, ``(Q,)``.

        Raises:
            SchemaError: a type or class that the schema does not know.
        """
        schema, device = self.embedders.schema, self._have[0].device
        asked = asked_classes(self.embedders, features, wishes)
        types = [schema.types.index(name) for name in wishes]
        results = torch.as_tensor(found, device=device)
        seen = evidence_of(asked, self._have, results, types, exclude)
        said = self.sureness.probabilities({k: e.cpu().numpy() for k, e in seen.items()})
        best: Sequence[list[int]] = torch.stack([of.argmax(dim=1) for of in asked], dim=1).tolist()
        wanted = [
            tuple(schema.of(name)[c] for name, c in zip(schema.types, row, strict=True))
            for row in best
        ]
        return Said(**said, wanted=wanted, threshold=self.sureness.threshold)
