"""The file with a gallery's index, beside the gallery; a damaged file is ignored."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from flam_pl.atomic_io import replacing
from flam_pl.galleries.ann import Approximate, Facts

PARTS = ("index", "rows", "mean", "of_photos", "of_queries")


def beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.index")


def write_index(path: Path, made: Approximate) -> None:
    mean, of_photos, of_queries = made.maps
    parts: dict[str, Any] = {
        "facts": np.frombuffer(json.dumps(vars(made.facts)).encode(), np.uint8),
        "index": faiss.serialize_index(made.index),
        "rows": made.rows,
        **{"mean": mean, "of_photos": of_photos, "of_queries": of_queries},
    }
    with replacing(path) as new, open(new, "wb") as out:
        np.savez(out, **parts)


def read_index(path: Path, kind: str, gallery: str, changes: int) -> Approximate | None:
    """The index; None if the file is damaged (each part has a checksum) or does not fit."""
    try:
        with np.load(path, allow_pickle=False) as held:
            facts = Facts(**json.loads(held["facts"].tobytes()))
            if (facts.kind, facts.gallery) != (kind, gallery) or facts.changes > changes:
                return None
            index, rows, *maps = (held[part] for part in PARTS)
        return Approximate(facts, faiss.deserialize_index(index), rows, tuple(maps))
    except (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile):
        return None
