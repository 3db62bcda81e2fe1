"""What is served under which path."""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol, TypeVar, cast
from urllib.parse import parse_qs

from tornado.http1connection import HTTP1Connection
from tornado.iostream import IOStream
from tornado.web import Application, HTTPError, RequestHandler

from exporter.errors import ConfigError
from exporter.server.authorization import Authorization, NotChecked
from exporter.server.connections import Connections
from exporter.server.negotiation import choose
from exporter.show import stuck_query
from exporter.show.formats import Variant
from exporter.show.stuck_query import Query

Value = TypeVar("Value")

_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


STUCK_PATH = "/api/v1/stuck"


class NoSampleError(Exception):
    """There is nothing to tell, because no sample is fresh."""


class Exposition(Protocol):
    """The metrics as bytes."""

    def ready(self, variant: Variant) -> bytes | None:
        """The bytes if they have been rendered; must not block."""

    def render(self, variant: Variant) -> bytes:
        """The bytes; may block, and is called in a thread."""


@dataclass(frozen=True)
class Access:
    """Who may ask, and what every answer says."""

    authorization: Authorization | None = None
    """None for everybody."""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Site:
    """What the server serves."""

    exposition: Exposition
    page: Callable[[], str]
    """The status page as HTML; called in a thread."""
    stuck: Callable[[Query], str]
    """The stuck sockets as JSON; called in a thread. Raises NoSampleError."""
    healthy: Callable[[], bool]
    ready: Callable[[], bool]
    reload: Callable[[], None] | None
    """Loads the configuration anew or raises ConfigError; None if that is not allowed through HTTP."""
    access: Callable[[], Access] = Access
    """Asked for each request."""
    telemetry_path: str = "/metrics"
    max_requests: int = 40
    """Scrapes answered at the same time; 0 for any number."""


@dataclass
class _Service:
    """What all handlers share."""

    site: Site
    connections: Connections
    threads: ThreadPoolExecutor
    scrapes: int = 0
    """Being answered now."""


def application(site: Site, connections: Connections) -> Application:
    """The Tornado application for *site*; a telemetry path of ``/`` takes the place of the status page."""
    service = _Service(site, connections, ThreadPoolExecutor(2, thread_name_prefix="render"))
    routes = {
        "/-/healthy": _Healthy,
        "/-/ready": _Ready,
        "/-/reload": _Reload,
        "/": _Page,
        STUCK_PATH: _Stuck,
        site.telemetry_path: _Metrics,
    }
    # Tornado logs what clients do wrong; who scans ports would write the log.
    logging.getLogger("tornado.general").setLevel(logging.ERROR)
    return Application(
        [(re.escape(path), handler, {"service": service}) for path, handler in routes.items()],
        default_handler_class=_NotFound,
        default_handler_args={"service": service},
        log_function=lambda _: None,
    )


class _Handler(RequestHandler):
    """Keeps the connections informed, and answers in plain text without saying what runs here."""

    service: _Service

    def initialize(self, service: _Service) -> None:
        self.service = service

    async def prepare(self) -> None:
        self.service.connections.begin(self._stream)
        self._add_headers()
        authorization = self.service.site.access().authorization
        if authorization and not await self._is_authorized(authorization):
            raise HTTPError(HTTPStatus.UNAUTHORIZED)

    async def _is_authorized(self, authorization: Authorization) -> bool:
        try:
            return await authorization.allows(self.request.headers.get("Authorization", ""))
        except NotChecked:
            raise HTTPError(HTTPStatus.SERVICE_UNAVAILABLE) from None

    def _add_headers(self) -> None:
        for name, value in self.service.site.access().headers.items():
            self.set_header(name, value)

    def on_finish(self) -> None:
        self.service.connections.end(self._stream)

    @property
    def _stream(self) -> IOStream:
        return cast(HTTP1Connection, self.request.connection).stream

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("Content-Type", "text/plain; charset=utf-8")

    def compute_etag(self) -> None:
        """None: nothing here is worth a conditional request."""

    async def in_thread(self, do: Callable[[], Value]) -> Value:
        """What *do* gives, which may take some milliseconds."""
        return await asyncio.get_running_loop().run_in_executor(self.service.threads, do)

    def answer(self, body: bytes) -> None:
        """Send *body*, headers first: in one step Tornado would copy the body, which all scrapers share."""
        self.set_header("Content-Length", len(body))
        self.flush()
        self.finish(body)

    def write_error(self, status_code: int, **_: Any) -> None:
        self._add_headers()
        if status_code == HTTPStatus.UNAUTHORIZED:
            self.set_header("WWW-Authenticate", "Basic")
        if status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            self.set_header("Allow", ", ".join(self._methods()))
        self.finish(f"{status_code} {HTTPStatus(status_code).phrase}\n")

    def _methods(self) -> list[str]:
        """Those that the handler has; Tornado's own functions for the others all raise 405."""
        return [name for name in self.SUPPORTED_METHODS if name.lower() in vars(type(self))]


