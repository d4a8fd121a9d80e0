"""``make bench``: what the Trainer and the data path cost on top of the bare maths.

Each comparison runs both sides in turn, several times, in one process: on a machine that others use
too, only the ratio of neighbours means something.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from PIL import Image
from pytorch_lightning.callbacks import Callback
from searching import (
    Side,
    evaluation_sides,
    instance_peer_sides,
    instance_sides,
    now,
    timed,
)
from tabulate import tabulate
from torch import Tensor
from torch.utils.data import DataLoader

from flam_pl.__main__ import keep_freed_memory, quiet_libraries
from flam_pl.attributes import AttributeSchema
from flam_pl.config.loading import load_config
from flam_pl.config.root import Config
from flam_pl.data.batches import FeatureBatches
from flam_pl.data.datamodule import FeatureWriter, FlamDataModule
from flam_pl.data.feature_store import FeatureStore, Manifest, ShardWriter, publish
from flam_pl.datasets.catalog import Catalog
from flam_pl.images.pixels import Preprocess, read_image
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.backbone import Backbone
from flam_pl.models.manipulator import Manipulator
from flam_pl.terminal.progress import show_progress
from flam_pl.training.backbone_module import BackboneModule
from flam_pl.training.embedder_module import EmbedderModule
from flam_pl.training.manipulator_module import ManipulatorModule
from flam_pl.training.stage import evaluation_device, make_trainer

SCHEMA = AttributeSchema({name: tuple("abcdefghij") for name in ("shape", "color", "pattern")})
ROWS, STEPS, PAIRS, IMAGES = 4000, 120, 5, 1024
DURATION = "5 minutes on two quiet cores"


class Stopwatch(Callback):
    """Seconds of one epoch or one prediction, without the Trainer's set-up before it."""

    seconds = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.seconds = -now(pl_module.device)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.seconds += now(pl_module.device)

    on_predict_start, on_predict_epoch_end = on_train_epoch_start, on_train_epoch_end


def run_benchmarks(config: Config) -> str:
    """Every comparison as a table: seconds of each side and their ratio, pair by pair."""
    device = evaluation_device(config)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    pl.seed_everything(config.seed, verbose=False)
    config.trainer.progress = False
    show_progress(False)
    with tempfile.TemporaryDirectory() as folder:
        store = random_store(Path(folder) / "features", 1024)
        rows = [
            compare("embedder step", *embedder_sides(config, store, device), "at most 1.05"),
            compare("manipulator step", *manipulator_sides(config, store, device), "at most 1.05"),
            compare("extraction", *extraction_sides(config, Path(folder), device), "at most 1.05"),
            compare(
                "evaluation", *evaluation_sides(config, SCHEMA, device), "at most 1.1", pairs=3
            ),
            compare("R@k", *instance_sides(config, device), "at most 1.1"),
            compare("R@k, peer", *instance_peer_sides(config, device), "below 1", 3),
        ]
    headers = ["", "flam-pl, s", "bare or peer, s", "ratio: median [min, max]", "aim"]
    return str(tabulate(rows, headers=headers, disable_numparse=True))


def compare(
    name: str,
    ours: Side,
    bare: Side,
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


def on(module: torch.nn.Module, action: Callable[[], None], device: torch.device) -> Side:
    """Time an action with the module on the device, from which the Trainer takes it."""

    def side() -> float:
        module.to(device)
        return timed(action, device)

    return side


def lightning_epoch(config: Config, module: pl.LightningModule, batches: FeatureBatches) -> float:
    """Seconds of one epoch by the Trainer."""
    watch = Stopwatch()
    trainer = make_trainer(config, 1, [watch], logger=False, enable_checkpointing=False)
    trainer.fit(module, DataLoader(batches, batch_size=None))
    return watch.seconds


def embedder_sides(config: Config, store: FeatureStore, device: torch.device) -> tuple[Side, Side]:
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
    features, known = store.rows(np.arange(ROWS)).to(device), torch.from_numpy(labels).to(device)

    def bare() -> None:
        optimizer = torch.optim.AdamW(stage.parameters(), lr=e.lr)
        for _ in range(STEPS):
            chosen = torch.randint(ROWS, (batch,), device=device)
            loss = sum(stage.terms(features[chosen], known[chosen]).values())
            assert isinstance(loss, Tensor)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()

    return lambda: lightning_epoch(config, stage, batches), on(stage, bare, device)


def manipulator_sides(
    config: Config, store: FeatureStore, device: torch.device
) -> tuple[Side, Side]:
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
    features = store.rows(np.arange(ROWS)).to(device)

    def step(optimizer: torch.optim.Optimizer, terms: dict[str, Tensor]) -> None:
        loss = sum(terms.values())
        assert isinstance(loss, Tensor)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()

    def bare() -> None:
        optimizer_g = torch.optim.Adam(manipulator.generators.parameters(), s.lr)
        optimizer_d = torch.optim.Adam(manipulator.discriminators.parameters(), s.lr)
        stage.train()
        for _ in range(STEPS):
            chosen = torch.randint(ROWS, (s.batch_size,), device=device)
            edits = stage.sample(features[chosen])
            edited = manipulator.edit(edits.x, edits.condition, edits.target)
            step(optimizer_d, stage.discriminator_terms(edits, edited.detach()))
            manipulator.discriminators.requires_grad_(False)
            step(optimizer_g, stage.generator_terms(edits, edited))
            manipulator.discriminators.requires_grad_(True)

    return lambda: lightning_epoch(config, stage, batches), on(stage, bare, device)


def extraction_sides(config: Config, folder: Path, device: torch.device) -> tuple[Side, Side]:
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
    if net.whitening is not None:
        with torch.inference_mode():
            net.whitening.measure(torch.cat([net.pooled(of) for of in pixels.split(batch)]))

    @torch.inference_mode()
    def bare() -> None:
        for start in range(0, IMAGES, batch):
            net(pixels[start : start + batch].to(device))

    return ours, on(net, bare, device)


if __name__ == "__main__":
    quiet_libraries()
    keep_freed_memory()
    settings = load_config(sys.argv[1:])
    print(f"On {evaluation_device(settings)}: this takes about {DURATION}.", flush=True)
    print(run_benchmarks(settings))
