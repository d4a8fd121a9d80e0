"""The paper's figures from a tiny wardrobe, in one go: trained once, written, and once only."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from flam_pl.__main__ import main
from flam_pl.datasets.catalog import Catalog
from flam_pl.experiments import paper
from tiny_run import settings

pytestmark = pytest.mark.slow  # it trains many runs

QUICKER = (
    "methods=[]",  # the figures know what they need
    "data.train_items=60",
    "concat.width=24",
    "concat.max_epochs=1",
    "embedder.max_epochs=2",
    "evaluation.examples=0",
    "evaluation.ks=[1]",  # and which cut-offs
    "evaluation.resamples=20",
    "logger.wandb=off",
    "figures.shares=[0.1,1]",
    "figures.features=60",
    "figures.manipulated=15",
    "figures.examples=2",
)
NAMES = ("convergence", "figure2", "figure3", "label_share")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run with all figures; tests must not change what is trained there."""
    folder = tmp_path_factory.mktemp("figures")
    assert main(["figures", *settings(folder, QUICKER)]) == 0
    return folder / "runs" / "wardrobe"


def numbers(run: Path, name: str) -> dict:
    return json.loads((run / "figures" / f"{name}.json").read_text())


def test_every_figure_is_a_picture_and_its_numbers(run: Path) -> None:
    written = sorted(path.name for path in (run / "figures").iterdir())
    assert written == [f"{name}.{form}" for name in NAMES for form in ("json", "png")]
    for name in NAMES:
        assert (run / "figures" / f"{name}.png").stat().st_size > 5000


def test_figure_2_marks_exactly_the_wanted_combinations(run: Path) -> None:
    searches = numbers(run, "figure2")["searches"]
    assert [s["type"] for s in searches] == ["shape"] * 2 + ["color"] * 2 + ["pattern"] * 2
    for search in searches:
        own = search["query"]["classes"]
        wanted = {**own, search["type"]: search["edit"]}
        assert own != wanted and len(search["results"]) == 3
        for result in search["results"]:
            assert result["image"] != search["query"]["image"]
            assert result["hit"] == (result["classes"] == wanted)
            assert result["ignored"] == (result["classes"][search["type"]] != search["edit"])


def test_figure_3_has_the_spread_of_every_space(run: Path) -> None:
    found = numbers(run, "figure3")
    assert (found["images"], found["edited"], found["target_type"]) == (60, 15, "color")
    for name in ("shape", "color", "pattern"):
        assert set(found["spaces"][name]) == {"before", "after"}


def test_convergence_is_that_of_the_log_of_stage_3(run: Path) -> None:
    log = pd.read_csv(run / "manipulator" / "logs" / "metrics.csv")
    epochs = numbers(run, "convergence")["epochs"]
    assert [epoch["epoch"] for epoch in epochs] == [1, 2]
    for epoch in epochs:
        of_epoch = log[(log["epoch"] == epoch["epoch"] - 1) & log["val/T@10"].notna()].iloc[0]
        for name in ("T@10", "T@50", "cosine_recovered"):
            assert epoch[name] == of_epoch[f"val/{name}"]


def test_label_shares_are_runs_of_their_own_on_the_same_features(run: Path) -> None:
    found = numbers(run, "label_share")
    share = run / "shares" / "10"
    few, all_of_them = found["labels"]["0.1"], found["labels"]["1.0"]
    for name in ("shape", "color", "pattern"):
        assert 0 < few[name] < 0.3 * all_of_them[name]
    assert not (share / "backbone").exists() and not (share / "features").exists()
    values = {(r["method"], r["group"], r["measure"]): r["value"] for r in found["rows"]}
    groups = list(dict.fromkeys(group for _, group, _ in values))
    assert groups == [f"10 % ({sum(few.values()):,})", f"100 % ({sum(all_of_them.values()):,})"]
    for group, folder in zip(groups, (share, run), strict=True):
        edits = json.loads((folder / "report" / "metrics.json").read_text())["edits"]
        for method in ("no_edit", "arithmetic", "flam", "cls_concat", "emb_concat"):
            for k in ("T@10", "T@50"):
                assert values[method, group, k] == edits[method]["all"][k]["value"]
    plain, means = ([values[m, g, "T@50"] for g in groups] for m in ("no_edit", "arithmetic"))
    assert plain[0] == plain[1]  # no label is read
    assert means[0] != means[1]


def test_a_second_call_trains_extracts_and_measures_nothing(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = [*run.rglob("best.ckpt"), *run.rglob("features.npy"), *run.rglob("metrics.json")]
    before = {path: path.stat().st_mtime_ns for path in kept}
    figures = {path: path.read_text() for path in (run / "figures").glob("*.json")}
    assert main(["figures", *settings(run.parents[1], QUICKER)]) == 0
    said = capsys.readouterr().out
    assert "training for" not in said and "extracted" not in said
    assert said.count("nothing to train") == 3 + 2 + 2 + 2  # own stages, share's, concats of both
    assert said.count("nothing to measure") == 2
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert {path: path.read_text() for path in figures} == figures
    assert f"{run}/figures/figure3.png" in said


def test_a_picture_that_fails_costs_neither_its_numbers_nor_the_others(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = run / "figures" / "convergence.json"
    kept = {path: path.read_bytes() for path in (run / "figures").iterdir()}
    numbers.unlink()

    def fails(*_: object) -> None:
        assert numbers.is_file()  # all numbers are written before the first picture
        raise RuntimeError("no room")

    monkeypatch.setattr(paper, "draw_searches", fails)
    given = [*settings(run.parents[1], QUICKER), "figures.which=[2,convergence]"]
    assert main(["figures", *given]) == 0
    said = capsys.readouterr().out
    assert "figure2.png: left out (RuntimeError: no room)" in said
    assert said.rstrip().endswith("convergence.png")
    assert not (run / "figures" / "figure2.png").exists()
    assert (run / "figures" / "figure2.json").is_file()
    for path, content in kept.items():
        path.write_bytes(content)


def test_only_what_is_asked_for_is_drawn(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(paper, "draw", lambda picture, *_, **__: not written.append(picture.name))
    monkeypatch.setattr(paper.sweeps, "train_shares", lambda run: pytest.fail("not asked"))
    given = [*settings(run.parents[1], QUICKER), "figures.which=[2,convergence]"]
    assert main(["figures", *given]) == 0
    assert written == ["figure2.png", "convergence.png"]


def test_too_few_images_have_no_map(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(paper, "draw", lambda *_, **__: pytest.fail("nothing to draw"))
    given = [*settings(run.parents[1], QUICKER), "figures.which=[3]", "figures.features=3"]
    assert main(["figures", *given]) == 0
    assert "figure3: left out, 3 images leave 1" in capsys.readouterr().out


def test_a_gallery_without_labelled_images_has_no_figures(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def without(catalog: Catalog) -> str:
        return "no image has all labels"

    monkeypatch.setattr(paper, "edits_cannot_be_evaluated", without)
    monkeypatch.setattr(paper, "draw", lambda *_, **__: pytest.fail("nothing to draw"))
    assert main(["figures", *settings(run.parents[1], QUICKER), "figures.which=[2,3]"]) == 0
    assert "There are no edits to draw" in capsys.readouterr().out
