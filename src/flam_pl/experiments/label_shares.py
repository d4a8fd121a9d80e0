"""T@k against the share of the training labels: the method's claim is that few labels do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from flam_pl.attributes import UNLABELLED
from flam_pl.config.root import Config
from flam_pl.data.feature_batches import batches_in_pass
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.labels import keep_label_share
from flam_pl.experiments.methods import train_methods
from flam_pl.experiments.paper import metrics_of
from flam_pl.experiments.pipeline import Run, train_beside
from flam_pl.reports.precision_and_hits import COLORS
from flam_pl.reports.tables import called

CUTOFFS = (10, 50)
METHODS = ("no_edit", "arithmetic", "flam", "cls_concat", "emb_concat", "flam_plus")
"""All that the figure can show."""
BASELINES = ("cls_concat", "emb_concat")
"""What is trained for each share beside FLAM, unless told otherwise."""


def train_shares(run: Run, methods: Sequence[str] = BASELINES) -> dict[float, Run]:
    """Share of the run's training labels -> the run on it; a share of 1 is the run itself.

    Backbone and features are the run's own: they read no label.

    Args:
        run: whose own methods are trained.
        methods: what is trained for each share beside FLAM.
    """
    shares = sorted({*run.config.figures.shares})
    return {share: train_share(run, share, methods) for share in shares}


def train_share(run: Run, share: float, methods: Sequence[str]) -> Run:
    """Stages 2 and 3 and the methods, in ``<run>/shares/<percent>``; another seed keeps others of
    the labels."""
    if share == 1:
        return run
    settings = run.config.data
    label_seed = settings.label_seed + run.config.seed
    catalog = keep_label_share(run.catalog, share, label_seed)
    config = with_as_many_steps(run.config, run.catalog, catalog)
    config = replace(
        config,
        data=replace(settings, label_share=settings.label_share * share, label_seed=label_seed),
        evaluation=replace(config.evaluation, examples=0),
        methods=[*methods],
    )
    other = train_beside(run, f"shares/{100 * share:g}", config, catalog)
    train_methods(other)
    return other


def with_as_many_steps(config: Config, full: Catalog, kept: Catalog) -> Config:
    """Settings by which fewer labels are trained on for as many steps, that is for more epochs.

    An epoch over a hundredth of the labels is one step: with the same number of epochs the figure
    would show how long was trained, and not what the labels do. ``trainer.max_epochs``, for short
    trials, still cuts all of them to the same number.
    """

    def epochs(number: int, batch_size: int) -> int:
        batches = [
            batches_in_pass(len(catalog.rows(split="train", labelled=True)), batch_size)
            for catalog in (full, kept)
        ]
        return round(number * batches[0] / batches[1])

    embedder, concat = config.embedder, config.concat
    longer = epochs(embedder.max_epochs, embedder.batch_size)
    return replace(
        config,
        embedder=replace(embedder, max_epochs=longer),
        concat=replace(concat, max_epochs=epochs(concat.max_epochs, concat.batch_size)),
        # for the methods that choose other embedders
        overrides=[*config.overrides, f"embedder.max_epochs={longer}"],
    )


def numbers(by_share: Mapping[float, Run]) -> dict[str, Any]:
    """T@k with intervals, and the number of labels of each type; in the first process.

    Args:
        by_share: share -> the run on it; what is not measured yet is measured.
    """
    fam = [metrics_of(run)["fam"] for run in by_share.values()]
    return {
        "shares": list(by_share),
        "labels": [label_counts(run.catalog) for run in by_share.values()],
        "methods": {
            method: {f"T@{k}": [of[method]["all"][f"T@{k}"] for of in fam] for k in CUTOFFS}
            for method in METHODS
            if all(method in of for of in fam)
        },
    }


def label_counts(catalog: Catalog) -> dict[str, int]:
    """Attribute type -> number of training labels."""
    labels = catalog.labels[catalog.rows(split="train")]
    counts = (labels != UNLABELLED).sum(axis=0)
    return {name: int(count) for name, count in zip(catalog.schema.types, counts, strict=True)}


def draw(by_seed: Sequence[Mapping[str, Any]]) -> Figure:
    """A panel a cut-off, a line a method over the share on a log axis.

    Args:
        by_seed: ``numbers`` of each seed. Of several the mean is drawn with the least and the most,
            of one its 95 % interval.
    """
    own = by_seed[0]
    shares = [100 * share for share in own["shares"]]
    labels = [sum(of_type.values()) for of_type in own["labels"]]
    seeds = len(by_seed)
    around = f"mean, least and most of {seeds} seeds" if seeds > 1 else "95 % interval"
    ticks = [f"{share:g} %\n{count:,}" for share, count in zip(shares, labels, strict=True)]
    figure, axes = plt.subplots(1, len(CUTOFFS), figsize=(4.6 * len(CUTOFFS), 3.8))
    for axis, k in zip(axes, CUTOFFS, strict=True):
        for method in own["methods"]:
            values, low, high = spread([found["methods"][method][f"T@{k}"] for found in by_seed])
            axis.errorbar(
                shares,
                values,
                [values - low, high - values],
                color=COLORS[method],
                label=called(method),
                lw=2.2 if method in ("flam", "flam_plus") else 1.4,
                ls=":" if method == "no_edit" else "-",
                marker="o",
                ms=4,
                capsize=2.5,
            )
        axis.set_xscale("log")
        axis.xaxis.set_minor_locator(NullLocator())
        axis.set_xticks(shares, ticks)
        axis.set_xlabel("training labels kept, and their number")
        axis.set_ylabel(f"T@{k} ({around})")
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.25)
    axes[0].legend(fontsize=8)
    figure.tight_layout()
    return figure


def spread(
    by_seed: Sequence[Sequence[Mapping[str, float]]],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Of each share the mean over the seeds, the least and the most; of one seed its interval.

    Args:
        by_seed: of each seed, of each share {"value", "low", "high"}.
    """
    values = np.array([[figure["value"] for figure in of_seed] for of_seed in by_seed])
    if len(values) > 1:
        return values.mean(axis=0), values.min(axis=0), values.max(axis=0)
    low, high = ([figure[end] for figure in by_seed[0]] for end in ("low", "high"))
    return values[0], np.array(low), np.array(high)
