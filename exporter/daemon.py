"""The long-running process: joins the sampler, the metrics and the server, and follows signals.

The sampler has a thread of its own; everything else happens in the event loop of the main thread.
"""

import asyncio
import ctypes
import gc
import logging
import os
import platform
import signal
import sys
import time
from functools import partial
from threading import Thread

from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.registry import CollectorRegistry

from exporter import __version__
from exporter.count.history import History
from exporter.count.report import Report
from exporter.errors import ConfigError, Fault, StartError
from exporter.sampling.sample import Sampling
from exporter.sampling.sampler import Sampler
from exporter.server import addresses, systemd
from exporter.server.authorization import Authorization
from exporter.server.connections import BoundedServer, Bounds, Connections
from exporter.server.routes import STUCK_PATH, Access, NoSampleError, Site, application
from exporter.settings import config, web_config
from exporter.settings.config import Config
from exporter.settings.flags import NAME, Flags
from exporter.settings.web_config import WebConfig
from exporter.show import status_page, stuck_list
from exporter.show.exposition import Exposition
from exporter.show.rendered import Rendered
from exporter.show.status_page import Frame
from exporter.show.stuck_list import Query
from exporter.tcp.states import State

log = logging.getLogger(__name__)

DRAIN_SECONDS = 1.0
"""How long answers under way may take at the end."""
JOIN_SECONDS = 0.5
"""How long a sample under way may take at the end."""
SWITCH_SECONDS = 0.0001
"""How long the sampling thread may keep the interpreter while a scrape waits. An answer gives the interpreter away with
each of some dozen system calls, so with Python's default of 5 ms it would wait for most of a sample."""

_M_MMAP_THRESHOLD = -3  # malloc.h
_LARGE = 128 * 1024


def run(flags: Flags, first: Config) -> None:
    """Run until SIGTERM or SIGINT. Raises StartError, and ConfigError for the web configuration."""
    sys.setswitchinterval(SWITCH_SECONDS)
    _give_back_large_buffers()
    log.info("Starting %s, version %s, Python %s", NAME, __version__, platform.python_version())
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        log.info("running as root, which is needed for nothing but the names of other users' processes")
    asyncio.run(_Daemon(flags, first).run())


class _Daemon:
    def __init__(self, flags: Flags, first: Config) -> None:
        self._flags = flags
        self._web = _web(flags)
        self._access = _access(self._web)
        self._server: BoundedServer | None = None
        self._has_succeeded = False
        """Whether any sample has."""
        self._history = History()
        self._metrics = Exposition(_own_metrics(flags).collect, time.monotonic)
        self._pages = Rendered(self._render_page, time.monotonic)
        self._stuck = Rendered(_render_stuck, time.monotonic)
        self._sampler = Sampler(Sampling(first), first, self._publish)
        self._thread = Thread(target=self._sampler.run, name="sampler", daemon=True)

    async def run(self) -> None:
        """Sample first, so that the first scrape finds something, be it a failure; then serve; then end cleanly."""
        stop = self._follow_signals()
        self._tried = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        await _first_of(self._tried, stop)
        if not stop.is_set():
            await self._serve(stop)
        await self._end()

    async def _end(self) -> None:
        """Wait for neither a long sample nor passwords to be checked: both threads end with the process."""
        self._sampler.stop()
        if self._access.authorization:
            self._access.authorization.close()
        await asyncio.to_thread(self._thread.join, JOIN_SECONDS)
        log.info("Stopped")

    async def _serve(self, stop: asyncio.Event) -> None:
        bounds = Bounds()
        connections = Connections(bounds)
        server = BoundedServer(application(self._site(), connections), connections, bounds, self._web.tls)
        sockets = systemd.passed() if self._flags.systemd_socket else addresses.bind_all(self._flags.listen_addresses)
        server.serve(sockets)
        self._server = server
        for one in sockets:
            log.info("Listening on %s, TLS is %s", addresses.name(one), "enabled" if self._web.tls else "disabled")
        _spare_the_collector()
        await stop.wait()
        await server.drain(DRAIN_SECONDS)

    def _site(self) -> Site:
        return Site(
            metrics=self._metrics,
            pages=self._pages,
            stuck=self._stuck,
            healthy=self._thread.is_alive,
            ready=lambda: self._has_succeeded,
            reload=self._reload if self._flags.enable_lifecycle else None,
            access=lambda: self._access,
            telemetry_path=self._flags.telemetry_path,
            max_requests=self._flags.max_requests,
        )

    def _render_page(self, _path: str, report: Report, now: float) -> bytes:
        """The status page, which is the only one."""
        links = [(self._flags.telemetry_path, "metrics"), (STUCK_PATH, "stuck sockets as JSON")]
        frame = Frame(platform.node(), __version__, links)
        return status_page.render(report, self._history.points, now, frame).encode(errors="replace")

    def _publish(self, report: Report) -> None:
        """Called by the sampler, in its thread."""
        if report.succeeded and report.last:
            self._history.add(report.last.now, {state: report.last.census.total(state) for state in State})
        for shown in (self._pages, self._stuck, self._metrics):
            shown.publish(report)
        self._has_succeeded = report.last is not None
        if not self._tried.is_set():
            self._loop.call_soon_threadsafe(self._tried.set)

    def _follow_signals(self) -> asyncio.Event:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, partial(loop.run_in_executor, None, self._hang_up))
        return stop

    def _hang_up(self) -> None:
        try:
            self._reload()
        except ConfigError:
            log.info("the configuration in force stays")

    def _reload(self) -> None:
        """Load both configurations anew; a bad one changes nothing but the metric that says so."""
        try:
            found, web = config.named(self._flags.config_file), _web(self._flags)
            access = self._access_after(web)
        except ConfigError as error:
            self._sampler.refuse()
            for fault in error.faults:
                log.error("%s: %s", error.file, fault)  # noqa: TRY400 - the fault is in a file, not here
            raise
        self._sampler.follow(found)
        self._access = access
        if self._server:
            self._server.renew(web.tls)
        log.info("configuration reloaded")

    def _access_after(self, web: WebConfig) -> Access:
        """Who may ask by *web*; what cannot be changed while the server runs is a fault."""
        file = str(self._flags.web_config_file)
        if (web.tls is None) != (self._web.tls is None):
            raise ConfigError(file, (Fault("tls_server_config", "TLS begins and ends with a restart"),))
        try:
            return _access(web)
        except StartError as error:
            raise ConfigError(file, (Fault("basic_auth_users", str(error)),)) from error


def _give_back_large_buffers() -> None:
    """Have glibc map them one by one, as it does until the first is freed, and leaves it from then on (mallopt(3)).

    Tables of hundreds of thousands of sockets come and go; otherwise most of their memory would stay with the process.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, _LARGE)


def _spare_the_collector() -> None:
    """What has been made until here stays for good: modules, tables, handlers."""
    gc.collect()
    gc.freeze()


def _own_metrics(flags: Flags) -> CollectorRegistry:
    """What the client library tells of this process."""
    registry = CollectorRegistry()
    if flags.exporter_metrics:
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
    return registry


def _render_stuck(query: Query, report: Report, now: float) -> bytes:
    if report.last is None or report.is_stale(now):
        raise NoSampleError
    return stuck_list.render(report.last, query).encode()


def _web(flags: Flags) -> WebConfig:
    return web_config.load(flags.web_config_file) if flags.web_config_file else WebConfig()


def _access(web: WebConfig) -> Access:
    return Access(Authorization(web.users) if web.users else None, web.headers)


async def _first_of(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
