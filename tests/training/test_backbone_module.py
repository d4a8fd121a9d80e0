"""Stage 1 on tiny pictures: its losses, its validation, and the extraction of features."""

from __future__ import annotations

import copy
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import nn
from torch.nn import functional as F

from attribute_world import QUIET, SCHEMA
from flam_pl.config.data import WardrobeData
from flam_pl.config.root import Config
from flam_pl.config.stages import BackboneConfig
from flam_pl.data import datamodule
from flam_pl.data.datamodule import FlamDataModule
from flam_pl.data.feature_store import FeatureStore, publish
from flam_pl.datasets.catalog import Catalog
from flam_pl.errors import FlamError
from flam_pl.images.pixels import Preprocess
from flam_pl.models.backbone import Backbone
from flam_pl.models.pooling import CGD
from flam_pl.training.backbone_module import BackboneModule, measure_whitening

PREPROCESS = Preprocess(16, "stretch")
SETTINGS = BackboneConfig(
    model="none",
    image_size=16,
    feature_dim=6,
    items=4,
    images=2,
    extract_batch=5,
    dtype="float32",
    lr=1e-2,
    max_epochs=1,
    flip=False,
    erase=0.0,
    scale_min=1.0,
    brightness=0.0,
)


class Colors(nn.Module):
    """The mean color of an image and, louder, that of its corner, by one layer."""

    present_dimension = described_dimension = 6
    unmeasured = False

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6, bias=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        scaled = pixels.float() / 255 - 0.5
        colors = torch.cat([scaled.mean(dim=(2, 3)), 2 * scaled[:, :, 0, 0]], dim=1)
        features: torch.Tensor = self.layer(colors)
        return features

    def describe(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self(pixels)
        return features, features


def draw(folder: Path, items: int = 20) -> Catalog:
    """Four photos of each item, which has one color; every other photo is a shopper's.

    A corner of each photo has a color that says nothing.
    """
    rng = np.random.default_rng(0)
    rows = []
    for item in range(items):
        color = rng.integers(40, 215, size=3)
        for photo in range(4):
            noisy = color + rng.normal(0, 6, size=(16, 16, 3))
            noisy[:2, :2] = rng.integers(256, size=3)
            cv2.imwrite(str(folder / f"{item}-{photo}.png"), noisy.clip(0, 255).astype(np.uint8))
            rows.append(
                {
                    "path": f"{item}-{photo}.png",
                    "item": f"item{item}",
                    "domain": ("shop", "consumer")[photo % 2],
                    "split": "val" if item < 8 else "train",
                }
            )
    return Catalog.build("colors", folder, pd.DataFrame(rows), SCHEMA)


def data_of(catalog: Catalog, **settings: Any) -> FlamDataModule:
    config = Config(
        data=WardrobeData(name="colors", workers=0),
        backbone=BackboneConfig(**{**vars(SETTINGS), **settings}),
    )
    return FlamDataModule(catalog, config, PREPROCESS)


def stage(
    classified: list[int] | None = None,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    **options: Any,
) -> BackboneModule:
    nothing = (np.zeros(0, np.int64), np.zeros(0, bool))
    return BackboneModule(
        Colors(), classified or [3, 5], validation or nothing, replace(SETTINGS, **options)
    )


def losses(module: BackboneModule, items: list[int]) -> dict[str, torch.Tensor]:
    """What a batch of random pictures of these items logs and returns."""
    found: dict[str, torch.Tensor] = {}
    module.log = lambda name, value, **_: found.update({name: value})  # type: ignore[method-assign]
    pixels = torch.randint(256, (len(items), 3, 16, 16), dtype=torch.uint8)
    batch = {"image": pixels, "item": torch.tensor(items)}
    found["loss"] = module.training_step(batch, 0)
    found["features"] = module.net(pixels)
    return found


def test_cross_entropy_runs_over_the_classified_items_only() -> None:
    module = stage(classified=[3, 5, 9])
    items = [5, 5, 7, 7, 3, 3]
    found = losses(module, items)
    module.neck.train()
    logits = module.classifier(module.neck(found["features"]))
    rows = [0, 1, 4, 5]
    expected = F.cross_entropy(logits[rows], torch.tensor([1, 1, 0, 0]))
    torch.testing.assert_close(found["train/classification"], expected, atol=1e-5, rtol=1e-4)
    total = found["train/triplet"] + found["train/classification"]
    torch.testing.assert_close(found["loss"], total)
    assert float(expected.detach()) > 0.1


def test_temperature_and_smoothing_are_those_of_the_cgd_paper() -> None:
    """Its softmax at temperature t against a target of 1 - s on the item and s shared by all."""
    module = stage(classified=[3, 5, 9])
    module.settings.temperature, module.settings.label_smoothing = 0.5, 0.1
    found = losses(module, [3, 3, 5, 5])
    logits = module.classifier(module.neck(found["features"])) / 0.5
    target = torch.full((4, 3), 0.1 / 3)
    target[torch.arange(4), torch.tensor([0, 0, 1, 1])] += 0.9
    expected = -(target * logits.log_softmax(dim=1)).sum(dim=1).mean()
    torch.testing.assert_close(found["train/classification"], expected, atol=1e-5, rtol=1e-4)


def test_with_a_cgd_each_loss_sees_its_own_vector() -> None:
    """Triplets the combination; the classification the first descriptor, before its layer."""
    net = Backbone("test_resnet", 6, pooling="cgd-GS")
    module = BackboneModule(
        net,
        [0, 1],
        (np.zeros(0, np.int64), np.zeros(0, bool)),
        SETTINGS,
    )
    found: dict[str, torch.Tensor] = {}
    module.log = lambda name, value, **_: found.update({name: value})  # type: ignore[method-assign]
    pixels = torch.randint(256, (8, 3, 64, 64), dtype=torch.uint8)
    items = torch.arange(8) // 4
    module.training_step({"image": pixels, "item": items}, 0)
    pooling = net.pooling
    assert isinstance(pooling, CGD)
    layers = [layer.weight for layer in pooling.layers]
    p = pooling.descriptors[0].p
    for value, wanted in (
        (found["train/classification"], [False, False, True]),
        (found["train/triplet"], [True, True, True]),
    ):
        assert float(value.detach()) > 0
        gradients = torch.autograd.grad(value, [*layers, p], retain_graph=True, allow_unused=True)
        assert [g is not None and bool(g.abs().max() > 0) for g in gradients] == wanted


@pytest.mark.parametrize("pooling", ["spoc", "cgd-SG"])
def test_a_transformer_trains_and_extracts(pooling: str, tmp_path: Path) -> None:
    catalog = draw(tmp_path)
    chosen = dict(model="vit_tiny_patch16_224", image_size=32, pooling=pooling)
    data = data_of(catalog, **chosen)
    data.preprocess = Preprocess(32, "stretch")
    net = Backbone("vit_tiny_patch16_224", 6, 32, pooling)
    before = {name: value.clone() for name, value in net.named_parameters()}
    module = BackboneModule(
        net,
        np.unique(catalog.items[data.item_rows]).tolist(),
        (np.zeros(0, np.int64), np.zeros(0, bool)),
        data.config.backbone,
    )
    options = QUIET | {"precision": "bf16-mixed", "limit_val_batches": 0}
    pl.Trainer(max_steps=1, **options).fit(module, data)
    for name, value in net.named_parameters():
        assert torch.isfinite(value).all(), name
        if value.ndim > 1:  # a bias may have no say, as that of a softmax's keys
            assert not torch.equal(value, before[name]), name
    extract(data, module, tmp_path / "features")
    stored = data.features.rows(np.arange(len(catalog)))
    assert torch.isfinite(stored).all() and stored.std(dim=0).min() > 0


def test_a_batch_without_a_classified_item_still_trains_by_triplets() -> None:
    module = stage(classified=[100])
    found = losses(module, [1, 1, 2, 2, 3, 3])
    assert float(found["train/classification"].detach()) == 0
    found["loss"].backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name  # else DDP stops
        assert torch.isfinite(parameter.grad).all()


def test_validation_is_recall_of_consumer_photos_among_shop_photos() -> None:
    """Rows come in batches, some twice; an item without a shop photo is not asked."""
    rng = np.random.default_rng(0)
    items = rng.integers(7, size=30)
    is_query = rng.random(30) < 0.5
    items[3], is_query[3] = 99, True
    module = stage(validation=(items, is_query))
    found: dict[str, float] = {}
    module.log = lambda name, value, **_: found.update({name: value})  # type: ignore[method-assign]
    pixels = torch.from_numpy(rng.integers(256, size=(30, 3, 16, 16)).astype(np.uint8))
    with torch.no_grad():
        module.on_validation_epoch_start()
        for rows in (range(0, 12), range(12, 30), [0, 5, 29]):
            chosen = torch.tensor(list(rows))
            module.validation_step({"image": pixels[chosen], "index": chosen}, 0)
        module.on_validation_epoch_end()
        features = F.normalize(module.net(pixels), dim=1).numpy()
    shop = [i for i in range(30) if not is_query[i]]
    asked = [i for i in range(30) if is_query[i] and items[i] in items[shop]]
    for k in (1, 5, 10, 20, 50):
        hits = [
            items[row]
            in [items[i] for i in sorted(shop, key=lambda i: -features[row] @ features[i])[:k]]
            for row in asked
        ]
        assert found[f"val/R@{k}"] == pytest.approx(np.mean(hits))
    assert 0 < found["val/R@1"] < found["val/R@50"] == 1


def test_training_brings_photos_of_one_item_together(tmp_path: Path) -> None:
    data = data_of(draw(tmp_path))
    held_out = data.validation_rows
    consumer = (data.catalog.table["domain"] == "consumer").to_numpy(bool)
    codes = np.unique(data.catalog.items[data.item_rows]).tolist()
    module = stage(codes, (data.catalog.items[held_out], consumer[held_out]))
    trainer = pl.Trainer(max_epochs=50, inference_mode=False, **QUIET)
    before = trainer.validate(module, data, verbose=False)[0]["val/R@1"]
    trainer.fit(module, data)
    assert len(held_out) == 32 and set(codes).isdisjoint(data.catalog.items[held_out])
    assert before < 0.3
    assert float(trainer.callback_metrics["val/R@1"]) > 0.8


def extract(
    data: FlamDataModule,
    module: BackboneModule,
    folder: Path,
    checkpoint: str = "c" * 64,
    dimension: int = 6,
) -> str:
    def make_trainer(writer: Callback) -> pl.Trainer:
        return pl.Trainer(callbacks=[writer], **QUIET)

    return data.cache_features(module, make_trainer, folder, checkpoint, dimension)


def test_extracted_features_are_those_of_each_image_in_catalog_order(tmp_path: Path) -> None:
    data, module = data_of(draw(tmp_path)), stage()
    with pytest.raises(FlamError, match="call cache_features first"):
        _ = data.serve("labelled").features
    said = extract(data, module, tmp_path / "features")
    assert said.startswith("features: 0 reused, 80 extracted") and "not extracted yet" in said
    stored = data.features.rows(np.arange(80))
    with torch.no_grad():
        for row, path in enumerate(data.catalog.paths):
            image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
            pixels = PREPROCESS(torch.from_numpy(image).permute(2, 0, 1))
            torch.testing.assert_close(stored[row], module.net(pixels[None])[0])
    assert stored.std(dim=0).min() > 1e-3


def test_features_are_extracted_once_and_again_when_something_changed(tmp_path: Path) -> None:
    class Counted(Colors):
        images = 0

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            self.images += len(pixels)
            return super().forward(pixels)

    module, catalog = stage(), draw(tmp_path)
    module.net = net = Counted()
    extract(data_of(catalog), module, tmp_path / "features")
    assert net.images == 80
    assert "nothing to extract" in extract(data_of(catalog), module, tmp_path / "features")
    assert net.images == 80
    said = extract(data_of(catalog), module, tmp_path / "features", "e" * 64)
    assert "checkpoint" in said and net.images == 160
    half = data_of(catalog)
    half.config.trainer.precision = "bf16-mixed"  # the weights of a frozen backbone stay the same
    said = extract(half, module, tmp_path / "features", "e" * 64)
    assert "changed since the extraction: preprocessing" in said and net.images == 240


def test_what_a_kill_after_the_merge_left_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed_after_the_merge(shards: Path, *others: Any) -> None:
        publish(shards, *others)
        shards.mkdir()
        (shards / "0-0.bin").touch()

    catalog, folder = draw(tmp_path), tmp_path / "features"
    monkeypatch.setattr(datamodule, "publish", killed_after_the_merge)
    extract(data_of(catalog), stage(), folder)
    assert list(tmp_path.glob(".features.shards*"))
    assert "nothing to extract" in extract(data_of(catalog), stage(), folder)
    assert not list(tmp_path.glob(".features.shards*"))


class Gone(nn.Module):
    """Fails where an image is extracted."""

    unmeasured = False

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        raise AssertionError("extracted again")


class Killed(Colors):
    """Fails at one of its batches."""

    def __init__(self, left: int) -> None:
        torch.manual_seed(0)
        super().__init__()
        self.left, self.images = left, 0

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        if self.left == 0:
            raise RuntimeError("killed")
        self.left -= 1
        self.images += len(pixels)
        return super().forward(pixels)


@pytest.mark.parametrize("batches", [0, 1, 7, 15])
def test_an_extraction_goes_on_behind_its_last_batch(batches: int, tmp_path: Path) -> None:
    """80 photos in 16 batches of 5."""
    catalog, module = draw(tmp_path), stage()
    module.net = Killed(-1)
    extract(data_of(catalog), module, tmp_path / "at once")
    module.net = Killed(batches)
    with pytest.raises(RuntimeError, match="killed"):
        extract(data_of(catalog), module, tmp_path / "features")
    module.net = net = Killed(-1)
    data = data_of(catalog)
    done = extract(data, module, tmp_path / "features")
    assert net.images == 80 - 5 * batches
    assert done.startswith("features: 0 reused, 80 extracted")
    assert (f"({5 * batches} of them before an interruption" in done) == (batches > 0)
    for name in ("features.npy", "photos.npy", "manifest.json"):
        written = (tmp_path / "features" / name).read_bytes()
        assert written == (tmp_path / "at once" / name).read_bytes()
    assert not list(tmp_path.glob(".features.shards*"))


def test_an_extraction_that_was_killed_before_its_last_rename_only_merges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog, module = draw(tmp_path), stage()
    with monkeypatch.context() as patch:
        patch.setattr("flam_pl.data.datamodule.publish", Gone())
        with pytest.raises(TypeError):
            extract(data_of(catalog), module, tmp_path / "features")
    module.net = Gone()
    data = data_of(catalog)
    assert "80 of them before an interruption" in extract(data, module, tmp_path / "features")
    assert len(data.features) == 80


def test_an_interrupted_extraction_starts_again_from_another_checkpoint(tmp_path: Path) -> None:
    catalog, module = draw(tmp_path), stage()
    module.net = Killed(3)
    with pytest.raises(RuntimeError, match="killed"):
        extract(data_of(catalog), module, tmp_path / "features")
    module.net = net = Killed(-1)
    done = extract(data_of(catalog), module, tmp_path / "features", "e" * 64)
    assert net.images == 80 and "interruption" not in done


def test_damaged_features_are_extracted_again_and_the_reason_is_given(tmp_path: Path) -> None:
    catalog, module = draw(tmp_path), stage()
    extract(data_of(catalog), module, tmp_path / "features")
    file = tmp_path / "features" / "features.npy"
    written = file.read_bytes()
    np.save(file, np.load(file)[::-1])
    reader = data_of(catalog)
    with pytest.raises(FlamError, match=r"npy is not what was written.*train-flam or evaluate"):
        reader.open_features(tmp_path / "features", "c" * 64)
    done = extract(data_of(catalog), module, tmp_path / "features")
    assert "0 reused, 80 extracted" in done and "features.npy is not what was written" in done
    assert file.read_bytes() == written


def changed_photos(catalog: Catalog) -> Catalog:
    """Of 80 photos: two new ones, one of them first, another content, a view, and no first item."""
    root, table = catalog.root, catalog.table.iloc[4:].copy()
    shutil.copy(root / "9-0.png", root / "renamed.png")
    table.iloc[50, table.columns.get_loc("path")] = "renamed.png"
    for name, color in (("new-1.png", 7), ("new-2.png", 200), ("7-2.png", 90)):
        cv2.imwrite(str(root / name), np.full((16, 16, 3), color, np.uint8))
    more = table.iloc[[0, 0, 3]].assign(path=["new-1.png", "new-2.png", "7-2.png"], view=[0, 0, 1])
    changed = pd.concat([more.iloc[:1], table, more.iloc[1:]])
    return Catalog.build("colors", root, changed, SCHEMA)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_changed_table_extracts_its_new_photos_only_and_to_the_same_bits(
    dtype: str, tmp_path: Path
) -> None:
    """By a real network, whose last bits depend on the size of a batch."""
    torch.manual_seed(0)
    net = Backbone("test_resnet", image_size=32, feature_dim=None).eval()
    seen: list[int] = []
    net.register_forward_hook(lambda _net, inputs, _out: seen.append(len(inputs[0])))

    def cache(catalog: Catalog, place: str) -> tuple[str, FeatureStore]:
        data = data_of(catalog, image_size=32, dtype=dtype, extract_batch=16)
        data.preprocess = Preprocess(32, "stretch")
        module = stage()
        module.net = net
        seen.clear()
        said = extract(data, module, tmp_path / place, dimension=net.dimension)
        return said, data.features

    before = draw(tmp_path)
    cache(before, "features")
    changed = changed_photos(before)
    said, partly = cache(changed, "features")
    # new-1, new-2, 7-2 and its view, and the copy of 9-0 by another name is known
    assert said.startswith("features: 75 reused, 4 extracted") and "images: " in said
    assert seen == [16]
    _, anew = cache(changed, "anew")
    assert seen == [16] * 5
    rows = np.arange(79)
    assert torch.equal(partly.rows(rows), anew.rows(rows)) and partly.content == anew.content
    assert len(torch.unique(anew.rows(rows), dim=0)) == 78  # 9-0 is there twice


def test_features_are_opened_without_a_write_where_all_photos_are_there(tmp_path: Path) -> None:
    module, catalog = stage(), draw(tmp_path)
    data = data_of(catalog)
    with pytest.raises(FlamError, match="features: not extracted yet"):
        data.open_features(tmp_path / "features", "c" * 64)
    extract(data, module, tmp_path / "features")
    more = data_of(changed_photos(catalog))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    opened, fewer = data_of(catalog), data_of(catalog.select([70, 3, 9]))
    opened.open_features(tmp_path / "features", "c" * 64)
    fewer.open_features(tmp_path / "features", "c" * 64)
    assert torch.equal(opened.features.rows(np.arange(80)), data.features.rows(np.arange(80)))
    assert opened.features.content == data.features.content != fewer.features.content
    assert torch.equal(fewer.features.rows(np.arange(3)), data.features.rows(np.array([70, 3, 9])))
    with pytest.raises(FlamError, match="lacks the features of 80 of 80 images .checkpoint: d"):
        opened.open_features(tmp_path / "features", "d" * 64)
    with pytest.raises(FlamError, match="lacks the features of 4 of 79 images .images: "):
        more.open_features(tmp_path / "features", "c" * 64)
    # nothing is extracted either where the catalog has only lost photos
    module.net = Gone()
    two = data_of(catalog.select([70, 3]))
    assert "nothing to extract" in extract(two, module, tmp_path / "features")
    assert torch.equal(two.features.rows(np.arange(2)), data.features.rows(np.array([70, 3])))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_the_bar_of_the_extraction_counts_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []

    class Bar:
        n = 0

        def update(self, more: int) -> None:
            self.n += more
            counts.append(self.n)

        def close(self) -> None:
            counts.append(-1)

    asked: list[tuple[object, ...]] = []

    def bar(*arguments: object) -> Bar:
        asked.append(arguments)
        return Bar()

    monkeypatch.setattr("flam_pl.data.datamodule.progress", bar)
    extract(data_of(draw(tmp_path).select(range(12))), stage(), tmp_path / "features")
    assert asked == [(None, "extracting features", 12)] and counts == [5, 10, 12, -1]


def untrained_network(
    folder: Path, frozen_levels: int = 0, **network: Any
) -> tuple[BackboneModule, FlamDataModule]:
    """A network for the drawn catalog, with the same random numbers every time."""
    pl.seed_everything(0, verbose=False)
    shape: dict[str, Any] = dict(model="test_resnet", frozen_levels=frozen_levels)
    data = data_of(draw(folder), image_size=32, dtype="float16", **shape)
    data.preprocess = Preprocess(32, "stretch")
    catalog, held_out = data.catalog, data.validation_rows
    consumer = (catalog.table["domain"] == "consumer").to_numpy(bool)
    module = BackboneModule(
        Backbone("test_resnet", image_size=32, **network),
        np.unique(catalog.items[data.item_rows]).tolist(),
        (catalog.items[held_out], consumer[held_out]),
        data.config.backbone,
    )
    return module, data


def train_network(
    folder: Path, **network: Any
) -> tuple[BackboneModule, FlamDataModule, pl.Trainer]:
    """Two steps."""
    module, data = untrained_network(folder, **network)
    trainer = pl.Trainer(max_steps=2, **QUIET)
    trainer.fit(module, data)
    return module, data, trainer


@pytest.mark.parametrize("count", [1, 2, 4])
def test_frozen_levels_keep_weights_and_statistics_and_all_others_learn(
    tmp_path: Path, count: int
) -> None:
    module, data = untrained_network(tmp_path, feature_dim=None, frozen_levels=count)
    before = copy.deepcopy(module.net.trunk.state_dict())
    pl.Trainer(max_steps=2, **QUIET).fit(module, data)
    after = module.net.trunk.state_dict()
    changed = {
        name.partition(".")[0] for name in after if not torch.equal(after[name], before[name])
    }
    assert changed == {f"layer{n}" for n in range(count, 5)}


def test_more_frozen_levels_than_the_network_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FlamError, match="frozen_levels is 5, but timm gives 5 .*frozen_levels=0"):
        untrained_network(tmp_path, feature_dim=None, frozen_levels=5)


