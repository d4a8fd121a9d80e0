"""The values that the paper prints, to stand beside those measured on the same data set."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from omegaconf import OmegaConf


@cache
def _all() -> Any:
    text = files("flam_pl.reports.paper").joinpath("published.yaml").read_text(encoding="utf-8")
    return OmegaConf.to_container(OmegaConf.create(text))


def published(part: str, dataset: str) -> dict[str, Any]:
    """Row -> column -> the paper's value, of one part of its tables on one data set.

    Args:
        part: classes, instances, edits, both_tasks, backbones or classification.
        dataset: a catalog's name; empty where the paper has no values on it.
    """
    return dict(_all()[part].get(dataset, {}))
