"""A run of the better recipe: how sure its searches are, and an instance search as it was."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from flam_pl.__main__ import main
from flam_pl.data.feature_store import FeatureStore
from flam_pl.data.images import read_image
from flam_pl.editing.evaluation import evaluate_instances
from flam_pl.editing.flam import Flam
from flam_pl.editing.scored import Scored
from flam_pl.editing.sureness import FILE, SureGallery
from flam_pl.editing.wishes import Wish
from flam_pl.evaluating import open_folder
from flam_pl.galleries.index import GalleryIndex
from flam_pl.methods import keep_sureness, keep_weights
from flam_pl.stages.handoff import require
from flam_pl.trained import Trained, restore_embedders
from tiny_run import settings


@pytest.fixture(scope="module")
def plus(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tiny run with ``flam_plus`` trained on it."""
    folder = tmp_path_factory.mktemp("plus") / "copy"
    shutil.copytree(trained, folder)
    assert main(["train-flam", *settings(folder, ["methods=[flam_plus]"])]) == 0
    return folder


def test_it_is_reported(plus: Path) -> None:
    report = plus / "runs" / "wardrobe" / "report"
    found = json.loads((report / "metrics.json").read_text())
    calibration = found["calibration"]
    # every edit counts here, also those that no photo can answer
    edits = found["edits"]["evaluated"] + found["edits"]["impossible"]
    assert calibration["answer"]["observed"]["n"] == edits
    answered = found["edits"]["evaluated"] / edits
    assert calibration["answer"]["observed"]["value"] == pytest.approx(answered)
    assert calibration["answer"]["told_wrongly"]["n"] == found["edits"]["evaluated"]
    assert calibration["answer"]["told_rightly"]["n"] == found["edits"]["impossible"]
    assert (report / "figures" / "reliability.png").is_file()
    page = (report / "index.html").read_text()
    assert "figures/reliability.png" in page and "How sure the search is" in page


def test_it_is_kept_with_the_method_and_measured_once(
    plus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = plus / "runs" / "wardrobe" / "methods" / "flam_plus"
    record = json.loads((folder / "stage.json").read_text())
    before = (folder / FILE).read_text(), (folder / FILE).stat().st_mtime_ns
    assert json.loads(before[0])["checkpoint"] == record["checkpoint"]
    asked = ["train-flam", *settings(plus, ["methods=[flam_plus]"])]
    assert main(asked) == 0
    assert (folder / FILE).stat().st_mtime_ns == before[1]
    # a run of before it was measured gets it without any training, and the same
    (folder / FILE).unlink()
    capsys.readouterr()
    assert main(asked) == 0
    assert (folder / FILE).read_text() == before[0]
    assert "flam_plus: training" not in capsys.readouterr().out


def test_a_search_of_the_opened_run_says_how_sure_it_is(plus: Path) -> None:
    run, trained = open_folder(plus / "runs" / "wardrobe")
    editor = trained.editors()[-1]
    assert isinstance(editor, Scored) and trained.sureness is not None
    features = run.data.features.rows(run.catalog.rows(split="evaluation", dense=True))
    kind = trained.schema.types[0]
    wish = (kind, trained.schema.of(kind)[0])
    _, found = GalleryIndex(editor, features).search(features[:3], 4, [Wish(*wish)])
    gallery = SureGallery(trained.sureness, editor.embedders, features)
    said = gallery.of(features[:3], [Wish(*wish)], found)
    assert said.attribute.shape == said.combination.shape == (3, 4)
    assert all(wish[1] in text for text in said.texts())
    assert ((said.answer > 0) & (said.answer < 1)).all()


def test_a_method_without_calibrated_embedders_says_nothing(trained: Path) -> None:
    folder = trained / "runs" / "wardrobe"
    assert Trained.open(folder).sureness is None
    found = json.loads((folder / "report" / "metrics.json").read_text())
    assert found["calibration"] == {}
    assert not (folder / "report" / "figures" / "reliability.png").exists()
    assert "How sure" not in (folder / "report" / "index.html").read_text()


def test_no_evaluation_image_is_looked_at_when_it_is_measured(plus: Path, tmp_path: Path) -> None:
    """Other features of the evaluation images change nothing of it."""
    run, _ = open_folder(plus / "runs" / "wardrobe")
    folder = run.folder / "methods" / "flam_plus"
    before = (folder / FILE).read_text()
    vectors = run.data.features.rows(np.arange(len(run.catalog))).numpy().copy()
    vectors[run.catalog.rows(split="evaluation")] = 7.0
    run.data._store = FeatureStore(tmp_path, vectors, run.data.features.manifest, "other")
    (folder / FILE).unlink()
    record = require(folder, "flam_plus")
    embedder = require(folder / "embedder", "embedder")
    embedders = restore_embedders(folder / "embedder", embedder)
    figures = {n: v for n, v in record.metrics.items() if not n.startswith("weights/")}
    assert figures != record.metrics
    assert keep_weights(run, replace(record, metrics=figures), embedders) == record
    keep_sureness(run, record, embedders)
    assert (folder / FILE).read_text() == before


def test_the_instance_search_is_that_of_the_backbone_alone_bit_for_bit(plus: Path) -> None:
    """The stored vector is the backbone's output, and no method of one vector touches it."""
    run, trained = open_folder(plus / "runs" / "wardrobe")
    catalog = run.catalog
    rows = catalog.instance_rows()
    with torch.inference_mode():
        pixels = [trained.preprocess(read_image(catalog.paths[row])) for row in rows]
        alone = trained.backbone(torch.stack(pixels)).half().float()
    consumer = (catalog.table["domain"].iloc[rows] == "consumer").to_numpy(bool)
    ks = run.config.evaluation.ks
    expected, _ = evaluate_instances(alone, catalog.items[rows], consumer, ks, 50, seed=0)
    for editor in trained.editors():
        if isinstance(editor, Scored | Flam):
            vectors = editor.represent(run.data.features.rows(rows))
            torch.testing.assert_close(vectors, alone, rtol=0, atol=2e-3)  # batches of other sizes
            assert torch.equal(editor.edit(vectors, []), vectors)
    found = json.loads((run.folder / "report" / "metrics.json").read_text())["fir_by_method"]
    assert {"flam", "flam_plus"} <= set(found)
    for method in (
        "flam",
        "flam_plus_unscored",
        "flam_plus_by_agreement",
        "flam_plus_at_once",
        "flam_plus",
    ):
        assert found[method] == found["no_edit"]  # every digit, intervals too
        assert {k: of["value"] for k, of in found[method].items()} == {
            k: figure.value for k, figure in expected.items()
        }
