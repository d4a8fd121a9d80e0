"""Settings: every YAML composes, and whatever is not a setting is refused by name."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from pathlib import Path

import pytest
import timm
from omegaconf import OmegaConf

from flam_pl.config.checks import check
from flam_pl.config.data import TableData, WardrobeData
from flam_pl.config.loading import (
    config_folder,
    load_config,
    load_run_config,
    method_config,
    save_config,
)
from flam_pl.config.root import Config, to_plain
from flam_pl.config.stages import BackboneConfig
from flam_pl.errors import ConfigError, FlamError
from flam_pl.methods.registry import chosen, registered, trainable

CONF = Path(__file__).resolve().parents[1] / "conf"
CHOICES = sorted(
    f"{path.parent.relative_to(CONF)}={path.stem}"
    for path in CONF.rglob("*.yaml")
    if path.parent != CONF
)


@pytest.fixture(autouse=True)
def the_shipped_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAM_PL_CONF", str(CONF))


def test_there_is_a_choice_in_every_group() -> None:
    groups = {choice.split("=")[0] for choice in CHOICES}
    assert groups >= {"data", "backbone", "embedder", "manipulator", "scoring", "trainer", "logger"}


def test_the_defaults_are_complete(defaults: Config) -> None:
    config = defaults
    assert isinstance(config.data, WardrobeData) and config.data.root
    assert config.backbone.max_epochs > 0
    assert config.folder == Path("runs/wardrobe")
    assert "???" not in OmegaConf.to_yaml(OmegaConf.structured(config))


@pytest.mark.parametrize("page", ["README.md", "docs/paper.md"])
def test_what_the_pages_tell_to_type_can_be_typed(page: str) -> None:
    """Make targets, whole settings and those of ``ARGS``."""
    text = (CONF.parent / page).read_text(encoding="utf-8")
    makefile = (CONF.parent / "Makefile").read_text(encoding="utf-8")
    lines = re.findall(r"^([a-z0-9 -]+):", makefile, re.M)
    targets = {name for line in lines for name in line.split()}
    asked = set(re.findall(r"^make ([a-z0-9-]+)|`make ([a-z0-9-]+)", text, re.M))
    asked = {name for pair in asked for name in pair if name}
    assert asked and asked <= targets
    given = re.findall(r'ARGS="([^"]*)"', text) + re.findall(r"`([a-z_.]+=[^` ]+)`", text)
    assert len(given) > 5
    for settings in given:
        load_config(settings.split())


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_composes_and_is_checked(choice: str) -> None:
    config = load_config([choice])
    assert isinstance(config, Config)
    check(config)
    # and goes into checkpoints and JSON
    plain = to_plain(config)
    assert set(plain) >= {"data", "backbone", "embedder", "manipulator", "trainer", "logger"}


@pytest.mark.parametrize("data", ["wardrobe", "fashion_products", "table"])
def test_the_backbone_follows_the_data_unless_it_is_named(data: str) -> None:
    """Only the wardrobe has several photos of an item to tune a backbone on."""
    tuned = load_config([f"data={data}"]).backbone.max_epochs > 0
    assert tuned == (data == "wardrobe")
    assert load_config([f"data={data}", "backbone=resnet50"]).backbone.model == "resnet50"


def test_the_backbones_of_table_5_have_their_own_size_and_the_rest_of_resnet50() -> None:
    base = load_config(["backbone=resnet50"]).backbone
    assert (base.feature_dim, base.pooling, base.weights) == (1024, "spoc", "timm")
    for model in ("seresnet50", "seresnext50_32x4d", "inception_resnet_v2", "densenet121"):
        size = 299 if model == "inception_resnet_v2" else 224
        chosen = load_config([f"backbone={model}"]).backbone
        assert chosen == replace(base, model=model, image_size=size)
        made_for = timm.get_pretrained_cfg(model)
        assert made_for is not None and made_for.input_size[1:] == (size, size)


@pytest.mark.parametrize(
    "name",
    [
        *("2024_11_24", "007", "1e3", "0x10", "12", "true", "nan", "a,b", "[0,1]", "{a:1}"),
        *("it's", 'say "red"', "a b (2)", "back\\slash\\", "\\'", "a=b", "~x", "é", "'", "*?"),
    ],
)
def test_a_text_setting_is_what_was_written(name: str) -> None:
    """Hydra alone reads a number into 2024_11_24, and refuses half of the others."""
    config = load_config([f"run={name}", f"data.root={name}", f"trainer.devices={name}"])
    assert (config.run, config.data.root, config.trainer.devices) == (name, name, name)


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ("[]", []),
        ("[color=red]", ["color=red"]),
        ("[color=red+blue, pattern=striped:0.5]", ["color=red+blue", "pattern=striped:0.5"]),
        ("[collar=round (crew),a=it's]", ["collar=round (crew)", "a=it's"]),
        ("['color=a, b',\"c=d\", 1e3]", ["color=a, b", "c=d", "1e3"]),
        ("[color=@/photos/a.jpg]", ["color=@/photos/a.jpg"]),
    ],
)
def test_texts_in_a_list_are_what_was_written(given: str, texts: list[str]) -> None:
    assert load_config([f"edits={given}"]).edits == texts


def test_a_text_that_is_no_list_is_refused_where_a_list_belongs() -> None:
    with pytest.raises(ConfigError, match="edits"):
        load_config(["edits=color=red"])


def test_a_text_setting_can_name_another() -> None:
    assert load_config(["run=${data.name}-2"]).run == "wardrobe-2"


def test_a_text_setting_can_be_null_empty_or_quoted_by_hand() -> None:
    config = load_config(["run=null", "data.root=", "runs_dir='a b'", 'report="x"'])
    assert (config.run, config.data.root, config.runs_dir, config.report) == (None, "", "a b", "x")
    with pytest.raises(ConfigError, match="runs_dir"):
        load_config(["runs_dir=null"])


def test_a_run_called_by_a_number_is_found_again(tmp_path: Path) -> None:
    given = [f"runs_dir={tmp_path}", "run=2024_11_24", "data.train_items=7"]
    save_config(load_config(given))
    assert (tmp_path / "2024_11_24" / "config.yaml").is_file()
    found, own = load_run_config(given[:2])
    assert found.run == "2024_11_24" and own and found.data == load_config(given).data


def settings_of(config: Config) -> Config:
    """Without the command line that they come from."""
    return replace(config, overrides=[])


def test_an_ablation_is_the_paper_s_recipe_without_what_its_row_lacks(defaults: Config) -> None:
    """Table 3: S, adv | M | M, adv; the file is read both as a choice and as a method's."""
    lacks = {
        "flam_s_adv": {"with_remaining": False, "online_sampling": False},
        "flam_m": {"adversarial_weight": 0.0, "online_sampling": False},
        "flam_m_adv": {"online_sampling": False},
    }
    in_table_3 = {name for name in trainable() if registered()[name].in_table_3}
    assert set(lacks) == in_table_3 - {"cls_concat", "emb_concat", "flam_plus"}
    for name, changes in lacks.items():
        expected = replace(defaults.manipulator, **changes)
        of_method = method_config(defaults, registered()[name].overrides)
        assert settings_of(of_method) == replace(defaults, manipulator=expected)
        assert load_config([f"manipulator={name}"]).manipulator == expected
        assert load_config([f"experiment={name}"]).methods == [name]
    whole = settings_of(load_config(["experiment=flam_m_os_adv"]))
    assert whole == replace(defaults, methods=[])
    assert {*load_config(["experiment=table3"]).methods} == in_table_3 - {"flam_plus"}


