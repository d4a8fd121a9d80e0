"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from flam_pl.atomic_io import replace_folder, restore_folder, write_text


def folder(path: Path, word: str) -> Path:
    path.mkdir()
    (path / "word").write_text(word)
    return path


def test_replace_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    place = folder(tmp_path / "place", "old")
    replace_folder(folder(tmp_path / "new", "new"), place)
    assert (place / "word").read_text() == "new"
    assert os.listdir(tmp_path) == ["place"]


def test_a_kill_between_the_two_renames_loses_nothing(tmp_path: Path) -> None:
    place = tmp_path / "place"
    folder(tmp_path / ".place.old", "old")
    restore_folder(place)
    assert (place / "word").read_text() == "old"
    folder(tmp_path / ".place.old", "older")
    restore_folder(place)  # nothing to be done
    assert (place / "word").read_text() == "old"
    replace_folder(folder(tmp_path / "new", "new"), place)
    assert (place / "word").read_text() == "new" and os.listdir(tmp_path) == ["place"]


def test_a_text_is_written_into_folders_that_are_not_there_yet(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "text"
    write_text(path, "één")
    write_text(path, "two")
    assert path.read_text(encoding="utf-8") == "two" and os.listdir(path.parent) == ["text"]
