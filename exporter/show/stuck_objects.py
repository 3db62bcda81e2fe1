"""Stuck sockets, and who holds them, as objects of JSON; null is what is not known.

As in the metrics, only what is of another network namespace than the exporter's own says of which.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from exporter.count.closed import Closed
from exporter.count.exhaustion import Holder
from exporter.count.stuck import Holding, Stuck, StuckSocket
from exporter.show.series import of_namespace
from exporter.tcp.cgroups import container_id
from exporter.tcp.holders import Owner
from exporter.tcp.sockets import Service
from exporter.tcp.verdicts import VERDICTS

_LABELS = tuple(dict.fromkeys(verdict.label for verdicts in VERDICTS.values() for verdict in verdicts))

_ADDRESSES = frozenset({"local", "remote"})


def of_socket(one: StuckSocket, stuck: Stuck) -> dict[str, object]:
    """One of the listed sockets."""
    socket, ends = one.socket, one.socket.ends
    return {
        "state": socket.state.label,
        **_service(one.service, stuck),
        "local": ends.local,
        "remote": ends.remote,
        "age_seconds": round(stuck.age(one), 3),
        **_ways(one),
        "receive_queue": socket.receive_queue,
        "send_queue": socket.send_queue,
        **_owner(one.owner),
    }


def without_addresses(of: Mapping[str, object]) -> dict[str, object]:
    """The same, with nothing known of them."""
    return {name: None if name in _ADDRESSES else value for name, value in of.items()}


def of_holding(holding: Holding, stuck: Stuck, holder: Holder | None) -> dict[str, object]:
    """Who holds how many; how they end is told by the words of the metrics.

    The descriptors are those of the owner's fullest process.
    """
    return {
        "state": holding.state.label,
        **_service(holding.service, stuck),
        **_owner(holding.owner),
        "sockets": holding.sockets,
        "oldest_age_seconds": round(stuck.now - holding.oldest_since, 3),
        "endings": _endings(holding),
        "descriptors": of_descriptors(holder),
    }


def of_holder(holder: Holder) -> dict[str, object]:
    """A process that holds stuck sockets, or has not given back their descriptors."""
    owner = _owner(Owner(holder.cgroup, holder.process, holder.pid))
    return {**of_namespace(holder.whose.netns), **owner, "stuck": holder.taken, "descriptors": of_descriptors(holder)}


def of_descriptors(holder: Holder | None) -> dict[str, object] | None:
    """How near the holder is to its end, and when it will be there, at the pace of the last minutes."""
    if holder is None or holder.descriptors is None:
        return None
    left = None if holder.seconds_left is None else round(holder.seconds_left, 3)
    open_, limit = holder.descriptors
    return {"pid": holder.pid, "open": open_, "limit": limit, "stuck": holder.taken, "seconds_left": left}


def of_closed(closed: Closed, holders: Iterable[Holder]) -> list[dict[str, object]] | None:
    """Sockets that are over and still held, by who holds them; null where nothing is known of them."""
    if closed.by_owner is None:
        return None
    pids = {holder.whose: holder.pid for holder in holders}
    named = [
        {
            **of_namespace(whose.netns),
            **_owner(Owner(whose.cgroup, whose.process, pids.get(whose, 0))),
            "sockets": sockets,
        }
        for whose, sockets in closed.by_owner.items()
    ]
    return [*named, {**_owner(Owner("", "")), "sockets": closed.unexplained}] if closed.unexplained else named


def _endings(holding: Holding) -> Mapping[str, int]:
    """How many of them have each word; some verdicts share one."""
    words: Counter[str] = Counter()
    for verdict, sockets in holding.verdicts.items():
        words[verdict.word] += sockets
    return words


def _service(service: Service, stuck: Stuck) -> dict[str, object]:
    return {"role": service.role, "port": service.port, **of_namespace(stuck.netns(service))}


def _owner(owner: Owner) -> dict[str, object]:
    return {
        "cgroup": owner.cgroup or None,
        "container_id": container_id(owner.cgroup) or None,
        "pid": owner.pid or None,
        "process": owner.process or None,
    }


def _ways(one: StuckSocket) -> dict[str, str | None]:
    """How it ends, under the name of the label that tells it in the metrics."""
    known = {one.verdict.label: one.verdict.word} if one.verdict else {}
    return {label: known.get(label) for label in _LABELS}
