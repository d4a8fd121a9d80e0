"""ONNX files of small bundles, and their search without PyTorch."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_bundle import SCHEMA, drawn_photo, made_bundle, made_features
from PIL import Image

from flam_pl.config.saved_files import sealed
from flam_pl.datasets.wardrobe.garment import draw_garment
from flam_pl.datasets.wardrobe.photo import draw_photo, photograph
from flam_pl.errors import FlamError
from flam_pl.galleries.stored import open_gallery
from flam_pl.images.pixels import Preprocess, decode
from flam_pl.serving.bundle import FORMAT, MANIFEST, Bundle, file_hash, hashes
from flam_pl.serving.indexing import index_photos
from flam_pl.serving.photo_lists import list_photos
from flam_pl.serving.torch_runtime import TorchRuntime

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")

from flam_pl.experiments.exporting.onnx_export import onnx_files
from flam_pl.serving.onnx_runtime import CPU, GPU, OnnxRuntime, providers, square


def with_onnx(folder: Path, editor: str, **changes: bool) -> Bundle:
    """A made bundle with its ONNX files."""
    bundle = made_bundle(folder, editor, **changes)
    files = onnx_files(bundle, lambda text: None)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    # the manifest must list the new files
    listed = hashes(folder) | {name: file_hash(folder / name) for name in files}
    (folder / MANIFEST).write_text(sealed({"format": FORMAT, "files": listed}))
    return Bundle.load(folder)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return with_onnx(tmp_path_factory.mktemp("onnx") / "bundle", "generator", both=True)


def require_same(bundle: Bundle) -> None:
    """Both runtimes give the same arrays, at several batch sizes and with different edits."""
    mine, theirs = OnnxRuntime(bundle), TorchRuntime(bundle, "cpu")
    np.testing.assert_array_equal(mine.table, theirs.table)
    rng = np.random.default_rng(0)
    for batch in (1, 5):
        pixels = list(rng.integers(0, 256, (batch, 3, 32, 32), dtype=np.uint8))
        np.testing.assert_allclose(mine.features(pixels), theirs.features(pixels), atol=1e-4)
        features = made_features(batch).numpy()
        own, directions = theirs.read(features)
        for got, expected in zip(mine.read(features), (own, directions), strict=True):
            np.testing.assert_allclose(got, expected, atol=1e-5)
        strength = rng.choice([0, 0.3, 1], (batch, len(SCHEMA.types))).astype(np.float32)
        arrays = features, own, own[:, ::-1].copy(), directions, strength
        np.testing.assert_allclose(mine.queries(*arrays), theirs.queries(*arrays), atol=1e-5)


def test_both_runtimes_agree_with_a_generator(bundle: Bundle) -> None:
    require_same(bundle)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("editor", "changes"), [("none", {"hardened": True}), ("arithmetic", {}), ("slerp", {})]
)
def test_both_runtimes_agree_with_each_other_editor(
    tmp_path: Path, editor: str, changes: dict[str, bool]
) -> None:
    require_same(with_onnx(tmp_path / "bundle", editor, **changes))


@pytest.mark.parametrize("mode", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("size", [(40, 48), (61, 20), (30, 90)])
def test_pillow_makes_the_same_square_as_torchvision(mode: str, size: tuple[int, int]) -> None:
    smooth = Image.fromarray(np.random.default_rng(1).integers(0, 256, (6, 5, 3), dtype=np.uint8))
    photo = smooth.resize(size, Image.Resampling.BICUBIC)
    file = io.BytesIO()
    photo.save(file, "PNG")
    expected = Preprocess(32, mode)(decode(file.getvalue(), Path("a.png"))).numpy().astype(int)
    got = np.asarray(square(photo, 32, mode)).transpose(2, 0, 1).astype(int)
    assert np.abs(got - expected).max() <= 2  # of 255: the two round differently


def test_a_photo_is_turned_as_its_exif_tag_says(bundle: Bundle) -> None:
    photo = Image.open(io.BytesIO(drawn_photo(2))).convert("RGB")
    mine, theirs = OnnxRuntime(bundle), TorchRuntime(bundle, "cpu")
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        file = io.BytesIO()
        photo.save(file, "PNG", exif=exif)
        got = mine.pixels(file.getvalue(), Path("a.png")).astype(int)
        expected = theirs.pixels(file.getvalue(), Path("a.png")).astype(int)
        assert np.abs(got - expected).max() <= 2, orientation


@pytest.mark.parametrize("kind", [{"format": "JPEG", "quality": 70}, {"format": "WEBP"}])
def test_features_of_photos_point_the_same_way(bundle: Bundle, kind: dict[str, Any]) -> None:
    """Pillow and torchvision decode and shrink a little differently."""
    rng, data = np.random.default_rng(3), []
    for _ in range(12):
        photo = photograph(draw_garment(int(rng.integers(3)), rng), draw_photo(rng, "consumer"))
        file = io.BytesIO()
        Image.fromarray(photo).save(file, **kind)
        data.append(file.getvalue())
    mine, theirs = (
        runtime.features([runtime.pixels(each, Path("a.jpg")) for each in data])
        for runtime in (OnnxRuntime(bundle), TorchRuntime(bundle, "cpu"))
    )
    lengths = np.linalg.norm(mine, axis=1) * np.linalg.norm(theirs, axis=1)
    assert ((mine * theirs).sum(axis=1) / lengths).min() >= 0.999


def test_onnx_runtime_computes_where_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [CPU]
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: found)
    assert providers(None) == providers("cpu") == [CPU]
    for device in ("cuda", "tpu"):
        with pytest.raises(FlamError, match=f"device is '{device}'.*cpu alone"):
            providers(device)
    # TensorRT would compile for minutes
    found = ["TensorrtExecutionProvider", GPU, CPU]
    assert providers(None) == providers("cuda:0") == [(GPU, {"device_id": "0"}), CPU]
    assert providers("cuda:1") == [(GPU, {"device_id": "1"}), CPU]
    assert providers("cpu") == [CPU]


WITHOUT_TORCH = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "torchvision", "timm", "pandas", "hydra", "wandb",
                                  "pytorch_lightning", "matplotlib", "sklearn"}:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
from flam_pl.editing.edits import Edit
from flam_pl.serving.searcher import Searcher
searcher = Searcher.load(sys.argv[1], sys.argv[2], runtime="onnx")
found = searcher.search(sys.argv[3], [Edit("color", "red")], k=3)
print(" ".join(hit.id for hit in found))
"""


def test_a_search_works_without_pytorch(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for seed in range(8):
        (tmp_path / "photos" / f"{seed}.png").write_bytes(drawn_photo(seed))
    runtime = TorchRuntime(bundle, "cpu")
    gallery = open_gallery(tmp_path / "shop.db", bundle.space, bundle.dimension)
    index_photos(gallery, lambda: runtime, list_photos(tmp_path / "photos"))
    gallery.close()
    from flam_pl.editing.edits import Edit
    from flam_pl.serving.searcher import Searcher

    photo = str(tmp_path / "photos" / "0.png")
    with_torch = Searcher.load(bundle.folder, tmp_path / "shop.db", runtime="torch", device="cpu")
    expected = [hit.id for hit in with_torch.search(photo, [Edit("color", "red")], k=3)]
    words = [sys.executable, "-c", WITHOUT_TORCH, str(bundle.folder), str(tmp_path / "shop.db")]
    done = subprocess.run([*words, photo], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == expected
