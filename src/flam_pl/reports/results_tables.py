"""Everything that was measured of a run, over its seeds, as tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flam_pl.reports.paper.tables import Metrics, describe_backbone, how_edits
from flam_pl.reports.results_figures import (
    BRIEF,
    Figures,
    at_cutoff,
    by_depth,
    by_strength,
    calibration,
    change,
    group_of,
    in_order,
    kept,
    kinds,
    of_group,
    shown,
    strength_of_last,
)
from flam_pl.reports.table_formats import Cell, Part
from flam_pl.reports.tables import called

REFERENCE = "cls_concat"
NOT_MEASURED = "Not measured."
NONE_HERE = "There is none on this data set."


@dataclass(frozen=True)
class RunResults:
    """What the tables are filled from.

    Attributes:
        seeds: the run's own, then the further ones.
        by_seed: ``metrics.json`` of each.
        labels: what ``paper_figures.label_share`` found of each seed; empty: not measured.
    """

    run: str
    seeds: Sequence[int]
    by_seed: Sequence[Metrics]
    labels: Sequence[Mapping[str, Any]] = ()

    @property
    def dataset(self) -> str:
        return str(self.by_seed[0]["dataset"])

    def about(self) -> list[str]:
        """What holds for all tables."""
        own = self.by_seed[0]
        intervals = "In brackets the 95 % interval, resampled by item."
        if len(self.seeds) > 1:
            intervals = (
                "Mean ± standard deviation over the seeds "
                f"{', '.join(map(str, self.seeds))} of every stage that is trained (a figure "
                "without ± does not depend on them); in brackets the 95 % interval of the mean, "
                "for other items and other seeds."
            )
        features = f"Features: {describe_backbone(own)}."
        return [how_edits(own), features, intervals, *own.get("notes", [])]

    def parts(self) -> dict[str, Part]:
        """Name -> table, in reading order."""
        groups = list(next(iter(self.by_seed[0]["fam"].values()), {}))
        return {
            "edits": self.table("Edited search, all edits", lambda m: group_of(m["fam"], "all")),
            "to_cls_concat": self.table(
                f"T@k divided by that of {called(REFERENCE)}, all edits",
                lambda m: m.get("fam_ratio", {}).get(REFERENCE),
            ),
            "change": self.table("Each row minus the row that searches, paired by item", change),
            "macro": self.table(
                "Edited search, mean over the wanted combinations", lambda m: m.get("macro")
            ),
            "by_type": self.table(
                f"Edited search by the type that is changed, T@{BRIEF}",
                lambda m: at_cutoff(m["fam"], f"T@{BRIEF}"),
            ),
            **{
                f"edits_{group}": self.table(f"Edits of {group}", of_group("fam", group))
                for group in groups[1:]
            },
            "counterfactual": self.table(
                "Counterfactuals: the same item with just this attribute changed",
                lambda m: m.get("counterfactual"),
            ),
            "instances": self.table(
                "Instance search, in the vectors that each method searches edits in",
                lambda m: m.get("fir_by_method"),
            ),
            "pairs": self.table("Two edits at once", of_group("fam_pairs", "all")),
            "strength": self.table("Strength of an edit", strength_of_last, head="strength"),
            "by_strength": self.table("T@k and P@k by the strength of the edit", by_strength),
            "by_depth": self.table("Figures by the number of candidates", by_depth),
            "ndcg": self.table(
                f"NDCG@{BRIEF}: all attributes, the edited one, the others",
                lambda m: at_cutoff(m.get("ndcg"), f"NDCG@{BRIEF}"),
            ),
            **{
                f"ndcg_{kind}": self.table(f"NDCG, {kind}", of_group("ndcg", kind))
                for kind in kinds(self.by_seed[0].get("ndcg"))
            },
            "kept": self.table("Traits kept by results with the wanted class", kept),
            "calibration": self.table(
                "How sure the search is, on evaluation images", calibration, head="said"
            ),
            **self.label_shares(),
        }

    def table(
        self, title: str, of: Callable[[Metrics], Figures | None], head: str = "method"
    ) -> Part:
        """A row a method, a column a figure; a part of the metrics that is missing is said so.

        Args:
            of: finds the figures in a seed's metrics; None: not measured.
        """
        found = [of(metrics) for metrics in self.by_seed]
        first = found[0]
        if not first:
            return Part(title, [head], [], [NOT_MEASURED if first is None else NONE_HERE])
        columns = [c for c in dict.fromkeys(c for row in first.values() for c in row) if shown(c)]
        rows = [
            (
                called(name),
                [
                    Cell.measured([(of_seed or {}).get(name, {}).get(c) for of_seed in found])
                    for c in columns
                ],
            )
            for name in in_order(first)
        ]
        return Part(title, [head, *columns], rows)

    def label_shares(self) -> dict[str, Part]:
        """T@k by the share of the training labels that are kept; each seed keeps others."""
        title = "T@{k} by the share of the training labels"
        if not self.labels:
            return {"labels": Part(title.format(k="k"), ["method"], [], [NOT_MEASURED])}
        own = self.labels[0]
        counts = [sum(of_type.values()) for of_type in own["labels"]]
        columns = [
            f"{100 * share:g} % ({count:,})"
            for share, count in zip(own["shares"], counts, strict=True)
        ]
        by_method = own["methods"]
        names = next(iter(by_method.values()))
        return {
            f"labels_{name}": Part(
                title.format(k=name.removeprefix("T@")),
                ["method", *columns],
                [
                    (
                        called(m),
                        [
                            Cell.measured([found["methods"][m][name][i] for found in self.labels])
                            for i in range(len(columns))
                        ],
                    )
                    for m in in_order(by_method)
                ],
                [
                    "In brackets the number of labels, all types together; each seed keeps others "
                    "of them."
                ],
            )
            for name in names
        }

    def plain(self) -> dict[str, Any]:
        """Fit for JSON: ``results.json``."""
        return {
            "run": self.run,
            "dataset": self.dataset,
            "seeds": list(self.seeds),
            "about": self.about(),
            "parts": {name: part.plain() for name, part in self.parts().items()},
            "label_shares": list(self.labels),
        }
