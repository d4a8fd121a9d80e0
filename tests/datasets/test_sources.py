"""From settings to the reader: every setting of a data set arrives where it belongs."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from importlib import import_module
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
import test_consumer_to_shop
import test_darn
import test_in_shop
import test_shopping100k

from flam_pl.attributes import AttributeSchema
from flam_pl.config.data import DATA_SCHEMAS, SplitData
from flam_pl.config.loading import config_folder, load_config
from flam_pl.config.root import Config
from flam_pl.datasets.assembly import Found, assemble
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.sources import open_catalog
from flam_pl.errors import FlamError


def opened(name: str, root: Path, *more: str) -> Catalog:
    return open_catalog(load_config([f"data={name}", f"data.root={root}", *more]).data)


@pytest.fixture(scope="module")
def defaults() -> dict[str, Config]:
    names = sorted(file.stem for file in (config_folder() / "data").glob("*.yaml"))
    return {name: load_config([f"data={name}"]) for name in names}


def test_every_data_set_has_settings_a_reader_and_a_backbone(defaults: dict[str, Config]) -> None:
    assert {"wardrobe", "darn", "table"} < set(defaults)
    assert {type(config.data) for config in defaults.values()} == {*DATA_SCHEMAS.values()}
    assert set(defaults) <= {p.stem for p in (config_folder() / "backbone").glob("*.yaml")}
    for name, config in defaults.items():
        assert config.data.name == name
        assert callable(import_module(f"flam_pl.datasets.{config.data.reader}").read)
        if not name.startswith("wardrobe"):
            with pytest.raises(FlamError, match=f"data={name} needs the place of its data"):
                open_catalog(config.data)


@pytest.mark.parametrize("reader", ["none_such", "os.path", "wardrobe.sketch", ""])
def test_a_reader_is_a_module_of_the_package(tmp_path: Path, reader: str) -> None:
    data = SplitData(name="mine", root=str(tmp_path), reader=reader)
    with pytest.raises(FlamError, match=f"data.reader is {reader!r}; expected a module of flam_pl"):
        open_catalog(data)


def test_a_reader_and_its_config_file_make_a_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps of CONTRIBUTING, with the settings of sets that are split at random."""

    def read(root: Path, data: SplitData, schema: AttributeSchema | None) -> Catalog:
        photos = [f"{i}.jpg" for i in range(20)]
        table = pd.DataFrame({"path": photos, "color": ["red", "blue"] * 10})
        return assemble(Found("mine", root, table, data.types), data, schema)

    module = ModuleType("flam_pl.datasets.mine")
    module.__spec__, module.read = ModuleSpec(module.__name__, None), read  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    conf = shutil.copytree(config_folder(), tmp_path / "conf")
    settings = "defaults: [schema_split, _self_]\nname: mine\nreader: mine\nevaluation: 6\n"
    (conf / "data" / "mine.yaml").write_text(settings)
    shutil.copy(conf / "backbone" / "table.yaml", conf / "backbone" / "mine.yaml")
    monkeypatch.setenv("FLAM_PL_CONF", str(conf))
    mini = opened("mine", tmp_path, "data.types=[color]", "data.validation=2")
    assert mini.schema.of("color") == ("blue", "red")
    photos = mini.table[mini.table["view"] == 0]
    assert photos["split"].value_counts().to_dict() == {"train": 12, "evaluation": 6, "val": 2}


def test_only_sets_with_several_photos_of_an_item_tune_the_backbone(
    defaults: dict[str, Config],
) -> None:
    tuned = {name for name, config in defaults.items() if config.backbone.max_epochs > 0}
    assert tuned == {"wardrobe", "wardrobe_small", "in_shop", "consumer_to_shop"}


def test_the_numbers_of_the_paper_are_the_defaults(defaults: dict[str, Config]) -> None:
    darn, shopping = defaults["darn"].data, defaults["shopping100k"].data
    assert isinstance(darn, SplitData) and isinstance(shopping, SplitData)
    assert (darn.evaluation, shopping.evaluation) == (5000, 2000)
    assert (darn.classes, shopping.classes) == (10, 10)