# --- settings of the methods of a run

PARTS = ("embedder", "manipulator")


def test_every_method_that_chooses_settings_can_be_trained() -> None:
    for method in registered().values():
        assert all(choice in CHOICES for choice in method.overrides)
        assert method.name in trainable() or not method.overrides


def test_flam_plus_is_its_two_files_over_the_defaults(defaults: Config) -> None:
    of_method = method_config(defaults, registered()["flam_plus"].overrides)
    written = [OmegaConf.load(CONF / group / "flam_plus.yaml") for group in PARTS]
    for group, own in zip(PARTS, written, strict=True):
        assert own.pop("defaults") == ["paper", "_self_"]
        assert (
            getattr(of_method, group)
            == replace(getattr(defaults, group), **own)
            != getattr(defaults, group)
        )
    same = {group: getattr(defaults, group) for group in PARTS}
    assert settings_of(replace(of_method, **same)) == defaults


def test_what_the_user_writes_reaches_the_methods(defaults: Config) -> None:
    """A value wins over the method's file, and over that of an experiment."""
    plain = method_config(defaults, registered()["flam_plus"].overrides)
    given = ["embedder.members=5", "manipulator.max_epochs=10"]
    config = load_config(given)
    assert config.overrides == given
    assert (config.embedder.members, config.manipulator.max_epochs) == (5, 10)
    found = method_config(config, registered()["flam_plus"].overrides)
    assert found.embedder == replace(plain.embedder, members=5)
    assert found.manipulator == replace(plain.manipulator, max_epochs=10)
    assert plain.embedder.members != 5 and plain.manipulator.max_epochs != 10
    assert method_config(config, registered()["flam_m"].overrides).manipulator.max_epochs == 10
    assert not method_config(config, registered()["flam_m"].overrides).manipulator.online_sampling


