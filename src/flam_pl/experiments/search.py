"""Searches the photos of a trained run."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tabulate import tabulate
from torch import Tensor

from flam_pl.attributes import UNLABELLED
from flam_pl.config.root import Config
from flam_pl.datasets.catalog import Catalog
from flam_pl.editing.edits import Edit, Photo, spelled
from flam_pl.editing.parsing import parse_edits
from flam_pl.editing.targets import wanted_probabilities
from flam_pl.errors import FlamError
from flam_pl.experiments.evaluate import reopen
from flam_pl.experiments.trained_run import TrainedRun
from flam_pl.galleries.faiss import FaissGallery
from flam_pl.images.pixels import decode, read_image
from flam_pl.methods.registry import looks
from flam_pl.reports.measurements import display_name
from flam_pl.reports.pictures import draw_results
from flam_pl.retrieval.applicability import Applicability
from flam_pl.retrieval.confidence import ConfidenceEstimator
from flam_pl.retrieval.retriever import Retriever
from flam_pl.serving.results import figure
from flam_pl.training.run import Run


@dataclass(frozen=True)
class Hit:
    row: int  # in the catalog
    path: Path
    item: str | None
    labels: dict[str, str]  # attribute type -> class, of the labelled types
    score: float  # inner product with the query vector
    edited: float | None = None  # probability of the edited classes; None without an edit
    combination: float | None = None  # probability of all wanted classes

    @property
    def caption(self) -> str:
        return " ".join([f"{self.score:.3f}", *self.labels.values()])


@dataclass(frozen=True)
class Results(Sequence[Hit]):
    """The hits of one search, best first."""

    query: Path | None  # None: a feature was searched with
    edits: str
    hits: tuple[Hit, ...]
    notes: tuple[str, ...] = ()  # e.g. that the query is red already
    confidence: str | None = None  # how likely the gallery has the wanted combination
    searched: int = 0  # photos
    total: int = 0  # photos of the catalog

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, number):  # type: ignore[no-untyped-def]
        return self.hits[number]

    @property
    def scope(self) -> str:
        return f"searching {self.searched} of {self.total} photos"

    @property
    def remarks(self) -> list[str]:
        return [*self.notes, *([self.confidence] if self.confidence else [])]

    def table(self) -> str:
        types, rows = list(dict.fromkeys(name for hit in self.hits for name in hit.labels)), []
        for rank, hit in enumerate(self.hits, start=1):
            likely = [] if hit.combination is None else [f"{100 * hit.combination:.0f} %"]
            labels = [hit.labels.get(name) for name in types]
            rows.append([rank, f"{hit.score:.3f}", *likely, str(hit.path), hit.item, *labels])
        likely = ["likely"] if any(hit.combination is not None for hit in self.hits) else []
        head = ["", "score", *likely, "path", "item", *types]
        return str(tabulate(rows, head, tablefmt="simple", disable_numparse=True))

    def __str__(self) -> str:
        return "\n".join([self.scope, *self.remarks, self.table()])

    def _repr_html_(self) -> str:
        query = [figure(self.query, f"query {self.edits}".strip())] if self.query else []
        shown = [figure(hit.path, hit.caption) for hit in self.hits]
        text = "".join(f"<p>{escape(line)}</p>" for line in self.remarks)
        return f"{text}<div style='display:flex;flex-wrap:wrap'>{''.join([*query, *shown])}</div>"


class OpenRun:
    """A finished run, which searches all usable photos with its best method."""

    def __init__(self, run: Run, trained: TrainedRun) -> None:
        """Raises: FlamError: the catalog has no photo."""
        self.run, self.trained = run, trained
        self.catalog: Catalog = run.catalog
        self.rows = np.flatnonzero((self.catalog.table["view"] == 0).to_numpy(bool))
        if not len(self.rows):
            raise FlamError(f"{self.catalog.name} has no photo to search among")
        self.vectors, self.posteriors = trained.best, trained.posteriors
        features, fitted = run.data.features.rows(self.rows), trained.calibration
        self.retriever = Retriever.of(self.vectors, features, FaissGallery)
        each = self.posteriors, features
        self.confidence = ConfidenceEstimator(fitted, *each) if fitted else None
        training = self.catalog.labels[self.catalog.rows(split="train")]
        self.applicability = Applicability.of(self.catalog.schema, training)

    @property
    def folder(self) -> Path:
        return self.run.folder

    @cached_property
    def row_of(self) -> dict[str, int]:
        paths, names = self.catalog.paths, self.catalog.table["path"].to_numpy()
        found = {str(paths[row].resolve()): int(row) for row in self.rows}
        return found | {str(names[row]): int(row) for row in self.rows}

    def row(self, photo: str) -> int | None:
        full = str(Path(photo).expanduser().resolve())
        return self.row_of.get(photo, self.row_of.get(full))

    def path(self, photo: str) -> Path:
        row = self.row(photo)
        return Path(photo).expanduser() if row is None else self.path_of(row)

    def path_of(self, row: int) -> Path:
        return self.catalog.root / self.catalog.table["path"].iloc[row]

    @torch.inference_mode()
    def feature(self, photo: str | Path | bytes) -> Tensor:
        """Feature ``(D,)`` of a file, a path of the catalog, or the content of a file.

        Raises:
            UnreadableImage: there is no such file, or it is no image.
        """
        if isinstance(photo, bytes):
            image = decode(photo, Path("the example"))
        elif (row := self.row(str(photo))) is not None:
            return self.run.data.features.rows(np.array([row]))[0]
        else:
            image = read_image(self.path(str(photo)))
        return self.trained.backbone(self.trained.preprocess(image)[None])[0].float()

    def parse(self, edits: Sequence[str]) -> list[Edit]:
        """Edits from text, e.g. ``color=red``, ``color=@other.jpg``. Raises as ``parse_edits``."""
        return parse_edits(edits, self.catalog.schema, self.feature)

    def read(self, edit: Edit | str) -> Edit:
        """The edit; an example photo becomes its feature."""
        if not isinstance(edit, Edit):
            return self.parse([edit])[0]
        edit = spelled(edit, self.catalog.schema)
        if isinstance(edit.wanted, Photo):
            return replace(edit, wanted=self.feature(edit.wanted.source))
        return edit

    @torch.inference_mode()
    def search(
        self, photo: str | Path | Tensor, edits: Sequence[Edit | str] | Edit | str = (), k: int = 10
    ) -> Results:
        """The k best photos for the edited query, never the query itself.

        Args:
            photo: a file, a path of the catalog, or a stored feature ``(D,)``.
            edits: e.g. ``["color=red"]``, or one edit.

        Raises:
            SchemaError: an unknown attribute type or class.
            EditError: an edit that cannot be read, or that cannot apply to this photo.
            UnreadableImage: as ``feature``.
            FlamError: ``k`` is no number from 1.
        """
        if not isinstance(k, int | np.integer) or k < 1:
            raise FlamError(f"k is {k!r}; expected the number of results, 1 or more")
        edits = [edits] if isinstance(edits, Edit | str) else edits
        parsed = [self.read(edit) for edit in edits]
        name = None if isinstance(photo, Tensor) else str(photo)
        query = (photo if isinstance(photo, Tensor) else self.feature(photo))[None]
        own = self.posteriors.read(query)
        wanted = wanted_probabilities(own, parsed, self.posteriors)
        remarks = self.applicability.remarks(parsed, [p[0] for p in own], [p[0] for p in wanted])
        row = self.row(name) if name else None
        place = [*np.flatnonzero(self.rows == row), -1][0]
        exclude = torch.tensor([place])
        scores, ids = self.retriever.search(query, parsed, k, exclude)
        ranked = zip(self.rows[ids[0].numpy()].tolist(), scores[0].tolist(), strict=True)
        results = Results(
            self.path(name) if name else None,
            " ".join(map(str, parsed)),
            tuple(self.hit(*each) for each in ranked),
            remarks,
            searched=len(self.rows) - (place >= 0),
            total=len(self.rows),
        )
        if self.confidence is None or not any(edit.strength > 0 for edit in parsed):
            return results
        found = self.confidence.of(query, parsed, ids, exclude=exclude)
        likely = found.attribute[0].tolist(), found.combination[0].tolist()
        hits = [
            replace(hit, edited=edited, combination=combination)
            for hit, edited, combination in zip(results.hits, *likely, strict=True)
        ]
        return replace(results, hits=tuple(hits), confidence=found.texts[0])

    def hit(self, row: int, score: float) -> Hit:
        schema, item = self.catalog.schema, self.catalog.table["item"].iloc[row]
        classes = zip(schema.types, self.catalog.labels[row], strict=True)
        labels = {name: schema.of(name)[c] for name, c in classes if c != UNLABELLED}
        named = None if pd.isna(item) else str(item)
        return Hit(row, self.path_of(row), named, labels, score)


def answer(config: Config, own: bool) -> str:
    """The results as text, and a picture of them."""
    assert config.image, "the command checks image="
    run = OpenRun(*reopen(config, own, searched=True))
    results = run.search(config.image, run.parse(config.edits), config.k)
    picture = config.folder / "searches" / f"{file_name(config.image, config.edits)}.png"
    shown = [(hit.path, hit.caption) for hit in results]
    lines = [str(results), f"by {display_name(run.vectors.name, looks())}"]
    if draw_results(picture, (run.path(config.image), results.edits), shown):
        lines.append(f"picture: {picture}")
    return "\n".join(lines)


def file_name(image: str, edits: Sequence[str]) -> str:
    """A name that another photo or other edits do not have."""
    text = " ".join([image, *edits])
    shown = re.sub(r"[^\w.+-]+", "_", " ".join([Path(image).stem, *edits]))[:100].strip("_")
    return f"{shown}-{zlib.crc32(text.encode(errors='surrogateescape')):08x}"
