"""``make bench``: what the Trainer and the data path cost on top of the bare maths.

Each comparison runs both sides in turn, several times, in one process: on a machine that others use
too, only the ratio of neighbours means something.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from PIL import Image
from pytorch_lightning.callbacks import Callback
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN
from tabulate import tabulate
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from flam_pl.__main__ import keep_freed_memory, quiet_libraries
from flam_pl.attributes import AttributeSchema
from flam_pl.config.loading import load_config
from flam_pl.config.root import Config
from flam_pl.data.datamodule import FeatureWriter, FlamDataModule
from flam_pl.data.feature_batches import FeatureBatches
from flam_pl.data.feature_store import FeatureStore, Manifest, ShardWriter, publish
from flam_pl.datasets.catalog import Catalog
from flam_pl.editing.editor import NoEdit
from flam_pl.evaluation.attribute_ndcg import AttributeNDCG
from flam_pl.evaluation.hits import evaluate_edits, evaluate_instances
from flam_pl.evaluation.preservation import Preservation
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.images import Preprocess, read_image
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.backbone import Backbone
from flam_pl.models.manipulator import Manipulator
from flam_pl.progress import show_progress
from flam_pl.training.backbone_module import BackboneModule
from flam_pl.training.embedder_module import EmbedderModule
from flam_pl.training.manipulator_module import ManipulatorModule
from flam_pl.training.stage import make_trainer

SCHEMA = AttributeSchema({name: tuple("abcdefghij") for name in ("shape", "color", "pattern")})
ROWS, STEPS, PAIRS, IMAGES, EVALUATED, TRAITS = 4000, 40, 5, 1024, 5000, 9
QUERIES, GALLERY, DIMENSION = 3000, 20000, 512  # of the instance search
DURATION = "3 minutes on two quiet cores"


class Stopwatch(Callback):
    """Seconds of one epoch or one prediction, without the Trainer's set-up before it."""

    seconds = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.seconds = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.seconds = time.perf_counter() - self.seconds

    def on_predict_start(self, *_: Any) -> None:
        self.seconds = time.perf_counter()

    def on_predict_epoch_end(self, *_: Any) -> None:
        self.seconds = time.perf_counter() - self.seconds


