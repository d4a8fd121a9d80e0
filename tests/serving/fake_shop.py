"""A small shop with the HTTP API of the service, with drawn garments.

Its search knows the labels of every garment, so that a test knows which results are right.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from PIL import Image, ImageDraw, UnidentifiedImageError

import flam_pl.serving

PAGE = Path(flam_pl.serving.__file__).parent / "page"
POLICY = "default-src 'self'; img-src 'self' data: blob:"
COLORS = {
    "red": (196, 48, 44), "blue": (44, 84, 172), "green": (52, 124, 74), "yellow": (232, 190, 60),
    "black": (40, 40, 44), "white": (250, 250, 248), "pink": (232, 150, 172),
    "orange": (228, 122, 44), "navy blue": (30, 40, 78), "beige": (214, 198, 168),
}  # fmt: skip
PATTERNS, SHAPES = ("plain", "striped", "dotted"), ("shirt", "dress", "jeans")
SCHEMA = {"color": tuple(COLORS), "pattern": PATTERNS, "shape": SHAPES}
OUTLINES = {
    "shirt": [(75, 70), (125, 55), (195, 55), (245, 70), (300, 140), (258, 172), (240, 148),
              (240, 330), (80, 330), (80, 148), (62, 172), (20, 140)],
    "dress": [(110, 40), (135, 50), (185, 50), (210, 40), (205, 150), (265, 350), (55, 350),
              (115, 150)],
    "jeans": [(95, 45), (225, 45), (248, 360), (182, 360), (160, 150), (138, 360), (72, 360)],
}  # fmt: skip
SURE, UNSURE = 0.94, 0.03  # probability of a photo's label, and of a wanted class that it has not


def draw(color: str, pattern: str, shape: str) -> bytes:
    """A garment on a white ground, PNG."""
    paint = COLORS[color]
    mark = (250, 248, 242) if sum(paint) < 560 else (70, 66, 62)
    cloth = Image.new("RGB", (320, 400), paint)
    pen = ImageDraw.Draw(cloth)
    if pattern == "striped":
        for y in range(30, 400, 26):
            pen.rectangle((0, y, 320, y + 8), fill=mark)
    elif pattern == "dotted":
        for y in range(25, 400, 34):
            for x in range(10 + (y // 34) % 2 * 17, 320, 34):
                pen.ellipse((x - 6, y - 6, x + 6, y + 6), fill=mark)
    mask = Image.new("L", (320, 400), 0)
    ImageDraw.Draw(mask).polygon(OUTLINES[shape], fill=255)
    picture = Image.new("RGB", (320, 400), (255, 255, 255))
    picture.paste(cloth, mask=mask)
    ImageDraw.Draw(picture).polygon(OUTLINES[shape], outline=(120, 112, 104), width=2)
    return png(picture)


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def color_at_center(photo: bytes) -> str:
    """Name of the color that is nearest to the middle of a photo."""
    with Image.open(io.BytesIO(photo)) as opened:
        picture = opened.convert("RGB")
    pixel = picture.getpixel((picture.width // 2, picture.height // 2))
    return min(
        COLORS, key=lambda name: sum((a - b) ** 2 for a, b in zip(COLORS[name], pixel, strict=True))
    )


@dataclass
class Piece:
    """A photo of the catalogue with its true labels."""

    id: str
    labels: dict[str, str]
    columns: dict[str, Any]
    photo: bytes


def wardrobe() -> list[Piece]:
    """Every color with every pattern and shape, one each: 90 pieces."""
    pieces = []
    for color in COLORS:
        for pattern in PATTERNS:
            for shape in SHAPES:
                number = len(pieces)
                columns = {
                    "gender": ("Women", "Men", "Unisex")[number % 3],
                    "season": ("Summer", "Winter")[number % 2],
                    "price": 10 + number,
                    "name": f"{color} {shape}, {pattern}".capitalize(),
                }
                labels = {"color": color, "pattern": pattern, "shape": shape}
                photo = draw(color, pattern, shape)
                pieces.append(Piece(f"p{number:03}", labels, columns, photo))
    return pieces


class Refusal(Exception):
    """An error of the API."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message


