"""The command line, in the style of Prometheus' exporters."""

import argparse
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from exporter import __revision__, __version__
from exporter.logs.lines import LEVELS

NAME = "tcp-state-exporter"
PORT = 10060
"""The default port, provisional until it is registered."""
ONCE = ("table", "prometheus", "json")


@dataclass(frozen=True)
class Flags:
    """What the command line says."""

    config_file: Path | None
    config_check: bool
    once: str | None
    """One of ONCE, or None to run as a daemon."""
    listen_addresses: Sequence[str]
    telemetry_path: str
    systemd_socket: bool
    web_config_file: Path | None
    enable_lifecycle: bool
    details: bool
    """Whether the page and the list of stuck sockets are served."""
    allowed_hosts: frozenset[str]
    """Names by which they may be asked for; any if there are none."""
    max_requests: int
    """Scrapes answered at the same time at most; 0 for any number."""
    exporter_metrics: bool
    log_level: str
    log_format: str


def parse(arguments: Sequence[str]) -> Flags:
    """Raises SystemExit: 0 after ``--help`` and ``--version``, 2 with one line on standard error otherwise."""
    found = vars(parser().parse_args(arguments))
    addresses = tuple(found.pop("listen_addresses") or [f":{PORT}"])
    hosts = frozenset().union(*found.pop("allowed_hosts") or [])
    return Flags(**found, listen_addresses=addresses, allowed_hosts=hosts)


class _OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def parser() -> argparse.ArgumentParser:
    """All flags, with what they mean."""
    made = _OneLineParser(
        prog=NAME,
        description="Count this host's TCP sockets by state, role and port, tell which are stuck, for Prometheus.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = made.add_argument
    add("--config.file", dest="config_file", type=Path, metavar="FILE", help="configuration; none is needed")
    add("--config.check", dest="config_check", action="store_true", help="check the configuration and exit")
    add(
        "--once",
        nargs="?",
        const="table",
        choices=ONCE,
        help="sample once, print it and what is stuck as a table (the default), as metrics or JSON, and exit",
    )
    _add_web(made)
    add("--log.level", dest="log_level", choices=LEVELS, default="info", help="least severe messages to log (info)")
    add(
        "--log.format", dest="log_format", choices=("logfmt", "json"), default="logfmt", help="form of the log (logfmt)"
    )
    add("--version", action="version", version=_version())
    return made


def _version() -> str:
    """The platform by the system call: Python's platform.platform() runs uname(1) for a word of it."""
    system = os.uname()
    running = f"{system.sysname}-{system.release}-{system.machine}"
    revision = f" (revision: {__revision__})" if __revision__ else ""
    return f"{NAME}, version {__version__}{revision}\n  python:    {platform.python_version()}\n  platform:  {running}"


def _add_web(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--web.listen-address",
        dest="listen_addresses",
        action="append",
        metavar="ADDRESS",
        help=f"address to listen on, may be repeated (:{PORT})",
    )
    add(
        "--web.telemetry-path",
        dest="telemetry_path",
        type=_path,
        default="/metrics",
        metavar="PATH",
        help="path of the metrics (/metrics)",
    )
    add("--web.systemd-socket", dest="systemd_socket", action="store_true", help="use the sockets that systemd passes")
    add(
        "--web.config.file",
        dest="web_config_file",
        type=Path,
        metavar="FILE",
        help="TLS and users, in the format of Prometheus' exporter-toolkit",
    )
    add("--web.enable-lifecycle", dest="enable_lifecycle", action="store_true", help="allow POST /-/reload")
    add(
        "--web.disable-details",
        dest="details",
        action="store_false",
        help="serve neither the page nor /api/v1/stuck, which tell addresses and processes one by one",
    )
    add(
        "--web.allowed-hosts",
        dest="allowed_hosts",
        action="append",
        type=_hosts,
        metavar="NAME,...",
        help="names by which the page, /api/v1/stuck and /-/reload may be asked for, may be repeated: protects from "
        "web pages that point a name of theirs here; localhost and IP addresses are always allowed (any name)",
    )
    add(
        "--web.max-requests",
        dest="max_requests",
        type=_count,
        default=40,
        metavar="N",
        help="scrapes answered at the same time at most, 0 for any number (40)",
    )
    add(
        "--web.disable-exporter-metrics",
        dest="exporter_metrics",
        action="store_false",
        help="leave out process_* and python_*",
    )


def _path(text: str) -> str:
    if not text.startswith("/") or any(character in text for character in "?#"):
        raise argparse.ArgumentTypeError(f"expected a path that begins with /, found {text!r}")
    return text


def _hosts(text: str) -> frozenset[str]:
    names = [name.strip().lower() for name in text.split(",")]
    if not all(re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", name, re.ASCII) for name in names):
        raise argparse.ArgumentTypeError(f"expected host names without ports, divided by commas, found {text!r}")
    return frozenset(names)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"expected a number from 0, found {text!r}")
    return int(text)
