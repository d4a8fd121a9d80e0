"""A run of the better recipe: whose classifiers score, and an instance search as it was."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from flam_pl.__main__ import main
from flam_pl.config.loading import load_config, method_config
from flam_pl.config.root import to_plain
from flam_pl.editing.edits import Edit
from flam_pl.evaluation.hits import evaluate_instances
from flam_pl.experiments.evaluate import open_folder
from flam_pl.experiments.exporting.export import write
from flam_pl.experiments.search import OpenRun
from flam_pl.experiments.selection import stores_one_vector
from flam_pl.experiments.trained_run import TrainedRun
from flam_pl.images.pixels import read_image
from flam_pl.methods.concatenation import ConcatEditor
from flam_pl.methods.generator import Flam
from flam_pl.methods.registry import registered
from flam_pl.models.concat import ConcatClassifiers
from flam_pl.retrieval.chosen_weights import FILE, FILTER
from flam_pl.retrieval.confidence import FILE as CALIBRATION
from flam_pl.retrieval.confidence import ConfidenceEstimator
from flam_pl.retrieval.retriever import Retriever
from searched_bundle import check_same_results, searcher_of, with_best
from tiny_run import settings

GIVEN = (
    "methods=[cls_concat,emb_concat,flam_s_adv,flam_plus,adde_m,tirg]",
    "manipulator.bank=200",
    "scoring.others=0.2",
    "scoring.moved=0.5",
    "evaluation.examples=0",
    "evaluation.pairs=20",
)
OWN = ("arithmetic", "cls_concat", "emb_concat", "flam_s_adv", "adde_m", "flam")
"""Methods with classifiers of their own beside those of FLAM+."""


@pytest.fixture(scope="module")
def plus(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tiny run with FLAM+ and the rivals trained on it; one setting is given."""
    folder = tmp_path_factory.mktemp("plus") / "copy"
    shutil.copytree(trained, folder)
    assert main(["train-flam", *settings(folder, GIVEN)]) == 0
    return folder


def metrics(folder: Path) -> dict:
    return json.loads((folder / "runs" / "wardrobe" / "report" / "metrics.json").read_text())


def test_calibration_is_reported(plus: Path) -> None:
    report, found = plus / "runs" / "wardrobe" / "report", metrics(plus)
    answer, counts = found["calibration"]["answer"]["calibrated"], found["counts"]
    # every edit counts here, also those that no photo can answer
    edits = counts["edits"] + counts["impossible_edits"]
    assert answer["observed"]["n"] == edits
    assert answer["observed"]["value"] == pytest.approx(counts["edits"] / edits)
    assert answer["false_alarm_rate"]["n"] == counts["edits"]
    assert answer["detection_rate"]["n"] == counts["impossible_edits"]
    assert (report / "figures" / "reliability.png").is_file()
    page = (report / "index.html").read_text()
    assert "figures/reliability.png" in page and "<summary>Calibration</summary>" in page


def test_its_settings_are_its_files_under_what_was_written(plus: Path, trained: Path) -> None:
    config = load_config(settings(plus, GIVEN))
    expected = method_config(config, registered()["flam_plus"].overrides)
    place = plus / "runs" / "wardrobe" / "methods" / "flam_plus"
    embedder = json.loads((place / "embedder" / "stage.json").read_text())
    manipulator = json.loads((place / "stage.json").read_text())
    assert embedder["settings"] == to_plain(expected.embedder)
    assert manipulator["settings"] == to_plain(expected.manipulator)
    assert embedder["settings"]["loss"] == "softmax"
    assert embedder["settings"]["max_epochs"] == config.embedder.max_epochs == 3
    assert manipulator["settings"]["distillation_weight"] == 1
    assert manipulator["settings"]["bank"] == 200
    own = json.loads((plus / "runs" / "wardrobe" / "embedder" / "stage.json").read_text())
    assert own["settings"]["loss"] == "triplet"


def test_of_a_softmax_the_last_epoch_is_kept_and_of_the_triplets_the_best(plus: Path) -> None:
    run = plus / "runs" / "wardrobe"
    for place, chosen in (("methods/flam_plus/embedder", "last"), ("embedder", "best")):
        log = pd.read_csv(run / place / "logs" / "metrics.csv")
        logged = log["val/accuracy"].dropna().to_numpy()[:3]  # of each epoch
        kept = json.loads((run / place / "stage.json").read_text())["metrics"]["val/accuracy"]
        assert len(logged) == 3
        assert kept == pytest.approx(logged[-1] if chosen == "last" else logged.max(), abs=1e-5)


