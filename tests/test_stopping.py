"""A stop is a stop: the exit code says so, and the same command goes on."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.demos.boring_classes import BoringModel
from pytorch_lightning.utilities.exceptions import SIGTERMException

from attribute_world import QUIET
from flam_pl import __main__ as command_line
from flam_pl.errors import FlamError
from flam_pl.training.stage import EndOnSignal
from tiny_run import settings

STOPPED = "finished stages, finished epochs and batches of an index are kept"


def command_that(does: Callable[[], None]) -> Callable[[Sequence[str]], int]:
    def run(arguments: Sequence[str]) -> int:
        does()
        return 0

    return run


def wrapped_in_exit() -> None:
    """As the Trainer does."""
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        sys.exit(1)


def wrapped_in_error() -> None:
    try:
        signal.raise_signal(signal.SIGTERM)
    except KeyboardInterrupt:
        raise FlamError("the extraction was interrupted") from None


@pytest.mark.parametrize(
    ("does", "code"),
    [
        (lambda: signal.raise_signal(signal.SIGINT), 130),
        (lambda: signal.raise_signal(signal.SIGTERM), 143),
        (wrapped_in_exit, 130),
        (wrapped_in_error, 143),
    ],
)
def test_a_signal_gives_its_exit_code_and_one_message(
    does: Callable[[], None],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    monkeypatch.setattr(command_line, "run", command_that(does))
    assert command_line.main([]) == code
    err = capsys.readouterr().err
    assert STOPPED in err and err.count("\n") == 1 and signal.Signals(code - 128).name in err
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EIO, "Input/output error"), "Check disk and network"),
        (OSError(errno.EIO, "Input/output error", "/photos/1.jpg"), "/photos/1.jpg: Input/output"),
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
    ],
)
def test_an_error_of_the_system_is_one_line_with_a_way_out(
    error: OSError, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(command_line, "run", command_that(fail))
    assert command_line.main([]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ") and said in err and err.count("\n") == 1


def test_an_exit_without_a_signal_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave() -> None:
        raise SystemExit(5)

    monkeypatch.setattr(command_line, "run", command_that(leave))
    with pytest.raises(SystemExit, match="5"):
        command_line.main([])


def test_the_exit_of_the_trainer_on_sigterm_is_no_success() -> None:
    """In a script of one's own, where the Trainer handles the signal."""

    class Terminated(Callback):
        def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            raise SIGTERMException

    options = QUIET | {"callbacks": [EndOnSignal(), Terminated()], "max_epochs": 1}
    with pytest.raises(SystemExit) as caught:
        pl.Trainer(**options).fit(BoringModel())
    assert caught.value.code == 143


def test_a_second_signal_ends_the_process_at_once() -> None:
    stubborn = """
import signal, sys, time
from flam_pl import __main__
def run(arguments):
    while True:
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            print("first", flush=True)
__main__.run = run
__main__.main([])
"""
    done = subprocess.run([sys.executable, "-c", stubborn], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (143, "first\n")


# ---------------------------------------------------------------- whole commands

LONG = (
    "embedder.max_epochs=400",
    "manipulator.max_epochs=400",
    "logger.wandb=off",
)


def start(
    folder: Path, command: str, changes: Sequence[str], launcher: Sequence[str] = ()
) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("LOCAL_RANK", "WORLD_SIZE")}
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "flam_pl", command, *settings(folder, changes)],
        env=environment | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def stop_after(process: subprocess.Popen[str], line: str, number: int, wait: float = 2.0) -> str:
    """Send a signal some time after a line of the output, and return what stderr says."""
    assert process.stdout is not None
    for text in process.stdout:
        if line in text:
            break
    else:
        raise AssertionError(f"it never came to {line!r}: {process.communicate()[1][-2000:]}")
    time.sleep(wait)
    process.send_signal(number)
    return process.communicate(timeout=60)[1]


def nobody_left(folder: Path) -> bool:
    """Whether no process whose command line names the folder is alive after 10 seconds."""
    for _ in range(100):
        found = subprocess.run(["pgrep", "-f", str(folder)], capture_output=True, text=True)
        if not found.stdout.strip():
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("line", "wait", "changes"),
    [
        ("backbone: training", 3.0, ("backbone.max_epochs=400",)),
        ("backbone: frozen", 3.0, ("backbone.max_epochs=0", "data.evaluation_items=400")),
        ("embedder: training", 2.0, ()),
        ("manipulator: training", 2.0, ()),
    ],
)
def test_a_stop_in_training_or_extraction(
    number: int, line: str, wait: float, changes: tuple[str, ...], tmp_path: Path
) -> None:
    if line.startswith("manipulator"):
        changes = (*changes, "embedder.max_epochs=1")
    given = {change.split("=")[0] for change in changes}
    rest = [change for change in LONG if change.split("=")[0] not in given]
    process = start(tmp_path, "train-flam", [*rest, *changes])
    err = stop_after(process, line, number, wait)
    assert process.returncode == 128 + number, err[-2000:]
    assert STOPPED in err and "Traceback" not in err and "error:" not in err
    assert nobody_left(tmp_path)


TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [(), TORCHRUN])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_of_two_processes_ends_both(
    number: int, launcher: tuple[str, ...], tmp_path: Path
) -> None:
    trainer = ("trainer.devices=2", "trainer.strategy=ddp")
    process = start(tmp_path, "train-flam", (*LONG, *trainer), launcher)
    err = stop_after(process, "embedder: training", number, 4.0)
    assert nobody_left(tmp_path), err[-2000:]
    if not launcher:  # torchrun has exit codes of its own
        assert process.returncode == 128 + number, err[-2000:]
    else:
        assert process.returncode != 0
    assert STOPPED in err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_two_processes_end_before_they_have_met(number: int, tmp_path: Path) -> None:
    """Both get the signal of a terminal; the second process notices the end of a killed first."""
    trainer = ("trainer.devices=2", "trainer.strategy=ddp")
    process = start(tmp_path, "train-flam", (*LONG, *trainer))
    assert process.stdout is not None
    assert any("backbone: training" in line for line in process.stdout)
    time.sleep(1.0)
    if number == signal.SIGKILL:
        process.kill()
    else:
        os.killpg(process.pid, number)
    assert process.wait(timeout=60) in (-number, 128 + number)  # a shell calls both 128 + number
    assert nobody_left(tmp_path)


@pytest.mark.slow
def test_a_stop_of_the_drawing_leaves_no_wardrobe(tmp_path: Path) -> None:
    process = start(tmp_path, "data", ("data.train_items=20000", "data.workers=2"))
    time.sleep(8)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143 and STOPPED in err, err[-2000:]
    assert nobody_left(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".wardrobe.lock"]


@pytest.mark.slow
def test_a_stop_of_an_evaluation(tmp_path: Path, trained: Path) -> None:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    changes = ("evaluation.resamples=200000", "logger.wandb=off")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "flam_pl", "evaluate", f"runs_dir={tmp_path}/runs", *changes],
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    err = stop_after(process, "features: nothing to extract", signal.SIGTERM)
    assert process.returncode == 143 and STOPPED in err, err[-2000:]


STAGES = ("backbone", "embedder", "manipulator")
KILLABLE = (
    "methods=[]",
    "backbone.max_epochs=5",
    "embedder.max_epochs=40",
    "manipulator.max_epochs=12",
    "evaluation.examples=0",
    "logger.wandb=off",
)


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-3000:]
    return out


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_kill_9_in_every_stage_costs_an_epoch_and_changes_no_bit(
    processes: int, tmp_path: Path
) -> None:
    trainer = ("trainer.devices=2", "trainer.strategy=ddp") if processes == 2 else ()
    changes = (*KILLABLE, *trainer)
    finish(start(tmp_path, "train-flam", (*changes, "run=whole")))
    whole, killed = (tmp_path / "runs" / name for name in ("whole", "killed"))
    for stage in STAGES:
        process = start(tmp_path, "train-flam", (*changes, "run=killed"))
        while process.poll() is None and not (killed / stage / ".training" / "last.ckpt").exists():
            time.sleep(0.005)
        assert process.poll() is None, f"the {stage} was too fast: {process.communicate()}"
        os.killpg(process.pid, signal.SIGKILL)  # its own session: also the second process
        process.communicate()
        assert not (killed / stage / "stage.json").exists()
    out = finish(start(tmp_path, "train-flam", (*changes, "run=killed")))
    assert out.count("it goes on after epoch") == 1  # the other stages were finished before
    for stage in STAGES:
        names = ("best.ckpt", "logs/metrics.csv")
        for name in names:
            assert (killed / stage / name).read_bytes() == (whole / stage / name).read_bytes()
        records = [json.loads((run / stage / "stage.json").read_text()) for run in (killed, whole)]
        for record in records:
            assert record.pop("seconds") > 0 and record.pop("sha256")  # of the whole record
        assert records[0] == records[1]
    assert not [path for path in killed.rglob(".*") if ".new." in path.name]
    assert not list(killed.rglob(".training"))
