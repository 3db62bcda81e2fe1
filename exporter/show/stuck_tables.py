"""The stuck sockets as people see them: who holds how many, and below that one by one."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from exporter.count.census import Census
from exporter.count.exhaustion import Holder
from exporter.count.stuck import Holding, Stuck, StuckSocket
from exporter.durations import spoken
from exporter.show.words import brief_endings, ending, name_of, namespace, owner_name
from exporter.tcp.holders import Whose

HOLDERS = 20
LISTED = 20
"""Stuck sockets that are shown one by one."""
NETNS = "netns"
"""Heading of the column of network namespaces, whose names can be long."""


class StuckTable(NamedTuple):
    """The first lines of a list."""

    lines: Sequence[Mapping[str, str]]
    """Cells by heading; all lines have the same headings."""
    caption: str
    """How much of the list these are; empty if all of it."""


def holders(census: Census) -> StuckTable:
    """Who has most of them first; and below that, who has sockets that are over and that no table shows."""
    stuck = census.stuck
    shown = stuck.holdings[:HOLDERS]
    held = sum(holding.sockets for holding in shown)
    caption = f"The {len(shown)} biggest, with {held:,} of {stuck.total:,} stuck sockets."
    lines = [_holding(holding, census) for holding in shown]
    closed = [
        _closed(whose, sockets, census) for whose, sockets in islice((census.closed.by_owner or {}).items(), HOLDERS)
    ]
    return _table([*lines, *closed], caption if held < stuck.total else "")


def sockets(stuck: Stuck) -> StuckTable:
    """The oldest first."""
    shown = list(islice(stuck.sockets(), LISTED))
    caption = f"The {len(shown)} oldest of {stuck.total:,} stuck sockets."
    return _table([_socket(socket, stuck) for socket in shown], caption if len(shown) < stuck.total else "")


def _table(lines: Sequence[Mapping[str, str]], caption: str) -> StuckTable:
    """Without the column of namespaces where there is none but our own."""
    without = {NETNS} if not any(line[NETNS] for line in lines) else set()
    return StuckTable([{name: cell for name, cell in line.items() if name not in without} for line in lines], caption)


def _holding(holding: Holding, census: Census) -> Mapping[str, str]:
    owner, netns = holding.owner, census.stuck.netns(holding.service)
    return {
        "stuck": f"{holding.sockets:,}",
        "held by": owner_name(owner) or "not known",
        "pid": str(owner.pid or ""),
        "descriptors": _descriptors(_holder(Whose(owner.cgroup, owner.process, netns), census)),
        "port": f"{holding.service.role} {holding.service.port}",
        NETNS: namespace(netns),
        "state": holding.state.label,
        "oldest": spoken(census.stuck.now - holding.oldest_since),
        "how they end": brief_endings(holding),
    }


def _closed(whose: Whose, sockets: int, census: Census) -> Mapping[str, str]:
    holder = _holder(whose, census)
    return {
        "stuck": f"{sockets:,}",
        "held by": name_of(whose.cgroup, whose.process) or "not known",
        "pid": str(holder.pid or "") if holder else "",
        "descriptors": _descriptors(holder),
        "port": "",
        NETNS: namespace(whose.netns),
        "state": "close",
        "oldest": "",
        "how they end": "over, not closed",
    }


def _holder(whose: Whose, census: Census) -> Holder | None:
    return next((one for one in census.holders if one.whose == whose), None)


def _descriptors(holder: Holder | None) -> str:
    """Open ones, and how many there may be; empty if it is not known."""
    of = holder and holder.descriptors
    return f"{of.open:,} of {of.limit:,}" if of else ""


def _socket(one: StuckSocket, stuck: Stuck) -> Mapping[str, str]:
    socket, ends = one.socket, one.socket.ends
    return {
        "state": socket.state.label,
        NETNS: namespace(stuck.netns(one.service)),
        "local": ends.local,
        "remote": ends.remote,
        "age": spoken(stuck.age(one)),
        "how it ends": ending(one.verdict),
        "unread": f"{socket.receive_queue:,}" if socket.receive_queue else ".",
        "unsent": f"{socket.send_queue:,}" if socket.send_queue else ".",
        "held by": owner_name(one.owner),
        "pid": str(one.owner.pid or ""),
    }
