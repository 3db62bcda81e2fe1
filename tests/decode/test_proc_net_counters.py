import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode import proc_net_counters as counters
from exporter.errors import Malformed, SampleError

NETSTAT = "TcpExt: SyncookiesSent ListenOverflows\nTcpExt: 7 5\nIpExt: InNoRoutes\nIpExt: 0\n"


def test_names_stand_above_values() -> None:
    expected = {("TcpExt", "SyncookiesSent"): 7, ("TcpExt", "ListenOverflows"): 5, ("IpExt", "InNoRoutes"): 0}

    assert counters.pairs_of_lines(NETSTAT) == expected


def test_sockstat_has_names_and_values_by_turns() -> None:
    text = "sockets: used 9\nTCP: inuse 4 orphan 1 tw 12\nFRAG: inuse 0 memory 0\n"

    assert counters.name_by_value(text)["TCP", "orphan"] == 1


@pytest.mark.parametrize("text", ["TcpExt: A\n", "TcpExt: A B\nTcpExt: 1\n", "A: x\nB: 1\n", "A: x\nA: one\n"])
def test_lines_that_do_not_fit_are_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        counters.pairs_of_lines(text)


@pytest.mark.parametrize("text", ["TCP: inuse\n", "TCP: inuse four\n"])
def test_a_name_without_a_number_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        counters.name_by_value(text)


def test_both_ends_of_the_port_range_belong_to_it() -> None:
    assert counters.port_range("32768\t60999\n") == range(32768, 61000)


@pytest.mark.parametrize(
    ("text", "expected"), [("\n", []), ("8080\n", [range(8080, 8081)]), ("80,90-92\n", [range(80, 81), range(90, 93)])]
)
def test_reserved_ports_are_a_list_of_ports_and_ranges(text: str, expected: list[range]) -> None:
    assert counters.port_list(text) == expected


@given(st.text(max_size=120))
def test_any_text_gives_counters_or_a_sample_error(text: str) -> None:
    for read in (counters.pairs_of_lines, counters.name_by_value, counters.port_range, counters.port_list):
        try:
            read(text)
        except SampleError:
            continue
