"""Settings of a saved run: they open it from anywhere, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from flam_pl.config.data import TableData
from flam_pl.config.loading import (
    SETTINGS,
    load_config,
    load_run_config,
    method_config,
    save_config,
    saved_settings,
)
from flam_pl.config.root import Config
from flam_pl.errors import ConfigError, FlamError
from flam_pl.methods.registry import registered


def trained(folder: Path, *overrides: str) -> list[str]:
    """A run at ``folder``, as the training command leaves it; what names it again."""
    where = ["run=mine", f"runs_dir={folder}"]
    given = [*overrides, *where]
    save_config(load_config(given))
    return where


def test_a_run_keeps_its_settings_and_new_ones_win(tmp_path: Path) -> None:
    where = trained(tmp_path, "backbone.image_size=32", "seed=7", "data.train_items=50")
    config, own = load_run_config([*where, "evaluation.resamples=99"])
    assert own
    assert (config.backbone.image_size, config.seed, config.data.train_items) == (32, 7, 50)
    assert config.evaluation.resamples == 99
    config, _ = load_run_config([*where, "k=8", "seed=7", "backbone.extract_batch=9"])
    assert config.k == 8 and config.backbone.image_size == 32


@pytest.mark.parametrize(
    "setting",
    ["seed=8", "backbone.image_size=64", "embedder.lr=1", "scoring=cosine", "experiment=quick"],
)
def test_another_training_is_refused_by_name(setting: str, tmp_path: Path) -> None:
    """Else a report would name settings that nothing was trained with."""
    where = trained(tmp_path, "backbone.image_size=32", "seed=7")
    with pytest.raises(ConfigError, match=f"^{setting.partition('=')[0]} is a setting of the tr"):
        load_run_config([*where, setting])


def test_the_written_settings_are_the_run_s(tmp_path: Path) -> None:
    trained(tmp_path, "seed=7")
    written = saved_settings(tmp_path / "mine")
    assert written["seed"] == 7 and written["data"]["name"] == "wardrobe"
    assert written["overrides"][0] == "seed=7"


def test_a_run_opens_from_another_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its paths, written or by default, are those of the folder where it was trained."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    save_config(load_config(["data.unlabelled=../more"]))
    save_config(load_config(["data=table", "data.root=list.csv", "data.images=photos"]))
    for name in ("wardrobe", "table"):
        assert saved_settings(here / "runs" / name)["runs_dir"] == str(here / "runs")
    monkeypatch.chdir(there)
    config, own = load_run_config([f"runs_dir={here}/runs"])
    assert own and config.folder == here / "runs" / "wardrobe"
    assert config.data.root == str(here / "data" / "wardrobe")
    assert config.data.unlabelled == str(tmp_path / "more")
    config, own = load_run_config([f"runs_dir={here}/runs", "run=table"])
    assert own and isinstance(config.data, TableData) and config.name == "table"
    assert (config.data.root, config.data.images) == (f"{here}/list.csv", f"{here}/photos")
    # the same place by another name is the same data
    assert load_run_config([f"runs_dir={here}/runs", "data.root=../here/data/wardrobe"])[1]
    assert not load_run_config([f"runs_dir={here}/runs", "data.root=data/wardrobe"])[1]


def test_a_run_in_a_renamed_folder_keeps_the_place_where_it_is(tmp_path: Path) -> None:
    trained(tmp_path, "seed=7", "data=table", "data.root=/photos.csv")
    (tmp_path / "mine").rename(tmp_path / "wardrobe")
    config, own = load_run_config([f"runs_dir={tmp_path}"])
    assert own and config.folder == tmp_path / "wardrobe" and config.data.name == "table"


def test_the_settings_of_one_call_are_not_read_back(tmp_path: Path) -> None:
    one_call = ["k=3", "image=a.jpg", "edits=[color=red]", "report=other", "retrain=true"]
    where = trained(tmp_path, *one_call, "tables.which=[1]", "seed=7")
    config, _ = load_run_config(where)
    plain = Config()
    for name in ("k", "image", "edits", "report", "retrain", "tables"):
        assert getattr(config, name) == getattr(plain, name)
    assert config.seed == 7
    config, _ = load_run_config([*where, "k=4", "report=now"])
    assert (config.k, config.report) == (4, "now")
    assert not any(o.startswith(("image", "edits")) for o in config.overrides)


def test_an_expression_is_saved_as_its_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOTOS", str(tmp_path / "photos"))
    given = ["data.root=${oc.env:PHOTOS}", "backbone.weights=w-${seed}"]
    where = trained(tmp_path, *given, "seed=5", "k=2")
    text = (tmp_path / "mine" / SETTINGS).read_text()
    assert "${" not in text and str(tmp_path / "photos") in text
    monkeypatch.delenv("PHOTOS")
    config, own = load_run_config(where)
    assert own and config.data.root == str(tmp_path / "photos")
    assert config.backbone.weights == "w-5"


def test_a_dollar_sign_of_a_path_survives(tmp_path: Path) -> None:
    given = ["data=table", rf"data.root={tmp_path}/\${{x}}.csv", r"data.types=['a, b',\${y}]"]
    config, own = load_run_config(trained(tmp_path, *given))
    assert isinstance(config.data, TableData) and own
    assert config.data.root == f"{tmp_path}/${{x}}.csv"
    assert config.data.types == ["a, b", "${y}"]


@pytest.mark.parametrize("key", ["data.root", "backbone.weights"])
def test_an_expression_in_a_saved_file_is_never_evaluated(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "the secret")
    where = trained(tmp_path)
    path = tmp_path / "mine" / SETTINGS
    saved = saved_settings(path.parent)
    section, name = key.split(".")
    saved[section][name] = "${oc.env:SECRET}"
    saved["overrides"] = [key + "=${oc.env:SECRET}"]
    path.write_text(OmegaConf.to_yaml(OmegaConf.create(saved)))
    assert saved_settings(path.parent)[section][name] == "${oc.env:SECRET}"
    with pytest.raises(ConfigError) as error:
        load_run_config(where)
    assert key in str(error.value) and "the secret" not in str(error.value)


@pytest.mark.parametrize("content", ["{", "a: [", "- 1", "overrides: 3", ""])
def test_a_damaged_file_is_refused_by_name(content: str, tmp_path: Path) -> None:
    where = trained(tmp_path)
    (tmp_path / "mine" / SETTINGS).write_text(content)
    with pytest.raises(ConfigError, match=rf"{SETTINGS} .*train the run again"):
        load_run_config(where)


def test_a_run_s_settings_reach_its_methods_again(tmp_path: Path) -> None:
    where = trained(tmp_path, "embedder.members=5", "seed=7", "manipulator.max_epochs=9")
    config, _ = load_run_config(where)
    found = method_config(config, registered()["flam_plus"].overrides)
    assert (found.embedder.members, found.manipulator.max_epochs, found.seed) == (5, 9, 7)
    assert found.embedder.loss == "softmax" and found.folder == config.folder


@pytest.mark.parametrize(
    "other",
    [
        ["data.root=/other/photos"],
        ["data.seed=5"],
        ["data=table", "data.root=/photos.csv"],
    ],
)
def test_other_data_is_noticed(other: list[str], tmp_path: Path) -> None:
    where = trained(tmp_path, "data.train_items=50", "manipulator.lr=0.5")
    config, own = load_run_config([*where, *other])
    assert not own
    assert config.manipulator.lr == 0.5
    if other[0] == "data=table":
        assert isinstance(config.data, TableData) and config.data.root == "/photos.csv"


def test_other_data_does_not_change_the_run_s_backbone(tmp_path: Path) -> None:
    """The settings go into the report, which would name a network that was never used."""
    where = trained(tmp_path, "data.train_items=50")
    config, _ = load_run_config([*where, "data=table", "data.root=/photos.csv"])
    assert config.backbone.max_epochs > 0 and config.backbone.image_size == 112


def test_a_run_of_an_experiment_keeps_its_backbone(tmp_path: Path) -> None:
    where = trained(tmp_path, "experiment=quick")
    config, own = load_run_config(where)
    assert own and config.backbone.max_epochs == 2
    config, own = load_run_config([*where, "data=fashion_products", "data.root=/photos"])
    assert not own and config.backbone.max_epochs == 2
    config, _ = load_run_config([*where, "backbone.extract_batch=7"])
    assert config.backbone.extract_batch == 7 and config.backbone.max_epochs == 2


def test_the_number_of_workers_is_not_other_data(tmp_path: Path) -> None:
    where = trained(tmp_path)
    config, own = load_run_config([*where, "data.workers=0"])
    assert own and config.data.workers == 0


def test_a_run_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FlamError, match=r"no run at .*nobody"):
        load_run_config(["run=nobody", f"runs_dir={tmp_path}"])


def test_a_run_called_by_a_number_is_found_again(tmp_path: Path) -> None:
    given = [f"runs_dir={tmp_path}", "run=2024_11_24", "data.train_items=7"]
    save_config(load_config(given))
    assert (tmp_path / "2024_11_24" / "config.yaml").is_file()
    found, own = load_run_config(given[:2])
    assert found.run == "2024_11_24" and own and found.data.train_items == 7


@pytest.mark.parametrize(
    "text",
    ["${oc.env:SECRET}", r"$\{oc.env:SECRET\}", r"'$\{oc.env:SECRET\}'", "${oc.create:{a: 1}}"],
)
@pytest.mark.parametrize("key", ["data.root", "seed", "data.unlabelled", "methods"])
def test_no_spelling_of_an_expression_is_evaluated(
    text: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "7")
    where = trained(tmp_path)
    plain = saved_settings(tmp_path / "mine") | {"overrides": [f"{key}={text}"]}
    (tmp_path / "mine" / SETTINGS).write_text(yaml.safe_dump(plain))
    with pytest.raises(ConfigError, match=f"holds {key}="):
        load_run_config(where)


OUTPUTS = (
    *("run=../../victim", "runs_dir=/victim", "report=x/../../../../victim", "image=/victim"),
    *(
        "edits=[color=red]",
        "logger.wandb=online",
        "logger.project=theirs",
        "results.page=[/victim]",
    ),
    *("retrain=true", "k=3", "tables.note=theirs", "+report=victim", "figures.examples=9"),
)


def test_nothing_but_training_settings_is_read_of_a_run_of_somebody_else(tmp_path: Path) -> None:
    where = trained(tmp_path, "seed=7")
    own, _ = load_run_config(where)
    plain = saved_settings(tmp_path / "mine")
    plain |= {"report": "../victim", "run": "../victim", "logger": {"wandb": "online"}}
    plain["overrides"] = [*plain["overrides"], *OUTPUTS]
    (tmp_path / "mine" / SETTINGS).write_text(yaml.safe_dump(plain))
    theirs, _ = load_run_config(where)
    assert theirs == own and theirs.seed == 7


@pytest.mark.parametrize(
    "saved",
    [["seed=x"], ["data.no_such=1"], ["data=../../x"], ["data.name=../x"], ["data.root=a\0b"]],
)
def test_settings_that_cannot_be_used_name_the_file(saved: list[str], tmp_path: Path) -> None:
    where = trained(tmp_path)
    (tmp_path / "mine" / SETTINGS).write_text(yaml.safe_dump({"overrides": saved}))
    with pytest.raises(ConfigError, match=rf"mine/{SETTINGS} holds .*train the run again"):
        load_run_config(where)


BAD_NAMES = (
    "a/b",
    "/a",
    "..",
    "a/../b",
    "a\\b",
    "",
    " ",
    ".",
    ".hidden",
    "a\nb",
    "a\x1bb",
    200 * "n",
)


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("key", ["run", "report", "data.name"])
def test_a_name_is_no_path(key: str, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"{key} is .*Expected a name, not a path"):
        load_config([f"{key}={name}"])


@pytest.mark.parametrize("name", ["2024_11_24", "Sömmer 2 (neu)", "v1.2", "店"])
def test_a_plain_name_is_taken(name: str) -> None:
    assert load_config([f"run={name}", f"report={name}"]).name == name
