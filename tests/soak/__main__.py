"""Runs the exporter for some minutes beside churn and leaks, while it is scraped, and while faults are thrown in.

Prints what it takes and what was missed, and ends with 1 if memory, descriptors or threads have grown, or a scrape was
missed that no fault explains.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.lab import certificates
from tests.lab.daemon import exporter
from tests.lab.leaks import Leak, leak
from tests.lab.netns import namespace
from tests.lab.witness import wait_for
from tests.soak.faults import FAULTS, Host
from tests.soak.record import Record
from tests.soak.scrapers import Scraper

CHURN = 300
"""Connections a second that pass through all states."""
LEAK = 400
"""Sockets that leak, and are closed together in the end, again and again."""
FAULT_SECONDS, LEAK_SECONDS = 20.0, 2.0
CONFIG = "interval: 1s\nmax_cpu: 50%\nstuck_after: {fin_wait2: 10s, close_wait: 10s}\n"
WEB_CONFIG = "tls_server_config: {cert_file: own.crt, key_file: own.key}\n"


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser("tests.soak", description=__doc__)
    parser.add_argument("minutes", nargs="?", type=float, default=60.0, help="how long (60)")
    minutes = parser.parse_args(arguments).minutes
    with ExitStack() as kept:
        record = _run(kept, minutes * 60)
        print(record.table())
    faults = record.faults()
    print("\n".join(faults) or "nothing has grown, and nothing was missed")
    return 1 if faults else 0


def _run(kept: ExitStack, seconds: float) -> Record:
    host = kept.enter_context(namespace())
    folder = Path(kept.enter_context(tempfile.TemporaryDirectory()))
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "web.yaml").write_text(WEB_CONFIG)
    certificates.make(folder, "own")
    kept.enter_context(leak(host, "server", "serve", 7000))
    kept.enter_context(leak(host, "churn", "churn", 7100, CHURN))
    client = kept.enter_context(leak(host, "client", "dial", 7000, 0))
    flags = f"--config.file={folder / 'config.yaml'}", f"--web.config.file={folder / 'web.yaml'}"
    running = kept.enter_context(exporter(host, folder / "log", *flags, ready=False))
    wait_for(lambda: "Listening" in running.log.read_text(), "the server listens")
    scraper = Scraper(host, running.port)
    kept.callback(scraper.stop)
    scraper.start()
    record = Record(running.popen.pid, scraper, folder / "log")
    _go_on(Host(running, folder, scraper), record, client, seconds)
    return record


def _go_on(host: Host, record: Record, client: Leak, seconds: float) -> None:
    begun = time.monotonic()
    next_fault, next_leak, number, leaked = begun + FAULT_SECONDS, begun, 0, 0
    while (now := time.monotonic()) < begun + seconds:
        if now >= next_leak:
            next_leak = now + LEAK_SECONDS
            leaked = _leak(client, leaked)
        if now >= next_fault:
            fault = FAULTS[number % len(FAULTS)]
            record.during(fault, host)
            number, next_fault = number + 1, time.monotonic() + FAULT_SECONDS
        record.note(now - begun)
        time.sleep(0.5)


def _leak(client: Leak, leaked: int) -> int:
    """Some more, or all are closed; how many there are then."""
    client.order("" if leaked >= LEAK else "10")
    return 0 if leaked >= LEAK else leaked + 10


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
