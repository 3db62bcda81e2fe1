from collections.abc import Callable, Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode import proc_net_counters as counters
from exporter.errors import Malformed, SampleError

NETSTAT = (
    "TcpExt: SyncookiesSent ListenOverflows TCPAbortOnTimeout\nTcpExt: 7 5 0\n"
    "IpExt: InNoRoutes ListenOverflows\nIpExt: 1 2\n"
    "MPTcpExt: MPCapableSYNRX ListenOverflows\nMPTcpExt: 3 4\n"
)
SNMP = "Ip: Forwarding DefaultTTL\nIp: 1 64\nTcp: MaxConn ActiveOpens\nTcp: -1 9\nTcpExt: ActiveOpens\nTcpExt: 8\n"
SOCKSTAT = "sockets: used 9\nTCP: inuse 4 orphan 1 tw 12\nFRAG: inuse 0 memory 0\n"


def test_names_stand_above_values() -> None:
    found = counters.pairs_of_lines(NETSTAT, "TcpExt", ["SyncookiesSent", "ListenOverflows"])

    assert found == {"SyncookiesSent": 7, "ListenOverflows": 5}


def test_a_section_is_known_by_its_whole_name() -> None:
    assert counters.pairs_of_lines(SNMP, "Tcp", ["ActiveOpens", "MaxConn"]) == {"ActiveOpens": 9, "MaxConn": -1}
    assert counters.pairs_of_lines(NETSTAT, "MPTcpExt", ["ListenOverflows"]) == {"ListenOverflows": 4}


def test_sockstat_has_names_and_values_by_turns() -> None:
    assert counters.name_by_value(SOCKSTAT, "TCP", ["orphan", "inuse"]) == {"orphan": 1, "inuse": 4}


@pytest.mark.parametrize("read", [counters.pairs_of_lines, counters.name_by_value])
@pytest.mark.parametrize("text", ["", "\n", "IpExt: A\nIpExt: 1\n", "TCP6: inuse 3\n"])
def test_a_kernel_without_the_section_has_none_of_its_counters(
    read: Callable[[str, str, Collection[str]], counters.Counters], text: str
) -> None:
    assert read(text, "TCP", ["A", "inuse"]) == {}


def test_a_counter_that_this_kernel_does_not_have_is_left_out() -> None:
    assert counters.pairs_of_lines("TcpExt: A\nTcpExt: 1\n", "TcpExt", ["A", "B"]) == {"A": 1}


def test_only_what_is_wanted_has_to_make_sense() -> None:
    """A sandbox has headings without values in sections that it does not count."""
    text = "Icmp: InMsgs\nIcmp:\nTcp: Odd ActiveOpens\nTcp: x 9\nUdp: InDatagrams\n"

    assert counters.pairs_of_lines(text, "Tcp", ["ActiveOpens"]) == {"ActiveOpens": 9}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("TcpExt: A B\n", "TcpExt has 2 names and 0 values"),
        ("TcpExt: A B\nTcpExt:\n", "TcpExt has 2 names and 0 values"),
        ("TcpExt: A B\nTcpExt: 1\n", "TcpExt has 2 names and 1 values"),
        ("TcpExt: A\nTcpExt: one\n", "expected a number for TcpExt A, found 'one'"),
    ],
)
def test_lines_that_do_not_fit_are_malformed(text: str, expected: str) -> None:
    with pytest.raises(Malformed, match=expected):
        counters.pairs_of_lines(text, "TcpExt", ["A"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("TCP: inuse\n", "TCP has 1 names and 0 values"),
        ("TCP: inuse four\n", "expected a number for TCP inuse, found 'four'"),
    ],
)
def test_a_name_without_a_number_is_malformed(text: str, expected: str) -> None:
    with pytest.raises(Malformed, match=expected):
        counters.name_by_value(text, "TCP", ["inuse"])


@given(st.lists(st.sampled_from(["TCP:", " ", "\n", "A", "7", "-1", "9" * 5000, "\u0663", "\x0b"])).map("".join))
def test_any_text_gives_counters_or_a_sample_error(text: str) -> None:
    for read in (counters.pairs_of_lines, counters.name_by_value):
        try:
            found = read(text, "TCP", ["A"])
        except SampleError:
            continue
        assert found.keys() <= {"A"}
