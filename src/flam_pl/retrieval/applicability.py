"""Edits that cannot apply, such as a sleeve length for shoes, by the training labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from flam_pl.attributes import UNLABELLED, AttributeSchema
from flam_pl.editing.edits import Edit, EditError

if TYPE_CHECKING:
    from torch import Tensor

ENOUGH = 30  # images to judge a class by: 0.8^30, that none is labelled by accident, is 1 in 800
NEARLY_NONE = 0.02  # share of labelled images up to which a type does not apply: a few are wrong
FAIR_SHARE = 0.2  # of labelled images in other classes: below it the type is rare everywhere
PROBABLE = 0.5  # least probability of a class for an error; below it there is a remark


@dataclass(frozen=True)
class Applicability:
    """Counts of training images, per type."""

    schema: AttributeSchema
    images: Sequence[np.ndarray]  # of each class, (classes,)
    labelled: Sequence[np.ndarray]  # of these, with a label of each type, (classes, types)

    @classmethod
    def of(cls, schema: AttributeSchema, labels: np.ndarray) -> Applicability:
        """Count labels ``(N, types)``."""
        has_label = (labels != UNLABELLED).astype(np.int64)
        classes = [labels[:, t, None] == np.arange(s) for t, s in enumerate(schema.sizes)]
        labelled = [of.T.astype(np.int64) @ has_label for of in classes]
        return cls(schema, [of.sum(axis=0) for of in classes], labelled)

    def why_not(self, attribute_type: str, other_type: str, class_name: str) -> str | None:
        """Why a type does not apply to a class of another type; None if it may apply."""
        self.schema.of(attribute_type)
        c = self.schema.index(other_type, class_name)
        edited = self.schema.types.index(attribute_type)
        other = self.schema.types.index(other_type)
        images, labelled = self.images[other], self.labelled[other][:, edited]
        elsewhere = images.sum() - images[c]
        if (
            edited == other
            or images[c] < ENOUGH
            or labelled[c] > NEARLY_NONE * images[c]
            or labelled.sum() - labelled[c] < FAIR_SHARE * max(1, elsewhere)
        ):
            return None
        count = f"only {labelled[c]} labelled" if labelled[c] else "none is labelled"
        return (
            f"{attribute_type} does not apply to {class_name}: of {images[c]} training images of "
            f"{class_name} {count} with it"
        )

    def remarks(
        self,
        edits: Sequence[Edit],
        own: Sequence[Tensor | np.ndarray],
        wanted: Sequence[Tensor | np.ndarray],
    ) -> tuple[str, ...]:
        """Remarks on edits that may not apply or change nothing. Per type, class probabilities
        ``(classes,)``: ``own`` before the edits, ``wanted`` after them. EditError for an edit that
        probably does not apply."""
        found: list[str] = []
        for edit in (edit for edit in edits if edit.strength > 0):
            for other, before, after in zip(self.schema.types, own, wanted, strict=True):
                likely, probability = self.schema.of(other)[int(after.argmax())], float(after.max())
                why = self.why_not(edit.attribute_type, other, likely)
                if why is None:
                    continue
                if int(before.argmax()) == int(after.argmax()):
                    why += f"; the query is {likely} with probability {probability:.2f}"
                else:
                    why += f", which is the wanted {other}"
                if probability >= PROBABLE:
                    raise EditError(why)
                found.append(why)
            kind = edit.attribute_type
            p = own[self.schema.types.index(kind)]
            likely = self.schema.of(kind)[int(p.argmax())]
            if edit.mix == {likely: 1.0}:
                already = f"the query's {kind} is {likely} already, with probability"
                found.append(f"{already} {float(p.max()):.2f}")
        return tuple(found)
