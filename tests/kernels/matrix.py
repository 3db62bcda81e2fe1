"""Which kernel gives what: a table of kernels and sources."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.tables import Table
from tests.kernels import guest
from tests.kernels.guest import GuestFailed
from tests.kernels.inside import Found, Report
from tests.kernels.kernels import Kernel
from tests.lab.recipes import EVERY

REFUSALS: Mapping[str, str] = {}
"""By kernel, the source that cannot work there."""

_SECONDS = 1800.0
"""Within these a kernel has been through all scenes; one takes about 150 alone on two cores."""


@dataclass(frozen=True)
class Row:
    """What one kernel gives."""

    kernel: Kernel
    report: Report


def row(kernel: Kernel) -> Row:
    """Boot the *kernel* and ask it.

    Raises:
        GuestFailed: it does not boot, or what asks it failed there.
    """
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found"
        command = f"python -m tests.kernels.inside /exchange/{found.name}"
        if status := guest.run(kernel, command, seconds=_SECONDS, exchange=found.parent):
            raise GuestFailed(f"what asks the kernel ended with {status}; its own message is above")
        return Row(kernel, _report(json.loads(found.read_text())))


def _report(document: Any) -> Report:
    return Report({name: Found(**found) for name, found in document["sources"].items()}, document["ended"])


def table(rows: Sequence[Row]) -> Table:
    """What each kernel gives, a row each."""
    sources = list(rows[0].report.sources)
    head = ("kernel", *sources, "left by ss -K")
    return Table(f"{len(EVERY)} scenes on each kernel", head, [_cells(one) for one in rows])


def _cells(one: Row) -> Sequence[str]:
    left = [recipe for recipe, is_ended in one.report.ended.items() if not is_ended]
    cells = [_cell(found) for found in one.report.sources.values()]
    return (f"{one.kernel.name} ({one.kernel.release})", *cells, ", ".join(left) or "none")


def _cell(found: Found) -> str:
    if found.refusal:
        return f"refused: {found.refusal}"
    word = f"wrong in {len(EVERY) - found.right}" if found.right < len(EVERY) else "right"
    return f"{word}, how they end told {found.ends} times" if found.ends else f"{word}, not how they end"


def faults(one: Row) -> Iterator[str]:
    """What is not as it should be, a line each."""
    for name, found in one.report.sources.items():
        yield from (f"{one.kernel.name} {name}: {fault}" for fault in found.faults)
        if found.refusal and REFUSALS.get(one.kernel.name) != name:
            yield f"{one.kernel.name} {name}: should not have refused: {found.refusal}"
