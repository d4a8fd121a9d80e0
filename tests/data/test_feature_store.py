"""Features on disk: a store is whole, and serves only the photos that it is of."""

from __future__ import annotations

import hashlib
import json
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ended_process import ended_process
from flam_pl.data import feature_store
from flam_pl.data.feature_store import FeatureStore, Manifest, ShardWriter, publish, resume
from flam_pl.errors import FlamError

DIMENSION = 6


def manifest(rows: int, dtype: str = "float32", **changes: object) -> Manifest:
    images = hashlib.sha256(b"".join(photos(rows).tolist())).hexdigest()
    made = Manifest("a" * 64, '{"size": 64}', images, rows, DIMENSION, dtype)
    return replace(made, **changes)


def photos(rows: int) -> np.ndarray:
    """What each row is of, as ``Catalog.photo_keys`` gives it."""
    return np.array([hashlib.sha256(str(row).encode()).hexdigest().encode() for row in range(rows)])


def beside(folder: Path) -> list[str]:
    """What writing left there; an unused lock may stay."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def features(rows: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, DIMENSION, generator=torch.Generator().manual_seed(seed))


def write_shards(
    folder: Path, values: torch.Tensor, of_rank: list[list[list[int]]], dtype: str
) -> None:
    """``of_rank``: for each rank its batches, each a list of rows."""
    for rank, batches in enumerate(of_rank):
        writer = ShardWriter(folder, rank, manifest(0, dtype))
        for rows in batches:
            writer.append(np.array(rows), values[rows])
        writer.close()


def store_at(folder: Path, rows: int = 10, seed: int = 0, **changes: object) -> Manifest:
    made = manifest(rows, **changes)
    write_shards(
        folder.with_name("shards"), features(rows, seed), [[list(range(rows))]], made.dtype
    )
    publish(folder.with_name("shards"), folder, made, photos(rows))
    return made


def opened(folder: Path, wanted: Manifest) -> FeatureStore:
    found = FeatureStore.open(folder)
    assert found.manifest == wanted
    return found


@contextmanager
def disk_that_holds(size: int) -> Iterator[None]:
    """No file may grow beyond ``size`` bytes: a write then fails as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_what_was_written_is_read_back(dtype: str, tmp_path: Path) -> None:
    made = store_at(tmp_path / "features", rows=10, dtype=dtype)
    store = opened(tmp_path / "features", made)
    assert len(store) == 10 and store.dimension == DIMENSION
    index = np.array([9, 0, 4, 4])
    rows = store.rows(index)
    assert rows.dtype == torch.float32
    expected = features(10)[index].numpy().astype(dtype).astype(np.float32)
    assert np.array_equal(rows.numpy(), expected) and np.abs(expected).max() > 1
    assert not (tmp_path / "shards").exists()
    assert beside(tmp_path) == ["features"]


def test_the_content_is_that_of_the_rows_whoever_wrote_them(tmp_path: Path) -> None:
    one = store_at(tmp_path / "one" / "features")
    content = opened(tmp_path / "one" / "features", one).content
    rows = np.load(tmp_path / "one" / "features" / "features.npy")
    assert content == hashlib.sha256(rows.tobytes()).hexdigest()

    copied = replace(one, images="c" * 64)  # the same photos, with other times
    write_shards(
        tmp_path / "shards", features(10), [[[3, 1, 9]], [[0, 2, 4], [5, 6, 7, 8]]], one.dtype
    )
    publish(tmp_path / "shards", tmp_path / "two", copied, photos(10))
    assert opened(tmp_path / "two", copied).content == content

    other = store_at(tmp_path / "three" / "features", seed=1)
    assert opened(tmp_path / "three" / "features", other).content != content


