"""The search command and its class on the tiny run."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from flam_pl.__main__ import main
from flam_pl.config.loading import load_run_config
from flam_pl.data.images import UnreadableImage
from flam_pl.editing.applicability import Applicability, Refusal
from flam_pl.editing.flam import Flam
from flam_pl.editing.wishes import Wish, WishError
from flam_pl.searching import Found, Search, file_name


@pytest.fixture(scope="module")
def search(trained: Path) -> Search:
    return Search.open(*load_run_config([f"runs_dir={trained}/runs"]))


def evaluation_image(search: Search, number: int = 0) -> str:
    """Path of one of the images that are searched, as the catalog has it."""
    return str(search.catalog.table["path"].iloc[search.rows[number]])


def found(answer: Found | Refusal) -> Found:
    assert isinstance(answer, Found), answer
    return answer


def test_results_are_the_nearest_evaluation_images_to_the_edited_query(search: Search) -> None:
    image, wishes = evaluation_image(search, 3), [Wish("color", "red"), Wish("pattern", "dots")]
    answer = found(search.find(image, wishes, 8))
    editor = search.editor
    assert isinstance(editor, Flam) and editor.name == "flam"
    assert (search.catalog.table["split"].iloc[search.rows] == "evaluation").all()
    gallery = search.run.data.features.rows(search.rows)
    with torch.inference_mode():
        query = editor.edit(gallery[[3]], wishes)[0]
    cosines = F.cosine_similarity(gallery, query)
    order = [n for n in cosines.argsort(descending=True).tolist() if n != 3][:8]
    assert [r.row for r in answer.results] == search.rows[order].tolist()
    for result, n in zip(answer.results, order, strict=True):
        assert result.cosine == pytest.approx(float(cosines[n]), abs=1e-4)
        row = search.catalog.table.iloc[result.row]
        assert result.item == row["item"] and result.path == search.catalog.root / row["path"]
        assert result.labels == {name: row[name] for name in search.catalog.schema.types}
    plain = found(search.find(image, [], 8))
    assert plain.remarks == () and [r.row for r in plain.results] != [r.row for r in answer.results]


def test_a_photo_of_one_s_own_is_seen_as_the_catalog_s_images_were(
    search: Search, tmp_path: Path
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
    by_file = found(search.find(str(copy), [], 3)).results
    assert by_file[0].row == search.rows[5] and by_file[0].cosine == pytest.approx(1, abs=1e-3)
    by_path = found(search.find(image, [], 3)).results
    assert [r.row for r in by_path[:2]] == [r.row for r in by_file[1:]]
    by_feature = found(search.find(stored, [], 3)).results
    assert [r.row for r in by_feature] == [r.row for r in by_file]
    everything = found(search.find(image, [], 10**6)).results
    assert len(everything) == len(search.rows) - 1


def test_an_example_is_named_as_an_image_is(search: Search) -> None:
    example = evaluation_image(search, 7)
    (wish,) = search.parse([f"color=@{example}:0.5"])
    assert isinstance(wish.wanted, torch.Tensor) and wish.strength == 0.5
    assert torch.equal(wish.wanted, search.feature(example))
    assert len(found(search.find(evaluation_image(search), [wish], 4)).results) == 4
    with pytest.raises(UnreadableImage, match="nowhere.jpg"):
        search.parse(["color=@nowhere.jpg"])
    with pytest.raises(WishError, match="did you mean 'color'"):
        search.parse(["colr=red"])


def test_what_the_training_labels_rule_out_is_refused(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, wish = evaluation_image(search), Wish("pattern", "dots")
    assert isinstance(search.find(image, [wish], 3), Found)  # every type is labelled everywhere
    counted = Applicability.of(search.catalog)
    t = search.catalog.schema.types.index("pattern")
    with torch.inference_mode():
        query = search.feature(image)[None]
        logs = search.embedders.log_probabilities(search.embedders(query))[0][0]
    likely = int(logs.argmax())
    images, labelled = (
        [counts.copy() for counts in of] for of in (counted.images, counted.labelled)
    )
    images[0][likely], labelled[0][likely, t] = 214, 0
    monkeypatch.setattr(search, "applicability", replace(counted, images=images, labelled=labelled))
    monkeypatch.setattr("flam_pl.editing.applicability.SURE", 0.0)  # a tiny run is sure of nothing
    shape = search.catalog.schema.of("shape")[likely]
    answer = search.find(image, [wish], 3)
    assert isinstance(answer, Refusal)
    assert answer.reason.startswith(
        f"pattern does not apply to {shape}: of 214 training images of {shape} none is labelled"
    )
    assert isinstance(search.find(image, [Wish("color", "red")], 3), Found)


def test_the_command_prints_a_table_and_draws_the_results(
    trained: Path, search: Search, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    # tests must not change the run: its pictures go to a copy's folder
    runs = tmp_path / "runs"
    shutil.copytree(trained / "runs", runs)
    image = evaluation_image(search, 2)
    asked = ["search", f"runs_dir={runs}", f"image={image}", "k=7"]
    assert main([*asked, "wishes=[color=red:0.5, shape=t-shirt+dress]"]) == 0
    said = capsys.readouterr().out
    wishes = [Wish("color", "red", 0.5), Wish("shape", {"t-shirt": 1, "dress": 1})]
    expected = found(search.find(image, wishes, 7))
    lines = said.splitlines()
    head = next(n for n, line in enumerate(lines) if line.split()[:2] == ["cosine", "path"])
    assert lines[head].split() == ["cosine", "path", "item", *search.catalog.schema.types]
    for rank, (line, result) in enumerate(
        zip(lines[head + 2 : head + 9], expected.results, strict=True), start=1
    ):
        assert line.split()[:4] == [
            str(rank),
            f"{result.cosine:.3f}",
            str(result.path),
            str(result.item),
        ]
        assert all(label in line for label in result.labels.values())
    assert all(remark in said for remark in expected.remarks)
    picture = Path(lines[-1].removeprefix("picture: "))
    assert picture.parent == runs / "wardrobe" / "searches"
    assert picture.stat().st_size > 5000


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["wishes=[color=red]"], "image=photo.jpg"),
        (["image=nowhere.jpg"], "nowhere.jpg: cannot be opened"),
        (["image={here}", "wishes=[colour=red]"], "did you mean 'color'"),
        (["image={here}", "wishes=[color=red, color=blue]"], "two wishes for color"),
        (["image={here}", "wishes=[color=red:2]"], "strength 2"),
        (["image={here}", "k=0"], "k is 0"),
    ],
)
def test_what_cannot_be_searched_for_gets_one_clear_message(
    asked: list[str],
    said: str,
    trained: Path,
    search: Search,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [setting.format(here=evaluation_image(search)) for setting in asked]
    assert main(["search", f"runs_dir={trained}/runs", *given]) == 1
    errors = capsys.readouterr().err
    assert said in errors and errors.count("error:") == 1 and "Traceback" not in errors


def test_a_picture_s_name_is_one_that_every_disk_takes() -> None:
    assert file_name("/a b/my photo.jpg", "color=@c/d.jpg:0.5") == "my_photo_color_c_d.jpg_0.5"
    assert file_name("x.png", "") == "x"
    assert len(file_name("x" * 300, "")) <= 120


def test_only_photos_are_searched_among(search: Search) -> None:
    assert len(np.unique(search.rows)) == len(search.rows) == len(search.index)
    assert (search.catalog.table["view"].iloc[search.rows] == 0).all()
