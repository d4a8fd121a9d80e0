"""A bundle on the Hugging Face hub, and what loading one imports."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_bundle import SCHEMA, drawn_photo, made_bundle, made_contents, made_features, made_parts

from flam_pl.errors import FlamError
from flam_pl.serving.bundle import (
    ATTRIBUTES,
    CARD,
    CONFIG,
    MANIFEST,
    ONNX,
    Bundle,
    BundleError,
    hashes,
    write_bundle,
)
from flam_pl.serving.torch_runtime import TorchRuntime


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return made_bundle(tmp_path / "bundle")


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def require_equal(one: Bundle, other: Bundle) -> None:
    assert asdict(one.contents) == asdict(other.contents)
    assert one.space == other.space and one.schema == other.schema
    features = made_features(2).numpy()
    both = (TorchRuntime(each, "cpu").read(features)[0] for each in (one, other))
    np.testing.assert_array_equal(*both)


def test_a_bundle_is_saved_and_read_from_a_folder(bundle: Bundle, tmp_path: Path) -> None:
    bundle.save_pretrained(tmp_path / "saved")
    assert contents_of(tmp_path / "saved") == contents_of(bundle.folder)
    require_equal(Bundle.from_pretrained(tmp_path / "saved"), bundle)


def test_the_onnx_files_are_saved_too(tmp_path: Path) -> None:
    files = {name: name.encode() for name in ONNX}
    place = tmp_path / "bundle", made_contents("none"), SCHEMA, {}
    tensors = {name: part.state_dict() for name, part in made_parts().items()}
    arrays = {
        name: {key: value.contiguous().numpy() for key, value in tensors[name].items()}
        for name in ("backbone", "embedders")
    }
    write_bundle(*place, arrays, "# card", files).save_pretrained(tmp_path / "saved")
    assert Bundle.from_pretrained(tmp_path / "saved").has_onnx
    assert {n: (tmp_path / "saved" / n).read_bytes() for n in ONNX} == files


def test_a_bundle_is_not_saved_over_itself(bundle: Bundle) -> None:
    before = contents_of(bundle.folder)
    with pytest.raises(FlamError, match="own folder"):
        bundle.save_pretrained(bundle.folder / ".." / bundle.folder.name)
    assert contents_of(bundle.folder) == before


@pytest.mark.parametrize("name", [CONFIG, ATTRIBUTES, CARD, MANIFEST, "backbone.safetensors"])
def test_a_cut_file_of_a_saved_bundle_is_named(bundle: Bundle, tmp_path: Path, name: str) -> None:
    bundle.save_pretrained(tmp_path / "saved")
    path = tmp_path / "saved" / name
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(BundleError, match=name):
        Bundle.from_pretrained(str(tmp_path / "saved"))


class Hub:
    """Keeps what is uploaded, in place of ``HfApi``."""

    uploaded: dict[str, bytes]
    private: bool | None

    def __init__(self, *args: object, **options: object) -> None: ...

    def create_repo(self, repo_id: str, private: bool | None = None, **options: object) -> object:
        Hub.private = private
        return type("Address", (), {"repo_id": repo_id})()

    def upload_folder(self, *, repo_id: str, folder_path: Path, **options: object) -> str:
        Hub.uploaded = contents_of(Path(folder_path))
        return f"https://hub.example/{repo_id}"


def test_a_bundle_is_pushed_with_every_file(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", Hub)
    assert bundle.push_to_hub("shop/made", private=True) == "https://hub.example/shop/made"
    assert Hub.uploaded == contents_of(bundle.folder) and Hub.private
    assert Hub.uploaded.keys() == {MANIFEST, *hashes(bundle.folder)}


def test_a_bundle_is_read_from_the_hub(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, asked = tmp_path / "cache" / "snapshots" / "0a1", []
    cache.mkdir(parents=True)
    for path in bundle.folder.iterdir():  # the hub's cache holds links
        (cache / path.name).symlink_to(path)
    (cache / ".gitattributes").touch()

    def download(repo: str, **options: Any) -> str:
        asked.append((repo, options["revision"], options["token"]))
        return str(cache)

    def download_one(repo_id: str, filename: str, **options: Any) -> str:
        return str(cache / filename)

    monkeypatch.setattr("flam_pl.serving.bundle.snapshot_download", download)
    monkeypatch.setattr("huggingface_hub.hub_mixin.hf_hub_download", download_one)
    found = Bundle.from_pretrained("shop/made", revision="v1", token="t")
    assert asked == [("shop/made", "v1", "t")]
    require_equal(found, bundle)


LOADED = """
import sys
from pathlib import Path
from flam_pl.serving.searcher import Searcher
heavy = {"hydra", "omegaconf", "pytorch_lightning", "pandas", "matplotlib", "sklearn"}
def show(names):
    print(sorted(n for n in sys.modules if n in names or n.startswith("flam_pl.training")))
searcher = Searcher.load(sys.argv[1], runtime="torch", device="cpu")
show(heavy | {"wandb", "timm", "torchvision"})
shape = searcher.features([Path(sys.argv[2]).read_bytes()]).shape
show(heavy)  # timm imports wandb wherever it is installed
print(shape)
"""


def test_a_bundle_loads_without_training_code_and_without_timm_before_a_photo(
    bundle: Bundle, tmp_path: Path
) -> None:
    """timm and torchvision take 2 s to import: they come with the first photo."""
    (tmp_path / "photo.png").write_bytes(drawn_photo(0))
    words = [sys.executable, "-c", LOADED, str(bundle.folder), str(tmp_path / "photo.png")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["[]", "[]", "(1, 16)"], done.stderr[-2000:]


def test_a_runtime_is_ready_before_the_first_photo(bundle: Bundle) -> None:
    runtime = TorchRuntime(bundle, "cpu")
    assert "backbone" not in vars(runtime)
    runtime.ready()
    assert "backbone" in vars(runtime) and not runtime.backbone.training


def test_weights_of_another_backbone_are_refused(tmp_path: Path) -> None:
    contents = made_contents()
    other = contents.networks["backbone"]["architecture"] | {"pooling": "gem"}
    networks = contents.networks | {"backbone": {"kind": "backbone", "architecture": other}}
    bundle = made_bundle(tmp_path / "bundle", networks=networks)
    with pytest.raises(BundleError, match="backbone.safetensors does not fit made"):
        TorchRuntime(bundle, "cpu").ready()
