"""What the scoring weighs in the tiny run: chosen on validation photos, once, and kept."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from flam_pl import open_run
from flam_pl.__main__ import main
from flam_pl.config.saved_files import SEAL, sealed
from flam_pl.config.stages import ScoringConfig
from flam_pl.data.feature_store import FeatureStore
from flam_pl.editing.edits import Edit
from flam_pl.errors import FlamError
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.evaluation.weight_search import grid, try_weights
from flam_pl.experiments import selection
from flam_pl.experiments.evaluate import open_folder
from flam_pl.experiments.selection import select_scoring
from flam_pl.experiments.trained_run import TrainedRun
from flam_pl.retrieval.chosen_weights import FILE, FILTER, Scoring, filter_weights
from flam_pl.retrieval.confidence import FILE as CALIBRATION
from flam_pl.retrieval.vectors import ScoreWeights
from flam_pl.training.records import sha256
from flam_pl.training.run import Run
from tiny_run import settings

METHODS = ("no_edit", "arithmetic", "slerp", "cls_concat", "emb_concat", "flam_s_adv", "flam")


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    """A run's folder, to be changed; its data are those of the tiny run."""
    ignored = shutil.ignore_patterns("wandb", "report")
    run = trained / "runs" / "wardrobe"
    return Path(shutil.copytree(run, tmp_path / "runs" / "wardrobe", ignore=ignored))


def checkpoints(folder: Path) -> dict[str, int]:
    """Every checkpoint and when it was written."""
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("best.ckpt")}


def written(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in (FILE, CALIBRATION)}


def with_features(run: Run, split: str, value: float) -> None:
    """All features of a split in the run become this one number, as if nothing had been changed."""
    store = run.data.features
    vectors = store.rows(np.arange(len(run.catalog))).numpy().copy()
    vectors[run.catalog.rows(split=split)] = value
    run.data._store = FeatureStore(store.folder, vectors, store.manifest, store.content)


# --- the file


WEIGHTS = {"flam+posteriors": ScoreWeights(0.3, 0.1, 1.5), FILTER: filter_weights(3)}


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    kept = Scoring(WEIGHTS, {"flam": 0.25, "flam+posteriors": 0.5}, "flam+posteriors", {"a": "b"})
    kept.save(tmp_path)
    assert Scoring.load(tmp_path) == kept


def test_where_nothing_was_chosen_the_paper_s_search_is_made(tmp_path: Path) -> None:
    nothing = Scoring.load(tmp_path)
    assert nothing == Scoring() and nothing.best == "flam" and nothing.weights == {}


DAMAGED: dict[str, Any] = {
    "no JSON": "{",
    "a list": "[]",
    "without weights": json.dumps({"best": "flam"}),
    "weights that are none": json.dumps({"weights": [1, 2]}),
    "an unknown weight": json.dumps({"weights": {"flam+posteriors": {"tarqet": 1}}}),
    "a weight that is no number": json.dumps({"weights": {"flam+own": {"target": "much"}}}),
    "an unknown part": json.dumps({"weights": {}, "worst": "flam"}),
}