def test_an_experiment_reaches_the_methods(defaults: Config) -> None:
    quick = load_config(["experiment=quick"])
    found, plain = (
        method_config(of, registered()["flam_plus"].overrides) for of in (quick, defaults)
    )
    assert quick.embedder.max_epochs != defaults.embedder.max_epochs
    assert found.embedder == replace(plain.embedder, max_epochs=quick.embedder.max_epochs)
    of_quick = {n: getattr(quick.manipulator, n) for n in ("max_epochs", "batch_size")}
    assert found.manipulator == replace(plain.manipulator, **of_quick) != plain.manipulator
    both = load_config(["experiment=quick", "embedder.max_epochs=7"])
    assert method_config(both, registered()["flam_plus"].overrides).embedder.max_epochs == 7


def test_a_choice_of_the_run_is_not_one_of_the_method() -> None:
    """The paper's embedders for the run, the better ones for the method, whatever is written."""
    for given in (
        ["experiment=paper"],
        ["embedder=paper", "manipulator=flam_s_adv"],
        ["embedder=flam_plus"],
        ["scoring=cosine", "data=table", "data.root=/photos.csv"],
    ):
        config = load_config([*given, "seed=4"])
        found = method_config(config, registered()["flam_plus"].overrides)
        assert found.embedder.loss == "softmax" and found.embedder.members > 1
        assert found.manipulator.distillation_weight > 0 and found.manipulator.with_remaining
        assert (found.seed, found.data, found.scoring) == (4, config.data, config.scoring)
        assert (
            method_config(config, registered()["cls_concat"].overrides) == config
        )  # it chooses nothing


@pytest.mark.parametrize("given", ["overrides=[seed=3]", "overrides=[]", "overrides=null"])
def test_the_command_line_itself_is_no_setting(given: str) -> None:
    with pytest.raises(ConfigError, match="overrides is no setting"):
        load_config([given])


def test_the_scoring_can_be_chosen_and_its_weights_be_set(defaults: Config) -> None:
    assert defaults.scoring.posteriors
    assert defaults.scoring.target is defaults.scoring.others is defaults.scoring.moved is None
    assert not load_config(["scoring=cosine"]).scoring.posteriors
    assert not load_config(["experiment=paper"]).scoring.posteriors
    set_to = load_config(["scoring.target=0.5", "scoring.moved=0"]).scoring
    assert (set_to.target, set_to.others, set_to.moved) == (0.5, None, 0.0)


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("results.seeds=[-1]", "results.seeds"),
        ("concat.working_dim=0", "concat.working_dim"),
        ("concat.working_dim=all", "concat.working_dim"),
    ],
)
def test_a_setting_of_the_results_that_makes_no_sense_is_named(setting: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named.replace(".", r"\.")):
        load_config([setting])


def test_a_quick_trial_is_quick_on_any_data() -> None:
    wardrobe = load_config(["experiment=quick"])
    assert wardrobe.folder == Path("runs/wardrobe_small") and wardrobe.tables.note
    own = load_config(["experiment=quick", "data=table", "data.root=/photos.csv"])
    assert isinstance(own.data, TableData) and own.backbone.max_epochs == 0
    assert own.manipulator == wardrobe.manipulator


def test_overrides_arrive_with_their_types() -> None:
    config = load_config(
        [
            "backbone.lr=0.01",
            "backbone.feature_dim=null",
            "manipulator.shared=false",
            "evaluation.ks=[1,7]",
            "run=trial",
            "runs_dir=/tmp/x",
        ]
    )
    assert config.backbone.lr == 0.01 and config.backbone.feature_dim is None
    assert config.manipulator.shared is False and config.evaluation.ks == [1, 7]
    assert config.folder == Path("/tmp/x/trial")


