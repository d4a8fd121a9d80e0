"""One process at a time trains a run; locks of the dead are taken over."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ended_process import ended_process
from flam_pl import __main__ as command_line
from flam_pl.errors import FlamError
from flam_pl.training.sole_trainer import sole_trainer
from tiny_run import settings

HOLD = """
import sys, time
from filelock import FileLock
lock = FileLock(sys.argv[1] + "/.trainer.lock")
lock.acquire()
print("held", flush=True)
time.sleep(100)
"""


def holding(run: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock and has said so; it needs none of the slow imports."""
    run.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    write_about(run, process=process.pid)
    return process


def write_about(run: Path, **changes: object) -> None:
    run.mkdir(exist_ok=True)
    own = {"process": ended_process(), "host": socket.gethostname(), "since": "2001-02-03 04:05:06"}
    (run / ".trainer.json").write_text(json.dumps(own | changes))


def test_a_second_trainer_is_told_who_trains_and_ends_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "runs" / "wardrobe"
    process = holding(run)
    try:
        for command in ("train-flam", "train-backbone", "tables", "figures", "results"):
            assert command_line.main([command, *settings(tmp_path)]) == 1
            out, err = capsys.readouterr()
            assert err.startswith("error: ") and err.count("\n") == 1 and not out
            for word in (str(process.pid), socket.gethostname(), "2001-02-03", str(run), "run="):
                assert word in err
        assert sorted(os.listdir(run)) == [".trainer.json", ".trainer.lock"]
        assert not (tmp_path / "wardrobe").exists()  # nothing is drawn, nothing trained
        with sole_trainer(tmp_path / "runs" / "other"):
            pass
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_lock_of_a_killed_process_is_taken_over(number: int, tmp_path: Path) -> None:
    process = holding(tmp_path)
    with pytest.raises(FlamError, match=f"process {process.pid} on"), sole_trainer(tmp_path):
        pass
    process.send_signal(number)
    process.wait()
    assert (tmp_path / ".trainer.json").exists()  # nobody was there to remove it
    with sole_trainer(tmp_path):
        own = json.loads((tmp_path / ".trainer.json").read_text())
        assert (own["process"], own["host"]) == (os.getpid(), socket.gethostname())
        assert own["since"] > "2026"
    assert not (tmp_path / ".trainer.json").exists()


@pytest.mark.parametrize("about", ["", "{", "[]", '{"process": 1}'])
def test_a_damaged_note_stops_nobody(about: str, tmp_path: Path) -> None:
    (tmp_path / ".trainer.json").write_text(about)
    with sole_trainer(tmp_path):
        pass


def test_a_trainer_of_another_host_is_named_with_the_way_out(tmp_path: Path) -> None:
    """A network drive may keep locks to one host."""
    write_about(tmp_path, host="node17", process=123)
    pattern = r"process 123 on node17 since 2001-02-03 04:05:06.*remove .*\.trainer\.json"
    for _ in range(2):  # the refused command changes nothing
        with pytest.raises(FlamError, match=pattern), sole_trainer(tmp_path):
            pass
    (tmp_path / ".trainer.json").unlink()
    with sole_trainer(tmp_path):
        pass


def test_a_failed_training_frees_the_run(tmp_path: Path) -> None:
    with pytest.raises(FlamError, match="no photos"), sole_trainer(tmp_path):
        raise FlamError("no photos")
    assert not (tmp_path / ".trainer.json").exists()
    with sole_trainer(tmp_path), pytest.raises(FlamError), sole_trainer(tmp_path):
        pass
