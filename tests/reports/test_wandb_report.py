"""The picture of searches where nobody logs to W&B, and the numbers of a report."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger

from flam_pl.reports.measurements import Measurements
from flam_pl.reports.wandb_report import SearchPicture, numbers
from made_metrics import KS, METHODS, NOTHING, made_metrics, without_edits


class Untouchable:
    """Whatever is asked of it is an error of the test."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked for")


def test_without_wandb_nothing_is_searched_or_opened(tmp_path: Path) -> None:
    nothing: Any = Untouchable()
    callback = SearchPicture(nothing, nothing, nothing, np.arange(3), 0)
    trainer: Any = SimpleNamespace(loggers=[CSVLogger(str(tmp_path))])
    callback.on_validation_end(trainer, pl.LightningModule())


def test_numbers_of_a_report_are_those_of_all_edits() -> None:
    metrics = made_metrics()
    metrics["edits"]["flam"]["all"]["T@1"] = NOTHING  # what nothing counted for is no number
    found = numbers(Measurements.of([metrics]))
    assert "flam/T@1" not in found
    for name, of in (
        ("flam/T@10", metrics["edits"]["flam"]["all"]["T@10"]),
        ("flam/NDCG@5", metrics["edits"]["flam"]["all"]["NDCG@5"]),
        ("flam/CF@10", metrics["counterfactual"]["flam"]["CF@10"]),
        ("cls_concat/R@1", metrics["instance_by_method"]["cls_concat"]["R@1"]),
    ):
        assert found[name] == of["value"]
    assert len(found) == len(METHODS) * len(KS) * 8 - len(KS) - 1  # the oracle has no R@k


def test_a_report_without_edits_has_the_instance_search_only() -> None:
    found = numbers(Measurements.of([without_edits(made_metrics())]))
    assert {name.partition("/")[2] for name in found} == {f"R@{k}" for k in KS}
