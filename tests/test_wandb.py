"""What a whole run leaves for W&B without a network: read back from the files that are synced."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from flam_pl.reports.wording import text_of
from wandb_files import OfflineRun, read_runs


@pytest.fixture(scope="module")
def runs(trained: Path) -> dict[str, OfflineRun]:
    """Every W&B run of the tiny run, by name."""
    return read_runs(trained / "runs" / "wardrobe" / "wandb")


def table(run: OfflineRun, key: str) -> tuple[dict, dict[str, Path]]:
    """The last table of this name, and the files that it brings, by their path in it."""
    client = [step for step in run.history if f"{key}/artifact_path" in step][-1]
    of = client[f"{key}/artifact_path"].removeprefix("wandb-client-artifact://").split("/")[0]
    (artifact,) = [a for a in run.logged.values() if a.client_id == of]
    files = {entry.path: Path(entry.local_path) for entry in artifact.manifest.contents}
    return json.loads(files[f"{key}.table.json"].read_text()), files


def test_a_stage_and_a_report_are_a_run_each_in_one_group(runs: dict[str, OfflineRun]) -> None:
    trained = ("backbone", "embedder", "manipulator")
    methods = ("cls_concat", "emb_concat", "flam_s_adv")
    assert {f"wardrobe-{name}" for name in (*trained, *methods, "report")} <= set(runs)
    assert {run.group for run in runs.values()} == {"wardrobe"}
    for name, run in runs.items():
        assert run.job_type == ("evaluate" if "report" in name else "train")


def test_losses_and_figures_are_those_of_the_csv_log(
    runs: dict[str, OfflineRun], trained: Path
) -> None:
    log = trained / "runs" / "wardrobe" / "manipulator" / "logs" / "metrics.csv"
    columns = set(log.read_text().splitlines()[0].split(",")) - {"step"}
    seen = {key for step in runs["wardrobe-manipulator"].history for key in step}
    assert columns <= seen
    assert {"train/g_cycle", "val/T@10", "val/cosine_edited"} <= columns


def test_each_validation_shows_the_searches(runs: dict[str, OfflineRun], trained: Path) -> None:
    history = runs["wardrobe-manipulator"].history
    validations = sum("val/searches/filenames" in step for step in history)
    assert validations == sum("val/T@10" in step for step in history) == 3  # 2 epochs, the best
    folder = trained / "runs" / "wardrobe" / "wandb"
    pictures = [*folder.glob("*/files/media/images/val/searches_*.png")]
    assert {path.stat().st_size > 5000 for path in pictures} == {True}
    assert len(pictures) % validations == 0  # other methods have pictures of their own


@pytest.mark.parametrize(
    ("stage", "place", "parent"),
    [
        ("backbone", "backbone", None),
        ("embedder", "embedder", "backbone"),
        ("manipulator", "manipulator", "embedder"),
        ("flam_s_adv", "methods/flam_s_adv", "embedder"),
        ("cls_concat", "methods/cls_concat", "backbone"),
    ],
)
def test_a_checkpoint_is_an_artifact_that_names_its_parent(
    stage: str, place: str, parent: str | None, runs: dict[str, OfflineRun], trained: Path
) -> None:
    run, folder = runs[f"wardrobe-{stage}"], trained / "runs" / "wardrobe" / place
    artifact = run.logged[f"wardrobe-{stage}"]
    assert artifact.type == "model"
    record = json.loads((folder / "stage.json").read_text())
    del record["sha256"]  # of the file's other content
    assert json.loads(artifact.metadata) == record
    (file,) = artifact.manifest.contents
    assert file.path == "best.ckpt"
    # a copy: a later training would replace the file itself
    assert not file.local_path.startswith(str(trained / "runs"))
    assert Path(file.local_path).read_bytes() == (folder / "best.ckpt").read_bytes()
    assert list(run.used) == ([f"wardrobe-{parent}"] if parent else [])
    if parent:  # W&B takes equal names and digests for one version
        logged = runs[f"wardrobe-{parent}"].logged[f"wardrobe-{parent}"]
        assert run.used[f"wardrobe-{parent}"].digest == logged.digest


def test_the_report_comes_with_what_it_was_made_from(
    runs: dict[str, OfflineRun], trained: Path
) -> None:
    run, report = runs["wardrobe-report"], trained / "runs" / "wardrobe" / "report"
    metrics = json.loads((report / "metrics.json").read_text())
    assert set(run.used) == {"wardrobe-backbone", "wardrobe-embedder", "wardrobe-manipulator"}
    assert run.summary["flam/T@10"] == metrics["edits"]["flam"]["all"]["T@10"]["value"]
    assert run.summary["flam/CF@10"] == metrics["counterfactual"]["flam"]["CF@10"]["value"]
    assert run.summary["flam/R@1"] == metrics["instance"]["R@1"]["value"]
    edits, _ = table(run, "report/edits_color")
    assert edits["columns"][:2] == ["method", "T@1"] and "P@10" in edits["columns"]
    assert len(edits["data"]) == len(metrics["edits"])
    [flam] = [row for row in edits["data"] if row[0] == "FLAM"]
    of = metrics["edits"]["flam"]["color"]["T@1"]
    assert flam[1] == text_of(of["value"], low=of["low"], high=of["high"])
    counterfactual = table(run, "report/counterfactual")[0]["data"]
    assert len(counterfactual) == len(metrics["counterfactual"]) == len(metrics["edits"])
    assert len(table(run, "report/instance")[0]["data"]) == len(metrics["instance_by_method"])
    pictures = {key.split("/")[1] for step in run.history for key in step if "edits-" in key}
    assert pictures == {"edits-1", "edits-2", "edits-3"}


def test_a_copied_checkpoint_opens(runs: dict[str, OfflineRun]) -> None:
    (file,) = runs["wardrobe-embedder"].logged["wardrobe-embedder"].manifest.contents
    assert torch.load(file.local_path, weights_only=True)["state_dict"]
