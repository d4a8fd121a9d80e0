"""A bundle is opened only if every file is the one that was written, and is written whole."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from made_bundle import DIMENSION, SCHEMA, made_bundle, made_contents, made_parts

from flam_pl.config.saved_files import sealed
from flam_pl.errors import FlamError
from flam_pl.serving.bundle import (
    ATTRIBUTES,
    CARD,
    CONFIG,
    MANIFEST,
    ONNX,
    Bundle,
    BundleError,
    file_hash,
    write_bundle,
)
from flam_pl.serving.runtime import open_runtime
from flam_pl.serving.searcher import Searcher

NETWORKS = ("backbone", "embedders", "generator")
WEIGHTS = tuple(f"{name}.safetensors" for name in NETWORKS)
FILES = (CONFIG, ATTRIBUTES, CARD, *WEIGHTS)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that tests must not change."""
    return made_bundle(tmp_path_factory.mktemp("bundle") / "written").folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "bundle"))


def reseal(folder: Path, **changes: Any) -> None:
    """A manifest that fits the files as they are, as somebody could make it."""
    files = {path.name: file_hash(path) for path in folder.iterdir() if path.name != MANIFEST}
    (folder / MANIFEST).write_text(sealed({"format": 1, "files": files} | changes))


def edit_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_bundle_is_what_was_written(written: Path) -> None:
    assert {path.name for path in written.iterdir()} == {MANIFEST, *FILES}
    bundle = Bundle.load(written)
    assert bundle.contents == made_contents() and bundle.name == "made"
    assert bundle.schema == SCHEMA and bundle.synonyms == {"navy": "navy blue"}
    assert bundle.dimension == DIMENSION + 4 + 3 + 2 and not bundle.has_onnx
    state = made_parts()["embedders"].state_dict()
    networks = open_runtime(bundle, "torch", "cpu").networks  # type: ignore[attr-defined]
    loaded = networks.query.embedders.state_dict()
    assert state.keys() == loaded.keys()
    assert all(torch.equal(state[name], loaded[name]) for name in state)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def change_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def to_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (cut, "was cut or changed"),
        (change_a_bit, "was cut or changed"),
        (lambda path: path.write_bytes(b""), "was cut or changed"),
        (Path.unlink, "is missing"),
        (to_folder, "is missing"),
    ],
)
def test_every_damaged_file_is_named(
    name: str, damage: Callable[[Path], None], says: str, folder: Path
) -> None:
    damage(folder / name)
    with pytest.raises(BundleError) as refused:
        Bundle.load(folder)
    assert f"{folder / name} {says}" in str(refused.value)
    assert "flam-pl export" in str(refused.value)


def test_two_files_that_are_swapped_are_refused(folder: Path) -> None:
    one, other = folder / WEIGHTS[0], folder / WEIGHTS[1]
    one.rename(folder / "x")
    other.rename(one)
    (folder / "x").rename(other)
    with pytest.raises(BundleError, match=f"{WEIGHTS[0]} was cut or changed"):
        Bundle.load(folder)


def test_weights_of_another_network_are_refused(folder: Path) -> None:
    shutil.copy(folder / WEIGHTS[0], folder / WEIGHTS[1])
    reseal(folder)
    with pytest.raises(BundleError, match=f"{WEIGHTS[1]} does not fit made"):
        Searcher.load(folder, device="cpu", runtime="torch")


@pytest.mark.parametrize("damage", [cut, change_a_bit, lambda path: path.write_text("[]")])
def test_a_damaged_manifest_is_named(damage: Callable[[Path], None], folder: Path) -> None:
    damage(folder / MANIFEST)
    with pytest.raises(BundleError, match=MANIFEST):
        Bundle.load(folder)


def test_a_folder_without_a_manifest_is_no_bundle(folder: Path, tmp_path: Path) -> None:
    (folder / MANIFEST).unlink()
    for each in (folder, tmp_path / "nowhere", Path(__file__)):
        with pytest.raises(BundleError, match="is no bundle"):
            Bundle.load(each)


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc/passwd", "..", "", ".hidden", "a\\b"])
def test_a_manifest_names_no_file_outside_the_folder(name: str, folder: Path) -> None:
    (folder.parent / "x").write_text("private")
    reseal(folder, files={name: file_hash(folder.parent / "x")})
    with pytest.raises(BundleError, match="names the file"):
        Bundle.load(folder)


