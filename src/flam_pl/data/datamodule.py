"""The one LightningDataModule that all three stages share, and the features it caches."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import BasePredictionWriter, Callback
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

from flam_pl.config.root import Config
from flam_pl.config.stages import BackboneConfig
from flam_pl.data.feature_batches import FeatureBatches, WholeBatch
from flam_pl.data.feature_store import FeatureStore, Manifest, ShardWriter, publish
from flam_pl.data.samplers import ItemBatchSampler
from flam_pl.datasets.catalog import Catalog
from flam_pl.distributed import by_first_process
from flam_pl.errors import FlamError
from flam_pl.images import ImageDataset, Preprocess, training_transform

Source = Literal["images", "labelled", "unlabelled"]
"""What a stage trains on: images of items; features with their labels; features alone."""

FIT_SAMPLE = 100_000
"""Unlabelled rows that the working space is measured on; more would not move it."""


class FlamDataModule(pl.LightningDataModule):
    """Images for stage 1, their features for stages 2 and 3.

    ``serve`` says which loaders the Trainer gets; ``cache_features`` must have run before a stage
    that trains on features.
    """

    def __init__(self, catalog: Catalog, config: Config, preprocess: Preprocess) -> None:
        """Args:
        config: sizes of batches, augmentation, number of workers, seed.
        preprocess: what the backbone expects of an image.
        """
        super().__init__()
        self.catalog, self.config, self.preprocess = catalog, config, preprocess
        self.source: Source = "images"
        self._batch_size = 1
        self._batches: int | None = None
        self._store: FeatureStore | None = None

    def serve(
        self, source: Source, batch_size: int = 1, batches: int | None = None
    ) -> FlamDataModule:
        """Choose what the loaders give from now on.

        Args:
            batch_size: of features; batches of images are P x K.
            batches: of features in an epoch; None is one pass.
        """
        self.source, self._batch_size, self._batches = source, batch_size, batches
        return self

    # --- rows: who trains on what

    @property
    def item_rows(self) -> np.ndarray:
        """Training rows with an item: what the backbone learns from."""
        rows = self.catalog.rows(split="train")
        return rows[self.catalog.items[rows] >= 0]

    @property
    def validation_rows(self) -> np.ndarray:
        """Validation rows with an item, whose retrieval the backbone is judged by."""
        rows = self.catalog.rows(split="val")
        return rows[self.catalog.items[rows] >= 0]

    @property
    def feature_rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Training and validation rows of a stage that trains on features."""
        if self.source == "labelled":
            return (
                self.catalog.rows(split="train", labelled=True),
                self.catalog.rows(split="val", labelled=True),
            )
        # no label is read: every training image serves
        return self.catalog.rows(split="train"), self.catalog.rows(split="val", dense=True)

    @property
    def fitting_rows(self) -> np.ndarray:
        """Training rows that the working space and the class means are measured on, sorted.

        All labelled ones and, of the others, at most ``FIT_SAMPLE``, drawn by ``config.seed``:
        they are read into memory at once, and millions of unlabelled photos would not fit.
        """
        labelled = self.catalog.rows(split="train", labelled=True)
        others = self.catalog.rows(split="train", labelled=False)
        if len(others) > FIT_SAMPLE:
            rng = np.random.default_rng(self.config.seed)
            others = rng.choice(others, FIT_SAMPLE, replace=False)
        return np.sort(np.concatenate([labelled, others]))

    # --- loaders

    def train_dataloader(self) -> DataLoader[Any]:
        if self.source == "images":
            return self._item_loader()
        batches = FeatureBatches(
            self.features,
            self.feature_rows[0],
            self.catalog.labels,
            self._batch_size,
            batches=self._batches,
            seed=self.config.seed,
            rank=self._rank,
            world=self._world,
        )
        return DataLoader(batches, batch_size=None)

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        if self.source == "images":
            rows = self.validation_rows
            return self.image_loader(rows) if len(rows) else []
        rows = self.feature_rows[1]
        if not len(rows):
            return []
        return DataLoader(WholeBatch(self.features, rows, self.catalog.labels), batch_size=None)

    def predict_dataloader(self) -> DataLoader[Any]:
        return self.image_loader(np.arange(len(self.catalog)))

    def _item_loader(self) -> DataLoader[Any]:
        settings = self.config.backbone
        rows = self.item_rows
        transform = training_transform(
            settings.image_size,
            self.preprocess.fit,
            flip=settings.flip,
            scale_min=settings.scale_min,
            brightness=settings.brightness,
            erase=settings.erase,
        )
        sampler = ItemBatchSampler(
            self.catalog.items[rows],
            settings.items,
            settings.images,
            seed=self.config.seed,
            rank=self._rank,
            world=self._world,
            passes=passes(self.catalog.items[rows], settings),
        )
        return DataLoader(
            self._images(rows, transform),
            batch_sampler=sampler,
            **worker_options(self._wanted_workers),
        )

    def image_loader(self, rows: np.ndarray) -> DataLoader[Any]:
        """These catalog rows as they are seen by a network in use, each rank its share."""
        # on a CPU the network and a worker fight for the same cores, and a worker takes seconds to
        # start and 0.6 GB: decoding between two batches is faster
        on_cpu = self.trainer is not None and self.trainer.strategy.root_device.type == "cpu"
        workers = 0 if on_cpu and self.config.data.workers < 0 else self._wanted_workers
        images = self._images(rows, self.preprocess)
        # the ranks take turns; some rows come twice at the end: whoever gathers counts them once
        mine: DistributedSampler[Any] = DistributedSampler(
            images, self._world, self._rank, shuffle=False
        )
        return DataLoader(
            images,
            batch_size=self.config.backbone.extract_batch,
            sampler=mine if self._world > 1 else None,
            **worker_options(workers),
        )

    def _images(self, rows: np.ndarray, transform: Callable[[Tensor], Tensor]) -> ImageDataset:
        paths = self.catalog.paths
        views = self.catalog.table["view"].to_numpy()
        chosen: Sequence[Path] = [paths[row] for row in rows]
        return ImageDataset(chosen, views[rows], self.catalog.items[rows], transform)

    @property
    def _wanted_workers(self) -> int:
        wanted = self.config.data.workers
        return min(8, max(0, (os.cpu_count() or 1) - 1)) if wanted < 0 else wanted

    @property
    def _rank(self) -> int:
        return self.trainer.global_rank if self.trainer else 0

    @property
    def _world(self) -> int:
        return self.trainer.world_size if self.trainer else 1

    # --- features

    @property
    def features(self) -> FeatureStore:
        """The cached features; raises ``FlamError`` before ``cache_features``."""
        if self._store is None:
            raise FlamError("there are no features yet: call cache_features first")
        return self._store

    def bank(self, count: int) -> Tensor:
        """Features of so many training photos, labelled or not, drawn by ``config.seed``,
        ``(N, D)``."""
        rows = self.catalog.rows(split="train")
        drawn = np.random.default_rng(self.config.seed).permutation(rows)[:count]
        return self.features.rows(np.sort(drawn))

    def labels(self, rows: np.ndarray) -> Tensor:
        """Labels of these catalog rows, ``(len(rows), types)``, -1 where unlabelled."""
        return torch.from_numpy(self.catalog.labels[rows])

    def cache_features(
        self,
        backbone: pl.LightningModule,
        make_trainer: Callable[[Callback], pl.Trainer],
        folder: Path,
        checkpoint: str,
        dimension: int,
    ) -> str:
        """Open the features at ``folder``, extracting them first if there are none that fit.

        Args:
            backbone: its ``predict_step`` gives ``index`` and ``features``.
            make_trainer: makes the Trainer, with the given callback, that predicts on every
                device it has.
            checkpoint: SHA-256 of the backbone's checkpoint.
            dimension: D.

        Returns:
            One line that says what was done and why.
        """
        how = self.preprocess.to_dict()
        precision = self.config.trainer.precision
        if precision != "32-true":  # half precision gives other features from the same weights
            how["precision"] = precision
        manifest = Manifest(
            checkpoint,
            json.dumps(how, sort_keys=True),
            self.catalog.fingerprint(),
            len(self.catalog),
            dimension,
            self.config.backbone.dtype,
        )
        found = FeatureStore.open(folder, manifest)
        if isinstance(found, FeatureStore):
            self._store = found
            return f"features: nothing to extract, {folder} is up to date ({len(found)} images)"
        shards = folder.with_name(f".{folder.name}.shards")
        trainer = make_trainer(FeatureWriter(shards, self.config.backbone.dtype))
        if trainer.is_global_zero:
            shutil.rmtree(shards, ignore_errors=True)
        trainer.predict(backbone, datamodule=self, return_predictions=False)
        if trainer.interrupted or not trainer.state.finished:
            raise FlamError("extraction was interrupted: nothing is kept of it. Run it again.")
        by_first_process(trainer.strategy, lambda: publish(shards, folder, manifest))
        opened = FeatureStore.open(folder, manifest)
        if not isinstance(opened, FeatureStore):
            raise FlamError(f"the features at {folder} cannot be opened after writing: {opened}")
        self._store = opened
        return f"features: extracted {len(opened)} images into {folder} ({found})"


