"""The endpoints of the service."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Security
from fastapi.responses import RedirectResponse, Response
from fastapi.security import APIKeyHeader
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException

from flam_pl.serving.web import responses as out
from flam_pl.serving.web.answering import Service
from flam_pl.serving.web.requests import (
    LARGEST_PAGE,
    SearchRequest,
    columns_of,
    conditions_of,
    where_of,
)
from flam_pl.serving.web.responses import ApiError
from flam_pl.serving.web.thumbnails import PLACEHOLDER, NoPicture, is_address
from flam_pl.serving.web.uploads import UnknownPhoto, is_photo_hash


def service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Shared = Annotated[Service, Depends(service_of)]
Offset = Annotated[int, Query(ge=0, le=10**12)]
ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": out.ErrorResponse, "description": "What was wrong."},
    "5XX": {"model": out.ErrorResponse, "description": "A fault of the service."},
}
BINARY = {"schema": {"type": "string", "format": "binary"}}
PHOTO_FORM = {
    "type": "object",
    "required": ["photo"],
    "properties": {"photo": {"type": "string", "format": "binary"}},
}
PHOTO_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {"schema": PHOTO_FORM},
        **{f"image/{kind}": BINARY for kind in ("jpeg", "png", "webp")},
    },
}
ITEM_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                **PHOTO_FORM,
                "properties": {
                    **PHOTO_FORM["properties"],  # type: ignore[dict-item]
                    "columns": {"type": "string", "description": "A JSON object."},
                    "uri": {"type": "string"},
                },
            },
            "example": {
                "columns": '{"gender": "Women", "price": 9.5}',
                "uri": "https://shop/1.jpg",
            },
        }
    },
}
JPEG_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": BINARY, "image/svg+xml": {}}, "description": "A picture."},
    304: {"description": "As the client has it."},
    307: {"description": "The photo stands on another server."},
}

api = APIRouter(responses=ERRORS)
state = APIRouter(responses=ERRORS)  # needs no key


@api.get("/v1/attributes", response_model=out.AttributesResponse)
async def attributes(service: Shared) -> Any:
    """What can be edited, and the columns by which results can be filtered."""
    return await service.attributes()


@api.get("/v1/items", response_model=out.ItemsResponse)
async def items(
    service: Shared,
    request: Request,
    offset: Offset = 0,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 60,
) -> Any:
    """A page of the catalogue. Further parameters are conditions: `gender=Women&price=10..50`."""
    columns = await service.columns()
    given = request.query_params.multi_items()
    given = [(name, value) for name, value in given if name not in ("offset", "limit")]
    where = where_of(conditions_of(given, columns), columns)

    def page() -> Any:
        gallery = service.gallery
        found = gallery.fetch(gallery.ids(offset, limit, where))
        total = gallery.count(where)
        return {"items": [out.item_of(i, service.schema) for i in found], "total": total}

    return await service.off_loop(page)


@api.get("/v1/items/{id}", response_model=out.ItemResponse)
async def item(service: Shared, id: str) -> Any:
    """One photo of the catalogue."""
    return out.item_of(await service.item(named(id)), service.schema)


@api.get("/v1/items/{id}/image", responses=JPEG_ANSWER, response_class=Response)
async def item_image(
    service: Shared,
    request: Request,
    id: str,
    size: Annotated[int, Query(ge=1, le=4096)] = 320,
) -> Response:
    """The photo of an item as a small JPEG; `size` is rounded up to one of a few."""
    found, thumbnails = await service.item(named(id)), service.thumbnails
    size = thumbnails.size(size)
    etag = thumbnails.etag(found, size)
    headers = {"ETag": etag, "Cache-Control": "private, max-age=3600"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    try:
        thumbnail = await service.off_loop(thumbnails.of, found, size)
    except NoPicture:
        if not is_address(found.uri):
            raise
        if service.options.redirect:
            return RedirectResponse(found.uri, 307, {"Cache-Control": "private, max-age=3600"})
        return Response(PLACEHOLDER, media_type="image/svg+xml")
    return Response(thumbnail.jpeg, media_type="image/jpeg", headers=headers)


@api.post("/v1/photos", response_model=out.PhotoResponse, openapi_extra={"requestBody": PHOTO_BODY})
async def upload(service: Shared, request: Request) -> Any:
    """Upload a JPEG, PNG or WEBP, in a form or as the body, and learn what it is."""
    stored = await service.decoded(service.uploads.add, await photo_in(request))
    feature, _ = await service.feature(stored.photo, stored.jpeg)
    guesses = (await service.batcher.call(lambda: service.searcher.describe(feature))).value
    return {
        "photo": stored.photo,
        "attributes": out.attributes_of(guesses),
        "expires": stored.expires,
    }


@api.get("/v1/photos/{photo}/image", responses=JPEG_ANSWER, response_class=Response)
async def uploaded_image(service: Shared, photo: str) -> Response:
    """An uploaded photo, without its metadata."""
    if not is_photo_hash(photo):
        raise UnknownPhoto("an uploaded photo is named by its SHA-256, 64 small hex digits")
    jpeg = await service.off_loop(service.uploads.read, photo)
    headers = {"ETag": f'"{photo}"', "Cache-Control": "private, max-age=3600"}
    return Response(jpeg, media_type="image/jpeg", headers=headers)


@api.post("/v1/search", response_model=out.SearchResponse)
async def search(service: Shared, query: SearchRequest) -> Any:
    """The photos that are most like a photo, with edits."""
    return await service.search(query)


@api.put(
    "/v1/items/{id}", response_model=out.ItemResponse, openapi_extra={"requestBody": ITEM_BODY}
)
async def put_item(service: Shared, request: Request, id: str) -> Any:
    """Add an item, or replace it. Its photo is stored by the service."""
    return await service.put(named(id), *await form_of(request))


@api.delete("/v1/items/{id}", response_model=out.DeletedResponse)
async def delete_item(service: Shared, id: str) -> Any:
    """Remove an item, and the photo of it that the service stored."""
    identity = named(id)

    def delete() -> int:
        found = service.gallery.fetch([identity])[0]  # raises UnknownItem
        count = service.gallery.delete([identity])
        service.thumbnails.forget(found)
        return int(count)

    deleted = (await service.batcher.call(delete)).value
    service.changes += 1
    return {"deleted": deleted}


@state.get("/health", response_model=out.HealthResponse)
async def health(service: Shared) -> Any:
    """Whether the service answers."""
    return {"status": "ok", "photos": await service.photos()}


@state.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(service: Shared) -> Response:
    """Counters in the text format of Prometheus."""
    service.monitoring.photos.set(await service.photos())
    return Response(service.monitoring.page(), media_type="text/plain; version=0.0.4")


def named(segment: str) -> str:
    """The id in a part of an address, which is percent-encoded."""
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError as error:
        raise ApiError(404, "unknown_item", "an id is a text in UTF-8") from error


def add_endpoints(app: FastAPI, key: bool) -> None:
    """``key``: whether the API description asks for a key; ``Guard`` checks the key itself."""
    header = APIKeyHeader(name="X-API-Key", auto_error=False)
    app.include_router(api, dependencies=[Security(header)] if key else [])
    app.include_router(state)


async def form_of(request: Request) -> tuple[bytes, dict[str, Any], str]:
    """Photo, columns and uri of a form."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise ApiError(415, "invalid", "expected a form (multipart/form-data) with a field photo")
    try:
        async with request.form(max_files=1, max_fields=8, max_part_size=2**17) as form:
            photo = form.get("photo")
            if not isinstance(photo, UploadFile):
                raise ApiError(422, "invalid", "the form has no file in its field photo")
            columns, uri = form.get("columns", ""), form.get("uri", "")
            if isinstance(columns, UploadFile) or isinstance(uri, UploadFile):
                raise ApiError(422, "invalid", "columns and uri are fields of text")
            return await photo.read(), columns_of(columns), uri
    except (MultiPartException, UnicodeDecodeError) as error:
        raise ApiError(400, "invalid", "the form is broken") from error


async def photo_in(request: Request) -> bytes:
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        return (await form_of(request))[0]
    return await request.body()
