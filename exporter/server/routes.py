"""What is served under which path."""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar, Protocol, TypeVar, cast
from urllib.parse import parse_qs

from tornado.http1connection import HTTP1Connection
from tornado.iostream import IOStream
from tornado.web import Application, HTTPError, RequestHandler

from exporter.errors import ConfigError
from exporter.server import origins
from exporter.server.authorization import Authorization, NotChecked
from exporter.server.connections import Connections
from exporter.server.negotiation import choose
from exporter.show import stuck_query
from exporter.show.formats import Variant
from exporter.show.stuck_list import Query
from exporter.threads.pool import Busy, Pool

Value = TypeVar("Value")
Question = TypeVar("Question")
Question_contra = TypeVar("Question_contra", contravariant=True)

_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}

PAGE_PATH = "/"
STUCK_PATH = "/api/v1/stuck"
MAX_WAITING = 256
"""Answers that wait to be rendered: one for each connection that there may be."""


class NoSampleError(Exception):
    """There is nothing to tell, because no sample is fresh."""


class Answers(Protocol[Question_contra]):
    """Bodies of answers to one kind of questions."""

    def ready(self, question: Question_contra, /) -> bytes | None:
        """The body if it has been rendered; must not block."""

    def render(self, question: Question_contra, /) -> bytes:
        """The body; may block, and is called in a thread."""


@dataclass(frozen=True)
class Access:
    """Who may ask, and what every answer says."""

    authorization: Authorization | None = None
    """None for everybody."""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Site:
    """What the server serves."""

    metrics: Answers[Variant]
    pages: Answers[str]
    """HTML by path."""
    stuck: Answers[Query]
    """JSON. Raises NoSampleError."""
    healthy: Callable[[], bool]
    ready: Callable[[], bool]
    reload: Callable[[], Future[None]] | None
    """Has the configuration loaded anew, which may end in a ConfigError; None if that is not allowed through HTTP."""
    access: Callable[[], Access] = Access
    """Asked for each request."""
    telemetry_path: str = "/metrics"
    max_requests: int = 40
    """Scrapes answered at the same time; 0 for any number."""
    details: bool = True
    """Whether there are pages and stuck sockets."""
    allowed_hosts: frozenset[str] = frozenset()
    """Names by which the server may be asked for them, and for a reload; any if there are none."""


@dataclass
class _Service:
    """What all handlers share."""

    site: Site
    connections: Connections
    threads: Pool
    scrapes: int = 0
    """Being answered now."""


def application(site: Site, connections: Connections) -> Application:
    """The Tornado application for *site*; a telemetry path of ``/`` takes the place of the status page."""
    service = _Service(site, connections, Pool("render", number=2, waiting=MAX_WAITING))
    details = {PAGE_PATH: _Page, STUCK_PATH: _Stuck} if site.details else {}
    probes = {"/-/healthy": _Healthy, "/-/ready": _Ready}
    routes = {**probes, "/-/reload": _Reload, **details, site.telemetry_path: _Metrics}
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
    has_any_name: ClassVar[bool] = True
    """Whether it is served under names that nobody has allowed."""

    def initialize(self, service: _Service) -> None:
        self.service = service

    async def prepare(self) -> None:
        self.service.connections.begin(self._stream)
        self._add_headers()
        if not self._is_named():
            self.refuse(HTTPStatus.MISDIRECTED_REQUEST, "this name is not in --web.allowed-hosts")
            return
        authorization = self.service.site.access().authorization
        if authorization and not await self._is_authorized(authorization):
            raise HTTPError(HTTPStatus.UNAUTHORIZED)

    def _is_named(self) -> bool:
        allowed = self.service.site.allowed_hosts
        return self.has_any_name or not allowed or origins.is_named(self.request.headers.get("Host", ""), allowed)

    async def _is_authorized(self, authorization: Authorization) -> bool:
        header, network = self.request.headers.get("Authorization", ""), origins.network(self.request.remote_ip or "")
        try:
            return await authorization.allows(header, network)
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
        self.set_header("X-Content-Type-Options", "nosniff")

    def compute_etag(self) -> None:
        """None: nothing here is worth a conditional request."""

    async def in_thread(self, do: Callable[[], Value]) -> Value:
        """What *do* gives, which may take some milliseconds."""
        try:
            return await asyncio.wrap_future(self.service.threads.submit(do))
        except Busy:
            raise HTTPError(HTTPStatus.SERVICE_UNAVAILABLE) from None

    async def rendered(self, answers: Answers[Question], question: Question) -> bytes:
        """The answer to *question*; what is ready needs no thread, in which it would wait for the one that samples."""
        body = answers.ready(question)
        return await self.in_thread(partial(answers.render, question)) if body is None else body

    def answer(self, body: bytes) -> None:
        """Send *body*, headers first: in one step Tornado would copy the body, which all scrapers share."""
        self.set_header("Content-Length", len(body))
        self.flush()
        self.finish(body)

    def refuse(self, status: HTTPStatus, why: str) -> None:
        """Answer that it is not to be."""
        self.set_status(status)
        self.answer(f"{status} {status.phrase}: {why}\n".encode())

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
        headers = self.request.headers
        variant = choose(headers.get("Accept", ""), headers.get("Accept-Encoding", ""))
        self.service.scrapes += 1
        try:
            body = await self.rendered(self.service.site.metrics, variant)
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


class _Page(_Handler):
    has_any_name = False

    async def get(self) -> None:
        body = await self.rendered(self.service.site.pages, PAGE_PATH)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        for name, value in _PAGE_HEADERS.items():
            self.set_header(name, value)
        self._add_headers()
        self.answer(body)

    head = get


class _Stuck(_Handler):
    has_any_name = False

    async def get(self) -> None:
        try:
            query = stuck_query.parse(self._parameters())
            body = await self.rendered(self.service.site.stuck, query)
        except stuck_query.BadQueryError as error:
            self.set_status(HTTPStatus.BAD_REQUEST)
            self.answer(f"{error}\n".encode())
        except NoSampleError:
            raise HTTPError(HTTPStatus.SERVICE_UNAVAILABLE) from None
        else:
            self.set_header("Content-Type", "application/json")
            self.answer(body)

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
    has_any_name = False

    async def post(self) -> None:
        if self.service.site.reload is None:
            self.set_status(HTTPStatus.FORBIDDEN)
            self.answer(b"Lifecycle API is not enabled.\n")
            return
        if origins.is_cross_site(self.request.headers):
            self.refuse(HTTPStatus.FORBIDDEN, "a page of another server may not ask for this")
            return
        try:
            await asyncio.wrap_future(self.service.site.reload())
        except ConfigError as error:
            self.set_status(HTTPStatus.INTERNAL_SERVER_ERROR)
            self.answer(f"failed to reload the configuration:\n{error}\n".encode())
        else:
            self.answer(b"")

    put = post
