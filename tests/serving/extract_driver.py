"""Extracts on two local workers that log each shard, and that can be slow or die at a photo."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from flam_pl.images.files import opened
from flam_pl.serving.cluster import extraction as cluster
from flam_pl.serving.cluster.shards import Photo

DRIVER = Path(__file__)


class Sums:
    """A runtime without networks, which starts at once: the feature holds means of pixels."""

    def pixels(self, data: bytes, name: Path) -> np.ndarray:
        image = opened(data, name, lambda image: image.resize((32, 32)).convert("RGB"))
        return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))

    def features(self, pixels: list[np.ndarray]) -> np.ndarray:
        return np.stack([each.astype(np.float32).reshape(12, -1).mean(1) for each in pixels])

    def read(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shares = features[:, :5] / features[:, :5].sum(axis=1, keepdims=True)
        return shares, features


def without_networks() -> None:
    cluster.open_runtime = lambda *_: Sums()  # type: ignore
    cluster.decoder = lambda *_: Sums().pixels  # type: ignore


def marked(plan: dict[str, Any]) -> None:
    """Workers that log the first photo of each shard that they have computed.

    One dies at the photo ``deadly`` once, before it writes the shard; each sleeps after a shard.
    Ray takes what is defined here along, for ``__main__`` cannot be imported.
    """
    import ray.data

    log, deadly, plain_decode = plan["log"], plan["deadly"], cluster.decode

    class Marked(cluster.Extractor):
        def __init__(self, job: cluster.Job) -> None:
            if not plan["networks"]:
                without_networks()
            super().__init__(job)

        def compute(self, photos: list[Photo], pixels: bytes) -> tuple[np.ndarray, np.ndarray]:
            found = super().compute(photos, pixels)
            with open(log, "a") as file:
                file.write(f"{photos[0].id}\n")
            if deadly in [photo.id for photo in photos] and not os.path.exists(f"{log}.killed"):
                Path(f"{log}.killed").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(plan["seconds"])
            return found

    def decode(row: dict[str, Any], job: cluster.Job) -> dict[str, Any]:
        if not plan["networks"]:
            without_networks()
        return plain_decode(row, job)

    # the names stay, for workers find the base class by its name
    instead, plain_map = {cluster.Extractor: Marked, cluster.decode: decode}, ray.data.Dataset.map
    ray.data.Dataset.map = lambda data, step, **how: plain_map(data, instead[step], **how)


def main(plan: dict[str, Any]) -> None:
    import ray

    ray.init(
        address="local",
        num_cpus=2,
        num_gpus=1,  # none is needed: the number only tells Ray Data how to spread the work
        include_dashboard=False,
        object_store_memory=200_000_000,
        log_to_driver=False,
    )
    marked(plan)
    done = cluster.extract(**plan["extract"])
    Path(f"{plan['log']}.done").write_text(json.dumps(asdict(done)))


def started(
    log: Path,
    *,
    deadly: str | None = None,
    seconds: float = 0,
    networks: bool = False,
    **extract: Any,
) -> subprocess.Popen[bytes]:
    plan: dict[str, Any] = {
        "log": str(log),
        "deadly": deadly,
        "seconds": seconds,
        "networks": networks,
    }
    plan["extract"] = extract
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",  # else it writes a key into the home
        "OMP_NUM_THREADS": "1",
    }
    words = [sys.executable, str(DRIVER), json.dumps(plan, default=str)]
    return subprocess.Popen(words, env=environment)


def extracted(log: Path, **how: Any) -> dict[str, int]:
    """What an extraction in another process did."""
    process = started(log, **how)
    assert process.wait(timeout=300) == 0
    found: dict[str, int] = json.loads(Path(f"{log}.done").read_text())
    return found


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
