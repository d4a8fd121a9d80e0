"""Every file of a finished run is damaged in turn; a run of somebody else does no harm."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from flam_pl.__main__ import main
from flam_pl.attributes import AttributeSchema, SchemaError
from flam_pl.config.loading import load_config, load_run_config
from flam_pl.config.saved_files import SEAL
from flam_pl.datasets.sources import open_catalog
from flam_pl.errors import FlamError
from flam_pl.experiments.evaluate import open_folder, read_split, reopen
from flam_pl.experiments.pipeline import train
from flam_pl.experiments.selection import discard_damaged
from flam_pl.reports.report import Report, rewrite
from flam_pl.retrieval.chosen_weights import Scoring
from flam_pl.training.records import StageRecord
from tiny_run import settings

Damage = Callable[[bytes], bytes]


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def noise(content: bytes) -> bytes:
    return np.random.default_rng(0).bytes(len(content))


def changed(edit: Callable[[Any], Any], seal: bool) -> Damage:
    """Every value below the JSON object through ``edit``; without ``seal``, as older versions."""

    def through(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: through(each) for key, each in value.items()}
        return [through(each) for each in value] if isinstance(value, list) else edit(value)

    def damage(content: bytes) -> bytes:
        plain = json.loads(content)
        own = {SEAL: plain.pop(SEAL)}
        return json.dumps(through(plain) | (own if seal else {})).encode()

    return damage


def without_first(content: bytes) -> bytes:
    plain = json.loads(content)
    del plain[next(iter(plain))]
    return json.dumps(plain).encode()


ANY_FILE: dict[str, Damage] = {
    "half": half,
    "empty": lambda _: b"",
    "null": lambda _: b"null",
    "list": lambda _: b"[]",
    "object": lambda _: b"{}",
    "noise": noise,
    "nested": lambda _: b"[" * 50_000,
}
OF_JSON: dict[str, Damage] = {
    "without its first key": without_first,
    "another key": lambda content: json.dumps(json.loads(content) | {"more": 1}).encode(),
    "numbers one higher": changed(lambda v: v + 1 if type(v) in (int, float) else v, seal=True),
    "texts": changed(str, seal=True),
    "texts, unsealed": changed(str, seal=False),
    "nan": changed(lambda v: float("nan") if type(v) in (int, float) else v, seal=True),
    "null, unsealed": changed(lambda v: None, seal=False),
}
STAGES = (
    *("backbone", "embedder", "manipulator", "methods/cls_concat", "methods/emb_concat"),
    "methods/flam_s_adv",
)


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, with the data set where it was."""
    run, ignored = tmp_path / "runs" / "wardrobe", shutil.ignore_patterns("wandb", "logs")
    shutil.copytree(trained / "runs" / "wardrobe", run, ignore=ignored)
    return run


def damaged(path: Path, damages: dict[str, Damage]) -> Iterator[str]:
    """Damage a file in turn, and check that whoever refuses it leaves it and all else alone."""
    content = path.read_bytes()
    files = {file: file.stat().st_mtime_ns for file in path.parents[0].rglob("*") if file != path}
    for name, damage in damages.items():
        path.write_bytes(damage(content))
        before = path.read_bytes()
        assert before != content, name
        yield name
        assert path.read_bytes() == before, name
        assert {f: f.stat().st_mtime_ns for f in path.parents[0].rglob("*") if f != path} == files
    path.write_bytes(content)


@pytest.mark.parametrize(
    "file", [*(f"{s}/stage.json" for s in STAGES), "scoring.json", "calibration.json"]
)
def test_a_damaged_record_is_refused_by_name_with_the_command_that_makes_it_again(
    file: str, copied: Path
) -> None:
    config, own = load_run_config([f"runs_dir={copied.parent}"])
    for name in damaged(copied / file, ANY_FILE | OF_JSON):
        with pytest.raises(FlamError) as error:
            reopen(config, own, write=False)
        assert str(copied / file) in str(error.value) and "train-flam" in str(error.value), name
    reopen(config, own, write=False)  # restored: nothing else was damaged


def test_damaged_settings_are_refused_by_name(copied: Path) -> None:
    hostile = {
        "a number": lambda _: b"overrides: 3",
        "numbers": lambda _: b"overrides: [1, 2]",
        "no setting": lambda _: b"overrides: [a]",
        "bomb": lambda _: (
            b"a: &a [x]\n"
            + b"".join(
                b"%c: &%c [%s]\n" % (98 + n, 98 + n, b", ".join([b"*%c" % (97 + n)] * 9))
                for n in range(12)
            )
        ),
        "an object": lambda _: b"overrides: [!!python/object/apply:os.system ['false']]",
    }
    for name in damaged(copied / "config.yaml", ANY_FILE | hostile):
        with pytest.raises(FlamError) as error:
            open_folder(copied)
        assert f"{copied}/config.yaml" in str(error.value), name
        assert "train the run again" in str(error.value), name