@pytest.mark.parametrize("name", [CONFIG, ATTRIBUTES, WEIGHTS[2]])
def test_a_manifest_lists_every_file_that_is_needed(name: str, folder: Path) -> None:
    """Otherwise a file could be changed without notice."""
    files = {each: file_hash(folder / each) for each in FILES if each != name}
    reseal(folder, files=files)
    with pytest.raises(BundleError, match=f"does not list {name}"):
        Bundle.load(folder)


def test_another_format_is_refused(folder: Path) -> None:
    edit_json(folder / CONFIG, format=2)
    reseal(folder)
    with pytest.raises(BundleError, match=r"config\.json .*format 2, expected 1"):
        Bundle.load(folder)
    edit_json(folder / CONFIG, format=1)
    reseal(folder, format=2)
    with pytest.raises(BundleError, match=r"manifest\.json has format 2, expected 1"):
        Bundle.load(folder)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (CONFIG, "[]"),
        (CONFIG, "{}"),
        (CONFIG, "nonsense"),
        (CONFIG, '{"format": 1, "unknown": 2}'),
        (ATTRIBUTES, "{}"),
        (ATTRIBUTES, "nonsense"),
    ],
)
def test_a_file_of_another_kind_is_named(name: str, text: str, folder: Path) -> None:
    (folder / name).write_text(text)
    reseal(folder)
    with pytest.raises(BundleError, match=name):
        Bundle.load(folder)


def test_only_onnx_files_of_the_manifest_count(folder: Path) -> None:
    for name in ONNX:
        (folder / name).write_bytes(b"graph")
    assert not Bundle.load(folder).has_onnx  # nobody has checked them
    reseal(folder)
    assert Bundle.load(folder).has_onnx
    (folder / ONNX[1]).write_bytes(b"grapH")
    with pytest.raises(BundleError, match=ONNX[1]):
        Bundle.load(folder)


# -- writing


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def leftovers(folder: Path) -> list[str]:
    """What stands beside a bundle, its lock left out."""
    names = [path.name for path in folder.parent.iterdir() if path != folder]
    return [name for name in names if not name.endswith(".lock")]


@pytest.mark.parametrize("marks", [["notes.txt"], [MANIFEST], [MANIFEST, CONFIG, "mine.db"]])
def test_a_folder_of_somebody_else_is_not_replaced(marks: list[str], tmp_path: Path) -> None:
    """Other programs have files called ``manifest.json`` and ``config.json`` too."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    for name in marks:
        (folder / name).write_text("{}")
    before = contents_of(folder)
    with pytest.raises(FlamError, match="did not write it"):
        made_bundle(folder)
    assert contents_of(folder) == before and leftovers(folder) == []


def test_a_file_or_a_link_is_not_replaced(written: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(written)
    for name in ("file", "link"):
        with pytest.raises(FlamError, match="did not write it"):
            made_bundle(tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine" and (tmp_path / "link").is_symlink()


def test_a_bundle_replaces_an_older_one_and_an_empty_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert made_bundle(tmp_path / "empty").name == "made"
    assert made_bundle(folder, "slerp", name="newer").name == "newer"
    assert not (folder / "generator.safetensors").exists() and leftovers(folder) == ["empty"]


def test_other_users_may_read_every_file(folder: Path) -> None:
    """As far as the umask of the exporting user lets them."""
    modes = {path.stat().st_mode & 0o777 for path in folder.iterdir()}
    (folder / "plain").touch()
    assert modes == {(folder / "plain").stat().st_mode & 0o777}


def test_a_bundle_that_may_not_be_read_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("flam_pl.serving.bundle.file_hash", denied)
    with pytest.raises(BundleError, match=r"README\.md cannot be read \(Perm.*needs the right"):
        Bundle.load(folder)


def writes(path: str | Path) -> bool:
    return ".new." in str(path)


@pytest.mark.parametrize("number", range(len(FILES) + 1))
def test_on_a_full_disk_the_old_bundle_stays(
    number: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of the seven files finds the disk full."""
    before, written = contents_of(folder), 0

    def full(real: Callable[..., Any]) -> Callable[..., Any]:
        def write(*args: Any, **more: Any) -> Any:
            nonlocal written
            if writes(args[0]):
                written += 1
                if written > number:
                    raise OSError(errno.ENOSPC, "No space left on device")
            return real(*args, **more)

        return write

    monkeypatch.setattr(Path, "write_text", full(Path.write_text))
    monkeypatch.setattr(Path, "write_bytes", full(Path.write_bytes))
    with pytest.raises(OSError, match="No space left"):
        made_bundle(folder, name="newer")
    assert written == number + 1
    assert contents_of(folder) == before and leftovers(folder) == []


