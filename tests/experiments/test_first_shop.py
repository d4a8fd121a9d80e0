"""A shop's own table, half labelled, from training to searches after the table has grown."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from flam_pl import open_run
from flam_pl.__main__ import main
from flam_pl.config.loading import load_config
from flam_pl.experiments import pipeline
from tiny_run import settings

OWN = ("data=table", "data.evaluation=60", "data.validation=30", "methods=[]", "run=shop")


@pytest.fixture(scope="module")
def shop(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained shop: photos of the tiny wardrobe as a table without splits or items."""
    folder = tmp_path_factory.mktemp("shop")
    shutil.copytree(trained / "wardrobe" / "images", folder / "images")
    table = pd.read_csv(trained / "wardrobe" / "catalog.csv", dtype=str)
    table = table[["path", "shape", "color", "pattern"]].iloc[::2].reset_index(drop=True)
    table.loc[table.index % 3 > 0, "pattern"] = None
    table.to_csv(folder / "list.csv", index=False)
    assert main(["train-flam", *settings_of(folder)]) == 0
    return folder


def settings_of(folder: Path) -> list[str]:
    tiny = [s for s in settings(folder) if not s.startswith("data.") or s == "data.workers=0"]
    frozen = ["backbone.max_epochs=0", f"data.root={folder}/list.csv"]
    return [*(s for s in tiny if s.split("=")[0] not in ("methods", "backbone.max_epochs")), *OWN,
            *frozen]  # fmt: skip


def copied(shop: Path, tmp_path: Path) -> tuple[Path, pd.DataFrame]:
    """The shop in another folder, and its table."""
    folder = tmp_path / "copy"
    shutil.copytree(shop, folder)
    own = folder / "runs" / "shop" / "config.yaml"
    own.write_text(own.read_text().replace(str(shop), str(folder)))
    return folder, pd.read_csv(folder / "list.csv", dtype=str)


def splits_of(run: Path) -> list[str]:
    """Of the photos, in the order of the table."""
    table = open_run(run).run.catalog.table
    return table.loc[table["view"] == 0, "split"].tolist()


def test_half_labelled_photos_are_evaluated_and_the_rest_is_counted(shop: Path) -> None:
    found = json.loads((shop / "runs" / "shop" / "report" / "metrics.json").read_text())
    counts = found["counts"]
    assert counts["edit_queries"] == counts["gallery"] == 60
    assert counts["edits"] > 0 and counts["unlabelled_edits"] > 0
    # no cut-off above half of the gallery
    assert max(int(name.partition("@")[2]) for name in found["edits"]["flam"]["all"]) <= 30


def test_the_training_says_first_what_the_data_lacks(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline.open_run(load_config([*settings_of(shop), "run=other", "data.classes=3"]))
    assert "color label(s) name none of the 3 classes" in capsys.readouterr().out


def test_a_grown_table_is_searched_without_training(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, table = copied(shop, tmp_path)
    new = table.iloc[[0]].assign(path="images/new.jpg")
    shutil.copyfile(folder / table["path"][5], folder / "images" / "new.jpg")
    pd.concat([table, new]).to_csv(folder / "list.csv", index=False)
    capsys.readouterr()
    runs = f"runs_dir={folder}/runs"
    assert main(["search", runs, "run=shop", f"image={folder}/{table['path'][9]}", "k=3"]) == 0
    said = capsys.readouterr().out
    assert f"features: {len(table) * 1} reused, 1 extracted" in said or ", 1 extracted" in said
    assert "has changed since the training" in said and "training for" not in said
    assert f"of {len(table) + 1} photos" in said
    run = open_run(folder / "runs" / "shop")
    assert run.row("images/new.jpg") is not None
    assert main(["evaluate", runs, "run=shop"]) == 0
    assert "training for" not in capsys.readouterr().out


def test_a_class_without_photos_leaves_the_run_usable(shop: Path, tmp_path: Path) -> None:
    """The photos of one color are sold out."""
    folder, table = copied(shop, tmp_path)
    color = table["color"].mode()[0]
    table[table["color"] != color].to_csv(folder / "list.csv", index=False)
    run = open_run(folder / "runs" / "shop")
    photo = table["path"][table["color"] != color].iloc[0]
    assert color in run.trained.schema.of("color")
    assert all(
        hit.labels.get("color") != color for hit in run.search(photo, [f"color={color}"], k=3)
    )
    assert main(["evaluate", f"runs_dir={folder}/runs", "run=shop"]) == 0


def test_moved_photos_keep_their_split(shop: Path, tmp_path: Path) -> None:
    folder, table = copied(shop, tmp_path)
    before = splits_of(shop / "runs" / "shop")
    (folder / "images").rename(folder / "moved")
    table["path"] = table["path"].str.replace("images/", "moved/")
    table.to_csv(folder / "list.csv", index=False)
    assert splits_of(folder / "runs" / "shop") == before and len(set(before)) == 3
    # a column that comes later does not move them either
    table.assign(split="train").to_csv(folder / "list.csv", index=False)
    assert splits_of(folder / "runs" / "shop") == before


def test_copies_of_training_photos_are_noticed_and_other_tables_have_settings(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(shop / "images", tmp_path / "images")
    table = pd.read_csv(shop / "list.csv", dtype=str).rename(columns={"color": "colour"})
    table.to_csv(tmp_path / "other.csv", index=False)
    run = [f"runs_dir={shop}/runs", "run=shop", f"data.root={tmp_path}/other.csv"]
    assert main(["evaluate", *run, "data.columns=[colour:color]", "report=other"]) == 0
    trained = splits_of(shop / "runs" / "shop").count("train")
    assert f"{trained} of these" in capsys.readouterr().out


def test_all_photos_of_another_table_are_searched(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also those without labels, of which none can be evaluated."""
    shutil.copytree(shop / "images", tmp_path / "images")
    table = pd.read_csv(shop / "list.csv", dtype=str).iloc[:30]
    table.loc[5:, ["shape", "color", "pattern"]] = None
    table.to_csv(tmp_path / "other.csv", index=False)
    run = [f"runs_dir={shop}/runs", "run=shop", f"data.root={tmp_path}/other.csv", "report=more"]
    assert main(["search", *run, f"image={table['path'][9]}", "k=3", "edits=[color=red]"]) == 0
    assert "searching 29 of 30 photos" in capsys.readouterr().out


def test_a_misspelt_method_leaves_the_report(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = shop / "runs" / "shop" / "report" / "metrics.json"
    before = report.read_bytes()
    assert main(["evaluate", f"runs_dir={shop}/runs", "run=shop", "methods=[nope]"]) == 1
    assert "methods has 'nope'" in capsys.readouterr().err and report.read_bytes() == before
