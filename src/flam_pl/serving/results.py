"""Queries and results of a search."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from flam_pl.editing.edits import Edit
from flam_pl.galleries.stored import Value, Where
from flam_pl.images.files import UnreadableImage, opened, read_file

THUMBNAIL = 160  # pixels


@dataclass(frozen=True)
class Guess:
    """The likeliest class of one attribute type."""

    name: str
    probability: float


@dataclass(frozen=True)
class Hit:
    """One photo that was found."""

    id: str
    uri: str
    score: float
    attributes: Mapping[str, Guess]
    columns: Mapping[str, Value]
    met: bool | None = None  # whether it more likely than not has the wanted classes
    probability: float | None = None  # that it has them; None without an edit
    why: tuple[str, ...] = ()  # per edited type what was wanted and what the photo is


@dataclass(frozen=True)
class Query:
    """One search, by exactly one of ``photo``, ``id`` and ``vector``."""

    photo: str | Path | bytes | None = None  # a file or its content
    id: str | None = None  # of a photo of the gallery
    vector: np.ndarray | None = None  # a feature, (D,)
    edits: tuple[Edit, ...] = ()
    text: str = ""  # further edits in words: "in red, striped"
    k: int = 20
    offset: int = 0  # results to leave out, for the next page
    where: Where | None = None
    facets: tuple[str, ...] = ()  # columns whose values are counted
    least: float = 0.0  # least ``probability`` of a result
    distinct: bool = True  # of photos of one item or one content only the best is found


@dataclass(frozen=True)
class Results(Sequence[Hit]):
    """The results of one search, best first."""

    hits: tuple[Hit, ...]
    query: Mapping[str, Guess]  # what the query photo is
    edits: tuple[Edit, ...] = ()  # with those of the text
    notes: tuple[str, ...] = ()  # e.g. that the query is red already
    answer: float | None = None  # probability that a photo has all that is wanted
    fits: bool = True  # False: no photo seems to have all that is wanted
    sentence: str = ""
    facets: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    total: int = 0  # photos that were searched
    source: Path | bytes | None = None  # the query photo, for a notebook

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, number):  # type: ignore[no-untyped-def]
        return self.hits[number]

    def __str__(self) -> str:
        lines = [*self.notes, *([self.sentence] if self.sentence else [])]
        for rank, hit in enumerate(self.hits, start=1):
            sure = "" if hit.probability is None else f" {100 * hit.probability:3.0f} %"
            names = " ".join(guess.name for guess in hit.attributes.values())
            lines.append(f"{rank:3d} {hit.score:7.3f}{sure}  {hit.id}  {names}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The query and the results as pictures, for a notebook."""
        edits = " ".join(map(str, self.edits))
        shown = [] if self.source is None else [figure(self.source, f"query {edits}".strip())]
        for hit in self.hits:
            mark = "" if hit.met is None else ("✓ " if hit.met else "✗ ")
            names = " ".join(guess.name for guess in hit.attributes.values())
            shown.append(figure(Path(hit.uri), f"{mark}{hit.score:.3f} {names}"))
        lines = [*self.notes, *([self.sentence] if self.sentence else [])]
        text = "".join(f"<p>{escape(line)}</p>" for line in lines)
        return f"{text}<div style='display:flex;flex-wrap:wrap'>{''.join(shown)}</div>"


def figure(source: Path | bytes, caption: str) -> str:
    """An HTML picture with the photo inside; the caption alone if the photo cannot be read."""
    picture = ""
    with suppress(UnreadableImage):  # an address, or a file that is gone
        name = Path("photo") if isinstance(source, bytes) else source
        data = opened(source if isinstance(source, bytes) else read_file(source), name, thumbnail)
        address = f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
        picture = f"<img src='{address}' alt='{escape(caption)}'>"
    return (
        f"<figure style='width:{THUMBNAIL}px;margin:4px'>{picture}"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def thumbnail(image: Image.Image) -> bytes:
    """The photo as a small upright JPEG."""
    small = ImageOps.exif_transpose(image).convert("RGB")
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=85)
    return file.getvalue()
