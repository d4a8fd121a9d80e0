"""The benchmark of galleries runs and fills its table; how fast it is belongs into no test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import galleries


def test_the_table_has_a_line_per_index(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(galleries, "QUERIES", 40)
    options = ["--photos", "1500", "--indexes", "flat", "ivf_sq8", "--folder", str(tmp_path)]
    galleries.main(options)
    lines = capsys.readouterr().out.splitlines()
    assert any("bare FAISS" in line for line in lines)
    flat, cells = (line.split() for line in lines if line.lstrip().startswith("1,500  "))
    assert (flat[1], cells[1]) == ("flat", "ivf_sq8")
    assert float(flat[5]) == 1 and flat[7] == flat[8]
    assert float(cells[5]) > 0.9 and float(cells[9]) < float(flat[9]) / 4
    assert not list(tmp_path.iterdir())


def test_a_query_wants_its_photo_with_one_other_class() -> None:
    photos = galleries.World().photos(50, np.random.default_rng(0))
    queries, wanted = galleries.edited(photos, np.random.default_rng(1))
    own = np.stack([photos[:, c].argmax(axis=1) for c in galleries.class_columns()], axis=1)
    assert ((wanted != own).sum(axis=1) == 1).all()
    np.testing.assert_allclose(
        np.linalg.norm(queries[:, : galleries.FEATURE], axis=1), 1, rtol=1e-5
    )
    starts = [c.start for c in galleries.class_columns()]
    for query, photo, classes, before in zip(queries, photos, wanted, own, strict=True):
        attribute = int((classes != before).argmax())
        at = starts[attribute] + classes[attribute]
        assert query[at] == pytest.approx(0.3 + 0.15 * np.exp(float(photo[at])), abs=1e-4)
