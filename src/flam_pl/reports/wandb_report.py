"""Tables and pictures of a run for W&B (Weights & Biases)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities import rank_zero_only

from flam_pl.config.root import Config
from flam_pl.data.feature_store import FeatureStore
from flam_pl.datasets.catalog import Catalog
from flam_pl.editing.editor import Editor
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.reports.examples import choose_examples
from flam_pl.reports.measurements import Measurements
from flam_pl.reports.pictures import draw, draw_searches
from flam_pl.reports.report import Report
from flam_pl.reports.tables import tables_of
from flam_pl.retrieval.retriever import Retriever
from flam_pl.training.loggers import finish, make_wandb_logger, use_checkpoints, wandb_of
from flam_pl.training.records import StageRecord

EXAMPLES = 3  # searches of each attribute type


@dataclass(eq=False)
class SearchPicture(Callback):
    """Logs the same edited searches at each validation."""

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
        side, paths = ("edited", Retriever.of(self.editor, data.features)), self.catalog.paths
        examples = choose_examples(data, EXAMPLES, self.seed)
        shown = [paths[row] for row in self.rows], data, [side], examples
        with TemporaryDirectory() as folder:
            picture = Path(folder) / "searches.png"
            if examples and draw(picture, lambda: draw_searches(*shown)):
                logger.log_image("val/searches", [str(picture)], step=trainer.global_step)


def log_report(config: Config, report: Report, records: Mapping[str, StageRecord]) -> None:
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
