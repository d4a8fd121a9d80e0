"""The commands ``flam-pl <command> [key=value ...]``, also ``python -m flam_pl``.

Slow modules are imported once the settings are checked.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib import import_module
from typing import TYPE_CHECKING

from flam_pl.errors import ConfigError, FlamError
from flam_pl.terminal import stopping
from flam_pl.terminal.libraries import keep_freed_memory, quiet_libraries

if TYPE_CHECKING:
    from flam_pl.config.root import Config
    from flam_pl.reports.report import Report


def settings_of(overrides: Sequence[str]) -> Config:
    from flam_pl.config.loading import load_config

    return load_config(overrides)


def settings_of_run(overrides: Sequence[str]) -> tuple[Config, bool]:
    from flam_pl.config.loading import load_run_config

    return load_run_config(overrides)


@contextmanager
def lock_of_run(config: Config) -> Iterator[None]:
    from flam_pl.training.sole_trainer import sole_trainer

    with sole_trainer(config.folder):
        yield


def data(overrides: Sequence[str]) -> None:
    """Draw the wardrobe, or read the named data set, and describe it."""
    config = settings_of(overrides)
    from flam_pl.datasets.inspection import describe
    from flam_pl.datasets.sources import open_catalog
    from flam_pl.terminal.progress import show_progress

    show_progress(config.trainer.progress)
    print(describe(open_catalog(config.data)))


def verify_data(overrides: Sequence[str]) -> None:
    """Check every image of a data set and report what cannot be used."""
    config = settings_of(overrides)
    from flam_pl.data.photo_check import check_photos
    from flam_pl.datasets.inspection import check_usable, describe
    from flam_pl.datasets.sources import open_catalog
    from flam_pl.terminal.progress import show_progress

    show_progress(config.trainer.progress)
    catalog, bad = check_photos(open_catalog(config.data), config.data.min_side)
    print(describe(catalog, bad))
    check_usable(catalog.without(bad))


def train_backbone(overrides: Sequence[str]) -> None:
    """Train stage 1 only, and extract the features."""
    with lock_of_run(config := settings_of(overrides)):
        from flam_pl.experiments import pipeline

        _, record = pipeline.train_features(config)
    for name, value in record.metrics.items():
        print(f"  {name} {value:.4f}")


def train_flam(overrides: Sequence[str]) -> None:
    """Train every stage and method, evaluate them and write the report."""
    with lock_of_run(config := settings_of(overrides)):
        from flam_pl.experiments.evaluate import measure
        from flam_pl.experiments.pipeline import train

        show(measure(train(config)))


def evaluate(overrides: Sequence[str]) -> None:
    """Evaluate a trained run again, or on other photos."""
    settings = settings_of_run(overrides)
    from flam_pl.experiments.evaluate import measure, reopen

    show(measure(*reopen(*settings)))


def search(overrides: Sequence[str]) -> None:
    """Search the photos of a trained run with a photo and edits."""
    config, own = settings_of_run(overrides)
    if not config.image:
        raise ConfigError(
            "image= is missing: name the photo to search with, image=photo.jpg, and what should "
            "be different, edits=[color=red]"
        )
    from flam_pl.experiments.search import answer

    print(answer(config, own))


def report(overrides: Sequence[str]) -> None:
    """Write the page and the tables of a report again from its metrics.json."""
    config, _ = settings_of_run(overrides)
    from flam_pl.experiments.evaluate import report_folder
    from flam_pl.reports.report import rewrite

    show(rewrite(report_folder(config)))


def tables(overrides: Sequence[str]) -> None:
    """Write the paper's Tables 1 to 5 with figures of this run, training what is missing."""
    with lock_of_run(config := settings_of(overrides)):
        from flam_pl.experiments.paper import make_tables

        written = make_tables(config)
    if written is not None:
        print(written)


def figures(overrides: Sequence[str]) -> None:
    """Draw the paper's Figures 2 and 3, convergence and label shares, training what is missing."""
    with lock_of_run(config := settings_of(overrides)):
        from flam_pl.experiments.paper import make_figures

        for picture in make_figures(config):
            print(picture)


