"""What a kernel gives, asked there: each source beside ss, and what ``ss -K`` ends. As a module: as JSON in FILE.

    python -m tests.kernels.inside FILE

Every kind of socket is made in namespaces of its own.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

from exporter.count.census import Census
from exporter.count.rules import PortRules
from exporter.errors import SampleError, SourceUnavailable
from exporter.sampling.sample import Sampling
from exporter.settings.config import SOURCES, Config
from exporter.tcp.states import State
from tests.lab import netns
from tests.lab.recipes import EVERY, PORT, Recipe, Scene
from tests.lab.witness import by_state
from tests.tcp.test_verdicts import EXPECTED

SOCKETS = 3
"""In each scene."""

_SETTLED_SECONDS = 5.0


@dataclass
class Found:
    """What came of one source."""

    right: int = 0
    """Scenes that it counted as ss does."""
    ends: int = 0
    """Of these, scenes of which it also told rightly how their sockets end."""
    faults: list[str] = field(default_factory=list)
    refusal: str = ""
    """Why it does not work here, as it says itself."""


@dataclass
class Report:
    """What one kernel gives."""

    sources: Mapping[str, Found]
    ended: Mapping[str, bool]
    """By recipe, whether ``ss -K`` ends its sockets."""


def report() -> Report:
    """Make all scenes, one after the other."""
    sources = {name: Found() for name in SOURCES if name != "auto"}
    ended = {}
    for recipe, family in EVERY:
        print(".", end="", file=sys.stderr, flush=True)
        with netns.pair() as pair, recipe(pair, family, SOCKETS) as scene:
            for name, found in sources.items():
                if not found.refusal:
                    _look(name, scene, recipe, f"{recipe.__name__} {family}", found)
            if family == "4":
                ended[recipe.__name__] = _ends(scene)
    print(file=sys.stderr)
    return Report(sources, ended)


def _look(source: str, scene: Scene, recipe: Recipe, name: str, found: Found) -> None:
    try:
        with scene.place.entered(), closing(_sampling(source)) as sampling:
            census = sampling.take().census
            faults = _miscounted(census, scene)
            tells_ends = recipe in EXPECTED and census.stuck.tells_verdicts
            if tells_ends:
                faults += _misjudged(sampling, scene, EXPECTED[recipe].word)
    except SourceUnavailable as refusal:
        found.refusal = str(refusal)
    except SampleError as error:
        found.faults.append(f"{name}: {error}")
    else:
        found.faults += [f"{name}: {fault}" for fault in faults]
        found.right += not faults
        found.ends += tells_ends and not faults


def _sampling(source: str) -> Sampling:
    """By one source and no other, with all ports named that the recipes use."""
    return Sampling(Config(source=source, ports=PortRules(server=frozenset({PORT}))))


def _miscounted(census: Census, scene: Scene) -> list[str]:
    expected = {state: number for state, number in by_state(scene.place).items() if number}
    counted = {state: number for state in State if (number := census.total(state))}
    faults = [] if counted == expected else [f"counted {_words(counted)}, ss has {_words(expected)}"]
    if (roles := _roles(census, scene.state)) != {scene.role: SOCKETS}:
        faults.append(f"counted as {dict(roles)}, expected {scene.role}")
    return faults


def _roles(census: Census, state: State) -> Counter[str]:
    roles: Counter[str] = Counter()
    for row, counts in census.sockets.items():
        roles[row.role] += counts[state]
    return +roles


def _misjudged(sampling: Sampling, scene: Scene, expected: str) -> list[str]:
    """The last byte that a recipe reads may be gone a moment later than ss sees the state."""
    end = time.monotonic() + _SETTLED_SECONDS
    while (words := _ends_told(sampling.take().census, scene.state)) != {expected: SOCKETS}:
        if time.monotonic() > end:
            return [f"told to end by {dict(words)}, expected {expected}"]
        time.sleep(0.2)
    return []


def _ends_told(census: Census, state: State) -> Counter[str]:
    words: Counter[str] = Counter()
    for watched in census.stuck.watched.values():
        for verdict, number in watched[state].verdicts.items() if state in watched else ():
            words[verdict.word] += number
    return +words


def _words(counts: Mapping[State, int]) -> Mapping[str, int]:
    return {state.label: number for state, number in counts.items()}


def _ends(scene: Scene) -> bool:
    """Whether ``ss -K`` takes the sockets out of their state."""
    scene.place.run("ss", "-K", "-tanH")
    return by_state(scene.place)[scene.state] == 0


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(asdict(report())))
