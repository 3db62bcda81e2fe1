"""The long-running process: joins the sampler, the metrics and the server, and follows signals.

Samples, configurations, answers that are rendered, passwords and the log have threads of their own, all of which are
there before anybody is served; the rest happens in the event loop of the main thread. None of them is waited for at the
end: each may hang in the kernel for ever.
"""

import asyncio
import logging
import os
import platform
import resource
import ssl
import time
from collections.abc import Iterator

from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import CollectorRegistry

from exporter import __version__, interpreter
from exporter.count.history import History
from exporter.count.report import Report
from exporter.decode.proc_status import Capability
from exporter.errors import ConfigError, Fault, StartError
from exporter.kernel import privileges
from exporter.kernel.bpf.source import Bpf
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
from exporter.show import metrics, status_page, stuck_list
from exporter.show.exposition import Exposition
from exporter.show.rendered import Rendered
from exporter.show.status_page import Frame
from exporter.show.stuck_list import Query
from exporter.signals import Signals, end_in_time
from exporter.tcp.states import State
from exporter.threads.errand import Errand
from exporter.threads.started import start

log = logging.getLogger(__name__)

FIRST_SECONDS = 5.0
"""How long the first scrape waits for the first sample."""
DRAIN_SECONDS = 1.0
"""How long answers under way may take at the end."""
WATCH_SECONDS = 2.0
"""Between looks at whether samples go on."""
RELOAD_REST_SECONDS = 0.1
"""Between two loads of the configuration, however often somebody asks for one."""
LEAST_DESCRIPTORS = 32
"""Below that there is none left for scrapers, or not even for the event loop."""


def run(flags: Flags, first: Config, signals: Signals) -> int:
    """The exit code, after SIGTERM or SIGINT. Raises StartError, and ConfigError for the web configuration."""
    interpreter.suit_a_daemon()
    log.info("Starting %s, version %s, Python %s", NAME, __version__, platform.python_version())
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        log.info("running as root, which is needed only for the names of other users' processes, and for bpf to start")
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit < LEAST_DESCRIPTORS:
        raise StartError(f"may open {limit} files (RLIMIT_NOFILE), and needs {LEAST_DESCRIPTORS} at least")
    sampling = Sampling(first)
    sampling.prepare()
    if sampling.source == Bpf.name or privileges.is_bpf_granted(privileges.held()):
        _drop_privileges(sampling.source)
    return asyncio.run(_Daemon(flags, first, sampling, signals).run())


def _drop_privileges(source: str) -> None:
    """All but what names take; threads start without.

    Who cannot count inside the kernel has no use for what that takes, and who can has it prepared.
    """
    left = privileges.drop(privileges.needed_later())
    held = ", ".join(name.label for name in Capability if left.has(name))
    log.info("reading by %s, and going on with %s", source, held or "no capability")


