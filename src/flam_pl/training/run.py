"""One run: its settings, its data set and where its results lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytorch_lightning as pl

from flam_pl.config.root import Config
from flam_pl.data.datamodule import FlamDataModule
from flam_pl.datasets.catalog import Catalog


@dataclass
class Run:
    """Settings and data of one run, and how long its stages took.

    Attributes:
        seconds: duration of each stage.
        shared: folder of another run whose backbone and features this run uses; None: its own.
    """

    config: Config
    catalog: Catalog
    data: FlamDataModule
    seconds: dict[str, float] = field(default_factory=dict)
    shared: Path | None = None

    @property
    def folder(self) -> Path:
        """Folder of everything that the run writes."""
        return self.config.folder

    @property
    def source(self) -> Path:
        """Folder of the run that owns the backbone and the features."""
        return self.shared or self.folder

    @property
    def backbone_folder(self) -> Path:
        """Folder of stage 1."""
        return self.source / "backbone"

    @property
    def inputs(self) -> dict[str, str | int]:
        """What the result of every stage depends on, beside its settings and its parent."""
        return {
            "data": self.catalog.label_fingerprint(),
            "seed": self.config.seed,
            "precision": self.config.trainer.precision,
        }

    @property
    def feature_inputs(self) -> dict[str, str | int]:
        """The same for a stage that trains on features.

        The checkpoint of a frozen backbone stays the same when the photos or the preprocessing
        change, but its features do not.
        """
        return self.inputs | {"features": self.data.features.content}

    def reseed(self) -> None:
        """Start the random numbers of a stage, whatever was trained before it."""
        pl.seed_everything(self.config.seed, workers=True, verbose=False)
