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
from flam_pl.datasets.wardrobe.garment import KEPT_TRAITS, SCHEMA
from flam_pl.galleries.base import Gallery
from flam_pl.reports.tables import called
from flam_pl.retrieval.retriever import Retriever
from flam_pl.retrieval.vectors import SearchVectors
from flam_pl.training import whitening
from tiny_run import QUICKER, settings

METHODS = {"no_edit", "arithmetic", "slerp", "cls_concat", "emb_concat", "flam_s_adv", "flam"}
ROWS = {*METHODS, *(f"{name}+posteriors" for name in METHODS), "filter"}
"""Every row of the tables: each method by the cosine alone, and scored by the run's classifiers;
the filter. A search that knows the labels stands beside them."""
KS = (1, 5, 10, 20, 50, 100)


def metrics(report: Path) -> dict:
    return json.loads((report / "metrics.json").read_text())


def test_report_holds_every_figure_with_its_interval(trained: Path) -> None:
    report = trained / "runs" / "wardrobe" / "report"
    found = metrics(report)
    for part in ("fam", "macro", "counterfactual", "kept", "ndcg"):
        assert set(found[part]) == {*ROWS, "oracle"}
        assert list(found[part])[-1] == "oracle"
        # what searches stands last of what can be searched with
        assert list(found[part])[-2] == found["best"] == found["scoring"]["best"]
    for k in (1, 5, 20):
        known, plain = (found["counterfactual"][m][f"CF@{k}"] for m in ("oracle", "no_edit"))
        assert known["value"] > plain["value"]  # in the same order, less what is not wanted
    for of_method in found["fam"].values():
        assert set(of_method) == {"all", "shape", "color", "pattern"}
        for figures in of_method.values():
            assert list(figures) == [
                f"{name}@{k}" for name in ("T", "P", "as_it_was", "utility") for k in KS
            ]
            for name, figure in figures.items():
                assert 0 <= figure["low"] <= figure["high"] <= 1 and 0 <= figure["value"] <= 1
                assert figure["n"] == figures["T@1"]["n"] > 0
                assert name.startswith("utility") or figure["low"] <= figure["value"]
    for of_method in found["macro"].values():
        assert list(of_method) == [f"T@{k}" for k in KS]
        assert of_method["T@1"]["n"] == found["edits"]["evaluated"]
    known = found["fam"]["oracle"]["all"]
    assert known["T@1"]["value"] == known["P@1"]["value"] == 1
    assert known["utility@1"]["value"] == pytest.approx(1)
    # scoring finds more photos of the wanted class than the cosine alone
    for method in METHODS:
        plain, scored = (found["fam"][m]["all"] for m in (method, f"{method}+posteriors"))
        assert scored["P@10"]["value"] > plain["P@10"]["value"]
        assert found["fir_by_method"][f"{method}+posteriors"] == found["fir_by_method"][method]
        tail = sum(len(classes) for classes in SCHEMA.classes.values())
        dimensions = [found["dimensions"][m] for m in (method, f"{method}+posteriors")]
        assert dimensions[1] == dimensions[0] + tail
    for row in ROWS:
        of_traits = found["kept"][row]
        assert list(of_traits) == ["mean", *KEPT_TRAITS]
        for figures in of_traits.values():
            assert list(figures) == [f"kept_of_wanted@{k}" for k in KS]
        ndcg = found["ndcg"][row]
        assert list(ndcg) == ["all", "target", "other"]
        for figures in ndcg.values():
            assert list(figures) == [f"NDCG@{k}" for k in KS]
            assert all(0 < figure["value"] <= 1 for figure in figures.values())
            assert figures["NDCG@1"]["n"] == found["edits"]["evaluated"]
    # the plain search keeps the other attributes better than it finds the wanted one
    plain = found["ndcg"]["no_edit"]
    assert plain["other"]["NDCG@1"]["value"] > plain["target"]["NDCG@1"]["value"]
    # the types together are all edits
    counts = [found["fam"]["flam"][t]["T@1"]["n"] for t in ("shape", "color", "pattern")]
    assert sum(counts) == found["fam"]["flam"]["all"]["T@1"]["n"] == found["edits"]["evaluated"]
    assert found["edits"]["impossible"] > 0
    pairs = {"all", "shape + color", "shape + pattern", "color + pattern"}
    assert set(found["fam_pairs"]) == ROWS
    for of_method in found["fam_pairs"].values():
        assert set(of_method) == pairs and of_method["all"]["T@1"]["n"] == 150
        assert sum(of_method[p]["T@1"]["n"] for p in pairs - {"all"}) == 150
    # each method by the cosine alone, and what searches
    assert set(found["by_strength"]) == {*METHODS, found["best"]} - {"no_edit"}
    for of_method in found["by_strength"].values():
        assert list(of_method) == ["0", "0.25", "0.5", "0.75", "1"]
        assert of_method["0"]["cosine_to_query"]["value"] == pytest.approx(1, abs=1e-5)
        assert list(of_method["1"]) == [
            "wanted_first", "cosine_to_query", "T@10", "P@10", "as_it_was@10", "utility@10",
        ]  # fmt: skip
    # without an edit all search alike, where the gallery vectors are the stored features
    asked = {name: of["0"]["T@10"] for name, of in found["by_strength"].items()}
    assert asked["arithmetic"] == asked["flam"] == asked["flam_s_adv"]
    depths = [f"{m}+posteriors" for m in METHODS if m != "flam_s_adv"]
    assert set(found["by_depth"]) == {*depths}
    for name, of_row in found["by_depth"].items():
        assert list(of_row) == ["50", "100", "all"]  # as many as there are photos
        for k in ("T@1", "T@50", "P@10"):
            assert of_row["all"][k]["value"] == found["fam"][name]["all"][k]["value"]
    assert set(found["fam_ratio"]) == {"cls_concat", "emb_concat"}
    for changes, figures in (
        (found["fam_change"], {n: of["all"] for n, of in found["fam"].items()}),
        (found["counterfactual_change"], found["counterfactual"]),
    ):
        assert set(changes) == {found["best"]}
        for name, change in changes[found["best"]].items():
            for figure, of in change.items():
                alone, best = (figures[n][figure]["value"] for n in (name, found["best"]))
                assert of["value"] == pytest.approx(alone - best)
    assert found["fir"]["R@1"]["n"] == 60  # 30 evaluation items x 2 consumer photos
    assert {"backbone", "features", "embedder", "manipulator"} <= set(found["seconds"])
    assert torch.__version__.startswith(found["versions"]["torch"])
    assert found["training"]["cosine_recovered"] is not None
    page = (report / "index.html").read_text()
    for picture in (
        "edits-shape",
        "edits-color",
        "edits-pattern",
        "methods-color",
        "precision-and-hits",
        "candidates",
        "training-manipulator",
    ):
        assert (report / "figures" / f"{picture}.png").stat().st_size > 1000
        assert f"figures/{picture}.png" in page
    assert "http" not in page  # shown without a network
    tables = (report / "tables.md").read_text()
    for words in (
        "no edit",
        "## Kept traits\n",
        "## NDCG, target attribute\n",
        "## Two edits at once",
        "## Candidates\n",
        f"## Strength of an edit, {called(found['best'])}\n",
    ):
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
    assert metrics(run / "report")["fam"] == before["fam"]
    # once each, for all pictures; what searches last
    assert indexed == ["no_edit", "arithmetic", "cls_concat", "emb_concat", "flam", before["best"]]


def test_another_catalogue_is_evaluated_whole_and_beside(trained: Path, tmp_path: Path) -> None:
    """Its own report; every image that carries all labels is query and gallery."""
    run = trained / "runs" / "wardrobe"
    before = (run / "report" / "metrics.json").read_bytes()
    other = ["data.seed=7", f"data.root={tmp_path}/other", "data.train_items=1"]
    asked = ["evaluate", f"runs_dir={trained}/runs", *other]
    assert main(asked) == 1  # other data, but no name for its report
    assert main([*asked, "report=other"]) == 0
    found = metrics(run / "report-other")
    assert found["queries"]["edited"] == 2 + 12 * 4 + 30 * 4
    assert found["queries"]["gallery"] == found["queries"]["edited"] + (12 + 30) * 2
    assert set(found["fam"]) == {*ROWS, "oracle"}
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
    monkeypatch.setattr(whitening, "SAMPLE", sample)
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
