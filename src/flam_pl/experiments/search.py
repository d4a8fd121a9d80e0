"""One's own photo, searched among a run's images: "this one, but in red"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tabulate import tabulate
from torch import Tensor

from flam_pl.attributes import UNLABELLED
from flam_pl.config.root import Config
from flam_pl.datasets.catalog import Catalog
from flam_pl.editing.applicability import Applicability, Refusal
from flam_pl.editing.edits import Edit, wanted_probabilities
from flam_pl.editing.parsing import parse_edits
from flam_pl.errors import ConfigError, FlamError
from flam_pl.experiments.compute_metrics import METHODS
from flam_pl.experiments.evaluate import reopen
from flam_pl.experiments.pipeline import Run
from flam_pl.experiments.trained import TrainedRun
from flam_pl.images import read_image
from flam_pl.reports.measurements import display_name
from flam_pl.reports.pictures import draw_results
from flam_pl.retrieval.confidence import ConfidenceEstimator
from flam_pl.retrieval.retriever import GalleryIndex


@dataclass(frozen=True)
class Result:
    """An image that was found.

    Attributes:
        row: of the catalog.
        path: the file.
        item: None where it has none.
        labels: attribute type -> class, of the types that are labelled.
        score: inner product with the edited query.
        attribute, combination: how likely it has what was wished for, and that with the query's
            own classes in every other type; None by a method that does not know.
    """

    row: int
    path: Path
    item: str | None
    labels: dict[str, str]
    score: float
    attribute: float | None = None
    combination: float | None = None


@dataclass(frozen=True)
class Found:
    """Results, best first, and what else there is to say of the search.

    Attributes:
        remarks: e.g. that the query is already what is asked for.
        sure: a line that says how likely the gallery has what is wanted, or that nothing seems to
            fit; None without an edit, or by a method that does not know.
    """

    results: tuple[Result, ...]
    remarks: tuple[str, ...]
    sure: str | None = None


class Search:
    """The evaluation images of a finished run, searched by the row that is best on validation."""

    def __init__(self, run: Run, trained: TrainedRun) -> None:
        """Args:
        run: with its features, as ``reopen`` gives it.

        Raises:
            FlamError: the run has no evaluation image.
        """
        self.run, self.trained = run, trained
        self.catalog: Catalog = run.catalog
        # a distorted view is no photo to be shown
        is_photo = (self.catalog.table["view"] == 0).to_numpy(bool)
        self.rows = np.intersect1d(self.catalog.rows("evaluation"), np.flatnonzero(is_photo))
        if not len(self.rows):
            raise FlamError(f"{self.catalog.name} has no evaluation image to search among")
        self.vectors, self.posteriors = trained.best, trained.posteriors
        features = run.data.features.rows(self.rows)
        self.index = GalleryIndex(self.vectors, features)
        self.sure: ConfidenceEstimator | None = None
        if trained.sureness:
            self.sure = ConfidenceEstimator(trained.sureness, self.posteriors, features)
        self.applicability = Applicability.of(self.catalog)

    @classmethod
    def open(cls, config: Config, own: bool) -> Search:
        """As ``reopen``.

        Raises:
            FlamError: the run is not finished, or was trained on other data.
        """
        return cls(*reopen(config, own))

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Catalog row of each photo, by its path in the catalog and by its whole path."""
        rows = np.flatnonzero((self.catalog.table["view"] == 0).to_numpy(bool))
        paths, names = self.catalog.paths, self.catalog.table["path"].to_numpy()
        found = {str(paths[row].resolve()): int(row) for row in rows}
        return found | {str(names[row]): int(row) for row in rows}

    def row(self, image: str) -> int | None:
        """Of an image of the catalog; None: it is none."""
        row = self.row_of.get(image)
        return self.row_of.get(str(Path(image).expanduser().resolve())) if row is None else row

    def path(self, image: str) -> Path:
        """The file of an image that is named by its path or by that of the catalog."""
        row = self.row(image)
        if row is None:
            return Path(image).expanduser()
        return self.catalog.root / self.catalog.table["path"].iloc[row]

    @torch.inference_mode()
    def feature(self, image: str) -> Tensor:
        """``(D,)``: as it is stored, or computed where the image is not of the catalog.

        Raises:
            UnreadableImage: there is no such file, or it is no image.
        """
        row = self.row(image)
        if row is not None:
            return self.run.data.features.rows(np.array([row]))[0]
        pixels = self.trained.preprocess(read_image(self.path(image)))
        return self.trained.backbone(pixels[None])[0].float()

    def parse(self, edits: Sequence[str]) -> list[Edit]:
        """Edits as they are typed; an example (``color=@other.jpg``) is named as an image is.

        Raises:
            EditError: as ``parse_edits``.
            UnreadableImage: an example that is no image.
        """
        return parse_edits(edits, self.catalog.schema, self.feature)

    @torch.inference_mode()
    def find(self, image: str | Tensor, edits: Sequence[Edit], k: int) -> Found | Refusal:
        """The k images that come first after the edit; never the query itself.

        Args:
            image: a file, a path of the catalog, or a stored feature ``(D,)``.

        Returns:
            Fewer than k where there are no more; a ``Refusal`` where an edit cannot apply.

        Raises:
            SchemaError, EditError: as ``Editor.edit``.
            UnreadableImage: as ``feature``.
        """
        query = (self.feature(image) if isinstance(image, str) else image)[None]
        own = self.posteriors.read(query)
        wanted = wanted_probabilities(own, edits, self.posteriors)
        judged = self.applicability.judge(edits, [p[0] for p in own], [p[0] for p in wanted])
        if judged.refusal:
            return judged.refusal
        row = self.row(image) if isinstance(image, str) else None
        place = [*np.flatnonzero(self.rows == row), -1][0]
        itself = [place] if place >= 0 else None
        scores, positions = self.index.search(query, k, edits, exclude=itself)
        results = [
            self.result(int(row), float(score))
            for row, score in zip(self.rows[positions[0]], scores[0], strict=True)
        ]
        if self.sure is None or not any(edit.strength > 0 for edit in edits):
            return Found(tuple(results), judged.remarks)
        said = self.sure.of(query, edits, positions, exclude=torch.tensor([place]))
        results = [
            replace(result, attribute=float(attribute), combination=float(combination))
            for result, attribute, combination in zip(
                results, said.attribute[0], said.combination[0], strict=True
            )
        ]
        return Found(tuple(results), judged.remarks, said.texts()[0])

    def result(self, row: int, score: float) -> Result:
        """What the catalog knows of a row."""
        record, labels = self.catalog.table.iloc[row], self.catalog.labels[row]
        item = record["item"]
        return Result(
            row,
            self.catalog.root / record["path"],
            None if pd.isna(item) else str(item),
            {
                name: self.catalog.schema.of(name)[labels[t]]
                for t, name in enumerate(self.catalog.schema.types)
                if labels[t] != UNLABELLED
            },
            score,
        )


