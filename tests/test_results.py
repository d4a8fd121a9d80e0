"""The results of a tiny wardrobe in one go: trained, measured, written, joined, and once only."""

from __future__ import annotations

import json
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flam_pl.__main__ import main
from flam_pl.config.loading import load_config
from flam_pl.data.datamodule import FlamDataModule
from flam_pl.datasets.sources import open_catalog
from flam_pl.editing.evaluation import evaluate_edits
from flam_pl.editing.scored import Scored
from flam_pl.editing.sureness import FILE
from flam_pl.editing.weighing import choose, try_weights
from flam_pl.methods import keep_weights
from flam_pl.pipeline import Run, extract
from flam_pl.stages.handoff import StageRecord
from flam_pl.trained import Trained, restore_concat, weight_keys
from flam_pl.validation import held_out_set
from tiny_run import QUICKER, settings

METHODS = ("cls_concat", "cls_concat_best", "flam_plus_one_member", "flam_plus_adversarial")
RESULTS = (
    *QUICKER,
    f"results.methods=[{','.join(METHODS)},flam_plus]",
    "results.seeds=[0,1]",
    "results.concat_settings.noise=[0.5,2]",
    "results.concat_settings.working_dim=[8,null]",
    "figures.shares=[0.2,1]",
    "data.train_items=60",
    "embedder.max_epochs=2",
    "embedder.hidden=32",
    "concat.hidden=32",
    "concat.max_epochs=2",
    "manipulator.bank=64",
    "evaluation.ks=[1]",  # the page knows which cut-offs it needs
    "evaluation.resamples=20",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results; tests must not change what is trained there."""
    folder = tmp_path_factory.mktemp("results")
    assert main(["results", *settings(folder, RESULTS)]) == 0
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    return folder / "runs" / "wardrobe"


def results(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "results" / "results.json").read_text())
    return found


def cells(run: Path, part: str) -> dict[str, dict[str, Any]]:
    """Row -> column -> cell of a table."""
    return {row["name"]: row["cells"] for row in results(run)["parts"][part]["rows"]}


def metrics(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "report" / "metrics.json").read_text())
    return found


def both_seeds(run: Path) -> list[dict[str, Any]]:
    return [metrics(run), metrics(run / "seeds" / "1")]


def test_figures_are_those_of_the_reports_with_the_seeds_summed_up(run: Path) -> None:
    assert results(run)["seeds"] == [0, 1]
    own = both_seeds(run)
    shown = {
        "no edit", "arithmetic", "Cls-Concat", "Cls-Concat (best setting)", "FLAM",
        "FLAM+ (one member)", "FLAM+ (paper's losses)", "no edit, scored", "FLAM+ unscored",
        "FLAM+ (no likeness)", "FLAM+ (not in turn)", "FLAM+",
    }  # fmt: skip
    assert set(cells(run, "edits")) == shown
    values = [m["fam"]["flam"]["color"]["T@5"] for m in own]
    found = cells(run, "edits_color")["FLAM"]["T@5"]
    assert found["mean"] == pytest.approx(np.mean([v["value"] for v in values]))
    assert found["std"] == pytest.approx(np.std([v["value"] for v in values], ddof=1)) != 0
    assert (found["low"], found["high"]) == (values[0]["low"], values[0]["high"])
    found = cells(run, "by_type")["FLAM"]["shape"]
    assert found["values"] == [m["fam"]["flam"]["shape"]["T@10"]["value"] for m in own]
    # nothing of the plain search is trained by a seed: one figure, no deviation of nothing
    assert "±" not in cells(run, "edits")["no edit"]["T@10"]["text"]
    assert "±" not in cells(run, "instances")["FLAM+"]["R@10"]["text"]


def test_ratios_and_changes_are_taken_seed_by_seed(run: Path) -> None:
    own = both_seeds(run)
    share = {
        name: [m["fam"][name]["all"]["T@20"]["value"] for m in own]
        for name in ("cls_concat", "flam_plus", "flam_plus_one_member")
    }
    found = cells(run, "to_cls_concat")
    ratios = np.divide(share["flam_plus"], share["cls_concat"])
    assert found["FLAM+"]["T@20"]["mean"] == pytest.approx(ratios.mean())
    assert found["FLAM+"]["T@20"]["low"] < ratios[0] < found["FLAM+"]["T@20"]["high"]
    assert found["Cls-Concat"]["T@20"]["mean"] == 1 == found["Cls-Concat"]["T@20"]["low"]
    change = np.subtract(share["flam_plus_one_member"], share["flam_plus"])
    found = cells(run, "ablation")
    assert found["FLAM+ (one member)"]["T@20, change"]["mean"] == pytest.approx(change.mean())
    assert found["FLAM+"]["T@20, change"]["text"] == "-"
    assert list(found) == [
        "FLAM+", "FLAM+ unscored", "FLAM+ (no likeness)", "FLAM+ (not in turn)", "no edit, scored",
        "FLAM+ (one member)", "FLAM+ (paper's losses)", "FLAM",
    ]  # fmt: skip
    kept = [m["kept"]["flam_plus"]["results"]["mean"]["kept@10"]["value"] for m in own]
    assert found["FLAM+"]["kept@10"]["mean"] == pytest.approx(np.mean(kept))


def test_a_step_that_is_taken_back_leaves_all_others(run: Path) -> None:
    methods = run / "methods"
    records = {n: StageRecord.load(methods / n) for n in (*METHODS, "flam_plus")}
    teachers = {n: StageRecord.load(methods / n / "embedder") for n in records}
    plus, one = teachers["flam_plus"], teachers["flam_plus_one_member"]
    assert plus and one and teachers["flam_plus_adversarial"] is None
    assert one.settings == {**plus.settings, "members": 1}
    assert one.architecture == {**plus.architecture, "members": 1}
    changed = {
        name: record.settings
        for name, record in records.items()
        if record and name.startswith("flam_plus")
    }
    whole = changed["flam_plus"]
    assert changed["flam_plus_one_member"] == whole
    assert changed["flam_plus_adversarial"] == whole | {
        "adversarial_weight": 0.1,
        "matching_weight": 1.0,
        "cycle_weight": 0.3,
        "distillation_weight": 0.0,
    }
    adversarial = records["flam_plus_adversarial"]
    assert adversarial and adversarial.parent == plus.checkpoint


def opened(folder: Path) -> tuple[Run, Trained]:
    config = load_config(settings(folder, RESULTS))
    trained = Trained.open(config.folder)
    catalog = open_catalog(config.data)
    run = Run(config, catalog, FlamDataModule(catalog, config, trained.preprocess))
    extract(run, trained.records["backbone"], config.folder / "features")
    return run, trained


def test_the_better_recipe_comes_last_and_its_kin_before_it(folder: Path) -> None:
    _, trained = opened(folder)
    editors = trained.editors()
    assert [e.name for e in editors][-8:] == [
        "flam", "flam_plus_one_member", "flam_plus_adversarial", "scored_only",
        "flam_plus_unscored", "flam_plus_by_agreement", "flam_plus_at_once", "flam_plus",
    ]  # fmt: skip
    one, adversarial, *_, by_agreement, at_once, whole = editors[-7:]
    assert isinstance(by_agreement, Scored) and by_agreement.weights.likeness == 0
    assert isinstance(at_once, Scored) and not at_once.in_turn and by_agreement.in_turn
    assert isinstance(one, Scored) and isinstance(adversarial, Scored)
    assert isinstance(whole, Scored) and one.embedders.members == 1
    assert adversarial.embedders.members == whole.embedders.members > 1


def test_the_weights_of_every_row_are_those_chosen_on_validation(folder: Path) -> None:
    own, trained = opened(folder)
    data = held_out_set(own.data.serve("unlabelled"))
    cost = trained.records["flam_plus"].settings["likeness_cost"]
    rows = {e.name: e for e in trained.editors() if isinstance(e, Scored)}
    assert len(rows) == 6 and cost > 0
    for name, row in rows.items():
        trials = try_weights(row, data)
        if name == "flam_plus_by_agreement":
            trials, price = [trial for trial in trials if not trial.weights.likeness], 0.0
        else:
            price = cost
        chosen = choose(trials, price)
        assert astuple(row.weights) == pytest.approx(astuple(chosen))
    one = trained.records["flam_plus_one_member"]
    own_row = {*weight_keys("flam_plus").values()}
    assert {name for name in one.metrics if name.startswith("weights/")} == own_row


def test_weights_are_chosen_again_without_training_where_they_are_missing(folder: Path) -> None:
    own, trained = opened(folder)
    place = own.folder / "methods" / "flam_plus"
    record = StageRecord.load(place)
    assert record
    *_, whole = trained.editors()
    assert isinstance(whole, Scored)
    assert keep_weights(own, record, whole.embedders) is record  # nothing to choose
    metrics = {n: v for n, v in record.metrics.items() if not n.startswith("weights/")}
    without = replace(record, metrics=metrics)
    assert len(metrics) == len(record.metrics) - 8
    sureness = (place / FILE).read_text()
    try:
        assert keep_weights(own, without, whole.embedders) == record == StageRecord.load(place)
        assert not (place / FILE).exists()  # it was of results in the order of other weights
    finally:
        record.save(place)
        (place / FILE).write_text(sureness)


def test_the_setting_of_a_concatenation_is_the_best_on_validation(folder: Path, run: Path) -> None:
    own, _ = opened(folder)
    data = held_out_set(own.data.serve("unlabelled"))
    place = run / "methods" / "cls_concat_best"
    shares = {}
    for candidate in place.iterdir():
        if candidate.is_dir():
            record = StageRecord.load(candidate)
            assert record
            editor, _ = restore_concat(candidate, record)
            shares[candidate.name] = evaluate_edits(editor, data, [10]).shares()["T@10"]
    assert set(shares) == {f"noise={n},working_dim={d}" for n in ("0.5", "2") for d in (8, "all")}
    kept = StageRecord.load(place)
    assert kept and kept.stage == "cls_concat_best"
    tried = {f"tried {setting}": pytest.approx(share) for setting, share in shares.items()}
    assert {k: v for k, v in kept.metrics.items() if k.startswith("tried")} == tried
    setting = {"noise": kept.settings["noise"], "working_dim": kept.settings["working_dim"]}
    dimension = setting["working_dim"] or "all"
    best = f"noise={setting['noise']:g},working_dim={dimension}"
    assert shares[best] == max(shares.values())
    assert (place / "best.ckpt").read_bytes() == (place / best / "best.ckpt").read_bytes()
    table = cells(run, "concat_settings")
    assert {s: of["Cls-Concat (best setting)"]["values"][0] for s, of in table.items()} == {
        setting: pytest.approx(share) for setting, share in shares.items()
    }


def test_few_labels_are_set_beside_all(run: Path) -> None:
    shares = results(run)["label_shares"]
    assert [of_seed["shares"] for of_seed in shares] == [[0.2, 1], [0.2, 1]]
    found = cells(run, "labels_T@10")
    assert set(found) == {"no edit", "arithmetic", "Cls-Concat", "FLAM", "FLAM+"}
    counts = [sum(of.values()) for of in shares[0]["labels"]]
    assert [sum(of.values()) for of in shares[1]["labels"]] == counts
    assert list(found["FLAM+"]) == [f"20 % ({counts[0]})", f"100 % ({counts[1]})"]
    seeds = (run, run / "seeds" / "1")
    few, full = [metrics(seed / "shares" / "20") for seed in seeds], both_seeds(run)
    for cell, by_seed in zip(found["FLAM+"].values(), (few, full), strict=True):
        assert cell["values"] == [m["fam"]["flam_plus"]["all"]["T@10"]["value"] for m in by_seed]
    assert (run / "results" / "label_share.png").stat().st_size > 5000


def test_each_seed_keeps_other_labels_on_the_same_features(run: Path) -> None:
    of_seed = [run / "shares" / "20", run / "seeds" / "1" / "shares" / "20"]
    kept = [json.loads((of / "embedder" / "stage.json").read_text()) for of in of_seed]
    assert kept[0]["data"] != kept[1]["data"]
    assert kept[0]["parent"] == kept[1]["parent"]
    assert not [*run.glob("**/shares/**/features.npy"), *run.glob("seeds/**/features.npy")]


def test_a_second_call_trains_and_measures_nothing(
    folder: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = [*run.rglob("best.ckpt"), *run.rglob("stage.json"), *run.rglob("metrics.json")]
    before = {path: path.stat().st_mtime_ns for path in kept}
    written = {path: path.read_bytes() for path in (run / "results").glob("results.*")}
    assert main(["results", *settings(folder, RESULTS)]) == 0
    said = capsys.readouterr().out
    assert "training for" not in said and "extracted" not in said
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert {path: path.read_bytes() for path in written} == written


def test_runs_are_joined_into_one_page(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    docs = tmp_path / "docs"
    given = [f"results.page=[{run},{run}]", f"results.page_file={docs}/results.md"]
    assert main(["results", *given]) == 0
    assert "tried.md is missing" in capsys.readouterr().out
    page = (docs / "results.md").read_text()
    assert "did not help" not in page
    (docs / "tried.md").write_text("- A hat on every garment.\n")
    assert main(["results", *given]) == 0
    page = (docs / "results.md").read_text()
    assert page.endswith("## What was tried and did not help\n\n- A hat on every garment.\n")
    assert page.count("\n## wardrobe\n") == 2
    assert str(run) not in page  # no path of this machine
    for name in ("label_share", "found_and_kept"):
        picture = (docs / f"{name}_wardrobe.png").read_bytes()
        assert picture == (run / "results" / f"{name}.png").read_bytes()
        assert page.count(f"({name}_wardrobe.png)") == 2
    assert cells(run, "edits")["FLAM+"]["T@5"]["text"] in page


def test_a_run_without_results_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = f"results.page_file={tmp_path}/docs/results.md"
    assert main(["results", f"results.page=[{tmp_path}/shop]", page]) == 1
    said = capsys.readouterr().err
    assert f"{tmp_path}/shop/results/results.json is missing" in said and "make results" in said
    assert not (tmp_path / "docs").exists()
