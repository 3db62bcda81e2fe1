"""What a finished sample costs, before it is rendered."""

from collections.abc import Sequence

from tests.bench import hosts
from tests.bench.daemons import ALL_STUCK, EACH_SECOND, Footprint, footprint
from tests.bench.hosts import Load, Scale
from tests.bench.rounds import ROUNDS, Rounds, compare
from tests.bench.subjects import FLOOR, OURS, everybody, ours
from tests.bench.tables import Table, megabytes, milliseconds, multiple

_SIZES = (10_000, 50_000, 250_000)

_BESIDE_OTHERS = (
    f"CPU of one count, medians of {ROUNDS} rounds by turns, and as a multiple of C's in the same round. What this"
    " exporter takes is a finished sample, not rendered; ss, awk and node_exporter are with their output."
)
_BY_ITSELF = (
    f"CPU of a finished sample, not rendered, medians of {ROUNDS} rounds by turns; memory is that of the whole daemon,"
    " scraped each second."
)
_HEAD = ("sockets", FLOOR, OURS, "of C", "peak memory", "when they are gone")


def beside_others(scale: Scale) -> Table:
    """Everybody, on busy hosts of several sizes."""
    found = [compare(hosts.busy(scale(size)), everybody()) for size in _SIZES]
    largest = found[-1]
    rows = [
        [name, *(_cell(rounds, name) for rounds in found), milliseconds(largest.wall(name)), _peak(largest, name)]
        for name in everybody()
    ]
    return Table(
        _BESIDE_OTHERS, ("", *(f"{one.sockets:,} sockets" for one in found), "of these, wall", "peak memory"), rows
    )


def _cell(rounds: Rounds, name: str) -> str:
    return f"{milliseconds(rounds.cpu(name))} ({multiple(rounds.ratio(name))})"


def _peak(rounds: Rounds, name: str) -> str:
    return megabytes(rounds.memory(name))


def watched(scale: Scale) -> Table:
    """The same number of sockets without and with watched ones, and with all of these stuck."""
    size = scale(250_000)
    return _by_itself(
        _row("none of them watched", compare(hosts.orderly(size), ours("counted"))),
        _row("4 % watched", compare(hosts.busy(size), ours("counted"))),
        _row("4 % stuck, owners known", compare(hosts.busy(size), ours("stuck"))),
        _row("4 % stuck, their timers running", compare(hosts.hanging(size), ours("stuck"))),
    )


def stuck(scale: Scale) -> Table:
    """Nothing but stuck sockets, which the daemon has to forget again."""
    load = hosts.leaking(scale(200_000))
    memory = footprint(load, EACH_SECOND + ALL_STUCK, after=True)
    return _by_itself(_row("all stuck, owners known", compare(load, ours("stuck")), memory))


def ports(scale: Scale) -> Table:
    """As many remote ports as there are."""
    return _crowded("each to another remote port", hosts.scanning(scale(65_000)))


def destinations(scale: Scale) -> Table:
    """More destinations than can be told apart."""
    return _crowded("each to another address", hosts.proxying(scale(130_000)))


def _crowded(what: str, load: Load) -> Table:
    return _by_itself(_row(what, compare(load, ours("counted")), footprint(load, EACH_SECOND)))


def _by_itself(*rows: Sequence[str]) -> Table:
    return Table(_BY_ITSELF, _HEAD, rows)


def _row(what: str, rounds: Rounds, memory: Footprint | None = None) -> Sequence[str]:
    return (
        f"{rounds.sockets:,}, {what}",
        milliseconds(rounds.cpu(FLOOR)),
        milliseconds(rounds.cpu(OURS)),
        multiple(rounds.ratio(OURS)),
        megabytes(memory and memory.peak),
        _left(memory),
    )


def _left(memory: Footprint | None) -> str:
    if memory is None or memory.after is None:
        return ""
    return f"{megabytes(memory.after)} ({megabytes(memory.before)} before)"
