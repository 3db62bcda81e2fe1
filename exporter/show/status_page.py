"""The page at ``/``, for a person who was just woken up: what is wrong, who has it, and the numbers around it.

It needs no script, no font and no file beside it, and says so in its content security policy. Everything that did not
come from this file is escaped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from exporter.count.census import Census
from exporter.count.history import HOUR, Point
from exporter.count.report import Report
from exporter.show import page_tables
from exporter.show.findings import ALL_WELL, NEAR, Usage, findings, usages
from exporter.show.page_style import STYLE
from exporter.tcp.states import State

QUEUES = 8
"""Limits shown as bars, the nearest: there is one for each listening port."""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="{refresh:.0f}">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header><h1>{host} <small>TCP sockets</small></h1>
<nav>{links}</nav></header>
<main>{main}</main>
<footer><p>{footer}</p></footer>
</body>
</html>
"""


@dataclass(frozen=True)
class Frame:
    """What stands around the numbers."""

    host: str
    version: str
    links: Sequence[tuple[str, str]]
    """Pairs of path and text."""
    addresses: bool = True
    """Whether those of stuck sockets are told."""


def render(report: Report, history: Sequence[Point], now: float, frame: Frame) -> str:
    """The page as HTML at the monotonic time *now*."""
    census = report.census(now)
    wrong = census is None or not report.succeeded or bool(findings(census))
    return _PAGE.format(
        refresh=max(report.interval, 5.0),
        title=escape(f"{'! ' if wrong else ''}{frame.host}: TCP sockets"),
        style=STYLE,
        host=escape(frame.host),
        links=" ".join(f'<a href="{escape(path)}">{escape(text)}</a>' for path, text in frame.links),
        main=_missing(report) if census is None else _warning(report) + _sections(census, history, now, frame),
        footer=_footer(report, frame.version),
    )


def _missing(report: Report) -> str:
    reason = "No sample has succeeded yet." if report.last is None else "The last good sample is too old to be shown."
    return _finding("bad", f"{reason} The log says why.")


def _warning(report: Report) -> str:
    if report.succeeded:
        return ""
    return _finding("warn", "The last sample failed; what follows is of the one before. The log says why.")


def _sections(census: Census, history: Sequence[Point], now: float, frame: Frame) -> str:
    """What matters most first: a phone shows a small part of it."""
    wrong = _findings(census), page_tables.holders(census), page_tables.ports(census)
    around = _usages(census), _lines(census, history, now)
    return "\n".join([*wrong, *around, page_tables.sockets(census.stuck, addresses=frame.addresses)])


def _findings(census: Census) -> str:
    found = findings(census)
    if not found:
        return _finding("good", ALL_WELL)
    return "\n".join(_finding("bad" if finding.is_bad else "warn", finding.text) for finding in found)


def _finding(kind: str, text: str) -> str:
    return f'<p class="finding {kind}">{escape(text)}</p>'


def _usages(census: Census) -> str:
    bars = "\n".join(map(_usage, usages(census)[:QUEUES]))
    return f'<h2>Limits</h2>\n<div class="usages">{bars}</div>'


def _usage(usage: Usage) -> str:
    kind = "bad" if usage.share >= 1 else "warn" if usage.share >= NEAR else ""
    numbers = f"{_number(usage.used)} of {_number(usage.limit)}"
    return (
        f'<div class="usage"><p><span>{escape(usage.name)}</span><span class="faint">{numbers}</span></p>'
        f'<div class="track"><div class="{kind}" style="width: {min(usage.share, 1):.1%}"></div></div></div>'
    )


def _lines(census: Census, history: Sequence[Point], now: float) -> str:
    states = [state for state in State if any(point.sockets[state] for point in history)]
    lines = "\n".join(_line(state, census.total(state), history, now) for state in states)
    return f'<h2>The last hour</h2>\n<div class="lines">{lines}</div>'


def _line(state: State, current: int, history: Sequence[Point], now: float) -> str:
    """A line from an hour ago at the left to now at the right, and from 0 to the most there was."""
    most = max(1, *(point.sockets[state] for point in history))
    drawn = " ".join(
        f"{1000 * (1 - (now - point.time) / HOUR):.1f},{98 - 96 * point.sockets[state] / most:.1f}" for point in history
    )
    return (
        f'<div class="line"><p><span>{state.label}</span>'
        f'<span class="faint">{_number(current)} now, at most {_number(most)}</span></p>'
        f'<svg viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" aria-label="{state.label}, the last hour">'
        f'<polyline points="{drawn}"/></svg></div>'
    )


def _number(number: float) -> str:
    return f"{number:,}"


def _footer(report: Report, version: str) -> str:
    every = (
        f"tcp-state-exporter {escape(version)}, sampling every {report.interval:g} s through {escape(report.source)}"
    )
    if report.last is None:
        return every + "."
    taken = datetime.fromtimestamp(report.last.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"{every}, last at {taken} in {report.last.seconds * 1000:.1f} ms."
