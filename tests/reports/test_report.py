"""A report from invented metrics and images: what stands where, and what survives a failure."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from attribute_world import SCHEMA, make_world
from flam_pl.attributes import AttributeSchema
from flam_pl.editing.editor import NoEdit
from flam_pl.errors import FlamError
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.reports import report as module
from flam_pl.reports.examples import choose_examples
from flam_pl.reports.report import Report
from flam_pl.retrieval.vectors import SearchVectors
from made_metrics import made_metrics, without_edits

ROWS = 60


class Page(HTMLParser):
    """Names of open elements around each element, and the texts, in order."""

    VOID = {"meta", "img", "br"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []
        self.found: list[tuple[str, dict[str, str], list[tuple[str, str]]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        given = {name: value or "" for name, value in attrs}
        self.found.append((tag, given, [*self.open]))
        if tag not in self.VOID:
            self.open.append((tag, given.get("class", "")))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    paths = [folder / f"{n}.jpg" for n in range(ROWS)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (20, 16, 3), dtype=np.uint8)).save(path)
    return paths


class Random(NoEdit):
    """Finds anything: hits, other results with the wanted class, and results without it."""

    name = "flam"

    def edit(self, features: torch.Tensor, edits: object) -> torch.Tensor:
        return torch.randn(features.shape, generator=torch.Generator().manual_seed(1))


def labelled_set() -> EvaluationSet:
    world, nobody = make_world(rows=ROWS), np.full(ROWS, -1)
    return EvaluationSet(SCHEMA, world.features, world.labels, np.arange(ROWS), nobody, nobody)


def write(
    folder: Path, photos: list[Path], data: EvaluationSet | None = None, **changes: Any
) -> Report:
    """A report in ``folder/report``; its run has no logs."""
    report = Report(folder / "report", made_metrics() | changes)
    catalog: Any = SimpleNamespace(paths=photos)
    methods = [SearchVectors(NoEdit()), SearchVectors(Random())]
    report.write(catalog, np.arange(ROWS), data or labelled_set(), methods, 3)
    return report


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, photos: list[Path]) -> Path:
    """Folder with a report; tests must not change it."""
    folder = tmp_path_factory.mktemp("written")
    write(folder, photos)
    return folder


def page_of(folder: Path) -> str:
    return (folder / "report" / "index.html").read_text()


def test_the_page_begins_with_searches_then_one_chart_then_one_table(written: Path) -> None:
    page = Page(page_of(written))
    unfolded = [f for f in page.found if not any(tag == "details" for tag, _ in f[2])]
    kinds = [tag for tag, given, _ in unfolded if tag in ("figure", "table") or
             given.get("src", "").startswith("figures/")]  # fmt: skip
    searches = 2 * len(SCHEMA.types)
    assert kinds == ["figure"] * 6 * searches + ["img", "table"]
    assert sum(tag == "details" for tag, _, _ in page.found) > 10
    # a wide table scrolls in a box of its own, a picture is never wider than the page
    for tag, _, around in page.found:
        assert tag != "table" or ("div", "wide") in around
    style = re.search(r"<style>(.*?)</style>", page_of(written), re.S)
    assert style and "img { max-width: 100%" in style[1] and "overflow-x: auto" in style[1]
    assert 'name="viewport"' in page_of(written)
    assert "http" not in page_of(written)  # shown without a network
    for tag, given, _ in page.found:
        if tag == "img":
            assert (written / "report" / given["src"]).is_file() and given["alt"]


def test_results_are_marked_by_frame_and_by_word(written: Path) -> None:
    searches = json.loads((written / "report" / "searches.json").read_text())
    first = [search for search in searches if search["first"]]
    assert [search["type"] for search in first] == [n for n in SCHEMA.types for _ in range(3)]
    # the first example of each type is searched by every method
    assert len(searches) - len(first) == len(SCHEMA.types)
    data = labelled_set()
    names = {f"images/{n}.jpg": n for n in range(ROWS)}
    for search in searches:
        t = SCHEMA.types.index(search["type"])
        wanted = data.labels[names[search["query"]["file"]]].copy()
        wanted[t] = SCHEMA.index(search["type"], search["edit"])
        for result in search["results"]:
            labels = data.labels[names[result["file"]]]
            assert result["hit"] == (labels == wanted).all()
            assert result["ignored"] == (labels[t] != wanted[t])
            with Image.open(written / "report" / result["file"]) as image:
                assert image.size == (module.THUMBNAIL, module.THUMBNAIL)
    results = [result for search in searches for result in search["results"]]
    hits, ignored = (sum(r["hit"] for r in results), sum(r["ignored"] for r in results))
    assert hits and ignored and hits + ignored < len(results)
    page = page_of(written)
    assert page.count("✓ hit</b>") == page.count('class="hit"') == hits
    assert page.count("<b>✗ not ") == page.count('class="ignored"') == ignored


def test_the_markdown_has_the_tables_of_the_page(written: Path) -> None:
    text = (written / "report" / "tables.md").read_text()
    titles = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert titles[0] == "The main numbers" and "Calibration" in titles
    page = page_of(written)
    assert all(f"<summary>{title}</summary>" in page for title in titles[1:])
    assert "700 edits" in text and "40 queries" in text and "embedder 3 s" in text


def test_a_class_that_looks_like_mathematics_or_html_does_no_harm(
    tmp_path: Path, photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = made_metrics()
    methods = metrics["methods"] | {"flam": {"title": "<b>$0_$</b>", "color": "#ff0000"}}
    write(tmp_path, photos, methods=methods)
    assert "left out" not in capsys.readouterr().out
    page = page_of(tmp_path)
    assert "&lt;b&gt;$0_$&lt;/b&gt;" in page and "<b>$0_$" not in page


def test_numbers_are_written_before_the_first_picture_and_survive_it(
    tmp_path: Path, photos: list[Path], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder, seen = tmp_path / "report", []

    def fails(found: object) -> Figure:
        seen.append({path.name for path in folder.iterdir()})
        raise RuntimeError("no memory left")

    monkeypatch.setitem(module.CHARTS, "precision_and_hits", fails)  # type: ignore[arg-type]
    write(tmp_path, photos)
    said = capsys.readouterr().out
    assert "precision_and_hits.png: left out (RuntimeError: no memory left)" in said
    assert seen == [{"metrics.json", "tables.md", "index.html"}]
    assert (folder / "figures" / "candidates.png").is_file()  # the others are drawn
    assert "precision_and_hits.png" not in page_of(tmp_path)
    assert Report.open(folder).metrics == made_metrics()


def test_a_fault_costs_its_own_picture_alone_and_no_name_is_a_path(
    tmp_path: Path, photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("$y$", "con", "$x$")
    classes = ["$0_$", "a_1^2", r"\\frac{", "$x$", "../up"]
    schema = AttributeSchema(
        {name: (*classes[: size - 1], "%") for name, size in zip(names, SCHEMA.sizes, strict=True)}
    )
    run = tmp_path / "a" / "b" / "run"
    (run / "embedder" / "logs").mkdir(parents=True)
    (run / "embedder" / "logs" / "metrics.csv").touch()
    data = replace(labelled_set(), schema=schema)
    broken = choose_examples(data, 3, seed=0)[0].query  # of the first type
    paths = [*photos]
    paths[broken] = tmp_path / "missing.jpg"
    before = {*tmp_path.rglob("*")}
    write(run, paths, data)
    said = capsys.readouterr().out
    for name, kind in {
        "training-embedder.png": "EmptyDataError",
        "edits-1.png": "UnreadableImage",
        f"images/{broken}.jpg": "UnreadableImage",
    }.items():
        assert f"{name}: left out ({kind}" in said
    assert said.count(f"images/{broken}.jpg: left out") == 1
    report = run / "report"
    new = {path for path in tmp_path.rglob("*") if path.suffix != ".lock"} - before
    assert all(report in [path, *path.parents] for path in new)
    pictures = ["candidates", "edits-2", "edits-3", "precision_and_hits", "reliability"]
    assert sorted(path.stem for path in (report / "figures").iterdir()) == pictures
    assert Report.open(report).metrics == made_metrics()
    assert {search["type"] for search in json.loads((report / "searches.json").read_text())} == {
        *names
    }


def test_searches_that_fail_cost_neither_numbers_nor_charts(
    tmp_path: Path, photos: list[Path], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def missing(*_: object) -> None:
        raise FlamError("FAISS is not installed")

    monkeypatch.setattr(module.Retriever, "of", missing)
    write(tmp_path, photos)
    assert "edited searches: left out (FlamError: FAISS" in capsys.readouterr().out
    page = page_of(tmp_path)
    assert "Edited searches" not in page and "figures/precision_and_hits.png" in page


def test_a_killed_picture_leaves_the_new_numbers(
    tmp_path: Path, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, photos)

    def killed(found: object) -> Figure:
        raise KeyboardInterrupt

    monkeypatch.setitem(module.CHARTS, "candidates", killed)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, photos, peak_memory_mb=123)
    assert Report.open(tmp_path / "report").metrics["peak_memory_mb"] == 123


def test_a_report_without_edits_has_no_searches(tmp_path: Path, photos: list[Path]) -> None:
    report = Report(tmp_path / "report", without_edits(made_metrics()))
    catalog: Any = SimpleNamespace(paths=photos)
    data = labelled_set()
    nobody = EvaluationSet(
        SCHEMA, data.features[:0], data.labels[:0], data.queries[:0], data.items[:0], data.items[:0]
    )
    report.write(catalog, np.arange(0), nobody, [SearchVectors(NoEdit())], 2)
    page = page_of(tmp_path)
    assert "Edited searches" not in page and "no evaluation image carries all labels" in page
    assert "Instance search" in page


def test_the_page_is_written_again_from_what_is_there(written: Path) -> None:
    before = page_of(written)
    (written / "report" / "index.html").unlink()
    again = Report.open(written / "report")
    again.write_pages(again.folder)
    assert page_of(written) == before
    said = again.summary()
    assert "FLAM+ + posteriors" in said and str(written / "report" / "index.html") in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "metrics.json is missing.*make evaluate"),
        ('{"fam": {}}', "metrics.json has format 1, expected 2.*Evaluate again: make evaluate"),
    ],
)
def test_a_report_that_cannot_be_read_says_what_to_do(
    text: str | None, said: str, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(FlamError, match=said):
        Report.open(tmp_path)