def test_a_table_has_its_columns() -> None:
    config = load_config(["data=table", "data.columns=[photo:path]", "data.types=[color]"])
    assert isinstance(config.data, TableData)
    assert config.data.columns == ["photo:path"] and config.data.types == ["color"]


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("backbone.lerning_rate=1", "lerning_rate"),
        ("manipulatr.lr=1", "manipulatr"),
        ("data.category=Apparel", "category"),  # a setting, but of another data set
        ("backbone=resnet5000", "resnet5000"),
        ("experiment=none_such", "none_such"),
        ("seed=many", "seed"),
        ("backbone.lr=fast", "lr"),
        ("manipulator.shared=perhaps", "shared"),
        ("evaluation.ks=[1,two]", "ks"),
        ("backbone.max_epochs=null", "max_epochs"),
        ("backbone.lr", "backbone.lr"),
        ("backbone.lr=[", "not usable"),
    ],
)
def test_what_is_no_setting_or_has_the_wrong_type_is_refused_by_name(
    override: str, named: str
) -> None:
    with pytest.raises(ConfigError) as error:
        load_config([override])
    assert named in str(error.value)


@pytest.mark.parametrize("override", ["+backbone.warmup=3", "++backbone.lr=1", "~seed", "+new=1"])
def test_a_setting_cannot_be_added_or_removed(override: str) -> None:
    with pytest.raises(ConfigError, match="only settings that exist") as error:
        load_config([override])
    assert override in str(error.value)


@pytest.fixture(scope="module")
def defaults() -> Config:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLAM_PL_CONF", str(CONF))
        return load_config()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"backbone.fit": "squash"}, ["backbone.fit", "'squash'", "stretch"]),
        ({"backbone.dtype": "float64"}, ["backbone.dtype", "float16"]),
        ({"logger.wandb": "yes_please"}, ["logger.wandb", "offline"]),
        ({"backbone.pooling": "average"}, ["backbone.pooling", "'average'", "spoc", "cgd-SG"]),
        (
            {"backbone.pooling": "cgd-SG", "backbone.feature_dim": None},
            ["backbone.pooling", "backbone.feature_dim", "multiple of 2"],
        ),
        ({"backbone.temperature": 0.0}, ["backbone.temperature"]),
        ({"backbone.label_smoothing": 1.0}, ["backbone.label_smoothing"]),
        ({"backbone.images": 1}, ["backbone.images"]),
        ({"backbone.items": 1}, ["backbone.items"]),
        ({"backbone.image_size": 0}, ["backbone.image_size"]),
        ({"embedder.batch_size": 1}, ["embedder.batch_size"]),
        ({"manipulator.batch_size": 1}, ["manipulator.batch_size"]),
        ({"manipulator.steps_per_epoch": 0}, ["manipulator.steps_per_epoch"]),
        ({"evaluation.resamples": 0}, ["evaluation.resamples"]),
        ({"evaluation.pairs": -1}, ["evaluation.pairs is -1", "0 or more"]),
        ({"evaluation.seed": -1}, ["evaluation.seed is -1", "0 or more"]),
        ({"concat.max_epochs": 0}, ["concat.max_epochs is 0", "1 or more"]),
        ({"scoring.target": -0.1}, ["scoring.target is -0.1", "0 or more"]),
        ({"scoring.others": -1.0}, ["scoring.others"]),
        ({"scoring.moved": -1.0}, ["scoring.moved"]),
        ({"manipulator.teacher_target": -1.0}, ["manipulator.teacher_target is -1.0"]),
        ({"manipulator.teacher_others": -1.0}, ["manipulator.teacher_others"]),
        ({"manipulator.teacher_moved": -1.0}, ["manipulator.teacher_moved"]),
        ({"evaluation.ks": []}, ["evaluation.ks"]),
        ({"evaluation.ks": [5, 0]}, ["evaluation.ks"]),
        ({"tables.which": []}, ["tables.which"]),
        ({"tables.which": [2, 6]}, ["tables.which", "[2, 6]"]),
        ({"tables.seeds": [1, -1]}, ["tables.seeds"]),
        ({"figures.which": []}, ["figures.which"]),
        ({"figures.which": ["2", "4"]}, ["figures.which", "'4'", "convergence"]),
        ({"figures.shares": []}, ["figures.shares"]),
        ({"figures.shares": [0.5, 0.0]}, ["figures.shares", "[0.5, 0.0]"]),
        ({"figures.manipulated": 1}, ["figures.manipulated is 1"]),
        ({"data.label_share": 0.0}, ["data.label_share is 0.0"]),
        ({"data.label_share": 20.0}, ["data.label_share is 20.0", "up to 1"]),
        ({"data.label_seed": -1}, ["data.label_seed"]),
        ({"embedder.loss": "hinge"}, ["embedder.loss is 'hinge'", "triplet, softmax"]),
        ({"embedder.self_training": -1.0}, ["embedder.self_training is -1.0"]),
        # a pair that contradicts itself: both are named
        (
            {"backbone.weights": "imagenet-package", "backbone.model": "resnet50"},
            ["backbone.weights", "backbone.model", "resnet50"],
        ),
    ],
)
def test_a_value_that_cannot_work_is_refused_before_anything_runs(
    changes: dict[str, object], named: list[str], defaults: Config
) -> None:
    config = copy.deepcopy(defaults)
    check(config)
    for key, value in changes.items():
        group, name = key.split(".")
        assert hasattr(getattr(config, group), name)
        setattr(getattr(config, group), name, value)
    with pytest.raises(ConfigError) as error:
        check(config)
    assert all(word in str(error.value) for word in named)


