"""Searches a bundle beside the run that it was made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from flam_pl.editing.edits import Edit
from flam_pl.experiments.search import OpenRun
from flam_pl.galleries.stored import Item, open_gallery
from flam_pl.serving.bundle import Bundle
from flam_pl.serving.searcher import Searcher


def with_best(run: OpenRun, row: str) -> OpenRun:
    """The run, had this row been the best on validation."""
    scoring = replace(run.trained.scoring, best=row)
    return OpenRun(run.run, replace(run.trained, scoring=scoring))


def searcher_of(bundle: Bundle, run: OpenRun, folder: Path) -> Searcher:
    """With every photo of the run in a gallery; the id is the path of the catalog."""
    searcher = Searcher.load(bundle.folder, device="cpu", runtime="torch")
    vectors, lengths = searcher.vectors(run.run.data.features.rows(run.rows).numpy())
    names = run.catalog.table["path"].iloc[run.rows].tolist()
    gallery = open_gallery(folder / "shop.db", bundle.space, bundle.dimension)
    paths = [str(run.catalog.root / name) for name in names]
    gallery.add(
        [
            Item(name, path, {}, name, vector, float(length))
            for name, path, vector, length in zip(names, paths, vectors, lengths, strict=True)
        ]
    )
    searcher.gallery = gallery
    return searcher


def check_same_results(searcher: Searcher, run: OpenRun) -> None:
    """The first ten photos, but for those whose scores half precision cannot tell apart."""
    searches = [
        [],
        [Edit("color", "red")],
        [Edit("pattern", "dots", 0.5), Edit("color", {"red": 1, "blue": 2})],
        [Edit.like("color", str(run.path(name_of(run, 9))))],
    ]
    weights = vars(run.vectors.weights).values()
    close = 4e-3 * (1 + max(weights))  # a log-posterior of -6.9 in half precision is 0.002 off
    changed = 0
    for number in (0, 3, 40):
        for edits in searches:
            expected = run.search(str(run.path(name_of(run, number))), edits, 14)
            found = searcher.search(id=name_of(run, number), edits=edits, k=10, distinct=False)
            scores = {str(hit.path): hit.score for hit in expected.hits}
            for hit, other in zip(found, expected.hits[:10], strict=True):
                assert scores[hit.uri] == pytest.approx(other.score, abs=close)
                assert hit.score == pytest.approx(scores[hit.uri], abs=close)
            swapped = sum(
                hit.uri != str(other.path) for hit, other in zip(found, expected.hits, strict=False)
            )
            assert swapped <= 4
            changed += (
                bool(edits)
                and found[0].id
                != searcher.search(id=name_of(run, number), k=1, distinct=False)[0].id
            )
    assert changed or run.vectors.editor.name == "no_edit"


def name_of(run: OpenRun, number: int) -> str:
    return str(run.catalog.table["path"].iloc[run.rows[number]])
