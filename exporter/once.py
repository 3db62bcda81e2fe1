"""One sample on standard output: the ``netstat | awk`` of this exporter.

It has to start fast, so each form imports what it needs when it is asked for.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping

from exporter import limits
from exporter.census import Memory
from exporter.config import Config
from exporter.ports import PortBook
from exporter.record import Taken
from exporter.sampler import take
from exporter.sources.choice import FirstThatWorks, candidates

SECONDS = 5.0
"""Processor time that the search for the owners of stuck sockets may take."""


def run(config: Config, form: str) -> None:
    """Sample once and print it in one of ``flags.ONCE``. Raises SampleError or SourceUnavailable."""
    source = FirstThatWorks(candidates(config.source))
    taken = take(source, Memory(PortBook(config.ports)), config, limits.read, seconds=SECONDS)
    sys.stdout.write(_FORMS[form](config, taken, source.name))


def _table(_config: Config, taken: Taken, _source: str) -> str:
    from exporter import table  # noqa: PLC0415

    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return table.render(taken.census, color=color)


def _json(_config: Config, taken: Taken, source: str) -> str:
    from exporter import document  # noqa: PLC0415

    return document.render(taken, source) + "\n"


def _prometheus(config: Config, taken: Taken, source: str) -> str:
    from prometheus_client import CollectorRegistry  # noqa: PLC0415

    from exporter import metrics  # noqa: PLC0415
    from exporter.exposition import Exposition  # noqa: PLC0415
    from exporter.formats import Format, Variant  # noqa: PLC0415
    from exporter.record import Record, Reload  # noqa: PLC0415

    record = Record(
        source, config.interval, Reload(succeeded=True, succeeded_at=taken.at), taken, succeeded=True, samples=1
    )
    registry = CollectorRegistry()
    registry.register(metrics.SampleCollector(lambda: record, time.monotonic))
    exposition = Exposition(lambda: metrics.by_port(record, time.monotonic()), registry, time.monotonic)
    return exposition.render(Variant(Format.TEXT_0_0_4, gzip=False)).decode()


_FORMS: Mapping[str, Callable[[Config, Taken, str], str]] = {
    "table": _table,
    "json": _json,
    "prometheus": _prometheus,
}