@dataclass
class Shop:
    """The pieces, the uploads, and the moods that a test can set."""

    pieces: list[Piece] = field(default_factory=wardrobe)
    schema: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(SCHEMA))
    columns: tuple[tuple[str, str], ...] = (
        ("gender", "text"), ("season", "text"), ("price", "number"),
    )  # fmt: skip
    name: str = "wardrobe"
    uploads: dict[str, bytes] = field(default_factory=dict)
    key: str = ""
    busy: int = 0  # searches that are refused with 429 before one is answered
    broken: bool = False
    delay: float = 0.0  # seconds per search
    upload_delay: float = 0.0
    searches: list[dict[str, Any]] = field(default_factory=list)

    def find(self, id: str) -> Piece:
        for piece in self.pieces:
            if piece.id == id:
                return piece
        raise Refusal(404, "unknown_item", f"the gallery has no item {id!r}")

    def labels_of(self, source: Mapping[str, Any]) -> dict[str, str]:
        if "id" in source:
            return self.find(source["id"]).labels
        if source["photo"] not in self.uploads:
            raise Refusal(404, "not_found", "this upload has expired")
        return self.guess(self.uploads[source["photo"]])

    def guess(self, photo: bytes) -> dict[str, str]:
        rest = {name: classes[0] for name, classes in self.schema.items()}
        return {**rest, "color": color_at_center(photo)}

    def passing(self, where: Mapping[str, Any]) -> list[Piece]:
        for column in where:
            if column not in dict(self.columns):
                raise Refusal(400, "bad_filter", f"there is no column {column!r}")

        def passes(value: Any, wanted: Any) -> bool:
            if isinstance(wanted, dict):
                least, most = wanted.get("least"), wanted.get("most")
                return (least is None or value >= least) and (most is None or value <= most)
            return value in (wanted if isinstance(wanted, list) else [wanted])

        return [p for p in self.pieces if all(passes(p.columns[c], w) for c, w in where.items())]

    def parse(self, text: str) -> dict[str, str]:
        """Wanted classes by attribute; a word that names no class is refused."""
        wanted, rest = {}, f" {text.lower().replace(',', ' ')} "
        for attribute, classes in self.schema.items():
            for name in sorted(classes, key=len, reverse=True):
                if f" {name} " in rest:
                    wanted[attribute] = name
                    rest = rest.replace(f" {name} ", " ")
        for word in rest.split():
            if word not in ("in", "and", "but", "with"):
                raise Refusal(400, "bad_edit", f"the word {word!r} is not known")
        return wanted

    def search(self, body: dict[str, Any]) -> dict[str, Any]:
        query, edits = self.labels_of(body), {}
        for edit in body.get("edits", []):
            edits[edit["attribute"]] = edit
        for attribute, name in self.parse(body.get("text", "")).items():
            if attribute in edits:
                raise Refusal(400, "bad_edit", f"two edits for {attribute}; expected one")
            edits[attribute] = {"attribute": attribute, "to": name, "strength": 1.0}
        wanted = {attribute: [name] for attribute, name in query.items()}
        for attribute, edit in edits.items():
            if edit.get("strength", 1.0) < 0.2:
                continue
            example = self.labels_of(edit["like"])[attribute] if "like" in edit else None
            name = example or edit["to"]
            wanted[attribute] = [name] if isinstance(name, str) else list(name)  # a mix
            for name in wanted[attribute]:
                if name not in self.schema[attribute]:
                    raise Refusal(400, "bad_edit", f"{attribute} has no class {name!r}")
        passing = self.passing(body.get("where", {}))
        asked = {attribute: wanted[attribute] for attribute in edits}

        def score(piece: Piece) -> float:
            agree = sum(piece.labels[name] in names for name, names in wanted.items())
            met = sum(piece.labels[name] in names for name, names in asked.items())
            return agree + 2 * met

        ranked = sorted(passing, key=score, reverse=True)
        hits = [
            self.hit(piece, asked, score(piece)) for piece in ranked if piece.id != body.get("id")
        ]
        hits = [hit for hit in hits if (hit["probability"] or 1) >= body.get("least", 0)]
        fits = not asked or any(hit["met"] for hit in hits)
        start = body.get("offset", 0)
        return {
            "query": {"attributes": self.guesses(query)},
            "edits": list(edits.values()),
            "hits": hits[start : start + body.get("limit", 24)],
            "fits": fits,
            "sentence": "" if not asked else "Here is what you asked for."
            if fits else f"Nothing here is {' and '.join(map(' or '.join, asked.values()))}.",
            "answer": (SURE if fits else UNSURE) if asked else None,
            "notes": [],
            "facets": {
                c: dict(Counter(str(p.columns[c]) for p in passing)) for c in body.get("facets", [])
            },
            "total": len(passing),
            "milliseconds": {"decode": 0, "network": 0, "search": 1, "all": 1},
        }  # fmt: skip

    def guesses(self, labels: Mapping[str, str]) -> dict[str, Any]:
        return {name: {"name": value, "probability": SURE} for name, value in labels.items()}

    def item(self, piece: Piece) -> dict[str, Any]:
        return {
            "id": piece.id,
            "image": f"/v1/items/{quote(piece.id, safe='')}/image",
            "attributes": self.guesses(piece.labels),
            "columns": piece.columns,
        }

    def hit(self, piece: Piece, asked: Mapping[str, list[str]], score: float) -> dict[str, Any]:
        met = all(piece.labels[name] in names for name, names in asked.items())
        why = [
            f"{a}: {piece.labels[a]} {SURE:.0%}, wanted {' or '.join(names)}"
            for a, names in asked.items()
        ]
        return {
            **self.item(piece), "score": score, "met": met if asked else None, "uri": None,
            "probability": (SURE if met else UNSURE) if asked else None, "why": why,
        }  # fmt: skip

    def values(self, column: str) -> dict[str, int]:
        return dict(Counter(str(piece.columns[column]) for piece in self.pieces))


