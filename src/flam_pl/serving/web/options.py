"""How a gallery is served."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from flam_pl.errors import FlamError
from flam_pl.serving.web.guards import LOOPBACK
from flam_pl.serving.web.uploads import Limits


@dataclass(frozen=True)
class Options:
    """How a gallery is served."""

    host: str = "127.0.0.1"
    port: int = 8000
    key: str = ""
    """API key, expected in the header ``X-API-Key``; empty: none is needed."""
    hosts: tuple[str, ...] = ()
    """Further names by which clients may call a service that listens on 127.0.0.1, e.g. that of a
    proxy; "*" for any."""
    roots: tuple[str | Path, ...] = ()
    """Folders below which photos of the gallery may be shown; empty: as indexed."""
    folder: str | Path | None = None
    """For uploads and for the photos that clients put; None: temporary, and nothing can be put."""
    show_uris: bool = False
    redirect: bool = False
    """Whether a photo that is an http(s) address is shown by a redirect to it."""
    limits: Limits = field(default_factory=Limits)
    upload_seconds: float = 86_400
    upload_folder_bytes: int = 2**30
    batch: int = 16
    """Queries that are answered together, at most."""
    waiting: int = 64
    """Queries that may wait; further ones are refused with 429."""
    stop_seconds: float = 30
    """For requests in progress, after a stop signal."""

    def __post_init__(self) -> None:
        if not (self.key.isascii() and self.key.isprintable() and self.key == self.key.strip()):
            raise FlamError(
                "the key of serve has a sign that no HTTP header can carry, or a space at an end; "
                "expected key= with letters, digits and signs of ASCII. Choose another key"
            )

    @property
    def is_local(self) -> bool:
        return self.host in LOOPBACK

    @property
    def writable(self) -> bool:
        """Whether items can be put and deleted: with a folder, and locally or with a key."""
        return self.folder is not None and (self.is_local or bool(self.key))

    @property
    def called(self) -> tuple[str, ...]:
        """Host names that the service accepts; () for any. Guards against DNS rebinding."""
        if not self.is_local or "*" in self.hosts:
            return ()
        return (*LOOPBACK, *(name.lower() for name in self.hosts))
