"""The results of a tiny wardrobe in one go: trained, measured, written, joined, and once only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flam_pl.__main__ import main
from tiny_run import QUICKER, settings

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
    plain = {"no edit", "arithmetic", "slerp", "Cls-Concat", "FLAM", "FLAM+"}
    scored = {f"{name} + posteriors" for name in plain}
    scored |= {f"{name} + own" for name in ("arithmetic", "Cls-Concat", "FLAM")}
    others = {"filter, then similarity", "labels known, nearest first"}
    assert set(cells(run, "edits")) == plain | scored | others
    values = [m["fam"]["flam"]["color"]["T@5"] for m in own]
    found = cells(run, "edits_color")["FLAM"]["T@5"]
    assert found["mean"] == pytest.approx(np.mean([v["value"] for v in values]))
    assert found["std"] == pytest.approx(np.std([v["value"] for v in values], ddof=1)) != 0
    assert found["low"] < min(v["low"] for v in values) + 1e-9  # two seeds say little of all
    assert found["high"] > max(v["high"] for v in values) - 1e-9
    found = cells(run, "by_type")["FLAM"]["shape"]
    assert found["values"] == [m["fam"]["flam"]["shape"]["T@10"]["value"] for m in own]
    # the backbone is trained by each seed
    for part, name in (("edits", "no edit"), ("instances", "FLAM+")):
        assert "±" in next(iter(cells(run, part)[name].values()))["text"]


def test_ratios_are_taken_seed_by_seed(run: Path) -> None:
    own = both_seeds(run)
    share = {
        name: [m["fam"][name]["all"]["T@20"]["value"] for m in own]
        for name in ("cls_concat", "flam_plus")
    }
    found = cells(run, "to_cls_concat")
    ratios = np.divide(share["flam_plus"], share["cls_concat"])
    assert found["FLAM+"]["T@20"]["mean"] == pytest.approx(ratios.mean())
    assert found["FLAM+"]["T@20"]["low"] < ratios[0] < found["FLAM+"]["T@20"]["high"]
    assert found["Cls-Concat"]["T@20"]["mean"] == 1 == found["Cls-Concat"]["T@20"]["low"]


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
        assert metrics(place)["scoring"] == found
        assert found["best"] == max(
            (name for name in found["objective"] if "concat" not in name),
            key=lambda name, of=found["objective"]: of[name],
        )
        rows = [name for name in found["objective"] if "+" in name or name == "filter"]
        assert sorted(found["weights"]) == sorted(rows)


def test_candidates_and_combinations_have_tables(run: Path) -> None:
    own = both_seeds(run)
    found = cells(run, "by_depth")["FLAM+ + posteriors, 50"]["P@10"]
    depths = [m["by_depth"]["flam_plus+posteriors"]["50"]["P@10"]["value"] for m in own]
    assert found["values"] == depths
    found = cells(run, "macro")["FLAM"]["T@5"]
    assert found["values"] == [m["macro"]["flam"]["T@5"]["value"] for m in own]


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
    assert cells(run, "edits")["FLAM+"]["T@5"]["text"] in page


def test_a_run_without_results_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = f"results.page_file={tmp_path}/docs/results.md"
    assert main(["results", f"results.page=[{tmp_path}/shop]", page]) == 1
    said = capsys.readouterr().err
    assert f"{tmp_path}/shop/results/results.json is missing" in said and "make results" in said
    assert not (tmp_path / "docs").exists()