def worker_options(workers: int) -> dict[str, Any]:
    """Of a DataLoader with so many worker processes."""
    # spawned workers do not inherit the threads and locks of a host that already ran torch
    return {
        "num_workers": workers,
        "multiprocessing_context": "spawn" if workers else None,
        "persistent_workers": bool(workers),
    }


class FeatureWriter(BasePredictionWriter):
    """Writes what ``predict_step`` returns to this rank's shard, batch by batch."""

    def __init__(self, shards: Path, dtype: str) -> None:
        super().__init__(write_interval="batch")
        self.shards, self.dtype = shards, dtype
        self._writer: ShardWriter | None = None

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainer.strategy.barrier()  # rank 0 has cleared the folder
        self._writer = ShardWriter(self.shards, trainer.global_rank, self.dtype)

    def write_on_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        prediction: Any,
        batch_indices: Sequence[int] | None,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        assert self._writer is not None
        self._writer.append(prediction["index"], prediction["features"])

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert self._writer is not None
        self._writer.close()


def passes(items: np.ndarray, settings: BackboneConfig) -> int:
    """Passes over the items that show about as many images as there are: images an item / K."""
    known = items[items >= 0]
    each = len(known) / max(1, len(np.unique(known)))
    return max(1, round(each / settings.images))