def test_its_classifiers_score_every_method_and_the_others_have_a_row_of_their_own(
    plus: Path,
) -> None:
    opened = TrainedRun.open(plus / "runs" / "wardrobe")
    editors = {editor.name: editor for editor in opened.editors()}
    assert list(editors) == ["no_edit", "arithmetic", "slerp", *OWN[1:], "tirg", "flam_plus"]
    embedders = editors["flam_plus"].embedders
    assert embedders.members > 1 and embedders is not opened.embedders
    scorers = opened.scorers()
    assert {*scorers} == {
        FILTER, *(f"{n}+posteriors" for n in editors), *(f"{n}+own" for n in OWN),
    }  # fmt: skip
    features = torch.randn(7, opened.backbone.dimension)
    assert opened.classifiers is not None
    products = [
        # the geometric mean of FLAM+'s posteriors and those of Cls-Concat, none below 1e-6
        (p.clamp_min(1e-6) * q.clamp_min(1e-6)) ** 0.5
        for p, q in zip(
            embedders.probabilities(embedders(features)),
            opened.classifiers.read(features),
            strict=True,
        )
    ]
    shared = [product / product.sum(dim=1, keepdim=True) for product in products]
    for name, (editor, posteriors) in scorers.items():
        read = posteriors.read(features)
        if name == FILTER:
            assert editor.name == "no_edit" and {*torch.cat(read, dim=1).unique().tolist()} == {
                0,
                1,
            }
            continue
        assert editor.name == name.partition("+")[0]
        same = all(torch.allclose(a, b, atol=1e-5) for a, b in zip(read, shared, strict=True))
        assert same == name.endswith("+posteriors")
    flams = scorers["flam+own"][1].read(features)
    for own in ("arithmetic", "flam_s_adv"):
        others = scorers[f"{own}+own"][1].read(features)
        assert all(torch.equal(a, b) for a, b in zip(flams, others, strict=True))
    concat = scorers["cls_concat+own"][1]
    assert concat.means is None
    for t, logits in enumerate(opened.classifiers(features)):
        expected = (logits / opened.classifiers.by_type[t].temperature).softmax(dim=1)
        torch.testing.assert_close(concat.read(features)[t], expected)


def test_the_rivals_are_trained_by_their_own_recipes(plus: Path) -> None:
    opened = TrainedRun.open(plus / "runs" / "wardrobe")
    tirg, adde = (opened.methods[name] for name in ("tirg", "adde_m"))
    place = plus / "runs" / "wardrobe" / "methods"
    settings = json.loads((place / "tirg" / "stage.json").read_text())["settings"]
    assert settings["composition_weight"] > 0 == settings["distillation_weight"]
    assert isinstance(tirg.editor, Flam) and tirg.editor.manipulator.generators[0].gate is not None
    # it is taught by the same embedders as FLAM+
    plus_editor = opened.methods["flam_plus"].editor
    assert isinstance(plus_editor, Flam)
    features = torch.randn(7, opened.backbone.dimension)
    for a, b in zip(
        tirg.editor.embedders.read(features), plus_editor.embedders.read(features), strict=True
    ):
        assert torch.equal(a, b)
    editor = adde.editor
    assert isinstance(editor, ConcatEditor) and isinstance(adde.nets, ConcatClassifiers)
    parts = editor.represent(features).unflatten(1, (3, -1))
    edited = editor.edit(features, [Edit("color", "red")]).unflatten(1, (3, -1))
    memory, own = adde.nets.prototypes("color"), adde.nets(features)[1].argmax(dim=1)
    red = memory[opened.schema.index("color", "red")]
    torch.testing.assert_close(edited[:, 1], parts[:, 1] + red - memory[own])
    assert torch.equal(edited[:, [0, 2]], parts[:, [0, 2]])


def test_every_row_is_measured(plus: Path) -> None:
    found = metrics(plus)
    opened = TrainedRun.open(plus / "runs" / "wardrobe")
    rows = [row.name for row in opened.rows()]
    assert list(found["edits"]) == [*rows, "oracle"]
    assert len(rows) == 10 + 10 + 6 + 1 and rows[-1] == opened.scoring.best == found["best"]
    assert {*opened.scoring.objective} == {*rows}
    assert set(found["depth"]) == {
        f"{n}+posteriors"
        for n in ("no_edit", "slerp", *OWN, "tirg", "flam_plus")
        if n != "flam_s_adv"
    }


