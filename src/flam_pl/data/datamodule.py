"""The data of all stages: images or stored features."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor
from torch.utils.data import DataLoader, default_collate, get_worker_info
from torch.utils.data.distributed import DistributedSampler

from flam_pl.atomic_io import remove
from flam_pl.config.root import Config
from flam_pl.data.batches import FeatureBatches, ItemBatchSampler, whole_batch
from flam_pl.data.feature_store import FeatureStore, Manifest, ShardWriter, publish, resume
from flam_pl.datasets.catalog import Catalog
from flam_pl.distributed import by_first_process, is_first_process
from flam_pl.errors import FlamError
from flam_pl.images.pixels import ImageDataset, Preprocess, training_transform
from flam_pl.terminal.progress import progress

Transform = Callable[[Tensor], Tensor]
Source = Literal["images", "labelled", "unlabelled"]  # items, labelled features, or all features
FIT_SAMPLE = 100_000  # most rows with labels, and most without, that a feature space is fitted to


class FlamDataModule(pl.LightningDataModule):
    """The data of one run; ``serve`` chooses the source and the batches for the Trainer."""

    def __init__(self, catalog: Catalog, config: Config, preprocess: Preprocess) -> None:
        super().__init__()
        self.catalog, self.config, self.preprocess = catalog, config, preprocess
        self.serve("images")
        self._store: FeatureStore | None = None
        self._extracted = np.arange(len(catalog))
        self.notes: dict[str, tuple[str, str, str]] | None = None
        """Path -> path, hash of the pixels, and reason if the photo cannot be decoded, else "".
        None unless the extraction is the first to decode the photos."""

    def serve(
        self, source: Source, batch_size: int = 1, batches: int | None = None
    ) -> FlamDataModule:
        """Choose the data; without ``batches``, an epoch is one pass."""
        self.source, self._batch_size, self._batches = source, batch_size, batches
        self._drawn: ItemBatchSampler | FeatureBatches | None = None
        self._worker_states: dict[int, Tensor] = {}
        self._resumed: dict[str, Any] | None = None
        return self

    @property
    def item_rows(self) -> np.ndarray:
        rows = self.catalog.rows("train")
        return rows[self.catalog.items[rows] >= 0]

    @property
    def validation_rows(self) -> np.ndarray:
        rows = self.catalog.rows("val")
        return rows[self.catalog.items[rows] >= 0]

    @property
    def feature_rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Training and validation rows of a stage on features."""
        rows = self.catalog.rows
        if self.source == "labelled":
            return rows(split="train", labelled=True), rows(split="val", labelled=True)
        return rows(split="train"), self.catalog.edit_rows("val")

    @property
    def fitting_rows(self) -> np.ndarray:
        """Rows that the feature space and the class means are fitted to; they fit into memory."""
        parts = [self.catalog.rows(split="train", labelled=known) for known in (True, False)]
        rng = np.random.default_rng(self.config.seed)
        for n, rows in enumerate(parts):
            if len(rows) > FIT_SAMPLE:
                parts[n] = rng.choice(rows, FIT_SAMPLE, replace=False)
        return np.sort(np.concatenate(parts))

    def train_dataloader(self) -> DataLoader[Any]:
        if self.source == "images":
            return self._item_loader()
        rows, labels, size = self.feature_rows[0], self.catalog.labels, self._batch_size
        batches = FeatureBatches(self.features, rows, labels, size, self._batches, **self._share)
        self._draw_from(batches)
        return DataLoader(batches, batch_size=None)

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        if self.source == "images":
            rows = self.validation_rows
            return self.image_loader(rows) if len(rows) else []
        rows = self.feature_rows[1]
        return whole_batch(self.features, rows, self.catalog.labels) if len(rows) else []

    def predict_dataloader(self) -> DataLoader[Any]:
        return self.image_loader(self._extracted)

    def _item_loader(self) -> DataLoader[Any]:
        backbone, rows, workers = self.config.backbone, self.item_rows, self._workers
        items, size = self.catalog.items[rows], (backbone.items, backbone.images)
        changes = backbone.flip, backbone.scale_min, backbone.brightness, backbone.erase
        transform = training_transform(backbone.image_size, self.preprocess.fit, *changes)
        each = len(items) / max(1, len(np.unique(items)))
        passes = max(1, round(each / backbone.images))  # to show about as many images as there are
        sampler = ItemBatchSampler(items, *size, passes=passes, **self._share)
        self._draw_from(sampler)
        options: dict[str, Any] = {"collate_fn": collate_with_state} if workers else {}
        if workers and self._worker_states:
            options["worker_init_fn"] = partial(restore_worker, self._worker_states)
        return self._loader(rows, transform, workers, batch_sampler=sampler, **options)

    def image_loader(self, rows: np.ndarray) -> DataLoader[Any]:
        # none on a CPU: a worker takes seconds to start, 0.6 GB, and the cores of the network
        on_cpu = self.trainer is not None and self.trainer.strategy.root_device.type == "cpu"
        workers = 0 if on_cpu and self.config.data.workers < 0 else self._workers
        rank, world = self._share["rank"], self._share["world"]
        # its last rows may come twice: whoever gathers them counts each once
        every: Any = range(len(rows))
        mine: DistributedSampler[int] = DistributedSampler(every, world, rank, shuffle=False)
        batch, sampler = self.config.backbone.extract_batch, mine if world > 1 else None
        return self._loader(rows, self.preprocess, workers, batch_size=batch, sampler=sampler)

    def _loader(
        self, rows: np.ndarray, transform: Transform, workers: int, **options: Any
    ) -> DataLoader[Any]:
        views, items = self.catalog.table["view"].to_numpy()[rows], self.catalog.items[rows]
        names, root = self.catalog.table["path"].iloc[rows], self.catalog.root
        paths = [os.path.join(root, name) for name in names]  # not Path: five times the memory
        return DataLoader(
            ImageDataset(paths, views, items, transform, noting=self.notes is not None),
            num_workers=workers,
            # spawned workers do not inherit the threads and locks of a process that ran torch
            multiprocessing_context="spawn" if workers else None,
            # a resumed training has drawn the seed of its workers before
            generator=torch.Generator() if workers and self._resumed else None,
            persistent_workers=bool(workers),
            **options,
        )

    @property
    def _workers(self) -> int:
        wanted = self.config.data.workers
        return min(8, max(0, (os.cpu_count() or 1) - 1)) if wanted < 0 else wanted

    @property
    def _share(self) -> dict[str, int]:
        trainer = self.trainer
        rank, world = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        return {"seed": self.config.seed, "rank": rank, "world": world}

    def position(self) -> dict[str, Any]:
        """The state of this rank's random draws of training data, between epochs."""
        drawn = self._drawn.state_dict() if self._drawn else {}
        return {"drawn": drawn, "workers": self._worker_states}

    def go_on_at(self, position: dict[str, Any]) -> None:
        self._resumed, self._worker_states = position, dict(position["workers"])

    def _draw_from(self, source: ItemBatchSampler | FeatureBatches) -> None:
        self._drawn = source
        if self._resumed:
            source.load_state_dict(self._resumed["drawn"])

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        if isinstance(batch, dict) and "worker" in batch:
            self._worker_states[batch.pop("worker")] = batch.pop("random_state")
        if isinstance(batch, dict) and "reason" in batch:
            assert self.notes is not None
            of_photos = zip(*map(batch.pop, ("path", "pixels", "reason")), strict=True)
            self.notes |= {of[0]: of for of in of_photos}
        return batch

    @property
    def features(self) -> FeatureStore:
        """The stored features. Raises FlamError before they are stored."""
        if self._store is None:
            raise FlamError("there are no features yet: call cache_features first")
        return self._store

    def bank(self, count: int) -> Tensor:
        """Features of random training photos, at most ``count``: ``(N, D)``."""
        rows = self.catalog.rows(split="train")
        drawn = np.random.default_rng(self.config.seed).permutation(rows)[:count]
        return self.features.rows(np.sort(drawn))

    def labels(self, rows: np.ndarray) -> Tensor:
        """Labels ``(len(rows), types)``, -1 for none."""
        return torch.from_numpy(self.catalog.labels[rows])

    def open_features(self, folder: Path, checkpoint: str) -> None:
        """Open stored features. Raises FlamError if ``folder`` lacks a photo's feature."""
        again = "Run train-flam or evaluate again: they extract what is missing."
        try:
            store = FeatureStore.open(folder)
        except FlamError as error:
            raise FlamError(f"{error}. {again}") from error
        manifest = self._manifest(checkpoint, store.dimension)
        positions = store.find(manifest, self.catalog.photo_keys)
        if missing := int((positions < 0).sum()):
            lacks = f"{folder} lacks the features of {missing} of {len(positions)} images"
            raise FlamError(f"{lacks} ({manifest.differences(store.manifest)}). {again}")
        self._store = store.select(positions)

    def cache_features(
        self,
        backbone: pl.LightningModule,
        make_trainer: Callable[[Callback], pl.Trainer],
        folder: Path,
        checkpoint: str,
        dimension: int,
    ) -> str:
        """Reuse features in ``folder`` and of a killed extraction, extract the others; return a log
        line."""
        manifest, photos = self._manifest(checkpoint, dimension), self.catalog.photo_keys
        old, positions = None, np.full(len(photos), -1)
        try:
            old = FeatureStore.open(folder)
            positions = old.find(manifest, photos)
            why = f"changed since the extraction: {manifest.differences(old.manifest)}"
        except FlamError as error:
            why = str(error)
        size = self.config.backbone.extract_batch
        inputs = sha256(json.dumps([asdict(manifest), size]).encode()).hexdigest()
        shards = folder.with_name(f".{folder.name}.shards-{inputs[:16]}")
        new, reused = np.flatnonzero(positions < 0), np.flatnonzero(positions >= 0)
        if old and not len(new):
            if is_first_process():
                remove(shards)  # of a process that was killed after it had published them
            self._store = old.select(positions)
            return f"features: nothing to extract, {folder} is up to date ({len(photos)} images)"
        left = np.setdiff1d(new, resume(shards, manifest, clear=is_first_process()))
        trainer = make_trainer(FeatureWriter(shards, manifest, left))
        if len(left):
            batch = size * trainer.world_size  # whole ones: another size changes the last bits
            self._extracted = np.resize(left, -(-len(left) // batch) * batch)
            trainer.predict(backbone, datamodule=self, return_predictions=False)
            if trainer.interrupted or not trainer.state.finished:
                raise FlamError("extraction was interrupted: the same command goes on from here.")
        part = (reused, old.array, positions[reused]) if old else None
        by_first_process(trainer.strategy, lambda: publish(shards, folder, manifest, photos, part))
        self._store = FeatureStore.open(folder)
        if len(left) < len(new):
            why = f"{len(new) - len(left)} of them before an interruption; {why}"
        return f"features: {len(reused)} reused, {len(new)} extracted into {folder} ({why})"

    def _manifest(self, checkpoint: str, dimension: int) -> Manifest:
        how, precision = self.preprocess.to_dict(), self.config.trainer.precision
        if precision != "32-true":  # half precision gives other features from the same weights
            how["precision"] = precision
        preprocessing, images = json.dumps(how, sort_keys=True), self.catalog.fingerprint()
        rows, dtype = len(self.catalog), self.config.backbone.dtype
        return Manifest(checkpoint, preprocessing, images, rows, dimension, dtype)


class FeatureWriter(Callback):
    """Writes features to this rank's shard; image i is row ``rows[i % len(rows)]``."""

    def __init__(self, shards: Path, manifest: Manifest, rows: np.ndarray) -> None:
        self.shards, self.manifest, self.rows = shards, manifest, rows

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainer.strategy.barrier()  # rank 0 has cleared the folder, the others have read it
        self._writer = ShardWriter(self.shards, trainer.global_rank, self.manifest)
        if trainer.is_global_zero:
            self._bar = progress(None, "extracting features", len(self.rows))

    def on_predict_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any
    ) -> None:
        index = outputs["index"].cpu().numpy()
        self._writer.append(self.rows[index % len(self.rows)], outputs["features"])
        if trainer.is_global_zero:
            left = len(self.rows) - self._bar.n
            self._bar.update(min(left, len(index) * trainer.world_size))

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._writer.close()
        if trainer.is_global_zero:
            self._bar.close()


def collate_with_state(images: list[dict[str, Any]]) -> dict[str, Any]:
    worker = get_worker_info()
    assert worker is not None
    batch: dict[str, Any] = default_collate(images)
    return batch | {"worker": worker.id, "random_state": torch.get_rng_state()}


def restore_worker(states: dict[int, Tensor], worker: int) -> None:
    if worker in states:
        torch.set_rng_state(states[worker])
