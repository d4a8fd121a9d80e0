"""The paper's tables from a tiny wardrobe, in one go: trained, measured, written, and once only."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from flam_pl.__main__ import main
from flam_pl.attributes import AttributeSchema
from flam_pl.config.loading import load_config, load_run_config, save_config
from flam_pl.data.datamodule import FlamDataModule
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.sources import open_catalog
from flam_pl.experiments import sweeps
from flam_pl.experiments.paper import backbone_settings, trainable
from flam_pl.experiments.pipeline import Run, extract
from flam_pl.experiments.sweeps import with_seeds
from flam_pl.experiments.trained_run import TrainedRun
from flam_pl.images.pixels import Preprocess
from tiny_run import QUICKER, settings

pytestmark = pytest.mark.slow  # it trains many runs

TABLES = (
    *QUICKER,
    "concat.max_epochs=1",
    "evaluation.ks=[1,10]",  # the tables know which cut-offs they need
    "tables.seeds=[0,1]",
    "tables.backbones=[scratch]",
    "tables.note='only a test'",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all tables; tests must not change what is trained there."""
    folder = tmp_path_factory.mktemp("tables")
    assert main(["tables", *settings(folder, TABLES)]) == 0
    return folder


def read(folder: Path, number: int, part: int = 0) -> dict[str, dict[str, dict]]:
    """Row -> column -> cell of a table's JSON."""
    path = folder / "runs" / "wardrobe" / "tables" / f"table{number}.json"
    found: dict[str, dict[str, dict]] = {}
    for cell in json.loads(path.read_text())["parts"][part]["cells"]:
        found.setdefault(cell["row"], {})[cell["column"]] = cell
    return found


def metrics(run: Path) -> dict:
    return json.loads((run / "report" / "metrics.json").read_text())


def test_every_table_is_written_in_every_form(folder: Path) -> None:
    written = sorted(p.name for p in (folder / "runs" / "wardrobe" / "tables").iterdir())
    assert written == [f"table{n}.{form}" for n in range(1, 6) for form in ("json", "md", "tex")]
    for number in range(1, 6):
        text = (folder / f"runs/wardrobe/tables/table{number}.md").read_text()
        assert "only a test" in text and "paper" not in text


def test_values_are_those_of_the_reports_with_the_seeds_summed_up(folder: Path) -> None:
    run = folder / "runs" / "wardrobe"
    own = [metrics(run), metrics(run / "seeds" / "1")]
    assert own[1]["config"]["seed"] == 1
    assert json.loads((run / "tables" / "table3.json").read_text())["seeds"] == [0, 1]
    cells = read(folder, 3)
    for name, label in (("emb_concat", "Emb-Concat"), ("flam_m", "FLAM (M)")):
        values = [m["edits"][name]["color"]["T@50"]["value"] for m in own]
        found = cells[label]["color"]
        assert found["value"] == pytest.approx(np.mean(values))
        assert found["std"] == pytest.approx(np.std(values, ddof=1))
    # another seed is another training of every stage
    assert own[0]["edits"]["no_edit"] != own[1]["edits"]["no_edit"]
    assert own[0]["edits"]["emb_concat"] != own[1]["edits"]["emb_concat"]
    checkpoints = [
        json.loads((of / "backbone" / "stage.json").read_text())["checkpoint"]
        for of in (run, run / "seeds" / "1")
    ]
    assert checkpoints[0] != checkpoints[1]


def test_a_backbone_is_a_run_of_its_own(folder: Path) -> None:
    run = folder / "runs" / "wardrobe" / "backbones" / "scratch"
    own = metrics(run)
    assert own["config"]["backbone"]["image_size"] == 64  # the shipped one, not this run's
    assert own["config"]["backbone"]["max_epochs"] == 1  # no longer than this run's
    assert own["config"]["manipulator"]["hidden"] == 64  # all else as in this run
    cells = read(folder, 5)
    assert list(cells) == ["resnet10t (this run)", "scratch"]
    assert cells["scratch"]["T@20"]["value"] == own["edits"]["flam"]["all"]["T@20"]["value"]
    assert cells["scratch"]["R@20"]["value"] == own["instance"]["R@20"]["value"]
    assert main(["evaluate", f"runs_dir={run.parent}", "run=scratch"]) == 0
    assert metrics(run)["config"]["backbone"] == own["config"]["backbone"]