@pytest.mark.parametrize("damage", list(DAMAGED))
def test_a_damaged_file_is_refused_by_name(damage: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(DAMAGED[damage])
    with pytest.raises(FlamError, match=r"scoring\.json cannot be read .*train-flam"):
        Scoring.load(tmp_path)


def test_a_run_with_a_damaged_file_is_not_opened(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / FILE).write_text('{"weights": ')
    assert main(["evaluate", f"runs_dir={copy.parent}"]) == 1
    errors = capsys.readouterr().err
    assert f"{copy / FILE} cannot be read" in errors and errors.count("error:") == 1
    assert "Traceback" not in errors
    (copy / FILE).unlink()
    assert TrainedRun.open(copy).best.name == "flam"


# --- the choice


def test_every_row_has_the_weights_with_the_largest_objective(trained: Path) -> None:
    run, opened = open_folder(trained / "runs" / "wardrobe")
    table, catalog = run.catalog.table, run.catalog
    photos = np.flatnonzero((table["split"] == "val") & (table["view"] == 0))
    labelled = photos[(catalog.labels[photos] >= 0).all(axis=1)]
    dense, every = (
        EvaluationSet.of(catalog, run.data.features, rows) for rows in (labelled, photos)
    )
    kept = opened.scoring
    assert set(kept.weights) == {*(f"{name}+posteriors" for name in METHODS), FILTER}
    assert set(kept.objective) == {*METHODS, *kept.weights}
    for name, (editor, posteriors) in opened.scorers().items():
        tried = [filter_weights(3)] if name == FILTER else list(grid(moved=True))
        trials = try_weights(editor, posteriors, dense, every, tried)
        values = [trial.objective for trial in trials]
        chosen = [trial for trial in trials if trial.weights == kept.weights[name]]
        assert len(chosen) == 1 and chosen[0].objective == max(values)
        assert kept.objective[name] == pytest.approx(max(values), abs=1e-6)
        assert every.garments.max() >= 0 and chosen[0].counterfactual is not None
    for editor in opened.editors():
        [plain] = try_weights(editor, opened.posteriors, dense, every, [ScoreWeights()])
        assert kept.objective[editor.name] == pytest.approx(plain.objective, abs=1e-6)
        # the grid is worth looking through
        assert kept.objective[f"{editor.name}+posteriors"] > plain.objective


def test_the_best_row_stores_one_vector_and_searches(trained: Path) -> None:
    """A concatenation would store a second vector per photo, however good it is."""
    opened = TrainedRun.open(trained / "runs" / "wardrobe")
    objective = opened.scoring.objective
    allowed = {name: of for name, of in objective.items() if "concat" not in name}
    assert opened.scoring.best == max(allowed, key=lambda name: allowed[name])
    names = [row.name for row in opened.rows()]
    assert names[-1] == opened.best.name == opened.scoring.best
    assert sorted(names) == sorted(objective) and len(set(names)) == len(names)
    plain = [name for name in names if name in METHODS]
    assert plain == list(METHODS)  # those without scores in their order
    for row in opened.rows():
        assert (row.posteriors is None) == (row.name in METHODS)
        if row.posteriors:
            assert row.weights == opened.scoring.weights[row.name]


def test_it_is_chosen_once(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, opened = open_folder(copy)
    before = written(copy)
    monkeypatch.setattr(selection, "choice", lambda *_: pytest.fail("it was chosen already"))
    assert select_scoring(run) == opened.scoring
    assert written(copy) == before


def test_what_says_how_sure_a_search_is_can_be_measured_anew(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the message says that refuses a damaged one."""
    run, opened = open_folder(copy)
    before = written(copy)
    (copy / CALIBRATION).unlink()
    monkeypatch.setattr(selection, "choice", lambda *_: pytest.fail("it was chosen already"))
    assert select_scoring(run) == opened.scoring
    assert written(copy) == before


def test_retrain_chooses_again_and_the_same(copy: Path) -> None:
    run, opened = open_folder(copy)
    before = written(copy)
    (copy / CALIBRATION).unlink()
    run.config = replace(run.config, retrain=True)
    assert select_scoring(run) == opened.scoring
    assert written(copy) == before


def test_no_evaluation_image_is_looked_at_when_it_is_chosen(copy: Path) -> None:
    """Other features of the evaluation images change nothing of it, those of validation do."""
    run, opened = open_folder(copy)
    before = written(copy)
    for name in (FILE, CALIBRATION):
        (copy / name).unlink()
    with_features(run, "evaluation", 7.0)
    assert select_scoring(run) == opened.scoring
    assert written(copy) == before
    (copy / FILE).unlink()
    with_features(run, "val", 7.0)
    assert select_scoring(run).objective != opened.scoring.objective


@pytest.mark.parametrize(
    ("said", "tried"),
    [
        ({"target": 0.5}, {"target": 0.5}),
        ({"moved": 0.0, "others": 0.25}, {"moved": 0.0, "others": 0.25}),
    ],
)
def test_weights_that_are_set_are_not_chosen_and_the_others_are_chosen_anew(
    said: dict[str, float], tried: dict[str, float], copy: Path
) -> None:
    run, opened = open_folder(copy)
    before = checkpoints(copy)
    run.config = replace(run.config, scoring=ScoringConfig(**said))
    found = select_scoring(run)
    assert found.key != opened.scoring.key and found.checkpoints == opened.scoring.checkpoints
    for name, weights in found.weights.items():
        if name == FILTER:
            assert weights == filter_weights(3)
            continue
        assert all(getattr(weights, part) == value for part, value in tried.items())
        free = {"target", "others", "moved"} - {*tried}
        assert any(
            all(getattr(of_grid, part) == getattr(weights, part) for part in free)
            for of_grid in grid(moved=True)
        )
    assert checkpoints(copy) == before
    # it is kept, with what says how sure the searches are
    again = TrainedRun.open(copy)
    assert (
        again.scoring == found and again.calibration and again.calibration.checkpoint == found.key
    )


def test_other_checkpoints_are_chosen_for_anew(copy: Path) -> None:
    """A method that was trained again is another one: what was chosen for it counts no longer."""
    place = copy / "methods" / "flam_s_adv"
    state = torch.load(place / "best.ckpt", weights_only=True)
    for name, tensor in state["state_dict"].items():
        if tensor.is_floating_point():
            state["state_dict"][name] = -tensor
    torch.save(state, place / "best.ckpt")
    record = json.loads((place / "stage.json").read_text())
    record["checkpoint"] = sha256(place / "best.ckpt")
    del record[SEAL]
    (place / "stage.json").write_text(sealed(record))
    run, opened = open_folder(copy)
    assert opened.scoring == Scoring() and opened.calibration is None and opened.best.name == "flam"
    old, found = Scoring.load(copy), select_scoring(run)
    assert found.checkpoints["flam_s_adv"] == record["checkpoint"] and found.key != old.key
    changed = {name for name in found.objective if found.objective[name] != old.objective[name]}
    assert changed and all(name.startswith("flam_s_adv") for name in changed)
    assert TrainedRun.open(copy).scoring == found


def test_a_best_row_that_the_program_has_no_longer_is_chosen_for_anew(copy: Path) -> None:
    chosen = Scoring.load(copy)
    replace(chosen, best="arithmetic+in-turn").save(copy)
    run, opened = open_folder(copy)
    assert opened.scoring == Scoring() and opened.best.name == "flam"
    assert select_scoring(run) == chosen == TrainedRun.open(copy).scoring


def test_a_method_that_is_gone_leaves_its_rows(copy: Path) -> None:
    shutil.rmtree(copy / "methods" / "cls_concat")
    run, _ = open_folder(copy)
    found = select_scoring(run)
    assert not [name for name in found.objective if name.startswith("cls_concat")]
    assert TrainedRun.open(copy).best.name == found.best


def test_without_validation_photos_the_paper_s_search_is_made(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, opened = open_folder(copy)
    for name in (FILE, CALIBRATION):
        (copy / name).unlink()
    dense, every = selection.validation_sets(run, opened)
    for number in (0, 1):
        few = replace(dense, queries=dense.queries[:number])
        monkeypatch.setattr(selection, "validation_sets", lambda *_, few=few: (few, every))
        found = select_scoring(run)
        assert (found.weights, found.objective, found.best) == ({}, {}, "flam")
        assert not (copy / CALIBRATION).exists() and TrainedRun.open(copy).best.name == "flam"
        (copy / FILE).unlink()


# --- the commands


def test_other_settings_of_the_scoring_train_nothing(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(trained, folder, ignore=shutil.ignore_patterns("wandb"))
    run = folder / "runs" / "wardrobe"
    before = Scoring.load(run)
    quicker = ["evaluation.examples=0", "evaluation.ks=[10]", "evaluation.pairs=0"]
    changes = ["scoring.target=0.5", "logger.wandb=off", *quicker]
    assert main(["train-flam", *settings(folder, changes)]) == 0
    said = capsys.readouterr().out
    assert "training for" not in said and "is best on validation" in said
    chosen = Scoring.load(run)
    assert {of.target for name, of in chosen.weights.items() if name != FILTER} == {0.5}
    report = json.loads((run / "report" / "metrics.json").read_text())
    assert report["best"] == report["scoring"]["best"] == chosen.best
    assert report["scoring"]["objective"] == dict(chosen.objective) != dict(before.objective)

    # the cosine alone: the paper's search
    cosine = ["scoring=cosine", *changes[1:]]
    assert main(["train-flam", *settings(folder, cosine)]) == 0
    assert "training for" not in capsys.readouterr().out
    assert Scoring.load(run).best == "flam" and Scoring.load(run).weights == {}
    report = json.loads((run / "report" / "metrics.json").read_text())
    assert report["best"] == "flam" and report["calibration"] == {} and report["depth"] == {}
    assert list(report["edits"]) == [*METHODS, "oracle"]
    assert set(report["by_strength"]) == {*METHODS} - {"no_edit"}
    assert main(["train-flam", *settings(folder, cosine)]) == 0
    assert "is best on validation" not in capsys.readouterr().out

    search = open_run(folder / "runs" / "wardrobe")
    assert search.vectors.name == "flam" and search.vectors.posteriors is None
    image, edits = str(search.catalog.table["path"].iloc[search.rows[3]]), [Edit("color", "red")]
    answer = search.search(image, edits, 8)
    assert answer.confidence is None
    gallery = search.run.data.features.rows(search.rows)
    with torch.inference_mode():
        cosines = F.cosine_similarity(
            gallery, search.trained.methods["flam"].editor.edit(gallery[[3]], edits)
        )
    order = [n for n in cosines.argsort(descending=True).tolist() if n != 3][:8]
    assert [r.row for r in answer.hits] == search.rows[order].tolist()
    for result, n in zip(answer.hits, order, strict=True):
        assert result.score == pytest.approx(float(cosines[n]), abs=1e-5)