class _NotFound(_Handler):
    async def prepare(self) -> None:
        await super().prepare()
        raise HTTPError(HTTPStatus.NOT_FOUND)


class _Metrics(_Handler):
    async def get(self) -> None:
        if self._is_one_too_many():
            raise HTTPError(HTTPStatus.SERVICE_UNAVAILABLE)
        self.service.scrapes += 1
        try:
            variant, body = await self._body()
        finally:
            self.service.scrapes -= 1
        self.set_header("Content-Type", variant.format.value)
        self.set_header("Vary", "Accept, Accept-Encoding")
        if variant.gzip:
            self.set_header("Content-Encoding", "gzip")
        self.answer(body)

    head = get

    def _is_one_too_many(self) -> bool:
        return 0 < self.service.site.max_requests <= self.service.scrapes

    async def _body(self) -> tuple[Variant, bytes]:
        headers, exposition = self.request.headers, self.service.site.exposition
        variant = choose(headers.get("Accept", ""), headers.get("Accept-Encoding", ""))
        body = exposition.ready(variant)
        if body is None:
            body = await self.in_thread(partial(exposition.render, variant))
        return variant, body


class _Page(_Handler):
    async def get(self) -> None:
        page = await self.in_thread(self.service.site.page)
        body = page.encode(errors="replace")
        self.set_header("Content-Type", "text/html; charset=utf-8")
        for name, value in _PAGE_HEADERS.items():
            self.set_header(name, value)
        self._add_headers()
        self.answer(body)

    head = get


class _Stuck(_Handler):
    async def get(self) -> None:
        try:
            query = stuck_query.parse(self._parameters())
            found = await self.in_thread(partial(self.service.site.stuck, query))
        except stuck_query.BadQueryError as error:
            self.set_status(HTTPStatus.BAD_REQUEST)
            self.answer(f"{error}\n".encode())
        except NoSampleError:
            raise HTTPError(HTTPStatus.SERVICE_UNAVAILABLE) from None
        else:
            self.set_header("Content-Type", "application/json")
            self.answer(found.encode())

    head = get

    def _parameters(self) -> dict[str, list[str]]:
        """Also those without a value, which Tornado leaves out."""
        return parse_qs(self.request.query, keep_blank_values=True, errors="replace")


class _Healthy(_Handler):
    def get(self) -> None:
        _answer_probe(self, "Healthy", good=self.service.site.healthy())

    head = get


class _Ready(_Handler):
    def get(self) -> None:
        _answer_probe(self, "Ready", good=self.service.site.ready())

    head = get


def _answer_probe(handler: _Handler, word: str, *, good: bool) -> None:
    if not good:
        handler.set_status(HTTPStatus.SERVICE_UNAVAILABLE)
    handler.answer(f"{word if good else f'Not {word.lower()}'}.\n".encode())


class _Reload(_Handler):
    async def post(self) -> None:
        if self.service.site.reload is None:
            self.set_status(HTTPStatus.FORBIDDEN)
            self.answer(b"Lifecycle API is not enabled.\n")
            return
        try:
            await self.in_thread(self.service.site.reload)
        except ConfigError as error:
            self.set_status(HTTPStatus.INTERNAL_SERVER_ERROR)
            self.answer(f"failed to reload the configuration:\n{error}\n".encode())
        else:
            self.answer(b"")

    put = post
