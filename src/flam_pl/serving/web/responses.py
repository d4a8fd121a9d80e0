"""What the service answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

import numpy as np
from pydantic import BaseModel, Field

from flam_pl.attributes import AttributeSchema
from flam_pl.errors import FlamError

Code = Literal[
    "unknown_item",
    "unreadable_image",
    "bad_edit",
    "bad_filter",
    "too_large",
    "busy",
    "unauthorized",
    "not_found",
    "invalid",
    "internal",
]
_SERVER_PATH = re.compile(r"(?<![\w.])/(?:[^\s/:;,'\"]+/)+[^\s:;,'\"]*")


class ApiError(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, code: Code, message: str, retry_after: int | None = None):
        super().__init__(message)
        self.status, self.code, self.message, self.retry_after = status, code, message, retry_after


class ErrorBody(BaseModel):
    code: Code
    message: str = Field(description="For the user, in plain English.")


class ErrorResponse(BaseModel):
    error: ErrorBody

    model_config = {
        "json_schema_extra": {
            "examples": [{"error": {"code": "unknown_item", "message": "no item '10023'"}}]
        }
    }


class GuessResponse(BaseModel):
    name: str
    probability: float


Attributes = dict[str, GuessResponse]
Value = str | int | float | None


class ItemResponse(BaseModel):
    id: str
    image: str = Field(description="Address of the thumbnail.")
    attributes: Attributes
    columns: dict[str, Value]


class ItemsResponse(BaseModel):
    items: list[ItemResponse]
    total: int


class AttributeResponse(BaseModel):
    name: str
    classes: list[str]


class ColumnResponse(BaseModel):
    name: str
    kind: Literal["text", "number"]
    values: dict[str, int] | None = Field(None, description="Of a text with at most 50 values.")


class AttributesResponse(BaseModel):
    name: str
    photos: int
    attributes: list[AttributeResponse]
    columns: list[ColumnResponse]


class PhotoResponse(BaseModel):
    photo: str = Field(description="SHA-256 of the file; searches name the photo by it.")
    attributes: Attributes
    expires: int = Field(description="Unix seconds.")


class DeletedResponse(BaseModel):
    deleted: int


class HealthResponse(BaseModel):
    status: Literal["ok"]
    photos: int


class QueryResponse(BaseModel):
    attributes: Attributes


class EditResponse(BaseModel):
    attribute: str
    to: str | dict[str, float] | None = None
    like: dict[str, str] | None = None
    strength: float


class HitResponse(ItemResponse):
    score: float
    met: bool | None = Field(description="Whether the photo has all that is wanted.")
    probability: float | None = Field(description="Of the wanted classes; null without an edit.")
    why: list[str]
    uri: str | None = Field(description="Null unless the service shows the gallery's addresses.")


class Milliseconds(BaseModel):
    decode: float
    network: float
    search: float
    all: float


class SearchResponse(BaseModel):
    query: QueryResponse
    edits: list[EditResponse] = Field(description="As understood, those of the text included.")
    hits: list[HitResponse]
    fits: bool = Field(description="False: no item fits; the hits are the nearest.")
    sentence: str
    answer: float | None = Field(description="Probability that some item has all that is wanted.")
    notes: list[str]
    facets: dict[str, dict[str, int]]
    total: int = Field(description="Photos that the conditions let through.")
    milliseconds: Milliseconds


def item_path(identity: str) -> str:
    return f"/v1/items/{quote(identity, safe='', errors='surrogatepass')}"


def attributes_of(guesses: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {"name": guess.name, "probability": float(guess.probability)}
        for name, guess in guesses.items()
    }


def attributes_in(vector: np.ndarray, schema: AttributeSchema) -> dict[str, Any]:
    """The likeliest class per type, from the log-posteriors at a gallery vector's end."""
    found, start = {}, len(vector) - sum(schema.sizes)
    for name, size in zip(schema.types, schema.sizes, strict=True):
        logs = np.asarray(vector[start : start + size], dtype=np.float64)
        best = int(logs.argmax())
        probability = float(np.exp(logs[best] - np.logaddexp.reduce(logs)))
        found[name] = {"name": schema.of(name)[best], "probability": probability}
        start += size
    return found


def item_of(item: Any, schema: AttributeSchema) -> dict[str, Any]:
    return {
        "id": item.id,
        "image": f"{item_path(item.id)}/image",
        "attributes": attributes_in(item.vector, schema),
        "columns": dict(item.columns),
    }


def edits_of(edits: Sequence[Any], examples: Mapping[str, Mapping[str, str]]) -> list[Any]:
    """The edits as understood; ``examples``: attribute -> its example's name."""
    found: list[dict[str, Any]] = []
    for edit in edits:
        said: dict[str, Any] = {"attribute": edit.attribute_type, "strength": edit.strength}
        if isinstance(edit.wanted, str):
            said["to"] = edit.wanted
        elif isinstance(edit.wanted, Mapping):
            said["to"] = {name: float(weight) for name, weight in edit.wanted.items()}
        else:
            said["like"] = examples.get(edit.attribute_type)
        found.append(said)
    return found


def hit_of(hit: Any, explain: bool, show_uris: bool) -> dict[str, Any]:
    return {
        "id": hit.id,
        "image": f"{item_path(hit.id)}/image",
        "attributes": attributes_of(hit.attributes),
        "columns": dict(hit.columns),
        "score": float(hit.score),
        "met": None if hit.met is None else bool(hit.met),
        "probability": None if hit.probability is None else float(hit.probability),
        "why": list(hit.why) if explain else [],
        "uri": hit.uri if show_uris else None,
    }


def as_api_error(error: FlamError, show_paths: bool = False) -> ApiError:
    """The answer for an error. Its message loses the server's paths, unless ``show_paths``.

    The classes are compared by name: the module of ``UnreadableImage`` imports torch.
    """
    names = {cls.__name__ for cls in type(error).__mro__}
    message = str(error) if show_paths else _SERVER_PATH.sub("(a file)", str(error))
    if "Busy" in names:
        return ApiError(429, "busy", message, retry_after=getattr(error, "seconds", 1))
    if "UnknownItem" in names:
        return ApiError(404, "unknown_item", str(error))
    if "PhotoRefused" in names:
        if getattr(error, "too_large", False):
            return ApiError(413, "too_large", message)
        return ApiError(415, "unreadable_image", message)
    if "UnreadableImage" in names:
        return ApiError(415, "unreadable_image", "the photo cannot be decoded")
    if names & {"UnknownPhoto", "NoPicture"}:
        return ApiError(404, "not_found", message)
    if names & {"EditError", "SchemaError"}:
        return ApiError(400, "bad_edit", message)
    return ApiError(400, "invalid", message)
