"""The sampler's report as bytes, rendered at most once per report and format.

A scrape takes what is there. Rendering takes some milliseconds, so it is done by the thread that publishes, for the
formats that somebody has asked for lately; only whoever asks for a format first has to wait for it.
"""

import math
import zlib
from collections.abc import Callable, Iterable, Mapping
from threading import Lock

from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import CollectorRegistry

from exporter.show.formats import Format, Variant

WANTED_SECONDS = 300
"""How long after a scrape its format is rendered in advance."""
_GZIP_LEVEL = 6
_GZIP_WINDOW = 16 + zlib.MAX_WBITS

_RENDER: Mapping[Format, Callable[[CollectorRegistry], bytes]] = {
    Format.TEXT_0_0_4: generate_latest,
    # Differs from 0.0.4 in how names are escaped that are not letters, digits and underscores; there are none.
    Format.TEXT_1_0_0: generate_latest,
    Format.OPENMETRICS_1_0_0: generate_openmetrics,
}


class Exposition:
    """What *head* gives and *registry* collects, as of the last ``refresh``, in every format.

    *head* gives families, one by one, as text that is the same in all formats.
    """

    def __init__(
        self, head: Callable[[], Iterable[str]], registry: CollectorRegistry, clock: Callable[[], float]
    ) -> None:
        self._head = head
        self._registry = registry
        self._clock = clock
        self._rendered: dict[Variant, bytes] = {}
        self._valid_until = 0.0
        self._asked: dict[Variant, float] = {}
        self._lock = Lock()

    def refresh(self, valid_until: float) -> None:
        """Render what there is now, for it to be served until the next call, or until *valid_until* on the clock.

        Until then the previous bytes are served, so that nobody waits.
        """
        with self._lock:
            now = self._clock()
            wanted = [variant for variant, asked in self._asked.items() if now - asked <= WANTED_SECONDS]
            rendered: dict[Variant, bytes] = {}
            for variant in wanted:
                rendered[variant] = self._render(variant, rendered)
            self._rendered, self._valid_until = rendered, valid_until

    def ready(self, variant: Variant) -> bytes | None:
        """The bytes if they are there; does not block."""
        now = self._clock()
        self._asked[variant] = now
        return self._rendered.get(variant) if now <= self._valid_until else None

    def render(self, variant: Variant) -> bytes:
        """The bytes, rendered now if nobody did before; takes some milliseconds."""
        with self._lock:
            if self._clock() > self._valid_until:
                self._rendered, self._valid_until = {}, math.inf
            if variant not in self._rendered:
                self._rendered[variant] = self._render(variant, self._rendered)
            return self._rendered[variant]

    def _render(self, variant: Variant, rendered: dict[Variant, bytes]) -> bytes:
        plain = rendered.get(Variant(variant.format, gzip=False)) or self._render_plain(variant.format)
        return zlib.compress(plain, _GZIP_LEVEL, _GZIP_WINDOW) if variant.gzip else plain

    def _render_plain(self, wanted: Format) -> bytes:
        return b"".join([*(family.encode() for family in self._head()), _RENDER[wanted](self._registry)])