def create_app(shop: Shop) -> FastAPI:
    app = FastAPI()

    @app.exception_handler(Refusal)
    async def refused(request: Request, error: Refusal) -> JSONResponse:
        body = {"error": {"code": error.code, "message": error.message}}
        return JSONResponse(body, error.status, {"Retry-After": "1"} if error.status == 429 else {})

    @app.middleware("http")
    async def guard(request: Request, call_next: Any) -> Response:
        protected = shop.key and request.url.path.startswith("/v1")
        if protected and request.headers.get("X-API-Key") != shop.key:
            return await refused(request, Refusal(401, "unauthorized", "the key is missing"))
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = POLICY
        return response

    @app.get("/v1/attributes")
    def attributes() -> Any:
        columns = [
            {"name": n, "kind": kind, "values": shop.values(n) if kind == "text" else None}
            for n, kind in shop.columns
        ]
        classes = [{"name": n, "classes": list(c)} for n, c in shop.schema.items()]
        count = len(shop.pieces)
        return {"name": shop.name, "photos": count, "attributes": classes, "columns": columns}

    @app.get("/v1/items")
    def items(request: Request, offset: int = 0, limit: int = 60) -> Any:
        where: dict[str, Any] = {}
        for name, value in request.query_params.multi_items():
            if ".." in value:
                least, _, most = value.partition("..")
                where[name] = {
                    "least": float(least) if least else None,
                    "most": float(most) if most else None,
                }
            elif name not in ("offset", "limit"):
                where.setdefault(name, []).append(value)
        found = shop.passing(where)
        page = [shop.item(piece) for piece in found[offset : offset + limit]]
        return {"items": page, "total": len(found)}

    @app.get("/v1/items/{id:path}/image")
    def item_image(id: str) -> Response:
        return Response(shop.find(id).photo, media_type="image/png")

    @app.get("/v1/photos/{photo}/image")
    def photo_image(photo: str) -> Response:
        if photo not in shop.uploads:
            raise Refusal(404, "not_found", "this upload has expired")
        return Response(shop.uploads[photo], media_type="image/png")

    @app.post("/v1/photos")
    async def upload(request: Request) -> Any:
        async with request.form() as form:
            data = await form["photo"].read()  # type: ignore[union-attr]
        await asyncio.sleep(shop.upload_delay)
        try:
            guesses = shop.guesses(shop.guess(data))
        except UnidentifiedImageError as error:
            message = "this file is not a photo that can be read"
            raise Refusal(415, "unreadable_image", message) from error
        name = hashlib.sha256(data).hexdigest()
        shop.uploads[name] = data
        return {"photo": name, "attributes": guesses, "expires": int(time.time()) + 86_400}

    @app.post("/v1/search")
    def search(body: dict[str, Any]) -> Any:
        time.sleep(shop.delay)
        if shop.broken:
            raise Refusal(500, "invalid", "something went wrong in the shop")
        if shop.busy > 0:
            shop.busy -= 1
            raise Refusal(429, "busy", "too many searches at a time")
        shop.searches.append(body)
        return shop.search(body)

    @app.get("/")
    def index() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    app.mount("/page", StaticFiles(directory=PAGE))
    return app


@contextmanager
def serving(shop: Shop, prefix: str = "") -> Iterator[str]:
    """The address of the shop, which is served by a thread; below a prefix as behind a proxy."""
    app = create_app(shop)
    if prefix:
        outer = FastAPI()
        outer.mount(prefix, app)
        app = outer
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}{prefix}/"
    finally:
        server.should_exit = True
        thread.join(10)


if __name__ == "__main__":
    with serving(Shop()) as address:
        print(address, flush=True)
        threading.Event().wait()
