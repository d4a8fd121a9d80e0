"""A gallery in Milvus: a cluster, or a file of Milvus Lite, open in one process at a time."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from flam_pl.errors import FlamError
from flam_pl.galleries.items import (
    ITEM,
    PER_ITEM,
    Distinct,
    Found,
    Info,
    Item,
    UnknownItem,
    Where,
    check_gallery,
    check_where,
    checked_queries,
    checked_vectors,
    no_gallery,
)
from flam_pl.galleries.milvus_filters import condition, key_of, plain

COLLECTION = "flam_pl"
MOST_FOUND = 16_384  # a limit of Milvus
BATCH = 1000
LONGEST = 8192  # bytes of an id or an address
INDEXES: dict[str, tuple[str, dict[str, int]]] = {
    "flat": ("FLAT", {}),
    "hnsw": ("HNSW", {"M": 32, "efConstruction": 200}),
    "ivf_sq8": ("IVF_SQ8", {"nlist": 2048}),
    "ivf_pq": ("IVF_PQ", {"nlist": 2048, "m": 64}),
}
T = TypeVar("T")


class MilvusGallery:
    """``address``: ``milvus:<file>``, or ``http(s)://host:port[/collection]``.

    Milvus stores the vectors as float32. A photo's key is the hash of its id, because Milvus takes
    no quotation marks in keys. ``add`` is one request: durable as a whole, because the collection
    has one shard.
    """

    def __init__(
        self,
        address: str,
        space: str | None = None,
        dimension: int | None = None,
        *,
        index: str | None = None,
    ) -> None:
        if index is not None and index not in INDEXES:
            raise FlamError(f"there is no index {index!r}; choose one of {', '.join(INDEXES)}")
        self.address = address
        self.file = Path(address[len("milvus:") :]) if address.startswith("milvus:") else None
        uri, self.name = self._target()
        if self.file and not self.file.exists() and (space is None or dimension is None):
            raise no_gallery(address)
        self._client = self._connected(uri)
        if not self._ask(lambda: self._client.has_collection(self.name)):
            if space is None or dimension is None:
                self.close()
                raise no_gallery(address)
            self._create(space, dimension, index or ("flat" if self.file else "hnsw"))
        for name in (self.name, self._facts_name):
            self._ask(lambda name=name: self._client.load_collection(name))  # type: ignore[misc]
        facts = self._facts()
        self.space, self.dimension, self.index = facts["space"], facts["dimension"], facts["index"]
        check_gallery(address, (self.space, self.dimension), space, dimension)

    def _target(self) -> tuple[str, str]:
        if self.file:
            return str(self.file), COLLECTION
        scheme, _, rest = self.address.partition("://")
        host, _, collection = rest.partition("/")
        return f"{scheme}://{host}", collection or COLLECTION

    def _connected(self, uri: str) -> Any:
        try:
            from pymilvus import MilvusClient
        except ImportError as error:
            raise FlamError(f"{self.address} needs pymilvus: install flam-pl[milvus]") from error
        return self._ask(lambda: MilvusClient(uri))

    def _ask(self, question: Callable[[], T]) -> T:
        """Milvus's answer; its errors become FlamError."""
        from pymilvus.exceptions import MilvusException

        try:
            return question()
        except (MilvusException, OSError, ValueError, RuntimeError, ImportError) as error:
            raise FlamError(f"{self.address}: {error}") from error

    # -- what is stored

    @property
    def _facts_name(self) -> str:
        return f"{self.name}_facts"

    def _create(self, space: str, dimension: int, index: str) -> None:
        from pymilvus import DataType

        texts = {"id": LONGEST, "uri": LONGEST, "hash": 128, "stamp": 128}
        self._collect(self._facts_name, 2, "flat", {}, {"facts": DataType.JSON})
        facts = {"space": space, "dimension": dimension, "index": index, "columns": {}}
        self._write_facts(facts)
        others = {"position": DataType.INT64, "length": DataType.DOUBLE, "columns": DataType.JSON}
        self._collect(self.name, dimension, index, texts, others)

    def _collect(
        self, name: str, dimension: int, index: str, texts: Mapping[str, int], others: Mapping
    ) -> None:
        from pymilvus import DataType

        if self._ask(lambda: self._client.has_collection(name)):
            return
        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=64)
        for field, length in texts.items():
            schema.add_field(field, DataType.VARCHAR, max_length=length)
        for field, kind in others.items():
            schema.add_field(field, kind)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
        kind, params = INDEXES[index]
        indexes = self._client.prepare_index_params()
        indexes.add_index("vector", index_type=kind, metric_type="IP", params=params)
        options = {"schema": schema, "index_params": indexes, "num_shards": 1}
        options["consistency_level"] = "Strong"
        self._ask(lambda: self._client.create_collection(name, **options))

    def _facts(self) -> dict[str, Any]:
        held = self._ask(
            lambda: self._client.query(
                self._facts_name, filter='key == "facts"', output_fields=["facts"]
            )
        )
        if not held:
            raise FlamError(f"{self.address} is a collection, but not a gallery of flam-pl")
        return held[0]["facts"]

    def _write_facts(self, facts: Mapping[str, Any]) -> None:
        row = {"key": "facts", "facts": dict(facts), "vector": [0.0, 0.0]}
        self._ask(lambda: self._client.upsert(self._facts_name, [row]))

    # -- writing

    def add(self, items: Sequence[Item]) -> None:
        vectors = checked_vectors(items, self.dimension).astype(np.float32)
        if not items:
            return
        for item in items:
            if max(len(item.id.encode()), len(item.uri.encode())) > LONGEST:
                raise FlamError(f"photo {item.id!r}: its id or uri is longer than {LONGEST} bytes")
        self._note_columns(items)
        known = {row["key"]: row["position"] for row in self._rows_of(items, ["position"])}
        now = time.time_ns()
        rows: dict[str, dict[str, Any]] = {}
        for number, (item, vector) in enumerate(zip(items, vectors, strict=True)):
            key = key_of(item.id)
            position = known.get(key, rows.get(key, {}).get("position", now + number))
            held = {n: plain(value) for n, value in item.columns.items() if value is not None}
            rows[key] = {
                **{"key": key, "id": item.id, "uri": item.uri, "hash": item.hash},
                **{"stamp": item.stamp, "position": position, "length": float(item.length)},
                **{"columns": held, "vector": vector},
            }
        self._ask(lambda: self._client.upsert(self.name, list(rows.values())))

    def _note_columns(self, items: Sequence[Item]) -> None:
        facts = self._facts()
        columns = dict(facts["columns"])
        for item in items:
            for name, value in item.columns.items():
                if isinstance(value, str) or name not in columns:
                    number = value is not None and not isinstance(value, str)
                    columns[name] = "number" if number else "text"
        if columns != facts["columns"]:
            self._write_facts({**facts, "columns": columns})

    def delete(self, ids: Sequence[str]) -> int:
        keys = [row["key"] for row in self._rows_of_ids(ids, ["position"])]
        if keys:
            self._ask(lambda: self._client.delete(self.name, ids=keys))
        return len(keys)

    # -- reading

    def __len__(self) -> int:
        return self.count()

    def search(
        self, vectors: np.ndarray, k: int, where: Where | None = None, distinct: bool = False
    ) -> Found:
        queries = checked_queries(vectors, k, self.dimension)
        among, most = self._condition(where), min(self.count(where), MOST_FOUND)
        has_items = distinct and ITEM in self._facts()["columns"]
        wanted = min(k * PER_ITEM if has_items else k, most)
        while True:
            found = self._found(queries, k, wanted, among, distinct, has_items)
            if not distinct or wanted >= most or min(map(len, found.ids), default=k) >= k:
                return found
            wanted = min(2 * wanted, most)

    def _found(
        self,
        queries: np.ndarray,
        k: int,
        wanted: int,
        among: str,
        distinct: bool,
        has_items: bool,
    ) -> Found:
        found = Found([], [])
        hits: list[list[dict[str, Any]]] = [[] for _ in queries]
        if wanted and len(queries):
            fields = ["id", "hash", *(["columns"] if has_items else [])]
            options: dict[str, Any] = {"limit": wanted, "output_fields": fields}
            if self.index == "hnsw":
                options["search_params"] = {"params": {"ef": max(200, wanted)}}
            elif self.index != "flat":
                options["search_params"] = {"params": {"nprobe": 128}}
            hits = self._ask(
                lambda: self._client.search(
                    self.name, list(queries), among, anns_field="vector", **options
                )
            )
        for of_query in hits:
            photos = Distinct()
            best = [
                hit
                for hit in of_query
                if not distinct
                or photos.takes(hit["entity"]["hash"], hit["entity"].get("columns", {}).get(ITEM))
            ][:k]
            found.ids.append([hit["entity"]["id"] for hit in best])
            found.scores.append(np.array([hit["distance"] for hit in best], np.float32))
        return found

    def fetch(self, ids: Sequence[str]) -> list[Item]:
        fields = ["id", "uri", "columns", "hash", "vector", "length", "stamp"]
        known = {row["id"]: row for row in self._rows_of_ids(ids, fields)}
        items = []
        for id in ids:
            if id not in known:
                raise UnknownItem(id)
            row = known[id]
            vector = np.asarray(row["vector"], np.float32).astype(np.float16)
            own = (row["columns"], row["hash"], vector, row["length"], row["stamp"])
            items.append(Item(id, row["uri"], *own))
        return items

    def ids(self, offset: int, limit: int, where: Where | None = None) -> list[str]:
        rows = self._all(["id", "position"], where)
        order = sorted((row["position"], row["id"]) for row in rows)
        return [id for _, id in order[max(offset, 0) :][: max(limit, 0)]]

    def stamps(self) -> dict[str, tuple[str, str]]:
        rows = self._all(["id", "stamp", "hash"])
        return {row["id"]: (row["stamp"], row["hash"]) for row in rows}

    def count(self, where: Where | None = None) -> int:
        options = {"filter": self._condition(where), "output_fields": ["count(*)"]}
        return self._ask(lambda: self._client.query(self.name, **options))[0]["count(*)"]

    def facets(
        self, columns: Sequence[str], where: Where | None = None
    ) -> dict[str, dict[str, int]]:
        check_where(dict.fromkeys(columns), list(self._facts()["columns"]))
        counts: dict[str, Counter[Any]] = {name: Counter() for name in columns}
        for row in self._all(["columns"], where):
            for name in columns:
                if name in row["columns"]:
                    counts[name][row["columns"][name]] += 1
        facets: dict[str, dict[str, int]] = {name: Counter() for name in columns}
        for name, each in counts.items():
            for value, n in each.items():  # a number and its text are one
                facets[name][str(value)] += n
        return {n: dict(sorted(f.items(), key=lambda p: (-p[1], p[0]))) for n, f in facets.items()}

    def info(self) -> Info:
        paths = [self.file, *self.file.rglob("*")] if self.file else []
        return Info(
            address=self.address,
            rows=len(self),
            dimension=self.dimension,
            space=self.space,
            index=f"milvus {self.index}",
            disk_bytes=sum(path.stat().st_size for path in paths if path.is_file()),
            memory_bytes=len(self) * 4 * self.dimension,
            columns={n: kind for n, kind in self._facts()["columns"].items() if self._holds(n)},
        )

    def _holds(self, column: str) -> bool:
        """Whether any photo has a value in this column; an older list may have had it."""
        some = {"filter": f"not ({condition({column: None})})", "limit": 1}
        return bool(self._ask(lambda: self._client.query(self.name, output_fields=["id"], **some)))

    def close(self) -> None:
        self._client.close()

    def _all(self, fields: Sequence[str], where: Where | None = None) -> Iterator[dict[str, Any]]:
        """Every photo that fits ``where``, in no order."""
        options = {"filter": self._condition(where), "output_fields": list(fields)}
        rows = self._ask(
            lambda: self._client.query_iterator(self.name, batch_size=BATCH, **options)
        )
        while batch := self._ask(rows.next):
            yield from batch
        rows.close()

    def _rows_of(self, items: Sequence[Item], fields: Sequence[str]) -> list[dict[str, Any]]:
        return self._rows_of_ids([item.id for item in items], fields)

    def _rows_of_ids(self, ids: Sequence[str], fields: Sequence[str]) -> list[dict[str, Any]]:
        keys = list(dict.fromkeys(map(key_of, ids)))
        rows: list[dict[str, Any]] = []
        for start in range(0, len(keys), BATCH):
            among = f"key in {json.dumps(keys[start : start + BATCH])}"
            options = {"filter": among, "output_fields": ["key", *fields]}
            rows += self._ask(lambda o=options: self._client.query(self.name, **o))  # type: ignore[misc]
        return rows

    def _condition(self, where: Where | None) -> str:
        check_where(where, list(self._facts()["columns"]) if where else [])
        return condition(where)
