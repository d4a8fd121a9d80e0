"""The command ``index add`` is killed at random moments, and runs again."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import flam_pl.serving.indexing  # imported before any process is forked
import flam_pl.serving.queries
import flam_pl.serving.torch_runtime  # noqa: F401
from faults.forked_command import run_forked, run_in_child
from faults.test_kills import TRIALS
from faults.tiny_faults import Tally
from flam_pl.errors import FlamError
from flam_pl.galleries.stored import open_gallery
from serving.made_bundle import made_bundle

pytestmark = pytest.mark.faults

PHOTOS, BATCH = 60, 4
Content = dict[str, bytes]  # id -> vector


class Shop:
    """Photos, a bundle, and the gallery that the command fills."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.gallery = folder, folder / "gallery" / "shop.db"
        photos, rng = folder / "photos", np.random.default_rng(0)
        photos.mkdir()
        for number in range(PHOTOS):
            pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(photos / f"{number}.png")
        bundle = made_bundle(folder / "bundle").folder
        self.words = ["index", "add", f"bundle={bundle}", f"photos={photos}", f"batch={BATCH}"]
        self.words.append(f"gallery={self.gallery}")
        self.clear()

    def clear(self) -> None:
        self.gallery.parent.mkdir(exist_ok=True)
        for file in self.gallery.parent.iterdir():
            file.unlink()

    def add(self) -> float:
        """Run the command to its end; seconds."""
        start = time.monotonic()
        ended = run_forked(self.words, self.folder)
        assert ended.code == 0, ended
        return time.monotonic() - start

    def add_killed(self, seconds: float) -> None:
        files = [self.folder.with_name(f"killed.{name}") for name in ("out", "err", "operations")]
        child = os.fork()
        if child == 0:
            run_in_child(self.words, self.folder, None, files)
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    def content(self) -> Content:
        try:
            gallery = open_gallery(str(self.gallery))
        except FlamError as error:
            assert "is empty" in str(error) or not self.gallery.exists()
            return {}
        try:
            held = gallery.ids(0, 10 * PHOTOS)
            assert len(set(held)) == len(held), f"double: {held}"
            return {item.id: item.vector.tobytes() for item in gallery.fetch(held)}
        finally:
            gallery.close()


def fault(before: Content, after: Content, expected: Content) -> str:
    """What is wrong after a kill; empty if nothing is."""
    if not before.items() <= after.items():
        return f"lost: {sorted(before.keys() - after.keys())}"
    if not after.items() <= expected.items():
        return f"another vector than without the kill: {sorted(after.keys() - expected.keys())}"
    return f"half a batch is there: {len(after)} photos" if len(after) % BATCH else ""


def test_kill_9_of_index_add(tmp_path: Path, tally: Tally) -> None:
    """What a killed command has added stays. The next one extracts and adds only the others."""
    shop, rng, interrupted = Shop(tmp_path), np.random.default_rng(0), 0
    shop.add()
    shop.clear()
    seconds, expected, held = shop.add(), shop.content(), {}
    shop.clear()
    for trial in range(TRIALS):
        shop.add_killed(rng.uniform(0, 0.7 * seconds))
        found = shop.content()
        tally.add(trial, fault(held, found, expected))
        interrupted += len(found) < PHOTOS
        held = found
        if len(held) == PHOTOS:
            shop.clear()
            held = {}
    shop.add()
    assert shop.content() == expected
    assert not tally.lost
    assert interrupted > TRIALS / 4
