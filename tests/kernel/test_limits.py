from pathlib import Path

import pytest

from exporter.errors import Malformed, ReadFailed
from exporter.kernel import limits
from exporter.tcp.limits import DEFAULT_EPHEMERAL

FILES = {
    "sys/net/ipv4/tcp_max_tw_buckets": "131072\n",
    "sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
    "sys/net/ipv4/ip_local_reserved_ports": "80,40000-40009\n",
    "self/net/netstat": "TcpExt: TCPTimeWaitOverflow ListenDrops\nTcpExt: 7 8\n",
    "self/net/snmp": "Tcp: ActiveOpens\nTcp: 9\n",
    "self/net/sockstat": "TCP: inuse 1 orphan 3\n",
}


def proc(root: Path, **changed: str | None) -> Path:
    """A /proc with FILES, some of them *changed* by their last name, or missing."""
    for name, text in FILES.items():
        content = changed.get(Path(name).name, text)
        if content is not None:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(content)
    return root


def test_limits_and_counters_are_read_by_name(tmp_path: Path) -> None:
    found = limits.read(proc(tmp_path))

    assert found.values == {
        "time_wait_limit": 131072,
        "time_wait_overflows": 7,
        "listen_drops": 8,
        "active_opens": 9,
        "orphan_sockets": 3,
    }


def test_reserved_ports_do_not_count_as_ephemeral(tmp_path: Path) -> None:
    found = limits.read(proc(tmp_path))

    assert found.ephemeral == range(32768, 61000)
    assert found.ephemeral_ports == 28232 - 10


def test_a_kernel_without_any_of_it_has_no_limits(tmp_path: Path) -> None:
    """macOS has no /proc; tcp_max_orphans is missing in containers."""
    found = limits.read(tmp_path)

    assert (found.values, found.ephemeral_ports) == ({}, None)
    assert found.ephemeral == DEFAULT_EPHEMERAL


def test_a_missing_list_of_reserved_ports_reserves_none(tmp_path: Path) -> None:
    assert limits.read(proc(tmp_path, ip_local_reserved_ports=None)).ephemeral_ports == 28232


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"tcp_max_tw_buckets": "many\n"}, "tcp_max_tw_buckets: expected a number, found 'many"),
        ({"ip_local_port_range": "1\n"}, "ip_local_port_range: .*two numbers"),
        ({"netstat": "TcpExt: A\n"}, "netstat: .*pairs"),
    ],
)
def test_a_file_that_makes_no_sense_is_named(tmp_path: Path, changed: dict[str, str], expected: str) -> None:
    with pytest.raises(Malformed, match=expected):
        limits.read(proc(tmp_path, **changed))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "self/net/netstat").mkdir(parents=True)

    with pytest.raises(ReadFailed, match="netstat"):
        limits.read(tmp_path)


def test_this_kernel_has_them_all() -> None:
    found = limits.read()

    assert {"time_wait_limit", "fin_timeout_seconds", "active_opens"} <= found.values.keys()
    assert found.ephemeral_ports
