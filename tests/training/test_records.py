"""What one stage leaves for the next, and everything that is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from flam_pl.attributes import AttributeSchema, SchemaError
from flam_pl.config.saved_files import DamagedFile
from flam_pl.errors import FlamError
from flam_pl.training.records import (
    CHECKPOINT,
    RECORD,
    RecordError,
    StageRecord,
    inputs_hash,
    load_into,
    require,
    sha256,
    write_text,
)

SCHEMA = AttributeSchema({"color": ("red", "blue"), "shape": ("shirt", "jeans")})


def finished(folder: Path, net: nn.Module | None = None, **changes: object) -> StageRecord:
    """A finished stage at ``folder``, as ``train_stage`` leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {f"net.{name}": value for name, value in (net or nn.Linear(3, 2)).state_dict().items()}
    torch.save({"state_dict": state | {"other": torch.zeros(1)}}, folder / CHECKPOINT)
    record = StageRecord(
        stage="embedder",
        inputs="i" * 64,
        data="d" * 64,
        parent="p" * 64,
        checkpoint=sha256(folder / CHECKPOINT),
        schema=SCHEMA.to_dict(),
        settings={"lr": 0.1},
        architecture={"dimension": 3},
        seed=1,
        metrics={"val/accuracy": 0.5},
        seconds=2.0,
        versions={"torch": "0"},
    )
    record = replace(record, **changes)
    record.save(folder)
    return record


def test_a_finished_stage_is_read_back_as_it_was(tmp_path: Path) -> None:
    record = finished(tmp_path)
    assert require(tmp_path, "embedder") == record == StageRecord.load(tmp_path)


def test_the_sha_is_that_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(tmp_path / "abc") == known


@pytest.mark.parametrize("missing", [RECORD, CHECKPOINT])
def test_an_unfinished_stage_is_refused_naming_the_missing_file(
    missing: str, tmp_path: Path
) -> None:
    finished(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(RecordError, match=f"embedder stage is not trained.*{missing}"):
        require(tmp_path, "embedder")


def test_a_tampered_checkpoint_is_refused(tmp_path: Path) -> None:
    finished(tmp_path)
    content = bytearray((tmp_path / CHECKPOINT).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / CHECKPOINT).write_bytes(content)
    with pytest.raises(RecordError, match="is not the checkpoint"):
        require(tmp_path, "embedder")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"stage": "embedder"}', '{"unknown": 1}'])
def test_a_damaged_record_is_refused_with_what_to_do(content: str, tmp_path: Path) -> None:
    finished(tmp_path)
    (tmp_path / RECORD).write_text(content)
    with pytest.raises(DamagedFile, match=r"stage\.json cannot be read.*trained again"):
        require(tmp_path, "embedder")


def test_another_parent_is_refused(tmp_path: Path) -> None:
    record = finished(tmp_path)
    record.require_parent("p" * 64, SCHEMA)
    with pytest.raises(RecordError, match="another parent checkpoint"):
        record.require_parent("q" * 64, SCHEMA)
    with pytest.raises(RecordError, match="none"):
        replace(record, parent=None).require_parent("q" * 64, SCHEMA)


@pytest.mark.parametrize(
    ("classes", "named"),
    [
        ({"color": ("red", "green"), "shape": ("shirt", "jeans")}, "color"),
        ({"color": ("red", "blue"), "shape": ("jeans", "shirt")}, "shape"),  # another order
        ({"color": ("red", "blue"), "sleeve": ("short", "long")}, "sleeve"),
        ({"shape": ("shirt", "jeans"), "color": ("red", "blue")}, "types"),
    ],
)
def test_another_schema_is_refused_naming_the_type(
    classes: dict[str, tuple[str, ...]], named: str, tmp_path: Path
) -> None:
    with pytest.raises(FlamError, match=named) as error:
        finished(tmp_path).require_parent("p" * 64, AttributeSchema(classes))
    assert isinstance(error.value, SchemaError | RecordError)


def test_load_into_takes_the_tensors_of_the_prefix_only(tmp_path: Path) -> None:
    source, net = nn.Linear(3, 2), nn.Linear(3, 2)
    finished(tmp_path, source)
    assert not torch.equal(net.weight, source.weight)
    load_into(net, tmp_path, "net.")
    assert torch.equal(net.weight, source.weight) and torch.equal(net.bias, source.bias)


@pytest.mark.parametrize(
    ("net", "named"),
    [
        (nn.Linear(4, 2), r"weight: .*\[2, 3\]\) .*\[2, 4\]\)"),
        (nn.Sequential(nn.Linear(3, 2)), "0.weight"),
        (nn.Linear(3, 2, bias=False), "bias"),  # the checkpoint holds more than the network
    ],
)
def test_a_checkpoint_of_another_architecture_is_refused(
    net: nn.Module, named: str, tmp_path: Path
) -> None:
    finished(tmp_path)
    with pytest.raises(RecordError, match=named):
        load_into(net, tmp_path, "net.")


@pytest.mark.parametrize("content", [b"", b"no checkpoint"])
def test_a_file_that_is_no_checkpoint_is_refused(content: bytes, tmp_path: Path) -> None:
    finished(tmp_path)
    (tmp_path / CHECKPOINT).write_bytes(content)
    with pytest.raises(RecordError, match="cannot be opened as a checkpoint"):
        load_into(nn.Linear(3, 2), tmp_path, "net.")


def test_a_checkpoint_that_would_run_code_is_not_opened(tmp_path: Path) -> None:
    finished(tmp_path)
    torch.save({"state_dict": {"net.weight": Path("anything")}}, tmp_path / CHECKPOINT)
    with pytest.raises(RecordError, match="cannot be opened"):
        load_into(nn.Linear(3, 2), tmp_path, "net.")


def test_inputs_hash_sees_every_value_and_no_order_of_keys() -> None:
    first = inputs_hash(data="x", settings={"lr": 0.1, "depth": 2})
    assert first == inputs_hash(settings={"depth": 2, "lr": 0.1}, data="x")
    others = {
        inputs_hash(data="y", settings={"lr": 0.1, "depth": 2}),
        inputs_hash(data="x", settings={"lr": 0.2, "depth": 2}),
        inputs_hash(data="x", settings={"lr": 0.1, "depth": 2, "more": None}),
    }
    assert len(others | {first}) == 4


def test_a_write_that_fails_leaves_the_old_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "stage.json"
    write_text(path, json.dumps([1]))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        write_text(path, json.dumps([2]))
    assert json.loads(path.read_bytes()) == [1]
