"""``make scale``: seconds and peak memory of what grows with a data set, on made-up data.

Every measurement runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

# whatever is large is imported by the function that needs it: this process stays small
DIMENSION, FITTED, STEPS, WARM_UP = 1024, 4000, 40, 5
GALLERY_DIMENSION, QUERIES, TRAITS, SEARCHES = 512, 200, 9, 20
SIZES = {
    "rows": [4000, 400_000, 4_000_000],
    "table": [10_000, 100_000, 1_000_000],
    "gallery": [2000, 20_000, 200_000],
}
LONG = "make scale: about 5 minutes on two quiet cores, 9 GB of disk for a while, 2 GB of memory"
HEADERS = ["what", "size", "seconds", "slope", "peak memory, MB"]


def write_features(folder: Path, rows: int) -> None:
    """A file of features that repeats one block of random ones."""
    import numpy as np

    block = np.random.default_rng(0).standard_normal((FITTED, DIMENSION)).astype(np.float16)
    header = {"descr": "<f2", "fortran_order": False, "shape": (rows, DIMENSION)}
    with open(folder / "features.npy", "wb") as out:
        np.lib.format.write_array_header_1_0(out, header)
        for start in range(0, rows, FITTED):
            out.write(block[: rows - start].data)


def stage_2(folder: Path, rows: int) -> float:
    return step_seconds(folder, rows, "embedder")


def stage_3(folder: Path, rows: int) -> float:
    return step_seconds(folder, rows, "manipulator")


def step_seconds(folder: Path, rows: int, stage: str) -> float:
    """Seconds of one step by the Trainer on batches that are drawn from all rows."""
    import bench
    import numpy as np
    import torch

    from flam_pl.__main__ import quiet_libraries
    from flam_pl.config.loading import load_config
    from flam_pl.data.batches import FeatureBatches
    from flam_pl.data.feature_store import FeatureStore, Manifest
    from flam_pl.models.attribute_embedder import AttributeEmbedders
    from flam_pl.models.manipulator import Manipulator
    from flam_pl.training.embedder_module import EmbedderModule
    from flam_pl.training.manipulator_module import ManipulatorModule

    quiet_libraries()
    config = load_config([])
    config.trainer.progress = False
    array = np.load(folder / "features.npy", mmap_mode="r")
    manifest = Manifest("none", "none", "none", rows, DIMENSION, "float16")
    file = open(folder / "features.npy", "rb")  # noqa: SIM115  # as FeatureStore.open does
    store = FeatureStore(folder, array, manifest, "", file=file)
    labels = np.random.default_rng(0).integers(-1, 10, (rows, len(bench.SCHEMA.types)))
    e, m = config.embedder, config.manipulator
    embedders = AttributeEmbedders(
        bench.SCHEMA, DIMENSION, working_dim=e.working_dim, hidden=e.hidden, members=e.members
    )
    fitted = np.arange(min(rows, FITTED))
    embedders.fit(store.rows(fitted), torch.from_numpy(labels[fitted]))
    if stage == "embedder":
        module: Any = EmbedderModule(embedders, e)
    else:
        names = ("hidden", "gated", "discriminator_hidden", "noise")
        how = {name: getattr(m, name) for name in names}
        manipulator = Manipulator(bench.SCHEMA, embedders.space.dimension, **how)
        module = ManipulatorModule(manipulator, embedders, m)
    size = (e if stage == "embedder" else m).batch_size
    batches = FeatureBatches(store, np.arange(rows), labels, size, batches=WARM_UP)
    bench.lightning_epoch(config, module, batches)
    batches.batches = STEPS
    return bench.lightning_epoch(config, module, batches) / STEPS


def write_table(folder: Path, rows: int) -> None:
    """A table of three attributes, and as many empty stand-ins of photos of different sizes."""
    import numpy as np

    labels = np.random.default_rng(0).integers(0, 10, (rows, 3))
    splits = ["train"] * 8 + ["val", "evaluation"]
    with open(folder / "catalog.csv", "w", encoding="utf-8") as out:
        out.write("path,item,split,color,shape,pattern\n")
        for row, (color, shape, pattern) in enumerate(labels.tolist()):
            path = f"images/{row // 1000:04d}/{row:07d}.jpg"
            if row % 1000 == 0:
                (folder / path).parent.mkdir(parents=True)
            with open(folder / path, "wb") as photo:
                photo.truncate(row + 1)  # a hole: it takes no space
            split = splits[row // 4 % 10]
            out.write(f"{path},{row // 4},{split},color {color},shape {shape},pattern {pattern}\n")


def open_table(folder: Path, rows: int) -> float:
    """Seconds to read the table, with a look at every photo file."""
    from flam_pl.config.loading import load_config
    from flam_pl.datasets.sources import open_catalog

    types = "data.types=[color,shape,pattern]"
    config = load_config(["data=table", f"data.root={folder / 'catalog.csv'}", types])
    started = time.perf_counter()
    assert len(open_catalog(config.data)) == rows
    return time.perf_counter() - started


def evaluation(folder: Path, rows: int) -> float:
    """Seconds of the report's figures of all edits of a fixed number of queries."""
    import bench
    import numpy as np
    import torch

    from flam_pl.config.loading import load_config
    from flam_pl.editing.editor import NoEdit
    from flam_pl.evaluation.attribute_ndcg import AttributeNDCG
    from flam_pl.evaluation.hits import evaluate_edits
    from flam_pl.evaluation.precision import Precision
    from flam_pl.evaluation.preservation import Preservation
    from flam_pl.evaluation.searches import EvaluationSet

    rng, settings = np.random.default_rng(0), load_config([]).evaluation
    labels = rng.integers(0, 10, (rows, len(bench.SCHEMA.types)))
    traits = {f"trait {i}": rng.integers(-1, 6, rows) for i in range(TRAITS)}
    features, nothing = torch.randn(rows, GALLERY_DIMENSION), np.full(rows, -1)
    queries = np.arange(min(QUERIES, rows))
    data = EvaluationSet(bench.SCHEMA, features, labels, queries, nothing, nothing, traits)
    started, ks = time.perf_counter(), settings.ks
    measures = [Preservation(data, ks), AttributeNDCG(data, ks), Precision(data, ks)]
    results = evaluate_edits(NoEdit(), data, ks, also=measures)
    for measure in (results, *measures):
        measure.estimates((settings.resamples, settings.seed))
    return time.perf_counter() - started


