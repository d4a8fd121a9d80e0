"""Settings: every YAML composes, and whatever is not a setting is refused by name."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import timm
from omegaconf import OmegaConf

from flam_pl import load_config as public_load_config
from flam_pl.config.data import TableData, WardrobeData
from flam_pl.config.loading import check, load_config, method_config
from flam_pl.config.root import Config, to_plain
from flam_pl.config.stages import BackboneConfig
from flam_pl.errors import ConfigError
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


@pytest.mark.parametrize(
    ("page", "least"),
    [("README.md", 2), ("docs/paper.md", 6), ("docs/settings.md", 6), ("docs/your_shop.md", 6)],
)
def test_what_the_pages_tell_to_type_can_be_typed(page: str, least: int) -> None:
    """Make targets, whole settings and those of ``ARGS``."""
    text = (CONF.parent / page).read_text(encoding="utf-8")
    makefile = (CONF.parent / "Makefile").read_text(encoding="utf-8")
    lines = re.findall(r"^([a-z0-9 -]+):", makefile, re.M)
    targets = {name for line in lines for name in line.split()}
    asked = set(re.findall(r"^make ([a-z0-9-]+)|`make ([a-z0-9-]+)", text, re.M))
    asked = {name for pair in asked for name in pair if name}
    assert asked and asked <= targets
    given = re.findall(r'ARGS="([^"]*)"', text) + re.findall(r"`([a-z_.]+=[^` ]+)`", text)
    assert len(given) >= least
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
    config = load_config([f"data.root={name}", f"trainer.devices={name}"])
    assert (config.data.root, config.trainer.devices) == (name, name)
    if "\\" not in name:  # a name is no path
        assert load_config([f"run={name}"]).run == name


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ("[]", []),
        ("[color=red]", ["color=red"]),
        ("[color=red+blue, pattern=striped:0.5]", ["color=red+blue", "pattern=striped:0.5"]),
        ("[collar=round (crew),a=it's]", ["collar=round (crew)", "a=it's"]),
        ("['color=a, b',\"c=d\", 1e3]", ["color=a, b", "c=d", "1e3"]),
        ("[color=@/photos/a.jpg]", ["color=@/photos/a.jpg"]),
        ("[size [cm]=[36],'a [b]=c, d',1e3,null]", ["size [cm]=[36]", "a [b]=c, d", "1e3", "null"]),
    ],
)
def test_texts_in_a_list_are_what_was_written(given: str, texts: list[str]) -> None:
    assert load_config([f"edits={given}"]).edits == texts


def test_a_text_that_is_no_list_is_refused_where_a_list_belongs() -> None:
    with pytest.raises(ConfigError, match="edits"):
        load_config(["edits=color=red"])


@pytest.mark.parametrize(
    ("given", "classes"),
    [
        ("8", 8),
        ("{size:8}", {"size": 8}),
        ("[007,1.50,1e3,true,null,2024_11]", ["007", "1.50", "1e3", "true", "null", "2024_11"]),
        ("{size:[01,2],color:8}", {"size": ["01", "2"], "color": 8}),
        (
            "{ color: [Navy Blue, Off/White, H&M, 50%], size (cm): 3 }",
            {"color": ["Navy Blue", "Off/White", "H&M", "50%"], "size (cm)": 3},
        ),
        (
            "{größe:[Café,it's,a:b,c=d,$x],'a, b':2}",
            {"größe": ["Café", "it's", "a:b", "c=d", "$x"], "a, b": 2},
        ),
        ("{color:['a, b',\"c]\"]}", {"color": ["a, b", "c]"]}),
    ],
)
def test_names_of_classes_are_what_was_written(given: str, classes: object) -> None:
    config = load_config(["data=table", f"data.classes={given}"])
    assert isinstance(config.data, TableData) and config.data.classes == classes


@pytest.mark.parametrize("text", ["{color:[a,b}", "[a,b", "{color}", "{color:[a]b}"])
def test_classes_that_cannot_be_read_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match=r"data.classes is .*\{color:\[Red,Blue\],shape:8\}"):
        load_config(["data=table", f"data.classes={text}"])


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"data.root is '/\\udce9.csv'; expected text in UTF-8"):
        load_config(["data=table", "data.root=/\udce9.csv"])


def test_a_dollar_sign_of_a_name_can_be_written() -> None:
    config = load_config(["data=table", r"data.root=/a$b/\${c}", r"data.types=[a$b,\${c},$]"])
    assert isinstance(config.data, TableData)
    assert (config.data.root, config.data.types) == ("/a$b/${c}", ["a$b", "${c}", "$"])
    for given in ("data.root=/a/${c}", "data.types=[${c}]"):
        with pytest.raises(ConfigError, match=r"data.* is .*\$\{...\} names another setting, and "):
            load_config(["data=table", given])


def test_a_text_setting_can_name_another() -> None:
    assert load_config(["run=${data.name}-2"]).run == "wardrobe-2"


def test_a_text_setting_can_be_null_empty_or_quoted_by_hand() -> None:
    config = load_config(["run=null", "data.root=", "runs_dir='a b'", 'report="x"'])
    assert (config.run, config.data.root, config.runs_dir, config.report) == (None, "", "a b", "x")
    with pytest.raises(ConfigError, match="runs_dir"):
        load_config(["runs_dir=null"])


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
            "manipulator.gated=true",
            "evaluation.ks=[1,7]",
            "run=trial",
            "runs_dir=/tmp/x",
        ]
    )
    assert config.backbone.lr == 0.01 and config.backbone.feature_dim is None
    assert config.manipulator.gated is True and config.evaluation.ks == [1, 7]
    assert config.folder == Path("/tmp/x/trial")


def test_a_table_has_its_columns() -> None:
    config = load_config(["data=table", "data.columns=[photo:path]", "data.types=[color]"])
    assert isinstance(config.data, TableData)
    assert config.data.columns == ["photo:path"] and config.data.types == ["color"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        # no setting, and the nearest one
        ("embedder.margn=1", "embedder.margn is no setting; did you mean embedder.margin?"),
        ("manipulatr.lr=1", "manipulatr.lr is no setting; did you mean manipulator.lr?"),
        ("seeed=1", "seeed is no setting; did you mean seed?"),
        ("backbone.dropout=1", "did you mean embedder.dropout or concat.dropout?"),
        ("backbone.qqq=1", "backbone.qqq is no setting (all settings: python -m flam_pl config)"),
        (
            "evaluation=5",
            "evaluation is no setting; did you mean evaluation.ks or ",
        ),
        ("hydra.run.dir=x", "hydra.run.dir is no setting"),
        ("data.category=Apparel", "is no setting of data=wardrobe, but of another data set"),
        # no file of the group
        ("backbone=resnet5000", "backbone is 'resnet5000' (did you mean resnet50?); expected one"),
        ("experiment=none_such", "experiment is 'none_such'; expected one of flam_m, "),
        ("data=../data/wardrobe", "data is '../data/wardrobe' (did you mean wardrobe?)"),
        # a value of another type
        ("seed=many", "seed is 'many'; expected a whole number, 0 or more"),
        ("seed=1,2", "seed is '1,2'; expected a whole number"),
        ("seed=1.5", "seed is '1.5'; expected a whole number"),
        ("backbone.lr=fast", "backbone.lr is 'fast'; expected a number, more than 0"),
        ("backbone.lr=[", "backbone.lr is '['; expected a number"),
        ("backbone.lr={a:1}", "backbone.lr is '{a:1}'; expected a number"),
        ("manipulator.gated=perhaps", "is 'perhaps'; expected true or false"),
        ("evaluation.ks=[1,two]", "expected a list in square brackets, not empty, each a whole"),
        ("evaluation.ks=3", "evaluation.ks is '3'; expected a list in square brackets"),
        ("backbone.max_epochs=null", "backbone.max_epochs is 'null'; expected a whole number"),
        ("runs_dir=null", "runs_dir is 'null'; expected a text"),
        ("run=${nothing}", "run is '${nothing}'; expected a text, or null"),
        ("seed=${data.name}", "seed is '${data.name}'; expected a whole number"),
        ("run=???", "run is '???'; expected a text, or null"),
        ("backbone.lr", "'backbone.lr' is not a setting; expected key=value"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_line_of_our_own(override: str, message: str) -> None:
    """Without the advice of Hydra, such as to write +backbone.lr=1, which would not work."""
    with pytest.raises(ConfigError) as error:
        load_config([override])
    text = str(error.value)
    assert message in text
    assert not any(word in text for word in ("\n", "To append", "full_key", "struct", "Traceback"))


def test_a_mistake_in_a_file_of_conf_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = tmp_path / "conf"
    shutil.copytree(CONF, conf)
    monkeypatch.setenv("FLAM_PL_CONF", str(conf))
    (conf / "embedder" / "mine.yaml").write_text("defaults: [paper, _self_]\nmargn: 1\n")
    (conf / "embedder" / "broken.yaml").write_text("defaults: [")
    for name, said in (("mine", "margn"), ("broken", "broken.yaml")):
        with pytest.raises(ConfigError, match=rf"cannot be used \({conf}\).*{said}"):
            load_config([f"embedder={name}"])


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


def test_self_training_needs_a_method_that_can_use_it() -> None:
    given = ["embedder.self_training=0.5"]
    found = load_config(given)  # the default run has FLAM+
    assert [method.name for method in chosen(found)] == ["cls_concat", "flam_plus"]
    assert method_config(found, registered()["flam_plus"].overrides).embedder.self_training == 0.5
    assert chosen(load_config([*given, "methods=[]", "embedder=flam_plus"])) == []
    with pytest.raises(ConfigError, match=r"self_training is 0\.5, but no method .*loss=softmax"):
        chosen(load_config([*given, "methods=[cls_concat]"]))


@pytest.mark.parametrize("name", ["flam", "arithmetic", "flam_minus", ""])
def test_a_method_that_cannot_be_trained_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"methods has '{name}'; expected .*cls_concat.*tirg"):
        chosen(load_config([f"methods=['{name}']"]))


def test_plain_settings_hold_only_plain_types(defaults: Config) -> None:
    def plain(value: object) -> bool:
        if isinstance(value, dict):
            return all(isinstance(k, str) and plain(v) for k, v in value.items())
        if isinstance(value, list):
            return all(map(plain, value))
        return value is None or type(value) in (str, int, float, bool)

    assert plain(to_plain(defaults))
    assert to_plain(BackboneConfig(model="m"))["model"] == "m"


def test_a_reader_that_stops_early_ends_a_command_quietly() -> None:
    """As ``flam-pl config | head -1`` does."""
    command = f"{sys.executable} -m flam_pl config | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "0" and "Traceback" not in done.stderr


def test_a_list_of_settings_is_refused_with_the_way_to_give_it() -> None:
    with pytest.raises(ConfigError, match=r"load_config got \['seed=1'\].*load_config\(\*settings"):
        public_load_config(["seed=1"])  # type: ignore[arg-type]