def results(overrides: Sequence[str]) -> None:
    """Train every method with several seeds and label shares, and write one page of results."""
    config = settings_of(overrides)
    # a page of finished runs trains nothing
    with nullcontext() if config.results.page else lock_of_run(config):
        from flam_pl.experiments.sweeps import make_results

        written = make_results(config)
    if written is not None:
        print(f"results: {written}")


def export(overrides: Sequence[str]) -> None:
    """Write a bundle: everything that a search needs, in one folder."""
    own = [word for word in overrides if word.startswith(("bundle=", "onnx="))]
    from flam_pl.serving.settings import Export, read_settings

    settings = read_settings(own, Export, "export")
    from flam_pl.experiments.exporting.export import export as write

    bundle = write([w for w in overrides if w not in own], settings.bundle, settings.onnx)
    print(f"bundle: {bundle.folder}")


def index(overrides: Sequence[str]) -> None:
    """Make, change, copy or describe the gallery of a catalogue: index build, add, delete, ..."""
    import_module("flam_pl.serving.commands").index(overrides)


def serve(overrides: Sequence[str]) -> None:
    """Serve the search of a gallery: a page and an HTTP interface."""
    import_module("flam_pl.serving.commands").serve(overrides)


def demo(overrides: Sequence[str]) -> None:
    """Train a small wardrobe if no run is there, index all its photos, and serve the page."""
    import_module("flam_pl.experiments.demo").demo(overrides)


def config(overrides: Sequence[str]) -> None:
    """Print every setting with the value that the command line gives it."""
    from omegaconf import OmegaConf

    print(OmegaConf.to_yaml(OmegaConf.structured(settings_of(overrides))))


def show(written: Report | None) -> None:
    """Print a summary; the further processes of a DDP run have none."""
    if written is not None:
        print(written.summary())


DATA = (
    "data=table                 the data set: wardrobe (default), table, fashion_products, ...",
    "data.root=photos.csv       its folder or its table",
)
RUN = ("run=wardrobe               name of the run, default: that of the data set",)
OTHER = ("data.root=... report=name  other photos, reported under report-name",)
TRAIN = (
    "experiment=quick           a recipe of conf/experiment: quick, paper, table3, ...",
    "methods=[flam_plus,tirg]   methods to train beside FLAM",
    "trainer.devices=2          any setting of the Lightning Trainer",
    "retrain=true               train again what is up to date",
)
SEARCH = (
    "image=photo.jpg            the photo to search with",
    "edits=[color=red]          the changes; pattern=striped:0.5 goes half way",
    "                           and color=@other.jpg takes the color of another photo",
    "k=10                       number of results",
)
EXPORT = (
    "bundle=folder              where to write it, default: runs/<run>/bundle",
    "onnx=true                  also write ONNX files, which are served without PyTorch",
)
INDEX = (
    "build | add                the gallery holds exactly | also the listed photos",
    "delete | info | copy | duplicates | extract | import",
    "bundle=folder              the exported networks",
    "gallery=shop.db            a file, milvus:file, or http://host:19530/name",
    "photos=folder | list.csv   the photos of the shop",
    "image=images/{id}.jpg      column of the table with the path, or a pattern of it",
    "id=sku columns=[gender]    column with the id; columns to filter by, default: all",
    "only=[category=Apparel]    rows of the table to list",
    "index=flat                 flat, hnsw, ivf_sq8, ivf_pq; default: by size",
    "ids=[a,b] | to=address     of delete | of copy",
    "shards=folder workers=2    of extract (by Ray) and import: Parquet files",
    "near=.98 bundle=folder     of duplicates: also photos that are nearly the same",
)
SERVE = (
    "bundle=folder gallery=shop.db",
    "host=127.0.0.1 port=8000   where to listen",
    "key=secret                 what clients send as X-API-Key",
    "folder=var                 keeps uploads and photos that clients put",
    "roots=[/photos]            photos elsewhere are not shown",
    "show_uris=true             answers hold the paths or addresses of the photos",
    "runtime=onnx               without PyTorch, of a bundle with onnx=true",
)
COMMANDS: dict[str, tuple[Callable[[Sequence[str]], None], tuple[str, ...]]] = {
    "data": (data, DATA),
    "verify-data": (verify_data, DATA),
    "train-backbone": (train_backbone, (*DATA, *RUN, *TRAIN)),
    "train-flam": (train_flam, (*DATA, *RUN, *TRAIN)),
    "evaluate": (evaluate, (*RUN, *OTHER)),
    "search": (search, (*RUN, *SEARCH)),
    "report": (report, (*RUN, *OTHER)),
    "tables": (tables, (*DATA, *RUN, "tables.which=[1,2]         numbers of the tables")),
    "figures": (figures, (*DATA, *RUN, "figures.which=[2,3]        figures to draw")),
    "results": (results, (*DATA, *RUN, "results.seeds=[0,1,2]      seeds", *TRAIN[1:2])),
    "export": (export, (*RUN, *EXPORT)),
    "index": (index, INDEX),
    "serve": (serve, SERVE),
    "demo": (demo, ("port=8000                  where to listen",)),
    "config": (config, ("key=value                  any setting",)),
}
"""A command, the function that runs it, and a line of help for each of its usual settings."""

