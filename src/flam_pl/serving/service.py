"""The HTTP service: its options, its parts, its start and its end."""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
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
from flam_pl.serving.web.guards import Guard, Rules, error_response, of_http
from flam_pl.serving.web.monitoring import Monitoring
from flam_pl.serving.web.options import Options as Options
from flam_pl.serving.web.responses import ApiError, as_api_error
from flam_pl.serving.web.thumbnails import Thumbnails
from flam_pl.serving.web.uploads import Uploads, clean_jpeg

PAGE = Path(__file__).parent / "page"
_OF_PYDANTIC = re.compile(r"body$|(str|float|int|none|nullable|Between)$|.*[\[(]|constrained-")
DESCRIPTION = """Fashion search with edits: "this one, but in red".

Every error is `{"error": {"code", "message"}}`. A full queue answers 429 with `Retry-After`.
"""


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
    add_endpoints(app, bool(options.key))
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
    """The first faults, each with its place; what was sent is not repeated."""
    faults: dict[str, str] = {}  # of several types that a value may have, the first is named
    for fault in error.errors():
        reason = fault["msg"].removeprefix("Value error, ")
        if tuple(fault["loc"]) == ("body",) and fault["type"] == "model_attributes_type":
            reason = "expected a JSON object, with Content-Type: application/json"
        names = [str(part)[:80] for part in fault["loc"] if not _OF_PYDANTIC.match(str(part))]
        faults.setdefault(".".join(names) or "the request", reason[:200])
    return "; ".join(f"{place}: {reason}" for place, reason in list(faults.items())[:3])


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
    """Serve in this process until SIGTERM or SIGINT; then answer the open requests and return.

    ``started`` gets the address; port 0 takes any free port. Raises FlamError if the port is taken.
    """
    options = options or Options()
    if not 0 <= options.port < 2**16:
        raise FlamError(f"port is {options.port}; expected 0 (any free port) to 65535")
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
            f"cannot listen on {options.host}:{options.port}: the port is taken, or the host is no "
            "address of this machine. Choose another port= or host="
        ) from error
    if not server.started:
        raise FlamError(f"cannot listen on {options.host}:{options.port}; choose another port")
