"""train_stage: trains once, again when something changed, and leaves a hand-off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import pytorch_lightning as pl
import torch

from attribute_world import SCHEMA, FeatureModule, World, make_world
from flam_pl.attributes import AttributeSchema
from flam_pl.config.data import DataConfig
from flam_pl.config.root import Config, LoggerConfig, TrainerConfig
from flam_pl.config.stages import EmbedderConfig
from flam_pl.errors import FlamError
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.training.embedder_module import EmbedderModule
from flam_pl.training.records import CHECKPOINT, RECORD, StageRecord, load_into, require
from flam_pl.training.stage import StageSpec, make_trainer, train_stage

ARCHITECTURE = {"dimension": 12, "embedding_dim": 8, "hidden": 32, "dropout": 0.0}


def config(folder: Path, retrain: bool = False, **trainer: Any) -> Config:
    return Config(
        run="run",
        runs_dir=str(folder),
        retrain=retrain,
        data=DataConfig(name="world"),
        trainer=TrainerConfig(
            **{"accelerator": "cpu", "devices": "1", "progress": False, **trainer}
        ),
        logger=LoggerConfig(wandb="off"),
    )


class CountedStage(EmbedderModule):
    """Counts its training steps."""

    steps = 0

    def training_step(self, batch: dict[str, torch.Tensor], batch_index: int) -> torch.Tensor:
        self.steps += 1
        return super().training_step(batch, batch_index)


def module(world: World) -> CountedStage:
    torch.manual_seed(1)
    embedders = AttributeEmbedders(SCHEMA, **ARCHITECTURE)
    embedders.fit(world.features, torch.from_numpy(world.labels))
    return CountedStage(embedders, EmbedderConfig(lr=1e-2, noise=0.1))


def run(
    folder: Path,
    stage: CountedStage,
    world: World,
    trainer_config: Config | None = None,
    monitor: str | None = "val/accuracy",
    epochs: int = 2,
    settings: EmbedderConfig | None = None,
    **changes: Any,
) -> StageRecord:
    wanted = {
        "inputs": {"data": "d", "seed": 0},
        "parent": "p" * 64,
        "settings": replace(settings or EmbedderConfig(lr=1e-2), max_epochs=epochs),
        "architecture": ARCHITECTURE,
    }
    place = folder / "run" / "embedder"
    spec = StageSpec(
        "embedder", stage, place, schema=SCHEMA, monitor=monitor, **{**wanted, **changes}
    )
    data = FeatureModule(world, batch_size=32, batches=3)
    return train_stage(spec, data, trainer_config or config(folder))


def test_a_trained_stage_is_handed_over_whole(tmp_path: Path) -> None:
    world = make_world()
    stage = module(world)
    record = run(tmp_path, stage, world)
    folder = tmp_path / "run" / "embedder"
    assert stage.steps == 6
    assert require(folder, "embedder") == record
    assert (record.stage, record.parent) == ("embedder", "p" * 64)
    assert 0 < record.metrics["val/accuracy"] <= 1
    assert AttributeSchema.from_dict(record.schema) == SCHEMA
    assert record.seconds >= 0 and record.versions["torch"]
    # opens without running code, and fits the recorded architecture
    torch.load(folder / CHECKPOINT, weights_only=True)
    again = AttributeEmbedders(AttributeSchema.from_dict(record.schema), **record.architecture)
    load_into(again, folder, "embedders.")
    stage.eval()
    torch.testing.assert_close(again.eval()(world.features), stage.embedders(world.features))
    # nothing half-done is left
    assert sorted(p.name for p in folder.iterdir()) == sorted([CHECKPOINT, RECORD, "logs"])


def test_the_best_epoch_is_kept_not_the_last(tmp_path: Path) -> None:
    world = make_world()
    stage = module(world)

    class Spoilt(FeatureModule):
        """From the second epoch on the labels say nothing."""

        epoch = 0

        def train_dataloader(self) -> Any:
            self.epoch += 1
            if self.epoch > 1:
                self.train.labels = torch.randint(2, world.labels.shape).numpy()
            return super().train_dataloader()

    settings = config(tmp_path)
    data = Spoilt(world, batch_size=64, batches=30)
    # a new loader every epoch, so that the data module can spoil it
    original = pl.Trainer.__init__

    def reloading(self: pl.Trainer, *args: Any, **options: Any) -> None:
        original(self, *args, **options, reload_dataloaders_every_n_epochs=1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pl.Trainer, "__init__", reloading)
        spec = StageSpec(
            "embedder",
            stage,
            tmp_path / "run" / "embedder",
            settings=EmbedderConfig(max_epochs=3),
            architecture=ARCHITECTURE,
            schema=SCHEMA,
            inputs={},
            monitor="val/accuracy",
        )
        record = train_stage(spec, data, settings)
    logged = pd.read_csv(tmp_path / "run" / "embedder" / "logs" / "metrics.csv")["val/accuracy"]
    by_epoch = logged.dropna().tolist()[:3]
    assert max(by_epoch) > by_epoch[-1] + 0.1  # spoilt indeed
    # the record's figures are those of the weights kept, which the module holds afterwards
    assert record.metrics["val/accuracy"] == pytest.approx(max(by_epoch), abs=1e-5)
    stage.eval()
    predicted = stage.embedders.classify(stage.embedders(world.features[:40])).numpy()
    accuracy = (predicted == world.labels[:40]).mean(axis=0).mean()
    assert accuracy == pytest.approx(record.metrics["val/accuracy"], abs=1e-5)


class Tied(CountedStage):
    """Its accuracy is given, epoch by epoch."""

    values: tuple[float, ...] = ()

    def validation_step(self, batch: dict[str, torch.Tensor], batch_index: int) -> None:
        self.log("val/accuracy", self.values[min(self.current_epoch, len(self.values) - 1)])

    def on_validation_epoch_end(self) -> None:
        with torch.no_grad():  # marks the weights of the epoch
            self.embedders.of("color").members[0].raw_dictionary[0, 0] = self.current_epoch


@pytest.mark.parametrize(
    ("values", "kept", "equal"),
    [
        ((1.0, 1.0, 1.0, 1.0), 3, 4),
        ((0.0, 0.0, 0.0, 0.0), 3, 4),
        ((0.2, 0.5, 0.5, 0.1), 2, 2),
        ((0.5, 0.5, 0.7, 0.2), 2, 1),  # equal ones below the best do not count
        ((0.7, 0.1, 0.7, 0.3), 2, 2),
        ((0.1, 0.2, 0.3, 0.4), 3, 1),
        ((0.4, 0.3, 0.2, 0.1), 0, 1),
    ],
)
def test_of_equal_epochs_the_latest_is_kept_and_the_log_says_so(
    values: tuple[float, ...],
    kept: int,
    equal: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = make_world()
    torch.manual_seed(1)
    embedders = AttributeEmbedders(SCHEMA, **ARCHITECTURE)
    embedders.fit(world.features, torch.from_numpy(world.labels))
    stage = Tied(embedders, EmbedderConfig(lr=1e-2, noise=0.1))
    stage.values = values
    run(tmp_path, stage, world, epochs=4)
    again = AttributeEmbedders(SCHEMA, **ARCHITECTURE)
    load_into(again, tmp_path / "run" / "embedder", "embedders.")
    assert float(again.of("color").members[0].raw_dictionary[0, 0]) == kept
    said = capsys.readouterr().out
    assert ("the latest of them is kept" in said) == (equal > 1)
    if equal > 1:
        assert f"{equal} epochs have the highest val/accuracy = {max(values):.4f}: the" in said


def test_nothing_changed_nothing_is_trained(tmp_path: Path) -> None:
    world = make_world()
    first = run(tmp_path, module(world), world)
    stage = module(world)
    assert run(tmp_path, stage, world) == first
    assert stage.steps == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": EmbedderConfig(lr=2e-2)},
        {"inputs": {"data": "other", "seed": 0}},
        {"inputs": {"data": "d", "seed": 1}},
        {"parent": "q" * 64},
        {"epochs": 1},
    ],
)
def test_whatever_the_result_depends_on_trains_again(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    world = make_world()
    first = run(tmp_path, module(world), world)
    stage = module(world)
    second = run(tmp_path, stage, world, **changes)
    assert stage.steps == 3 * changes.get("epochs", 2)
    assert second.inputs != first.inputs


def test_another_architecture_with_the_same_settings_trains_again(tmp_path: Path) -> None:
    """Cls-Concat works in the space of the embedders, which is no setting of its own."""
    world = make_world()
    first = run(tmp_path, module(world), world)
    stage = module(world)
    second = run(tmp_path, stage, world, architecture={**ARCHITECTURE, "working_dim": 3})
    assert stage.steps == 6
    assert second.inputs == first.inputs and second.architecture != first.architecture


def test_retrain_trains_again(tmp_path: Path) -> None:
    world = make_world()
    run(tmp_path, module(world), world)
    stage = module(world)
    run(tmp_path, stage, world, config(tmp_path, retrain=True))
    assert stage.steps == 6


def test_a_lost_or_changed_checkpoint_is_trained_again(tmp_path: Path) -> None:
    world = make_world()
    checkpoint = tmp_path / "run" / "embedder" / CHECKPOINT
    run(tmp_path, module(world), world)
    for spoil in (checkpoint.unlink, lambda: checkpoint.write_bytes(b"other")):
        spoil()
        stage = module(world)
        run(tmp_path, stage, world)
        assert stage.steps == 6
        require(checkpoint.parent, "embedder")


def test_retrain_replaces_a_damaged_record(tmp_path: Path) -> None:
    """As the message of a damaged record advises."""
    world = make_world()
    run(tmp_path, module(world), world)
    (tmp_path / "run" / "embedder" / RECORD).write_text("{")
    stage = module(world)
    run(tmp_path, stage, world, config(tmp_path, retrain=True))
    assert stage.steps == 6


def test_trainer_max_epochs_limits_every_stage(tmp_path: Path) -> None:
    world = make_world()
    stage = module(world)
    run(tmp_path, stage, world, config(tmp_path, max_epochs=1), epochs=5)
    assert stage.steps == 3


def test_without_validation_the_last_epoch_is_kept(tmp_path: Path) -> None:
    world = make_world()
    stage = module(world)
    run(tmp_path, stage, world, monitor=None)
    again = AttributeEmbedders(SCHEMA, **ARCHITECTURE)
    load_into(again, tmp_path / "run" / "embedder", "embedders.")
    assert stage.steps == 6
    torch.testing.assert_close(again.of("color").dictionary, stage.embedders.of("color").dictionary)


def test_no_epochs_keeps_the_weights_and_measures_them(tmp_path: Path) -> None:
    world = make_world()
    stage = module(world)
    before = {name: v.clone() for name, v in stage.state_dict().items()}
    record = run(tmp_path, stage, world, epochs=0)
    assert stage.steps == 0 and 0 < record.metrics["val/accuracy"] < 0.9
    again = AttributeEmbedders(SCHEMA, **ARCHITECTURE)
    load_into(again, tmp_path / "run" / "embedder", "embedders.")
    for name, value in again.state_dict().items():
        assert torch.equal(value, before[f"embedders.{name}"])
    second = module(world)
    assert run(tmp_path, second, world, epochs=0) == record


@pytest.mark.parametrize("options", [{"strategy": "ddp"}, {"devices": "2"}])
def test_several_processes_look_for_unused_parameters(
    options: dict[str, str], tmp_path: Path
) -> None:
    """Each of two optimizers leaves the other's parameters without a gradient."""
    trainer = make_trainer(config(tmp_path, **options), 1, logger=False)
    assert isinstance(trainer.strategy, pl.strategies.DDPStrategy)
    assert trainer.strategy._ddp_kwargs["find_unused_parameters"]


@pytest.mark.parametrize("options", [{"devices": "three"}, {"accelerator": "abacus"}])
def test_a_trainer_that_cannot_be_had_is_one_message(
    options: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(FlamError, match=next(iter(options.values()))):
        make_trainer(config(tmp_path, **options), 1, logger=False)


@pytest.mark.parametrize("progress", [True, False])
def test_a_log_file_gets_lines_in_place_of_bars(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], progress: bool
) -> None:
    world = make_world()
    run(tmp_path, module(world), world, config(tmp_path, progress=progress))
    shown = capsys.readouterr()
    assert ("embedder: epoch 2 of 2, val/accuracy" in shown.out) == progress
    assert "it/s" not in shown.err
