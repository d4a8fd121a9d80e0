"""Probabilities of edited searches in worlds where the right ones are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit
from torchmetrics.functional.classification import binary_calibration_error

from attribute_world import SCHEMA, World, make_world
from flam_pl.editing.editor import NoEdit
from flam_pl.editing.edits import Edit
from flam_pl.errors import FlamError
from flam_pl.evaluation.calibration import DEPTH, Outcomes
from flam_pl.evaluation.searches import EvaluationSet, edit_to, search_edits
from flam_pl.retrieval.answers import sentence
from flam_pl.retrieval.confidence import Calibration, ConfidenceEstimator, Platt
from flam_pl.retrieval.posteriors import KINDS, Posteriors, answer_probabilities
from flam_pl.retrieval.vectors import ScoreWeights, SearchVectors
from posterior import Posterior

NOISE = 1.2
"""Large enough that classes are mistaken for each other."""


def ece(p: np.ndarray, true: np.ndarray) -> float:
    tensors = torch.from_numpy(p.ravel()), torch.from_numpy(true.ravel()).long()
    return float(binary_calibration_error(*tensors, n_bins=15, norm="l1"))


def searched(
    world: World, boldness: float = 1.0, noise: float = NOISE
) -> tuple[SearchVectors, Posteriors, EvaluationSet]:
    """A search by the posteriors almost alone, the posteriors, and what is searched."""
    rows = len(world.labels)
    nobody = np.full(rows, -1)
    data = EvaluationSet(SCHEMA, world.features, world.labels, np.arange(rows), nobody, nobody)
    posteriors = Posteriors.of_embedders(Posterior(world, noise, boldness))
    return SearchVectors(NoEdit(), posteriors, ScoreWeights(1, 1)), posteriors, data


def calibrated(outcomes: Outcomes) -> Calibration:
    return Calibration.fit(outcomes.raw, outcomes.true, "sha")


def without(world: World, color: int, shape: int) -> World:
    """The world without any image of this color and shape."""
    kept = ~((world.labels[:, 0] == shape) & (world.labels[:, 1] == color))
    return World(world.features[kept], world.labels[kept], world.directions)


def split(world: World, rows: int) -> tuple[World, World]:
    """Two galleries of one making: the first rows, and the others."""
    head, tail = slice(None, rows), slice(rows, None)
    return (
        World(world.features[head], world.labels[head], world.directions),
        World(world.features[tail], world.labels[tail], world.directions),
    )


def test_outcomes_are_those_of_a_loop_over_searches() -> None:
    vectors, posteriors, data = searched(without(make_world(rows=60, noise=NOISE), 2, 1))
    data = replace(data, items=np.repeat(np.arange(20), 3)[: len(data.items)])
    outcomes = Outcomes.of(vectors, posteriors, data)
    searches = search_edits(vectors, data, DEPTH, impossible=True)
    numbers = np.concatenate([search.numbers for search in searches])
    e, present = 0, {tuple(row) for row in data.labels.tolist()}
    for search in search_edits(vectors, data, DEPTH, impossible=True):
        t, c = search.t, search.c
        for number, found in zip(search.numbers, search.found.tolist(), strict=True):
            wanted = data.labels[number].tolist()
            wanted[t] = c
            item = data.query_items == data.query_items[number]
            assert set(outcomes.item[np.flatnonzero(item[numbers])]) == {outcomes.item[e]}
            assert outcomes.true["attribute"][e].tolist() == [data.labels[g, t] == c for g in found]
            assert outcomes.true["combination"][e].tolist() == [
                data.labels[g].tolist() == wanted for g in found
            ]
            assert outcomes.true["answer"][e] == (tuple(wanted) in present)
            e += 1
    assert len(set(outcomes.item)) == len(set(data.query_items)) < len(data.queries)
    assert e == len(outcomes.item) == len(data.queries) * (2 + 3 + 1)
    for kind in KINDS:
        assert outcomes.raw[kind].shape == outcomes.true[kind].shape
        assert 0.02 < outcomes.true[kind].mean() < 0.98


def test_a_fit_finds_the_curve_that_the_outcomes_were_drawn_from() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (400, 100))
    drawn = rng.random((400, 100)) < expit(0.6 * logits - 0.5)
    fitted = Platt.fit(expit(logits), drawn)
    assert (fitted.slope, fitted.intercept) == pytest.approx((0.6, -0.5), abs=0.05)


@pytest.mark.parametrize("all_alike", [True, False])
def test_where_all_events_are_alike_the_raw_probabilities_stay(all_alike: bool) -> None:
    raw = np.array([0.2, 0.7])
    assert Platt.fit(raw, np.full(2, all_alike))(raw) == pytest.approx(raw)


def test_certainties_stay_probabilities() -> None:
    calibrated_p = Platt(1.3, -0.2)(np.array([0.0, 1.0], dtype=np.float32))
    assert 0 < calibrated_p[0] < 0.001 and 0.999 < calibrated_p[1] < 1


def chosen_by_noisy_probabilities(seed: int, searches: int, gallery: int) -> tuple:
    """Searches of photos that fit with a known probability, of which a noisy logit is seen: the
    first results by it are those whose noise was lucky."""
    rng = np.random.default_rng(seed)
    true = rng.normal(-3, 1.5, (searches, gallery))
    seen = true + rng.normal(0, 1.0, true.shape)
    order = np.argsort(-seen, axis=1)[:, :DEPTH]
    probability = expit(np.take_along_axis(true, order, axis=1))
    raw = expit(np.take_along_axis(seen, order, axis=1))
    return raw, rng.random(probability.shape) < probability, probability


def test_the_winner_s_curse_is_taken_from_the_head_of_a_ranking() -> None:
    learned_by, true, _ = chosen_by_noisy_probabilities(0, 600, 200)
    fitted = Platt.fit(learned_by, true)
    raw, came_true, probability = chosen_by_noisy_probabilities(1, 600, 200)
    assert raw.mean() - came_true.mean() > 0.15  # the curse is there
    assert ece(raw, came_true) > 0.15
    assert ece(fitted(raw), came_true) < 0.03
    assert abs(fitted(raw) - probability).mean() < 0.6 * abs(raw - probability).mean()


def independent_galleries(seed: int, searches: int, gallery: int) -> tuple:
    """Photos that fit apart from each other with known chances, which are all that is seen."""
    rng = np.random.default_rng(seed)
    probability = expit(rng.normal(-7, 1.5, (searches, gallery)) + rng.normal(0, 1, (searches, 1)))
    raw = []
    for of_search in torch.from_numpy(probability).float():
        have = [torch.stack([of_search, 1 - of_search], dim=1)]
        raw.append(answer_probabilities([torch.tensor([[1.0, 0.0]])], have))
    fits = rng.random(probability.shape) < probability
    return torch.cat(raw).numpy(), fits.any(axis=1)


def test_an_answer_is_as_likely_as_it_should_be_in_galleries_of_any_size() -> None:
    """Fitted on a gallery of 200, believed in one of 50 and in one of 800."""
    raw, true = independent_galleries(0, 3000, 200)
    fitted = Platt.fit(raw, true)
    assert 0.2 < true.mean() < 0.7
    seen = []
    for gallery in (50, 200, 800):
        held_out, came_true = independent_galleries(gallery, 2000, gallery)
        calibrated_p = fitted(held_out)
        seen.append(came_true.mean())
        assert calibrated_p.mean() == pytest.approx(came_true.mean(), abs=0.04)
        assert ece(calibrated_p, came_true) < 0.06
    assert seen[0] < 0.2 < 0.6 < seen[2]  # the sizes do differ in what they can answer


def test_searches_of_a_validation_gallery_set_those_of_a_larger_one_right() -> None:
    """Embedders that are surer of themselves than is right; 120 images to learn by, 500 to try."""
    world = without(without(make_world(rows=800, noise=NOISE), 2, 1), 0, 2)
    small, large = split(world, 120)
    known = calibrated(Outcomes.of(*searched(small, boldness=3.0)))
    outcomes = Outcomes.of(*searched(large, boldness=3.0))
    calibrated_p = known.probabilities(outcomes.raw)
    for kind in KINDS:
        raw = ece(outcomes.raw[kind], outcomes.true[kind])
        assert ece(calibrated_p[kind], outcomes.true[kind]) < raw
    for kind in ("attribute", "combination"):
        assert ece(calibrated_p[kind], outcomes.true[kind]) < 0.1


def test_an_edit_without_an_answer_has_an_unlikely_one() -> None:
    """Quiet features, in which nothing is mistaken: every edit is known for what it is."""
    validation, world = split(without(make_world(rows=800, noise=0.3), 2, 1), 400)
    vectors, posteriors, data = searched(validation, noise=0.3)
    known = calibrated(Outcomes.of(vectors, posteriors, data))
    gallery = ConfidenceEstimator(known, posteriors, world.features)
    jeans = np.flatnonzero(world.labels[:, 0] == 1)[:5]
    found = torch.arange(4).expand(5, -1)
    nothing = gallery.of(world.features[jeans], [Edit("color", "blue")], found)
    assert (nothing.answer < 0.1).all() and (nothing.answer < known.threshold).all()
    pattern = ["plain", "striped"][world.labels[jeans[0], 2]]
    assert nothing.texts[0].startswith(
        f'No photo of the gallery seems to be "jeans blue {pattern}" ('
    )
    something = gallery.of(world.features[jeans], [Edit("color", "red")], found)
    assert (something.answer > 0.9).all() and "No photo" not in something.texts[0]
    # two edits at once: a dress in blue is there again
    both = gallery.of(world.features[jeans], [Edit("color", "blue"), Edit("shape", "dress")], found)
    assert (both.answer > 0.9).all()


def test_the_estimator_has_the_probabilities_of_the_outcomes() -> None:
    vectors, posteriors, data = searched(make_world(rows=50, noise=NOISE))
    known = Calibration(
        Platt(0.5, 0.1),
        Platt(0.7, 0.2),
        Platt(0.9, 0.3),
        0.4,
        "sha",
    )
    outcomes = Outcomes.of(vectors, posteriors, data)
    gallery, e = ConfidenceEstimator(known, posteriors, data.features), 0
    expected = known.probabilities(outcomes.raw)
    for search in search_edits(vectors, data, DEPTH, impossible=True):
        own = torch.from_numpy(data.queries[search.numbers])
        edit = edit_to(SCHEMA, search.t, search.c)
        calibrated_p = gallery.of(data.features[own], [edit], search.found, exclude=own)
        here = slice(e, e + len(own))
        for kind in KINDS:
            np.testing.assert_allclose(getattr(calibrated_p, kind), expected[kind][here], atol=1e-6)
        e += len(own)
    assert e == len(outcomes.item)


def test_few_edits_with_an_answer_fall_below_the_threshold() -> None:
    outcomes = Outcomes.of(*searched(without(make_world(rows=150, noise=NOISE), 2, 1)))
    known = calibrated(outcomes)
    unlikely = known.probabilities(outcomes.raw)["answer"] < known.threshold
    answer = outcomes.true["answer"]
    assert unlikely[answer].mean() == pytest.approx(0.1, abs=0.01)
    assert unlikely[~answer].mean() > unlikely[answer].mean()


def test_a_calibration_is_loaded_for_its_own_checkpoint_only(tmp_path: Path) -> None:
    known = Calibration(Platt(0.5, 0.1), Platt(1.0, 0.2), Platt(1.0, 0.0), 0.3, "sha")
    assert Calibration.load(tmp_path, "sha") is None
    known.save(tmp_path)
    assert Calibration.load(tmp_path, "sha") == known
    assert Calibration.load(tmp_path, "that of another training") is None
    path = tmp_path / "calibration.json"
    path.write_text(path.read_text().replace("intercept", "intercpt"))
    with pytest.raises(FlamError, match=r"calibration\.json cannot be read .*train-flam"):
        Calibration.load(tmp_path, "sha")


@pytest.mark.parametrize(
    ("answer", "percent", "unlikely"),
    [(0.12, 12, True), (0.0001, 1, True), (0.93, 93, False), (0.99999, 99, False)],
)
def test_a_sentence_says_how_likely_an_answer_is(
    answer: float, percent: int, unlikely: bool
) -> None:
    text = sentence("dress red", answer, 0.3)
    likely = f'"dress red" (there is one with probability {percent} %)'
    start = "No photo of the gallery seems to be " if unlikely else ""
    assert text == f"{start}{likely}"


def test_only_photos_with_all_labels_take_part() -> None:
    """A missing label does not say that a result lacks the class."""
    vectors, posteriors, data = searched(make_world(rows=60, noise=NOISE))
    labels = data.labels.copy()
    labels[::3, 1] = -1
    part = replace(data, labels=labels)
    outcomes = Outcomes.of(vectors, posteriors, part)
    alone = Outcomes.of(vectors, posteriors, part.fully_labelled())
    assert len(outcomes.item) == 40 * (2 + 3 + 1)
    for kind in KINDS:
        assert np.array_equal(outcomes.raw[kind], alone.raw[kind])
        assert np.array_equal(outcomes.true[kind], alone.true[kind])
    nothing = Outcomes.of(vectors, posteriors, replace(data, labels=np.full((60, 3), -1)))
    assert len(nothing.item) == 0 and calibrated(nothing).threshold == 0
