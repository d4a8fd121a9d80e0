"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ended_process import ended_process
from flam_pl.atomic_io import is_alive, replace_folder, restore_folder, temporary, write_text


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


def test_a_text_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "text"
    write_text(path, "old")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
        with pytest.raises(OSError, match="full"):
            write_text(path, "new")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["text"]


def test_left_overs_of_dead_processes_of_this_host_are_removed(tmp_path: Path) -> None:
    host, dead = socket.gethostname(), ended_process()
    assert is_alive(os.getpid()) and is_alive(1) and not is_alive(dead)
    kept = [
        f".split.csv.new.{host}.1",  # alive
        f".split.csv.new.elsewhere.{dead}",
        f".other.csv.new.{host}.{dead}",
        f".split.csv.new.{host}.{dead}.mine",
        "split.csv.new",
    ]
    for name in (*kept, f".split.csv.new.{host}.{dead}", f".split.csv.new.{host}.{os.getpid()}"):
        (tmp_path / name).write_text("half")
    new = temporary(tmp_path / "split.csv")
    assert sorted(os.listdir(tmp_path)) == sorted(kept)
    assert new == tmp_path / f".split.csv.new.{host}.{os.getpid()}"


def test_left_over_folders_are_removed_and_links_are_not_followed(tmp_path: Path) -> None:
    start = f".report[1].new.{socket.gethostname()}."  # no pattern
    mine = folder(tmp_path / "mine", "mine")
    (tmp_path / f"{start}{ended_process()}").symlink_to(mine)
    folder(tmp_path / f"{start}{ended_process()}", "half")
    temporary(tmp_path / "report[1]")
    assert os.listdir(tmp_path) == ["mine"] and (mine / "word").read_text() == "mine"


def test_a_missing_folder_has_no_left_overs(tmp_path: Path) -> None:
    assert temporary(tmp_path / "none" / "text").parent == tmp_path / "none"
