"""Photos as the input of a backbone."""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as F

from flam_pl.errors import FlamError
from flam_pl.images.files import (
    WHITE,
    UnreadableImage,
    opened,
    orientation,
    over_white,
    read_file,
    view_seed,
)

FITS = ("pad", "crop", "stretch")
MIDDLE_GREY = 128


def read_image(path: Path) -> Tensor:
    """The photo as uint8 RGB ``(3, H, W)``. Raises UnreadableImage."""
    return decode(read_file(path), path)


def decode(data: bytes, path: Path) -> Tensor:
    """A file's content as uint8 RGB ``(3, H, W)``, upright, over white; of several pages, the
    first. Raises UnreadableImage, which names ``path``."""
    return opened(data, path, lambda image: _decoded(image, data))


def pixels_hash(image: Tensor) -> str:
    found = hashlib.blake2b(repr(image.shape).encode(), digest_size=16)
    found.update(image.permute(1, 2, 0).contiguous().numpy().data)
    return found.hexdigest()


def _decoded(image: Image.Image, data: bytes) -> Tensor:
    pixels: Tensor | None = None
    if data.startswith(b"\xff\xd8"):  # a JPEG
        with suppress(RuntimeError):  # Pillow reads more kinds, and names the fault
            encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
            pixels = decode_image(encoded, mode=ImageReadMode.RGB)  # twice as fast as Pillow
    if pixels is None:
        image.load()
        pixels = torch.from_numpy(np.array(over_white(image))).permute(2, 0, 1)
    turned = orientation(image)
    pixels = pixels.transpose(-2, -1) if 5 <= turned <= 8 else pixels
    axes = {2: [-1], 3: [-2, -1], 4: [-2], 6: [-1], 7: [-2, -1], 8: [-2]}.get(turned)
    return pixels.flip(axes) if axes else pixels


def fit(image: Tensor, size: int, mode: str = "pad") -> Tensor:
    """The image as a square, uint8 ``(3, size, size)``. "pad" adds white, "crop" takes the middle
    square, "stretch" changes the proportions. Raises FlamError for another mode."""
    if mode not in FITS:
        raise FlamError(f"backbone.fit is {mode!r}; expected one of {', '.join(FITS)}")
    height, width = image.shape[-2:]
    if mode == "stretch":
        return _resize(image, size, size)
    if mode == "crop":
        return _resize(F.center_crop(image, [min(height, width)] * 2), size, size)
    scale = size / max(height, width)
    new_height, new_width = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (size - new_height) // 2, (size - new_width) // 2
    padding = [left, top, size - new_width - left, size - new_height - top]
    square: Tensor = F.pad(_resize(image, new_height, new_width), padding, fill=WHITE)
    return square


def distort(image: Tensor, seed: int) -> Tensor:
    """A random view ``(3, H, W)`` of a photo: cropped, mirrored, turned, brightened, blurred,
    compressed."""
    # by Pillow, on one thread: on busy cores, the threads of torch were thirty times slower
    rng = np.random.default_rng(seed)
    height, width = image.shape[-2:]
    area, ratio = rng.uniform(0.6, 0.9), math.exp(rng.uniform(-0.15, 0.15))
    crop_height = min(height, height * math.sqrt(area / ratio))
    crop_width = min(width, width * math.sqrt(area * ratio))
    top, left = rng.uniform(0, height - crop_height), rng.uniform(0, width - crop_width)
    bilinear, box = Image.Resampling.BILINEAR, (left, top, left + crop_width, top + crop_height)
    view = Image.fromarray(image.permute(1, 2, 0).numpy()).resize((width, height), bilinear, box)
    if rng.random() < 0.5:
        view = ImageOps.mirror(view)
    view = view.rotate(rng.uniform(-10, 10), bilinear, fillcolor=(WHITE,) * 3)
    view = ImageEnhance.Brightness(view).enhance(rng.uniform(0.7, 1.3))
    view = ImageEnhance.Contrast(view).enhance(rng.uniform(0.7, 1.3))
    view = view.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.2)))
    file = io.BytesIO()
    view.save(file, "JPEG", quality=int(rng.integers(30, 71)))
    with Image.open(file) as compressed:
        return torch.from_numpy(np.array(compressed)).permute(2, 0, 1)


