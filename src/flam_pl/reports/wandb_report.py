"""What Weights & Biases shows of a run beside its curves: searches, tables, pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities import rank_zero_only

from flam_pl.config.root import Config
from flam_pl.data.feature_store import FeatureStore
from flam_pl.datasets.catalog import Catalog
from flam_pl.editing.editor import Editor
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.images import fit, read_image
from flam_pl.reports.examples import SHOWN, Example, Search, choose_examples
from flam_pl.reports.measurements import Measurements
from flam_pl.reports.report import Report
from flam_pl.reports.tables import tables_of
from flam_pl.retrieval.retriever import Retriever
from flam_pl.training.loggers import finish, make_wandb_logger, use_checkpoints, wandb_of
from flam_pl.training.records import StageRecord

EXAMPLES = 3  # searches of each attribute type
THUMBNAIL = 96  # pixels per side: a table of nine searches stays below a quarter of a megabyte


@dataclass(eq=False)
class SearchTable(Callback):
    """The same edited searches at each validation, as a table in W&B."""

    editor: Editor
    catalog: Catalog
    store: FeatureStore
    rows: np.ndarray  # of the catalog, with all labels: queries and gallery, (N,)
    seed: int

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
        search = Search.run(example, data, index, SHOWN)
        edit = example.title(data).replace("\n", " ")
        shown = [self.thumbnail(position) for position in search.results]
        shown += [None] * (SHOWN - len(shown))  # a gallery of fewer images
        return [self.thumbnail(example.query), edit, any(search.hits), *shown]

    def thumbnail(self, position: int) -> Any:
        import wandb

        path = self.catalog.root / self.catalog.table["path"].iloc[self.rows[position]]
        pixels = fit(read_image(path), THUMBNAIL).permute(1, 2, 0).numpy()
        return wandb.Image(pixels, file_type="jpg")


def log_report(config: Config, report: Report, records: Mapping[str, StageRecord]) -> None:
    """A report as a W&B run of its own, with the checkpoints behind it."""
    logger = make_wandb_logger(config, report.folder.name, "evaluate")
    if logger is None:
        return
    use_checkpoints(logger, config, [record.checkpoint for record in records.values()])
    for table in tables_of(report.found):
        name = re.sub(r"[^\w@-]+", "_", table.name)  # W&B makes a file name of it
        logger.log_table(f"report/{name}", [*table.frame], table.frame.to_numpy().tolist())
    for picture in sorted((report.folder / "figures").glob("*.png")):
        logger.log_image(f"report/{picture.stem}", [str(picture)])
    logger.experiment.summary.update(numbers(report.found))
    finish([logger])


def numbers(found: Measurements) -> dict[str, float]:
    """Numbers by which W&B compares runs, e.g. ``flam/T@10``."""
    rows = found.summary.dropna(subset="value").query("group == 'all'")
    rows = rows[rows["part"].isin(["edits", "counterfactual", "instance_by_method"])]
    return dict(zip(rows["method"] + "/" + rows["measure"], rows["value"].tolist(), strict=True))
