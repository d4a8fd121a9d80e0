"""The public API: four functions and ``Edit``."""

from __future__ import annotations

from pathlib import Path

from flam_pl.config import loading
from flam_pl.config.root import Config
from flam_pl.errors import ConfigError, FlamError
from flam_pl.experiments import evaluate as evaluation
from flam_pl.experiments import pipeline
from flam_pl.experiments.search import OpenRun
from flam_pl.reports.report import Report
from flam_pl.training.sole_trainer import sole_trainer


def load_config(*overrides: str) -> Config:
    """Settings of ``conf/`` with overrides.

    Raises:
        ConfigError: an unknown key, group or value, named.

    >>> load_config("data=wardrobe_small", "seed=1").seed
    1
    """
    for given in overrides:
        if not isinstance(given, str):
            example = "load_config('run=shop', 'seed=1'), or load_config(*settings) for a list"
            raise ConfigError(f"load_config got {given!r}; expected texts: {example}")
    return loading.load_config(overrides)


def train(config: Config) -> OpenRun:
    """Train what is not up to date, and open the run.

    Raises:
        FlamError: unusable data, or another process trains the run.
    """
    with sole_trainer(config.folder):
        folder = pipeline.train(config).folder
    return open_run(folder)


def open_run(folder: str | Path) -> OpenRun:
    """Open a finished run, e.g. ``open_run("runs/wardrobe")``.

    Raises:
        FlamError: there is no such run, it is not finished, or its data set has changed.
    """
    return OpenRun(*evaluation.open_folder(Path(folder)))


def evaluate(run: OpenRun) -> Report:
    """Measure the run and write its report.

    Raises:
        FlamError: called in a further process of a DDP run.
    """
    report = evaluation.measure(run.run, run.trained)
    if report is None:
        raise FlamError("evaluate was called in a further process of a DDP run")
    return report