def run_benchmarks(config: Config) -> str:
    """Every comparison as a table: seconds of each side and their ratio, pair by pair."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    pl.seed_everything(config.seed, verbose=False)
    config.trainer.progress = False
    show_progress(False)
    with tempfile.TemporaryDirectory() as folder:
        store = random_store(Path(folder) / "features", 1024)
        rows = [
            compare("embedder step", *embedder_sides(config, store), "at most 1.05"),
            compare("manipulator step", *manipulator_sides(config, store), "at most 1.05"),
            compare("extraction", *extraction_sides(config, Path(folder)), "at most 1.05"),
            compare("evaluation", *evaluation_sides(config), "at most 1.1", pairs=3),
            compare("R@k", *instance_sides(config), "at most 1.1"),
            compare("R@k, peer", *instance_peer_sides(config), "below 1", pairs=3),
        ]
    headers = ["", "flam-pl, s", "bare or peer, s", "ratio: median [min, max]", "aim"]
    return str(tabulate(rows, headers=headers, disable_numparse=True))


def compare(
    name: str,
    ours: Callable[[], float],
    bare: Callable[[], float],
    aim: str,
    pairs: int = PAIRS,
) -> list[str]:
    """Both sides in turn after a warm-up; medians, and the ratio of each pair."""
    ours(), bare()
    times = np.array([(ours(), bare()) for _ in range(pairs)])
    ratios = times[:, 0] / times[:, 1]
    seconds = np.median(times, axis=0)
    low, high = ratios.min(), ratios.max()
    ratio = f"{np.median(ratios):.2f} [{low:.2f}, {high:.2f}]"
    return [name, f"{seconds[0]:.2f}", f"{seconds[1]:.2f}", ratio, aim]


def random_store(folder: Path, dimension: int) -> FeatureStore:
    """Features that stand for real ones: speed does not depend on what they mean."""
    manifest = Manifest("none", "none", "none", ROWS, dimension, "float16")
    writer = ShardWriter(folder.with_name("shards"), 0, manifest)
    writer.append(np.arange(ROWS), torch.randn(ROWS, dimension))
    writer.close()
    publish(folder.with_name("shards"), folder, manifest, np.arange(ROWS).astype("S64"))
    return FeatureStore.open(folder)


def lightning_epoch(config: Config, module: pl.LightningModule, batches: FeatureBatches) -> float:
    """Seconds of one epoch by the Trainer."""
    watch = Stopwatch()
    trainer = make_trainer(config, 1, [watch], logger=False, enable_checkpointing=False)
    trainer.fit(module, DataLoader(batches, batch_size=None))
    return watch.seconds


def embedder_sides(
    config: Config, store: FeatureStore
) -> tuple[Callable[[], float], Callable[[], float]]:
    """Stage 2 by the Trainer, from the memory map, against a loop over tensors in memory."""
    labels = np.random.default_rng(0).integers(-1, 10, (ROWS, len(SCHEMA.types)))
    e = config.embedder
    embedders = AttributeEmbedders(
        SCHEMA, store.dimension, working_dim=e.working_dim, hidden=e.hidden
    )
    embedders.fit(store.rows(np.arange(ROWS)), torch.from_numpy(labels))
    stage = EmbedderModule(embedders, e)
    batch = config.embedder.batch_size
    batches = FeatureBatches(store, np.arange(ROWS), labels, batch, batches=STEPS)
    features, known = store.rows(np.arange(ROWS)), torch.from_numpy(labels)

    def bare() -> float:
        optimizer = torch.optim.AdamW(stage.parameters(), lr=e.lr)
        started = time.perf_counter()
        for _ in range(STEPS):
            chosen = torch.randint(ROWS, (batch,))
            loss = sum(stage.terms(features[chosen], known[chosen]).values())
            assert isinstance(loss, Tensor)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
        return time.perf_counter() - started

    return lambda: lightning_epoch(config, stage, batches), bare


def manipulator_sides(
    config: Config, store: FeatureStore
) -> tuple[Callable[[], float], Callable[[], float]]:
    """Stage 3 by manual optimization, against the same terms in a bare loop."""
    s = config.manipulator
    labels = np.zeros((ROWS, len(SCHEMA.types)), dtype=np.int64)
    embedders = AttributeEmbedders(SCHEMA, store.dimension, working_dim=config.embedder.working_dim)
    embedders.fit(store.rows(np.arange(ROWS)), torch.from_numpy(labels))
    manipulator = Manipulator(
        SCHEMA,
        embedders.space.dimension,
        hidden=s.hidden,
        gated=s.gated,
        discriminator_hidden=s.discriminator_hidden,
        noise=s.noise,
    )
    stage = ManipulatorModule(manipulator, embedders, s)
    batches = FeatureBatches(store, np.arange(ROWS), labels, s.batch_size, batches=STEPS)
    features = store.rows(np.arange(ROWS))

    def step(optimizer: torch.optim.Optimizer, terms: dict[str, Tensor]) -> None:
        loss = sum(terms.values())
        assert isinstance(loss, Tensor)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()

    def bare() -> float:
        optimizer_g = torch.optim.Adam(manipulator.generators.parameters(), s.lr)
        optimizer_d = torch.optim.Adam(manipulator.discriminators.parameters(), s.lr)
        stage.train()
        started = time.perf_counter()
        for _ in range(STEPS):
            chosen = torch.randint(ROWS, (s.batch_size,))
            edits = stage.sample(features[chosen])
            edited = manipulator.edit(edits.x, edits.condition, edits.target)
            step(optimizer_d, stage.discriminator_terms(edits, edited.detach()))
            manipulator.discriminators.requires_grad_(False)
            step(optimizer_g, stage.generator_terms(edits, edited))
            manipulator.discriminators.requires_grad_(True)
        return time.perf_counter() - started

    return lambda: lightning_epoch(config, stage, batches), bare


def extraction_sides(
    config: Config, folder: Path
) -> tuple[Callable[[], float], Callable[[], float]]:
    """``Trainer.predict`` from JPEG files to the shard on disk, against the bare model on the same
    images in memory."""
    size = config.backbone.image_size
    rng = np.random.default_rng(0)
    paths = []
    for number in range(IMAGES):
        paths.append(folder / f"{number}.jpg")
        coarse = rng.integers(0, 255, (size // 8, size // 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((size, size)).save(paths[-1], quality=90)
    table = pd.DataFrame({"path": [path.name for path in paths], "split": "evaluation"})
    preprocess = Preprocess(size, config.backbone.fit)
    images = FlamDataModule(Catalog.build("bench", folder, table, SCHEMA), config, preprocess)
    b = config.backbone
    net = Backbone(b.model, b.feature_dim, size, b.pooling, b.whitening).eval()
    nothing = (np.zeros(0, np.int64), np.zeros(0, bool))
    stage = BackboneModule(net, [0], nothing, config.backbone)
    batch = config.backbone.extract_batch

    def ours() -> float:
        watch = Stopwatch()
        rows = np.arange(IMAGES)
        manifest = Manifest("none", "none", "none", IMAGES, net.dimension, config.backbone.dtype)
        writer = FeatureWriter(folder / "shards", manifest, rows)
        trainer = make_trainer(config, 1, [watch, writer], logger=False)
        trainer.predict(stage, datamodule=images, return_predictions=False)
        return watch.seconds

    pixels = torch.stack([preprocess(read_image(path)) for path in paths])

    @torch.inference_mode()
    def bare() -> float:
        started = time.perf_counter()
        for start in range(0, IMAGES, batch):
            net(pixels[start : start + batch])
        return time.perf_counter() - started

    return ours, bare


def evaluation_sides(config: Config) -> tuple[Callable[[], float], Callable[[], float]]:
    """T@k, kept traits and NDCG@k of every edit of 5,000 queries in 5,000 images of 1,024
    dimensions, against nothing but the matrix products and the heads of the rankings."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, (EVALUATED, len(SCHEMA.types)))
    everyone, nobody = np.arange(EVALUATED), np.full(EVALUATED, -1)
    features = torch.randn(EVALUATED, 1024)
    traits = {f"trait {i}": rng.integers(-1, 6, EVALUATED) for i in range(TRAITS)}
    data = EvaluationSet(SCHEMA, features, labels, everyone, nobody, nobody, traits)
    ks = config.evaluation.ks

    def ours() -> float:
        started = time.perf_counter()
        evaluate_edits(NoEdit(), data, ks, also=[Preservation(data, ks), AttributeNDCG(data, ks)])
        return time.perf_counter() - started

    @torch.inference_mode()
    def bare() -> float:
        started = time.perf_counter()
        gallery = F.normalize(features, dim=1)
        for numbers, _ in data.possible.values():
            for part in torch.split(gallery[torch.from_numpy(numbers)], 1024):
                (part @ gallery.T).topk(max(ks), dim=1)
        return time.perf_counter() - started

    return ours, bare


