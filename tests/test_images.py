"""Decoding, fitting, distorted views, transforms and the image data set."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import DataLoader

from flam_pl.errors import FlamError
from flam_pl.images import (
    FITS,
    ImageDataset,
    Preprocess,
    UnreadableImage,
    distort,
    fit,
    read_image,
    training_transform,
    view_seed,
)


def gradient(height: int = 24, width: int = 32) -> np.ndarray:
    """Smooth RGB ``(H, W, 3)``, so that JPEG is nearly exact."""
    y, x = np.mgrid[0:height, 0:width]
    channels = [255 * x / width, 255 * y / height, 128 + 0 * x]
    return np.stack(channels, axis=2).astype(np.uint8)


def pixels(image: torch.Tensor) -> np.ndarray:
    assert image.dtype == torch.uint8 and image.shape[0] == 3
    return image.permute(1, 2, 0).numpy().astype(int)


@pytest.mark.parametrize(("suffix", "error"), [("png", 0), ("bmp", 0), ("webp", 24), ("jpg", 12)])
def test_formats(tmp_path: Path, suffix: str, error: int) -> None:
    file = tmp_path / f"image.{suffix}"
    Image.fromarray(gradient()).save(file, quality=95)
    assert np.abs(pixels(read_image(file)) - gradient()).max() <= error


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_gray_has_three_equal_channels(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"gray.{suffix}"
    Image.fromarray(gradient()[..., 0]).save(file, quality=95)
    got = pixels(read_image(file))
    assert (got[..., 0] == got[..., 1]).all() and (got[..., 1] == got[..., 2]).all()
    assert np.abs(got[..., 0] - gradient()[..., 0]).max() <= 6


@pytest.mark.parametrize("suffix", ["jpg", "tiff"])
def test_cmyk(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"print.{suffix}"
    Image.fromarray(gradient()).convert("CMYK").save(file, quality=95)
    assert np.abs(pixels(read_image(file)) - gradient()).max() <= 12


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_lie_over_white(tmp_path: Path, mode: str) -> None:
    alpha = np.array([[0, 255]], dtype=np.uint8)
    black = np.zeros((1, 2, 3), dtype=np.uint8)
    image = Image.fromarray(np.dstack([black, alpha]))
    if mode == "P":
        image = Image.fromarray(np.array([[0, 1]], dtype=np.uint8)).convert("P")
        image.putpalette([0, 0, 0] * 256)
        image.info["transparency"] = 0
    image = image if mode == "P" else image.convert(mode)
    image.save(tmp_path / "clear.png", **({"transparency": 0} if mode == "P" else {}))
    assert pixels(read_image(tmp_path / "clear.png")).tolist() == [[[255] * 3, [0] * 3]]


def test_half_transparent_is_half_white(tmp_path: Path) -> None:
    Image.new("RGBA", (1, 1), (255, 0, 0, 128)).save(tmp_path / "half.png")
    red, green, blue = pixels(read_image(tmp_path / "half.png"))[0, 0]
    assert red == 255 and green == blue and abs(green - 127) <= 1


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    values = np.array([[0, 255, 32768, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    assert pixels(read_image(tmp_path / "deep.png"))[0, :, 0].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_the_exif_orientation_is_obeyed(tmp_path: Path, suffix: str) -> None:
    image = Image.fromarray(gradient())
    exif = image.getexif()
    exif[0x0112] = 6  # the camera was turned: show it a quarter clockwise
    image.save(tmp_path / f"turned.{suffix}", exif=exif, quality=95)
    got = pixels(read_image(tmp_path / f"turned.{suffix}"))
    assert np.abs(got - np.rot90(gradient(), k=-1)).max() <= 12


def test_one_pixel(tmp_path: Path) -> None:
    for suffix in ("png", "jpg"):
        Image.new("RGB", (1, 1), (9, 9, 9)).save(tmp_path / f"dot.{suffix}")
        dot = read_image(tmp_path / f"dot.{suffix}")
        assert dot.shape == (3, 1, 1)
        assert fit(dot, 8).unique().tolist() == [9]
        assert distort(dot, 1).shape == (3, 1, 1)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("half.jpg", "truncated"),
        ("half.png", "truncated"),
        ("start.jpg", "not an image"),
        ("empty.jpg", "empty"),
        ("text.jpg", "not an image"),
        ("missing.jpg", "cannot be opened"),
    ],
)
def test_unreadable_files_are_named_with_the_reason(tmp_path: Path, name: str, reason: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for suffix in ("jpg", "png"):
        file = tmp_path / f"half.{suffix}"
        Image.fromarray(noise).save(file)
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    (tmp_path / "start.jpg").write_bytes(b"\xff\xd8")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("<html>404</html>")
    with pytest.raises(UnreadableImage) as unreadable:
        read_image(tmp_path / name)
    assert reason in unreadable.value.reason and unreadable.value.path == tmp_path / name
    assert str(tmp_path / name) in str(unreadable.value)
    assert str(pickle.loads(pickle.dumps(unreadable.value))) == str(unreadable.value)


def test_fit_by_hand() -> None:
    black = torch.zeros(3, 10, 20, dtype=torch.uint8)
    padded = fit(black, 20, "pad")
    assert (padded[:, 5:15] == 0).all()
    assert (padded[:, :5] == 255).all() and (padded[:, 15:] == 255).all()
    striped = black.clone()
    striped[:, :, :5] = striped[:, :, 15:] = 200  # what "crop" cuts off
    assert fit(striped, 10, "crop").unique().tolist() == [0]
    assert 200 in fit(striped, 10, "stretch").unique()
    assert (fit(black, 10, "stretch") == 0).all()
    with pytest.raises(FlamError, match="'squash'.*pad, crop, stretch"):
        fit(black, 10, "squash")


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 40), st.sampled_from(FITS))
@settings(max_examples=60, deadline=None)
def test_fit_is_square_and_invents_no_color(height: int, width: int, size: int, mode: str) -> None:
    image = torch.full((3, height, width), 77, dtype=torch.uint8)
    square = fit(image, size, mode)
    assert square.shape == (3, size, size) and square.dtype == torch.uint8
    colors = set(square.unique().tolist())
    assert colors <= {77, 255} and 77 in colors
    assert mode == "pad" or colors == {77}


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_distort_is_a_function_of_image_and_seed(height: int, width: int, seed: int) -> None:
    image = torch.from_numpy(gradient(height, width)).permute(2, 0, 1)
    torch.manual_seed(seed)
    np.random.seed(seed)
    before = torch.get_rng_state().clone(), np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    view = distort(image, seed)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # type: ignore[index]
    torch.manual_seed(seed + 1)
    assert torch.equal(view, distort(image, seed))
    assert view.shape == image.shape and view.dtype == torch.uint8


def test_distorted_views_differ_and_stay_closer_than_other_photos() -> None:
    rng = np.random.default_rng(1)
    coarse = torch.from_numpy(rng.integers(0, 256, (6, 3, 3, 3), dtype=np.uint8))
    photos = [fit(c, 48, "stretch") for c in coarse]
    views = [distort(photo, 5) for photo in photos]
    assert not torch.equal(distort(photos[0], 1), distort(photos[0], 2))

    def color(image: torch.Tensor) -> torch.Tensor:
        return image.float().mean((1, 2))

    distance = torch.stack(
        [torch.stack([(color(v) - color(p)).norm() for p in photos]) for v in views]
    )
    assert distance.diag().mean() < 0.6 * distance.mean()


def test_preprocess_scales_normalises_and_tells_its_settings() -> None:
    white = torch.full((3, 8, 4), 255, dtype=torch.uint8)
    preprocess = Preprocess(4, "pad")
    result = preprocess(white)
    assert result.dtype == torch.uint8 and result.shape == (3, 4, 4)
    settings_ = json.loads(json.dumps(preprocess.to_dict()))
    assert settings_ == {"size": 4, "fit": "pad"}
    assert Preprocess(**settings_) == preprocess


def test_the_training_transform_varies_and_without_chance_is_the_preprocessing() -> None:
    image = torch.from_numpy(gradient(40, 30)).permute(2, 0, 1)
    transform = training_transform(16, fit="pad", erase=0.5)
    torch.manual_seed(0)
    results = [transform(image) for _ in range(4)]
    assert all(r.shape == (3, 16, 16) and r.dtype == torch.uint8 for r in results)
    assert not torch.equal(results[0], results[1])
    plain = training_transform(16, "pad", flip=False, scale_min=1, brightness=0)
    torch.testing.assert_close(plain(image), Preprocess(16)(image))
    pickle.loads(pickle.dumps(transform))  # for workers that are spawned


@pytest.mark.parametrize("workers", [0, 2])
def test_the_data_set_in_a_loader(tmp_path: Path, workers: int) -> None:
    file = tmp_path / "shop" / "a.png"
    file.parent.mkdir()
    Image.fromarray(gradient()).save(file)
    preprocess = Preprocess(8)
    data = ImageDataset([file] * 3, [0, 1, 0], [4, 4, -1], preprocess)
    batch = next(iter(DataLoader(data, batch_size=3, num_workers=workers)))
    assert batch["index"].tolist() == [0, 1, 2] and batch["item"].tolist() == [4, 4, -1]
    photo = read_image(file)
    torch.testing.assert_close(batch["image"][0], preprocess(photo))
    torch.testing.assert_close(batch["image"][1], preprocess(distort(photo, view_seed(file, 1))))
    assert not torch.equal(batch["image"][0], batch["image"][1])
    torch.testing.assert_close(batch["image"][0], batch["image"][2])


def test_a_view_is_the_same_wherever_the_data_lies() -> None:
    assert view_seed(Path("/a/images/1.jpg"), 1) == view_seed(Path("/b/c/images/1.jpg"), 1)
    seeds = {view_seed(Path(f"images/{i}.jpg"), v) for i in range(50) for v in (1, 2)}
    assert len(seeds) == 100


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_image_is_named_across_workers(tmp_path: Path, workers: int) -> None:
    (tmp_path / "broken.jpg").write_text("no image")
    data = ImageDataset([tmp_path / "broken.jpg"], [0], [0], Preprocess(8))
    with pytest.raises(UnreadableImage, match="broken.jpg"):
        next(iter(DataLoader(data, num_workers=workers)))
