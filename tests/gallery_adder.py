"""Adds batches to a gallery and prints the number of each batch that was acknowledged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from flam_pl.galleries.stored import open_gallery
from slow_gallery import DIMENSION, made_items

BATCH, BATCHES = 15, 40


def ids_of(batch: int) -> list[str]:
    return [f"photo {n}" for n in range(batch * BATCH, (batch + 1) * BATCH)]


def add_all(path: str) -> None:
    batches = [made_items(BATCH, seed=n, start=n * BATCH) for n in range(BATCHES)]
    gallery = open_gallery(path, "space", DIMENSION)
    print("ready", flush=True)
    for number, items in enumerate(batches):
        gallery.add(items)
        os.write(1, f"{number}\n".encode())


def killed_while_adding(path: Path, after: int, seconds: float) -> list[int]:
    """The batches that were acknowledged before a kill -9, which comes ``seconds`` after ``after``
    of them."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    process = subprocess.Popen(
        [sys.executable, __file__, str(path)], stdout=subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    lines = [process.stdout.readline() for _ in range(after)]
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    lines += process.stdout.read().splitlines()
    process.wait()
    return [int(line) for line in lines]


def lost_or_double(path: Path, acknowledged: list[int]) -> str:
    """What is wrong with the gallery after the kill; empty if nothing is."""
    gallery = open_gallery(path, "space", DIMENSION)
    try:
        held = gallery.ids(0, 10**6)
        if len(set(held)) != len(held):
            return "a photo is there twice"
        there = [n for n in range(BATCHES) if set(ids_of(n)) <= set(held)]
        if sum(len(ids_of(n)) for n in there) != len(held):
            return f"half a batch is there: {len(held)} photos, whole batches {there}"
        if not set(acknowledged) <= set(there):
            return f"acknowledged {acknowledged}, but only {there} are there"
        for item in gallery.fetch(held):
            found = gallery.search(item.vector[None].astype("float32"), len(held)).ids[0]
            if sorted(found) != sorted(held):
                return "a search finds other photos than are there"
            break
        return ""
    finally:
        gallery.close()


if __name__ == "__main__":
    add_all(sys.argv[1])
