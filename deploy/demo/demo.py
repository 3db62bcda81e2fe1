"""From a leak to the page, on this machine and without containers: make demo.

Starts the exporter, Debian's Prometheus and Alertmanager with our own rules, alerts and routes, and a service that
leaks sockets on loopback; says where to look and what will happen when; prints who is paged, and why. Ctrl-C ends all
of it and leaves nothing behind.
"""

import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RULES = HERE.parent / "prometheus"
FILES = ("rules.yml", "alerts.yml", "scrape.yml", "alertmanager.yml")

PACKAGES = {"prometheus": "prometheus", "prometheus-alertmanager": "prometheus-alertmanager"}
"""Debian's packages by the programs that are started."""
PORTS = {"exporter": 10060, "prometheus": 9090, "alertmanager": 9093, "pager": 9099, "service": 8080}
"""As in our files; another one where somebody has it already."""

STUCK_AFTER = 15
"""Seconds, where the exporter waits for two minutes: nobody wants to watch a demonstration for as long."""
CONFIG = f"stuck_after: {{fin_wait2: {STUCK_AFTER}s, close_wait: {STUCK_AFTER}s}}\n"
FIRING = 180
"""Seconds until the alert fires: the rules want to have seen the leak go on for two minutes, and so fast that the
descriptors will be gone within half an hour; then come a scrape and two evaluations. A test holds it to the rules."""
NOTIFIED = FIRING + 30
"""And half a minute in which Alertmanager waits for others of the kind."""
EXHAUSTED = 510
"""The service has 1,024 descriptors, and loses two a second."""
START_SECONDS = 60.0


@dataclass(frozen=True)
class Child:
    """A program that has been started."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def ended(self) -> str:
        """Why, if it has; in its own words."""
        if self.process.poll() is None:
            return ""
        last = self.log.read_text(errors="replace").strip().splitlines()[-3:]
        return f"{self.name} has ended with {self.process.returncode}: {' / '.join(last) or 'it said nothing'}"


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Failed(Exception):
    """Why there is nothing to be shown."""


def main() -> int:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    try:
        _refuse_without_programs()
        with tempfile.TemporaryDirectory(prefix="tcp-state-demo-") as folder:
            _show(Path(folder), stop)
    except Failed as error:
        sys.stderr.write(f"make demo: {error}\n")
        return 1
    say("\nAll of it has ended. What is left in TIME_WAIT goes by itself within a minute.")
    return 0


def _refuse_without_programs() -> None:
    missing = [package for program, package in PACKAGES.items() if shutil.which(program) is None]
    if missing:
        raise Failed(f"needs {' and '.join(missing)}: apt-get install {' '.join(missing)}")


def _show(folder: Path, stop: threading.Event) -> None:
    """Until somebody wants the *stop*. Raises Failed."""
    ports = {name: free(port) for name, port in PORTS.items()}
    configure(folder, ports)
    with ExitStack() as kept:
        kept.enter_context(_pager(ports["pager"]))
        children = [kept.enter_context(_started(name, folder, command)) for name, command in _watchers(folder, ports)]
        for name in ("exporter", "prometheus", "alertmanager"):
            _wait_until_ready(name, ports[name], children, stop)
        _wait_until_scraped(ports["prometheus"], children, stop)
        if not stop.is_set():
            service = [sys.executable, str(HERE / "service.py"), str(ports["service"])]
            children.append(kept.enter_context(_started("service", folder, service)))
            say(_story(ports, time.time()))
        _watch(children, stop)


def free(port: int) -> int:
    """That *port* of loopback, or another where it is taken."""
    for wanted in (port, 0):
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            return int(one.getsockname()[1])
    raise Failed("there is no port left on 127.0.0.1")


def configure(folder: Path, ports: Mapping[str, int]) -> None:
    """Put our files into *folder*, with these *ports*."""
    for name in FILES:
        text = (RULES / name).read_text()
        for one in ("exporter", "alertmanager", "pager"):
            text = text.replace(f"localhost:{PORTS[one]}", f"127.0.0.1:{ports[one]}")
        (folder / name).write_text(text)
    (folder / "config.yaml").write_text(CONFIG)


def _watchers(folder: Path, ports: Mapping[str, int]) -> Iterator[tuple[str, Sequence[str]]]:
    """The command of each program that watches."""

    def at(name: str) -> str:
        return f"--web.listen-address=127.0.0.1:{ports[name]}"

    yield "exporter", [sys.executable, "-m", "exporter", f"--config.file={folder / 'config.yaml'}", at("exporter")]
    configured, kept = f"--config.file={folder / 'scrape.yml'}", f"--storage.tsdb.path={folder / 'prometheus'}"
    yield "prometheus", ["prometheus", configured, kept, at("prometheus")]
    configured, kept = f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'alertmanager'}"
    command = ["prometheus-alertmanager", configured, kept, "--cluster.listen-address=", at("alertmanager")]
    yield "alertmanager", command


@contextmanager
def _started(name: str, folder: Path, command: Sequence[str]) -> Iterator[Child]:
    """In a session of its own, so that Ctrl-C is for us alone; it ends with us, whatever ends us."""
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig=TERM", *command],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield Child(name, process, log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _pager(port: int) -> Iterator[None]:
    """Prints what Alertmanager tells its receivers."""
    server = ThreadingHTTPServer(("127.0.0.1", port), _Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class _Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for alert in body["alerts"]:
            say(_told(self.path.strip("/"), alert, time.time()))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """What was asked is of no interest."""


def _told(receiver: str, alert: Mapping[str, Any], now: float) -> str:
    kind = {"pager": "PAGE", "tickets": "ticket"}.get(receiver, receiver)
    over = " is over" if alert["status"] == "resolved" else ""
    return f"\n{_clock(now)}  {kind}: {alert['labels']['alertname']}{over}\n  {alert['annotations']['description']}"


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))


def _story(ports: Mapping[str, int], now: float) -> str:
    url = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    seen = STUCK_AFTER + 5
    to_come = [
        (seen, f"{seen} s", f"the first sockets count as stuck (after {STUCK_AFTER} s here; the default is 2 min)"),
        (FIRING, f"{FIRING / 60:g} min", "TCPHolderRunsOutOfDescriptors fires"),
        (NOTIFIED, f"{NOTIFIED / 60:g} min", "the page, printed here"),
        (EXHAUSTED, f"{EXHAUSTED / 60:g} min", "the service has no descriptor left, and answers nobody any more"),
    ]
    times = "\n".join(f"{_clock(now + seconds)}  {after:7}  {what}" for seconds, after, what in to_come)
    return f"""