def opened(folder: Path) -> tuple[Run, TrainedRun]:
    config = load_config(settings(folder, TABLES))
    trained = TrainedRun.open(config.folder)
    catalog = open_catalog(config.data)
    run = Run(config, catalog, FlamDataModule(catalog, config, trained.preprocess))
    extract(run, trained.records["backbone"], config.folder / "features")
    return run, trained


def test_r_at_k_of_a_concatenation_is_that_of_a_loop_over_its_vectors(folder: Path) -> None:
    run, trained = opened(folder)
    [editor] = [e for e in trained.editors() if e.name == "cls_concat"]
    table = run.catalog.table
    mine = [r for r in range(len(table)) if table["split"][r] == "evaluation" and table["item"][r]]
    vectors = editor.represent(run.data.features.rows(np.array(mine)))
    assert vectors.shape[1] == 3 * 24
    vectors = torch.nn.functional.normalize(vectors, dim=1)
    items = [table["item"][r] for r in mine]
    asks = [table["domain"][r] == "consumer" for r in mine]
    found = []
    for i in range(len(mine)):
        if asks[i]:
            shop = [j for j in range(len(mine)) if not asks[j]]
            shop.sort(key=lambda j, i=i: -float(vectors[i] @ vectors[j]))
            found.append([items[i] in [items[j] for j in shop[:k]] for k in (1, 5, 20)])
    shares = np.mean(found, axis=0)  # a larger k means nothing in this gallery
    cells = read(folder, 4)
    assert 0 < shares[1] < 1
    own = [metrics(of) for of in (run.folder, run.folder / "seeds" / "1")]
    concat = [m["instance_by_method"]["cls_concat"] for m in own]
    for k, share in zip((1, 5, 20), shares, strict=True):
        assert concat[0][f"R@{k}"]["value"] == pytest.approx(share, abs=0.02)  # ties
        cell = cells["Cls-Concat"][f"R@{k}"]
        assert cell["value"] == pytest.approx(np.mean([of[f"R@{k}"]["value"] for of in concat]))
        assert cell["n"] == len(found) == 60
    stored = pytest.approx(np.mean([m["instance"]["R@20"]["value"] for m in own]))
    assert cells["FLAM (M, OS, adv)"]["R@20"]["value"] == stored
    assert read(folder, 2).popitem()[1]["R@20"]["value"] == stored


def test_accuracies_of_table_5_are_those_of_the_classifiers(folder: Path) -> None:
    run, trained = opened(folder)
    rows = run.catalog.rows("evaluation", dense=True)
    asking = rows[run.catalog.table["counterfactual_of"].iloc[rows].isna().to_numpy()]
    assert trained.classifiers is not None
    logits = trained.classifiers(run.data.features.rows(asking))
    cells = read(folder, 5, 1)
    for t, name in enumerate(run.catalog.schema.types):
        right = logits[t].argmax(dim=1).numpy() == run.catalog.labels[asking, t]
        own = metrics(run.folder)["classification"]["original"][name]
        assert own["value"] == pytest.approx(right.mean())
        other = metrics(run.folder / "seeds" / "1")["classification"]["original"][name]
        mean = (own["value"] + other["value"]) / 2
        assert cells["original"][name]["value"] == pytest.approx(mean)
        edits = metrics(run.folder)["edits"]["flam"][name]["T@1"]["n"]
        assert cells["manipulated"][name]["n"] == edits


def test_a_second_call_trains_extracts_and_measures_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = folder / "runs" / "wardrobe"
    kept = [*run.rglob("best.ckpt"), *run.rglob("features.npy"), *run.rglob("metrics.json")]
    before = {path: path.stat().st_mtime_ns for path in kept}
    tables = {path: path.read_text() for path in (run / "tables").iterdir()}
    assert main(["tables", *settings(folder, TABLES)]) == 0
    said = capsys.readouterr().out
    assert "training for" not in said and "extracted" not in said
    assert said.count("nothing to train") == 10 + 10 + 3  # own run, seed 1, scratch
    assert said.count("nothing to measure") == 3
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert {path: path.read_text() for path in tables} == tables


