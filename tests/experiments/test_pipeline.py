"""The whole pipeline on a tiny wardrobe: stages, hand-off, report, another catalogue."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image, ImageOps

from flam_pl.__main__ import main
from flam_pl.datasets.wardrobe.garment import PRESERVED_ATTRIBUTES, SCHEMA
from flam_pl.evaluation.oracle import ORACLE
from flam_pl.galleries.base import Gallery
from flam_pl.methods.registry import looks
from flam_pl.reports.measurements import PARTS, display_name
from flam_pl.retrieval.retriever import Retriever
from flam_pl.retrieval.vectors import SearchVectors
from flam_pl.training import backbone_module
from tiny_run import QUICKER, settings

METHODS = {"no_edit", "arithmetic", "slerp", "cls_concat", "emb_concat", "flam_s_adv", "flam"}
ROWS = {*METHODS, *(f"{name}+posteriors" for name in METHODS), "filter"}
"""Every row of the tables: each method by the cosine alone, and scored by the run's classifiers;
the filter. A search that knows the labels stands beside them."""
KS = (1, 5, 10, 20, 50)  # 100 is more than half of the gallery, and left out


def metrics(report: Path) -> dict:
    return json.loads((report / "metrics.json").read_text())


def test_metrics_hold_every_value_with_its_interval(trained: Path) -> None:
    found = metrics(trained / "runs" / "wardrobe" / "report")
    assert found["format"] == 2 and {*PARTS, "instance", "counts", "methods"} <= set(found)
    for part in ("edits", "counterfactual", "preservation", "ndcg"):
        assert set(found[part]) == {*ROWS, ORACLE}
        assert list(found[part])[-1] == ORACLE
        # what searches stands last of what can be searched with
        assert list(found[part])[-2] == found["best"] == found["scoring"]["best"]
    for k in (1, 5, 20):
        known, plain = (found["counterfactual"][m][f"CF@{k}"] for m in (ORACLE, "no_edit"))
        assert known["value"] > plain["value"]  # in the same order, less what is not wanted
    of_edits = [f"{name}@{k}" for name in ("T", "P", "as_it_was", "utility") for k in KS]
    only_all = [f"{name}@{k}" for name in ("kept_of_wanted", "NDCG") for k in KS]
    for of_method in found["edits"].values():
        assert set(of_method) == {"all", "shape", "color", "pattern", "macro"}
        assert list(of_method["all"]) == of_edits + only_all
        assert list(of_method["macro"]) == [f"T@{k}" for k in KS]
        assert of_method["macro"]["T@1"]["n"] == found["counts"]["edits"]
        for group in ("all", "shape", "color", "pattern"):
            values = {name: of for name, of in of_method[group].items() if name in of_edits}
            assert list(values) == of_edits
            for name, of in values.items():
                assert 0 <= of["low"] <= of["high"] <= 1 and 0 <= of["value"] <= 1
                assert of["n"] == values["T@1"]["n"] > 0
                assert name.startswith("utility") or of["low"] <= of["value"]
    known = found["edits"][ORACLE]["all"]
    assert known["T@1"]["value"] == known["P@1"]["value"] == 1
    assert known["utility@1"]["value"] == pytest.approx(1)
    # scoring finds more photos of the wanted class than the cosine alone, in the mean: a method may
    # exchange some for results that keep more (its objective rises, see test_model_selection.py)
    gains = [
        found["edits"][f"{m}+posteriors"]["all"]["P@10"]["value"]
        - found["edits"][m]["all"]["P@10"]["value"]
        for m in METHODS
    ]
    assert np.mean(gains) > 0.05
    for method in METHODS:
        of_instance = found["instance_by_method"]
        assert of_instance[f"{method}+posteriors"] == of_instance[method]
        tail = sum(len(classes) for classes in SCHEMA.classes.values())
        dimensions = [found["dimensions"][m] for m in (method, f"{method}+posteriors")]
        assert dimensions[1] == dimensions[0] + tail
    for row in ROWS:
        assert list(found["preservation"][row]) == [*PRESERVED_ATTRIBUTES]
        for values in found["preservation"][row].values():
            assert list(values) == [f"kept_of_wanted@{k}" for k in KS]
        of_all = {k: of for k, of in found["edits"][row]["all"].items() if k.startswith("NDCG")}
        kinds = {"all": of_all, **found["ndcg"][row]}
        assert list(kinds) == ["all", "target", "other"]
        for values in kinds.values():
            assert list(values) == [f"NDCG@{k}" for k in KS]
            assert all(0 < of["value"] <= 1 for of in values.values())
            assert values["NDCG@1"]["n"] == found["counts"]["edits"]
    # the plain search keeps the other attributes better than it finds the wanted one
    plain = found["ndcg"]["no_edit"]
    assert plain["other"]["NDCG@1"]["value"] > plain["target"]["NDCG@1"]["value"]
    # the types together are all edits
    counts = [found["edits"]["flam"][t]["T@1"]["n"] for t in ("shape", "color", "pattern")]
    assert sum(counts) == found["edits"]["flam"]["all"]["T@1"]["n"] == found["counts"]["edits"]
    assert found["counts"]["impossible_edits"] > 0
    assert found["instance"]["R@1"]["n"] == 60  # 30 evaluation items x 2 consumer photos
    assert found["instance"] == found["instance_by_method"]["no_edit"]
    assert found["counts"]["instance_queries"] == 60
    assert {"backbone", "features", "embedder", "manipulator"} <= set(found["seconds"])
    assert torch.__version__.startswith(found["versions"]["torch"])
    assert found["training"]["cosine_recovered"] is not None


def test_metrics_hold_pairs_strengths_depths_and_changes(trained: Path) -> None:
    found = metrics(trained / "runs" / "wardrobe" / "report")
    best, pairs = found["best"], {"all", "shape + color", "shape + pattern", "color + pattern"}
    assert set(found["double_edits"]) == ROWS
    for of_method in found["double_edits"].values():
        assert set(of_method) == pairs and of_method["all"]["T@1"]["n"] == 150
        assert sum(of_method[p]["T@1"]["n"] for p in pairs - {"all"}) == 150
    # each method by the cosine alone, and what searches
    assert set(found["by_strength"]) == {*METHODS, best} - {"no_edit"}
    for of_method in found["by_strength"].values():
        assert list(of_method) == ["0", "0.25", "0.5", "0.75", "1"]
        assert of_method["0"]["cosine_to_query"]["value"] == pytest.approx(1, abs=1e-5)
        assert list(of_method["1"]) == [
            *("wanted_first", "cosine_to_query", "T@10", "P@10", "as_it_was@10", "utility@10"),
        ]
    # without an edit all search alike, where the gallery vectors are the stored features
    plain = {name: of["0"]["T@10"] for name, of in found["by_strength"].items()}
    assert plain["arithmetic"] == plain["flam"] == plain["flam_s_adv"]
    assert set(found["depth"]) == {f"{m}+posteriors" for m in METHODS if m != "flam_s_adv"}
    for name, of_row in found["depth"].items():
        assert list(of_row) == ["50", "100", "all"]  # as many as there are photos
        for k in ("T@1", "T@50", "P@10"):
            assert of_row["all"][k]["value"] == found["edits"][name]["all"][k]["value"]
    assert set(found["ratio"]) == ROWS and set(found["change"]) == ROWS
    for name, of_method in found["ratio"].items():
        assert set(of_method) == {"cls_concat", "emb_concat"}
        for reference, values in of_method.items():
            own, other = (found["edits"][m]["all"]["T@10"]["value"] for m in (name, reference))
            assert values["T@10"]["value"] == pytest.approx(own / other)
    for name, change in found["change"].items():
        for measure, of in change.items():
            place = found["counterfactual" if measure.startswith("CF") else "edits"]
            own, other = (place[m].get("all", place[m])[measure]["value"] for m in (name, best))
            assert of["value"] == pytest.approx(own - other)
    accuracy = found["classification"]
    changes = [
        accuracy["manipulated"][t]["value"] - accuracy["original"][t]["value"]
        for t in ("shape", "color", "pattern")
    ]
    mean = accuracy["manipulated"]["mean change"]
    assert mean["value"] == pytest.approx(np.mean(changes)) and mean["low"] is None


def test_the_report_has_pictures_a_page_and_tables(trained: Path) -> None:
    report = trained / "runs" / "wardrobe" / "report"
    page, tables = (report / "index.html").read_text(), (report / "tables.md").read_text()
    for picture in ("precision_and_hits", "candidates", "training-manipulator"):
        assert (report / "figures" / f"{picture}.png").stat().st_size > 1000
        assert f"figures/{picture}.png" in page
    for number in (1, 2, 3):
        assert (report / "figures" / f"edits-{number}.png").stat().st_size > 1000
    searches = json.loads((report / "searches.json").read_text())
    assert {search["type"] for search in searches} == {"shape", "color", "pattern"}
    # once each, and the first one of each type by every method without posteriors
    plain = {display_name(name, looks()) for name in METHODS}
    assert {search["method"] for search in searches} >= plain
    assert "http" not in page  # shown without a network
    for words in ("no edit", "## NDCG@10 by attribute", "## Two edits at once", "## Calibration"):
        assert words in tables


def test_checkpoints_hold_only_tensors_and_plain_types(trained: Path) -> None:
    for stage in ("backbone", "embedder", "manipulator"):
        folder = trained / "runs" / "wardrobe" / stage
        opened = torch.load(folder / "best.ckpt", weights_only=True)
        assert opened["state_dict"]
        record = json.loads((folder / "stage.json").read_text())
        assert record["schema"]["shape"][0] == "t-shirt"


def test_every_validation_logs_what_tells_a_collapse(trained: Path) -> None:
    log = trained / "runs" / "wardrobe" / "manipulator" / "logs" / "metrics.csv"
    columns = log.read_text().splitlines()[0].split(",")
    losses = ["d_adversarial", "d_matching", "g_adversarial", "g_matching", "g_cycle"]
    seen = ["cosine_edited", "cosine_recovered", "d_real", "d_fake", "T@20", "no_edit/T@20"]
    expected = {f"train/{name}" for name in losses} | {f"val/{name}" for name in seen}
    assert expected <= set(columns)


def test_a_second_run_trains_and_extracts_nothing(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained / "runs" / "wardrobe"
    before = {p: p.stat().st_mtime_ns for p in run.glob("*/best.ckpt")}
    before |= {p: p.stat().st_mtime_ns for p in run.glob("features/*")}
    assert len(before) == 6
    assert main(["train-flam", *settings(trained)]) == 0
    said = capsys.readouterr().out
    assert said.count("up to date, nothing to train") == 6
    assert "nothing to extract" in said
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_evaluate_repeats_the_run_s_own_figures(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained / "runs" / "wardrobe"
    before = metrics(run / "report")
    indexed: list[str] = []

    class Counted(Retriever):
        def __init__(self, vectors: SearchVectors, gallery: Gallery) -> None:
            indexed.append(vectors.name)
            super().__init__(vectors, gallery)

    monkeypatch.setattr("flam_pl.reports.report.Retriever", Counted)
    assert main(["evaluate", f"runs_dir={trained}/runs"]) == 0
    assert metrics(run / "report")["edits"] == before["edits"]
    # once each, for all pictures; what searches last
    assert set(indexed) == {*METHODS, before["best"]}
    assert len(indexed) == len(METHODS) + 1 and indexed[-1] == before["best"]


def test_another_catalogue_is_evaluated_whole_and_beside(trained: Path, tmp_path: Path) -> None:
    """Its own report; every image that carries all labels is query and gallery."""
    # in a copy: the shared run gets no further report
    run = tmp_path / "runs" / "wardrobe"
    shutil.copytree(trained / "runs", run.parent, ignore=shutil.ignore_patterns("wandb", "logs"))
    before = (run / "report" / "metrics.json").read_bytes()
    other = ["data.seed=7", f"data.root={tmp_path}/other", "data.train_items=1"]
    asked = ["evaluate", f"runs_dir={run.parent}", *other]
    assert main(asked) == 1  # other data, but no name for its report
    assert main([*asked, "report=other"]) == 0
    found = metrics(run / "report-other")
    assert found["counts"]["edit_queries"] == 2 + 12 * 4 + 30 * 4
    assert found["counts"]["gallery"] == found["counts"]["edit_queries"] + (12 + 30) * 2
    assert set(found["edits"]) == {*ROWS, ORACLE}
    assert found["scoring"] == metrics(run / "report")["scoring"]  # nothing is chosen there
    assert (run / "report" / "metrics.json").read_bytes() == before


def test_copied_photos_train_and_extract_nothing_and_a_changed_one_does(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(trained, folder)
    for image in (folder / "wardrobe" / "images").rglob("*.jpg"):
        os.utime(image, (1, 1))
    assert main(["train-backbone", *settings(folder)]) == 0
    said = capsys.readouterr().out
    assert "backbone: up to date" in said and "features: nothing to extract" in said
    store = folder / "runs" / "wardrobe" / "features" / "features.npy"
    before = np.load(store)
    image = next((folder / "wardrobe" / "images" / "train").glob("*.jpg"))
    other = next((folder / "wardrobe" / "images" / "evaluation").glob("*.jpg"))
    shutil.copy(other, image)
    # the backbone's training set changed with it: it is trained again, then extracted again
    assert main(["train-backbone", *settings(folder)]) == 0
    assert not np.array_equal(np.load(store), before)


def test_a_changed_photo_of_a_frozen_backbone_is_the_only_one_that_is_extracted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frozen = ("backbone.max_epochs=0", "backbone.whitening=null", *QUICKER)
    assert main(["train-backbone", *settings(tmp_path, frozen)]) == 0
    store = tmp_path / "runs" / "wardrobe" / "features" / "features.npy"
    before = np.load(store)
    image = next((tmp_path / "wardrobe" / "images" / "train").glob("*.jpg"))
    ImageOps.flip(Image.open(image)).save(image)
    capsys.readouterr()
    assert main(["train-backbone", *settings(tmp_path, frozen)]) == 0
    said = capsys.readouterr().out
    assert f"features: {len(before) - 1} reused, 1 extracted" in said and "images: " in said
    assert (np.load(store) != before).any(axis=1).sum() == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train-flam", "data=fashion_products"], "data.root"),
        (["train-flam", "data=fashion_products", "data.root=/nowhere"], "/nowhere"),
        (["train-flam", "embedder.margn=1"], "margn"),
        (["train-flam", "data=wardrob"], "wardrob"),
        (["evaluate", "run=never-trained"], "never-trained"),
        (["train-flam", "backbone.model=resnet_of_nobody"], "resnet_of_nobody"),
    ],
)
def test_bad_input_gets_one_clear_message(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["data.train_items=60", "data.val_items=3", "data.evaluation_items=3"]
    own = "data=" in " ".join(arguments)
    extra = [] if own else [f"data.root={tmp_path}/w", *small, "data.labelled_share=1"]
    assert main([*arguments, f"runs_dir={tmp_path}", *extra, "logger.wandb=off"]) == 1
    errors = capsys.readouterr().err
    assert said in errors
    assert "Traceback" not in errors
    assert errors.count("error:") == 1


def test_a_checkpoint_that_was_changed_is_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(trained / "runs", folder)
    checkpoint = folder / "wardrobe" / "embedder" / "best.ckpt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    assert main(["evaluate", f"runs_dir={folder}"]) == 1
    assert "embedder/best.ckpt" in capsys.readouterr().err


def test_unknown_command_lists_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == 2
    assert "train-flam" in capsys.readouterr().err
    assert main([]) == 0
    assert "verify-data" in capsys.readouterr().out


@pytest.mark.parametrize("sample", [100, 4096])
def test_a_trained_backbone_is_whitened_by_training_photos_alone(
    sample: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their features, or those of the drawn ones, come out centred; held-out ones need not."""
    monkeypatch.setattr(backbone_module, "SAMPLE", sample)
    options = ["backbone.whitening=1", "backbone.feature_dim=8", "backbone.dtype=float32"]
    assert main(["train-backbone", *settings(tmp_path), *options]) == 0
    run = tmp_path / "runs" / "wardrobe"
    features = np.load(run / "features" / "features.npy")
    table = pd.read_csv(tmp_path / "wardrobe" / "catalog.csv")
    rows = np.flatnonzero(table["split"] == "train")
    others = np.flatnonzero(table["split"] != "train")
    if sample < len(rows):
        rows = np.random.default_rng(0).choice(rows, sample, replace=False)
    np.testing.assert_allclose(features[rows].mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(np.cov(features[rows].T, bias=True), np.eye(8), atol=0.05)
    assert np.abs(features[others].mean(axis=0)).max() > 0.1
    record = json.loads((run / "backbone" / "stage.json").read_text())
    assert record["architecture"]["whitening"] == 1 and record["metrics"]["val/R@1"] > 0
