"""The page at ``/``, for a person who was just woken up: what is wrong, who has it, and the numbers around it.

It needs no script, no font and no file beside it, and says so in its content security policy. Everything that did not
come from this file is escaped.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from itertools import islice

from exporter.count.census import Census
from exporter.count.history import HOUR, Point
from exporter.count.report import Report
from exporter.count.stuck import StuckSocket, WatchedCount
from exporter.durations import spoken
from exporter.show.findings import ALL_WELL, NEAR, Usage, findings, usages
from exporter.show.page_style import STYLE
from exporter.show.rows import absent, present, rows
from exporter.show.words import ending, owner_name
from exporter.tcp.sockets import Row
from exporter.tcp.states import State

LISTED = 20
"""Stuck sockets shown one by one."""
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
        main=_missing(report) if census is None else _warning(report) + _sections(census, history, now),
        footer=_footer(report, frame.version),
    )


def _missing(report: Report) -> str:
    reason = "No sample has succeeded yet." if report.last is None else "The last good sample is too old to be shown."
    return _finding("bad", f"{reason} The log says why.")


def _warning(report: Report) -> str:
    if report.succeeded:
        return ""
    return _finding("warn", "The last sample failed; what follows is of the one before. The log says why.")


def _sections(census: Census, history: Sequence[Point], now: float) -> str:
    sections = (_findings(census), _table(census), _stuck(census), _usages(census), _lines(census, history, now))
    return "\n".join(sections)


def _findings(census: Census) -> str:
    found = findings(census)
    if not found:
        return _finding("good", ALL_WELL)
    return "\n".join(_finding("bad" if finding.is_bad else "warn", finding.text) for finding in found)


def _finding(kind: str, text: str) -> str:
    return f'<p class="finding {kind}">{escape(text)}</p>'


def _stuck(census: Census) -> str:
    stuck = census.stuck
    shown = list(islice(stuck.sockets(), LISTED))
    if not shown:
        return ""
    caption = f"The {len(shown)} oldest of {_number(stuck.total)}." if stuck.total > len(shown) else ""
    head = _cells("th", ["state", "local", "remote", "age", "how it ends", "unread", "unsent", "held by", "pid"])
    body = "\n".join(_cells("td", _socket(socket, stuck.age(socket))) for socket in shown)
    return (
        f'<h2>Stuck sockets</h2>\n<div class="scroll"><table class="words"><caption>{caption}</caption>'
        f"<thead>{head}</thead>\n<tbody>{body}</tbody></table></div>"
    )


def _socket(stuck: StuckSocket, age: float) -> Iterable[str]:
    yield stuck.socket.state.label
    yield from stuck.socket.ends
    yield spoken(age)
    yield ending(stuck.verdict)
    yield from (_number(queue) if queue else "" for queue in (stuck.socket.receive_queue, stuck.socket.send_queue))
    yield owner_name(stuck.owner)
    yield str(stuck.owner.pid or "")


def _table(census: Census) -> str:
    states = present(census)
    head = _cells("th", ["port", *(state.label for state in states), "total"])
    body = "\n".join(_port(row, states, census) for row in rows(census))
    totals = [census.total(state) for state in states]
    foot = _cells("td", ["all", *map(_number, totals), _number(sum(totals))])
    others = ", ".join(state.label for state in absent(census))
    return (
        f'<h2>By port and state</h2>\n<div class="scroll"><table><thead>{head}</thead>\n<tbody>{body}</tbody>\n'
        f'<tfoot>{foot}</tfoot></table></div>\n<p class="faint">No socket is in {others}.</p>'
    )


def _port(row: Row, states: Iterable[State], census: Census) -> str:
    counts = census.sockets[row]
    watched: Mapping[State, WatchedCount] = census.stuck.watched.get(row, {})
    cells = "".join(_count(counts[state], watched.get(state, WatchedCount())) for state in states)
    return f"<tr><td>{escape(row.role)} {escape(row.port)}</td>{cells}<td>{_number(sum(counts.values()))}</td></tr>"


def _count(number: int, watched: WatchedCount) -> str:
    if watched.stuck:
        why = f"{_number(watched.stuck)} stuck, the oldest for {spoken(watched.oldest_age)}"
        return f'<td class="bad" title="{why}">{_number(number)}</td>'
    return f"<td>{_number(number)}</td>" if number else '<td class="zero">0</td>'


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


def _cells(tag: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"


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
