"""Which kernel gives what: a table of kernels and sources."""

import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.tables import Table
from tests.kernels import guest, report
from tests.kernels.guest import GuestFailed
from tests.kernels.kernels import Kernel
from tests.kernels.report import Daemon, Found, Report
from tests.lab.recipes import EVERY

REFUSALS: Mapping[str, Collection[str]] = {"5.10": ("bpf", "bpf, all")}
"""By kernel, the sources that cannot work there."""

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
        return Row(kernel, report.read(found))


def table(rows: Sequence[Row]) -> Table:
    """What each kernel gives, a row each."""
    sources = list(rows[0].report.sources)
    head = ("kernel", *sources, "with CAP_BPF and CAP_PERFMON", "left by ss -K")
    return Table(f"{len(EVERY)} scenes on each kernel", head, [_cells(one) for one in rows])


def _cells(one: Row) -> Sequence[str]:
    left = [recipe for recipe, is_ended in one.report.ended.items() if not is_ended]
    cells = [_cell(found) for found in one.report.sources.values()]
    return (one.kernel.release, *cells, _goes_on(one.report.daemon), ", ".join(left) or "none")


def _cell(found: Found) -> str:
    if found.refusal:
        return f"refused: {found.refusal}"
    word = f"wrong in {len(EVERY) - found.right}" if found.right < len(EVERY) else "right"
    return word if found.ends else f"{word}, not how they end"


def _goes_on(daemon: Daemon) -> str:
    return f"{daemon.source} with {' and '.join(daemon.capabilities) or 'no capability'}"


def faults(one: Row) -> Iterator[str]:
    """What is not as it should be, a line each."""
    known = REFUSALS.get(one.kernel.name, ())
    for name, found in one.report.sources.items():
        yield from (f"{one.kernel.name} {name}: {fault}" for fault in found.faults)
        if found.refusal and name not in known:
            yield f"{one.kernel.name} {name}: should not have refused: {found.refusal}"
    is_bpf = one.report.daemon.source == "bpf"
    if is_bpf is ("bpf" in known) or (is_bpf and one.report.daemon.capabilities):
        yield f"{one.kernel.name}: a daemon goes on as {_goes_on(one.report.daemon)}"