def test_a_value_that_is_out_of_date_is_measured_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = [
        o
        for o in settings(folder, TABLES)
        if not o.startswith(("tables.seeds", "evaluation.resam"))
    ]
    assert main(["tables", *two, "tables.which=[2]", "evaluation.resamples=40"]) == 0
    assert "nothing to measure" not in capsys.readouterr().out
    assert main(["tables", *two, "tables.which=[2]", "evaluation.resamples=50"]) == 0
    said = capsys.readouterr().out
    assert "nothing to measure" not in said and "nothing to train" in said


def test_table_1_trains_nothing(tmp_path: Path, folder: Path) -> None:
    where = [f"runs_dir={tmp_path}", f"data.root={folder}/wardrobe"]
    kept = [o for o in settings(folder, TABLES) if not o.startswith(("runs_dir", "data.root"))]
    assert main(["tables", *kept, *where, "tables.which=[1]"]) == 0
    assert [p.name for p in (tmp_path / "wardrobe").glob("[!.]*")] == ["tables"]
    cells = json.loads((tmp_path / "wardrobe/tables/table1.json").read_text())["parts"][0]["cells"]
    counts = {cell["row"]: cell["counts"] for cell in cells}
    table = open_catalog(load_config([*kept, *where]).data).table
    for name, of_type in counts.items():
        assert of_type == table[name].value_counts()[list(of_type)].to_dict()
        assert list(of_type.values()) == sorted(of_type.values(), reverse=True)


def test_a_backbone_that_is_the_run_s_own_is_not_trained_twice() -> None:
    given = ["backbone=scratch", "tables.backbones=[scratch,imagenet_frozen]"]
    others = backbone_settings(load_config(given))
    assert list(others) == ["imagenet_frozen"]
    config = others["imagenet_frozen"]
    assert config.backbone.max_epochs == 0 and config.name == "wardrobe/backbones/imagenet_frozen"
    assert load_config(config.overrides).backbone == config.backbone


def test_each_seed_is_run_once_and_the_run_s_own_not_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweeps, "train", lambda config, _: config)
    trained, frozen = (
        SimpleNamespace(config=load_config(["seed=3", f"backbone={name}"]), catalog=None)
        for name in ("scratch", "imagenet_frozen")
    )
    _, *others = with_seeds(trained, [3, 1, 1, 0])  # type: ignore[arg-type]
    assert [(of.seed, of.name) for of in others] == [  # type: ignore[attr-defined]
        (1, "wardrobe/seeds/1"),
        (0, "wardrobe/seeds/0"),
    ]
    monkeypatch.setattr(sweeps, "train_beside", lambda run, place, config: (place, config.seed))
    assert with_seeds(frozen, [3, 1])[1:] == [("seeds/1", 1)]  # type: ignore[arg-type,comparison-overlap]


@pytest.mark.parametrize("given", [[], ["seed=3"]])
def test_a_run_of_several_seeds_opens_alone_with_its_own_seed(
    given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeps, "train", lambda config, _: save_config(config))
    config = load_config([*given, "backbone=scratch", "data.train_items=7", f"runs_dir={tmp_path}"])
    with_seeds(SimpleNamespace(config=config, catalog=None), [1, 2])  # type: ignore[arg-type]
    for seed in (1, 2):
        where = [f"run={seed}", f"runs_dir={config.folder}/seeds"]
        opened, own = load_run_config(where)
        assert own and opened.seed == seed and opened.data.train_items == 7


def test_a_backbone_that_is_not_there_is_refused_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = [f"runs_dir={tmp_path}", f"data.root={tmp_path}/wardrobe"]
    assert main(["tables", "tables.backbones=[resnet5000]", *where]) == 1
    assert "resnet5000" in capsys.readouterr().err
    assert not [p.name for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".lock"]


def test_a_backbone_that_nothing_can_be_learnt_for_is_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Tables 1 to 4 must not fail on a data set without items."""
    rows = {"path": ["a.jpg", "b.jpg"], "split": "train", "color": ["red", "blue"]}
    schema = AttributeSchema({"color": ("blue", "red")})
    catalog = Catalog.build("mine", Path("/nowhere"), pd.DataFrame(rows), schema)
    scratch, frozen = (load_config([f"backbone={b}"]) for b in ("scratch", "imagenet_frozen"))
    run = Run(frozen, catalog, FlamDataModule(catalog, frozen, Preprocess(32, "pad")))
    assert trainable(run, frozen) and not trainable(run, scratch)
    assert "no photos of two items" in capsys.readouterr().out
