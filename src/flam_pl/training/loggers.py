"""Loggers: CSV, and Weights & Biases (W&B), where each stage and each evaluation is a run."""

from __future__ import annotations

import configparser
import netrc
import os
import re
import socket
import sys
import warnings
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import SplitResult, urlsplit

from pytorch_lightning.loggers import CSVLogger, Logger, WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from flam_pl.config.root import Config, to_plain
from flam_pl.training.records import CHECKPOINT, STAGES, StageRecord

METRICS = "metrics.csv"


def make_loggers(config: Config, stage: str, folder: Path) -> list[Logger]:
    wandb = make_wandb_logger(config, stage, "train")
    return [CSVLogger(str(folder), name="", version="logs"), *([wandb] if wandb else [])]


def make_wandb_logger(config: Config, name: str, job_type: str) -> WandbLogger | None:
    """A logger whose W&B run opens at the first log; None if W&B is off."""
    mode = wandb_mode(config.logger.wandb)
    if mode is None:
        return None
    run = PurePath(config.name).parts[0]  # <run>/seeds/1 belongs to the group <run>
    folder = Path(config.runs_dir) / run
    folder.mkdir(parents=True, exist_ok=True)
    return WandbLogger(
        name=plain(f"{config.name}-{name}"),
        group=run,
        job_type=job_type,
        project=config.logger.project,
        save_dir=str(folder),
        config=to_plain(config),
        mode=mode,  # offline=True would set WANDB_MODE for the whole process
    )


def wandb_of(loggers: Sequence[Logger]) -> WandbLogger | None:
    return next((logger for logger in loggers if isinstance(logger, WandbLogger)), None)


@rank_zero_only
def log_checkpoint(
    loggers: Sequence[Logger], config: Config, folder: Path, record: StageRecord
) -> None:
    """Log a stage's checkpoint as a W&B artifact, and its parent's as an input."""
    logger = wandb_of(loggers)
    if logger is not None and config.logger.artifacts:
        logger.experiment.log_artifact(checkpoint_artifact(config.name, folder, record))
        use_checkpoints(logger, config, [record.parent])


def use_checkpoints(
    logger: WandbLogger, config: Config, checkpoints: Collection[str | None]
) -> None:
    """Record the input checkpoints (SHA-256) of a W&B run."""
    if not config.logger.artifacts:
        return
    # a further seed, <run>/seeds/1, is made from the backbone of the run above it
    for name in (config.name, *map(str, PurePath(config.name).parents[:-1])):
        for stage in STAGES:
            folder = Path(config.runs_dir) / name / stage
            record = StageRecord.intact(folder)
            if record and record.checkpoint in checkpoints:
                # W&B finds the logged version by its content
                _use(logger.experiment, checkpoint_artifact(name, folder, record, copied=False))


def _use(run: Any, artifact: Any) -> None:
    # the public use_artifact refuses offline and waits for the server online (wandb 0.31);
    # setup.cfg bounds wandb to versions that have the private method
    try:
        run._log_artifact(artifact, is_user_created=True, use_after_commit=True)
    except (AttributeError, TypeError) as error:
        warnings.warn(
            f"W&B: {artifact.name} is not recorded as what the run was made from ({error}): that "
            "needs wandb<0.32. All else is logged.",
            stacklevel=2,
        )


def checkpoint_artifact(run: str, folder: Path, record: StageRecord, copied: bool = True) -> Any:
    """The W&B model ``<run>-<stage>``; ``copied``: W&B keeps a copy until the upload."""
    from wandb import Artifact

    numbers = {key: value for key, value in record.metrics.items() if value == value}
    metadata = asdict(record) | {"metrics": numbers}  # JSON has no nan
    artifact = Artifact(plain(f"{run}-{record.stage}"), "model", metadata=metadata)
    file = str((folder / CHECKPOINT).resolve())  # synced from anywhere
    artifact.add_file(file, name=CHECKPOINT, policy="mutable" if copied else "immutable")
    return artifact


def plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", name)


def finish(loggers: Sequence[Logger]) -> None:
    for logger in loggers:
        logger.finalize("success")
    if "wandb" in sys.modules and wandb_of(loggers):
        sys.modules["wandb"].finish()


def csv_text(loggers: Sequence[Logger]) -> str:
    for logger in loggers:
        if isinstance(logger, CSVLogger):
            logger.save()
            file = Path(logger.log_dir) / METRICS
            return file.read_bytes().decode() if file.is_file() else ""
    return ""


@rank_zero_only
def restore_csv(loggers: Sequence[Logger], text: str) -> None:
    """Write ``text`` back into the CSV log, which a new logger has emptied."""
    for logger in loggers:
        if isinstance(logger, CSVLogger) and text:
            logger.experiment.metrics_keys = text.splitlines()[0].split(",")
            (Path(logger.log_dir) / METRICS).write_bytes(text.encode())


def wandb_mode(wanted: str) -> str | None:
    """online, offline or None (no W&B); waits 3 s at most, asks nothing."""
    forced = os.environ.get("WANDB_MODE")
    if wanted == "off" or forced == "disabled":
        return None
    if wanted == "offline" or forced == "offline":
        return "offline"
    if not logged_in():
        if wanted == "auto":
            return None
        warnings.warn("W&B: not logged in (wandb login), logging offline", stacklevel=2)
        return "offline"
    server = wandb_server()
    try:
        port = server.port or (80 if server.scheme == "http" else 443)
        socket.create_connection((server.hostname or "", port), timeout=3).close()
    except (OSError, ValueError):
        warnings.warn(f"W&B: {server.netloc} cannot be reached, logging offline", stacklevel=2)
        return "offline"
    return "online"


def logged_in() -> bool:
    """Whether W&B finds a key for the server."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    standard = Path("~/.netrc").expanduser()
    file = os.environ.get("NETRC") or (standard if standard.exists() else "~/_netrc")
    try:
        keys = netrc.netrc(Path(file).expanduser())
    except (OSError, ValueError, netrc.NetrcParseError):
        return False
    return keys.authenticators(wandb_server().netloc) is not None


def wandb_server() -> SplitResult:
    """``$WANDB_BASE_URL``, else what ``wandb login --host`` or ``wandb init`` stored."""
    stored = configparser.ConfigParser(interpolation=None)
    folders = os.environ.get("WANDB_CONFIG_DIR", "~/.config/wandb"), "wandb"
    with suppress(configparser.Error, ValueError):
        stored.read([Path(folder).expanduser() / "settings" for folder in folders])
    default = stored.get("default", "base_url", fallback="https://api.wandb.ai")
    url = os.environ.get("WANDB_BASE_URL", default)
    return urlsplit(url if "//" in url else f"//{url}")
