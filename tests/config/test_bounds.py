"""Bounds of settings: each is stated beside its field, and every value is checked against them."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flam_pl.config.bounds import LIMITS, expected, within
from flam_pl.config.data import DATA_SCHEMAS
from flam_pl.config.loading import check, load_config
from flam_pl.config.root import Config, settings_of
from flam_pl.errors import ConfigError, FlamError

SETTINGS = settings_of(DATA_SCHEMAS["wardrobe"])


@pytest.fixture(scope="module")
def defaults() -> Config:
    return load_config()


@given(
    st.floats(-3, 3) | st.integers(-3, 3),
    st.fixed_dictionaries({}, optional={name: st.integers(-2, 2) for name in LIMITS}),
)
def test_a_number_is_within_its_limits(value: float, limits: dict[str, int]) -> None:
    right = True
    if "least" in limits and value < limits["least"]:
        right = False
    if "above" in limits and value <= limits["above"]:
        right = False
    if "most" in limits and value > limits["most"]:
        right = False
    if "below" in limits and value >= limits["below"]:
        right = False
    assert within(value, limits) == right
    assert within([value, value], limits) == right
    assert within(None, limits)  # whether null is allowed is a matter of the type


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_is_infinite_or_nan(value: float) -> None:
    assert not within(value, {}) and not within(value, {"least": 0})


@pytest.mark.parametrize(
    ("value", "bounds", "right"),
    [
        ("pad", {"choices": ("pad", "crop")}, True),
        ("squash", {"choices": ("pad", "crop")}, False),
        (["2", "3"], {"choices": ("2", "3", "4"), "empty": False}, True),
        (["2", "5"], {"choices": ("2", "3", "4"), "empty": False}, False),
        ([], {"choices": ("2",), "empty": False}, False),
        ([], {"least": 1, "empty": True}, True),
        ("embedder", {"choices": ("embedder",), "least": 1}, True),
        ("all", {"choices": ("embedder",), "least": 1}, False),
        (1, {"choices": ("embedder",), "least": 1}, True),
        (0, {"choices": ("embedder",), "least": 1}, False),
    ],
)
def test_a_choice_is_one_of_the_known(value: Any, bounds: dict[str, Any], right: bool) -> None:
    assert within(value, bounds) == right


@pytest.mark.parametrize(
    ("kind", "bounds", "words"),
    [
        (int, {}, "a whole number"),
        (int, {"least": 1}, "a whole number, 1 or more"),
        (float, {"least": 0, "below": 1}, "a number, 0 or more and less than 1"),
        (bool, {}, "true or false"),
        (str | None, {}, "a text, or null"),
        (str, {"choices": ("a", "b")}, "one of a, b"),
        (list[str], {}, "a list in square brackets, each a text"),
        (list[int], {"choices": (1, 2)}, "a list in square brackets, each one of 1, 2"),
        (
            int | str | None,
            {"choices": ("embedder",), "least": 1},
            "embedder, or a whole number, 1 or more, or null",
        ),
        (Any, {}, "a whole number or names in brackets, also by type: {color:[Red,Blue],shape:8}"),
    ],
)
def test_what_a_setting_takes_is_said_in_words(kind: Any, bounds: Any, words: str) -> None:
    assert expected(kind, bounds) == words


@pytest.mark.parametrize("data", DATA_SCHEMAS)
def test_only_known_bounds_are_stated(data: str) -> None:
    """A misspelt one would check nothing."""
    for key, (_, bounds) in settings_of(DATA_SCHEMAS[data]).items():
        assert bounds.keys() <= {*LIMITS, "choices", "empty", "loss"}, key


def test_every_setting_is_found_under_its_full_key(defaults: Config) -> None:
    assert {"seed", "embedder.margin", "data.root", "data.train_items"} <= SETTINGS.keys()
    assert "data" not in SETTINGS and "data.category" not in SETTINGS
    numbers = [key for key, (kind, _) in SETTINGS.items() if kind in (int, float)]
    free = {key for key in numbers if not SETTINGS[key][1] and not key.startswith("data.")}
    assert len(numbers) > 70 and not free  # each number has bounds


def changed(config: Config, key: str, value: object) -> Config:
    """A copy with another value, which nothing has checked."""
    config = copy.deepcopy(config)
    group, _, name = key.rpartition(".")
    section = getattr(config, group) if group else config
    assert hasattr(section, name)
    setattr(section, name, value)
    return config


NUMBERS = [
    (key, name, limit)
    for key, (_, bounds) in SETTINGS.items()
    for name, limit in bounds.items()
    if name in LIMITS and not key.startswith("data.")
]


@pytest.mark.parametrize(("key", "name", "limit"), NUMBERS)
def test_the_nearest_value_outside_a_limit_is_refused_by_name(
    key: str, name: str, limit: float, defaults: Config
) -> None:
    step = {"least": -1, "above": 0, "most": 1, "below": 0}[name]
    value: Any = limit + step
    if SETTINGS[key][0] == list[int] or SETTINGS[key][0] == list[float]:
        value = [value]
    with pytest.raises(ConfigError) as error:
        check(changed(defaults, key, value))
    assert f"{key} is {value!r}; expected" in str(error.value)
    assert LIMITS[name][1].format(limit) in str(error.value)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"backbone.fit": "squash"}, ["backbone.fit is 'squash'", "pad, crop, stretch"]),
        ({"backbone.dtype": "float64"}, ["backbone.dtype", "float16"]),
        ({"logger.wandb": "yes_please"}, ["logger.wandb", "offline"]),
        ({"embedder.loss": "hinge"}, ["embedder.loss is 'hinge'", "triplet, softmax"]),
        ({"embedder.temperature": 0.0}, ["embedder.temperature is 0.0", "more than 0"]),
        ({"manipulator.cycle_weight": -0.3}, ["manipulator.cycle_weight is -0.3", "0 or more"]),
        ({"backbone.lr": math.nan}, ["backbone.lr is nan"]),
        ({"concat.working_dim": "all"}, ["concat.working_dim is 'all'", "embedder"]),
        ({"evaluation.ks": []}, ["evaluation.ks is []", "not empty"]),
        ({"evaluation.ks": [5, 0]}, ["evaluation.ks is [5, 0]"]),
        ({"tables.which": []}, ["tables.which"]),
        ({"tables.which": [2, 6]}, ["tables.which is [2, 6]", "1, 2, 3, 4, 5"]),
        ({"figures.which": []}, ["figures.which"]),
        ({"figures.which": ["2", "4"]}, ["figures.which is ['2', '4']", "convergence"]),
        ({"figures.shares": [0.5, 0.0]}, ["figures.shares is [0.5, 0.0]"]),
        # settings that contradict each other: all are named
        ({"backbone.pooling": "average"}, ["backbone.pooling", "'average'", "spoc", "cgd-SG"]),
        (
            {"backbone.pooling": "cgd-SG", "backbone.feature_dim": None},
            ["backbone.pooling", "backbone.feature_dim", "multiple of 2"],
        ),
        (
            {"backbone.weights": "imagenet-package", "backbone.model": "resnet50"},
            ["backbone.weights", "backbone.model", "resnet50"],
        ),
        (
            {"backbone.triplet_weight": 0.0, "backbone.classification_weight": 0.0},
            ["backbone.triplet_weight, backbone.classification_weight are all 0"],
        ),
        (
            {f"manipulator.{name}_weight": 0.0 for name in ("adversarial", "matching", "cycle")},
            ["manipulator.adversarial_weight, ", "manipulator.composition_weight are all 0"],
        ),
    ],
)
def test_a_value_that_cannot_work_is_refused_before_anything_runs(
    changes: dict[str, object], named: list[str], defaults: Config
) -> None:
    config = defaults
    check(config)
    for key, value in changes.items():
        config = changed(config, key, value)
    with pytest.raises(ConfigError) as error:
        check(config)
    assert all(word in str(error.value) for word in named)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["data.label_share=0"], r"data\.label_share is 0\.0; expected a number, more than 0"),
        (["data.label_share=20"], r"data\.label_share is 20\.0; .*at most 1"),
        (["data.label_seed=-1"], r"data\.label_seed is -1; expected a whole number, 0 or more"),
        (["data=in_shop", "data.validation_items=-1"], r"data\.validation_items is -1"),
        (["data=table", "data.split_seed=-1"], r"data\.split_seed is -1"),
        (
            ["data=table", "data.types=[]"],
            r"data\.types is \[\]; expected a list in square brackets, not empty",
        ),
        (["data.image_size=8"], r"data\.image_size is 8; expected .* 32 or more"),
        (["backbone.fit=squash"], r"backbone\.fit is 'squash'"),
    ],
)
def test_loading_checks_the_values(given: list[str], message: str) -> None:
    with pytest.raises(FlamError, match=message):
        load_config(given)


def test_a_smallest_usable_value_is_accepted() -> None:
    config = load_config(["backbone.items=2", "backbone.images=2", "embedder.batch_size=2"])
    assert (config.backbone.items, config.backbone.images) == (2, 2)
    only = [f"manipulator.{name}_weight=0" for name in ("adversarial", "matching")]
    assert load_config(only).manipulator.cycle_weight > 0
