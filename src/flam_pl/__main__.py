"""The command table of ``python -m flam_pl <command> [key=value ...]``; Make calls only this."""

from __future__ import annotations

import ctypes
import errno
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from flam_pl.errors import FlamError

if TYPE_CHECKING:
    from flam_pl.reports.report import Report


def data(overrides: Sequence[str]) -> None:
    """Draw the wardrobe, or read the data set that is named, and say what it holds."""
    from flam_pl.config.loading import load_config
    from flam_pl.datasets.inspection import describe
    from flam_pl.datasets.sources import open_catalog
    from flam_pl.progress import show_progress

    config = load_config(overrides)
    show_progress(config.trainer.progress)
    print(describe(open_catalog(config.data)))


def verify_data(overrides: Sequence[str]) -> None:
    """Decode every image, say what was found, and fail on what cannot be used."""
    from flam_pl.config.loading import load_config
    from flam_pl.data.photo_check import check_photos
    from flam_pl.datasets.inspection import check_usable, describe
    from flam_pl.datasets.sources import open_catalog
    from flam_pl.progress import show_progress

    config = load_config(overrides)
    show_progress(config.trainer.progress)
    catalog, bad = check_photos(open_catalog(config.data), config.data.min_side)
    print(describe(catalog, bad))
    check_usable(catalog.without(bad))


def train_backbone(overrides: Sequence[str]) -> None:
    """Stage 1 only: learn the image features and cache them."""
    from flam_pl.config.loading import load_config
    from flam_pl.experiments import pipeline

    run, net = pipeline.open_run(load_config(overrides))
    record = pipeline.train_backbone(run, net)
    pipeline.extract(run, record, run.folder / "features")
    for name, value in record.metrics.items():
        print(f"  {name} {value:.4f}")


def train_flam(overrides: Sequence[str]) -> None:
    """Every stage, the evaluation and the report."""
    from flam_pl.config.loading import load_config
    from flam_pl.experiments.evaluate import measure
    from flam_pl.experiments.methods import train_methods
    from flam_pl.experiments.pipeline import train

    run = train(load_config(overrides))
    train_methods(run)
    show(measure(run))


def evaluate(overrides: Sequence[str]) -> None:
    """Measure a trained run again, or on other photos: run=... data.root=... report=name."""
    from flam_pl.config.loading import load_run_config
    from flam_pl.experiments.evaluate import evaluate as evaluate_run

    show(evaluate_run(*load_run_config(overrides)))


def search(overrides: Sequence[str]) -> None:
    """Search a run's images with a photo: run=... image=photo.jpg edits=[color=red] k=10."""
    from flam_pl.config.loading import load_run_config
    from flam_pl.experiments.search import answer

    print(answer(*load_run_config(overrides)))


def report(overrides: Sequence[str]) -> None:
    """Write a report's tables and page again from its metrics.json."""
    from flam_pl.config.loading import load_run_config
    from flam_pl.experiments.evaluate import report_folder
    from flam_pl.reports.report import rewrite

    config, _ = load_run_config(overrides)
    show(rewrite(report_folder(config)))


def tables(overrides: Sequence[str]) -> None:
    """The paper's Tables 1 to 5 with one's own figures, training what is missing."""
    from flam_pl.config.loading import load_config
    from flam_pl.experiments.paper import make_tables

    written = make_tables(load_config(overrides))
    if written is not None:
        print(written)


def figures(overrides: Sequence[str]) -> None:
    """The paper's Figures 2 and 3, convergence and label shares, training what is missing."""
    from flam_pl.config.loading import load_config
    from flam_pl.experiments.paper_figures import make_figures

    for picture in make_figures(load_config(overrides)):
        print(picture)


def results(overrides: Sequence[str]) -> None:
    """Every method with several seeds and label shares; results.page=[...]: one page of runs."""
    from flam_pl.config.loading import load_config
    from flam_pl.experiments.sweeps import make_results

    written = make_results(load_config(overrides))
    if written is not None:
        print(f"results: {written}")


def show(written: Report | None) -> None:
    """The summary of a report, where this process wrote one."""
    if written is not None:
        print(written.summary())


def bench(overrides: Sequence[str]) -> None:
    """Compare a training step with a bare PyTorch loop, and extraction with the bare model."""
    from flam_pl.config.loading import load_config
    from flam_pl.experiments.benchmark import run_benchmarks

    print(run_benchmarks(load_config(overrides)))


def config(overrides: Sequence[str]) -> None:
    """Show every setting as the overrides leave it."""
    from omegaconf import OmegaConf

    from flam_pl.config.loading import load_config

    print(OmegaConf.to_yaml(OmegaConf.structured(load_config(overrides))))


COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {
    "data": data,
    "verify-data": verify_data,
    "train-backbone": train_backbone,
    "train-flam": train_flam,
    "evaluate": evaluate,
    "search": search,
    "report": report,
    "tables": tables,
    "figures": figures,
    "results": results,
    "bench": bench,
    "config": config,
}


def quiet_libraries() -> None:
    """Leave out what libraries say about themselves; warnings about the data stay."""
    for text in (
        ".*does not have many workers.*",
        ".*number of training batches.*smaller than the logging interval.*",
        ".*IterableDataset.*__len__.*",
        ".*Trying to infer the `batch_size`.*",
        ".*isinstance\\(treespec, LeafSpec\\).*",
        ".*in eval mode at the start of training.*",  # the frozen teacher of stage 3
        ".*Previous log files in this directory will be deleted.*",
        ".*Checkpoint directory.*exists and is not empty.*",
        ".*Precision 16-mixed is not supported.*",
        # under DDP: every rank measures the whole validation split, and the curves of the training
        # may be those of the first rank
        ".*sync_dist=True.*",
    ):
        warnings.filterwarnings("ignore", message=text)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)


def keep_freed_memory() -> None:
    """Let glibc keep big blocks instead of giving each back to the system after use.

    A layer's activations are tens of MB, taken and freed at every step: without this, half of the
    time of a training on the CPU goes into page faults. Elsewhere than on glibc it does nothing.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    trim_threshold, mmap_max = -1, -4  # M_TRIM_THRESHOLD, M_MMAP_MAX of malloc.h
    mallopt(trim_threshold, 2**31 - 1)
    mallopt(mmap_max, 0)


def main(arguments: Sequence[str]) -> int:
    """Run one command; a ``FlamError`` is shown as its message, with exit code 1."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        for name, command in COMMANDS.items():
            print(f"  {name:<16} {(command.__doc__ or '').splitlines()[0]}")
        return 0
    name, *overrides = arguments
    if name not in COMMANDS:
        print(f"no command {name!r}; expected one of {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    quiet_libraries()
    keep_freed_memory()
    try:
        COMMANDS[name](overrides)
    except FlamError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            if error.filename is None:
                raise
            print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
            return 1
        print(
            f"error: the disk is full ({error}). What was finished before is kept; free some space "
            "and run the command again, or choose another place with runs_dir=.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
