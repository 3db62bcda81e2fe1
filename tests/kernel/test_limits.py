import os
from collections.abc import Callable
from mmap import PAGESIZE
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel import limits
from exporter.kernel.limits import MOST_BYTES, SYSCTL_SECONDS, LimitsReader
from exporter.tcp.limits import DEFAULT_EPHEMERAL, LimitName, Limits
from tests.lab.netns import Namespace

FILES = {
    "sys/net/ipv4/tcp_max_tw_buckets": "131072\n",
    "sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
    "sys/net/ipv4/ip_local_reserved_ports": "80,40000-40009\n",
    "sys/net/ipv4/tcp_mem": "100\t200\t300\n",
    "self/net/netstat": "TcpExt: TCPTimeWaitOverflow ListenDrops\nTcpExt: 7 8\n",
    "self/net/snmp": "Ip: Forwarding\nIp: 1\nTcp: ActiveOpens\nTcp: 9\n",
    "self/net/sockstat": "sockets: used 5\nTCP: inuse 1 orphan 3 tw 2 alloc 1 mem 5\n",
}
VALUES = {
    "time_wait_limit": 131072,
    "time_wait_overflows": 7,
    "listen_drops": 8,
    "active_opens": 9,
    "orphan_sockets": 3,
    "memory_bytes": 5 * PAGESIZE,
    "memory_limit_bytes": 300 * PAGESIZE,
}
ALL = Limits(VALUES, range(32768, 61000), 28232 - 10)

LOST = {
    "tcp_max_tw_buckets": {"time_wait_limit"},
    "netstat": {"time_wait_overflows", "listen_drops"},
    "snmp": {"active_opens"},
    "tcp_mem": {"memory_limit_bytes"},
    "sockstat": {"orphan_sockets", "memory_bytes"},
}
"""The values that each file gives."""


class Proc:
    """A /proc with FILES that can be changed, each by its last name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = {Path(name).name: root / name for name in FILES}
        for name, text in FILES.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)

    def write(self, name: str, text: str) -> None:
        self.files[name].write_text(text)

    def remove(self, name: str) -> None:
        self.files[name].unlink()

    def replace_by_folder(self, name: str) -> None:
        """Then it can be opened no more than a file that fails to be read."""
        self.remove(name)
        self.files[name].mkdir()

    def reader(self) -> LimitsReader:
        return LimitsReader(self.root)


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What has been logged since it was last asked for."""

    def logged() -> list[str]:
        messages = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return messages

    return logged


Warnings = Callable[[], list[str]]


def without(name: str) -> dict[str, int]:
    """VALUES without those of one file."""
    return {key: value for key, value in VALUES.items() if key not in LOST[name]}


def test_limits_and_counters_are_read_by_name(proc: Proc, warnings: Warnings) -> None:
    assert proc.reader().read(now=0.0) == ALL
    assert warnings() == []


def test_counters_are_those_of_the_moment_and_sysctls_are_read_once_a_minute(proc: Proc) -> None:
    reader = proc.reader()
    reader.read(now=5.0)
    proc.write("sockstat", "TCP: inuse 1 orphan 4 mem 5\n")
    proc.write("tcp_max_tw_buckets", "10\n")
    proc.write("ip_local_reserved_ports", "\n")

    before = reader.read(now=4.9 + SYSCTL_SECONDS)
    after = reader.read(now=5.0 + SYSCTL_SECONDS)

    assert before == Limits({**VALUES, "orphan_sockets": 4}, ALL.ephemeral, ALL.ephemeral_ports)
    assert after == Limits({**VALUES, "orphan_sockets": 4, "time_wait_limit": 10}, ALL.ephemeral, 28232)


def test_what_is_forgotten_is_read_at_once(proc: Proc) -> None:
    reader = proc.reader()
    reader.read(now=0.0)
    proc.write("tcp_max_tw_buckets", "10\n")

    reader.forget()

    assert reader.read(now=0.0).values["time_wait_limit"] == 10


def test_a_kernel_without_any_of_it_has_no_limits_and_that_is_no_news(tmp_path: Path, warnings: Warnings) -> None:
    """macOS has no /proc."""
    assert LimitsReader(tmp_path).read(now=0.0) == Limits({}, DEFAULT_EPHEMERAL, None)
    assert warnings() == []


@pytest.mark.parametrize("error", [FileNotFoundError, PermissionError, NotADirectoryError])
def test_what_is_hidden_is_left_out_without_a_word(
    error: type[OSError], proc: Proc, warnings: Warnings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise error(path)

    monkeypatch.setattr(Path, "open", refuse)

    assert proc.reader().read(now=0.0) == Limits({}, DEFAULT_EPHEMERAL, None)
    assert warnings() == []


@pytest.mark.parametrize("name", LOST)
def test_a_missing_file_costs_its_own_values_without_a_word(name: str, proc: Proc, warnings: Warnings) -> None:
    """tcp_max_orphans is missing in containers."""
    proc.remove(name)

    assert proc.reader().read(now=0.0) == Limits(without(name), ALL.ephemeral, ALL.ephemeral_ports)
    assert warnings() == []


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("tcp_max_tw_buckets", "many\n", "expected a number, found 'many'"),
        ("netstat", "TcpExt: TCPTimeWaitOverflow ListenDrops\n", "TcpExt has 2 names and 0 values"),  # gVisor
        ("netstat", "TcpExt: ListenDrops\nTcpExt: few\n", "expected a number for TcpExt ListenDrops, found 'few'"),
        ("snmp", "Tcp: ActiveOpens\nTcp: 1 2\n", "Tcp has 1 names and 2 values"),
        ("sockstat", "TCP: inuse 1 orphan\n", "TCP has 2 names and 1 values"),
        ("sockstat", "TCP: orphan \u00fc\n", "expected a number for TCP orphan"),
        ("sockstat", "x" * MOST_BYTES, f"longer than {MOST_BYTES} bytes"),
    ],
)
def test_a_file_that_makes_no_sense_costs_its_own_values_and_is_named(
    name: str, text: str, expected: str, proc: Proc, warnings: Warnings
) -> None:
    proc.write(name, text)

    assert proc.reader().read(now=0.0) == Limits(without(name), ALL.ephemeral, ALL.ephemeral_ports)
    [message] = warnings()
    assert message.startswith(f"{proc.files[name]} cannot be used")
    assert expected in message


