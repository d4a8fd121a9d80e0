"""Writes files of a published data set: the tests make miniatures of them, with every trap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

NOT_A_PICTURE = "never decoded by the reader: "


def write_lines(path: Path, lines: Iterable[object], newline: str = "\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}{newline}" for line in lines).encode("utf-8"))


def write_listing(
    path: Path,
    columns: str,
    rows: Sequence[Sequence[object]],
    announced: int | None = None,
    newline: str = "\n",
) -> None:
    """A list file as DeepFashion has them: number, names, rows padded to columns by spaces."""
    padded = ["".join(f"{value!s:<60} " for value in row) for row in rows]
    write_lines(path, [len(rows) if announced is None else announced, columns, *padded], newline)


def write_images(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(f"{NOT_A_PICTURE}{name}".encode())  # no two are identical
