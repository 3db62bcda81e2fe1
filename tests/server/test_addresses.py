import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from exporter.errors import StartError
from exporter.server import addresses


@pytest.fixture
def kept() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def bound(kept: ExitStack, address: str) -> list[str]:
    sockets = addresses.bind(address)
    for one in sockets:
        kept.callback(one.close)
    return [one.getsockname()[0] for one in sockets]


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1:0", ["127.0.0.1"]), ("[::1]:0", ["::1"]), (":0", ["0.0.0.0", "::"]), ("localhost:0", ["127.0.0.1"])],
)
def test_an_address_is_listened_on(kept: ExitStack, address: str, expected: list[str]) -> None:
    assert sorted(bound(kept, address))[: len(expected)] == expected


def test_both_families_share_a_port(kept: ExitStack) -> None:
    [port] = {int(addresses.name(one).rpartition(":")[2]) for one in kept_sockets(kept, ":0")}

    assert port > 0


def kept_sockets(kept: ExitStack, address: str) -> list[socket.socket]:
    sockets = addresses.bind_all([address])
    for one in sockets:
        kept.callback(one.close)
    return sockets


def test_an_address_is_named_as_it_is_written(kept: ExitStack) -> None:
    [one] = kept_sockets(kept, "[::1]:0")

    assert addresses.name(one) == f"[::1]:{one.getsockname()[1]}"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_port_that_is_taken_is_said_to_be(kept: ExitStack) -> None:
    """Tornado leaves the socket to the garbage collector that it could not bind; the exporter ends then."""
    [one] = kept_sockets(kept, "127.0.0.1:0")
    port = one.getsockname()[1]

    with pytest.raises(
        StartError, match=f"127.0.0.1:{port}: Address already in use; an outgoing connection may have it"
    ):
        addresses.bind(f"127.0.0.1:{port}")


def test_only_a_port_in_the_ephemeral_range_can_have_been_taken_by_an_outgoing_connection(tmp_path: Path) -> None:
    (tmp_path / "sys/net/ipv4").mkdir(parents=True)
    (tmp_path / "sys/net/ipv4/ip_local_port_range").write_text("10000\t65000\n")

    assert "ip_local_reserved_ports=10060" in addresses._hint(10060, tmp_path)
    assert addresses._hint(9999, tmp_path) == ""
    assert addresses._hint(10060, tmp_path / "none") == ""


@pytest.mark.parametrize("address", ["", "10060", "::", "[::1]", "host:", "host:http", "host:٣", ":-1", "a:b:1"])
def test_anything_else_is_no_address(address: str) -> None:
    with pytest.raises(StartError, match="expected HOST:PORT"):
        addresses.bind(address)


@pytest.mark.parametrize("port", ["65536", "70000", "9" * 5000])
def test_a_port_has_16_bits(port: str) -> None:
    with pytest.raises(StartError, match="expected a port up to 65535"):
        addresses.bind(f"127.0.0.1:{port}")


@pytest.mark.parametrize(
    "host", ["a..b", "x" * 64 + ".example", "\udcff"], ids=["empty label", "long label", "no text"]
)
def test_what_cannot_be_a_host_name_is_said_so_in_one_line(host: str) -> None:
    with pytest.raises(StartError, match="expected a host name before the port") as raised:
        addresses.bind(f"{host}:1")

    assert len(str(raised.value).splitlines()) == 1


def test_a_host_that_does_not_exist_is_said_so() -> None:
    with pytest.raises(StartError, match=r"no such host|Cannot assign"):
        addresses.bind("no.such.host.invalid:1")
