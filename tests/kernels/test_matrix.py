from pathlib import Path

import pytest

from tests.kernels import matrix, report
from tests.kernels.kernels import Kernel
from tests.kernels.matrix import Row
from tests.kernels.report import Daemon, Found, Report
from tests.lab.recipes import EVERY

ALL = len(EVERY)
RIGHT = Found(right=ALL, ends=24)
BARE = Daemon("bpf", ())


def row(found: Found, *, ended: bool = True, name: str = "6.1", daemon: Daemon = BARE) -> Row:
    kernel = Kernel(name, f"{name}.0-1-amd64", Path(), Path(), Path())
    return Row(kernel, Report({"procfs": found}, {"syn_recv": True, "time_wait_client": ended}, daemon))


def test_a_row_tells_what_each_source_gave_and_what_could_not_be_ended() -> None:
    found = matrix.table([row(RIGHT), row(Found(right=ALL), ended=False, name="6.2", daemon=Daemon("procfs", ["A"]))])

    assert found.head == ("kernel", "procfs", "with CAP_BPF and CAP_PERFMON", "left by ss -K")
    assert found.rows == [
        ("6.1.0-1-amd64", "right", "bpf with no capability", "none"),
        ("6.2.0-1-amd64", "right, not how they end", "procfs with A", "time_wait_client"),
    ]


def test_what_is_right_is_no_fault() -> None:
    assert list(matrix.faults(row(RIGHT))) == []


def test_a_wrong_count_is_a_fault() -> None:
    wrong = row(Found(right=ALL - 1, faults=["syn_recv 4: counted 2, ss has 3"]))

    assert matrix.table([wrong]).rows[0][1] == "wrong in 1, not how they end"
    assert list(matrix.faults(wrong)) == ["6.1 procfs: syn_recv 4: counted 2, ss has 3"]


def test_a_refusal_is_told_and_is_a_fault_where_it_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = row(Found(refusal="too old"))

    assert matrix.table([refused]).rows[0][1] == "refused: too old"
    assert list(matrix.faults(refused)) == ["6.1 procfs: should not have refused: too old"]
    monkeypatch.setattr(matrix, "REFUSALS", {"6.1": ("procfs",)})
    assert list(matrix.faults(refused)) == []


@pytest.mark.parametrize(
    ("name", "daemon"),
    [("6.1", Daemon("bpf", ["CAP_BPF"])), ("6.1", Daemon("sock_diag", ())), ("5.10", Daemon("bpf", ()))],
    ids=["keeps a capability", "does not count in the kernel", "counts where that cannot be"],
)
def test_a_daemon_that_goes_on_otherwise_than_it_should_is_a_fault(name: str, daemon: Daemon) -> None:
    assert len(list(matrix.faults(row(RIGHT, name=name, daemon=daemon)))) == 1


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = row(Found(1, 2, ["fault"], "refusal"), daemon=Daemon("bpf", ["CAP_BPF"])).report
    report.write(written, tmp_path / "found")

    assert report.read(tmp_path / "found") == written
