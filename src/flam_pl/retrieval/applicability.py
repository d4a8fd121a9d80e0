"""Edits that cannot apply: a sleeve length for shoes. Learned from the training labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from flam_pl.attributes import UNLABELLED, AttributeSchema
from flam_pl.datasets.catalog import Catalog
from flam_pl.editing.edits import Edit

ENOUGH = 30
"""Training images of a class that must be there to judge by: where a fair share is labelled, that
none of 30 is would come by chance once in 800 times (0.8 to the power of 30)."""
NEARLY_NONE = 0.02
"""Share of them with a label of the type up to which it does not apply: a few wrong labels."""
FAIR_SHARE = 0.2
"""Share of the images of the other classes that must have one: else the type is labelled rarely
everywhere, and its absence says nothing."""
SURE = 0.5
"""Least probability of the class that a query is taken for, for a refusal; below it is a remark."""


@dataclass(frozen=True)
class Refusal:
    """A search that was not made, and why."""

    reason: str


@dataclass(frozen=True)
class Judgement:
    """What there is to say about edits before a search.

    Attributes:
        refusal: why it should not be made; None: it may be.
        remarks: what a user may want to know all the same.
    """

    refusal: Refusal | None
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Applicability:
    """How many training images of each class carry a label of each other type.

    Attributes:
        images: of each type the number of training images of each class, ``(classes,)``.
        labelled: of each type, how many of those carry a label of each type, ``(classes, types)``.
    """

    schema: AttributeSchema
    images: Sequence[np.ndarray]
    labelled: Sequence[np.ndarray]

    @classmethod
    def of(cls, catalog: Catalog) -> Applicability:
        """Counted on the training images."""
        labels = catalog.labels[catalog.rows(split="train")]
        has_label = labels != UNLABELLED
        images, labelled = [], []
        for t, size in enumerate(catalog.schema.sizes):
            of_class = labels[:, t, None] == np.arange(size)  # (N, classes)
            images.append(of_class.sum(axis=0))
            labelled.append(of_class.T.astype(np.int64) @ has_label.astype(np.int64))
        return cls(catalog.schema, images, labelled)

    def why_not(self, attribute_type: str, other_type: str, class_name: str) -> str | None:
        """Why the type does not apply to images of this class of another type; None: it does, or
        there are too few labels to tell.

        Raises:
            SchemaError: a type or class that the schema does not know.
        """
        self.schema.of(attribute_type)
        c = self.schema.index(other_type, class_name)
        asked = self.schema.types.index(attribute_type)
        other = self.schema.types.index(other_type)
        images, labelled = self.images[other], self.labelled[other][:, asked]
        elsewhere = images.sum() - images[c]
        if (
            asked == other
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

    def judge(
        self, edits: Sequence[Edit], own: Sequence[Tensor], wanted: Sequence[Tensor]
    ) -> Judgement:
        """Judge edits for one query.

        Args:
            own: of each type how likely the query has each class, ``(classes,)``.
            wanted: the same of what is wished for: who edits for a dress with long sleeves may
                start from a shoe.
        """
        remarks: list[str] = []
        refusal: Refusal | None = None
        for edit in edits:
            if edit.strength == 0:
                continue
            for other, before, after in zip(self.schema.types, own, wanted, strict=True):
                likely = self.schema.of(other)[int(after.argmax())]
                why = self.why_not(edit.attribute_type, other, likely)
                if why is None:
                    continue
                sure = float(after.max())
                is_own = int(before.argmax()) == int(after.argmax())
                why += (
                    f"; the query is taken for {likely} with probability {sure:.2f}"
                    if is_own
                    else f", which is wished for as {other}"
                )
                if sure < SURE:
                    remarks.append(why)
                elif refusal is None:
                    refusal = Refusal(why)
            remarks += self._already(edit, own)
        return Judgement(refusal, tuple(remarks))

    def _already(self, edit: Edit, own: Sequence[Tensor]) -> list[str]:
        """A remark where the query already is the one class that is asked for."""
        if edit.mix is None or len(edit.mix) > 1:
            return []
        (asked,) = edit.mix
        probabilities = own[self.schema.types.index(edit.attribute_type)]
        c = self.schema.index(edit.attribute_type, asked)
        if int(probabilities.argmax()) != c:
            return []
        return [
            f"the query's {edit.attribute_type} is taken for {asked} already, with probability "
            f"{float(probabilities[c]):.2f}"
        ]
