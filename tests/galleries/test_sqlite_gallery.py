"""What only the SQLite gallery does: indexes beside it, several readers, kills and damage."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from flam_pl.errors import FlamError
from flam_pl.galleries.ann import hit_rate, log_posteriors
from flam_pl.galleries.flat import Flat
from flam_pl.galleries.index_file import beside, read_index
from flam_pl.galleries.items import Sample
from flam_pl.galleries.sqlite_faiss import SqliteGallery
from flam_pl.galleries.stored import Item, Range
from gallery_adder import killed_while_adding, lost_or_double
from slow_gallery import DIMENSION, SlowGallery, made_items, made_queries

COUNT = 6000  # more than a filter may leave for exact scoring
APPROXIMATE = ("ivf_sq8", "ivf_pq", "hnsw")


@pytest.fixture(scope="module")
def photos() -> list[Item]:
    return made_items(COUNT + 700, seed=3)


@pytest.fixture(scope="module")
def database(photos: list[Item], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery without an index; tests copy it."""
    path = tmp_path_factory.mktemp("gallery") / "shop.db"
    gallery = SqliteGallery(path, "space", DIMENSION)
    gallery.add(photos[:COUNT])
    gallery.close()
    return path


@pytest.fixture
def copied(database: Path, tmp_path: Path) -> Path:
    with sqlite3.connect(database) as old, sqlite3.connect(tmp_path / "shop.db") as new:
        old.backup(new)
    new.execute("PRAGMA journal_mode = WAL")
    new.close()
    return tmp_path / "shop.db"