@settings(max_examples=25)
@given(
    rows=st.integers(1, 40),
    ranks=st.integers(1, 3),
    batch=st.integers(1, 7),
    seed=st.integers(0, 99),
)
def test_shards_of_any_order_become_catalog_order(
    rows: int, ranks: int, batch: int, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Ranks get rows in any order, some of them twice, as a sampler that pads gives them."""
    folder = tmp_path_factory.mktemp("store")
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(rows), rng.integers(rows, size=rng.integers(4))])
    of_rank = [order[r::ranks].tolist() for r in range(ranks)]
    batched = [[part[i : i + batch] for i in range(0, len(part), batch)] for part in of_rank]
    values = features(rows, seed)
    write_shards(folder / "shards", values, batched, "float32")
    publish(folder / "shards", folder / "features", manifest(rows), photos(rows))
    store = opened(folder / "features", manifest(rows))
    assert torch.equal(store.rows(np.arange(rows)), values)


def test_more_rows_than_are_merged_at_once(tmp_path: Path) -> None:
    rows = 8192 + 100
    values = features(rows)
    order = np.random.default_rng(0).permutation(rows)
    write_shards(
        tmp_path / "shards", values, [[order[:5000].tolist()], [order[5000:].tolist()]], "float32"
    )
    publish(tmp_path / "shards", tmp_path / "features", manifest(rows), photos(rows))
    assert torch.equal(opened(tmp_path / "features", manifest(rows)).rows(np.arange(rows)), values)


@pytest.mark.parametrize("of_rank", [[[[0, 1, 2, 4]]], [[[0, 1]], [[2, 4, 4]]], [[], []]])
def test_a_row_that_nobody_filled_is_refused(of_rank: list, tmp_path: Path) -> None:
    write_shards(tmp_path / "shards", features(5), of_rank, "float32")
    with pytest.raises(FlamError, match=r"filled \d of 5 rows \(first missing: \[[03]"):
        publish(tmp_path / "shards", tmp_path / "features", manifest(5), photos(5))
    assert not (tmp_path / "features").exists()


def test_a_row_beyond_the_catalog_is_refused(tmp_path: Path) -> None:
    write_shards(tmp_path / "shards", features(6), [[[0, 1, 2, 3, 4, 5]]], "float32")
    with pytest.raises(FlamError):
        publish(tmp_path / "shards", tmp_path / "features", manifest(5), photos(5))


def test_features_of_another_width_than_announced_are_refused(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path / "shards", 0, manifest(5))
    with pytest.raises(ValueError, match="broadcast"):
        writer.append(np.arange(5), torch.randn(5, DIMENSION + 2))
    writer.close()


def test_a_record_that_is_cut_off_is_missing(tmp_path: Path) -> None:
    write_shards(tmp_path / "shards", features(5), [[[0, 1, 2, 3, 4]]], "float32")
    shard = tmp_path / "shards" / "0-0.bin"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(FlamError, match=r"filled 4 of 5 rows .*interrupted"):
        publish(tmp_path / "shards", tmp_path / "features", manifest(5), photos(5))
    assert not (tmp_path / "features").exists()


@pytest.mark.parametrize(("value", "dtype"), [(np.nan, "float32"), (np.inf, "float16")])
def test_features_that_are_not_finite_are_refused_with_their_row(
    value: float, dtype: str, tmp_path: Path
) -> None:
    values = features(6)
    values[4, 2] = value
    write_shards(tmp_path / "shards", values, [[[5, 3, 1]], [[0, 2, 4]]], dtype)
    with pytest.raises(FlamError, match=f"image 4 .*are not finite .as {dtype}"):
        publish(tmp_path / "shards", tmp_path / "features", manifest(6, dtype), photos(6))
    assert not (tmp_path / "features").exists()


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_features_too_large_for_half_precision_are_refused(tmp_path: Path) -> None:
    values = features(4)
    values[2] = 7e4  # half precision ends at 65,504
    write_shards(tmp_path / "shards", values, [[[0, 1, 2, 3]]], "float16")
    with pytest.raises(FlamError, match=r"image 2 .*are not finite .*dtype=float32"):
        publish(tmp_path / "shards", tmp_path / "features", manifest(4, "float16"), photos(4))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("checkpoint", "c" * 64),
        ("preprocessing", '{"size": 128}'),
        ("images", "d" * 64),
        ("rows", 11),
        ("dimension", 7),
        ("dtype", "float16"),
        ("format", 0),
    ],
)
def test_what_differs_is_named_and_only_other_photos_leave_something_to_reuse(
    field: str, value: object, tmp_path: Path
) -> None:
    made = store_at(tmp_path / "features")
    store, wanted = FeatureStore.open(tmp_path / "features"), replace(made, **{field: value})
    difference = wanted.differences(store.manifest)
    assert difference.startswith(f"{field}: ") and ";" not in difference
    positions = store.find(wanted, photos(10)[::-1])
    expected = np.arange(10)[::-1] if field in ("images", "rows") else np.full(10, -1)
    assert np.array_equal(positions, expected)


def test_an_array_unlike_its_manifest_is_not_opened(tmp_path: Path) -> None:
    store_at(tmp_path / "features")
    np.save(tmp_path / "features" / "features.npy", np.zeros((9, DIMENSION), np.float32))
    with pytest.raises(FlamError, match=r"damaged .*\(9, 6\)"):
        FeatureStore.open(tmp_path / "features")


def test_nothing_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(FlamError, match="features: not extracted yet"):
        FeatureStore.open(tmp_path / "features")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"3", b'{"rows": 3}', b'{"unknown": 1}', b"\xff\xfe"]
)
def test_a_damaged_manifest_is_not_opened(content: bytes, tmp_path: Path) -> None:
    store_at(tmp_path / "features")
    (tmp_path / "features" / "manifest.json").write_bytes(content)
    with pytest.raises(FlamError, match="damaged"):
        FeatureStore.open(tmp_path / "features")


@pytest.mark.parametrize("keep", [0, 5, 100, 200])
def test_a_cut_off_array_is_not_opened(keep: int, tmp_path: Path) -> None:
    store_at(tmp_path / "features")
    array = tmp_path / "features" / "features.npy"
    assert array.stat().st_size > 200
    array.write_bytes(array.read_bytes()[:keep])
    with pytest.raises(FlamError, match="damaged"):
        FeatureStore.open(tmp_path / "features")


def test_an_interrupted_extraction_is_not_taken_for_a_store(tmp_path: Path) -> None:
    """Shards without a merge, and a merge that was killed before its rename."""
    made = manifest(5)
    write_shards(tmp_path / ".features.shards", features(5), [[[0, 1, 2, 3, 4]]], "float32")
    half = tmp_path / f".features.new.{socket.gethostname()}.{ended_process()}"
    half.mkdir()
    (half / "features.npy").write_bytes(b"half")
    with pytest.raises(FlamError, match="not extracted yet"):
        FeatureStore.open(tmp_path / "features")
    # the next run clears what was left and gets its store
    publish(tmp_path / ".features.shards", tmp_path / "features", made, photos(5))
    assert torch.equal(opened(tmp_path / "features", made).rows(np.arange(5)), features(5))
    assert beside(tmp_path) == ["features"]


def test_a_new_extraction_replaces_the_old_one(tmp_path: Path) -> None:
    store_at(tmp_path / "features", seed=0)
    new = store_at(tmp_path / "features", seed=1, checkpoint="c" * 64)
    rows = opened(tmp_path / "features", new).rows(np.arange(10))
    assert torch.equal(rows, features(10, seed=1))
    assert beside(tmp_path) == ["features"]


def test_a_full_disk_during_the_merge_leaves_the_old_store(tmp_path: Path) -> None:
    old = store_at(tmp_path / "features")
    rows = 2000
    write_shards(tmp_path / "shards", features(rows), [[list(range(rows))]], "float32")
    with disk_that_holds(16_384), pytest.raises(FlamError, match=r"could not be written.*disk"):
        publish(tmp_path / "shards", tmp_path / "features", manifest(rows), photos(rows))
    assert torch.equal(opened(tmp_path / "features", old).rows(np.arange(10)), features(10))
    assert beside(tmp_path) == ["features", "shards"]
    # with room again, the same shards serve
    publish(tmp_path / "shards", tmp_path / "features", manifest(rows), photos(rows))
    opened(tmp_path / "features", manifest(rows))


def test_a_full_disk_during_the_extraction_is_one_clear_message(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path / "shards", 0, manifest(5))
    with disk_that_holds(4096), pytest.raises(FlamError, match="could not be written"):
        for start in range(0, 1000, 10):
            writer.append(np.arange(start, start + 10), features(10))
    writer.close()


def test_a_rename_that_fails_puts_the_old_store_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = store_at(tmp_path / "features")
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name.startswith(".features.new."):
            raise OSError(28, "No space left on device")
        return rename(self, target)

    write_shards(tmp_path / "shards", features(10, 1), [[list(range(10))]], "float32")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        with pytest.raises(FlamError, match="No space left on device"):
            new = replace(old, checkpoint="c" * 64)
            publish(tmp_path / "shards", tmp_path / "features", new, photos(10))
    assert torch.equal(opened(tmp_path / "features", old).rows(np.arange(10)), features(10))


# --- damage


def reversed_rows(array: np.ndarray) -> np.ndarray:
    return array[::-1]


def with_nan(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array[-1, -1] = np.nan
    return array


def with_two_rows_swapped(array: np.ndarray) -> np.ndarray:
    return array[[1, 0, *range(2, len(array))]]


def of_zeros(array: np.ndarray) -> np.ndarray:
    return np.zeros_like(array)


def turned(array: np.ndarray) -> np.ndarray:
    return np.asfortranarray(array + 1)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(
    "damage", [reversed_rows, with_nan, with_two_rows_swapped, of_zeros, turned]
)
def test_other_features_of_the_same_shape_are_not_opened(
    damage: Callable[[np.ndarray], np.ndarray],
    large: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if large:  # of a large array, only blocks are read
        monkeypatch.setattr(feature_store, "READ_WHOLE", 0)
    made = store_at(tmp_path / "features", rows=20_000)
    file = tmp_path / "features" / "features.npy"
    written = file.read_bytes()
    np.save(file, damage(np.load(file)))
    with pytest.raises(FlamError, match=r"damaged .features.npy is not what was written"):
        FeatureStore.open(tmp_path / "features")
    file.write_bytes(written)
    opened(tmp_path / "features", made)


def test_the_sample_of_a_large_array_is_spread_and_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4 of 48 MB are read; 2 % of zeros in one piece are seen wherever they stand."""
    monkeypatch.setattr(feature_store, "READ_WHOLE", 0)
    rows = 2_000_000
    array = np.random.default_rng(0).standard_normal((rows, DIMENSION)).astype(np.float32)
    whole = feature_store._sample(array)
    assert feature_store.BLOCK * feature_store.BLOCKS <= 2**22
    for start in np.linspace(0, 0.98 * rows, 30).astype(int):
        piece = array[start : start + rows // 50].copy()
        array[start : start + rows // 50] = 0
        assert feature_store._sample(array) != whole
        array[start : start + rows // 50] = piece
    assert feature_store._sample(array) == whole


@pytest.mark.parametrize(
    ("field", "value"),
    [("checkpoint", "c" * 64), ("preprocessing", "{}"), ("images", "d" * 64), ("content", "e" * 64)]
    + [("sample", "e" * 64), ("sha256", ""), ("content", 3)],
)
def test_an_edited_manifest_is_not_opened(field: str, value: object, tmp_path: Path) -> None:
    store_at(tmp_path / "features")
    file = tmp_path / "features" / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {field: value}))
    with pytest.raises(FlamError, match="manifest.json cannot be read .*it was changed after"):
        FeatureStore.open(tmp_path / "features")


def test_a_store_of_an_earlier_version_serves_nothing_and_is_no_damage(tmp_path: Path) -> None:
    made = store_at(tmp_path / "features")
    file = tmp_path / "features" / "manifest.json"
    stored = json.loads(file.read_text()) | {"format": 3}
    del stored["sample"], stored["sha256"]
    file.write_text(json.dumps(stored))
    store = FeatureStore.open(tmp_path / "features")
    assert (store.find(made, photos(10)) == -1).all()
    assert made.differences(store.manifest) == "format: 4, not 3"


def test_an_edited_list_of_photos_is_not_used(tmp_path: Path) -> None:
    made = store_at(tmp_path / "features")
    np.save(tmp_path / "features" / "photos.npy", photos(10)[::-1])
    store = FeatureStore.open(tmp_path / "features")
    assert (store.find(replace(made, images="c" * 64), photos(10)) == -1).all()


# --- an extraction that was killed


@settings(max_examples=40)
@given(
    cut=st.integers(0, 20 * 40 + 8),
    flip=st.none() | st.integers(0, 20 * 40 - 1),
    batch=st.integers(1, 6),
)
def test_an_extraction_goes_on_behind_what_is_whole(
    cut: int, flip: int | None, batch: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The shard of 20 records is cut anywhere, and a byte of it changed."""
    folder, made, values = tmp_path_factory.mktemp("store"), manifest(20), features(20)
    shards = folder / "shards"
    assert len(resume(shards, made, clear=True)) == 0
    write_shards(shards, values, [[list(range(20))]], "float32")
    data = bytearray((shards / "0-0.bin").read_bytes())
    assert len(data) == 20 * 40
    if flip is not None:
        data[flip] ^= 1
    (shards / "0-0.bin").write_bytes(data[:cut])
    whole = min(cut // 40, 20 if flip is None else flip // 40)
    for clear in (False, True):
        done = resume(shards, made, clear=clear)
        assert done.tolist() == list(range(whole))
    left = np.setdiff1d(np.arange(20), done)
    write_shards(
        shards, values, [[left[i : i + batch] for i in range(0, len(left), batch)]], "float32"
    )
    assert len(resume(shards, made, clear=True)) == 20
    publish(shards, folder / "features", made, photos(20))
    store_at(folder / "at once", rows=20)
    for name in ("features.npy", "photos.npy", "manifest.json"):
        resumed = (folder / "features" / name).read_bytes()
        assert resumed == (folder / "at once" / name).read_bytes()


def test_an_extraction_by_two_processes_goes_on_in_one(tmp_path: Path) -> None:
    made, values, shards = manifest(9), features(9), tmp_path / "shards"
    resume(shards, made, clear=True)
    write_shards(shards, values, [[[0, 2, 4]], [[1, 3]]], "float32")
    assert resume(shards, made, clear=True).tolist() == [0, 1, 2, 3, 4]
    write_shards(shards, values, [[[5, 6]]], "float32")  # killed a second time
    assert resume(shards, made, clear=True).tolist() == [0, 1, 2, 3, 4, 5, 6]
    write_shards(shards, values, [[[7, 8, 7]]], "float32")
    publish(shards, tmp_path / "features", made, photos(9))
    assert torch.equal(opened(tmp_path / "features", made).rows(np.arange(9)), values)


def test_two_processes_that_extract_the_same_both_publish(tmp_path: Path) -> None:
    shards, folder, made, whole = tmp_path / "shards", tmp_path / "features", manifest(6), photos(6)
    writers = [ShardWriter(shards, 0, made) for _ in range(2)]  # neither finds a shard of the other
    for writer in writers:
        writer.append(np.arange(6), features(6))
    writers[0].close()
    assert resume(shards, made, clear=True).tolist() == list(range(6))
    publish(shards, folder, made, whole)
    inode = (folder / "features.npy").stat().st_ino
    writers[1].append(np.arange(2), features(2))  # its shard is gone with the folder
    writers[1].close()
    publish(shards, folder, made, whole)
    assert (folder / "features.npy").stat().st_ino == inode and not shards.exists()
    assert torch.equal(FeatureStore.open(folder).rows(np.arange(6)), features(6))


def test_a_damaged_store_of_the_same_inputs_is_replaced(tmp_path: Path) -> None:
    made = store_at(tmp_path / "features")
    (tmp_path / "features" / "features.npy").write_bytes(b"")
    assert store_at(tmp_path / "features") == made
    assert torch.equal(opened(tmp_path / "features", made).rows(np.arange(10)), features(10))


def test_other_inputs_start_again(tmp_path: Path) -> None:
    made, one, two = manifest(5), tmp_path / ".features.shards-1", tmp_path / ".features.shards-2"
    beside = tmp_path / ".features-other.shards-1"  # of another store
    for shards in (one, beside):
        write_shards(shards, features(5), [[[0, 1, 2]]], "float32")
    assert len(resume(two, made, clear=False)) == 0
    assert resume(one, made, clear=True).tolist() == [0, 1, 2]
    assert len(resume(two, made, clear=True)) == 0
    assert not one.exists() and resume(beside, made, clear=True).tolist() == [0, 1, 2]


def test_the_manifest_is_plain_json(tmp_path: Path) -> None:
    store_at(tmp_path / "features")
    written = json.loads((tmp_path / "features" / "manifest.json").read_text())
    assert written["rows"] == 10 and written["dtype"] == "float32" and "format" in written


# --- what an old store still serves


@settings(max_examples=40)
@given(before=st.integers(1, 12), wanted=st.lists(st.integers(0, 15), min_size=1, max_size=20))
def test_old_rows_and_new_ones_merge_to_what_a_whole_extraction_writes(
    before: int, wanted: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Photos come, go, change their order, and some are listed twice."""
    folder, values, keys = tmp_path_factory.mktemp("store"), features(16), photos(16)
    write_shards(folder / "shards", values, [[list(range(before))]], "float32")
    publish(folder / "shards", folder / "features", manifest(before), keys[:before])

    old, made = FeatureStore.open(folder / "features"), manifest(len(wanted), images="c" * 64)
    positions = old.find(made, keys[wanted])
    assert positions.tolist() == [photo if photo < before else -1 for photo in wanted]
    new, reused = np.flatnonzero(positions < 0), np.flatnonzero(positions >= 0)
    writer = ShardWriter(folder / "shards", 0, made)
    writer.append(new, values[[wanted[row] for row in new]])
    writer.close()
    part = (reused, old.array, positions[reused])
    publish(folder / "shards", folder / "features", made, keys[wanted], part)
    store = opened(folder / "features", made)
    assert torch.equal(store.rows(np.arange(len(wanted))), values[wanted])
    assert store.content == hashlib.sha256(values[wanted].numpy().tobytes()).hexdigest()
    assert np.array_equal(np.load(folder / "features" / "photos.npy"), keys[wanted])


def test_fewer_photos_in_another_order_need_no_second_store(tmp_path: Path) -> None:
    made = store_at(tmp_path / "features")
    store, chosen = FeatureStore.open(tmp_path / "features"), np.array([7, 2, 2, 9])
    positions = store.find(replace(made, images="c" * 64, rows=4), photos(10)[chosen])
    part = store.select(positions)
    assert len(part) == 4 and torch.equal(part.rows(np.array([3, 0])), features(10)[[9, 7]])
    assert part.content == hashlib.sha256(features(10)[chosen].numpy().tobytes()).hexdigest()
    assert store.select(np.arange(10)) is store


@pytest.mark.parametrize("damage", ["missing", "garbage", "short"])
def test_without_the_list_of_photos_nothing_is_reused(damage: str, tmp_path: Path) -> None:
    made = store_at(tmp_path / "features")
    listed = tmp_path / "features" / "photos.npy"
    if damage == "missing":
        listed.unlink()
    elif damage == "garbage":
        listed.write_bytes(b"no array")
    else:
        np.save(listed, photos(9))
    store = FeatureStore.open(tmp_path / "features")
    assert (store.find(replace(made, images="c" * 64), photos(10)) == -1).all()
    assert np.array_equal(store.find(made, photos(10)), np.arange(10))  # unchanged: not needed
