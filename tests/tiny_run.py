"""Settings of a whole run on a tiny wardrobe, which takes seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

TINY = (
    "data.train_items=90",
    "data.train_photos=2",
    "data.val_items=12",
    "data.evaluation_items=30",
    "data.image_size=48",
    "data.labelled_share=1",
    "data.label_rate=1",
    "data.workers=0",
    "backbone=scratch",
    "backbone.image_size=32",
    "backbone.feature_dim=32",
    "backbone.items=10",
    "backbone.images=2",
    "backbone.max_epochs=1",
    "embedder.max_epochs=3",
    "manipulator.max_epochs=2",
    "manipulator.steps_per_epoch=15",
    "manipulator.hidden=64",
    "methods=[cls_concat,emb_concat,flam_s_adv]",
    "concat.max_epochs=3",
    "evaluation.resamples=50",
    "evaluation.examples=1",
    "evaluation.pairs=150",
    "trainer.progress=false",
    "trainer.accelerator=cpu",
    "logger.wandb=offline",
)


QUICKER = (
    "methods=[]",  # the command knows what it needs
    "concat.width=24",
    "manipulator.max_epochs=1",
    "manipulator.steps_per_epoch=5",
    "manipulator.discriminator_hidden=32",
    "scoring.others=0.2",
    "scoring.moved=0.5",
    "evaluation.examples=0",
    "evaluation.pairs=20",
    "logger.wandb=off",
)
"""For a command that trains and measures many methods."""


def settings(folder: Path, changes: Sequence[str] = ()) -> list[str]:
    """The tiny run with other settings in the place of its own; data and runs under ``folder``."""
    set_here = {change.split("=")[0] for change in changes}
    kept = [setting for setting in TINY if setting.split("=")[0] not in set_here]
    return [*kept, *changes, f"runs_dir={folder}/runs", f"data.root={folder}/wardrobe"]
