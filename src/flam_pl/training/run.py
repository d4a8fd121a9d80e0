"""One run: its settings, its data set and its folders."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytorch_lightning as pl

from flam_pl.config.root import Config
from flam_pl.data.datamodule import FlamDataModule
from flam_pl.datasets.catalog import Catalog


@dataclass
class Run:
    """Settings, data and seconds per stage of a run."""

    config: Config
    catalog: Catalog
    data: FlamDataModule
    seconds: dict[str, float] = field(default_factory=dict)
    shared: Path | None = None  # another run's folder, whose backbone and features this run uses
    listed: Catalog | None = None  # with all photos, if the extraction is the first to decode them

    def __post_init__(self) -> None:
        if self.listed is not None:
            self.data.notes = {}

    @property
    def folder(self) -> Path:
        return self.config.folder

    @property
    def source(self) -> Path:
        """Folder of the backbone and the features."""
        return self.shared or self.folder

    @property
    def backbone_folder(self) -> Path:
        return self.source / "backbone"

    @property
    def inputs(self) -> dict[str, str | int]:
        """What all stages depend on, besides their settings and parents."""
        return {
            "data": self.catalog.label_fingerprint(),
            "seed": self.config.seed,
            "precision": self.config.trainer.precision,
        }

    @property
    def feature_inputs(self) -> dict[str, str | int]:
        """``inputs`` and a hash of the features."""
        return self.inputs | {"features": self.data.features.content}

    def reseed(self) -> None:
        pl.seed_everything(self.config.seed, workers=True, verbose=False)
