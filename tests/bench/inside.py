"""What counting inside the kernel costs: a finished sample of all network namespaces, and for how long a slice runs."""

import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import partial

from exporter.kernel.bpf import skeletons
from exporter.kernel.bpf.walk import BUDGET_NANOSECONDS, EVERYWHERE, Walk
from tests.bench import hosts
from tests.bench.costs import Cost, Measure
from tests.bench.hosts import Load, Scale
from tests.bench.rounds import ROUNDS, Rounds, compare
from tests.bench.subjects import FLOOR, Subject, floor, resident
from tests.bench.tables import Table, milliseconds
from tests.lab import netns
from tests.lab.netns import Namespace

INSIDE, PROBES, ONLY_OWN, SOCK_DIAG = "bpf", "bpf without plain loads", "bpf, own namespace", "sock_diag"
SPACES = 200
_READINGS = 50

_SAMPLES = (
    f"CPU of a finished sample of all network namespaces, not rendered, medians of {ROUNDS} rounds by turns; C dumps"
    " one namespace, or each where that is said. Loads by calls are those of kernels before 6.2."
)
_SLICES = (
    f"How long slices run, which are not preempted, of {_READINGS} readings; they end when"
    f" {BUDGET_NANOSECONDS // 1000} µs are over."
)


def samples(scale: Scale) -> Table:
    """A busy host, many namespaces, and one with nothing."""
    busy = compare(
        hosts.busy(scale(250_000)), _with(everywhere=INSIDE, own_by_bpf=ONLY_OWN, everywhere_by_probes=PROBES)
    )
    many = _compare_many(hosts.busy(scale(100_000)))
    idle = compare(hosts.idle, _with(own_by_bpf=ONLY_OWN, everywhere=INSIDE, counted=SOCK_DIAG))
    rows = [
        _row(f"{busy.sockets:,} sockets", busy, INSIDE),
        _row(f"{busy.sockets:,} sockets, own namespace alone", busy, ONLY_OWN),
        _row(f"{busy.sockets:,} sockets, loads by calls", busy, PROBES),
        _row(f"{many.sockets:,} sockets, and {SPACES} namespaces that C dumps one by one", many, INSIDE),
        _row("an empty host", idle, INSIDE),
        _row("an empty host, own namespace alone", idle, ONLY_OWN),
        _row("an empty host, by sock_diag", idle, SOCK_DIAG),
    ]
    return Table(_SAMPLES, ("", FLOOR, "this exporter", "of C"), rows)


def _with(**names: str) -> Mapping[str, Subject]:
    """The floor, and one of ``resident.COUNTERS`` by each name."""
    counters = {name: partial(resident, counter=counter) for counter, name in names.items()}
    return {FLOOR: floor, **counters}


def _row(what: str, rounds: Rounds, name: str) -> list[str]:
    return [what, milliseconds(rounds.cpu(FLOOR)), milliseconds(rounds.cpu(name)), f"{rounds.ratio(name):.3f} x"]


def _compare_many(load: Load) -> Rounds:
    """Beside SPACES namespaces with a connection each."""
    with ExitStack() as kept:
        places = [kept.enter_context(netns.namespace()) for _ in range(SPACES)]
        for place in places:
            kept.enter_context(hosts.quiet(place))
        return compare(load, {FLOOR: partial(_floor_of_each, places), INSIDE: partial(resident, counter="everywhere")})


@contextmanager
def _floor_of_each(places: list[Namespace], host: Namespace) -> Iterator[Measure]:
    """What C takes for the *host* and these *places*, one after the other."""
    with ExitStack() as kept:
        measures = [kept.enter_context(floor(place)) for place in (host, *places)]
        yield lambda: _sum([measure() for measure in measures])


def _sum(costs: list[Cost]) -> Cost:
    return Cost(sum(cost.cpu for cost in costs), sum(cost.wall for cost in costs))


def slices(scale: Scale) -> Table:
    """By the clock of the program itself."""
    loads: Mapping[str, Callable[[Scale], Load]] = {
        "busy": lambda scale: hosts.busy(scale(250_000)),
        "another address each": lambda scale: hosts.proxying(scale(130_000)),
        "nothing but stuck sockets": lambda scale: hosts.leaking(scale(100_000)),
    }
    rows = [_slices(what, load(scale)) for what, load in loads.items()]
    return Table(_SLICES, ("", "slices a reading", "median", "99 %", "99.9 %", "longest"), rows)


def _slices(what: str, load: Load) -> list[str]:
    with netns.namespace() as host, load(host) as population:
        seconds = sorted(_run())
        sockets = population.sockets.total()
    ranked = statistics.quantiles(seconds, n=1000)
    told = ranked[499], ranked[989], ranked[998], seconds[-1]
    return [f"{sockets:,} sockets, {what}", str(len(seconds) // _READINGS), *(f"{each * 1e3:.2f} ms" for each in told)]


def _run() -> Iterator[float]:
    """Seconds of each slice."""
    with closing(Walk(skeletons.load(skeletons.TYPED, skeletons.PROBE))) as walk:
        for _ in range(_READINGS):
            walk.begin([])
            for listening in (True, False):
                for piece in walk.slices(EVERYWHERE, listening=listening):
                    yield piece.told.nanoseconds / 1e9