def test_self_training_needs_a_method_that_can_use_it() -> None:
    given = ["embedder.self_training=0.5"]
    found = load_config(given)  # the default run has FLAM+
    assert [method.name for method in chosen(found)] == ["flam_plus"]
    assert method_config(found, registered()["flam_plus"].overrides).embedder.self_training == 0.5
    assert chosen(load_config([*given, "methods=[]", "embedder=flam_plus"])) == []
    with pytest.raises(ConfigError, match=r"self_training is 0\.5, but no method .*loss=softmax"):
        chosen(load_config([*given, "methods=[cls_concat]"]))


@pytest.mark.parametrize("name", ["flam", "arithmetic", "flam_minus", ""])
def test_a_method_that_cannot_be_trained_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"methods has '{name}'; expected .*cls_concat.*tirg"):
        chosen(load_config([f"methods=['{name}']"]))


def test_loading_checks_the_values() -> None:
    with pytest.raises(ConfigError, match=r"data\.validation_items is -1; expected 0 or more"):
        load_config(["data=in_shop", "data.validation_items=-1"])
    with pytest.raises(ConfigError, match=r"data\.split_seed is -1"):
        load_config(["data=table", "data.split_seed=-1"])
    with pytest.raises(FlamError, match=r"data\.image_size: got 8, expected .* at least 32"):
        load_config(["data.image_size=8"])
    with pytest.raises(ConfigError, match=r"backbone\.fit is 'squash'"):
        load_config(["backbone.fit=squash"])


def test_a_smallest_usable_value_is_accepted() -> None:
    config = load_config(["backbone.items=2", "backbone.images=2", "embedder.batch_size=2"])
    assert (config.backbone.items, config.backbone.images) == (2, 2)


def test_plain_settings_hold_only_plain_types(defaults: Config) -> None:
    def plain(value: object) -> bool:
        if isinstance(value, dict):
            return all(isinstance(k, str) and plain(v) for k, v in value.items())
        if isinstance(value, list):
            return all(map(plain, value))
        return value is None or type(value) in (str, int, float, bool)

    assert plain(to_plain(defaults))
    assert to_plain(BackboneConfig(model="m"))["model"] == "m"


def test_a_folder_without_settings_says_where_it_looked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text("seed: 1")
    monkeypatch.chdir(tmp_path)  # another project's conf/ is none of ours
    assert config_folder() == CONF
    monkeypatch.setenv("FLAM_PL_CONF", str(tmp_path / "conf"))
    assert config_folder() == (tmp_path / "conf").resolve()
    monkeypatch.setenv("FLAM_PL_CONF", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="nowhere"):
        config_folder()


# --- settings of a run that is there


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
    config, _ = load_run_config([*where, "seed=8"])
    assert config.seed == 8 and config.backbone.image_size == 32


def test_the_written_settings_are_the_run_s(tmp_path: Path) -> None:
    trained(tmp_path, "seed=7")
    written = OmegaConf.load(tmp_path / "mine" / "config.yaml")
    assert written.seed == 7 and written.data.name == "wardrobe"
    assert written.overrides[0] == "seed=7"


def test_a_run_s_settings_reach_its_methods_again(tmp_path: Path) -> None:
    where = trained(tmp_path, "embedder.members=5", "seed=7")
    config, _ = load_run_config([*where, "manipulator.max_epochs=9"])
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
