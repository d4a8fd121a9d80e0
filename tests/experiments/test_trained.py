"""What a run has trained is rebuilt from its records alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from flam_pl.experiments.trained_run import restore_backbone
from flam_pl.images.pixels import Preprocess
from flam_pl.models.backbone import Backbone
from flam_pl.training.records import RecordError, StageRecord

PREPROCESS = Preprocess(64, "pad")


def finished(folder: Path, net: Backbone, **architecture: Any) -> StageRecord:
    """A trained backbone stage as it is left on disk."""
    state = {f"net.{name}": value for name, value in net.state_dict().items()}
    torch.save({"state_dict": state}, folder / "best.ckpt")
    architecture |= {"preprocess": PREPROCESS.to_dict()}
    return StageRecord(
        stage="backbone",
        inputs="",
        data="",
        parent=None,
        checkpoint="",
        schema={},
        settings={},
        architecture=architecture,
        seed=0,
        metrics={},
        seconds=0.0,
        versions={},
    )


@pytest.mark.parametrize("model", ["test_resnet", "test_vit"])
@pytest.mark.parametrize("pooling", ["spoc", "mac", "gem", "cgd-SG", None])
def test_a_backbone_is_restored_with_its_pooling(
    model: str, pooling: str | None, tmp_path: Path
) -> None:
    """A record of before there was a choice names none: it was SPoC."""
    net = Backbone(model, 6, 64, pooling or "spoc").eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.01)
    named = {"pooling": pooling} if pooling else {}
    record = finished(tmp_path, net, model=model, feature_dim=6, **named)
    restored, preprocess = restore_backbone(tmp_path, record)
    pixels = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(restored(pixels), net(pixels))
    assert preprocess == PREPROCESS and not restored.training


def test_a_checkpoint_of_another_pooling_is_refused(tmp_path: Path) -> None:
    net = Backbone("test_resnet", 6, 64, "gem")
    record = finished(tmp_path, net, model="test_resnet", feature_dim=6, pooling="spoc")
    with pytest.raises(RecordError, match=r"pooling\.p"):
        restore_backbone(tmp_path, record)
