"""One sample as an answer: the ``netstat | awk`` of this exporter.

It has to start fast, so each form imports what it needs when it is asked for.
"""

import os
import sys
from collections.abc import Callable, Mapping

from exporter.count.report import Sample
from exporter.sampling.sample import Sampling
from exporter.settings.config import Config

SECONDS = 5.0
"""Processor time that the search for the owners of stuck sockets may take."""


def answer(config: Config, form: str) -> bytes:
    """A sample in one of ``flags.ONCE``. Raises SampleError or SourceUnavailable."""
    sampling = Sampling(config)
    sample = sampling.take(SECONDS)
    return _FORMS[form](config, sample, sampling.source)


def _table(_config: Config, sample: Sample, _source: str) -> bytes:
    """For whoever reads it on standard output, in what letters there are."""
    from exporter.show import table  # noqa: PLC0415

    color = sys.stdout is not None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return table.render(sample.census, color=color).encode(getattr(sys.stdout, "encoding", None) or "utf-8", "replace")


def _json(_config: Config, sample: Sample, source: str) -> bytes:
    from exporter.show import document  # noqa: PLC0415

    return document.render(sample, source).encode() + b"\n"


def _prometheus(config: Config, sample: Sample, source: str) -> bytes:
    from exporter.count.report import Reload, Report  # noqa: PLC0415
    from exporter.show import exposition  # noqa: PLC0415
    from exporter.show.formats import Format, Variant  # noqa: PLC0415

    report = Report(
        source, config.interval, Reload(succeeded=True, succeeded_at=sample.at), sample, succeeded=True, samples=1
    )
    # By the sample's own time: however long this process was held up since, what it writes has to be complete.
    return exposition.render(Variant(Format.TEXT_0_0_4, gzip=False), report, sample.now)


_FORMS: Mapping[str, Callable[[Config, Sample, str], bytes]] = {
    "table": _table,
    "json": _json,
    "prometheus": _prometheus,
}
