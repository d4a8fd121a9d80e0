"""A share of the training labels: exact, seeded, nested, without a change of other labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flam_pl.attributes import UNLABELLED, AttributeSchema
from flam_pl.config.loading import load_config
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.labels import keep_label_share
from flam_pl.datasets.sources import open_catalog
from flam_pl.errors import FlamError

SCHEMA = AttributeSchema({"shape": ("shirt", "jeans"), "color": ("red", "green", "blue")})

rows = st.lists(
    st.tuples(
        st.sampled_from(["train", "train", "train", "val", "evaluation"]),
        st.sampled_from(["shirt", "jeans", None]),
        st.sampled_from(["red", "green", "blue", None]),
    ),
    min_size=1,
    max_size=80,
)
shares = st.floats(0.001, 1)


def catalog(entries: list[tuple[str, str | None, str | None]]) -> Catalog:
    table = pd.DataFrame(entries, columns=["split", "shape", "color"])
    table["path"] = [f"{number}.jpg" for number in range(len(table))]
    return Catalog.build("mini", Path("/nowhere"), table, SCHEMA)


@given(rows, shares, st.integers(0, 5))
@settings(deadline=None, max_examples=60)
def test_each_class_keeps_its_share_and_one_at_least(
    entries: list[tuple[str, str | None, str | None]], share: float, seed: int
) -> None:
    full = catalog(entries)
    before = full.table.copy()
    kept = keep_label_share(full, share, seed)
    pd.testing.assert_frame_equal(full.table, before)
    training = (full.table["split"] == "train").to_numpy()
    for t, size in enumerate(SCHEMA.sizes):
        for c in range(size):
            had = int((full.labels[training, t] == c).sum())
            has = int((kept.labels[training, t] == c).sum())
            assert has == (max(1, round(share * had)) if had else 0)
    still = kept.labels != UNLABELLED
    assert (kept.labels[still] == full.labels[still]).all()  # no label is another one now
    assert (kept.labels[~training] == full.labels[~training]).all()
    others = [c for c in full.table if c not in SCHEMA.types]
    pd.testing.assert_frame_equal(kept.table[others], full.table[others])


@given(rows, shares, shares, st.integers(0, 5))
@settings(deadline=None, max_examples=60)
def test_a_smaller_share_is_part_of_a_larger_one(
    entries: list[tuple[str, str | None, str | None]], one: float, other: float, seed: int
) -> None:
    full = catalog(entries)
    small, large = (keep_label_share(full, share, seed).labels for share in sorted((one, other)))
    assert (small != UNLABELLED).sum() <= (large != UNLABELLED).sum()
    assert (large[small != UNLABELLED] != UNLABELLED).all()


def test_the_draw_is_seeded() -> None:
    full = catalog([("train", "shirt", "red")] * 60)
    once = keep_label_share(full, 0.2, 1)
    assert once.label_fingerprint() == keep_label_share(full, 0.2, 1).label_fingerprint()
    assert once.label_fingerprint() != keep_label_share(full, 0.2, 2).label_fingerprint()
    # shape and color of an image are kept or not each for itself
    assert (np.diff((once.labels != UNLABELLED).astype(int), axis=1) != 0).any()


def test_all_is_the_catalog_itself_and_nothing_is_refused() -> None:
    full = catalog([("train", "shirt", "red")])
    assert keep_label_share(full, 1) is full
    for share in (0, -0.1, 1.5):
        with pytest.raises(FlamError, match=f"data.label_share is {share}"):
            keep_label_share(full, share)


def test_the_setting_reaches_the_catalog_that_is_trained_on_and_no_image(tmp_path: Path) -> None:
    given = [f"data.root={tmp_path}/wardrobe", "data.train_items=20", "data.evaluation_items=4"]
    given += ["data.val_items=3", "data.image_size=32", "data.labelled_share=1"]
    full = open_catalog(load_config(given).data)
    few = open_catalog(load_config([*given, "data.label_share=0.1"]).data)
    train = full.rows("train")
    assert (few.labels[train] >= 0).sum() < 0.5 * (full.labels[train] >= 0).sum()
    rest = np.setdiff1d(np.arange(len(full)), train)
    assert (few.labels[rest] == full.labels[rest]).all() and (full.labels[rest] >= 0).all()
    assert few.fingerprint() == full.fingerprint()  # the features serve both
    assert few.label_fingerprint() != full.label_fingerprint()  # what is trained on them does not