class _Daemon:
    def __init__(self, flags: Flags, first: Config, sampling: Sampling, signals: Signals) -> None:
        self._flags, self._config, self._signals = flags, first, signals
        self._web = web_config.named(flags.web_config_file)
        self._access = Access(_authorization(self._web), self._web.headers)
        self._server: BoundedServer | None = None
        self._service = systemd.Service()
        self._has_succeeded = False
        """Whether any sample has."""
        self._code = 0
        self._history = History()
        self._own = _own_metrics(flags)
        self._metrics = Exposition(self._others, time.monotonic)
        self._pages = Rendered(self._render_page, time.monotonic)
        self._stuck = Rendered(self._render_stuck, time.monotonic)
        self._sampler = Sampler(sampling, first, self._publish)
        self._reloads = Errand("reload", self._reload, RELOAD_REST_SECONDS)

    async def run(self) -> int:
        """Sample first, so that the first scrape finds something, be it a failure; then serve; then end."""
        self._loop = asyncio.get_running_loop()
        self._stop, self._tried = asyncio.Event(), asyncio.Event()
        self._signals.follow(self._end, self._reloads.ask)
        self._publish(self._sampler.report())
        start("sampler", self._sample)
        await _first_of(self._tried, self._stop, seconds=FIRST_SECONDS)
        if not self._stop.is_set():
            await self._serve()
        log.info("Stopped")
        return self._code

    async def _serve(self) -> None:
        bounds = Bounds()
        connections = Connections(bounds)
        server = BoundedServer(application(self._site(), connections), connections, bounds, _context(self._web))
        sockets = systemd.passed() if self._flags.systemd_socket else addresses.bind_all(self._flags.listen_addresses)
        server.serve(sockets)
        self._server = server
        for one in sockets:
            log.info("Listening on %s, TLS is %s", addresses.name(one), "enabled" if self._web.tls else "disabled")
        _warn_of_expiry(self._web)
        interpreter.spare_the_collector()
        await self._watch()
        self._service.stopping()
        await server.drain(DRAIN_SECONDS)

    def _site(self) -> Site:
        return Site(
            metrics=self._metrics,
            pages=self._pages,
            stuck=self._stuck,
            healthy=self._sampler.progress.is_fresh,
            ready=lambda: self._has_succeeded,
            reload=self._reloads.ask if self._flags.enable_lifecycle else None,
            access=lambda: self._access,
            telemetry_path=self._flags.telemetry_path,
            max_requests=self._flags.max_requests,
            details=self._flags.details,
            allowed_hosts=self._flags.allowed_hosts,
        )

    async def _watch(self) -> None:
        """Until the end, see that samples go on."""
        pause = min(WATCH_SECONDS, self._service.watchdog_seconds / 2)
        while not self._stop.is_set():
            self._sampler.progress.look()
            self._vouch()
            await _first_of(self._stop, seconds=pause)

    def _vouch(self) -> None:
        """Tell systemd that the service is up, and that samples go on: one that hangs is for it to start anew."""
        if self._tried.is_set() and not self._service.is_ready:
            self._service.ready()
        if self._sampler.progress.is_fresh():
            self._service.alive()

    def _sample(self) -> None:
        """What the sampler's thread does. Without it the process is of no use, and has to be started anew."""
        try:
            self._sampler.run()
        except BaseException:
            log.critical("the sampler has died, and the process ends with it", exc_info=True)
            self._code = 1
            end_in_time(self._end, self._code)

    def _end(self) -> None:
        """Called by any thread."""
        self._loop.call_soon_threadsafe(self._stop.set)

    def _render_page(self, _path: str, report: Report, now: float) -> bytes:
        """The status page, which is the only one."""
        links = [(self._flags.telemetry_path, "metrics"), (STUCK_PATH, "stuck sockets as JSON")]
        frame = Frame(platform.node(), __version__, links, self._config.addresses)
        return status_page.render(report, self._history.points, now, frame).encode(errors="replace")

    def _render_stuck(self, query: Query, report: Report, now: float) -> bytes:
        if report.last is None or report.is_stale(now):
            raise NoSampleError
        return stuck_list.render(report.last, query, addresses=self._config.addresses).encode()

    def _others(self) -> Iterator[Metric]:
        """The metrics that are not of the sampler."""
        yield from self._own.collect()
        if self._web.tls and self._web.tls.not_after is not None:
            yield metrics.certificate(self._web.tls.not_after)

    def _publish(self, report: Report) -> None:
        """Called by the sampler, in its thread."""
        if report.succeeded and report.last:
            self._history.add(report.last.now, {state: report.last.census.total(state) for state in State})
        for shown in (self._pages, self._stuck, self._metrics):
            shown.publish(report)
        self._has_succeeded = report.last is not None
        if report.samples and not self._tried.is_set():
            self._loop.call_soon_threadsafe(self._tried.set)

    def _reload(self) -> None:
        """Load both configurations anew, and tell systemd when that begins and ends. Raises ConfigError."""
        with self._service.reloading():
            self._try_to_load()

    def _try_to_load(self) -> None:
        """A bad configuration changes nothing but the metric that says so. Raises ConfigError."""
        try:
            self._load()
        except ConfigError as error:
            self._sampler.refuse()
            # Its traceback would tell nothing: the fault is in a file, not here.
            log.error("the configuration in force stays: %s", "; ".join(str(error).splitlines()))  # noqa: TRY400
            raise
        except Exception as error:
            self._sampler.refuse()
            log.exception("the configuration in force stays, for a mistake of the exporter's")
            raise ConfigError(str(self._flags.config_file), (Fault("", f"cannot be loaded: {error!r}"),)) from error
        log.info("configuration reloaded")

    def _load(self) -> None:
        found, web = config.named(self._flags.config_file), web_config.named(self._flags.web_config_file)
        access = self._access_after(web)
        self._config = found  # before the sample that it asks for, lest that is shown by the one before
        self._sampler.follow(found)
        self._loop.call_soon_threadsafe(self._serve_by, web, access)

    def _serve_by(self, web: WebConfig, access: Access) -> None:
        before, self._web, self._access = self._access, web, access
        _warn_of_expiry(web)
        if self._server:
            self._server.renew(_context(web))
        if access.authorization:
            access.authorization.follow(web.users)
        if before.authorization and before.authorization is not access.authorization:
            before.authorization.close()

    def _access_after(self, web: WebConfig) -> Access:
        """Who may ask by *web*; what cannot be changed while the server runs is a fault."""
        file = str(self._flags.web_config_file)
        if (web.tls is None) != (self._web.tls is None):
            raise ConfigError(file, (Fault("tls_server_config", "TLS begins and ends with a restart"),))
        known = self._access.authorization if web.users else None
        try:
            return Access(known or _authorization(web), web.headers)
        except StartError as error:
            raise ConfigError(file, (Fault("basic_auth_users", str(error)),)) from error


def _own_metrics(flags: Flags) -> CollectorRegistry:
    """What the client library tells of this process."""
    registry = CollectorRegistry()
    if flags.exporter_metrics:
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
    return registry


def _authorization(web: WebConfig) -> Authorization | None:
    return Authorization(web.users) if web.users else None


def _warn_of_expiry(web: WebConfig) -> None:
    if web.tls and web.tls.not_after is not None and web.tls.not_after < time.time():
        log.warning("the certificate in %s has expired; it is used all the same", web.tls.certificate)


def _context(web: WebConfig) -> ssl.SSLContext | None:
    return web.tls.context if web.tls else None


async def _first_of(*events: asyncio.Event, seconds: float) -> None:
    """Wait for one of the *events*, but no longer than that."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