A service leaks one connection a second on port {ports["service"]}, and closes ten. Watch it:

  {url["exporter"]}/        what is stuck, and who holds it
  {url["prometheus"]}/alerts   which alerts wait, and which fire
  {url["alertmanager"]}/         who is told

{times}

Ctrl-C ends it all."""


def _wait_until_ready(name: str, port: int, children: Sequence[Child], stop: threading.Event) -> None:
    _wait(lambda: bool(_asked(f"http://127.0.0.1:{port}/-/ready")), f"{name} is not ready", children, stop)


def _wait_until_scraped(port: int, children: Sequence[Child], stop: threading.Event) -> None:
    """Until Prometheus has seen the exporter."""

    def is_up() -> bool:
        answer = _asked(f"http://127.0.0.1:{port}/api/v1/query?query=tcpstate_up")
        return bool(json.loads(answer)["data"]["result"]) if answer else False

    _wait(is_up, "Prometheus has not scraped the exporter", children, stop)


def _wait(condition: Callable[[], bool], failure: str, children: Sequence[Child], stop: threading.Event) -> None:
    end = time.monotonic() + START_SECONDS
    while not stop.is_set() and not condition():
        _refuse_ended(children)
        if time.monotonic() > end:
            raise Failed(f"{failure} after {START_SECONDS:g} s")
        stop.wait(0.2)


def _asked(url: str) -> bytes:
    """The body of the answer; nothing if there is none."""
    try:
        with urlopen(url, timeout=2) as answer:
            return bytes(answer.read()) or b" "
    except (URLError, OSError):
        return b""


def _watch(children: Sequence[Child], stop: threading.Event) -> None:
    while not stop.wait(0.5):
        _refuse_ended(children)


def _refuse_ended(children: Sequence[Child]) -> None:
    for child in children:
        if why := child.ended():
            raise Failed(why)


if __name__ == "__main__":
    sys.exit(main())