def test_training_is_the_same_to_the_digit_with_the_early_levels(tmp_path: Path) -> None:
    spoc = train_network(tmp_path, feature_dim=None)[0].state_dict()
    levels = train_network(tmp_path, feature_dim=5, pooling="levels", whitening=0.5)[0].state_dict()
    assert all(torch.equal(value, levels[name]) for name, value in spoc.items())
    assert all(name.startswith("net.projection.") for name in levels.keys() - spoc.keys())


def test_last_map_and_levels_are_stored_as_whitened_on_training_photos(tmp_path: Path) -> None:
    chosen = dict(feature_dim=5, pooling="levels", whitening=0.5, levels_weight=0.3)
    module, data, trainer = train_network(tmp_path, **chosen)
    net, train = module.net.eval(), data.catalog.rows(split="train")
    measure_whitening(module, data, trainer)
    trainer.validate(module, data, verbose=False)  # by the features as they are stored
    assert module.validation_features.total.shape[1] == net.dimension
    extract(data, module, tmp_path / "features", dimension=net.dimension)
    stored, again = data.features.rows(np.arange(80)), copy.deepcopy(net.whitening)
    assert again is not None and stored.shape[1] == 5 + net.pooled_dimension - net.width
    with torch.no_grad():
        pooled = net.pooled(torch.cat([batch["image"] for batch in data.predict_dataloader()]))
        again.measure(pooled[train])
        expected = again(pooled)
    for part, weight in ((slice(5), 1.0), (slice(5, None), 0.3)):
        # a direction's sign is arbitrary: what is the same is every inner product
        found, wanted = (x[:, part] @ x[:, part].T for x in (stored, expected))
        np.testing.assert_allclose(found, wanted, atol=1e-3 * float(wanted.max()))
        assert float(found.diag()[train].mean()) == pytest.approx(weight**2, rel=1e-2)
