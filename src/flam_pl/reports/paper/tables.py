"""Fills the paper's Tables 1 to 5 from the metrics of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flam_pl.reports.paper.published import published
from flam_pl.reports.table_formats import Cell, PaperTable, Part
from flam_pl.reports.tables import TITLES, called

Metrics = Mapping[str, Any]
ABLATED = "FLAM (M, OS, adv)"
"""What Table 3 calls FLAM as the paper proposes it."""


@dataclass(frozen=True)
class Measured:
    """What the tables are filled from.

    Attributes:
        dataset: the catalog's name, which the paper's figures are looked up by.
        classes: attribute type -> class -> number of images, the most frequent first.
        seeds: the run's own, then the further ones.
        by_seed: ``metrics.json`` of each seed; empty where only Table 1 is asked for.
        by_backbone: choice of ``conf/backbone/`` -> metrics of its run; the run's own first.
        note: said below every table.
    """

    dataset: str
    classes: Mapping[str, Mapping[str, int]]
    seeds: Sequence[int] = ()
    by_seed: Sequence[Metrics] = ()
    by_backbone: Mapping[str, Metrics] | None = None
    note: str = ""

    def table(self, number: int) -> PaperTable:
        """Table ``number`` of the paper, 1 to 5."""
        builders = {1: [classes], 2: [instances], 3: [edits], 4: [both_tasks]}
        parts = builders.get(number, [backbones, classification])
        return PaperTable(number, self.dataset, [build(self) for build in parts], self.seeds)

    def notes(self, *own: str, paper: Mapping[str, Any], all_seeds: bool = True) -> list[str]:
        """A part's own notes, then what holds for all that is measured.

        Args:
            paper: the paper's figures beside it, if any.
        """
        intervals = "In brackets the 95 % interval, resampled by item."
        if all_seeds and len(self.seeds) > 1:
            listed = ", ".join(map(str, self.seeds))
            intervals = (
                f"Mean ± standard deviation over the seeds {listed} of every stage that is trained "
                "(a figure without ± does not depend on them); in brackets the 95 % interval of "
                "the mean, for other items and other seeds."
            )
        beside = "(paper ...): what the paper prints for the same data set." if paper else ""
        return [note for note in (self.note, *own, intervals, beside) if note]

    def cell(self, *keys: str, paper: float | None = None) -> Cell:
        """The figure that every seed's metrics have under ``keys``."""
        return Cell.measured([_find(m, keys) for m in self.by_seed], paper)


def _find(metrics: Metrics, keys: Sequence[str]) -> Any:
    """The value under nested ``keys``, None where one is missing."""
    found: Any = metrics
    for key in keys:
        found = (found or {}).get(key)
    return found


def classes(measured: Measured) -> Part:
    """Table 1: the classes of each attribute type."""
    paper = published("classes", measured.dataset)
    rows = []
    for name, counts in measured.classes.items():
        text = ", ".join(f"{label} {count}" for label, count in counts.items())
        cells = [Cell(text, {"counts": dict(counts)})]
        if paper:
            cells.append(Cell(paper.get(name, "-"), {"published": paper.get(name)}))
        rows.append((name, cells))
    return Part(
        "attribute classes used for the experiments",
        ["attribute type", "classes (images)", *(["classes in the paper"] if paper else [])],
        rows,
        [n for n in (measured.note, "Images of all splits that carry the label.") if n],
    )


def instances(measured: Measured) -> Part:
    """Table 2: instance retrieval, beside what the paper quotes from others."""
    columns = ["R@1", "R@5", "R@20", "R@50"]
    paper = published("instances", measured.dataset)
    own = paper.pop("flam", {})
    cells = [measured.cell("fir", c, paper=own.get(c)) for c in columns]
    queries = measured.by_seed[0]["queries"]
    how = (
        "distorted views of the gallery's own photos: easier than a second photo would be"
        if queries["instance_on_distorted_views"]
        else "consumer photos, searched among the shop photos"
    )
    return Part(
        "instance retrieval, R@k",
        ["method", *columns],
        [*_quoted(paper, columns), ("FLAM (features of stage 1)", cells)],
        measured.notes(
            f"R@k: the item itself is among the first k. {queries['instance']} queries: {how}; "
            f"{queries['instance_without_match']} more have no match in the gallery. "
            f"Features: {describe_backbone(measured.by_seed[0])}.",
            paper=own,
        ),
    )


def edits(measured: Measured) -> Part:
    """Table 3: T@50 of every method, by the type that is changed."""
    metrics = measured.by_seed[0]
    paper = published("edits", measured.dataset)
    groups = [*measured.classes, "all"]
    rows = _quoted({n: of for n, of in paper.items() if n not in TITLES}, groups, dimension=True)
    order = list(TITLES)
    for name in sorted(metrics["fam"], key=lambda n: order.index(n) if n in order else len(order)):
        own = paper.get(name, {})
        cells = [measured.cell("fam", name, g, "T@50", paper=own.get(g)) for g in groups]
        rows.append((_called(name, metrics), [_dimension(metrics, name), *cells]))
    return Part(
        "T@50 of edited searches, by the attribute type that is changed",
        ["method", "dim", *groups],
        rows,
        measured.notes(
            how_edits(metrics),
            "M / S: the remaining types are matched too / only the target; adv: adversarial loss; "
            "OS: online sampling. Cls-Concat and Emb-Concat search a second vector that is stored "
            "for edits alone; all others search the features as they are stored.",
            paper=paper,
        ),
    )


