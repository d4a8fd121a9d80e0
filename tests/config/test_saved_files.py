"""What a file of a run must hold, and which folders are replaced."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flam_pl.config.saved_files import DamagedFile, read_json, require_ours, sealed
from flam_pl.errors import FlamError


@dataclass(frozen=True)
class Inner:
    value: float


@dataclass(frozen=True)
class Outer:
    name: str
    count: int
    parent: str | None
    parts: Mapping[str, Inner]
    lists: dict[str, list[str]]
    free: dict[str, Any]


KNOWN = Outer("a", 3, None, {"x": Inner(0.1)}, {"c": ["red"]}, {"k": [1, {"d": None}]})
PLAIN = asdict(KNOWN)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below),
    max_leaves=8,
)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(sealed(PLAIN))
    assert read_json(path, Outer, "") == KNOWN
    path.write_text(json.dumps(PLAIN))  # of an older version, without a seal
    assert read_json(path, Outer, "") == KNOWN


@pytest.mark.parametrize(
    "change",
    [
        *({"name": 1}, {"name": None}, {"count": True}, {"count": 1.5}, {"count": "3"}),
        *({"parent": 3}, {"parts": []}, {"parts": {"x": 1}}, {"parts": {"x": {"value": "1"}}}),
        *({"parts": {"x": {"value": float("nan")}}}, {"parts": {"x": {"value": 1, "more": 1}}}),
        *({"lists": {"c": "red"}}, {"lists": {"c": [1]}}, {"free": None}, {"more": 1}),
    ],
)
def test_other_types_and_keys_are_refused(change: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(PLAIN | change))
    with pytest.raises(DamagedFile, match=r"a\.json cannot be read .*Do this"):
        read_json(path, Outer, "Do this.")


def test_a_missing_key_is_refused(tmp_path: Path) -> None:
    for key in PLAIN:
        (tmp_path / "a").write_text(json.dumps({k: v for k, v in PLAIN.items() if k != key}))
        with pytest.raises(DamagedFile):
            read_json(tmp_path / "a", Outer, "")


def test_an_edited_value_breaks_the_seal(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(sealed(PLAIN).replace("0.1", "0.2"))
    with pytest.raises(DamagedFile, match="changed after it was written"):
        read_json(path, Outer, "")


def test_endless_nesting_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("[" * 100_000)
    with pytest.raises(DamagedFile):
        read_json(tmp_path / "a", Outer, "")


@given(value=JSON)
def test_any_json_is_read_or_refused(value: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(value))
    with pytest.raises(DamagedFile):
        read_json(path, Outer, "")
    if isinstance(value, dict) and "sha256" not in value:
        path.write_text(sealed(value))
        assert read_json(path, dict[str, Any], "") == value


def test_only_nothing_an_empty_folder_and_one_of_ours_is_replaced(tmp_path: Path) -> None:
    require_ours(tmp_path / "none", "mark", "other")
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    require_ours(ours, "mark", "other")
    theirs.mkdir()
    (ours / "mark").touch()
    (ours / "other").touch()
    (theirs / "mark").touch()  # one of both
    require_ours(ours, "mark", "other")
    (tmp_path / "link").symlink_to(ours)
    (tmp_path / "dangling").symlink_to(tmp_path / "none")
    for refused in (theirs, tmp_path / "link", tmp_path / "dangling", ours / "mark"):
        with pytest.raises(FlamError, match="did not write it.*Move it away"):
            require_ours(refused, "mark", "other")
