"""Settings that hold for every test."""

from __future__ import annotations

import os
from pathlib import Path

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


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run, ``runs/wardrobe``; tests must not change it."""
    from flam_pl.__main__ import main

    folder = tmp_path_factory.mktemp("pipeline")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_DATA_DIR", str(folder / "staged"))
        # whatever would reach for W&B's server finds a closed door
        patch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
        assert main(["train-flam", *tiny_settings(folder)]) == 0
    return folder
