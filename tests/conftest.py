"""Settings that hold for every test."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

from tiny_run import settings as tiny_settings

# deterministic, and never a timing failure on a busy machine
settings.register_profile("steady", deadline=None, derandomize=True, database=None)
settings.load_profile("steady")

os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Tiny tensors are faster, and sums repeatable, without a pool of threads."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def wandb_alone(tmp_path_factory: pytest.TempPathFactory) -> None:
    """W&B, and the process that it starts, find a closed door, and write to no home."""
    os.environ["WANDB_BASE_URL"] = "http://127.0.0.1:9"
    os.environ["WANDB_DATA_DIR"] = str(tmp_path_factory.mktemp("wandb"))
    os.environ["WANDB_X_SAVE_REQUIREMENTS"] = "false"  # two seconds per run


def refuse_the_network(own: socket.socket, address: Any) -> None:
    """``socket.connect``, but only to this machine."""
    if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise AssertionError(f"the network was asked: {address}")
    CONNECT(own, address)


CONNECT = socket.socket.connect


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, wandb_alone: None) -> Path:
    """A folder with a finished run, ``runs/wardrobe``, made without a network; tests must not
    change it."""
    from flam_pl.__main__ import main

    folder = tmp_path_factory.mktemp("pipeline")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse_the_network)
        assert main(["train-flam", *tiny_settings(folder)]) == 0
    return folder
