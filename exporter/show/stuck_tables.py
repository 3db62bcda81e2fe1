"""The stuck sockets as people see them: who holds how many, and below that one by one."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from exporter.count.census import Census
from exporter.count.exhaustion import Holder
from exporter.count.stuck import Holding, Stuck, StuckSocket
from exporter.durations import spoken
from exporter.show.words import brief_endings, ending, name_of, owner_name

HOLDERS = 20
LISTED = 20
"""Stuck sockets that are shown one by one."""


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
    closed = [_closed(*whose, sockets, census) for whose, sockets in (census.closed.by_owner or {}).items()]
    return StuckTable([*lines, *closed[:HOLDERS]], caption if held < stuck.total else "")


def sockets(stuck: Stuck) -> StuckTable:
    """The oldest first."""
    shown = list(islice(stuck.sockets(), LISTED))
    caption = f"The {len(shown)} oldest of {stuck.total:,} stuck sockets."
    return StuckTable(
        [_socket(socket, stuck.age(socket)) for socket in shown], caption if len(shown) < stuck.total else ""
    )


def _holding(holding: Holding, census: Census) -> Mapping[str, str]:
    owner = holding.owner
    return {
        "stuck": f"{holding.sockets:,}",
        "held by": owner_name(owner) or "not known",
        "pid": str(owner.pid or ""),
        "descriptors": _descriptors(_holder(owner.cgroup, owner.process, census)),
        "port": f"{holding.service.role} {holding.service.port}",
        "state": holding.state.label,
        "oldest": spoken(census.stuck.now - holding.oldest_since),
        "how they end": brief_endings(holding),
    }


def _closed(cgroup: str, process: str, sockets: int, census: Census) -> Mapping[str, str]:
    holder = _holder(cgroup, process, census)
    return {
        "stuck": f"{sockets:,}",
        "held by": name_of(cgroup, process) or "not known",
        "pid": str(holder.pid or "") if holder else "",
        "descriptors": _descriptors(holder),
        "port": "",
        "state": "close",
        "oldest": "",
        "how they end": "over, not closed",
    }


def _holder(cgroup: str, process: str, census: Census) -> Holder | None:
    return next((one for one in census.holders if (one.cgroup, one.process) == (cgroup, process)), None)


def _descriptors(holder: Holder | None) -> str:
    """Open ones, and how many there may be; empty if it is not known."""
    of = holder and holder.descriptors
    return f"{of.open:,} of {of.limit:,}" if of else ""


def _socket(stuck: StuckSocket, age: float) -> Mapping[str, str]:
    socket, ends = stuck.socket, stuck.socket.ends
    return {
        "state": socket.state.label,
        "local": ends.local,
        "remote": ends.remote,
        "age": spoken(age),
        "how it ends": ending(stuck.verdict),
        "unread": f"{socket.receive_queue:,}" if socket.receive_queue else ".",
        "unsent": f"{socket.send_queue:,}" if socket.send_queue else ".",
        "held by": owner_name(stuck.owner),
        "pid": str(stuck.owner.pid or ""),
    }
