"""Searches with a made bundle in a gallery on disk, against a slow ranking and the posteriors."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_bundle import (
    DIMENSION,
    EDITORS,
    SCHEMA,
    SIZE,
    drawn_photo,
    made_bundle,
    made_features,
    made_parts,
    trained_vectors,
)

from flam_pl.attributes import SchemaError
from flam_pl.editing.edits import Edit, EditError
from flam_pl.editing.targets import wanted_probabilities
from flam_pl.errors import FlamError
from flam_pl.galleries.stored import Item, Range, UnknownItem, Value, open_gallery
from flam_pl.images.files import UnreadableImage
from flam_pl.images.pixels import decode, fit
from flam_pl.retrieval.confidence import Platt
from flam_pl.retrieval.posteriors import raw_probabilities
from flam_pl.serving.queries import sample_queries
from flam_pl.serving.results import Query, Results
from flam_pl.serving.searcher import CANDIDATES, Searcher, still_there
from slow_gallery import SlowGallery

COUNT = 140
PARTS: dict[str, Any] = {}
FEATURES = made_features(COUNT, seed=2)
RED = Edit("color", "red")
EDITED = (Edit("pattern", "dots", 0.3), Edit("sleeve", "long"))


def made_items(vectors: torch.Tensor) -> list[Item]:
    """Photos of which every tenth is a copy of the one before."""
    items = []
    for number in range(COUNT):
        of = number - (number % 10 == 9)
        columns: dict[str, Value] = {"gender": ["Women", "Men", "Unisex"][number % 3]}
        if number % 4:
            columns["price"] = number / 2
        vector, length = vectors[of].numpy().astype(np.float16), float(FEATURES[of].norm())
        uri = f"/p/{number}.jpg"
        items.append(Item(f"photo {number}", uri, columns, f"hash {of}", vector, length))
    return items


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    return made_parts()


class Shop:
    """A searcher, and the same photos in a list."""

    def __init__(self, folder: Path, parts: Any, editor: str = "generator", **changes: Any) -> None:
        bundle = made_bundle(folder / "bundle", editor, parts, **changes)
        self.oracle = trained_vectors(bundle.contents, parts)
        self.items = made_items(self.oracle.gallery(FEATURES))
        self.slow = SlowGallery()
        self.slow.add(self.items)
        gallery = open_gallery(folder / "shop.db", bundle.space, bundle.dimension)
        gallery.add(self.items)
        gallery.close()
        self.searcher = Searcher.load(bundle.folder, folder / "shop.db", "cpu", "torch")
        assert self.searcher.gallery is not None
        self.gallery = self.searcher.gallery

    def feature(self, number: int) -> torch.Tensor:
        """What the gallery has of a photo."""
        item = self.items[number]
        return torch.from_numpy(item.vector[:DIMENSION].astype(np.float32) * item.length)

    def ranked(
        self, feature: torch.Tensor, edits: Sequence[Edit], where: Any = None, distinct: bool = True
    ) -> list[tuple[str, float]]:
        query = self.oracle.queries(feature[None], edits)[0].numpy()
        return self.slow.search(query, COUNT, where, distinct)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, parts: dict[str, Any]) -> Iterator[Shop]:
    made = Shop(tmp_path_factory.mktemp("shop"), parts)
    yield made
    made.gallery.close()


def ids_of(results: Results) -> list[str]:
    return [hit.id for hit in results]


def plain(results: Results | FlamError) -> Any:
    """What one can compare of results."""
    if isinstance(results, FlamError):
        return type(results), str(results)
    rounded = [replace(hit, score=round(hit.score, 4)) for hit in results]
    return replace(results, hits=tuple(rounded), answer=results.answer and round(results.answer, 5))


# -- the ranking


@pytest.mark.parametrize("where", [None, {"gender": ["Women", "Men"], "price": Range(5, 60)}])
@pytest.mark.parametrize("edits", [(), (RED,), EDITED], ids=["plain", "red", "two"])
@pytest.mark.parametrize("distinct", [True, False])
def test_results_are_those_of_a_slow_ranking(
    edits: tuple[Edit, ...], where: Any, distinct: bool, shop: Shop
) -> None:
    expected = shop.ranked(shop.feature(20), edits, where, distinct)
    expected = [pair for pair in expected if pair[0] != "photo 20"]
    assert len(expected) > 40
    found = shop.searcher.search(
        id="photo 20", edits=edits, k=30, offset=3, where=where, distinct=distinct
    )
    if distinct:
        assert ids_of(found) == [name for name, _ in expected[3:33]]
    else:  # copies have the same score, in any order
        assert {*ids_of(found)} <= {name for name, _ in expected[2:34]}
    scores = [hit.score for hit in found]
    np.testing.assert_allclose(scores, [score for _, score in expected[3:33]], atol=1e-4)
    assert found.total == len(shop.slow.passing(where))
    by_id = {item.id: item for item in shop.items}
    assert all(hit.uri == by_id[hit.id].uri for hit in found)
    assert all(hit.columns == by_id[hit.id].columns for hit in found)
    assert found.source == Path("/p/20.jpg")


@pytest.mark.parametrize("editor", [each for each in EDITORS if each != "generator"])
def test_every_kind_of_editor_searches(editor: str, parts: dict[str, Any], tmp_path: Path) -> None:
    shop = Shop(tmp_path, parts, editor, both=True)
    for edits in ((RED,), EDITED):
        expected = [name for name, _ in shop.ranked(FEATURES[3], edits)]
        found = shop.searcher.search(vector=FEATURES[3].numpy(), edits=edits, k=12)
        assert ids_of(found) == expected[:12]
    shop.gallery.close()


@pytest.mark.parametrize("edits", [(), (RED,)])
@pytest.mark.parametrize("size", [7, 50, 126])
def test_pages_have_no_gaps_and_no_doubles(edits: tuple[Edit, ...], size: int, shop: Shop) -> None:
    """Also beyond the results that say whether there is an answer."""
    whole = shop.searcher.search(id="photo 20", edits=edits, k=10_000)
    assert len(whole) == COUNT - COUNT // 10 - 1 > CANDIDATES
    pages = [
        shop.searcher.search(id="photo 20", edits=edits, k=size, offset=start)
        for start in range(0, len(whole) + size, size)
    ]
    assert [name for page in pages for name in ids_of(page)] == ids_of(whole)
    assert len(pages[-1]) == 0 or len(whole) % size
    said = {(page.answer, page.fits, page.sentence, page.total) for page in pages}
    assert said == {(whole.answer, whole.fits, whole.sentence, whole.total)}


def test_the_query_and_its_copies_are_not_among_the_results(shop: Shop) -> None:
    for name, copy in (("photo 18", "photo 19"), ("photo 19", "photo 18")):
        found = ids_of(shop.searcher.search(id=name, k=COUNT))
        assert name not in found and copy not in found
        every = ids_of(shop.searcher.search(id=name, k=COUNT, distinct=False))
        assert len(every) == COUNT - 1 and every[0] == copy
    of_vector = shop.searcher.search(vector=shop.feature(18).numpy(), k=1)
    assert of_vector[0].id in ("photo 18", "photo 19")
    assert of_vector[0].score == pytest.approx(1, abs=1e-3)


def test_of_an_item_the_best_photo_is_found(tmp_path: Path, parts: dict[str, Any]) -> None:
    made = Shop(tmp_path, parts)
    shown = [20, 31, 44, 57]  # photos of one item
    items = [replace(made.items[n], columns={"item": "coat 7"}) for n in shown]
    made.gallery.add(items)
    every = [name for name, _ in made.ranked(made.feature(3), (RED,), distinct=False)]
    found = ids_of(made.searcher.search(id="photo 3", edits=(RED,), k=COUNT))
    names = {f"photo {n}" for n in shown}
    assert [name for name in found if name in names] == [n for n in every if n in names][:1]
    assert not names & set(ids_of(made.searcher.search(id="photo 31", k=COUNT)))
    loose = made.searcher.search(id="photo 31", k=COUNT, distinct=False)
    assert names & set(ids_of(loose)) == names - {"photo 31"}
    made.gallery.close()


def test_a_mix_is_met_by_each_of_its_classes(shop: Shop) -> None:
    mix = Edit("color", {"red": 3, "blue": 1})
    found = shop.searcher.search(id="photo 20", edits=(mix,), k=60)
    posteriors = shop.oracle.posteriors
    assert posteriors is not None
    numbers = [int(hit.id.split()[1]) for hit in found]
    colors = posteriors.read(FEATURES[[n - (n % 10 == 9) for n in numbers]])[0]
    assert SCHEMA.types[0] == "color"
    either = colors[:, SCHEMA.index("color", "red")] + colors[:, SCHEMA.index("color", "blue")]
    calibration = shop.searcher.bundle.contents.calibration
    assert calibration is not None
    likely = Platt(*calibration["attribute"])(either.numpy())
    assert [hit.probability for hit in found] == pytest.approx(likely, abs=3e-3)
    assert max(likely) > 0.6
    assert found[0].why[0].endswith("wanted red or blue") and "red or blue" in found.sentence


def test_facets_and_the_total_are_of_the_whole_filter(shop: Shop) -> None:
    where = {"price": Range(least=20)}
    found = shop.searcher.search(id="photo 20", k=2, where=where, facets=("gender",))
    passing = shop.slow.passing(where)
    counts = {
        name: sum(item.columns["gender"] == name for item in passing)
        for name in ("Women", "Men", "Unisex")
    }
    assert found.facets == {"gender": counts} and found.total == len(passing)
    assert shop.searcher.search(id="photo 20").facets == {}
    nobody = shop.searcher.search(id="photo 20", edits=[RED], where={"gender": "Nobody"})
    assert len(nobody) == 0 and nobody.total == 0
    assert nobody.answer == 0 and not nobody.fits and "No photo" in nobody.sentence


# -- what the results say


@pytest.mark.parametrize("edits", [(RED,), EDITED])
def test_probabilities_and_reasons_are_what_the_posteriors_say(
    edits: tuple[Edit, ...], shop: Shop
) -> None:
    found = shop.searcher.search(id="photo 20", edits=edits, k=60)
    posteriors = shop.oracle.posteriors
    assert posteriors is not None
    numbers = [int(hit.id.split()[1]) for hit in found]
    of = [n - (n % 10 == 9) for n in numbers]
    photos, query = posteriors.read(FEATURES[of]), shop.feature(20)[None]
    own = posteriors.read(query)
    target = wanted_probabilities(own, edits, posteriors)
    types = sorted(SCHEMA.types.index(edit.attribute_type) for edit in edits)
    raw = raw_probabilities(target, photos, torch.arange(60)[None], types)
    calibration = shop.searcher.bundle.contents.calibration
    assert calibration is not None
    likely = Platt(*calibration["attribute"])(raw["attribute"][0].numpy())
    for n, hit in enumerate(found):
        assert hit.probability == pytest.approx(likely[n], abs=3e-3)
        assert hit.met == (hit.probability >= 0.5) or abs(likely[n] - 0.5) < 3e-3
        for t, kind in enumerate(SCHEMA.types):
            best = int(photos[t][n].argmax())
            assert hit.attributes[kind].name == SCHEMA.of(kind)[best]
            share = float(photos[t][n, best])
            assert hit.attributes[kind].probability == pytest.approx(share, abs=2e-3)
        reasons = [
            f"{SCHEMA.types[t]}: {guess.name} {100 * guess.probability:.0f} %, wanted "
            f"{SCHEMA.of(SCHEMA.types[t])[int(target[t][0].argmax())]}"
            for t in types
            for guess in [hit.attributes[SCHEMA.types[t]]]
        ]
        assert hit.why == tuple(reasons)
    if edits == (RED,):
        assert {True, False} == {hit.met for hit in found}
    for t, kind in enumerate(SCHEMA.types):
        assert found.query[kind].name == SCHEMA.of(kind)[int(own[t][0].argmax())]


@pytest.mark.parametrize(("threshold", "fits"), [(0.0, True), (0.999999, False)])
def test_the_answer_is_that_of_the_first_hundred_photos(
    threshold: float, fits: bool, parts: dict[str, Any], tmp_path: Path
) -> None:
    calibration = {
        "attribute": [1.0, 0.0],
        "combination": [1.0, 0.0],
        "answer": [0.4, -0.7],
        "threshold": threshold,
    }
    shop = Shop(tmp_path, parts, calibration=calibration)
    query = FEATURES[[5]]
    posteriors = shop.oracle.posteriors
    assert posteriors is not None
    best = [int(name.split()[1]) for name, _ in shop.ranked(query[0], [RED])][:CANDIDATES]
    photos = posteriors.read(FEATURES[[n - (n % 10 == 9) for n in best]])
    target = wanted_probabilities(posteriors.read(query), [RED], posteriors)
    raw = raw_probabilities(target, photos, torch.zeros(1, 1, dtype=torch.long), [0])["answer"]
    expected = float(Platt(0.4, -0.7)(raw.numpy())[0])
    found = shop.searcher.search(vector=query[0].numpy(), edits=[RED], k=3)
    assert found.answer == pytest.approx(expected, abs=5e-3) and found.fits == fits
    wanted = " ".join(
        SCHEMA.of(kind)[int(target[t][0].argmax())] for t, kind in enumerate(SCHEMA.types)
    )
    assert f'"{wanted}"' in found.sentence and "red" in wanted
    assert found.sentence.startswith("No photo") == (not fits)
    shop.gallery.close()


def test_without_an_edit_nothing_is_met_or_missed(shop: Shop) -> None:
    for edits in ((), (Edit("color", "red", 0.0),)):
        found = shop.searcher.search(id="photo 20", edits=edits, k=5)
        assert found.answer is None and found.fits and found.sentence == "" and found.edits == ()
        assert all((h.met, h.probability, h.why) == (None, None, ()) for h in found)


def test_least_leaves_out_what_is_unlikely_and_nothing_else(shop: Shop) -> None:
    every = shop.searcher.search(id="photo 20", edits=[RED], k=COUNT)
    middle = float(np.median([hit.probability or 0 for hit in every]))
    likely = [hit.id for hit in every if (hit.probability or 0) >= middle]
    assert 20 < len(likely) < len(every)
    pages = [
        shop.searcher.search(id="photo 20", edits=[RED], k=10, offset=n, least=middle)
        for n in range(0, len(likely) + 10, 10)
    ]
    assert [name for page in pages for name in ids_of(page)] == likely


def test_an_edit_that_cannot_apply_is_refused_and_one_that_changes_nothing_is_noted(
    shop: Shop, parts: dict[str, Any], tmp_path: Path
) -> None:
    own = shop.searcher.search(id="photo 20").query["color"].name
    note = shop.searcher.search(id="photo 20", edits=[Edit("color", own)]).notes
    assert len(note) == 1 and f"color is {own} already" in note[0]
    # no training photo of this color is labelled with a sleeve
    images = [[100] * n for n in SCHEMA.sizes]
    labelled = [[[100, 100, 100] for _ in range(n)] for n in SCHEMA.sizes]
    labelled[0][SCHEMA.index("color", "red")][2] = 0
    never = Shop(tmp_path, parts, images=images, labelled=labelled)
    with pytest.raises(EditError, match="sleeve does not apply to red"):
        never.searcher.search(id="photo 20", edits=[RED, Edit("sleeve", "long")])
    assert len(never.searcher.search(id="photo 20", edits=[Edit("pattern", "dots")])) == 20
    never.gallery.close()


# -- many queries


def mixed_queries(shop: Shop) -> list[Query]:
    vector = FEATURES[4].numpy()
    return [
        Query(id="photo 20"),
        Query(id="nobody"),
        Query(vector=vector, edits=(RED,), k=3),
        Query(id="photo 7", text="in blue, striped", k=40, facets=("gender",)),
        Query(photo=drawn_photo(1), edits=(Edit.like("color", drawn_photo(2)),)),
        Query(photo=b"no image"),
        Query(photo="/nowhere.jpg"),
        Query(vector=vector, where={"gender": "Men"}),
        Query(vector=vector, where={"size": "M"}),
        Query(vector=vector, facets=("size",)),
        Query(vector=vector, edits=(RED,), k=130, where={"gender": "Men"}),
        Query(vector=vector, edits=EDITED, distinct=False, least=0.2),
        Query(vector=vector, edits=(RED, Edit("color", "blue"))),
        Query(vector=vector, edits=(RED,), text="in blue"),
        Query(vector=vector, edits=(Edit("color", "pink"),)),
        Query(vector=vector, edits=(Edit("size", "M"),)),
        Query(vector=vector, text="with zips"),
        Query(vector=vector[:-1]),
        Query(vector=np.full(DIMENSION, np.nan, np.float32)),
        Query(vector=np.full(DIMENSION, 3e38, np.float32)),
        Query(vector="no vector"),  # type: ignore[arg-type]
        Query(vector=vector, k=0),
        Query(vector=vector, offset=-1),
        Query(vector=vector, least=1.5),
        Query(vector=vector, id="photo 20"),
        Query(),
        Query(vector=vector, edits=(Edit.like("color", b"no image"),)),
        Query(vector=vector, edits=(Edit("color", torch.zeros(DIMENSION + 1)),)),
        Query(id="photo 20", edits=(RED,), k=120),
    ]


FAULTS = {
    1: (UnknownItem, "nobody"),
    5: (UnreadableImage, "the photo"),
    6: (UnreadableImage, "/nowhere.jpg"),
    8: (FlamError, "no column 'size'; its columns are: gender, price"),
    9: (FlamError, "no column 'size'"),
    12: (EditError, "two edits for color"),
    13: (EditError, "two edits for color"),
    14: (SchemaError, "color has no class 'pink'"),
    15: (SchemaError, "no attribute type 'size'"),
    16: (EditError, "'zips'"),
    17: (FlamError, "shape (15,); expected 16 finite numbers"),
    18: (FlamError, "16 finite numbers"),
    19: (FlamError, "too large"),
    20: (FlamError, "expected 16 numbers"),
    21: (FlamError, "k is 0"),
    22: (FlamError, "offset -1"),
    23: (FlamError, "least is 1.5"),
    24: (FlamError, "2 of photo, id and vector"),
    25: (FlamError, "0 of photo, id and vector"),
    26: (UnreadableImage, "the photo"),
    27: (FlamError, "shape (17,)"),
}


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_fault_of_one_query_does_not_concern_the_others(shop: Shop) -> None:
    queries = mixed_queries(shop)
    answers = shop.searcher.search_many(queries)
    for number, answer in enumerate(answers):
        if number in FAULTS:
            kind, says = FAULTS[number]
            assert isinstance(answer, kind), (number, answer)
            assert says in str(answer), (number, answer)
        else:
            assert isinstance(answer, Results) and len(answer), (number, answer)
    # in any company, an answer is the same
    for query, answer in zip(queries, answers, strict=True):
        assert plain(shop.searcher.search_many([query])[0]) == plain(answer)
    turned = shop.searcher.search_many(queries[::-1])[::-1]
    assert [*map(plain, turned)] == [*map(plain, answers)]
    assert shop.searcher.search_many([]) == []


def test_text_and_edits_are_read_together(shop: Shop) -> None:
    found = shop.searcher.search(id="photo 20", edits=[RED], text="long, with dots")
    assert [*map(str, found.edits)] == ["color=red", "pattern=dots", "sleeve=long"]
    assert [*map(str, shop.searcher.parse("NAVY"))] == ["color=navy blue"]
    assert shop.searcher.search(id="photo 20", text="  ").edits == ()


# -- photos


def test_an_id_a_photo_and_a_vector_of_one_photo_find_the_same(
    parts: dict[str, Any], tmp_path: Path
) -> None:
    shop = Shop(tmp_path, parts)
    path, data = tmp_path / "a photo.png", drawn_photo(3)
    path.write_bytes(data)
    searcher = shop.searcher
    features = searcher.features([data, drawn_photo(4)])
    with torch.inference_mode():
        pixels = fit(decode(data, path), SIZE)
        expected = parts["backbone"](pixels[None])[0].numpy()
    np.testing.assert_allclose(features[0], expected, rtol=1e-5, atol=1e-6)
    vectors, lengths = searcher.vectors(features)
    item = Item("new", str(path), {}, "hash of new", vectors[0], float(lengths[0]))
    shop.gallery.add([item])
    for edits in ((), (RED,), EDITED):
        by_id = searcher.search(id="new", edits=edits, k=15)
        others = [
            searcher.search(given, edits=edits, k=16) for given in (path, str(path), data)
        ] + [searcher.search(vector=features[0], edits=edits, k=16)]
        for found in others:
            rest = [hit for hit in found if hit.id != "new"][:15]
            assert [hit.id for hit in rest] == ids_of(by_id)
            for hit, other in zip(rest, by_id, strict=True):
                assert hit.score == pytest.approx(other.score, abs=2e-3)
                assert hit.probability == pytest.approx(other.probability, abs=1e-2)
            assert {n: g.name for n, g in found.query.items()} == {
                n: g.name for n, g in by_id.query.items()
            }
    assert [found.source for found in others] == [path, path, data, None]
    assert searcher.describe(features[0]) == others[-1].query
    shop.gallery.close()


def test_an_example_may_be_a_feature_a_file_or_its_content(shop: Shop, tmp_path: Path) -> None:
    path, data = tmp_path / "example.png", drawn_photo(6)
    path.write_bytes(data)
    feature = shop.searcher.features([data])[0]
    expected = shop.ranked(FEATURES[4], [Edit("color", torch.from_numpy(feature))])
    for example in (path, str(path), data, feature, torch.from_numpy(feature)):
        edit = Edit.like("color", example)  # type: ignore[arg-type]
        found = shop.searcher.search(vector=FEATURES[4].numpy(), edits=[edit], k=10)
        assert ids_of(found) == [name for name, _ in expected[:10]]
        assert str(found.edits[0]) == "color=(an example)"
    # of a photo of the gallery
    of_item = shop.searcher.feature_of("photo 31")
    np.testing.assert_allclose(of_item, FEATURES[31], rtol=2e-3, atol=2e-3)
    edit = Edit.like("color", of_item, 0.3)  # type: ignore[arg-type]
    found = shop.searcher.search(vector=FEATURES[4].numpy(), edits=[edit], k=10)
    oracle = [Edit("color", torch.from_numpy(of_item), 0.3)]
    assert ids_of(found) == [name for name, _ in shop.ranked(FEATURES[4], oracle)[:10]]


def test_features_name_the_photo_that_cannot_be_read(shop: Shop) -> None:
    with pytest.raises(UnreadableImage, match="photo 2"):
        shop.searcher.features([drawn_photo(1), b"\xff\xd8 broken"])
    assert shop.searcher.features([]).shape == (0, DIMENSION)


# -- the gallery


def test_a_photo_that_is_deleted_during_a_search_is_left_out(
    parts: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(tmp_path, parts)
    before = ids_of(shop.searcher.search(id="photo 20", k=10))
    real = shop.gallery.search

    def search_then_delete(*given: Any, **more: Any) -> Any:
        found = real(*given, **more)
        shop.gallery.delete([before[2]])
        return found

    monkeypatch.setattr(shop.gallery, "search", search_then_delete)
    after = ids_of(shop.searcher.search(id="photo 20", k=9))
    assert after == [name for name in before[:9] if name != before[2]]
    assert [item.id for item in still_there(shop.gallery, ["x", before[0]])] == [before[0]]
    shop.gallery.close()


def test_a_gallery_of_another_bundle_is_refused(
    shop: Shop, parts: dict[str, Any], tmp_path: Path
) -> None:
    other = made_bundle(tmp_path / "other", parts=parts, hardened=True)
    address = shop.gallery.info().address
    with pytest.raises(FlamError, match="made by another bundle"):
        Searcher.load(other.folder, address, "cpu")
    with pytest.raises(FlamError, match="there is no gallery"):
        Searcher.load(other.folder, tmp_path / "nowhere.db", "cpu")
    alone = Searcher.load(other.folder, device="cpu")
    with pytest.raises(FlamError, match="has no gallery"):
        alone.search(id="photo 20")
    assert set(alone.describe(FEATURES[0].numpy())) == set(SCHEMA.types)
    with pytest.raises(FlamError, match="expected one of torch, onnx"):
        Searcher.load(other.folder, runtime="tensorflow")
    with pytest.raises(FlamError, match="holds no ONNX files"):
        Searcher.load(other.folder, runtime="onnx")


# -- in a notebook


def test_a_notebook_shows_no_name_as_html(shop: Shop, tmp_path: Path) -> None:
    hostile = "<script>alert('1')</script>\"&"
    path = tmp_path / "<img src=x onerror='a'>.png"
    path.write_bytes(drawn_photo(1))
    found = shop.searcher.search(drawn_photo(2), [RED], k=3)
    hit = found[0]
    guess = replace(hit.attributes["color"], name=hostile)
    shown = replace(
        found,
        hits=(
            replace(hit, uri=str(path), id=hostile, attributes={"color": guess}),
            replace(hit, uri="https://example.org/'><script>"),
            replace(hit, uri="/a\0b"),
        ),
        notes=(hostile,),
        sentence=hostile,
        edits=(Edit("color", {hostile: 1}),),
    )
    page = shown._repr_html_()
    assert "<script" not in page and "onerror" not in page and page.count("&lt;script&gt;") == 6
    assert page.count("<img src='data:image/jpeg;base64,") == 2  # the query and the first hit
    assert hostile in str(shown)  # a terminal is no page


def huge_photo() -> bytes:
    """A PNG that promises 40,000 x 40,000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return drawn_photo(1)[:8] + chunk + drawn_photo(1)[33:]


