"""The tables of the status page: by port and state, who holds what is stuck, and the stuck sockets one by one."""

from collections.abc import Mapping, Sequence
from html import escape

from exporter.count.census import Census
from exporter.count.stuck import Stuck, WatchedCount
from exporter.durations import spoken
from exporter.show import stuck_tables
from exporter.show.rows import absent, idle, left_out, present, rows, stuck_sockets
from exporter.show.stuck_tables import NETNS, StuckTable
from exporter.show.words import foreign_rows, idle_listeners, namespace, shortened
from exporter.tcp.sockets import Row
from exporter.tcp.states import State

_ADDRESSES = frozenset({"local", "remote"})
"""Headings of what is left out where addresses are not to be told."""


def ports(census: Census) -> str:
    """What is stuck stands first, so that a phone shows it."""
    states, shown = present(census), rows(census)
    has_others = any(row.netns for row in shown)
    names = ["port", *([NETNS] if has_others else []), "stuck", *(state.label for state in states), "total"]
    head = "".join(f'<th data-heading="{heading}">{heading}</th>' for heading in names)
    body = "\n".join(_port(row, states, census, has_others=has_others) for row in shown)
    return (
        f'<h2>By port and state</h2>\n<div class="scroll"><table class="ports"><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody>\n<tfoot>{_totals(census, states, has_others=has_others)}</tfoot></table></div>\n"
        f'<p class="faint">{_left_out(census)}</p>'
    )


def _port(row: Row, states: Sequence[State], census: Census, *, has_others: bool) -> str:
    counts, watched = census.sockets[row], census.stuck.watched.get(row, {})
    by_state = "".join(_of_state(counts[state], watched.get(state, WatchedCount())) for state in states)
    netns = f'<td data-heading="{NETNS}">{_name(namespace(row.netns))}</td>' if has_others else ""
    name = f"<td>{escape(row.role)} {escape(row.port)}</td>{netns}"
    return f"<tr>{name}{_stuck(stuck_sockets(census, row))}{by_state}{_number(sum(counts.values()))}</tr>"


def _stuck(number: int) -> str:
    return f'<td class="bad">{number:,}</td>' if number else _number(0)


def _of_state(number: int, watched: WatchedCount) -> str:
    if not watched.stuck:
        return _number(number)
    why = f"{watched.stuck:,} stuck, the oldest for {spoken(watched.oldest_stuck_age)}"
    return f'<td class="bad" title="{why}">{number:,}</td>'


def _number(number: int) -> str:
    """Zeros are dots: what there is stands out."""
    return f"<td>{number:,}</td>" if number else '<td class="zero">.</td>'


def _totals(census: Census, states: Sequence[State], *, has_others: bool) -> str:
    """Of all network namespaces together."""
    totals = [census.total(state) for state in states]
    numbers = "".join(map(_number, [census.stuck.total, *totals, sum(totals)]))
    return f"<tr><td>all</td>{'<td></td>' * has_others}{numbers}</tr>"


def _left_out(census: Census) -> str:
    idle_ports, states = idle_listeners(idle(census)), ", ".join(state.label for state in absent(census))
    more = foreign_rows(left_out(census))
    sentences = {f"… {more}.": more, f"… {idle_ports}.": idle_ports, f"No socket is in {states}.": states}
    return " ".join(sentence for sentence, subject in sentences.items() if subject)


def holders(census: Census) -> str:
    """Nothing where nothing is stuck, or owners are not told."""
    return _list("Who holds the stuck sockets", stuck_tables.holders(census))


def sockets(stuck: Stuck, *, addresses: bool = True) -> str:
    """Nothing where nothing is stuck."""
    return _list("Stuck sockets", stuck_tables.sockets(stuck), frozenset() if addresses else _ADDRESSES)


def _list(title: str, table: StuckTable, without: frozenset[str] = frozenset()) -> str:
    """On a phone each line becomes a paragraph, so cells bring their headings along."""
    if not table.lines:
        return ""
    headings = [heading for heading in table.lines[0] if heading not in without]
    head = _cells("th", {heading: heading for heading in headings})
    body = "\n".join(_cells("td", {heading: line[heading] for heading in headings}) for line in table.lines)
    caption = f"<caption>{table.caption}</caption>" if table.caption else ""
    return (
        f'<h2>{title}</h2>\n<div class="scroll"><table class="list">{caption}<thead>{head}</thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cells(tag: str, by_heading: Mapping[str, str]) -> str:
    cells = (
        f'<{tag} data-heading="{heading}">{_name(cell) if heading == NETNS else escape(cell)}</{tag}>'
        for heading, cell in by_heading.items()
    )
    return f"<tr>{''.join(cells)}</tr>"


def _name(netns: str) -> str:
    """In full where a mouse rests on it."""
    short = escape(shortened(netns))
    return short if len(netns) == len(shortened(netns)) else f'<span title="{escape(netns)}">{short}</span>'