NOT_IN_CONF = {"index", "serve", "demo"}
"""Commands whose settings are no keys of conf/."""


def help_of(name: str | None = None) -> str:
    if name is None:
        lines = [f"  {key:<16} {command.__doc__}" for key, (command, _) in COMMANDS.items()]
        usage = "flam-pl <command> [key=value ...]     flam-pl <command> --help"
        return "\n".join([usage, "", *lines])
    command, settings = COMMANDS[name]
    lines = [f"flam-pl {name} [key=value ...]", "", str(command.__doc__), ""]
    lines += [f"  {line}" for line in settings]
    if name not in NOT_IN_CONF:
        lines += ["", "Every setting is a key of conf/; flam-pl config lists them all."]
    return "\n".join(lines)


def run(arguments: Sequence[str]) -> int:
    """Print help or run the named command; the exit code is 0 or 2."""
    asks_help = {"-h", "--help", "help"}
    if not arguments or arguments[0] in asks_help:
        print(help_of())
        return 0
    name, *overrides = arguments
    if name not in COMMANDS:
        print(f"no command {name!r}; expected one of {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    if asks_help & {*overrides}:
        print(help_of(name))
        return 0
    quiet_libraries()
    keep_freed_memory()
    COMMANDS[name][0](overrides)
    return 0


def main(arguments: Sequence[str]) -> int:
    """Run one command; the exit code is 0, 1 after a printed error, 2 for an unknown command, 130
    after SIGINT, 143 after SIGTERM."""
    for stream in (sys.stdout, sys.stderr):  # a file name may have letters that a terminal lacks
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with stopping.stoppable():
        try:
            code = attempt(arguments)
        except BaseException:  # KeyboardInterrupt, SystemExit of Lightning, or what they lead to
            if not stopping.received():
                raise
    if (number := stopping.received()) is None:
        return code
    print(
        f"stopped by {number.name}: finished stages, finished epochs and batches of an "
        "index are kept. The same command goes on from there.",
        file=sys.stderr,
    )
    return 128 + number


KEPT = "Finished stages are kept; the same command goes on from there."


def attempt(arguments: Sequence[str]) -> int:
    """``run`` with its errors printed."""
    try:
        code = run(arguments)
        sys.stdout.flush()
        return code
    except FlamError as error:
        if not stopping.received():  # else it is a consequence of the stop
            print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno is None:
            raise  # raised by a library, not by the system
        text = f"{error.filename2 or error.filename}: {error.strerror}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            text = f"the disk is full ({error}). Free some space, or set runs_dir=. {KEPT}"
        elif error.filename is None:
            text = f"a file or a connection failed ({error}). Check disk and network. {KEPT}"
        print(f"error: {text}", file=sys.stderr)
        return 1


def console() -> None:
    """Entry point of the console script ``flam-pl``."""
    stopping.end_with_parent()
    code = main(sys.argv[1:])
    stopping.leave_process_group(code)
    sys.exit(code)


if __name__ == "__main__":
    console()
