"""How likely an edited search found what was wanted, calibrated on the validation split.

Posteriors are calibrated for photos drawn at random. The first results were selected by them, so
there they are too high (the winner's curse). Platt scaling (Platt, 1999) corrects them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from flam_pl.atomic_io import write_text
from flam_pl.editing.edits import Edit, in_order, wanted_probabilities
from flam_pl.errors import FlamError
from flam_pl.retrieval.posteriors import KINDS, LEAST, Posteriors, raw_probabilities

FILE = "calibration.json"  # in the run's folder
FALSE_ALARMS = 0.1  # share of validation searches with an answer that fall below the threshold


@dataclass(frozen=True)
class Platt:
    """logit(p) = slope * logit(raw) + intercept.

    Example:
        >>> Platt(slope=1.0, intercept=0.0)(np.array([0.25])).round(6)
        array([0.25])
    """

    slope: float
    intercept: float

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        """Raw probabilities -> calibrated ones, of any shape."""
        return expit(self.slope * bounded_logit(raw) + self.intercept)

    @classmethod
    def fit(cls, raw: np.ndarray, true: np.ndarray) -> Platt:
        """Fit to events, bool, of any shape. If all or none happened, ``raw`` stays as it is."""
        if true.all() or not true.any():
            return cls(1.0, 0.0)
        model = LogisticRegression().fit(bounded_logit(raw).reshape(-1, 1), true.ravel())
        return cls(float(model.coef_[0, 0]), float(model.intercept_[0]))


def bounded_logit(p: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)), finite also for 0 and 1."""
    return logit(np.clip(np.asarray(p, dtype=np.float64), LEAST, 1 - LEAST))


@dataclass(frozen=True)
class Calibration:
    """Platt scaling of each of ``KINDS``."""

    attribute: Platt
    combination: Platt
    answer: Platt
    threshold: float  # an answer less likely than this counts as none
    checkpoint: str  # SHA-256 of what the probabilities were measured with

    @classmethod
    def fit(
        cls, raw: Mapping[str, np.ndarray], true: Mapping[str, np.ndarray], checkpoint: str
    ) -> Calibration:
        """Fit to validation searches: per kind raw probabilities and bool events of one shape."""
        fitted = {kind: Platt.fit(raw[kind], true[kind]) for kind in KINDS}
        answered = fitted["answer"](raw["answer"])[true["answer"]]
        threshold = np.quantile(answered, FALSE_ALARMS) if len(answered) else 0.0
        return cls(**fitted, threshold=float(threshold), checkpoint=checkpoint)

    def probabilities(self, raw: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Per kind, raw probabilities -> calibrated ones."""
        return {kind: getattr(self, kind)(raw[kind]) for kind in KINDS}

    def save(self, folder: Path) -> None:
        write_text(folder / FILE, json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, folder: Path, checkpoint: str) -> Calibration | None:
        """None without a file or for another checkpoint. Raises FlamError for a damaged file."""
        path = folder / FILE
        if not path.is_file():
            return None
        try:
            plain = json.loads(path.read_text())
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
    """Calibrated probabilities of ``KINDS``: of each result ``(Q, N)``, of each answer ``(Q,)``;
    and ``texts``, a line above the results of each query."""

    attribute: np.ndarray
    combination: np.ndarray
    answer: np.ndarray
    texts: list[str]


def sentence(wanted: str, answer: float, threshold: float) -> str:
    """The line above the results of a search.

    Example:
        >>> sentence("dress red", 0.93, threshold=0.3)
        '"dress red" (there is one with probability 93 %):'
    """
    percent = f"there is one with probability {100 * min(max(answer, 0.01), 0.99):.0f} %"
    if answer < threshold:
        return f'No photo of the gallery seems to be "{wanted}" ({percent}); the nearest:'
    return f'"{wanted}" ({percent}):'


class ConfidenceEstimator:
    """Estimates the confidence of searches in one gallery, which it classifies once."""

    def __init__(self, calibration: Calibration, posteriors: Posteriors, features: Tensor) -> None:
        """Stored features of the gallery ``(G, D)``; ``calibration`` is that of ``posteriors``."""
        self.calibration, self.posteriors = calibration, posteriors
        with torch.inference_mode():
            self._gallery = posteriors.read(features)

    @torch.inference_mode()
    def of(
        self, features: Tensor, edits: Sequence[Edit], found: Tensor, exclude: Tensor | None = None
    ) -> Confidence:
        """The confidence of searches of stored features ``(Q, D)`` with the same edits, which found
        ``(Q, N)``; ``exclude`` as for ``raw_probabilities``."""
        schema, device = self.posteriors.schema, self._gallery[0].device
        target = wanted_probabilities(self.posteriors.read(features), edits, self.posteriors)
        types = [schema.types.index(edit.attribute_type) for edit in in_order(edits, schema)]
        raw = raw_probabilities(target, self._gallery, found.to(device), types, exclude)
        calibrated = self.calibration.probabilities({k: p.cpu().numpy() for k, p in raw.items()})
        classes = [schema.of(name) for name in schema.types]
        best = torch.stack([of.argmax(dim=1) for of in target], dim=1).tolist()
        wanted = [" ".join(of[c] for of, c in zip(classes, row, strict=True)) for row in best]
        likely = zip(wanted, calibrated["answer"].tolist(), strict=True)
        texts = [sentence(*each, self.calibration.threshold) for each in likely]
        return Confidence(**calibrated, texts=texts)
