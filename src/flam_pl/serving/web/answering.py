"""What the endpoints share: the searcher, the queue, uploads, thumbnails, and a search."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np

from flam_pl.attributes import same_name
from flam_pl.errors import FlamError
from flam_pl.serving.web import responses as out
from flam_pl.serving.web.batching import Batcher, Busy
from flam_pl.serving.web.monitoring import Monitoring
from flam_pl.serving.web.options import Options
from flam_pl.serving.web.requests import (
    EditRequest,
    SearchRequest,
    image_bytes,
    known_columns,
    where_of,
)
from flam_pl.serving.web.responses import ApiError
from flam_pl.serving.web.thumbnails import Thumbnails, is_address
from flam_pl.serving.web.uploads import Uploads

MANY_VALUES = 50  # a text column with more lists none
FACET_VALUES = 200  # per column, the most frequent
REMEMBERED = 2_000  # features of uploaded photos, so that an edit needs no network again
COLUMN_SECONDS = 10.0
READERS, DECODERS = 2, 2  # threads that read the gallery and its photos, and decode uploads
ROOM = 128  # requests that wait for each kind


class Service:
    """The parts that the endpoints share."""

    def __init__(
        self,
        searcher: Any,
        options: Options,
        monitoring: Monitoring,
        batcher: Batcher,
        uploads: Uploads,
        thumbnails: Thumbnails,
    ) -> None:
        self.searcher, self.options, self.monitoring = searcher, options, monitoring
        self.batcher, self.uploads, self.thumbnails = batcher, uploads, thumbnails
        self.gallery, self.schema = searcher.gallery, searcher.bundle.schema
        self.changes = 0  # of the gallery by this service
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="gallery")
        self._decoders = ThreadPoolExecutor(DECODERS, thread_name_prefix="uploads")
        self._running: Counter[ThreadPoolExecutor] = Counter()
        self._features: OrderedDict[str, np.ndarray] = OrderedDict()
        self._columns: tuple[float, int, dict[str, str]] | None = None
        self._attributes: tuple[float, int, Any] | None = None

    async def close(self) -> None:
        await self.batcher.close()
        self._readers.shutdown()
        self._decoders.shutdown()

    async def off_loop(self, action: Callable[..., Any], *arguments: Any) -> Any:
        """Run ``action`` in a thread that reads the gallery. Raises Busy if too many wait."""
        return await self._in(self._readers, action, *arguments)

    async def decoded(self, action: Callable[..., Any], *arguments: Any) -> Any:
        """Run ``action`` in a thread for uploads: a large upload delays no gallery reads."""
        started = time.perf_counter()
        value = await self._in(self._decoders, action, *arguments)
        self.monitoring.parts.labels("decode").observe(time.perf_counter() - started)
        return value

    async def _in(
        self, threads: ThreadPoolExecutor, action: Callable[..., Any], *arguments: Any
    ) -> Any:
        if self._running[threads] >= ROOM:
            raise Busy(1)
        self._running[threads] += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(threads, action, *arguments)
        finally:
            self._running[threads] -= 1

    async def columns(self) -> dict[str, str]:
        """Name -> "text" or "number"; looked up again after a change or ten seconds."""
        now, known = time.monotonic(), self._columns
        if known is None or known[0] < now or known[1] != self.changes:
            found = dict((await self.off_loop(self.gallery.info)).columns)
            self._columns = known = (now + COLUMN_SECONDS, self.changes, found)
        return known[2]

    async def feature(self, photo: str, jpeg: bytes) -> tuple[np.ndarray, float]:
        """The feature ``(D,)`` of a photo with this SHA-256, and the seconds that it took."""
        if photo in self._features:
            self._features.move_to_end(photo)
            return self._features[photo], 0.0
        answer = await self.batcher.features(jpeg)
        self._features[photo] = np.asarray(answer.value)
        if len(self._features) > REMEMBERED:
            self._features.popitem(last=False)
        return self._features[photo], answer.took

    async def photos(self) -> int:
        return int(await self.off_loop(len, self.gallery))

    async def attributes(self) -> dict[str, Any]:
        now, known = time.monotonic(), self._attributes
        if known is None or known[0] < now or known[1] != self.changes:
            columns = await self.columns()
            texts = [name for name, kind in columns.items() if kind == "text"]
            values = await self.off_loop(self.gallery.facets, texts) if texts else {}
            found = [
                {
                    "name": name,
                    "kind": kind,
                    "values": v if (v := values.get(name)) and len(v) <= MANY_VALUES else None,
                }
                for name, kind in columns.items()
            ]
            self._attributes = known = (now + COLUMN_SECONDS, self.changes, found)
        schema = self.schema
        return {
            "name": self.searcher.bundle.name,
            "photos": await self.photos(),
            "attributes": [{"name": n, "classes": list(schema.of(n))} for n in schema.types],
            "columns": known[2],
        }

    async def item(self, identity: str) -> Any:
        return (await self.off_loop(self.gallery.fetch, [identity]))[0]

    async def edit(self, edit: EditRequest) -> tuple[Any, float]:
        """An Edit, and the seconds that the network took for its example."""
        from flam_pl.editing.edits import Edit

        if edit.to is not None:
            return Edit(edit.attribute, edit.to, edit.strength), 0.0
        assert edit.like is not None
        if edit.like.photo is not None:
            jpeg = await self.off_loop(self.uploads.read, edit.like.photo)
            feature, took = await self.feature(edit.like.photo, jpeg)
        else:
            feature = await self.off_loop(self.searcher.feature_of, str(edit.like.id))
            took = 0.0
        return Edit.like(edit.attribute, feature, edit.strength), took

    async def search(self, request: SearchRequest) -> dict[str, Any]:
        from flam_pl.serving.results import Query as SearchQuery

        started, decode, network = time.perf_counter(), 0.0, 0.0
        columns = await self.columns() if request.where or request.facets else {}
        where = where_of(request.where, columns)
        known_columns(request.facets, columns)
        vector: np.ndarray | None = None
        if request.vector is not None:
            vector = np.asarray(request.vector, dtype=np.float32)
        elif request.id is None:
            photo, jpeg = await self.decoded(self._photo_of, request)
            decode = time.perf_counter() - started
            vector, network = await self.feature(photo, jpeg)
        edits, examples = [], {}
        for edit in request.edits:
            made, took = await self.edit(edit)
            edits.append(made)
            network += took
            if edit.like is not None:
                name = same_name(edit.attribute, self.schema.types) or edit.attribute
                examples[name] = edit.like.model_dump(exclude_none=True)
        query = SearchQuery(
            id=request.id,
            vector=vector,
            edits=tuple(edits),
            text=request.text,
            k=request.limit,
            offset=request.offset,
            where=where,
            facets=tuple(dict.fromkeys(request.facets)),
            least=request.least,
        )
        answer = await self.batcher.search(query)
        results, show = answer.value, self.options.show_uris
        seconds = {"decode": decode, "network": network, "search": answer.took}
        seconds["all"] = time.perf_counter() - started
        return {
            "query": {"attributes": out.attributes_of(results.query)},
            "edits": out.edits_of(results.edits, examples),
            "hits": [out.hit_of(hit, request.explain, show) for hit in results],
            "fits": bool(results.fits),
            "sentence": results.sentence,
            "answer": None if results.answer is None else float(results.answer),
            "notes": list(results.notes),
            "facets": {
                name: dict(islice(counts.items(), FACET_VALUES))
                for name, counts in results.facets.items()
            },
            "total": results.total,
            "milliseconds": {name: round(1000 * value, 2) for name, value in seconds.items()},
        }

    def _photo_of(self, request: SearchRequest) -> tuple[str, bytes]:
        if request.photo is not None:
            return request.photo, self.uploads.read(request.photo)
        data = image_bytes(request.image or "")
        return hashlib.sha256(data).hexdigest(), self.uploads.clean(data)

    async def put(
        self, identity: str, data: bytes, columns: dict[str, Any], uri: str
    ) -> dict[str, Any]:
        """Decode and extract a photo; store photo, then item; remove the item's old photo."""
        from flam_pl.galleries.stored import Item

        if uri and not is_address(uri) and not self.thumbnails.may_be_put(uri):
            reason = "uri is no http(s) address, nor below an allowed folder"
            raise ApiError(400, "invalid", reason)
        numbers = [name for name, kind in (await self.columns()).items() if kind == "number"]
        texts = [name for name in numbers if isinstance(columns.get(name), str)]
        if texts:
            raise ApiError(422, "invalid", f"column {texts[0]!r} holds numbers; got a text")
        jpeg = await self.decoded(self.uploads.clean, data)
        feature = (await self.batcher.features(jpeg)).value

        def write() -> Any:
            vectors, lengths = self.searcher.vectors(np.asarray(feature)[None])
            new = Item(
                id=identity,
                uri=uri,
                columns=columns,
                hash=hashlib.sha256(data).hexdigest(),
                vector=vectors[0],
                length=float(lengths[0]),
            )
            try:
                old = self.gallery.fetch([identity])[0]
            except FlamError:
                old = None
            self.thumbnails.put(new, jpeg)
            try:
                self.gallery.add([new])
            except BaseException:
                if old is None or old.hash != new.hash:
                    self.thumbnails.forget(new)
                raise
            if old is not None and old.hash != new.hash:
                self.thumbnails.forget(old)
            return new

        new = (await self.batcher.call(write)).value
        self.changes += 1
        return out.item_of(new, self.schema)
