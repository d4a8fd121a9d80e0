"""What a run has trained is opened only where it fits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from attribute_world import SCHEMA
from flam_pl.experiments.trained_run import method_records
from flam_pl.training.records import StageRecord


def record(stage: str, data: str, parent: str | None) -> StageRecord:
    return StageRecord(
        stage=stage,
        inputs="",
        data=data,
        parent=parent,
        checkpoint=f"sha of {stage}",
        schema=SCHEMA.to_dict(),
        settings={},
        architecture={},
        seed=0,
        metrics={},
        seconds=0.0,
        versions={},
    )


def test_a_method_that_was_trained_on_another_split_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A frozen backbone's checkpoint stays the same when the split is drawn anew: what was
    training then may be evaluated now."""
    (tmp_path / "cls_concat").mkdir()
    present = {
        "backbone": record("backbone", "split 2", None),
        "embedder": record("embedder", "split 2", "sha of backbone"),
    }
    method = record("cls_concat", "split 1", "sha of backbone")
    method.save(tmp_path / "cls_concat")
    monkeypatch.setattr(
        "flam_pl.experiments.trained_run.require", lambda folder, stage: StageRecord.load(folder)
    )
    assert method_records(tmp_path, present) == {}
    assert "cls_concat: trained on other labels or another split" in capsys.readouterr().out
    fitting = replace(method, data="split 2")
    fitting.save(tmp_path / "cls_concat")
    assert method_records(tmp_path, present) == {"cls_concat": fitting}
    # what the settings name counts: experiment=paper leaves every other method out
    assert method_records(tmp_path, present, names=["flam_plus"]) == {}


def test_a_method_with_embedders_of_its_own_must_fit_them_and_they_the_backbone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """FLAM+ does not depend on the run's embedders, which may be trained anew."""
    present = {
        "backbone": record("backbone", "split", None),
        "embedder": replace(record("embedder", "split", "sha of backbone"), checkpoint="another"),
    }
    own = replace(record("embedder", "split", "sha of backbone"), checkpoint="sha of its own")
    method = record("flam_plus", "split", "sha of its own")
    (tmp_path / "flam_plus" / "embedder").mkdir(parents=True)
    monkeypatch.setattr(
        "flam_pl.experiments.trained_run.require", lambda folder, stage: StageRecord.load(folder)
    )
    for of_method, of_embedder, fits in (
        (method, own, True),
        (replace(method, parent="an earlier one"), own, False),
        (method, replace(own, parent="another backbone"), False),
    ):
        of_method.save(tmp_path / "flam_plus")
        of_embedder.save(tmp_path / "flam_plus" / "embedder")
        assert list(method_records(tmp_path, present)) == (["flam_plus"] if fits else [])
        assert ("flam_plus: trained on another" in capsys.readouterr().out) != fits