def test_a_damaged_split_is_refused_by_name(copied: Path) -> None:
    lines: dict[str, Damage] = {
        "a row less": lambda content: content[: content.rstrip(b"\n").rfind(b"\n") + 1],
        "other columns": lambda content: content.replace(b"path,split", b"path,side", 1),
        "another split": lambda content: content.replace(b",train,", b",evaluation,", 1),
        "a column more": lambda content: content.replace(b"\n", b",1\n"),
    }
    for name in damaged(copied / "split.csv", ANY_FILE | lines):
        with pytest.raises(FlamError, match=r"wardrobe/split\.csv cannot be read .*train-flam"):
            print(name, read_split(copied))
    assert len(read_split(copied)) > 0
    (copied / "split.csv").unlink()
    with pytest.raises(FlamError, match=r"split\.csv cannot be read .*missing.*train-flam"):
        read_split(copied)


def test_an_older_split_without_its_hash_still_has_the_right_columns(copied: Path) -> None:
    saved = yaml.safe_load((copied / "config.yaml").read_text())
    del saved["split_sha256"]
    (copied / "config.yaml").write_text(yaml.safe_dump(saved))
    for name, content in {
        "columns": "path,side\na,train\n",
        "word": "path,split\na,trian\n",
    }.items():
        (copied / "split.csv").write_text(content)
        with pytest.raises(FlamError, match="expected the columns path, split, item"):
            print(name, read_split(copied))


def test_a_damaged_report_is_refused_by_name(copied: Path) -> None:
    report = copied / "report"
    for name in damaged(report / "metrics.json", ANY_FILE | OF_JSON):
        with pytest.raises(FlamError) as error:
            rewrite(report)
        assert str(report) in str(error.value) and "make evaluate" in str(error.value), name
    for name in damaged(
        report / "searches.json", {k: ANY_FILE[k] for k in ("half", "empty", "noise")}
    ):
        with pytest.raises(FlamError) as error:
            rewrite(report)
        assert str(report) in str(error.value), name
    rewrite(report)