@pytest.mark.parametrize(
    "data", [b"", b"%!PS-Adobe-3.0 EPSF-3.0\n", drawn_photo(1)[:200], huge_photo()]
)
def test_a_notebook_opens_only_photos_that_a_search_would(
    data: bytes, shop: Shop, tmp_path: Path
) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    found = shop.searcher.search(id="photo 20", k=1)
    shown = replace(found, hits=(replace(found[0], uri=str(path)),), source=tmp_path)
    assert "<img" not in shown._repr_html_() and shown._repr_html_().count("<figure") == 2


def test_results_are_a_sequence(shop: Shop) -> None:
    found = shop.searcher.search(id="photo 20", edits=[RED], k=4)
    assert len(found) == 4 and [*found] == [found[n] for n in range(4)] == [*found[:4]]
    lines = str(found).splitlines()
    assert len(lines) == len(found.notes) + 1 + 4 and lines[-1].split()[0] == "4"
    assert f"{100 * (found[3].probability or 0):.0f} %" in lines[-1]


def test_the_queries_that_measure_an_index_are_edited_searches(shop: Shop) -> None:
    """Each is the vector of a photo of the gallery with one class of one type."""
    bundle, runtime = shop.searcher.bundle, shop.searcher.runtime
    sample = sample_queries(shop.gallery, bundle, runtime, count=6)
    assert sample is not None and sample.classes == SCHEMA.sizes
    edits = [Edit(kind, name) for kind in SCHEMA.types for name in SCHEMA.of(kind)]
    possible = torch.cat(
        [shop.oracle.queries(shop.feature(n)[None], [e]) for n in range(COUNT) for e in edits]
    ).numpy()
    for query in sample.queries:
        assert np.abs(possible - query).max(axis=1).min() < 1e-5
    assert len(np.unique(sample.queries.round(4), axis=0)) > 1