def both_tasks(measured: Measured) -> Part:
    """Table 4: one vector for both tasks."""
    recalls, shares = [[f"{letter}@{k}" for k in (1, 5, 20, 100)] for letter in "RT"]
    paper = published("both_tasks", measured.dataset)
    metrics = measured.by_seed[0]
    rows = []
    for name in ("cls_concat", "emb_concat", "flam"):
        own = paper.get(name, {})
        cells = [measured.cell("fir_by_method", name, c, paper=own.get(c)) for c in recalls] + [
            measured.cell("fam", name, "all", c, paper=own.get(c)) for c in shares
        ]
        rows.append((_called(name, metrics), [_dimension(metrics, name), *cells]))
    return Part(
        "instance retrieval (R@k) and edited search (T@k) in one and the same vector",
        ["method", "dim", *recalls, *shares],
        rows,
        measured.notes(
            "R@k: photos of an item are searched in the vectors that the method searches edits in.",
            how_edits(metrics),
            paper=paper,
        ),
    )


def backbones(measured: Measured) -> Part:
    """Table 5, left: R@20 and T@20 by backbone."""
    seed = measured.seeds[0]
    paper = published("backbones", measured.dataset)
    rows = []
    for name, metrics in (measured.by_backbone or {}).items():
        settings = metrics["config"]["backbone"]
        own = paper.get(settings["model"], {}) if settings["max_epochs"] else {}
        recall = Cell.measured([_find(metrics, ("fir", "R@20"))], own.get("R@20"))
        share = Cell.measured([_find(metrics, ("fam", "flam", "all", "T@20"))], own.get("T@20"))
        rows.append((name, [Cell(describe_backbone(metrics)), recall, share]))
    return Part(
        "FLAM on different backbones",
        ["backbone", "what it is", "R@20", "T@20"],
        rows,
        measured.notes(
            f"Every stage is trained anew on each backbone's features, with seed {seed}.",
            how_edits(measured.by_seed[0]),
            paper=paper,
            all_seeds=False,
        ),
    )


def classification(measured: Measured) -> Part:
    """Table 5, right: what classifiers of original features see in manipulated ones."""
    paper = published("classification", measured.dataset)
    types = list(measured.classes)
    rows = []
    for kind in ("original", "manipulated"):
        own = paper.get(kind, {})
        cells = [measured.cell("classification", kind, t, paper=own.get(t)) for t in types]
        rows.append((kind, cells))
    rows[0][1].append(Cell())
    rows[1][1].append(_mean_change(measured, types, own.get("mean change")))
    return Part(
        "accuracy of classifiers on original and on manipulated features",
        ["query", *types, "mean change"],
        rows,
        measured.notes(
            "The classifiers are those of Cls-Concat, trained on original features of labelled "
            "training images. Original: the share of query images whose class they tell. "
            "Manipulated: the share of FLAM's edits of that type, those that count in Table 3, "
            "whose wanted class they tell.",
            paper=paper,
        ),
    )


def _mean_change(measured: Measured, types: Sequence[str], paper: float | None) -> Cell:
    """Mean over the types of accuracy after minus accuracy before."""
    changes = []
    for metrics in measured.by_seed:
        found = metrics["classification"]
        pairs = [(found["manipulated"][t], found["original"][t]) for t in types] if found else []
        if pairs and all(after["n"] and before["n"] for after, before in pairs):
            changes.append(float(np.mean([a["value"] - b["value"] for a, b in pairs])))
    return Cell.changed(changes, paper)


def _quoted(
    paper: Mapping[str, Mapping[str, float]], columns: Sequence[str], dimension: bool = False
) -> list[tuple[str, list[Cell]]]:
    """Rows that the paper has from elsewhere and that nobody measures here."""
    first = [Cell()] if dimension else []
    return [
        (name, first + [Cell.measured([], values.get(column)) for column in columns])
        for name, values in paper.items()
    ]


def _called(name: str, metrics: Metrics) -> str:
    """A method's name in Table 3."""
    settings = metrics["config"]["manipulator"]
    proposed = (
        settings["with_remaining"]
        and settings["online_sampling"]
        and settings["adversarial_weight"] > 0
    )
    return ABLATED if name == "flam" and proposed else called(name)


def _dimension(metrics: Metrics, name: str) -> Cell:
    known = metrics["dimensions"].get(name)
    return Cell(str(known), {"value": known}) if known else Cell()


def how_edits(metrics: Metrics) -> str:
    """What T@k says, and over how many edits."""
    queries, counted = metrics["queries"], metrics["edits"]
    if not counted["evaluated"]:
        return "No edit could be evaluated: " + ("; ".join(metrics["notes"]) or "none is possible")
    return (
        f"T@k: the first k results hold an image with exactly the wanted combination. "
        f"{queries['edited']} query images, {queries['gallery']} gallery images (the query itself "
        f"left out), {counted['evaluated']} edits; {counted['impossible']} more ask for what no "
        "gallery image has."
    )


def describe_backbone(metrics: Metrics) -> str:
    """E.g. ``resnet50, 20 epochs from timm, 224 px, 1024 dimensions``, and how it is whitened."""
    settings, most = metrics["config"]["backbone"], metrics["config"]["trainer"]["max_epochs"]
    epochs = settings["max_epochs"] and (most or settings["max_epochs"])
    start = settings["weights"]
    trained = f"{epochs} epoch{'s' * (epochs > 1)} from {start}" if epochs else f"{start}, frozen"
    power = settings.get("whitening")
    whitened = f", whitened (power {power:g})" if power is not None else ""
    return (
        f"{settings['model']}, {trained}, {settings['image_size']} px, "
        f"{metrics['dimensions']['flam']} dimensions{whitened}"
    )