def test_a_damaged_selection_is_made_again_and_a_whole_one_stays(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    discard_damaged(copied)
    assert capsys.readouterr().out == ""
    for name in ("scoring.json", "calibration.json"):
        path = copied / name
        path.write_bytes(half(path.read_bytes()))
        discard_damaged(copied)
        assert f"{path} cannot be read" in capsys.readouterr().out and not path.exists()


def test_a_torn_record_is_no_record_for_the_training(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copied / "embedder" / "stage.json"
    path.write_bytes(half(path.read_bytes()))
    assert StageRecord.intact(path.parent) is None
    said = capsys.readouterr().out
    assert str(path) in said and "this stage is trained again" in said
    assert StageRecord.intact(copied / "backbone") == StageRecord.load(copied / "backbone")


def test_train_flam_trains_only_the_stage_with_a_torn_record_and_selects_again(
    trained: Path, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (copied / "methods" / "cls_concat" / "best.ckpt").read_bytes()
    chosen = json.loads((copied / "scoring.json").read_text())
    for name in ("methods/cls_concat/stage.json", "scoring.json", "photos-wardrobe.json"):
        (copied / name).write_bytes(half((copied / name).read_bytes()))
    given = [s for s in settings(trained) if not s.startswith(("runs_dir", "logger"))]
    config = load_config([*given, f"runs_dir={copied.parent}", "logger.wandb=off"])
    capsys.readouterr()
    train(config)
    said = capsys.readouterr().out
    assert said.count("up to date, nothing to train") == 5
    assert said.count("training for") == 1 and "cls_concat: training for" in said
    assert "methods/cls_concat/stage.json cannot be read" in said
    assert "scoring.json cannot be read" in said
    assert (copied / "methods" / "cls_concat" / "best.ckpt").read_bytes() == before
    assert json.loads((copied / "scoring.json").read_text()) == chosen


@pytest.mark.parametrize("name", ["report-notes", "features-notes"])
def test_a_folder_of_the_user_is_never_replaced(
    name: str, copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = copied / name
    own.mkdir()
    (own / "thoughts.txt").write_text("mine")
    other = ["data.seed=7", f"data.root={tmp_path}/other", "data.train_items=1"]
    assert main(["evaluate", f"runs_dir={copied.parent}", *other, "report=notes"]) == 1
    said = capsys.readouterr().err
    assert f"{own} would be replaced, but flam-pl did not write it" in said
    assert [file.name for file in own.iterdir()] == ["thoughts.txt"]


def test_a_report_of_the_run_itself_is_not_written_over_a_folder_of_the_user(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(copied / "report")
    (copied / "report").mkdir()
    (copied / "report" / "thoughts.txt").write_text("mine")
    assert main(["evaluate", f"runs_dir={copied.parent}"]) == 1
    assert "flam-pl did not write it" in capsys.readouterr().err
    assert (copied / "report" / "thoughts.txt").read_text() == "mine"


def test_a_run_of_somebody_else_writes_nowhere_else(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "the-secret-word")
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "precious.txt").write_text("mine")
    saved = yaml.safe_load((copied / "config.yaml").read_text())
    saved |= {"report": "x/../../../../victim", "seed": "${oc.env:SECRET}"}
    hostile = ["report=x/../../../../victim", f"runs_dir={victim}", "run=../victim"]
    notes = [
        "tables.note=${oc.env:SECRET}",
        "logger.project=${oc.env:SECRET}",
        "logger.wandb=online",
    ]
    saved["overrides"] = [*saved["overrides"], *hostile, *notes]
    (copied / "config.yaml").write_text(yaml.safe_dump(saved))
    quick = ["evaluation.resamples=2", "evaluation.examples=0", "evaluation.pairs=0"]
    assert main(["evaluate", f"runs_dir={copied.parent}", *quick]) == 0
    assert [file.name for file in victim.iterdir()] == ["precious.txt"]
    assert not any("-" in folder.name for folder in copied.glob("report*"))
    assert Report.open(copied / "report").metrics["config"]["logger"]["wandb"] == "auto"
    for file in (copied / "report").rglob("*"):
        assert file.is_dir() or b"the-secret-word" not in file.read_bytes()


@pytest.mark.parametrize("name", ["../color", "a/b", "a\\b", "", "a\0b", "\x1b[31m", 200 * "n"])
def test_an_attribute_type_is_no_path(name: str) -> None:
    with pytest.raises(SchemaError, match="rename that column"):
        AttributeSchema({name: ("red", "blue")})


@pytest.mark.parametrize("stage", STAGES)
def test_a_foreign_architecture_is_refused_by_name(stage: str, copied: Path) -> None:
    """A record without a seal, as of somebody else or of an older version."""
    path = copied / stage / "stage.json"
    plain = json.loads(path.read_text())
    del plain[SEAL]
    config, own = load_run_config([f"runs_dir={copied.parent}"])
    path.write_text(json.dumps(plain))
    reopen(config, own, write=False)
    of = plain["architecture"]
    for shape in (
        {},
        of | {"more": 1},
        {k: "x" for k in of},
        {k: -1 for k in of},
        {k: [] for k in of},
    ):
        path.write_text(json.dumps(plain | {"architecture": shape}))
        with pytest.raises(FlamError) as error:
            reopen(config, own, write=False)
        assert str(path.parent) in str(error.value), shape


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["half", "empty", "list", "noise", "nested"])
def test_a_search_survives_damage_in_any_file_or_names_it(
    damage: str, trained: Path, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only what can be made again without training is made again; all else stays as it is."""
    shutil.copytree(
        trained / "runs" / "wardrobe" / "embedder" / "logs", copied / "embedder" / "logs"
    )
    (copied / "notes.txt").write_text("mine")
    photo = (copied / "split.csv").read_text().splitlines()[-1].partition(",")[0]
    search = ["search", f"runs_dir={copied.parent}", f"image={photo}", "edits=[color=red]"]
    assert main(search) == 0
    whole = {file: file.read_bytes() for file in copied.rglob("*") if file.is_file()}
    capsys.readouterr()
    for path, content in whole.items():
        if not content:
            continue
        path.write_bytes(ANY_FILE[damage](content))
        written = path.read_bytes()
        code = main(search)
        error = capsys.readouterr().err
        assert code == 0 or (str(path) in error or str(path.parent) in error), (path, error)
        again = {copied / "searches", copied / "features", path if "photos" in path.name else None}
        for file, before in whole.items():
            now = file.read_bytes()
            expected = written if file == path else before
            assert now == expected or {file, file.parent} & again, (path, file)
            if now != before:
                file.write_bytes(before)


@pytest.mark.parametrize(
    "lost", ["scoring.json", "calibration.json", "methods/cls_concat/stage.json"]
)
def test_a_missing_selection_or_method_is_said(
    lost: str, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, own = load_run_config([f"runs_dir={copied.parent}"])
    reopen(config, own, write=False)
    assert "is missing" not in capsys.readouterr().out
    (copied / lost).unlink()
    best = reopen(config, own, write=False)[1].best.name
    assert f"{copied / lost} is missing" in capsys.readouterr().out
    assert best == "flam" or lost != "scoring.json"


def test_the_best_row_without_its_weights_is_no_selection(copied: Path) -> None:
    found = Scoring.load(copied)
    replace(found, best="arithmetic+posteriors", weights={}).save(copied)
    _, opened = open_folder(copied)
    assert opened.scoring == Scoring() and opened.best.name == "flam"


@pytest.mark.parametrize("damage", ["half", "empty", "list", "noise"])
def test_a_damaged_catalog_of_the_wardrobe_is_refused_by_name(damage: str, tmp_path: Path) -> None:
    few = [f"data.{split}_items=1" for split in ("train", "val", "evaluation")]
    data = load_config([*few, "data.workers=0", f"data.root={tmp_path}/w"]).data
    open_catalog(data)
    path = tmp_path / "w" / "catalog.csv"
    path.write_bytes(ANY_FILE[damage](path.read_bytes()))
    with pytest.raises(FlamError, match=r"w/catalog\.csv cannot be read .*Delete .*/w: the ward"):
        open_catalog(data)
