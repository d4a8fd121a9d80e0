"""Settings that hold for every test."""

from __future__ import annotations

import os

import pytest
import torch
from hypothesis import settings

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