@dataclass(frozen=True)
class Preprocess:
    """Turns a decoded image into the input of a backbone."""

    size: int
    fit: str = "pad"

    def __call__(self, image: Tensor) -> Tensor:
        return fit(image, self.size, self.fit)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def training_transform(
    size: int,
    fit: str = "pad",
    flip: bool = True,
    scale_min: float = 0.6,
    brightness: float = 0.2,
    erase: float = 0.0,
) -> Callable[[Tensor], Tensor]:
    """Random transform of stage 1: uint8 ``(3, H, W)`` -> uint8 ``(3, size, size)``.

    ``scale_min``: least area share of a crop; ``brightness``: largest change of brightness and
    contrast; ``erase``: probability of a grey rectangle. Hues stay: color is an attribute.
    """
    # so large that the smallest crop is not enlarged
    steps: list[Callable[..., Tensor]] = [Preprocess(math.ceil(size / math.sqrt(scale_min)), fit)]
    if scale_min < 1:
        steps.append(v2.RandomResizedCrop(size, (scale_min, 1), (0.9, 1 / 0.9), antialias=True))
    if flip:
        steps.append(v2.RandomHorizontalFlip())
    if brightness:
        steps.append(v2.ColorJitter(brightness=brightness, contrast=brightness))
    if erase:
        steps.append(v2.RandomErasing(p=erase, value=MIDDLE_GREY))
    return cast(Callable[[Tensor], Tensor], v2.Compose(steps))


class ImageDataset(Dataset[dict[str, Any]]):
    """Transformed images, each with index and item code, -1 for none.

    View 0 is the file, view v > 0 its v-th distortion. With ``noting``, an image that cannot be
    decoded is white, and each image has path, hash of its pixels and reason or "".
    """

    def __init__(
        self,
        paths: Sequence[Path | str],
        views: Sequence[int] | np.ndarray,
        items: Sequence[int] | np.ndarray,
        transform: Callable[[Tensor], Tensor],
        noting: bool = False,
    ) -> None:
        # plain arrays, which worker processes share; bytes take a quarter of the memory of text
        self.paths = np.array([os.fsencode(path) for path in paths], dtype=np.bytes_)
        self.views = np.asarray(views, dtype=np.int64)
        self.items = np.asarray(items, dtype=np.int64)
        self.transform, self.noting = transform, noting

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        path, view = Path(os.fsdecode(self.paths[index])), int(self.views[index])
        data, note = read_file(path), {}
        try:
            image = decode(data, path)
            if self.noting:
                note = {"path": str(path), "pixels": pixels_hash(image), "reason": ""}
        except UnreadableImage as error:
            if not self.noting:
                raise
            image = torch.full((3, 32, 32), WHITE, dtype=torch.uint8)
            note = {"path": str(path), "pixels": "", "reason": error.reason}
        if view:
            image = distort(image, view_seed(path, view))
        # copied by NumPy, on one thread: on busy cores, torch waits a hundred times as long
        image = torch.from_numpy(np.ascontiguousarray(self.transform(image).numpy()))
        return note | {"index": int(index), "image": image, "item": int(self.items[index])}


def _resize(image: Tensor, height: int, width: int) -> Tensor:
    if tuple(image.shape[-2:]) == (height, width):
        return image
    # channels last: faster, and a planar image that shrinks to one pixel fails in torch 2.14
    image = image.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    resized: Tensor = F.resize(image, [height, width], InterpolationMode.BILINEAR, antialias=True)
    return resized
