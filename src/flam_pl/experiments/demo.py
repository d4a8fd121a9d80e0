"""Trains a wardrobe, exports it and serves its search page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flam_pl.config.loading import load_config, load_run_config
from flam_pl.config.root import Config
from flam_pl.experiments import pipeline
from flam_pl.experiments.evaluate import reopen
from flam_pl.experiments.exporting.export import write
from flam_pl.serving.commands import Build, Serve, fill, start_service
from flam_pl.serving.photo_lists import list_photos
from flam_pl.serving.settings import read_settings
from flam_pl.training.records import RECORD
from flam_pl.training.sole_trainer import sole_trainer

RUN, SMALL = "wardrobe", "wardrobe_small"
COLUMNS = ("item", "neckline", "sleeve", "fit")


@dataclass(frozen=True)
class Demo:
    port: int = 8000
    runs_dir: str = "runs"


def demo(words: Sequence[str]) -> None:
    """Serve the search of the wardrobe; without one, train a small one first."""
    settings = read_settings(words, Demo, "demo")
    runs = f"runs_dir={settings.runs_dir}"
    config = load_config([runs])
    name = RUN if is_finished(config) else SMALL
    if name == SMALL:
        print("the demo trains a small wardrobe first: about 2 minutes", flush=True)
        config = load_config([f"data={SMALL}", f"backbone={SMALL}", runs])
        with sole_trainer(config.folder):
            pipeline.train(config)
    run, trained = reopen(*load_run_config([f"run={name}", runs]))
    bundle = write(run, trained, run.folder / "bundle")
    gallery = run.folder / "shop.db"
    listed = list_photos(run.catalog.root / "catalog.csv", columns=COLUMNS)
    photos = [replace(each, id=each.path.stem) for each in listed]
    fill(Build(str(bundle.folder), str(gallery), ""), photos, delete_others=True)
    served = Serve(str(bundle.folder), str(gallery), port=settings.port)
    start_service(served, lambda address: print(f"\nopen {address} in a browser", flush=True))


def is_finished(config: Config) -> bool:
    names = ["manipulator", *(f"methods/{name}" for name in config.methods)]
    return all((config.folder / name / RECORD).is_file() for name in names)