def test_a_gallery_in_a_folder_that_cannot_be_written_is_searched(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(copied.parent.iterdir())
    monkeypatch.setattr("os.access", lambda path, mode: False)
    gallery = SqliteGallery(copied, "space")
    assert len(gallery.search(made_queries(1), 3).ids[0]) == 3
    with pytest.raises(FlamError, match="Its file and folder must be writable"):
        gallery.delete(["photo 0"])
    assert sorted(copied.parent.iterdir()) == before
    gallery.close()


def recall(gallery: SqliteGallery, slow: SlowGallery, where: object = None) -> float:
    queries = made_queries(30, seed=9)
    found = gallery.search(queries, 10, where)  # type: ignore[arg-type]
    shares = []
    for query, ids, scores in zip(queries, found.ids, found.scores, strict=True):
        exact = dict(slow.search(query, len(slow.items), where))  # type: ignore[arg-type]
        assert len(ids) == 10 and list(scores) == sorted(scores, reverse=True)
        np.testing.assert_allclose(scores, [exact[id] for id in ids], atol=1e-5)
        shares.append(len(set(ids) & set(list(exact)[:10])) / 10)
    return float(np.mean(shares))


@pytest.mark.parametrize("kind", APPROXIMATE)
def test_an_index_follows_the_gallery(
    kind: str, copied: Path, photos: list[Item], capsys: pytest.CaptureFixture[str]
) -> None:
    slow = SlowGallery()
    slow.add(photos[:COUNT])
    gallery = SqliteGallery(copied, index=kind)
    assert recall(gallery, slow) >= 0.9
    info = gallery.info()
    assert f"index {kind} of 6,000 photos: built" in capsys.readouterr().out
    assert info.index == kind and info.recall is not None and info.recall >= 0.9
    assert info.agreement is not None and 0 <= info.agreement <= info.recall
    moved = made_items(50, seed=11, start=400)
    for each in (slow, gallery):  # behind the index, in it, and replaced
        each.add(photos[COUNT:])  # type: ignore[attr-defined]
        each.delete([item.id for item in photos[:300]])  # type: ignore[attr-defined]
        each.add(moved)  # type: ignore[attr-defined]
    wheres = (None, {"price": Range(least=900)}, {"price": Range(1000, 1400)}, {"color": "red"})
    for where in wheres:
        assert recall(gallery, slow, where) >= 0.9
    gallery.close()
    again = SqliteGallery(copied, index=kind)  # the index is extended
    assert recall(again, slow) >= 0.9
    assert "built" not in capsys.readouterr().out
    held = read_index(beside(copied), kind, again.table.key, again.table.changes())
    assert held is not None and held.rows[-1] == again.table.rows()[-1]
    again.close()


def test_hits_are_those_of_a_slow_loop(copied: Path) -> None:
    gallery = SqliteGallery(copied, index="flat")
    queries, rng = made_queries(60, seed=5), np.random.default_rng(0)
    queries[::3, -3:] = 0  # these want nothing of the second type
    known = gallery.table.rows()
    rows = rng.choice(known, (60, 10))
    rows[::4, 6:] = -1
    hits = 0
    for query, found in zip(queries, rows, strict=True):
        photos = [gallery.table.vectors(np.array([row]))[0] for row in found if row >= 0]
        hits += any(
            photo[-8:-3].argmax() == query[-8:-3].argmax()
            and (not query[-3:].any() or photo[-3:].argmax() == query[-3:].argmax())
            for photo in photos
        )
    assert 5 < hits < 55
    assert hit_rate(gallery.table, queries, rows, (5, 3)) == pytest.approx(hits / 60)
    gallery.close()


def test_an_index_of_a_given_sample_is_built_again(copied: Path, photos: list[Item]) -> None:
    slow = SlowGallery()
    slow.add(photos[:COUNT])
    gallery = SqliteGallery(copied, index="ivf_sq8")
    queries, classes = made_queries(100, seed=4), (5, 3)
    info = gallery.build_index(Sample(queries, classes))
    assert info.recall is not None and info.recall >= 0.95
    assert info.hit_rates is not None
    assert f"T@10 {info.hit_rates[0]:.3f} (exact {info.hit_rates[1]:.3f})" in str(info)
    assert recall(gallery, slow) >= 0.95
    gallery.close()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda _: b"",
    "changed": lambda content: content[: len(content) // 2] + b"#" * 64 + content[-5000:],
    "one bit": lambda c: c[: len(c) // 3] + bytes([c[len(c) // 3] ^ 1]) + c[len(c) // 3 + 1 :],
    "other": lambda _: b"PK not an index",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_index_is_built_again(
    damage: str, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gallery = SqliteGallery(copied, index="ivf_sq8")
    expected = gallery.search(made_queries(5), 10).ids
    gallery.close()
    file = beside(copied)
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    capsys.readouterr()
    gallery = SqliteGallery(copied, index="ivf_sq8")
    assert gallery.search(made_queries(5), 10).ids == expected
    assert "built" in capsys.readouterr().out
    gallery.close()


def test_the_index_of_another_gallery_is_not_used(copied: Path, tmp_path: Path) -> None:
    SqliteGallery(copied, index="ivf_sq8").search(made_queries(1), 1)
    other = tmp_path / "other.db"
    beside(other).write_bytes(beside(copied).read_bytes())
    gallery = SqliteGallery(other, "space", DIMENSION, index="ivf_sq8")
    photos = made_items(1200, seed=8)
    gallery.add(photos)
    slow = SlowGallery()
    slow.add(photos)
    assert recall(gallery, slow) >= 0.9


def test_a_file_that_is_no_gallery_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.db"
    text.write_text("not a database, but long enough to be looked at " * 30)
    with pytest.raises(FlamError, match="notes.db: file is not a database"):
        SqliteGallery(text)
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE things (a)")
    other.commit()
    for making in ((), ("space", DIMENSION)):
        with pytest.raises(FlamError, match="not a gallery of flam-pl"):
            SqliteGallery(tmp_path / "other.db", *making)
    assert [r[0] for r in other.execute("SELECT name FROM sqlite_master")] == ["things"]


def test_a_gallery_that_cannot_be_written_notices_the_writer_of_another_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite takes its file as one that never changes: a search could read half of a change."""
    path = tmp_path / "shop.db"
    writer = SqliteGallery(path, "space", DIMENSION)
    writer.add(made_items(5))
    writer.close()
    with monkeypatch.context() as patch:
        patch.setattr("os.access", lambda path, mode: False)
        reader = SqliteGallery(path)
    assert len(reader.ids(0, 9)) == 5
    writer = SqliteGallery(path)
    writer.add(made_items(5, start=5))
    writer.close()
    with pytest.raises(FlamError, match="was changed since it was opened: open it again"):
        reader.ids(0, 9)
    reader.close()


def test_an_interrupted_beginning_is_no_gallery_until_it_is_filled(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    path.touch()
    with pytest.raises(FlamError, match="shop.db is empty: .*index build"):
        SqliteGallery(str(path))
    SqliteGallery(str(path), "space", DIMENSION).close()
    SqliteGallery(str(path)).close()


def test_a_reader_sees_what_another_connection_committed(tmp_path: Path) -> None:
    items, slow = made_items(90), SlowGallery()
    writer = SqliteGallery(tmp_path / "shop.db", "space", DIMENSION)
    reader = SqliteGallery(tmp_path / "shop.db")
    for start in range(0, 90, 30):
        for each in (writer, slow):
            each.add(items[start : start + 30])
            each.delete([f"photo {start + 4}"])
        query = made_queries(1)
        assert reader.search(query, 99).ids[0] == [i for i, _ in slow.search(query[0], 99)]


def test_threads_search_whole_batches_while_one_adds(tmp_path: Path) -> None:
    gallery = SqliteGallery(tmp_path / "shop.db", "space", DIMENSION)
    items, faults = made_items(400), []
    done = threading.Event()

    def search() -> None:
        last = 0
        while not done.is_set():
            try:
                count = len(
                    gallery.search(made_queries(1), 400, {"new": 1} if last else None).ids[0]
                )
            except FlamError as error:
                faults.append(str(error))
                return
            if count % 20 or count < last:
                faults.append(f"{count} photos after {last}")
            last = count

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for start in range(0, 400, 20):
        batch = items[start : start + 20]
        gallery.add([Item(i.id, i.uri, {"new": 1}, i.hash, i.vector) for i in batch])
    done.set()
    for thread in threads:
        thread.join()
    assert not faults
    assert len(gallery.search(made_queries(1), 999).ids[0]) == 400


def test_a_closed_gallery_says_so(tmp_path: Path) -> None:
    gallery = SqliteGallery(tmp_path / "shop.db", "space", DIMENSION)
    gallery.close()
    with pytest.raises(FlamError, match="closed"):
        gallery.search(made_queries(1), 1)


def test_an_unchanged_vector_keeps_its_row(tmp_path: Path) -> None:
    gallery = SqliteGallery(tmp_path / "shop.db", "space", DIMENSION)
    gallery.add(made_items(5))
    rows = gallery.table.rows()
    gallery.add([Item(i.id, "moved", {}, "", i.vector) for i in made_items(5)])
    np.testing.assert_array_equal(gallery.table.rows(), rows)
    gallery.add([Item("photo 0", "", {}, "", -made_items(1)[0].vector)])
    assert gallery.table.rows()[-1] > rows[-1]


def test_flat_search_does_not_change_while_another_grows() -> None:
    rng = np.random.default_rng(0)
    old = Flat.empty(4)
    memory, part = old.room(10)
    part[:] = rng.standard_normal((10, 4))
    old = old.with_rows(np.arange(1, 11), memory)
    query = rng.standard_normal((1, 4)).astype(np.float32)
    before = old.search(query, 10)
    memory, part = old.room(5)
    part[:] = 100
    new = old.with_rows(np.arange(20, 25), memory).without(np.arange(1, 8))
    for got, expected in zip(old.search(query, 10), before, strict=True):
        np.testing.assert_array_equal(got, expected)
    assert len(new) == 8 and set(new.search(query, 8)[1][0]) == {8, 9, 10, *range(20, 25)}


def test_log_posteriors_are_found() -> None:
    vectors = np.stack([item.vector for item in made_items(50)]).astype(np.float32)
    assert log_posteriors(vectors) == 8
    assert log_posteriors(np.abs(vectors)) == 0


@pytest.mark.parametrize("after", [0, 1, 7, 20, 38])
def test_a_kill_loses_nothing_that_was_acknowledged(after: int, tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    acknowledged = killed_while_adding(path, after, seconds=0.002)
    assert len(acknowledged) >= after
    assert not lost_or_double(path, acknowledged)
