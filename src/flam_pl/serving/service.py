"""The HTTP service: its options, its parts, its start and its end."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from flam_pl.errors import FlamError
from flam_pl.serving.web.answering import Service
from flam_pl.serving.web.batching import Batcher
from flam_pl.serving.web.endpoints import add_endpoints
from flam_pl.serving.web.guards import LOOPBACK, Guard, Rules, error_response, of_http
from flam_pl.serving.web.monitoring import Monitoring
from flam_pl.serving.web.responses import ApiError, as_api_error
from flam_pl.serving.web.thumbnails import Thumbnails
from flam_pl.serving.web.uploads import Limits, Uploads, clean_jpeg

PAGE = Path(__file__).parent / "page"
DESCRIPTION = """Fashion search with edits: "this one, but in red".

Every error is `{"error": {"code", "message"}}`. A full queue answers 429 with `Retry-After`.
"""


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

    @property
    def is_local(self) -> bool:
        return self.host in LOOPBACK

    @property
    def writable(self) -> bool:
        """Without a key, only a service of this machine can be written to."""
        return self.folder is not None and (self.is_local or bool(self.key))

    @property
    def called(self) -> tuple[str, ...]:
        """Names of the service, against pages that point a name of theirs to 127.0.0.1."""
        if not self.is_local or "*" in self.hosts:
            return ()
        return (*LOOPBACK, *(name.lower() for name in self.hosts))


def create_app(searcher: Any, options: Options | None = None) -> FastAPI:
    """The service of a Searcher with a gallery, as an ASGI application.

    Raises FlamError for a searcher without a gallery.
    """
    options = options or Options()
    if searcher.gallery is None:
        raise FlamError("the searcher has no gallery to serve; give one to Searcher.load")
    monitoring = Monitoring()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with tempfile.TemporaryDirectory(prefix="flam-pl-") as temporary:
            folder = Path(options.folder or temporary)
            own = folder / "photos"
            app.state.service = service = Service(
                searcher,
                options,
                monitoring,
                Batcher(searcher, monitoring, options.batch, options.waiting),
                Uploads(
                    folder / "uploads",
                    options.upload_seconds,
                    options.upload_folder_bytes,
                    clean=partial(clean_jpeg, limits=options.limits),
                ),
                Thumbnails([Path(root) for root in options.roots], own),
            )
            yield
            await service.close()

    app = FastAPI(
        title="flam-pl",
        version="1",
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # the usual page asks other servers for its scripts
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    rules = Rules(
        key=options.key,
        hosts=options.called,
        writable=options.writable,
        photo_bytes=options.limits.bytes,
        remote_images=options.redirect,
    )
    app.add_middleware(Guard, rules=rules, monitoring=monitoring)
    _answer_errors(app, options.show_uris)
    add_endpoints(app)
    _add_pages(app)
    return app


def _answer_errors(app: FastAPI, show_uris: bool) -> None:
    async def refused(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, FlamError)
        return error_response(as_api_error(error, show_uris))

    async def answered(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ApiError)
        return error_response(error)

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return error_response(ApiError(422, "invalid", message_of(error)))

    async def of_framework(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        response = error_response(of_http(error))
        for name, value in (error.headers or {}).items():
            response.headers[name] = value
        return response

    app.add_exception_handler(FlamError, refused)
    app.add_exception_handler(ApiError, answered)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, of_framework)


def message_of(error: RequestValidationError) -> str:
    """The first three faults, each with its place; what was sent is not repeated."""
    faults = []
    for fault in error.errors()[:3]:
        places = [str(part)[:80] for part in fault["loc"] if part != "body"]
        reason = fault["msg"][:200].removeprefix("Value error, ")
        faults.append(f"{'.'.join(places) or 'the request'}: {reason}")
    return "; ".join(faults)


def _add_pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    def page() -> Response:
        if not (PAGE / "index.html").is_file():
            raise ApiError(404, "not_found", "this installation has no page; /docs has the API")
        return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})

    @app.get("/docs", include_in_schema=False)
    def docs() -> Response:
        from flam_pl.serving.web.api_page import api_page

        text, policy = api_page(app.openapi())
        return Response(text, media_type="text/html", headers={"Content-Security-Policy": policy})

    if PAGE.is_dir():
        app.mount("/page", PageFiles(directory=PAGE), name="page")


class PageFiles(StaticFiles):
    """The files of the page; browsers ask whether they have changed."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


class _Server(uvicorn.Server):
    """Ends with 0 after a stop signal; a second signal ends at once."""

    def __init__(self, config: uvicorn.Config, started: Callable[[str], None]) -> None:
        super().__init__(config)
        self._tell = started

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._tell(f"http://{f'[{host}]' if ':' in host else host}:{port}")


def serve(
    searcher: Any,
    options: Options | None = None,
    started: Callable[[str], None] = lambda address: print(f"serving at {address}", flush=True),
) -> None:
    """Serve until SIGTERM or SIGINT, in this process; then finish what is running and return.

    ``started`` is called with the address, e.g. for port 0, which takes any free port.
    Raises FlamError where the port is taken.
    """
    options = options or Options()
    config = uvicorn.Config(
        create_app(searcher, options),
        host=options.host,
        port=options.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(options.stop_seconds),
        timeout_keep_alive=10,
        limit_concurrency=None,
        backlog=256,
    )
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    server = _Server(config, started)
    try:
        server.run()
    except SystemExit as error:  # uvicorn, where it cannot listen
        raise FlamError(
            f"cannot listen on {options.host}:{options.port}; is the port taken? Choose another"
        ) from error
    if not server.started:
        raise FlamError(f"cannot listen on {options.host}:{options.port}; choose another port")
