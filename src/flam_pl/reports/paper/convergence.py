"""T@k against cosine(x, x^), the paper's measure of convergence; x^ is x edited there and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from flam_pl.reports.pictures import panels

COSINE = "val/cosine_recovered"


def numbers(log: Path, ks: Sequence[int]) -> dict[str, Any] | None:
    """Validation figures per epoch, and T@k of the plain search; None if not logged."""
    table = pd.read_csv(log) if log.is_file() and log.stat().st_size else pd.DataFrame()
    logged = [f"T@{k}" for k in ks if f"val/T@{k}" in table]
    if COSINE not in table or not logged:
        return None
    # the best weights are validated once more at the end, after an epoch that was not trained
    trained = table.loc[table.filter(like="train/").notna().any(axis=1), "epoch"]
    seen = table[table[COSINE].notna() & table["epoch"].isin(trained)].drop_duplicates("epoch")
    names = ["cosine_recovered", "cosine_edited", *logged]
    return {
        "epochs": [
            {"epoch": int(row["epoch"]) + 1} | {name: float(row[f"val/{name}"]) for name in names}
            for _, row in seen.iterrows()
        ],
        "no_edit": {name: float(seen[f"val/no_edit/{name}"].iloc[-1]) for name in logged},
    }


def draw(found: Mapping[str, Any]) -> Figure:
    epochs, plain = pd.DataFrame(found["epochs"]), found["no_edit"]
    figure, axes = panels(1, len(plain), 3.9 * len(plain), 3.5)
    for axis, name in zip(axes[0], plain, strict=True):
        points = epochs["cosine_recovered"], epochs[name]
        axis.plot(*points, color="#bbbbbb", lw=1, zorder=1)
        axis.scatter(*points, c=epochs["epoch"], cmap="viridis", s=28, zorder=2)
        for epoch, x, y in zip(epochs["epoch"], *points, strict=True):
            axis.annotate(str(epoch), (x, y), (4, 4), textcoords="offset points", size=8)
        axis.axhline(plain[name], color="grey", ls=":", lw=1.2, label="no edit")
        axis.set(xlabel="cosine(x, x^)", ylabel=name)
        axis.margins(0.12)
        axis.legend(fontsize=8)
    figure.suptitle("stage 3 on the validation split, a point per epoch", fontsize=10)
    return figure
