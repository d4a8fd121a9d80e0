"""Guards every request: security headers, API key, limits of the body, counts."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from flam_pl.serving.web.monitoring import Monitoring
from flam_pl.serving.web.responses import ApiError

log = logging.getLogger("flam_pl.serving")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

SMALL_BODY = 2**16
FORM_BESIDE_PHOTO = 2**18
BODY_SECONDS = 60.0  # for a client to send its body
LOOPBACK = ("127.0.0.1", "localhost", "::1")
WRITES = ("POST", "PUT", "DELETE", "PATCH")
_ITEMS = b"/v1/items/"


@dataclass(frozen=True)
class Rules:
    """What the guard lets through."""

    key: str = ""
    hosts: tuple[str, ...] = ()  # names by which the service may be called; empty: any
    writable: bool = True  # whether items may be put and deleted
    photo_bytes: int = 10 * 2**20
    all_bodies: int = 2**27  # bytes of the bodies of all requests together
    remote_images: bool = False  # whether pages may show photos of other servers

    @property
    def policy(self) -> str:
        images = "'self' data: blob:" + (" http: https:" if self.remote_images else "")
        return (
            f"default-src 'self'; img-src {images}; object-src 'none'; base-uri 'none'; "
            "form-action 'self'; frame-ancestors 'none'"
        )


class TooLargeBody(HTTPException):
    def __init__(self, most: int) -> None:
        super().__init__(413, f"the request is too large; at most {most / 2**20:.1f} MB are read")


class FullOfBodies(HTTPException):
    def __init__(self) -> None:
        super().__init__(429, "too much is being uploaded; try again in 1 s")


class SlowBody(HTTPException):
    def __init__(self) -> None:
        super().__init__(408, f"the request did not arrive within {BODY_SECONDS:.0f} s")


class Guard:
    """ASGI middleware. Every answer, errors included, gets the security headers."""

    def __init__(self, app: Any, rules: Rules, monitoring: Monitoring) -> None:
        self.app, self.rules, self.monitoring = app, rules, monitoring
        self._key = hashlib.sha256(rules.key.encode()).digest()
        self._bodies = 0  # bytes that requests in progress have sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status, held = time.perf_counter(), 0, 0
        keep_encoded(scope)
        headers = {name.lower(): value for name, value in scope["headers"]}
        most = self._most_of_body(scope)

        async def limited() -> Message:
            nonlocal held
            left = BODY_SECONDS - (time.perf_counter() - started)
            if not complete:
                try:
                    message = await asyncio.wait_for(receive(), max(left, 0.01))
                except TimeoutError as error:
                    raise SlowBody() from error
            else:
                return await receive()  # waits until the client leaves
            size = len(message.get("body", b""))
            held += size
            self._bodies += size
            if held > most:
                raise TooLargeBody(most)
            if size and held > SMALL_BODY and self._bodies > self.rules.all_bodies:
                raise FullOfBodies()
            if message["type"] == "http.request" and not message.get("more_body", False):
                complete.append(True)
            return message

        complete: list[bool] = []

        async def guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((n, v) for n, v in self._headers() if n not in given),
                ]
            await send(message)

        try:
            refusal = self._refusal(scope, headers, most)
            if refusal is not None:
                await error_response(refusal)(scope, receive, guarded)
            else:
                await self.app(scope, limited, guarded)
        except HTTPException as error:
            if status:
                raise
            await error_response(of_http(error))(scope, receive, guarded)
        except Exception:
            log.exception("%s %s failed", scope["method"], route_of(scope))
            if status:  # half an answer is out: the server closes the connection
                raise
            fault = ApiError(500, "internal", "the service has a fault; its log says which")
            await error_response(fault)(scope, receive, guarded)
        finally:
            self._bodies -= held
            method = scope["method"] if scope["method"] in ("GET", "HEAD", *WRITES) else "other"
            route = route_of(scope)
            self.monitoring.requests.labels(method, route, str(status or 499)).inc()
            self.monitoring.seconds.labels(method, route).observe(time.perf_counter() - started)

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes], most: int) -> ApiError | None:
        host = _host_name(headers.get(b"host", b"").decode("latin-1"))
        if self.rules.hosts and host not in self.rules.hosts:
            return ApiError(400, "invalid", f"the service is not called {host[:80]!r}")
        api = scope["path"].startswith("/v1/")
        if api and self.rules.key and not self._knows_key(headers.get(b"x-api-key", b"")):
            return ApiError(401, "unauthorized", "expected the API key in the header X-API-Key")
        # a page of another site must not act through the browser of a user
        if scope["method"] in WRITES and headers.get(b"sec-fetch-site") == b"cross-site":
            return ApiError(403, "unauthorized", "requests from pages of other sites are refused")
        if not self.rules.writable and scope["method"] in ("PUT", "DELETE"):
            needs = "folder=, and key= if others than this machine can reach it"
            return ApiError(403, "unauthorized", f"this service changes nothing: it needs {needs}")
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > most:
            return of_http(TooLargeBody(most))
        return None

    def _knows_key(self, given: bytes) -> bool:
        return hmac.compare_digest(hashlib.sha256(given).digest(), self._key)

    def _most_of_body(self, scope: Scope) -> int:
        path, photo = scope["path"], self.rules.photo_bytes
        if path == "/v1/search":
            return photo * 4 // 3 + FORM_BESIDE_PHOTO
        takes_photo = path == "/v1/photos" or path.startswith("/v1/items/")
        return photo + FORM_BESIDE_PHOTO if takes_photo else SMALL_BODY

    def _headers(self) -> list[tuple[bytes, bytes]]:
        return [
            (b"content-security-policy", self.rules.policy.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"x-frame-options", b"DENY"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
            (b"cache-control", b"no-store"),
        ]


def error_response(error: ApiError) -> JSONResponse:
    """``{"error": {"code", "message"}}`` with the status of the error."""
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else None
    content = {"error": {"code": error.code, "message": error.message}}
    return JSONResponse(content, error.status, headers)


def of_http(error: HTTPException) -> ApiError:
    """An error of the framework as one of the service."""
    message = str(error.detail)
    if error.status_code == 404:
        return ApiError(404, "not_found", "there is nothing at this address")
    if error.status_code == 413:
        return ApiError(413, "too_large", message)
    if error.status_code == 429:
        return ApiError(429, "busy", message, retry_after=1)
    return ApiError(error.status_code, "invalid", message)


def keep_encoded(scope: Scope) -> None:
    """Leave the ids of items percent-encoded, so that "a%2Fimage" is one id, not a path."""
    raw = scope.get("raw_path") or b""
    if raw.startswith(_ITEMS):
        scope["path"] = raw.partition(b"?")[0].decode("latin-1")


def route_of(scope: Scope) -> str:
    """The pattern of the address: the counters get few names, whatever clients ask for."""
    path = getattr(scope.get("route"), "path", None)
    if path is None and scope["path"].startswith("/page/"):
        return "/page/{file}"
    return str(path or "other")


def _host_name(host: str) -> str:
    return re.sub(r":\d+$", "", host).strip("[]").lower()
