"""The exposition formats, and the media types that Prometheus knows them by."""

from dataclasses import dataclass
from enum import Enum


class Format(Enum):
    """A format; the value is its exact Content-Type, without which Prometheus 3 refuses the answer."""

    TEXT_0_0_4 = "text/plain; version=0.0.4; charset=utf-8"
    TEXT_1_0_0 = "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"
    OPENMETRICS_1_0_0 = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"


@dataclass(frozen=True)
class Variant:
    """What a scraper asked for."""

    format: Format
    gzip: bool


VARIANTS = tuple(Variant(format_, gzip=gzip) for format_ in Format for gzip in (False, True))
"""All that can be asked for."""
