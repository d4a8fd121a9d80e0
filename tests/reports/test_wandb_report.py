"""The table of searches where nobody logs to W&B, and the numbers of a report."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger

from flam_pl.reports.wandb_report import SearchTable, summary, tables


class Untouchable:
    """Whatever is asked of it is an error of the test."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked for")


def test_without_wandb_nothing_is_searched_or_opened(tmp_path: Path) -> None:
    nothing: Any = Untouchable()
    callback = SearchTable(nothing, nothing, nothing, np.arange(3), 0)
    trainer: Any = SimpleNamespace(loggers=[CSVLogger(str(tmp_path))])
    callback.on_validation_end(trainer, pl.LightningModule())


def figure(value: float, n: int = 5) -> dict[str, float]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1, "n": n}


def test_numbers_of_a_report() -> None:
    metrics: dict[str, Any] = {
        "fir": {"R@1": figure(0.7)},
        "fam": {"flam": {"all": {"T@1": figure(0.3)}, "color": {"T@1": figure(0.4)}}},
        "counterfactual": {"flam": {"CF@1": figure(0.2), "CF@5": figure(0.0, n=0)}},
    }
    traits = {"mean": figure(0.5), "brand": figure(0.6), "season": figure(0.1, n=0)}
    metrics["kept"] = {"flam": {name: {"kept_of_wanted@5": f} for name, f in traits.items()}}
    metrics["ndcg"] = {"flam": {"all": {"NDCG@5": figure(0.8)}, "other": {"NDCG@5": figure(0.9)}}}
    # what nothing counted for is no number
    edits = {"flam/T@1": 0.3, "flam/CF@1": 0.2, "flam/kept_of_wanted@5": 0.5, "flam/NDCG@5": 0.8}
    assert summary(metrics) == {"R@1": 0.7, **edits}
    found = tables(metrics)
    assert found["edits"] == [
        {"edits of": "all", "method": "FLAM", "T@1": ".300 [.200, .400]"},
        {"edits of": "color", "method": "FLAM", "T@1": ".400 [.300, .500]"},
    ]
    assert found["counterfactuals"][0]["CF@5"] == "-"
    assert found["kept"][1] == {
        "trait": "brand",
        "method": "FLAM",
        "kept_of_wanted@5": ".600 [.500, .700]",
    }
    assert [row["kept_of_wanted@5"][:4] for row in found["kept"]] == [".500", ".600", "-"]
    assert [row["attributes"] for row in found["ndcg"]] == ["all", "other"]
    assert found["instances"] == [{"R@1": ".700 [.600, .800]"}]


def test_a_report_without_edits_has_the_instance_search_only() -> None:
    metrics = {"fir": {"R@1": figure(0.7)}, "fam": {}, "counterfactual": {}}
    assert summary(metrics) == {"R@1": 0.7}
    assert [name for name, rows in tables(metrics).items() if rows] == ["instances"]
    assert not any(tables({**metrics, "fir": {}}).values())
