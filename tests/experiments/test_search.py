"""The search command and its class on the tiny run."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from flam_pl import open_run
from flam_pl.__main__ import main
from flam_pl.editing.edits import Edit, EditError
from flam_pl.errors import FlamError
from flam_pl.experiments.search import OpenRun, Results, file_name
from flam_pl.images.files import UnreadableImage
from flam_pl.methods.registry import looks
from flam_pl.reports.measurements import display_name
from flam_pl.retrieval.applicability import Applicability
from flam_pl.retrieval.vectors import FLOOR


@pytest.fixture(scope="module")
def search(trained: Path) -> OpenRun:
    return open_run(trained / "runs" / "wardrobe")


def evaluation_image(search: OpenRun, number: int = 0) -> str:
    """Path of one of the images that are searched, as the catalog has it."""
    return str(search.catalog.table["path"].iloc[search.rows[number]])


def slow_scores(search: OpenRun, row: int, edits: list[Edit]) -> list[float]:
    """Of every photo: the cosine to the edited query and, for each type, the log-probabilities of
    the classes that are wanted, or of those that the query has."""
    weights, posteriors = search.trained.scoring.weights[search.vectors.name], search.posteriors
    gallery = search.run.data.features.rows(search.rows)
    asked = {edit.attribute_type: edit for edit in edits}
    own, seen = posteriors.read(gallery[[row]]), posteriors.read(gallery)
    editor = search.vectors.editor
    edited = editor.edit(gallery[[row]], edits)
    scores = F.cosine_similarity(editor.represent(gallery), edited)
    moved = gallery[[row]].clone()
    for t, name in enumerate(search.catalog.schema.types):
        wanted, weight = own[t][0], weights.others
        if name in asked:
            wanted = torch.zeros_like(own[t][0])
            wanted[search.catalog.schema.index(name, str(asked[name].wanted))] = 1
            weight = weights.target
            moved = moved + (wanted - own[t][0]) @ posteriors.means()[t]
        scores = scores + weight * (wanted * seen[t].clamp_min(FLOOR).log()).sum(dim=1)
    likeness = F.cosine_similarity(editor.represent(gallery), editor.represent(moved))
    return (scores + weights.moved * likeness).tolist()


def test_results_are_those_with_the_best_score_of_the_row_that_is_best_on_validation(
    search: OpenRun,
) -> None:
    image, edits = evaluation_image(search, 3), [Edit("color", "red"), Edit("pattern", "dots")]
    answer = search.search(image, edits, 8)
    assert search.vectors.name == search.trained.scoring.best and search.vectors.posteriors
    with torch.inference_mode():
        scores = slow_scores(search, 3, edits)
    order = sorted((n for n in range(len(scores)) if n != 3), key=lambda n: -scores[n])[:8]
    assert [r.row for r in answer.hits] == search.rows[order].tolist()
    for result, n in zip(answer.hits, order, strict=True):
        assert result.score == pytest.approx(scores[n], abs=1e-4)
        row = search.catalog.table.iloc[result.row]
        assert result.item == row["item"] and result.path == search.catalog.root / row["path"]
        assert result.labels == {name: row[name] for name in search.catalog.schema.types}
    plain = search.search(image, [], 8)
    assert plain.notes == () and [r.row for r in plain.hits] != [r.row for r in answer.hits]


def test_a_search_without_a_wish_is_by_the_stored_features_alone(search: OpenRun) -> None:
    image = evaluation_image(search, 3)
    gallery = search.run.data.features.rows(search.rows)
    cosines = F.cosine_similarity(gallery, gallery[3])
    order = [n for n in cosines.argsort(descending=True).tolist() if n != 3][:8]
    for edits in ([], [Edit("color", "red", 0.0)]):
        plain = search.search(image, edits, 8)
        assert [r.row for r in plain.hits] == search.rows[order].tolist()
        for result, n in zip(plain.hits, order, strict=True):
            assert result.score == pytest.approx(float(cosines[n]), abs=1e-5)
            assert result.edited is None and result.combination is None
        assert plain.confidence is None


def test_a_search_with_a_wish_says_how_sure_it_is(search: OpenRun) -> None:
    answer = search.search(evaluation_image(search, 3), [Edit("color", "red")], 8)
    assert (
        answer.confidence is not None
        and "red" in answer.confidence
        and "there is one with probability" in answer.confidence
    )
    for result in answer.hits:
        assert result.edited is not None and result.combination is not None
        assert 0 < result.edited < 1 and 0 < result.combination < 1


def test_a_photo_of_one_s_own_is_seen_as_the_catalog_s_images_were(
    search: OpenRun, tmp_path: Path
) -> None:
    image = evaluation_image(search, 5)
    copy = tmp_path / "a photo.jpg"
    shutil.copy(search.path(image), copy)
    assert search.row(image) == search.row(str(search.path(image))) == search.rows[5]
    assert search.row(str(copy)) is None and search.path(str(copy)) == copy
    stored = search.run.data.features.rows(search.rows[[5]])[0]
    assert torch.equal(search.feature(image), stored)
    # the same pixels, but for the half precision of the store
    assert F.cosine_similarity(search.feature(str(copy)), stored, dim=0) > 0.999
    # an image of the catalog does not find itself, another file of it does
    by_file = search.search(str(copy), [], 3).hits
    assert by_file[0].row == search.rows[5] and by_file[0].score == pytest.approx(1, abs=1e-3)
    by_path = search.search(image, [], 3).hits
    assert [r.row for r in by_path[:2]] == [r.row for r in by_file[1:]]
    by_feature = search.search(stored, [], 3).hits
    assert [r.row for r in by_feature] == [r.row for r in by_file]
    everything = search.search(image, [], 10**6).hits
    assert len(everything) == len(search.rows) - 1


def test_an_example_is_named_as_an_image_is(search: OpenRun) -> None:
    example = evaluation_image(search, 7)
    (edit,) = search.parse([f"color=@{example}:0.5"])
    assert isinstance(edit.wanted, torch.Tensor) and edit.strength == 0.5
    assert torch.equal(edit.wanted, search.feature(example))
    assert len(search.search(evaluation_image(search), [edit], 4).hits) == 4
    with pytest.raises(UnreadableImage, match="nowhere.jpg"):
        search.parse(["color=@nowhere.jpg"])
    with pytest.raises(EditError, match="did you mean color"):
        search.parse(["colr=red"])


def test_what_the_training_labels_rule_out_is_refused(
    search: OpenRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, edit = evaluation_image(search), Edit("pattern", "dots")
    search.search(image, [edit], 3)  # every type is labelled everywhere
    training = search.catalog.labels[search.catalog.rows(split="train")]
    counted = Applicability.of(search.catalog.schema, training)
    t = search.catalog.schema.types.index("pattern")
    with torch.inference_mode():
        query = search.feature(image)[None]
        likely = int(search.posteriors.read(query)[0][0].argmax())
    images, labelled = (
        [counts.copy() for counts in of] for of in (counted.images, counted.labelled)
    )
    images[0][likely], labelled[0][likely, t] = 214, 0
    monkeypatch.setattr(search, "applicability", replace(counted, images=images, labelled=labelled))
    # a tiny run is confident of nothing
    monkeypatch.setattr("flam_pl.retrieval.applicability.PROBABLE", 0.0)
    shape = search.catalog.schema.of("shape")[likely]
    with pytest.raises(EditError) as refused:
        search.search(image, [edit], 3)
    assert str(refused.value).startswith(
        f"pattern does not apply to {shape}: of 214 training images of {shape} none is labelled"
    )
    assert isinstance(search.search(image, [Edit("color", "red")], 3), Results)


def test_the_command_prints_a_table_and_draws_the_results(
    trained: Path, search: OpenRun, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    # tests must not change the run: its pictures go to a copy's folder
    runs = tmp_path / "runs"
    shutil.copytree(trained / "runs", runs)
    image = evaluation_image(search, 2)
    asked = ["search", f"runs_dir={runs}", f"image={image}", "k=7"]
    assert main([*asked, "edits=[color=red:0.5, shape=t-shirt+dress]"]) == 0
    said = capsys.readouterr().out
    edits = [Edit("color", "red", 0.5), Edit("shape", {"t-shirt": 1, "dress": 1})]
    expected = search.search(image, edits, 7)
    lines = said.splitlines()
    head = next(n for n, line in enumerate(lines) if line.split()[:1] == ["score"])
    assert lines[head].split() == ["score", "likely", "path", "item", *search.catalog.schema.types]
    assert (
        expected.confidence in lines and f"by {display_name(search.vectors.name, looks())}" in lines
    )
    for rank, (line, result) in enumerate(
        zip(lines[head + 2 : head + 9], expected.hits, strict=True), start=1
    ):
        assert result.combination is not None
        assert line.split()[:6] == [
            str(rank),
            f"{result.score:.3f}",
            f"{100 * result.combination:.0f}",
            "%",
            str(result.path),
            str(result.item),
        ]
        assert all(label in line for label in result.labels.values())
    assert all(remark in said for remark in expected.notes)
    picture = Path(lines[-1].removeprefix("picture: "))
    assert picture.parent == runs / "wardrobe" / "searches"
    assert picture.stat().st_size > 5000
    # a picture that cannot be written costs no result
    shutil.rmtree(picture.parent)
    picture.parent.touch()
    assert main([*asked, "edits=[color=red:0.5, shape=t-shirt+dress]"]) == 0
    again = capsys.readouterr().out
    assert f"{picture.name}: left out (" in again and "picture: " not in again
    results = lines[head:-1]
    assert again.splitlines()[-len(results) :] == results


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["edits=[color=red]"], "image=photo.jpg"),
        (["image=nowhere.jpg"], "nowhere.jpg: cannot be opened"),
        (["image={here}", "edits=[colour=red]"], "did you mean color"),
        (["image={here}", "edits=[color=red, color=blue]"], "two edits for color"),
        (["image={here}", "edits=[color=red:2]"], "strength 2"),
        (["image={here}", "k=0"], "k is 0"),
    ],
)
def test_what_cannot_be_searched_for_gets_one_clear_message(
    asked: list[str],
    said: str,
    trained: Path,
    search: OpenRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [setting.format(here=evaluation_image(search)) for setting in asked]
    assert main(["search", f"runs_dir={trained}/runs", *given]) == 1
    errors = capsys.readouterr().err
    assert said in errors and errors.count("error:") == 1 and "Traceback" not in errors


def test_a_picture_s_name_is_one_that_every_disk_takes() -> None:
    name = file_name("/a b/my photo.jpg", ["color=@c/d.jpg:0.5"])
    assert name.startswith("my_photo_color_c_d.jpg_0.5-") and "/" not in name
    others = (
        file_name("/c/my photo.jpg", ["color=@c/d.jpg:0.5"]),
        file_name("/a b/my photo.jpg", []),
    )
    assert len({name, *others}) == 3
    assert len(file_name("x" * 300, [])) <= 120


def test_edits_are_read_as_texts_are(search: OpenRun) -> None:
    photo = evaluation_image(search, 3)
    wanted = search.search(photo, ["color=red"], 4)
    assert search.search(photo, "color=red", 4).hits == wanted.hits
    assert search.search(photo, Edit("Color", "RED "), 4).hits == wanted.hits
    half = search.search(photo, [Edit("color", {"Red": 1, "RED": 1})], 4)
    assert half.hits == wanted.hits and half.edits == wanted.edits
    for k in ("3", 0, 2.5):
        with pytest.raises(FlamError, match="k is .*; expected the number of results"):
            search.search(photo, k=k)  # type: ignore[arg-type]


def test_a_run_is_opened_from_inside_of_its_folder(
    search: OpenRun, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained / "runs" / "wardrobe")
    assert open_run(".").folder == search.folder == open_run("../wardrobe").folder
    monkeypatch.setenv("HOME", str(trained))
    assert open_run("~/runs/wardrobe").folder == search.folder


def test_only_photos_are_searched_among(search: OpenRun) -> None:
    assert len(np.unique(search.rows)) == len(search.rows) == len(search.retriever.gallery)
    assert (search.catalog.table["view"].iloc[search.rows] == 0).all()


def test_every_photo_is_searched_whatever_its_split(search: OpenRun) -> None:
    """The training photos too: a shop searches its whole catalog."""
    table = search.catalog.table
    assert len(search.rows) == (table["view"] == 0).sum()
    assert set(table["split"].iloc[search.rows]) == set(table["split"])
    results = search.search(evaluation_image(search), ["color=red"], 3)
    assert results.scope == f"searching {len(search.rows) - 1} of {len(search.rows)} photos"


def test_a_notebook_shows_the_query_and_every_hit_as_pictures(search: OpenRun) -> None:
    results = search.search(evaluation_image(search), ["color=red"], 3)
    page = results._repr_html_()
    assert page.count("data:image/jpeg;base64,") == 4 and "color=red" in page
    assert [*results] == [results[n] for n in range(len(results))] and len(results) == 3


def test_a_read_only_run_answers(trained: Path, tmp_path: Path) -> None:
    """Opening and searching write nothing into the run."""
    runs = tmp_path / "runs"
    shutil.copytree(trained / "runs", runs, ignore=shutil.ignore_patterns("wandb"))
    before = {p: p.stat().st_mtime_ns for p in sorted(runs.rglob("*"))}
    run = open_run(runs / "wardrobe")
    assert len(run.search(evaluation_image(run), ["color=red"], 3)) == 3
    assert {p: p.stat().st_mtime_ns for p in sorted(runs.rglob("*"))} == before


def test_the_command_answers_on_a_folder_that_cannot_be_written(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr(
        "flam_pl.data.photo_check.only_writer", lambda path: pytest.fail("it wants to write")
    )
    query = "image=images/evaluation/evaluation-00003-0.jpg"
    assert main(["search", f"runs_dir={trained}/runs", query, "edits=[color=red]", "k=1"]) == 0
    assert "searching" in capsys.readouterr().out


@pytest.mark.parametrize("setting", ["scoring=cosine", "scoring.target=5", "seed=7"])
def test_settings_of_the_training_are_refused_afterwards(
    setting: str, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query = "image=images/evaluation/evaluation-00003-0.jpg"
    assert main(["search", f"runs_dir={trained}/runs", query, setting]) == 1
    assert f"{setting.partition('=')[0]} is a setting of the training" in capsys.readouterr().err