def exact_search(folder: Path, rows: int) -> float:
    from flam_pl.galleries.exact import ExactGallery

    return search_seconds(ExactGallery, rows)


def faiss_search(folder: Path, rows: int) -> float:
    from flam_pl.galleries.faiss import FaissGallery

    return search_seconds(FaissGallery, rows)


def search_seconds(gallery: Callable[[Any], Any], rows: int) -> float:
    """Seconds of one query, without building the gallery."""
    import torch
    from torch.nn import functional as F

    stored = gallery(F.normalize(torch.randn(rows, GALLERY_DIMENSION), dim=1))
    queries = F.normalize(torch.randn(SEARCHES + 1, 1, GALLERY_DIMENSION), dim=2)
    stored.search(queries[0], 10)
    started = time.perf_counter()
    for query in queries[1:]:
        stored.search(query, 10)
    return (time.perf_counter() - started) / SEARCHES


MEASUREMENTS = {
    "a step of stage 2": ("rows", stage_2),
    "a step of stage 3": ("rows", stage_3),
    "opening a table": ("table", open_table),
    f"evaluation, {QUERIES} queries": ("gallery", evaluation),
    "one search, exact": ("gallery", exact_search),
    "one search, FAISS": ("gallery", faiss_search),
}
"""What is measured -> what its size is, a function (folder, size) -> seconds."""
MADE = {"rows": write_features, "table": write_table, "gallery": lambda folder, rows: None}


def measure(name: str, size: int, folder: Path) -> tuple[float, float]:
    """Seconds, and the peak memory of this process in MB."""
    seconds = MEASUREMENTS[name][1](folder, size)
    # not ru_maxrss, which begins with the memory of the process that started this one
    status = Path("/proc/self/status").read_text()
    return seconds, int(status.split("VmHWM:")[1].split()[0]) / 1024


def in_new_process(what: str, size: int, folder: Path) -> list[float]:
    """Makes data or measures; the numbers that the process prints at its end."""
    command = [sys.executable, __file__, "--only", what, str(size), str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def table_of(sizes: Mapping[str, Sequence[int]]) -> str:
    """Every measurement at every size, the smallest first, as a table in Markdown."""
    found: dict[str, list[list[str]]] = {name: [] for name in MEASUREMENTS}
    first: dict[str, tuple[int, float]] = {}
    for kind, size in ((of, size) for of in MADE for size in sorted(sizes[of])):
        with tempfile.TemporaryDirectory(prefix="flam-scale-") as folder:
            in_new_process(kind, size, Path(folder))
            for name in (name for name, (of, _) in MEASUREMENTS.items() if of == kind):
                print(f"{name}: {size:,}", file=sys.stderr, flush=True)
                seconds, memory = in_new_process(name, size, Path(folder))
                before, then = first.setdefault(name, (size, seconds))
                grown = size > before
                slope = f"{math.log(seconds / then) / math.log(size / before):.2f}" if grown else ""
                found[name].append([name, f"{size:,}", f"{seconds:.3g}", slope, f"{memory:,.0f}"])
    rows = [HEADERS, ["---", *["--:"] * (len(HEADERS) - 1)], *chain(*found.values())]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in SIZES.items():
        parser.add_argument(f"--{name}", type=int, nargs="*", default=default)
    parser.add_argument("--only", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.only:
        what, size, folder = chosen.only
        if what in MADE:
            MADE[what](Path(folder), int(size))
            print("[]")
        else:
            print(json.dumps(measure(what, int(size), Path(folder))))
        return
    print(LONG, file=sys.stderr, flush=True)
    print(table_of({name: getattr(chosen, name) for name in SIZES}))


if __name__ == "__main__":
    main(sys.argv[1:])