@pytest.mark.parametrize("at", range(11))
def test_a_killed_export_leaves_the_old_bundle_or_the_new_one(at: int, folder: Path) -> None:
    """SIGKILL before the n-th write or rename; the next export clears up."""
    killed = os.fork()
    if not killed:
        export_until(at, folder)
    _, status = os.waitpid(killed, 0)
    assert os.WIFSIGNALED(status) == (at < 9)  # seven files and two renames
    assert Bundle.load(folder).name == ("made" if at < 9 else "newer")
    assert made_bundle(folder, name="newest").name == "newest" and leftovers(folder) == []


def export_until(at: int, folder: Path) -> None:
    """In a child process."""
    done = 0

    def deadly(real: Callable[..., Any]) -> Callable[..., Any]:
        def act(*args: Any, **more: Any) -> Any:
            nonlocal done
            if done == at:
                os.kill(os.getpid(), signal.SIGKILL)
            done += 1
            return real(*args, **more)

        return act

    try:
        parts = made_parts()
        Path.write_text = deadly(Path.write_text)  # type: ignore[method-assign]
        Path.rename = deadly(Path.rename)  # type: ignore[method-assign]
        Path.write_bytes = deadly(Path.write_bytes)  # type: ignore[method-assign]
        made_bundle(folder, parts=parts, name="newer")
    finally:
        os._exit(0)


def test_a_bundle_is_json_that_every_reader_takes(tmp_path: Path) -> None:
    """NaN is no JSON; an error leaves nothing behind."""
    contents = made_contents(figures={"T@1": {"value": float("nan")}})
    with pytest.raises(ValueError, match="JSON"):
        write_bundle(tmp_path / "bundle", contents, SCHEMA, {}, {}, "# card")
    assert not (tmp_path / "bundle").exists() and leftovers(tmp_path / "bundle") == []


# -- the space of the vectors


def test_the_space_is_that_of_the_vectors_alone(written: Path, tmp_path: Path) -> None:
    space, parts, count = Bundle.load(written).space, made_parts(), iter(range(99))

    def changed(editor: str = "generator", parts: Any = parts, **changes: Any) -> str:
        return made_bundle(tmp_path / f"b{next(count)}", editor, parts, **changes).space

    architecture = dict(made_contents().networks)
    # what searches, and what is said of it, may change
    assert changed() == changed("slerp") == changed("none") == space
    assert changed(weights={"target": 9.0, "others": 0.0, "moved": 0.0}) == space
    assert changed(calibration=None, name="other", figures={"T@1": {"value": 1.0}}) == space
    assert changed(synonyms={}) == space
    assert changed(parts=parts | {"generator": made_parts(5)["generator"]}) == space
    # what makes vectors may not
    other = made_parts(5)
    spaces = [
        space,
        changed(parts=parts | {"backbone": other["backbone"]}),
        changed(parts=parts | {"embedders": other["embedders"]}),
        changed(both=True),
        changed(both=True, parts=parts | {"classifiers": other["classifiers"]}),
        changed(hardened=True),
        changed(preprocess={"size": 32, "fit": "crop"}),
        changed(preprocess={"size": 48, "fit": "pad"}),
    ]
    # a pooling has no weights
    pooled = architecture["backbone"]["architecture"] | {"pooling": "mac"}
    backbone = {"kind": "backbone", "architecture": pooled}
    spaces.append(changed(networks=architecture | {"backbone": backbone}))
    assert len(set(spaces)) == len(spaces)
    # nor may the classes
    renamed = type(SCHEMA)(dict(SCHEMA.classes) | {"sleeve": ("short", "full")})
    tensors = {
        name: {k: v.contiguous().numpy() for k, v in parts[name].state_dict().items()}
        for name in NETWORKS
    }
    bundle = write_bundle(tmp_path / "renamed", made_contents(), renamed, {}, tensors, "")
    assert bundle.space not in spaces
