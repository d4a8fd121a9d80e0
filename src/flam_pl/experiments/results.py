"""The results of a search."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from tabulate import tabulate
from torchvision.io import encode_jpeg

from flam_pl.images.pixels import fit, read_image

THUMBNAIL = 128  # pixels


@dataclass(frozen=True)
class Hit:
    """One photo that was found."""

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
        """The query and the hits as pictures, for a notebook."""
        query = [figure(self.query, f"query {self.edits}".strip())] if self.query else []
        shown = [figure(hit.path, hit.caption) for hit in self.hits]
        text = "".join(f"<p>{escape(line)}</p>" for line in self.remarks)
        return f"{text}<div style='display:flex;flex-wrap:wrap'>{''.join([*query, *shown])}</div>"


def figure(path: Path, caption: str) -> str:
    """An HTML picture that needs no file."""
    jpeg = encode_jpeg(fit(read_image(path), THUMBNAIL)).numpy().tobytes()
    source = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    return (
        f"<figure style='width:{THUMBNAIL}px;margin:4px'>"
        f"<img src='{source}' alt='{escape(path.name)}'>"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
