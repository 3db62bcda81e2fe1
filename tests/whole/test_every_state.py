"""Sockets in every state, of every family, as each source sees them."""

from collections import Counter
from collections.abc import Callable

import pytest

from exporter.count.census import Census
from exporter.count.rules import PortRules
from exporter.kernel.procfs import Procfs
from exporter.kernel.psutil_source import Psutil
from exporter.kernel.sock_diag import SockDiag
from exporter.kernel.source import Source
from exporter.sampling.sample import Sampling
from exporter.settings.config import Config
from exporter.tcp.states import State
from tests.lab.netns import Namespace, Pair
from tests.lab.recipes import EVERY, PORT, Family, Recipe
from tests.lab.witness import by_state

pytestmark = pytest.mark.kernel

SOURCES: tuple[Callable[[], Source], ...] = (SockDiag, Procfs, Psutil)


def census(make: Callable[[], Source], place: Namespace) -> Census:
    """What a source counts in *place*, with all ports named that the recipes use."""
    named = Config(ports=PortRules(server=frozenset({PORT})))
    with place.entered():
        sampling = Sampling(named, sources=lambda *_: [make])
        found = sampling.take().census
        sampling.close()
    return found


@pytest.mark.parametrize(("recipe", "family"), EVERY, ids=lambda value: getattr(value, "__name__", value))
def test_every_source_counts_what_ss_counts(recipe: Recipe, family: Family, pair: Pair) -> None:
    """All states agree, and the sockets of the scene are counted under its role."""
    with recipe(pair, family, 3) as made:
        expected = by_state(made.place)
        for make in SOURCES:
            found = census(make, made.place)

            totals = {state: found.total(state) for state in State}
            of_role = Counter(row.role for row, counts in found.sockets.items() for _ in range(counts[made.state]))
            assert (make.__name__, totals) == (make.__name__, {state: expected[state] for state in State})
            assert of_role == {made.role: 3}
