"""W&B without a question, a stall or a network: its mode, and checkpoints as artifacts."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flam_pl.config.loading import load_config
from flam_pl.config.root import Config
from flam_pl.training.loggers import (
    checkpoint_artifact,
    finish,
    log_checkpoint,
    make_loggers,
    make_wandb_logger,
    wandb_mode,
)
from flam_pl.training.records import CHECKPOINT, StageRecord
from flam_pl.training.records import RECORD as RECORD_FILE
from wandb_files import read_runs


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Nobody is logged in, and any connection is an error of the test."""
    for name in ("API_KEY", "MODE", "BASE_URL", "CONFIG_DIR", "IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(f"WANDB_{name}", raising=False)
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "create_connection", refuse)
    return monkeypatch


class Connection:
    def close(self) -> None:
        pass


def test_auto_without_a_key_is_no_wandb_at_all(nobody: pytest.MonkeyPatch) -> None:
    assert wandb_mode("auto") is None


def test_never_online_without_a_key(nobody: pytest.MonkeyPatch) -> None:
    """W&B would stop and ask for one."""
    nobody.setattr(socket, "create_connection", lambda *_, **__: Connection())
    for wanted in ("auto", "online", "offline", "off"):
        assert wandb_mode(wanted) != "online", wanted


@pytest.mark.parametrize("wanted", ["auto", "online"])
def test_online_with_a_key_and_a_network(wanted: str, nobody: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, Any]] = []

    def connect(address: tuple[str, int], timeout: float) -> Connection:
        asked.append((address, timeout))
        return Connection()

    nobody.setenv("WANDB_API_KEY", "k" * 40)
    nobody.setattr(socket, "create_connection", connect)
    assert wandb_mode(wanted) == "online"
    assert asked == [(("api.wandb.ai", 443), 3)]
    nobody.setenv("WANDB_BASE_URL", "http://wandb.local:8080")
    wandb_mode(wanted)
    assert asked[-1][0] == ("wandb.local", 8080)