@pytest.mark.parametrize("name", LOST)
def test_a_file_that_cannot_be_read_costs_its_own_values_and_is_named(
    name: str, proc: Proc, warnings: Warnings
) -> None:
    proc.replace_by_folder(name)

    assert proc.reader().read(now=0.0) == Limits(without(name), ALL.ephemeral, ALL.ephemeral_ports)
    [message] = warnings()
    assert message.startswith(f"{proc.files[name]} cannot be used")


def test_a_fault_is_told_when_it_begins_and_each_time_that_it_begins_again(proc: Proc, warnings: Warnings) -> None:
    reader = proc.reader()
    for _ in range(2):
        proc.write("snmp", "Tcp: ActiveOpens\n")
        reader.read(now=0.0)
        assert len(warnings()) == 1
        proc.write("snmp", "Tcp: ActiveOpens PassiveOpens\n")
        reader.read(now=0.0)
        assert warnings() == []
        proc.write("snmp", FILES["self/net/snmp"])
        assert reader.read(now=0.0) == ALL
        assert warnings() == []


def test_two_faulty_files_are_both_told(proc: Proc, warnings: Warnings) -> None:
    proc.write("snmp", "Tcp: ActiveOpens\n")
    proc.write("netstat", "TcpExt: ListenDrops\n")

    proc.reader().read(now=0.0)

    assert len(warnings()) == 2


def test_a_missing_list_of_reserved_ports_reserves_none(proc: Proc) -> None:
    proc.remove("ip_local_reserved_ports")

    assert proc.reader().read(now=0.0).ephemeral_ports == 28232


def test_how_many_ports_are_left_is_not_known_where_the_list_of_reserved_ones_makes_no_sense(
    proc: Proc, warnings: Warnings
) -> None:
    proc.write("ip_local_reserved_ports", "80,ninety\n")

    assert proc.reader().read(now=0.0) == Limits(VALUES, ALL.ephemeral, None)
    assert len(warnings()) == 1


@pytest.mark.parametrize("text", ["1\n", "32768 28232\n"])
def test_without_a_sensible_range_the_usual_one_is_assumed_and_not_counted(
    text: str, proc: Proc, warnings: Warnings
) -> None:
    """On the host's network gVisor writes the number of ports where the last one belongs."""
    proc.write("ip_local_port_range", text)

    assert proc.reader().read(now=0.0) == Limits(VALUES, DEFAULT_EPHEMERAL, None)
    assert len(warnings()) == 1


def test_reserved_ports_outside_the_range_and_across_its_ends_count_as_far_as_they_are_in_it(proc: Proc) -> None:
    proc.write("ip_local_port_range", "1000\t1009\n")
    proc.write("ip_local_reserved_ports", "1-999,990-1000,1005,1009-2000\n")

    assert proc.reader().read(now=0.0).ephemeral_ports == 7


def test_the_ephemeral_range_can_be_had_alone(proc: Proc, tmp_path: Path, warnings: Warnings) -> None:
    assert limits.ephemeral(proc.root) == range(32768, 61000)

    proc.write("ip_local_port_range", "1\n")
    assert limits.ephemeral(proc.root) is None
    assert limits.ephemeral(tmp_path / "none") is None
    assert warnings() == []


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Proc:
    return Proc(tmp_path_factory.mktemp("proc"))


@given(name=st.sampled_from([Path(name).name for name in FILES]), content=st.binary(max_size=80))
def test_whatever_a_file_says_the_others_count(lasting: Proc, name: str, content: bytes) -> None:
    before = lasting.files[name].read_bytes()
    lasting.files[name].write_bytes(content)

    found = lasting.reader().read(now=0.0)

    lasting.files[name].write_bytes(before)
    others = {key: value for key, value in VALUES.items() if key not in LOST.get(name, ())}
    assert others.items() <= found.values.items()


def test_this_kernel_has_them_all(warnings: Warnings) -> None:
    found = LimitsReader().read(now=0.0)

    of_host = {"orphan_limit", "memory_limit_bytes"}
    assert set(get_args(LimitName)) - of_host == found.values.keys() - of_host
    assert found.ephemeral_ports
    assert limits.ephemeral() == found.ephemeral
    assert warnings() == []


@pytest.mark.kernel
def test_a_long_list_of_reserved_ports_is_read_to_its_end(host: Namespace) -> None:
    """The kernel takes a page at a time, but gives it out in one go only."""
    ports = range(40001, 60000, 2)
    with host.entered():
        reserved = os.open("/proc/sys/net/ipv4/ip_local_reserved_ports", os.O_WRONLY)
        for start in range(0, len(ports), 500):
            os.write(reserved, ",".join(map(str, ports[start : start + 500])).encode())
        os.close(reserved)
        found = LimitsReader().read(now=0.0)

    assert found.ephemeral_ports == len(found.ephemeral) - len(ports)
