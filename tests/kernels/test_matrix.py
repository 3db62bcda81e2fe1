from pathlib import Path

import pytest

from tests.kernels import matrix
from tests.kernels.inside import Found, Report
from tests.kernels.kernels import Kernel
from tests.kernels.matrix import Row
from tests.lab.recipes import EVERY

ALL = len(EVERY)
RIGHT = Found(right=ALL, ends=24)


def row(found: Found, *, ended: bool = True, name: str = "6.1") -> Row:
    kernel = Kernel(name, f"{name}.0-1-amd64", Path(), Path(), Path())
    return Row(kernel, Report({"procfs": found}, {"syn_recv": True, "time_wait_client": ended}))


def test_a_row_tells_what_each_source_gave_and_what_could_not_be_ended() -> None:
    found = matrix.table([row(RIGHT), row(Found(right=ALL), ended=False, name="6.2")])

    assert found.head == ("kernel", "procfs", "left by ss -K")
    assert found.rows == [
        ("6.1 (6.1.0-1-amd64)", "right, how they end told 24 times", "none"),
        ("6.2 (6.2.0-1-amd64)", "right, not how they end", "time_wait_client"),
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
    monkeypatch.setattr(matrix, "REFUSALS", {"6.1": "procfs"})
    assert list(matrix.faults(refused)) == []
