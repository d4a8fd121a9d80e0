"""The values that the paper prints, to stand beside those measured on the same data set."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from omegaconf import OmegaConf


def published(part: str, dataset: str) -> dict[str, Any]:
    """Row -> column -> the paper's value on this data set, empty where it has none.

    Args:
        part: classes, instances, edits, both_tasks, backbones or classification.
    """
    text = files("flam_pl.reports.paper").joinpath("published.yaml").read_text(encoding="utf-8")
    content: Any = OmegaConf.to_container(OmegaConf.create(text))
    return dict(content[part].get(dataset, {}))
