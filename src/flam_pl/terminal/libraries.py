"""Hides warnings of libraries, and keeps freed memory."""

from __future__ import annotations

import ctypes
import warnings


def quiet_libraries() -> None:
    """Hide warnings of libraries that ask nothing of the user."""
    for text in (
        ".*does not have many workers.*",
        ".*number of training batches.*smaller than the logging interval.*",
        ".*IterableDataset.*__len__.*",
        ".*Trying to infer the `batch_size`.*",
        ".*isinstance\\(treespec, LeafSpec\\).*",
        ".*in eval mode at the start of training.*",  # the frozen teacher of stage 3
        ".*Previous log files in this directory will be deleted.*",
        ".*Checkpoint directory.*exists and is not empty.*",
        ".*Precision 16-mixed is not supported.*",
        # under DDP every rank measures the whole validation split
        ".*sync_dist=True.*",
    ):
        warnings.filterwarnings("ignore", message=text)
    for category in (DeprecationWarning, FutureWarning):
        warnings.filterwarnings("ignore", category=category)


def keep_freed_memory() -> None:
    """Let glibc keep freed blocks: page faults would take half of the training time on a CPU."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another system
        return
    trim_threshold, mmap_max = -1, -4  # M_TRIM_THRESHOLD, M_MMAP_MAX of malloc.h
    mallopt(trim_threshold, 2**31 - 1)
    mallopt(mmap_max, 0)