def made_up_items() -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Features of queries and gallery, their items, and which are queries."""
    count = QUERIES + GALLERY
    items = np.random.default_rng(0).integers(0, GALLERY // 4, count)
    return torch.randn(count, DIMENSION), items, np.arange(count) < QUERIES


def instance_sides(config: Config) -> tuple[Callable[[], float], Callable[[], float]]:
    """R@k with its interval, against nothing but the product and the heads of the rankings."""
    (features, items, is_query), ks = made_up_items(), config.evaluation.ks

    def ours() -> float:
        started = time.perf_counter()
        evaluate_instances(features, items, is_query, ks, config.evaluation.resamples, 0)
        return time.perf_counter() - started

    @torch.inference_mode()
    def bare() -> float:
        started = time.perf_counter()
        unit = F.normalize(features, dim=1)
        for part in torch.split(unit[:QUERIES], 1024):
            (part @ unit[QUERIES:].T).topk(max(ks), dim=1)
        return time.perf_counter() - started

    return ours, bare


def instance_peer_sides(config: Config) -> tuple[Callable[[], float], Callable[[], float]]:
    """R@1 against the AccuracyCalculator of pytorch-metric-learning, by the same brute force."""
    features, items, is_query = made_up_items()
    labels, search = torch.from_numpy(items), CustomKNN(CosineSimilarity(), batch_size=1024)
    peer = AccuracyCalculator(
        include=("precision_at_1",), k=1, knn_func=search, device=torch.device("cpu")
    )

    def ours() -> float:
        started = time.perf_counter()
        evaluate_instances(features, items, is_query, [1], config.evaluation.resamples, 0)
        return time.perf_counter() - started

    def theirs() -> float:
        started = time.perf_counter()
        query, shop = torch.from_numpy(is_query), torch.from_numpy(~is_query)
        peer.get_accuracy(features[query], labels[query], features[shop], labels[shop])
        return time.perf_counter() - started

    return ours, theirs


if __name__ == "__main__":
    quiet_libraries()
    keep_freed_memory()
    print(f"This takes about {DURATION}.", flush=True)
    print(run_benchmarks(load_config(sys.argv[1:])))
