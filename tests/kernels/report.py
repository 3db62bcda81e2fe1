"""What one kernel gives, as it is told from the guest to the host."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


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


@dataclass(frozen=True)
class Daemon:
    """What a daemon that was granted CAP_BPF and CAP_PERFMON went on with."""

    source: str
    capabilities: Sequence[str]


@dataclass(frozen=True)
class Report:
    """What one kernel gives."""

    sources: Mapping[str, Found]
    ended: Mapping[str, bool]
    """By recipe, whether ``ss -K`` ends its sockets."""
    daemon: Daemon


def write(report: Report, file: Path) -> None:
    file.write_text(json.dumps(asdict(report)))


def read(file: Path) -> Report:
    document = json.loads(file.read_text())
    sources = {name: Found(**found) for name, found in document["sources"].items()}
    return Report(sources, document["ended"], Daemon(**document["daemon"]))
