"""Reads files of earlier commands; errors name the file and the remedy."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from flam_pl.errors import FlamError

SEAL = "sha256"  # key of the SHA-256 of a file's other content; files of older versions have none


class DamagedFile(FlamError):
    """A cut, edited or foreign file."""

    def __init__(self, path: Path, reason: object, remedy: str) -> None:
        reason = " ".join(str(reason).split())[:300]
        super().__init__(f"{path} cannot be read ({reason}). {remedy}")
        self.path = path


@contextmanager
def reading(path: Path, remedy: str) -> Iterator[None]:
    """Turn errors about the content of ``path`` into DamagedFile; FlamError and OSError pass."""
    try:
        yield
    except (FlamError, OSError):
        raise
    except Exception as error:  # content of any kind raises errors of any kind
        raise DamagedFile(path, f"{type(error).__name__}: {error}", remedy) from error


def sealed(plain: Mapping[str, Any], nan: bool = False) -> str:
    """JSON with the SHA-256 of its content, for ``read_json``."""
    return json.dumps({**plain, SEAL: _seal(plain)}, indent=1, allow_nan=nan)


def _seal(plain: Mapping[str, Any]) -> str:
    read_back = json.loads(json.dumps(plain))
    return hashlib.sha256(json.dumps(read_back, sort_keys=True).encode()).hexdigest()


def read_json(path: Path, kind: Any, remedy: str, nan: bool = False) -> Any:
    """A JSON file as a value of ``kind``, e.g. a dataclass; ``nan``: numbers may be nan. Raises
    DamagedFile for invalid JSON, other keys or types, and changed content."""
    try:
        with reading(path, remedy):
            plain = json.loads(path.read_bytes())
            seal = plain.pop(SEAL, None) if isinstance(plain, dict) else None
            if seal is not None and seal != _seal(plain):
                raise ValueError("it was changed after it was written")
            return _typed(kind, plain, "the file", nan)
    except OSError as error:
        raise DamagedFile(path, error.strerror, remedy) from error


def _typed(kind: Any, value: Any, where: str, nan: bool) -> Any:
    if kind is Any:
        return value
    if is_dataclass(kind) and isinstance(kind, type):
        hints, names = get_type_hints(kind), [each.name for each in fields(kind)]
        if not isinstance(value, dict) or set(value) != set(names):
            raise ValueError(f"{where} has not the keys {', '.join(names)}")
        return kind(**{name: _typed(hints[name], value[name], name, nan) for name in names})
    of = get_args(kind)
    if NoneType in of:
        return None if value is None else _typed(of[0], value, where, nan)
    if get_origin(kind) is list and isinstance(value, list):
        return [_typed(of[0], each, where, nan) for each in value]
    if get_origin(kind) in (dict, Mapping) and isinstance(value, dict):
        return {key: _typed(of[1], each, key, nan) for key, each in value.items()}
    if kind is float and type(value) in (int, float) and (nan or math.isfinite(value)):
        return float(value)
    if kind in (int, str, bool) and type(value) is kind:
        return value
    raise ValueError(f"{where} is {str(value)[:40]!r}, expected {kind}")


def require_ours(folder: Path, *marks: str) -> None:
    """Raise FlamError unless ``folder`` is absent, empty, or has the files ``marks`` of this
    program."""
    if not folder.is_symlink() and not folder.exists():
        return
    real = folder.is_dir() and not folder.is_symlink()
    if real and (not any(folder.iterdir()) or all((folder / mark).is_file() for mark in marks)):
        return
    got = f"{folder} would be replaced, but flam-pl did not write it (no {' and '.join(marks)})"
    raise FlamError(f"{got}. Move it away, or name another run or report.")
