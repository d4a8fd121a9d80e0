"""What Weights & Biases shows of a run beside its curves: searches, tables, pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities import rank_zero_only

from flam_pl.config.root import Config
from flam_pl.data.feature_store import FeatureStore
from flam_pl.datasets.catalog import Catalog
from flam_pl.editing.editor import Editor
from flam_pl.evaluation.preservation import MEAN
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.images import fit, read_image
from flam_pl.reports.pictures import SHOWN, Example, Search, choose_examples
from flam_pl.reports.report import Report
from flam_pl.reports.tables import called, cell
from flam_pl.retrieval.retriever import Retriever
from flam_pl.training.loggers import finish, make_wandb_logger, use_checkpoints, wandb_of
from flam_pl.training.records import StageRecord

EXAMPLES = 3
"""Edited searches of each attribute type that a validation shows."""
THUMBNAIL = 96
"""Their pixels a side: a table of nine searches stays below a quarter of a megabyte."""


class SearchTable(Callback):
    """A table of edited searches at each validation; nothing where W&B is not logged to.

    The edits are drawn once, at random by ``seed``: the same ones from epoch to epoch.
    """

    def __init__(
        self, editor: Editor, catalog: Catalog, store: FeatureStore, rows: np.ndarray, seed: int
    ) -> None:
        """Args:
        editor: the method in training; what it stores of an image does not change with it.
        rows: catalog rows that are queries and gallery, with all labels, ``(N,)``.
        """
        self.editor, self.catalog, self.store = editor, catalog, store
        self.rows, self.seed = rows, seed

    @rank_zero_only
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        logger = wandb_of(trainer.loggers)
        if logger is None:
            return
        data = EvaluationSet.of(self.catalog, self.store, self.rows).to(pl_module.device)
        index = Retriever.of(self.editor, data.features)
        columns = ["query", "edit", "hit", *(str(rank + 1) for rank in range(SHOWN))]
        examples = choose_examples(data, EXAMPLES, self.seed)
        rows = [self.line(example, data, index) for example in examples]
        if rows:
            logger.log_table("val/searches", columns, rows, step=trainer.global_step)

    def line(self, example: Example, data: EvaluationSet, index: Retriever) -> list[Any]:
        """The query, the edit, whether any result is a hit, the results."""
        search = Search.run(example, data, index, SHOWN)
        edit = example.title(data).replace("\n", " ")
        shown = [self.thumbnail(position) for position in search.results]
        shown += [None] * (SHOWN - len(shown))  # a gallery of fewer images
        return [self.thumbnail(example.query), edit, any(search.hits), *shown]

    def thumbnail(self, position: int) -> Any:
        """A small picture of the image in this row."""
        import wandb

        path = self.catalog.root / self.catalog.table["path"].iloc[self.rows[position]]
        pixels = fit(read_image(path), THUMBNAIL).permute(1, 2, 0).numpy()
        return wandb.Image(pixels, file_type="jpg")


def log_report(config: Config, report: Report, records: Mapping[str, StageRecord]) -> None:
    """A report as a W&B run of its own: tables, figures, pictures, and what it was made from.

    Args:
        records: of the run's stages, by name.
    """
    logger = make_wandb_logger(config, report.folder.name, "evaluate")
    if logger is None:
        return
    use_checkpoints(logger, config, [record.checkpoint for record in records.values()])
    for name, rows in tables(report.metrics).items():
        if rows:
            columns = list(rows[0])
            logger.log_table(f"report/{name}", columns, [list(row.values()) for row in rows])
    for picture in sorted((report.folder / "figures").glob("*.png")):
        logger.log_image(f"report/{picture.stem}", [str(picture)])
    logger.experiment.summary.update(summary(report.metrics))
    finish([logger])


def tables(metrics: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    """The report's tables, each as rows of equal columns; cells as in the report."""
    return {
        "edits": [
            {"edits of": group, **methods_row(method, figures)}
            for method, of in metrics["fam"].items()
            for group, figures in of.items()
        ],
        "counterfactuals": [
            methods_row(method, figures) for method, figures in metrics["counterfactual"].items()
        ],
        "kept": [
            {"trait": trait, **methods_row(method, figures)}
            for method, of in metrics.get("kept", {}).items()
            for trait, figures in of.items()
        ],
        "ndcg": [
            {"attributes": kind, **methods_row(method, figures)}
            for method, of in metrics.get("ndcg", {}).items()
            for kind, figures in of.items()
        ],
        "instances": [{k: cell(f) for k, f in metrics["fir"].items()}] if metrics["fir"] else [],
    }


def methods_row(method: str, figures: Mapping[str, Any]) -> dict[str, str]:
    """The method's name as tables have it, and a cell a cut-off."""
    return {"method": called(method), **{k: cell(f) for k, f in figures.items()}}


def summary(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Plain numbers by which W&B compares runs, e.g. ``flam/T@10`` and ``R@1``."""
    by_method = [
        *((method, of["all"]) for method, of in metrics["fam"].items()),
        *metrics["counterfactual"].items(),
        *((m, of[MEAN]) for m, of in metrics.get("kept", {}).items() if of),
        *((m, of["all"]) for m, of in metrics.get("ndcg", {}).items() if of),
    ]
    edits = {f"{m}/{k}": figure for m, figures in by_method for k, figure in figures.items()}
    return {name: f["value"] for name, f in (metrics["fir"] | edits).items() if f["n"]}
