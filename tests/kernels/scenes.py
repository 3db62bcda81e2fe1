"""What a source says of a scene that ss sees too."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from typing import NamedTuple

from exporter.count.census import Census
from exporter.count.rules import NamespaceRules, PortRules
from exporter.errors import SampleError, SourceUnavailable
from exporter.kernel.choice import EVERYWHERE, OURS, Make
from exporter.sampling.sample import Sampling
from exporter.settings.config import Config
from exporter.tcp.states import State
from tests.kernels.report import Found
from tests.lab.netns import Namespace
from tests.lab.recipes import PORT, Recipe, Scene
from tests.lab.witness import by_state
from tests.tcp.test_verdicts import EXPECTED

SOCKETS = 3
"""In each scene."""

_SETTLED_SECONDS = 5.0
_PORTS = PortRules(server=frozenset({PORT}))


class Way(NamedTuple):
    """A source, from within the namespace that is counted or from another one."""

    make: Make
    everywhere: bool = False

    @contextmanager
    def sampling(self, place: Namespace) -> Iterator[Sampling]:
        """By this source and no other."""
        rules = NamespaceRules("all" if self.everywhere else "own")
        with ExitStack() as kept:
            if not self.everywhere:
                kept.enter_context(place.entered())
            config = Config(ports=_PORTS, namespaces=rules)
            yield kept.enter_context(closing(Sampling(config, sources=lambda _choice, _all: (self.make,))))


def ways() -> Mapping[str, Way]:
    """All that the exporter has."""
    own = {name: Way(make) for name, make in OURS.items()}
    return own | {f"{name}, all": Way(make, True) for name, make in EVERYWHERE.items() if make is not OURS[name]}


def look(way: Way, scene: Scene, recipe: Recipe, name: str, found: Found) -> None:
    """Enter into *found* what this *way* says of a *scene* by that *name*."""
    try:
        with way.sampling(scene.place) as sampling:
            shown = _Shown(sampling, scene, way)
            faults = shown.miscounted()
            tells_ends = recipe in EXPECTED and shown.census.stuck.tells_verdicts
            if tells_ends:
                faults += shown.misjudged(EXPECTED[recipe].word)
    except SourceUnavailable as refusal:
        found.refusal = str(refusal)
    except SampleError as error:
        found.faults.append(f"{name}: {error}")
    else:
        found.faults += [f"{name}: {fault}" for fault in faults]
        found.right += not faults
        found.ends += tells_ends and not faults


class _Shown:
    """A scene in the samples of a source."""

    def __init__(self, sampling: Sampling, scene: Scene, way: Way) -> None:
        self._sampling, self._scene = sampling, scene
        self._netns = scene.place.name if way.everywhere else ""
        self.census: Census = sampling.take().census

    def miscounted(self) -> list[str]:
        expected = {state: number for state, number in by_state(self._scene.place).items() if number}
        counted = self._counted()
        faults = [] if counted == expected else [f"counted {_words(counted)}, ss has {_words(expected)}"]
        if (roles := self._roles()) != {self._scene.role: SOCKETS}:
            faults.append(f"counted as {dict(roles)}, expected {self._scene.role}")
        return faults

    def misjudged(self, expected: str) -> list[str]:
        """The last byte that a recipe reads may be gone a moment later than ss sees the state."""
        end = time.monotonic() + _SETTLED_SECONDS
        while (words := self._ends_told()) != {expected: SOCKETS}:
            if time.monotonic() > end:
                return [f"told to end by {dict(words)}, expected {expected}"]
            time.sleep(0.2)
            self.census = self._sampling.take().census
        return []

    def _counted(self) -> Counter[State]:
        counted: Counter[State] = Counter()
        for row, counts in self.census.sockets.items():
            if row.netns == self._netns:
                counted.update(counts)
        return +counted

    def _roles(self) -> Counter[str]:
        roles: Counter[str] = Counter()
        for row, counts in self.census.sockets.items():
            if row.netns == self._netns:
                roles[row.role] += counts.get(self._scene.state, 0)
        return +roles

    def _ends_told(self) -> Counter[str]:
        words: Counter[str] = Counter()
        for row, by_state_of_row in self.census.stuck.watched.items():
            if row.netns == self._netns and self._scene.state in by_state_of_row:
                for verdict, number in by_state_of_row[self._scene.state].verdicts.items():
                    words[verdict.word] += number
        return +words


def _words(counts: Mapping[State, int]) -> Mapping[str, int]:
    return {state.label: number for state, number in counts.items()}