def test_a_second_run_chooses_and_measures_nothing_anew(
    plus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = plus / "runs" / "wardrobe"
    before = {name: (folder / name).stat().st_mtime_ns for name in (FILE, CALIBRATION)}
    assert main(["train-flam", *settings(plus, GIVEN)]) == 0
    said = capsys.readouterr().out
    assert "training for" not in said and "best on validation" not in said
    assert {name: (folder / name).stat().st_mtime_ns for name in before} == before


def test_a_search_of_the_opened_run_says_how_sure_it_is(plus: Path) -> None:
    run, opened = open_folder(plus / "runs" / "wardrobe")
    assert opened.calibration is not None and opened.best.posteriors is not None
    features = run.data.features.rows(run.catalog.rows(split="evaluation", dense=True))
    kind = opened.schema.types[0]
    edit = Edit(kind, opened.schema.of(kind)[0])
    _, found = Retriever.of(opened.best, features).search(features[:3], [edit], 4)
    gallery = ConfidenceEstimator(opened.calibration, opened.posteriors, features)
    said = gallery.of(features[:3], [edit], found)
    assert said.attribute.shape == said.combination.shape == (3, 4)
    assert all(str(edit.wanted) in text for text in said.texts)
    assert ((said.answer > 0) & (said.answer < 1)).all()


def test_the_instance_search_is_that_of_the_backbone_alone_bit_for_bit(plus: Path) -> None:
    """The stored vector is the backbone's output, and no method of one vector touches it."""
    run, opened = open_folder(plus / "runs" / "wardrobe")
    catalog = run.catalog
    rows = catalog.instance_rows()
    with torch.inference_mode():
        pixels = [opened.preprocess(read_image(catalog.paths[row])) for row in rows]
        alone = opened.backbone(torch.stack(pixels)).half().float()
    consumer = (catalog.table["domain"].iloc[rows] == "consumer").to_numpy(bool)
    # R@100 means nothing in this gallery, and is left out
    ks = [k for k in run.config.evaluation.ks if f"R@{k}" in metrics(plus)["instance"]]
    assert 1 in ks and 100 not in ks
    expected, _ = evaluate_instances(alone, catalog.items[rows], consumer, ks, (50, 0))
    stored = run.data.features.rows(rows)
    torch.testing.assert_close(stored, alone, rtol=0, atol=2e-3)  # batches of other sizes
    plain = torch.nn.functional.normalize(stored, dim=1)
    found = metrics(plus)["instance_by_method"]
    one_vector = [row for row in opened.rows() if stores_one_vector(row.name)]
    assert sum(isinstance(row.editor, Flam) for row in one_vector) == 10
    for row in one_vector:
        vectors, asked = row.gallery(stored), row.queries(stored, [])
        assert torch.equal(vectors[:, : plain.shape[1]], plain)
        assert torch.equal(asked[:, : plain.shape[1]], plain)
        assert not asked[:, plain.shape[1] :].any()
        assert found[row.name] == found["no_edit"]  # every digit, intervals too
        assert {k: of["value"] for k, of in found[row.name].items()} == {
            k: figure.value for k, figure in expected.items()
        }


@pytest.mark.parametrize(
    ("row", "networks"),
    [
        ("flam_plus+posteriors", {"embedders", "classifiers", "generator"}),
        ("flam+posteriors", {"embedders", "classifiers", "generator", "editor_embedders"}),
        ("flam+own", {"embedders", "generator"}),
        ("arithmetic+posteriors", {"embedders", "classifiers", "editor_embedders"}),
        (FILTER, {"embedders", "classifiers", "editor_embedders"}),
    ],
)
def test_a_bundle_has_the_networks_of_its_row_and_finds_the_same(
    row: str, networks: set[str], plus: Path, tmp_path: Path
) -> None:
    """The classifiers that score and the embedders that edit may be two."""
    run = OpenRun(*open_folder(plus / "runs" / "wardrobe"))
    if row.endswith("+own"):  # a run is opened with the shared classifiers alone
        own = run.trained.scorers()[row][1]
        scores = next(each for each in run.trained.rows() if each.name == row)
        assert own.read is not run.posteriors.read and scores.posteriors is not None
        bundle = write(run.run, with_best(run, row).trained, tmp_path / "bundle")
    else:
        run = with_best(run, row)
        bundle = write(run.run, run.trained, tmp_path / "bundle")
        check_same_results(searcher_of(bundle, run, tmp_path), run)
    assert bundle.contents.networks.keys() == {"backbone", *networks}
    assert bundle.contents.posteriors["hardened"] == (row == FILTER)
