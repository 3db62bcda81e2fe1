"""Which format a scraper wants, by its Accept and Accept-Encoding headers (RFC 9110, section 12.5).

Nothing in a header is an error here: what makes no sense is passed over, and who names nothing that there is gets the
format that everybody reads.
"""

from collections.abc import Iterator
from typing import NamedTuple

from exporter.show.formats import Format, Variant

MAX_LENGTH = 2048
"""Bytes of a header that are looked at; Prometheus' own have some hundred."""

_OPENMETRICS = "application/openmetrics-text"
_TEXT = "text/plain"

# By media type and version, with none where the scraper names none. OpenMetrics 0.0.1 is the draft of 1.0.0.
_FORMATS = {
    (_OPENMETRICS, ""): Format.OPENMETRICS_1_0_0,
    (_OPENMETRICS, "0.0.1"): Format.OPENMETRICS_1_0_0,
    (_OPENMETRICS, "1.0.0"): Format.OPENMETRICS_1_0_0,
    (_TEXT, "1.0.0"): Format.TEXT_1_0_0,
    (_TEXT, "0.0.4"): Format.TEXT_0_0_4,
    (_TEXT, ""): Format.TEXT_0_0_4,
    ("text/*", ""): Format.TEXT_0_0_4,
    ("*/*", ""): Format.TEXT_0_0_4,
}


class _Item(NamedTuple):
    value: str
    parameters: dict[str, str]
    quality: float


def choose(accept: str, accept_encoding: str) -> Variant:
    """The best variant for the two headers; each may be any text at all."""
    return Variant(_format(accept), _gzip(accept_encoding))


def _format(accept: str) -> Format:
    """The format of highest quality, the first of equals."""
    known = [
        (item.quality, _FORMATS[key])
        for item in _items(accept)
        if item.quality > 0 and (key := (item.value, item.parameters.get("version", ""))) in _FORMATS
    ]
    return max(known, key=lambda choice: choice[0])[1] if known else Format.TEXT_0_0_4


def _gzip(accept_encoding: str) -> bool:
    """Whether gzip is accepted: by its name, or else by the wildcard."""
    qualities = {item.value: item.quality for item in _items(accept_encoding)}
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


def _items(header: str) -> Iterator[_Item]:
    for element in _beginning(header).lower().split(","):
        value, *rest = (part.strip() for part in element.split(";"))
        parameters = {name.strip(): text.strip(' "\t') for name, _, text in (part.partition("=") for part in rest)}
        yield _Item(value, parameters, _quality(parameters.get("q", "1")))


def _beginning(header: str) -> str:
    """What is looked at, without an element that is cut: the rest of ``gzip;q=0`` must not read ``gzip``."""
    return header if len(header) <= MAX_LENGTH else header[:MAX_LENGTH].rpartition(",")[0]


def _quality(text: str) -> float:
    """A number from 0 to 1; what is none is a refusal, as nothing good can be meant by it."""
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0