def test_settings_of_in_shop(tmp_path: Path) -> None:
    root = test_in_shop.write(tmp_path, test_in_shop.images())
    options = ["data.types=[color]", "data.classes=2", "data.validation_items=1"]
    mini = opened("in_shop", root, *options)
    assert mini.schema.types == ("color",) and mini.schema.sizes == (2,)
    assert mini.table.loc[mini.rows("val"), "item"].nunique() == 1


def test_settings_of_consumer_to_shop(tmp_path: Path) -> None:
    root = test_consumer_to_shop.write(tmp_path, test_consumer_to_shop.pairs())
    mini = opened("consumer_to_shop", root, "data.classes=2", "data.gallery=test")
    assert mini.gallery == ("evaluation",) and mini.schema.sizes == (2,)
    with pytest.raises(FlamError, match="data.gallery is 'train'"):
        opened("consumer_to_shop", root, "data.gallery=train")


@pytest.mark.parametrize("name", ["darn", "shopping100k"])
def test_sets_that_are_split_at_random(name: str, tmp_path: Path) -> None:
    write = {"darn": test_darn.write, "shopping100k": test_shopping100k.write_own}[name]
    write(tmp_path)
    options = ["data.evaluation=7", "data.validation=2", "data.types=[pattern,color]"]
    mini = opened(name, tmp_path, *options, "data.classes=2")
    assert mini.schema.types == ("pattern", "color") and mini.schema.sizes == (2, 2)
    assert len(mini.rows("evaluation", dense=True)) == 7
    assert len(mini.rows("val", dense=True)) == 2
    other = opened(name, tmp_path, *options, "data.classes=2", "data.split_seed=9")
    assert other.label_fingerprint() != mini.label_fingerprint()


def test_the_splits_of_adde(tmp_path: Path) -> None:
    test_shopping100k.write_own(tmp_path)
    test_shopping100k.write_adde(tmp_path / "splits")
    mini = opened("shopping100k", tmp_path, f"data.splits={tmp_path / 'splits'}")
    assert len(mini.rows("evaluation", "shop")) == 20


def test_for_a_trained_run_only_evaluated_photos_are_opened(tmp_path: Path) -> None:
    """Training images of another catalogue, and unlabelled ones, would be extracted for nothing."""
    root = test_consumer_to_shop.write(tmp_path, test_consumer_to_shop.pairs())
    data = load_config(
        ["data=consumer_to_shop", f"data.root={root}", f"data.unlabelled={root}"]
    ).data
    whole = open_catalog(data)
    mini = open_catalog(data, whole.schema)
    assert (len(whole), len(mini)) == (24, 4 * 2 + 2)
    assert len(mini.instance_rows()) == len(mini)
    assert mini.notes == whole.notes[:-1]
    searched = open_catalog(replace(data, unlabelled=None), whole.schema, searched=True)
    assert len(searched) > len(mini) and set(searched.table["split"]) == {"evaluation"}


@pytest.mark.parametrize("name", ["in_shop", "consumer_to_shop", "darn", "shopping100k"])
def test_labels_outside_the_classes_are_counted_for_every_set(name: str, tmp_path: Path) -> None:
    if name == "in_shop":
        test_in_shop.write(tmp_path, test_in_shop.images())
    elif name == "consumer_to_shop":
        test_consumer_to_shop.write(tmp_path, test_consumer_to_shop.pairs())
    else:
        {"darn": test_darn.write, "shopping100k": test_shopping100k.write_own}[name](tmp_path)
    whole, few = (opened(name, tmp_path, f"data.classes={n}") for n in (10, 2))
    lost = [note for note in few.notes if "name none of the 2 classes" in note]
    assert lost and not any("name none of" in note for note in whole.notes)
    for kind in few.schema.types:
        before, after = (int(c.table[kind].notna().sum()) for c in (whole, few))  # views have none
        told = [int(note.split()[0]) for note in lost if f" {kind} label(s)" in note]
        assert sum(told) == before - after