def answer(config: Config, own: bool) -> str:
    """The ``search`` command: a table of the results, which it also draws.

    Raises:
        FlamError: as ``Search.open``; no image, an edit that cannot be meant or cannot apply.
    """
    if not config.image:
        raise ConfigError(
            "name the photo to search with: image=photo.jpg, and what should be different: "
            "edits=[color=red]"
        )
    search = Search.open(config, own)
    edits = search.parse(config.edits)
    found = search.find(config.image, edits, config.k)
    if isinstance(found, Refusal):
        raise FlamError(found.reason)
    asked = " ".join(map(str, edits))
    picture = config.folder / "searches" / f"{file_name(config.image, asked)}.png"
    shown = [(r.path, " ".join([f"{r.score:.3f}", *r.labels.values()])) for r in found.results]
    drawn = draw_results(picture, (search.path(config.image), asked), shown)
    table = results_table(found.results, search.catalog.schema.types)
    said = [found.sure] if found.sure else []
    lines = [
        *found.remarks,
        *said,
        table,
        f"by {display_name(search.vectors.name, METHODS)}",
        *([f"picture: {picture}"] if drawn else []),
    ]
    return "\n".join(lines)


def file_name(image: str, asked: str) -> str:
    """The photo's name and the edits, of letters and digits that every disk takes."""
    return re.sub(r"[^\w.+-]+", "_", f"{Path(image).stem} {asked}".strip())[:120]


def results_table(results: Sequence[Result], types: Sequence[str]) -> str:
    """A row an image, the best first."""
    body = [
        [
            str(rank),
            f"{result.score:.3f}",
            *([f"{100 * result.combination:.0f} %"] if result.combination is not None else []),
            str(result.path),
            result.item or "",
            *(result.labels.get(name, "") for name in types),
        ]
        for rank, result in enumerate(results, start=1)
    ]
    sure = ["sure"] if results and results[0].combination is not None else []
    head = ["", "score", *sure, "path", "item", *types]
    return str(tabulate(body, headers=head, tablefmt="simple", disable_numparse=True))