@pytest.mark.parametrize("wanted", ["auto", "online"])
@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), TimeoutError()])
def test_offline_when_the_server_cannot_be_reached(
    wanted: str, error: OSError, nobody: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise error

    nobody.setenv("WANDB_API_KEY", "k" * 40)
    nobody.setattr(socket, "create_connection", unreachable)
    with pytest.warns(UserWarning, match=r"api\.wandb\.ai cannot be reached"):
        assert wandb_mode(wanted) == "offline"


def test_a_key_in_netrc_counts_as_logged_in(nobody: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / ".netrc"
    file.write_text("machine api.wandb.ai login user password " + "k" * 40)
    file.chmod(0o600)
    nobody.setattr(socket, "create_connection", lambda *_, **__: Connection())
    assert wandb_mode("auto") == "online"
    file.write_text("machine example.org login user password secret")
    assert wandb_mode("auto") is None
    file.write_text("this is no netrc")
    assert wandb_mode("auto") is None
    file.write_bytes(b"machine api.wandb.ai login caf\xe9 \xff")
    assert wandb_mode("auto") is None


@pytest.mark.parametrize("stored", ["environment", "user", "project"])
@pytest.mark.parametrize("netrc", [".netrc", "_netrc", "keys/of/mine"])
def test_a_key_for_an_own_server_counts_as_logged_in(
    stored: str, netrc: str, nobody: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What ``wandb login --host`` leaves: the server in the settings, its key in the netrc file."""
    asked: list[tuple[Any, Any]] = []

    def connect(address: tuple[str, int], timeout: float) -> Connection:
        asked.append((address, timeout))
        return Connection()

    nobody.setattr(socket, "create_connection", connect)
    server, port = {
        "environment": ("https://wandb.local:8080/", 8080),
        "user": ("http://wandb.local", 80),
        "project": ("https://wandb.local/below", 443),
    }[stored]
    if stored == "environment":
        nobody.setenv("WANDB_BASE_URL", server)
    else:
        folder = tmp_path / {"user": ".config/wandb", "project": "wandb"}[stored]
        folder.mkdir(parents=True)
        (folder / "settings").write_text(f"[default]\nbase_url = {server}\n")
    file = tmp_path / netrc
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.parent != tmp_path:
        nobody.setenv("NETRC", str(file))
    host = server.split("/")[2]
    file.write_text("machine api.wandb.ai login user password " + "k" * 40)
    assert wandb_mode("auto") is None and not asked
    file.write_text(f"machine {host} login user password {'k' * 40}")
    assert wandb_mode("auto") == "online"
    assert asked == [(("wandb.local", port), 3)]


def test_a_token_file_counts_as_logged_in_and_damaged_settings_as_none(
    nobody: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nobody.setattr(socket, "create_connection", lambda *_, **__: Connection())
    nobody.setenv("WANDB_CONFIG_DIR", str(tmp_path))
    (tmp_path / "settings").write_bytes(b"base_url = \xff")
    assert wandb_mode("auto") is None
    nobody.setenv("WANDB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    assert wandb_mode("auto") == "online"
    nobody.setenv("WANDB_BASE_URL", "http://wandb.local:port")
    with pytest.warns(UserWarning, match="wandb.local:port cannot be reached"):
        assert wandb_mode("auto") == "offline"


@pytest.mark.parametrize(
    ("wanted", "variable", "expected"),
    [
        ("off", None, None),
        ("offline", None, "offline"),
        ("online", "disabled", None),
        ("online", "offline", "offline"),
        ("auto", "offline", "offline"),
        ("offline", "disabled", None),
        ("off", "offline", None),
    ],
)
def test_what_is_asked_for_needs_no_network(
    wanted: str, variable: str | None, expected: str | None, nobody: pytest.MonkeyPatch
) -> None:
    nobody.setenv("WANDB_API_KEY", "k" * 40)
    if variable:
        nobody.setenv("WANDB_MODE", variable)
    assert wandb_mode(wanted) == expected


# --- checkpoints

RECORD = StageRecord(
    stage="embedder",
    inputs="i",
    data="d",
    parent="b" * 64,
    checkpoint="e" * 64,
    schema={"color": ["red", "blue"]},
    settings={"lr": 0.1},
    architecture={"dimension": 4},
    seed=0,
    metrics={"val/accuracy": 0.5, "val/nothing": float("nan")},
    seconds=1.0,
    versions={"python": "3"},
)


def config(folder: Path, run: str = "run", artifacts: bool = True) -> Config:
    """Offline, with a finished backbone and embedder in the run's folder."""
    made = load_config([f"runs_dir={folder}", "logger.wandb=offline"])
    made.run, made.logger.artifacts = run, artifacts
    backbone = replace(RECORD, stage="backbone", parent=None, checkpoint="b" * 64)
    for record in (backbone, RECORD):
        record.save(made.folder / record.stage)
        (made.folder / record.stage / CHECKPOINT).write_text(record.stage)
    return made


def test_artifacts_have_names_and_metadata_that_wandb_takes(tmp_path: Path) -> None:
    settings = config(tmp_path, run="my photos (new)")
    artifact = checkpoint_artifact(settings.name, settings.folder / "embedder", RECORD)
    assert artifact.name == "my-photos--new--embedder" and artifact.type == "model"
    assert artifact.metadata["metrics"] == {"val/accuracy": 0.5}  # JSON knows no nan
    assert json.loads(json.dumps(artifact.metadata, allow_nan=False)) == artifact.metadata


def test_equal_checkpoints_are_one_version(tmp_path: Path) -> None:
    settings = config(tmp_path)
    folder = settings.folder / "embedder"
    made = checkpoint_artifact(settings.name, folder, RECORD)
    assert checkpoint_artifact(settings.name, folder, RECORD, copied=False).digest == made.digest
    (folder / CHECKPOINT).write_text("trained again")
    assert checkpoint_artifact(settings.name, folder, RECORD).digest != made.digest


@pytest.mark.parametrize("artifacts", [True, False])
def test_checkpoints_can_be_left_out(artifacts: bool, tmp_path: Path) -> None:
    settings = config(tmp_path, artifacts=artifacts)
    folder = settings.folder / "embedder"
    loggers = make_loggers(settings, "embedder", folder)
    loggers[1].log_metrics({"val/accuracy": 0.5})
    log_checkpoint(loggers, settings, folder, RECORD)
    finish(loggers)
    run = read_runs(settings.folder / "wandb")["run-embedder"]
    assert list(run.logged) == (["run-embedder"] if artifacts else [])
    assert list(run.used) == (["run-backbone"] if artifacts else [])
    assert run.summary["val/accuracy"] == 0.5


@pytest.mark.parametrize("error", [AttributeError("no such method"), TypeError("an argument")])
def test_a_wandb_that_records_no_inputs_logs_all_else(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a private method of W&B, which another version may not have."""
    import wandb

    def refuse(*_: Any, **options: Any) -> Any:
        if options.get("use_after_commit"):
            raise error
        return log_artifact(*_, **options)

    log_artifact = wandb.Run._log_artifact
    monkeypatch.setattr(wandb.Run, "_log_artifact", refuse)
    settings = config(tmp_path)
    folder = settings.folder / "embedder"
    loggers = make_loggers(settings, "embedder", folder)
    with pytest.warns(UserWarning, match=r"run-backbone is not recorded .*wandb<0\.32"):
        log_checkpoint(loggers, settings, folder, RECORD)
    finish(loggers)
    run = read_runs(settings.folder / "wandb")["run-embedder"]
    assert list(run.logged) == ["run-embedder"] and not run.used


def test_a_run_that_logs_nothing_leaves_nothing(tmp_path: Path) -> None:
    settings = config(tmp_path)
    logger = make_wandb_logger(settings, "embedder", "train")
    assert logger is not None
    finish([logger])
    assert not (settings.folder / "wandb").exists()


def test_a_further_seed_is_made_from_the_backbone_of_the_run_above(tmp_path: Path) -> None:
    config(tmp_path)
    settings = config(tmp_path, run="run/seeds/1")
    (settings.folder / "backbone" / RECORD_FILE).unlink()  # it has none of its own
    folder = settings.folder / "embedder"
    loggers = make_loggers(settings, "embedder", folder)
    log_checkpoint(loggers, settings, folder, RECORD)
    finish(loggers)
    run = read_runs(tmp_path / "run" / "wandb")["run-seeds-1-embedder"]
    assert run.group == "run"
    assert list(run.logged) == ["run-seeds-1-embedder"]
    assert list(run.used) == ["run-backbone"]
