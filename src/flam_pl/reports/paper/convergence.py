"""T@k against cosine(x, x-hat), the paper's measure of convergence, over the epochs of stage 3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

COSINE = "val/cosine_recovered"


def numbers(log: Path, ks: Sequence[int]) -> dict[str, Any] | None:
    """What stage 3 measured on the validation split after each epoch.

    Args:
        log: ``metrics.csv`` of Lightning's CSV logger.
        ks: cut-offs; those that were not logged are left out.

    Returns:
        ``epochs``: a dict an epoch; ``no_edit``: T@k of the plain search. None where nothing was
        validated.
    """
    table = pd.read_csv(log) if log.is_file() else pd.DataFrame()
    logged = [f"T@{k}" for k in ks if f"val/T@{k}" in table]
    if COSINE not in table or not logged:
        return None
    # at last the weights that are kept are validated again, after an epoch that was not trained
    trained = table.loc[table.filter(like="train/").notna().any(axis=1), "epoch"]
    validated = table.dropna(subset=[COSINE])
    seen = validated[validated["epoch"].isin(trained)].drop_duplicates("epoch")
    names = ["cosine_recovered", "cosine_edited", *logged]
    return {
        "epochs": [
            {"epoch": int(row["epoch"]) + 1} | {name: float(row[f"val/{name}"]) for name in names}
            for _, row in seen.iterrows()
        ],
        "no_edit": {name: float(seen[f"val/no_edit/{name}"].iloc[-1]) for name in logged},
    }


def draw(found: Mapping[str, Any]) -> Figure:
    """A panel a cut-off, a point an epoch, in their order, with the plain search as a line."""
    epochs, plain = found["epochs"], found["no_edit"]
    figure, axes = plt.subplots(1, len(plain), figsize=(3.9 * len(plain), 3.5), squeeze=False)
    cosines = [epoch["cosine_recovered"] for epoch in epochs]
    for axis, name in zip(axes[0], plain, strict=True):
        values = [epoch[name] for epoch in epochs]
        axis.plot(cosines, values, color="#bbbbbb", lw=1, zorder=1)
        axis.scatter(
            cosines, values, c=[e["epoch"] for e in epochs], cmap="viridis", s=28, zorder=2
        )
        for epoch, x, y in zip(epochs, cosines, values, strict=True):
            axis.annotate(str(epoch["epoch"]), (x, y), (4, 4), textcoords="offset points", size=8)
        axis.axhline(plain[name], color="grey", ls=":", lw=1.2, label="no edit")
        axis.set_xlabel("cosine(x, $\\hat{x}$)")
        axis.set_ylabel(name)
        axis.margins(0.12)
        axis.legend(fontsize=8, loc="best")
    figure.suptitle("stage 3 on the validation split, a point an epoch", fontsize=10)
    figure.tight_layout()
    return figure
