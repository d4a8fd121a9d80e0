"""The results of a tiny wardrobe in one go: trained, measured, written, joined, and once only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flam_pl.__main__ import main
from flam_pl.config.saved_files import SEAL
from flam_pl.experiments.evaluate import open_folder
from flam_pl.reports.measurements import Measurements
from tiny_run import QUICKER, settings

pytestmark = pytest.mark.slow  # it trains many runs

METHODS = ("cls_concat", "flam_plus")
RESULTS = (
    *QUICKER,
    f"results.methods=[{','.join(METHODS)}]",
    "results.seeds=[0,1]",
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


def measured(run: Path) -> Measurements:
    return Measurements.from_plain(results(run), run)


def cell(run: Path, *key: str) -> dict[str, Any]:
    """Summary of one value, by part, method, group and measure."""
    index = ["part", "method", "group", "measure"]
    found: dict[str, Any] = measured(run).summary.set_index(index).loc[key].to_dict()
    return found


def values(run: Path, *key: str) -> list[float]:
    """The same of each seed."""
    table = measured(run).table.set_index(["part", "method", "group", "measure"])
    return table.loc[[key], "value"].tolist()


def metrics(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "report" / "metrics.json").read_text())
    return found


def both_seeds(run: Path) -> list[dict[str, Any]]:
    return [metrics(run), metrics(run / "seeds" / "1")]


def test_values_are_those_of_the_reports_with_the_seeds_summed_up(run: Path) -> None:
    found = measured(run)
    assert found.table["seed"].unique().tolist() == [0, 1]
    own = both_seeds(run)
    assert set(found.part("edits")["method"]) == set(own[0]["edits"])
    color = [m["edits"]["flam"]["color"]["T@5"] for m in own]
    of = cell(run, "edits", "flam", "color", "T@5")
    assert of["value"] == pytest.approx(np.mean([v["value"] for v in color]))
    assert of["std"] == pytest.approx(np.std([v["value"] for v in color], ddof=1)) != 0
    assert of["low"] < min(v["low"] for v in color) + 1e-9  # two seeds say little of all
    assert of["high"] > max(v["high"] for v in color) - 1e-9
    shape = [m["edits"]["flam"]["shape"]["T@10"]["value"] for m in own]
    assert values(run, "edits", "flam", "shape", "T@10") == shape
    # the backbone is trained by each seed
    assert "±" in cell(run, "edits", "no_edit", "all", "T@1")["text"]
    assert "±" in cell(run, "instance_by_method", "flam_plus", "all", "R@1")["text"]


def test_ratios_are_taken_seed_by_seed(run: Path) -> None:
    own = both_seeds(run)
    plus, concat = (
        [m["edits"][name]["all"]["T@20"]["value"] for m in own]
        for name in ("flam_plus", "cls_concat")
    )
    ratios = np.divide(plus, concat)
    found = cell(run, "ratio", "flam_plus", "cls_concat", "T@20")
    assert found["value"] == pytest.approx(ratios.mean())
    assert found["low"] < ratios[0] < found["high"]
    found = cell(run, "ratio", "cls_concat", "cls_concat", "T@20")
    assert found["value"] == 1 == found["low"]


def test_each_seed_and_share_of_the_labels_chooses_what_its_own_search_weighs(run: Path) -> None:
    places = [
        run,
        run / "seeds" / "1",
        run / "shares" / "20",
        run / "seeds" / "1" / "shares" / "20",
    ]
    chosen = [json.loads((place / "scoring.json").read_text()) for place in places]
    assert len({found["key"] for found in chosen}) == 4
    for place, found in zip(places, chosen, strict=True):
        assert metrics(place)["scoring"] | {SEAL: found[SEAL]} == found
        assert found["best"] == max(
            (name for name in found["objective"] if "concat" not in name),
            key=lambda name, of=found["objective"]: of[name],
        )
        rows = [name for name in found["objective"] if "+" in name or name == "filter"]
        assert sorted(found["weights"]) == sorted(rows)


def test_few_labels_are_set_beside_all(run: Path) -> None:
    labels = measured(run).part("labels")
    assert set(labels["title"]) == {"no edit", "arithmetic", "Cls-Concat", "FLAM", "FLAM+"}
    few, full = labels["group"].unique()
    assert few.startswith("20 % (") and full.startswith("100 % (")
    seeds = (run, run / "seeds" / "1")
    by_share = {few: [metrics(seed / "shares" / "20") for seed in seeds], full: both_seeds(run)}
    for group, of_seeds in by_share.items():
        expected = [m["edits"]["flam_plus"]["all"]["T@10"]["value"] for m in of_seeds]
        assert values(run, "labels", "flam_plus", group, "T@10") == expected
    assert (run / "results" / "label_share.png").stat().st_size > 5000
    assert "## T@10 by the share of the labels" in (run / "results" / "results.md").read_text()


def test_each_seed_keeps_other_labels_on_its_own_features(run: Path) -> None:
    of_seed = [run / "shares" / "20", run / "seeds" / "1" / "shares" / "20"]
    kept = [json.loads((of / "embedder" / "stage.json").read_text()) for of in of_seed]
    assert kept[0]["data"] != kept[1]["data"]
    # on the features of their own seed
    backbones = [
        json.loads((p / "backbone" / "stage.json").read_text()) for p in (run, run / "seeds" / "1")
    ]
    assert [of["parent"] for of in kept] == [of["checkpoint"] for of in backbones]
    assert kept[0]["parent"] != kept[1]["parent"]
    assert not [*run.glob("**/shares/**/features.npy")]


def test_a_second_call_trains_and_measures_nothing(
    folder: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("best.ckpt", "stage.json", "scoring.json", "calibration.json", "metrics.json")
    kept = [path for name in names for path in run.rglob(name)]
    before = {path: path.stat().st_mtime_ns for path in kept}
    written = {path: path.read_bytes() for path in (run / "results").glob("results.*")}
    assert main(["results", *settings(folder, RESULTS)]) == 0
    said = capsys.readouterr().out
    assert "training for" not in said and "extracted" not in said
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert {path: path.read_bytes() for path in written} == written


def test_each_run_opens_with_the_methods_it_was_measured_with(run: Path) -> None:
    for folder in (run, run / "seeds" / "1"):
        opened, trained = open_folder(folder)
        assert {*METHODS} <= {*trained.methods} and opened.config.methods == [*METHODS]
        assert trained.scoring.best == json.loads((folder / "scoring.json").read_text())["best"]
        assert trained.best.name == trained.scoring.best and trained.calibration


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
    for name in ("label_share", "precision_and_hits", "candidates"):
        picture = (docs / f"{name}_wardrobe.png").read_bytes()
        assert picture == (run / "results" / f"{name}.png").read_bytes()
        assert page.count(f"({name}_wardrobe.png)") == 2
    assert cell(run, "edits", "flam_plus", "all", "T@5")["text"] in page


def test_results_of_another_format_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "shop" / "results").mkdir(parents=True)
    (tmp_path / "shop" / "results" / "results.json").write_text('{"parts": {}}')
    given = [f"results.page=[{tmp_path}/shop]", f"results.page_file={tmp_path}/docs/results.md"]
    assert main(["results", *given]) == 1
    assert "results.json has format 1, expected 2" in capsys.readouterr().err


def test_a_run_without_results_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = f"results.page_file={tmp_path}/docs/results.md"
    assert main(["results", f"results.page=[{tmp_path}/shop]", page]) == 1
    said = capsys.readouterr().err
    assert f"{tmp_path}/shop/results/results.json is missing" in said and "make results" in said
    assert not (tmp_path / "docs").exists()
