"""The photos of a gallery in one SQLite file, from which all indexes derive.

A vector never changes, and its row number is never used again: a replaced photo gets another row.
So an index over row numbers may be out of date, but never wrong.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from flam_pl.errors import FlamError
from flam_pl.galleries.items import (
    ITEM,
    Item,
    UnknownItem,
    Value,
    Where,
    check_gallery,
    check_where,
    checked_vectors,
    no_gallery,
)
from flam_pl.galleries.sqlite_filters import condition

FORMAT = 1
MOST_COLUMNS = 500
SECONDS = 60.0  # that a writer waits for another one
READ = 2048  # vectors that are read at once
PAGE = 16384  # bytes; six vectors of 1,340 numbers fit
SCHEMA = """
CREATE TABLE state (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE vectors (row INTEGER PRIMARY KEY AUTOINCREMENT, vector BLOB NOT NULL);
CREATE TABLE items (
    position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
    row INTEGER NOT NULL UNIQUE, uri TEXT NOT NULL, hash TEXT NOT NULL, length REAL NOT NULL,
    stamp TEXT NOT NULL
);
CREATE TABLE columns (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE removed (row INTEGER PRIMARY KEY, change INTEGER NOT NULL);
CREATE INDEX removed_when ON removed (change);
"""


class ItemTable:
    """The tables of a gallery; every thread has its own connection."""

    def __init__(self, path: Path, space: str | None, dimension: int | None) -> None:
        self.path = path
        self._connections: dict[int, tuple[threading.Thread, sqlite3.Connection]] = {}
        self._closed = False
        making = space is not None and dimension is not None
        if not path.exists() and not making:
            raise no_gallery(str(path))
        if dimension is not None and dimension < 1:
            raise FlamError(f"{path}: a vector cannot have {dimension} numbers")
        path.parent.mkdir(parents=True, exist_ok=True)
        # SQLite needs to write in the folder, unless it may take the file as one that never changes
        frozen = not os.access(path.parent, os.W_OK) and not Path(f"{path}-wal").exists()
        self._address = f"{path.absolute().as_uri()}{'?immutable=1' if frozen else ''}"
        self._frozen = path.stat().st_mtime_ns if frozen and path.exists() else None
        with self.transaction(write=making) as db:
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
            if not tables and space is not None and dimension is not None:
                self._create(db, space, dimension)
            elif not tables:  # a killed command leaves an empty file
                raise FlamError(f"{path} is empty: the command `index build` fills it")
            elif "state" not in tables or "vectors" not in tables:
                raise FlamError(f"{path} is not a gallery of flam-pl")
            state = dict(db.execute("SELECT key, value FROM state").fetchall())
        if state.get("format") != FORMAT:
            raise FlamError(
                f"{path}: the gallery has format {state.get('format')}; this version of flam-pl "
                f"reads format {FORMAT}"
            )
        self.space, self.dimension, self.key = state["space"], state["dimension"], state["key"]
        check_gallery(str(path), (self.space, self.dimension), space, dimension)

    def _create(self, db: sqlite3.Connection, space: str, dimension: int) -> None:
        for statement in SCHEMA.split(";"):
            db.execute(statement)
        state = {"format": FORMAT, "space": space, "dimension": dimension, "changes": 0}
        state["key"] = uuid.uuid4().hex
        db.executemany("INSERT INTO state VALUES (?, ?)", state.items())

    # -- transactions

    def _connection(self) -> sqlite3.Connection:
        if self._closed:
            raise FlamError(f"{self.path}: the gallery is closed")
        thread = threading.current_thread()
        known = self._connections.get(thread.ident or 0)
        if known and known[0] is thread:
            return known[1]
        for ident, (other, old) in list(self._connections.items()):
            if not other.is_alive():
                self._connections.pop(ident, (other, old))
                old.close()
        db = sqlite3.connect(
            self._address, timeout=SECONDS, isolation_level=None, check_same_thread=False, uri=True
        )
        if not self.path.exists() or not self.path.stat().st_size:
            db.execute(f"PRAGMA page_size = {PAGE}")
            db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA mmap_size = {2**40}")
        db.execute("PRAGMA cache_size = -8192")
        self._connections[thread.ident or 0] = (thread, db)
        return db

    @contextmanager
    def transaction(self, write: bool = False) -> Iterator[sqlite3.Connection]:
        """One state of the file, from the first read to the end; an error rolls back.

        Within a transaction of this thread: that transaction.
        """
        try:
            if self._frozen and self._frozen != self.path.stat().st_mtime_ns:
                again = "open it again, or give this user the right to write in its folder"
                raise FlamError(f"the gallery {self.path} was changed since it was opened: {again}")
            db = self._connection()
            if db.in_transaction:
                yield db
                return
            db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError) as error:
            hint = ". Its file and folder must be writable"
            hint = hint if "readonly" in str(error) else ""
            raise FlamError(f"the gallery {self.path}: {error}{hint}") from error

    def close(self) -> None:
        self._closed = True
        while self._connections:
            self._connections.popitem()[1][1].close()

    # -- writing

    def add(self, items: Sequence[Item]) -> None:
        vectors = checked_vectors(items, self.dimension)
        if not items:
            return
        with self.transaction(write=True) as db:
            change = self._next_change(db)
            columns = self._add_columns(db, dict.fromkeys(n for i in items for n in i.columns))
            for item, vector in zip(items, vectors, strict=True):
                self._put(db, item, vector.tobytes(), change, columns)

    def _put(
        self, db: sqlite3.Connection, item: Item, vector: bytes, change: int, columns: dict
    ) -> None:
        old = db.execute(
            "SELECT position, row, vector FROM items JOIN vectors USING (row) WHERE id = ?",
            (item.id,),
        ).fetchone()
        if old and old[2] == vector:
            row = old[1]
        else:
            if old:
                self._remove_vector(db, old[1], change)
            row = db.execute("INSERT INTO vectors (vector) VALUES (?)", (vector,)).lastrowid
        values: dict[str, object] = {
            **{"position": old and old[0], "id": item.id, "row": row, "uri": item.uri},
            **{"hash": item.hash, "length": float(item.length), "stamp": item.stamp},
            **{f"c{columns[name]}": value for name, value in item.columns.items()},
        }
        marks = ", ".join("?" * len(values))
        db.execute(
            f"INSERT OR REPLACE INTO items ({', '.join(values)}) VALUES ({marks})",
            tuple(values.values()),
        )

    def delete(self, ids: Sequence[str]) -> int:
        with self.transaction(write=True) as db:
            change, before = self._next_change(db), self.count()
            for id in ids:
                for (row,) in db.execute("SELECT row FROM items WHERE id = ?", (id,)).fetchall():
                    db.execute("DELETE FROM items WHERE row = ?", (row,))
                    self._remove_vector(db, row, change)
            return before - self.count()

    def _remove_vector(self, db: sqlite3.Connection, row: int, change: int) -> None:
        db.execute("DELETE FROM vectors WHERE row = ?", (row,))
        db.execute("INSERT INTO removed VALUES (?, ?)", (row, change))

    def _next_change(self, db: sqlite3.Connection) -> int:
        db.execute("UPDATE state SET value = value + 1 WHERE key = 'changes'")
        return self.changes()

    def _add_columns(self, db: sqlite3.Connection, names: Iterable[str]) -> dict[str, int]:
        known = self._columns(db)
        for name in names:
            if name in known:
                continue
            if len(known) >= MOST_COLUMNS:
                raise FlamError(f"{self.path}: more than {MOST_COLUMNS} columns")
            number = db.execute("INSERT INTO columns (name) VALUES (?)", (name,)).lastrowid
            known[name] = int(number or 0)
            # without a type, a column keeps a text a text and a number a number
            db.execute(f"ALTER TABLE items ADD COLUMN c{number}")
            db.execute(f"CREATE INDEX by_c{number} ON items (c{number}, row)")
        return known

    def _columns(self, db: sqlite3.Connection) -> dict[str, int]:
        return dict(db.execute("SELECT name, number FROM columns ORDER BY number").fetchall())

    # -- reading

    def changes(self) -> int:
        """The number of transactions that changed the gallery."""
        with self.transaction() as db:
            return db.execute("SELECT value FROM state WHERE key = 'changes'").fetchone()[0]

    def fetch(self, ids: Sequence[str]) -> list[Item]:
        with self.transaction() as db:
            columns = self._columns(db)
            cells = "".join(f", c{number}" for number in columns.values())
            query = (
                f"SELECT id, uri, hash, vector, length, stamp{cells} FROM items "
                "JOIN vectors USING (row) WHERE id = ?"
            )
            items = []
            for id in ids:
                found = db.execute(query, (id,)).fetchone()
                if found is None:
                    raise UnknownItem(id)
                uri, hash, vector, length, stamp = found[1:6]
                values = zip(columns, found[6:], strict=True)
                held = {name: value for name, value in values if value is not None}
                vector = np.frombuffer(vector, np.float16)
                items.append(Item(id, uri, held, hash, vector, length, stamp))
        return items

    def ids(self, offset: int, limit: int, where: Where | None = None) -> list[str]:
        with self.transaction() as db:
            sql, values = condition(where, self._columns(db))
            query = f"SELECT id FROM items{sql} ORDER BY position LIMIT ? OFFSET ?"
            found = db.execute(query, (*values, max(limit, 0), max(offset, 0)))
            return [id for (id,) in found]

    def stamps(self) -> dict[str, tuple[str, str]]:
        with self.transaction() as db:
            found = db.execute("SELECT id, stamp, hash FROM items ORDER BY position")
            return {id: (stamp, hash) for id, stamp, hash in found}

    def count(self, where: Where | None = None) -> int:
        with self.transaction() as db:
            sql, values = condition(where, self._columns(db))
            return db.execute(f"SELECT count(*) FROM items{sql}", values).fetchone()[0]

    def facets(self, columns: Sequence[str], where: Where | None) -> dict[str, dict[str, int]]:
        with self.transaction() as db:
            known = self._columns(db)
            check_where(dict.fromkeys(columns), list(known))
            sql, values = condition(where, self._columns(db))
            facets: dict[str, dict[str, int]] = {}
            for name in columns:
                cell = f"c{known[name]}"
                held = f"{sql} AND" if sql else " WHERE"
                query = (
                    f"SELECT {cell}, count(*) FROM items{held} {cell} IS NOT NULL "
                    f"GROUP BY {cell} ORDER BY count(*) DESC, {cell}"
                )
                counts: dict[str, int] = {}
                for value, n in db.execute(query, values):  # a number and its text are one
                    counts[str(value)] = counts.get(str(value), 0) + n
                facets[name] = dict(sorted(counts.items(), key=lambda pair: -pair[1]))
        return facets

    def columns(self) -> dict[str, str]:
        """Column -> "number", or "text" if it holds any text."""
        with self.transaction() as db:
            kinds = {}
            for name, number in self._columns(db).items():
                # texts stand behind all numbers
                query = f"SELECT typeof(c{number}) FROM items ORDER BY c{number} DESC LIMIT 1"
                found = db.execute(query).fetchone()
                if found and found[0] != "null":  # else an older list had this column
                    kinds[name] = "number" if found[0] in ("integer", "real") else "text"
        return kinds

    # -- rows, for an index

    def rows(self, where: Where | None = None, after: int = 0) -> np.ndarray:
        """The rows above ``after`` that fit ``where``: ascending, int64."""
        with self.transaction() as db:
            sql, values = condition(where, self._columns(db))
            held = f"{sql} AND" if sql else " WHERE"
            found = db.execute(f"SELECT row FROM items{held} row > ?", (*values, after))
            return np.sort(np.fromiter((row for (row,) in found), np.int64))

    def removed(self, since: int) -> np.ndarray:
        """The rows removed after change ``since``."""
        with self.transaction() as db:
            found = db.execute("SELECT row FROM removed WHERE change > ?", (since,))
            return np.fromiter((row for (row,) in found), np.int64)

    def vectors(self, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """The vectors of ascending, existing rows: ``(len(rows), V)`` float32."""
        out = np.empty((len(rows), self.dimension), np.float32) if out is None else out
        with self.transaction() as db:
            for start in range(0, len(rows), READ):
                part = rows[start : start + READ]
                blobs = self._blobs(db, part)
                block = np.frombuffer(b"".join(blobs), np.float16)
                out[start : start + READ] = block.reshape(len(part), self.dimension)
        return out

    def _blobs(self, db: sqlite3.Connection, rows: np.ndarray) -> list[bytes]:
        if rows[-1] - rows[0] < 2 * len(rows):
            query = "SELECT row, vector FROM vectors WHERE row BETWEEN ? AND ? ORDER BY row"
            found, wanted = db.execute(query, (int(rows[0]), int(rows[-1]))), set(rows.tolist())
            return [vector for row, vector in found if row in wanted]
        query = "SELECT vector FROM vectors WHERE row = ?"
        return [db.execute(query, (row,)).fetchone()[0] for row in rows.tolist()]

    def describe(self, rows: np.ndarray) -> dict[int, tuple[str, str, Value]]:
        """Row -> (id, hash, item)."""
        with self.transaction() as db:
            number = self._columns(db).get(ITEM)
            item = f"c{number}" if number else "NULL"
            among = "SELECT value FROM json_each(?)"
            query = f"SELECT row, id, hash, {item} FROM items WHERE row IN ({among})"
            found = db.execute(query, (json.dumps(rows.tolist()),))
            return {row: (id, hash, item) for row, id, hash, item in found}

    def has_items(self) -> bool:
        """Whether the gallery has the column ``ITEM``."""
        with self.transaction() as db:
            return ITEM in self._columns(db)
