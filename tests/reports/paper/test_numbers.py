"""The numbers of the paper's figures against slow loops and files that were written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from attribute_world import SCHEMA, make_world
from flam_pl.attributes import SchemaError
from flam_pl.config.loading import load_config, method_config
from flam_pl.config.root import FiguresConfig
from flam_pl.datasets.catalog import Catalog
from flam_pl.editing.editor import NoEdit
from flam_pl.editing.edits import Edit
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.experiments.sweeps import with_as_many_steps
from flam_pl.methods.registry import registered
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.reports.paper import convergence, spaces

HEAD = "epoch,step,train/g_cycle,val/T@10,val/T@50,val/cosine_edited,val/cosine_recovered,"
LOG = f"""{HEAD}val/no_edit/T@10,val/no_edit/T@50
0,9,,0.1,0.3,0.9,0.95,0.05,0.2
0,9,1.5,,,,,,
1,19,,0.2,0.5,0.8,0.97,0.05,0.2
1,19,1.2,,,,,,
2,29,,0.15,0.4,0.7,0.96,0.05,0.2
2,29,1.1,,,,,,
3,30,,0.2,0.5,0.8,0.97,0.05,0.2
"""


@given(st.integers(0, 1000), st.integers(2, 12), st.integers(2, 5))
def test_spread_and_distance_are_those_of_numpy(seed: int, count: int, dimension: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    e, wanted = (F.normalize(torch.randn(count, dimension, generator=draw)) for _ in range(2))
    found = spaces.statistics(e, wanted)
    covariance = np.cov(e.double().numpy(), rowvar=False, bias=True)
    assert found["spread"] == pytest.approx(np.trace(covariance), abs=1e-5)
    cosines = [float(a @ b) for a, b in zip(e.numpy(), wanted.numpy(), strict=True)]
    assert found["distance_to_wanted"] == pytest.approx(1 - np.mean(cosines), abs=1e-5)
    assert 0 <= found["spread"] <= 1 + 1e-5


def test_at_the_wanted_place_there_is_neither_distance_nor_spread() -> None:
    wanted = F.normalize(torch.ones(6, 4))
    found = spaces.statistics(wanted, wanted)
    assert found == pytest.approx({"distance_to_wanted": 0, "spread": 0}, abs=1e-6)
    opposite = torch.cat([wanted[:3], -wanted[:3]])
    assert spaces.statistics(opposite, wanted)["spread"] == pytest.approx(1)


class ToRed:
    """Knows the answer: takes the direction of a row's own color away and adds red's."""

    name = "answer"

    def __init__(self, directions: torch.Tensor, features: torch.Tensor, colors: np.ndarray):
        self.directions, self.features, self.colors = directions, features, colors

    def represent(self, features: torch.Tensor) -> torch.Tensor:
        return features

    def edit(self, features: torch.Tensor, edits: Sequence[Edit]) -> torch.Tensor:
        assert list(edits) == [Edit("color", "red")]
        rows = [int((self.features == f).all(dim=1).nonzero()) for f in features]
        return features - self.directions[self.colors[rows]] + self.directions[0]


def invented() -> tuple[EvaluationSet, AttributeEmbedders, ToRed]:
    world = make_world(90, 12, noise=0.01)
    labels = world.labels
    everyone, nobody = np.arange(90), np.full(90, -1)
    data = EvaluationSet(SCHEMA, world.features, labels, everyone, everyone, nobody, nobody)
    torch.manual_seed(0)
    embedders = AttributeEmbedders(SCHEMA, 12, 6, hidden=16)
    embedders.fit(world.features, torch.from_numpy(labels))
    return data, embedders.eval(), ToRed(world.directions[1], world.features, labels[:, 1])


def test_only_images_of_another_class_are_edited_and_the_color_alone_collapses() -> None:
    data, embedders, editor = invented()
    settings = FiguresConfig(features=60, manipulated=15, target_class="red")
    found = spaces.edit_to_one_class(editor, embedders, data, settings, seed=3)
    assert len(found.labels) == 60 and len(found.edited) == 15
    assert (found.labels[found.edited, 1] != 0).all()
    # what is wanted: red's place, and in the other spaces the place of the image's own class
    for row, position in enumerate(found.edited):
        shape, _, pattern = found.labels[position]
        for t, (name, c) in enumerate((("shape", shape), ("color", 0), ("pattern", pattern))):
            assert torch.equal(found.wanted[row, t], embedders.of(name).dictionary[c])
    numbers = spaces.numbers(found)
    assert (numbers["images"], numbers["edited"], numbers["target_class"]) == (60, 15, "red")
    before = found.before[found.edited, 1].numpy()
    assert numbers["spaces"]["color"]["before"]["spread"] == pytest.approx(
        before.var(axis=0).sum(), rel=1e-4
    )


def test_an_editor_that_does_nothing_changes_no_figure_and_the_seed_decides_who_is_drawn() -> None:
    data, embedders, _ = invented()
    settings = FiguresConfig(features=60, manipulated=30)
    found = spaces.edit_to_one_class(NoEdit(), embedders, data, settings, seed=0)
    assert len(found.edited) == 20  # a third at most
    most = np.bincount(found.labels[:, 1]).argmax()
    assert found.target_class == SCHEMA.of("color")[most]
    for of_space in spaces.numbers(found)["spaces"].values():
        assert of_space["before"] == pytest.approx(of_space["after"], abs=1e-6)
    again = spaces.edit_to_one_class(NoEdit(), embedders, data, settings, seed=0)
    other = spaces.edit_to_one_class(NoEdit(), embedders, data, settings, seed=1)
    assert (again.labels == found.labels).all() and (other.labels != found.labels).any()


def test_a_class_that_there_is_none_of_is_refused_by_its_setting() -> None:
    data, embedders, editor = invented()
    with pytest.raises(SchemaError, match="figures.target_class.*purple.*red"):
        spaces.edit_to_one_class(
            editor, embedders, data, FiguresConfig(target_class="purple"), seed=0
        )


def test_a_data_set_without_colors_edits_its_first_type() -> None:
    data, embedders, _ = invented()
    found = spaces.edit_to_one_class(
        NoEdit(), embedders, data, FiguresConfig(target_type="fabric"), seed=0
    )
    assert found.target_type == "shape"


def test_a_map_has_a_point_per_image_and_a_cross_per_edit() -> None:
    data, embedders, editor = invented()
    settings = FiguresConfig(features=40, manipulated=9, target_class="red")
    found = spaces.edit_to_one_class(editor, embedders, data, settings, seed=3)
    figure = spaces.draw(found, seed=0)
    assert len(figure.axes) == len(SCHEMA.types)
    for axis in figure.axes:
        counts = [len(dots.get_offsets()) for dots in axis.collections]
        assert sum(counts[:-1]) == 40 and counts[-1] == 9
    assert "to color red" in figure.get_suptitle()


def test_classes_that_are_colors_are_drawn_in_their_own() -> None:
    assert spaces.class_colors(("red", "Navy Blue", "grey")) != ["red", "navyblue", "grey"]
    assert spaces.class_colors(("red", "Sky-Blue", "black")) == ["red", "skyblue", "black"]
    assert len(set(spaces.class_colors(tuple("abcdefghijkl")))) == 12


def test_convergence_is_what_the_log_says_and_the_weights_kept_are_not_counted_twice(
    tmp_path: Path,
) -> None:
    log = tmp_path / "metrics.csv"
    log.write_text(LOG)
    found = convergence.numbers(log, (10, 50, 100))
    assert found is not None
    assert found["no_edit"] == {"T@10": 0.05, "T@50": 0.2}
    assert [e["epoch"] for e in found["epochs"]] == [1, 2, 3]
    assert [e["T@10"] for e in found["epochs"]] == [0.1, 0.2, 0.15]
    assert [e["T@50"] for e in found["epochs"]] == [0.3, 0.5, 0.4]
    assert [e["cosine_recovered"] for e in found["epochs"]] == [0.95, 0.97, 0.96]
    assert [e["cosine_edited"] for e in found["epochs"]] == [0.9, 0.8, 0.7]
    figure = convergence.draw(found)
    points = [axis.collections[0].get_offsets().tolist() for axis in figure.axes]
    assert points[0] == [[0.95, 0.1], [0.97, 0.2], [0.96, 0.15]]
    assert [axis.get_ylabel() for axis in figure.axes] == ["T@10", "T@50"]


def test_without_validation_there_is_no_convergence(tmp_path: Path) -> None:
    assert convergence.numbers(tmp_path / "metrics.csv", (10,)) is None
    (tmp_path / "metrics.csv").touch()
    assert convergence.numbers(tmp_path / "metrics.csv", (10,)) is None
    (tmp_path / "metrics.csv").write_text("epoch,step,train/g_cycle\n0,9,1.5\n")
    assert convergence.numbers(tmp_path / "metrics.csv", (10,)) is None


def test_fewer_labels_are_trained_on_for_as_many_steps() -> None:
    def labelled(count: int) -> Catalog:
        table = pd.DataFrame({"path": [f"{n}.jpg" for n in range(2000)], "split": "train"})
        table["shape"] = [SCHEMA.of("shape")[0] if n < count else None for n in range(2000)]
        return Catalog.build("mini", Path("/nowhere"), table, SCHEMA)

    config = load_config(["embedder.batch_size=100", "concat.batch_size=500"])
    embedder, concat = config.embedder.max_epochs, config.concat.max_epochs
    fewer = with_as_many_steps(config, labelled(2000), labelled(300))
    # 20 batches -> 3; 4 batches -> 1, of all there is
    assert fewer.embedder.max_epochs == round(embedder * 20 / 3)
    assert fewer.concat.max_epochs == 4 * concat
    # the methods that choose other embedders train as long
    overrides = registered()["flam_plus"].overrides
    plus = method_config(fewer, overrides).embedder
    assert plus.max_epochs == fewer.embedder.max_epochs and plus.members > 1
    same = with_as_many_steps(config, labelled(2000), labelled(2000))
    assert same.embedder == config.embedder and same.concat == config.concat
    assert method_config(same, overrides).embedder == method_config(config, overrides).embedder
