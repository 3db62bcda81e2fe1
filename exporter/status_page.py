"""The page at ``/``: what is running, and the sockets by port and state, for a person with a browser.

It needs no script, no font and no file beside it, and says so in its content security policy. Everything that did not
come from this file is escaped.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from exporter import table
from exporter.census import Census
from exporter.record import Record
from exporter.tcp import State

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --faint: #8b949e; --line: #d8dee4; --paper: #fff; --alarm: #b42318; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --faint: #6e7681; --line: #30363d; --paper: #0d1117; --alarm: #ff7b72; }
}
body { margin: 0 auto; max-width: 75rem; padding: 1.5rem 1rem; font: 1rem/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--paper); }
h1 { font-size: 1.35rem; margin: 0; }
h1 small, footer { color: var(--faint); font-size: .85rem; font-weight: normal; }
nav a { margin-right: 1rem; }
a { color: inherit; }
.alarm { color: var(--alarm); font-weight: 600; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0; }
caption { text-align: left; color: var(--faint); }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
td.zero { color: var(--faint); }
tfoot { font-weight: 600; }
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="{refresh:.0f}">
<title>tcp-state-exporter</title>
<style>{style}</style>
</head>
<body>
<header><h1>tcp-state-exporter <small>{version}</small></h1>
<p>TCP sockets of this host by state, role and port.</p>
<nav>{links}</nav></header>
<main>{main}</main>
<footer>{footer}</footer>
</body>
</html>
"""


def render(record: Record, now: float, *, version: str, links: Sequence[tuple[str, str]]) -> str:
    """The page as HTML at the monotonic time *now*; *links* are pairs of path and text."""
    census = record.census(now)
    return _PAGE.format(
        refresh=max(record.interval, 5.0),
        style=_STYLE,
        version=escape(version),
        links=" ".join(f'<a href="{escape(path)}">{escape(text)}</a>' for path, text in links),
        main=_missing(record) if census is None else _warning(record) + _table(census),
        footer=_footer(record),
    )


def _missing(record: Record) -> str:
    reason = "No sample has succeeded yet." if record.last is None else "The last good sample is too old to be shown."
    return f'<p class="alarm">{reason} The log says why.</p>'


def _warning(record: Record) -> str:
    if record.succeeded:
        return ""
    return '<p class="alarm">The last sample failed; the table is of the one before. The log says why.</p>'


def _table(census: Census) -> str:
    states = table.present(census)
    ports = table.rows(census)
    head = _row("th", ["port", *(state.label for state in states), "total"])
    body = "\n".join(_port(row, states) for row in ports)
    totals = [census.total(state) for state in states]
    foot = _row("td", ["all", *map(_number, totals), _number(sum(totals))])
    absent = ", ".join(state.label for state in State if state not in states)
    return (
        f'<div class="scroll"><table><thead>{head}</thead>\n<tbody>{body}</tbody>\n<tfoot>{foot}</tfoot>'
        f"</table></div>\n<p>No socket is in {absent}.</p>"
    )


def _port(row: table.Row, states: Iterable[State]) -> str:
    cells = "".join(_count(row.counts[state]) for state in states)
    return f"<tr><td>{escape(row.role)} {escape(row.port)}</td>{cells}<td>{_number(row.total)}</td></tr>"


def _count(number: int) -> str:
    return f"<td>{_number(number)}</td>" if number else '<td class="zero">0</td>'


def _row(tag: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def _number(number: int) -> str:
    return f"{number:,}"


def _footer(record: Record) -> str:
    every = f"Sampled every {record.interval:g} s through {escape(record.source)}"
    if record.last is None:
        return every + "."
    taken = datetime.fromtimestamp(record.last.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"{every}, last at {taken} in {record.last.seconds * 1000:.1f} ms."
