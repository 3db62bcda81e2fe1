"""What is told of stuck sockets, and of those who have them."""

from collections.abc import Iterable

from exporter.count.labels import Labels
from exporter.count.rules import OwnerRules, StuckRules
from exporter.count.stuck import Holding, Stuck, Tell, owners, told
from exporter.count.watched import WatchedSockets
from exporter.tcp.columns import unpacked
from exporter.tcp.holders import Owner, Process
from exporter.tcp.namespaces import OWN
from exporter.tcp.sockets import Origin, Row, Service, Socket
from exporter.tcp.states import State
from exporter.tcp.verdicts import CLOSE, NOTHING, READ
from tests.count.readings import HERE, read

HELD = Socket(State.FIN_WAIT2, 8080, 40000, HERE, cookie=1, inode=11)
WEB = Row("", "server", "8080")
NGINX = Process(7, "nginx", "")
AFTER = {State.FIN_WAIT2: 60.0, State.CLOSE_WAIT: 60.0}


def stuck(sockets: Iterable[Socket], *, more: Iterable[Socket] = (), rules: OwnerRules | None = None) -> Stuck:
    """Of *sockets* that are there for 100 s, and of *more* that have just come; all of cgroup 5, half of nginx.

    The other half was sought in vain.
    """
    watched, sockets = WatchedSockets(), list(sockets)
    for now, shown in ((0.0, sockets), (100.0, [*sockets, *more])):
        read(watched, shown, now, after=AFTER, origins={socket: Origin(cgroup_id=5) for socket in shown})
    clues = watched.holders.seek(unpacked)
    watched.holders.learn(dict.fromkeys(clues, ()) | dict.fromkeys(clues[::2], (NGINX,)), unpacked)
    labels = Labels({OWN: {"server": frozenset({8080}), "client": frozenset()}}, {OWN: ""})
    tell = Tell(100.0, StuckRules(AFTER, rules or OwnerRules()), True, {5: "/web"}.__getitem__)
    return told(watched, owners(watched, tell), labels, [WEB], tell)


def several(number: int, socket: Socket = HELD) -> list[Socket]:
    return [socket._replace(cookie=100 * socket.state + one, inode=100 * socket.state + one) for one in range(number)]


def test_what_is_said_of_stuck_sockets_is_not_said_of_all_in_the_state() -> None:
    close_wait = HELD._replace(state=State.CLOSE_WAIT)
    found = stuck(several(4, close_wait), more=[close_wait._replace(cookie=9, receive_queue=5)])

    count = found.watched[WEB][State.CLOSE_WAIT]
    assert (count.stuck, count.verdicts, count.stuck_verdicts) == (4, {CLOSE: 4, READ: 1}, {CLOSE: 4})


def test_holdings_tell_who_has_how_many_and_since_when() -> None:
    found = stuck([*several(5), HELD._replace(cookie=8, inode=0, state=State.CLOSE_WAIT)])

    assert [(holding.owner, holding.state, holding.sockets) for holding in found.holdings] == [
        (Owner("/web", "nginx", 7), State.FIN_WAIT2, 3),
        (Owner("/web", "", 0), State.FIN_WAIT2, 2),
        (Owner("/web", "", 0), State.CLOSE_WAIT, 1),
    ]
    first = found.holdings[0]
    assert first == Holding(Service("server", 8080), State.FIN_WAIT2, first.owner, 3, 0.0, {NOTHING: 3})


def test_where_owners_are_not_told_there_are_no_holdings() -> None:
    assert stuck(several(3), rules=OwnerRules(enabled=False)).holdings == ()
