"""What a client may send."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from flam_pl.serving.web.responses import ApiError

SOURCES = ("id", "photo", "image", "vector")
LARGEST_PAGE = 200
DEEPEST = 10_000  # of a search; an index answers the first ones

EXAMPLE = {
    "id": "10023",
    "edits": [{"attribute": "color", "to": "red", "strength": 0.8}],
    "where": {"gender": "Women", "price": {"least": 10, "most": 50}},
    "facets": ["gender"],
    "limit": 24,
}

Finite = Annotated[StrictFloat | StrictInt, Field(gt=-(2.0**63), lt=2.0**63)]
Scalar = Annotated[StrictStr, Field(max_length=500)] | Finite | None
PhotoHash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
ItemId = Annotated[str, Field(min_length=1, max_length=1000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


def _one_of(*names: str, **more: Any) -> Callable[[dict[str, Any]], None]:
    """Says in the schema of a model that exactly one of these fields is given, and is not null."""

    def change(schema: dict[str, Any]) -> None:
        for name in names:
            field = schema["properties"][name]
            kinds = [kind for kind in field.pop("anyOf") if kind != {"type": "null"}]
            field |= kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
            field.pop("default", None)
        schema |= {"oneOf": [{"required": [name]} for name in names], **more}

    return change


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Between(_Strict):
    """Bounds of a number, each may be missing."""

    least: Finite | None = None
    most: Finite | None = None


Conditions = dict[Name, Scalar | Between | Annotated[list[Scalar], Field(max_length=200)]]


class Like(_Strict):
    """An example: an item of the gallery or an uploaded photo."""

    model_config = ConfigDict(json_schema_extra=_one_of("id", "photo"))
    id: ItemId | None = None
    photo: PhotoHash | None = None

    @model_validator(mode="after")
    def _one(self) -> Like:
        if (self.id is None) == (self.photo is None):
            raise ValueError("expected either id or photo")
        return self


class EditRequest(_Strict):
    """What one attribute should be instead: a class, a mix, or as in an example."""

    model_config = ConfigDict(json_schema_extra=_one_of("to", "like"))
    attribute: Name
    to: Name | Annotated[dict[Name, Annotated[Finite, Field(gt=0)]], Field(min_length=1)] | None = (
        Field(None, description="A class, or classes with weights.")
    )
    like: Like | None = None
    strength: Share = Field(1.0, description="From 0, the photo as it is, to 1, the whole edit.")

    @model_validator(mode="after")
    def _one(self) -> EditRequest:
        if (self.to is None) == (self.like is None):
            raise ValueError("expected either to or like")
        return self


class SearchRequest(_Strict):
    """A photo, by one of id, photo, image and vector, and what should be different."""

    model_config = ConfigDict(json_schema_extra=_one_of(*SOURCES, examples=[EXAMPLE]))
    id: ItemId | None = Field(None, description="An item of the gallery.")
    photo: PhotoHash | None = Field(None, description="An upload, as POST /v1/photos named it.")
    image: str | None = Field(None, description="The content of a JPEG, PNG or WEBP, in base64.")
    vector: Annotated[list[Finite], Field(min_length=1, max_length=16_384)] | None = Field(
        None, description="The feature of a photo."
    )
    edits: list[EditRequest] = Field([], max_length=50)
    text: str = Field("", max_length=500, description='Edits in words, e.g. "in red, striped".')
    where: Conditions = Field({}, max_length=50, description="All of them must hold.")
    facets: list[Name] = Field([], max_length=50, description="Columns whose values are counted.")
    limit: int = Field(24, ge=1, le=LARGEST_PAGE)
    offset: int = Field(0, ge=0, le=DEEPEST)
    least: Share = Field(0.0, description="Hits with a smaller probability are left out.")
    explain: bool = Field(True, description="Whether each hit says why.")

    @model_validator(mode="after")
    def _one(self) -> SearchRequest:
        given = [name for name in SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"expected exactly one of {', '.join(SOURCES)}; got {' and '.join(given) or 'none'}"
            )
        return self


def image_bytes(text: str) -> bytes:
    """The bytes of a photo in base64, with or without the start of a data: address."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ApiError(415, "unreadable_image", "image is not base64") from error


def where_of(conditions: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any] | None:
    """The conditions for a gallery with these columns (name -> "text" or "number").

    Raises ApiError for an unknown column, or a bound on a text.
    """
    from flam_pl.galleries.stored import Range

    known_columns(conditions, columns)
    where: dict[str, Any] = {}
    for name, value in conditions.items():
        if not isinstance(value, Between):
            where[name] = value
            continue
        if columns[name] != "number":
            raise ApiError(400, "bad_filter", f"column {name!r} holds text: it has no bounds")
        where[name] = Range(least=value.least, most=value.most)
    return where or None


def known_columns(names: Sequence[str] | Mapping[str, Any], columns: Mapping[str, str]) -> None:
    for name in names:
        if name not in columns:
            known = ", ".join(columns) or "none"
            raise ApiError(400, "bad_filter", f"no column {name!r}; the columns are: {known}")


def conditions_of(
    parameters: Sequence[tuple[str, str]], columns: Mapping[str, str]
) -> dict[str, Any]:
    """Conditions from a query string: ``gender=Women&color=red&color=blue&price=10..50``."""
    found: dict[str, list[Any]] = {}
    known_columns([name for name, _ in parameters], columns)
    for name, text in parameters:
        value: Any = text
        if columns[name] == "number":
            value = _number_or_bounds(name, text)
        found.setdefault(name, []).append(value)
    for name, values in found.items():
        if len(values) > 1 and any(isinstance(value, Between) for value in values):
            raise ApiError(400, "bad_filter", f"column {name!r} has bounds and another condition")
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _number_or_bounds(name: str, text: str) -> Any:
    least, dots, most = text.partition("..")
    try:
        ends = [float(end) if end.strip() else None for end in (least, most)]
    except ValueError:
        ends = [math.nan]
    if any(end is not None and not math.isfinite(end) for end in ends) or ends == [None, None]:
        raise ApiError(
            400,
            "bad_filter",
            f"column {name!r} holds numbers; got {text[:80]!r}, expected 5 or 1..9",
        )
    return Between(least=ends[0], most=ends[1]) if dots else ends[0]


COLUMNS = '{"gender": "Women", "price": 9.5}'


class _Columns(BaseModel):
    columns: dict[Name, Scalar] = Field(max_length=100)


def columns_of(text: str) -> dict[str, Any]:
    """The columns of an item from a field of a form, JSON. Raises ApiError."""
    try:
        return _Columns(columns=json.loads(text or "{}")).columns
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"][:2])
        raise ApiError(422, "invalid", f"{place}: {fault['msg']}; expected {COLUMNS}") from error
    except (ValueError, RecursionError) as error:
        raise ApiError(422, "invalid", f"columns is not JSON such as {COLUMNS}") from error
