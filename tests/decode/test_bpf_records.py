"""What the program that counts inside the kernel tells, from bytes as it writes them."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode import bpf_records
from exporter.decode.bpf_records import KEY, NO_ROWS, RECORD, Rows, Told, hertz
from exporter.tcp.namespaces import OWN
from exporter.tcp.sockets import Listener, Origin, Socket
from exporter.tcp.states import State, Timer

OURS, OTHER = 4026531833, 4026532604
HZ = 250
BEGUN = (1 << 32) - 300 * HZ
"""Jiffies when the kernel starts."""
UPTIME = 5000
NOW = BEGUN + UPTIME * HZ
IPV4 = bytes([10, 0, 0, 1]) + bytes(12) + bytes([10, 0, 0, 2]) + bytes(12)
IPV6 = bytes([0xFD] + [0] * 14 + [1]) + bytes([0xFD] + [0] * 14 + [2])


def record(  # noqa: PLR0913 - each field of the record
    inum: int = OURS,
    *,
    state: int = 8,
    is_mptcp: int = 0,
    timer: int = 0,
    tries: int = 0,
    ports: tuple[int, int] = (8080, 40000),
    family: int = 2,
    sequence: int = 0xDEADBEEF,
    queues: tuple[int, int] = (0, 0),
    inode: int = 4711,
    ends: bytes = IPV4,
    cgroup: int = 0,
    moments: tuple[int, int, int] = (0, 0, 0),
    is_v6only: int = 0,
) -> bytes:
    head = struct.pack(
        "=IBBBBHHHHIIII", inum, state, is_mptcp, timer, tries, *ports, family, 0, sequence, *queues, inode
    )
    return head + ends + struct.pack("=QIIII", cgroup, *(moment & 0xFFFFFFFF for moment in moments), is_v6only)


def rows(*records: bytes, now: int = NOW, seconds: float = UPTIME) -> Rows:
    return Rows(b"".join(records), now, int(seconds * 1e9))


def test_a_record_has_its_key_first() -> None:
    assert len(record()) == RECORD
    assert rows(record()).keys() == [record()[:KEY]]


def test_a_socket_is_told_from_its_key() -> None:
    one = record(OTHER, state=8, timer=2, tries=3, queues=(5, 7))

    assert bpf_records.socket(one[:KEY], OURS) == Socket(
        State.CLOSE_WAIT,
        8080,
        40000,
        IPV4,
        timer=Timer.KEEPALIVE,
        receive_queue=5,
        send_queue=7,
        inode=4711,
        retransmissions=3,
        netns=OTHER,
        sequence=0xDEADBEEF,
    )


def test_our_own_namespace_has_no_number() -> None:
    assert bpf_records.socket(record(OURS)[:KEY], OURS).netns == OWN
    assert bpf_records.socket(record(OURS)[:KEY], OTHER).netns == OURS


def test_ipv6_and_mptcp_are_told() -> None:
    one = bpf_records.socket(record(family=10, is_mptcp=1, ends=IPV6, inode=0)[:KEY], OURS)

    assert one.is_ipv6
    assert one.is_mptcp
    assert one.inode == 0
    assert one.ends.local == "[fd00::1]:8080"
    assert one.ends.remote == "[fd00::2]:40000"


def test_what_changes_by_itself_is_not_in_the_key() -> None:
    before, after = record(moments=(NOW, NOW - 5, NOW - 7), cgroup=1), record(moments=(NOW + 9, NOW, NOW), cgroup=2)

    assert rows(before).keys() == rows(after).keys()


@pytest.mark.parametrize(
    "changed",
    [
        {"inum": OTHER},
        {"state": 9},
        {"is_mptcp": 1},
        {"timer": 1},
        {"tries": 1},
        {"ports": (8080, 40001)},
        {"family": 10},
        {"sequence": 1},
        {"queues": (1, 0)},
        {"queues": (0, 1)},
        {"inode": 0},
        {"ends": IPV6},
    ],
)
def test_what_happens_to_a_socket_is_in_the_key(changed: dict[str, int]) -> None:
    assert rows(record(**changed)).keys() != rows(record()).keys()  # type: ignore[arg-type]


def test_origins_tell_cgroup_and_for_how_long_nothing_has_come_or_moved() -> None:
    one = record(cgroup=42, moments=(NOW - 10 * HZ, NOW - 7 * HZ, NOW - 3 * HZ))

    assert list(rows(one).origins(b"\1")) == [Origin(42, 10.0, 3.0)]


def test_what_has_never_been_is_unknown() -> None:
    """Nothing was acknowledged, nothing came: 0 is no moment."""
    assert list(rows(record(moments=(0, NOW - HZ, 0))).origins(b"\1")) == [Origin(0, 0.0, 1.0)]
    assert list(rows(record()).origins(b"\1")) == [Origin(0, 0.0, None)]


def test_a_moment_after_that_of_the_rows_is_now() -> None:
    assert list(rows(record(moments=(NOW + 3, NOW + 1, NOW + 2))).origins(b"\1")) == [Origin(0, 0.0, 0.0)]


def test_moments_are_right_when_jiffies_have_gone_round() -> None:
    """Their lower half is all that sockets remember."""
    now = (1 << 33) + 5 * HZ
    uptime = (now - BEGUN) / HZ

    [origin] = rows(record(moments=(now - 10 * HZ,) * 3), now=now, seconds=uptime).origins(b"\1")

    assert origin == Origin(0, 10.0, 10.0)


def test_only_chosen_origins_are_told() -> None:
    three = rows(record(cgroup=1), record(cgroup=2), record(cgroup=3))

    assert [origin.cgroup_id for origin in three.origins(b"\1\0\1")] == [1, 3]
    assert list(three.origins(b"\0\0\0")) == []


def test_keys_of_many_rows_stand_where_they_are() -> None:
    many = [record(ports=(port, 443)) for port in range(1, 5000)]

    assert rows(*many).keys() == [one[:KEY] for one in many]
    assert rows().keys() == []


def test_listening_sockets_are_told_with_queues_and_addresses() -> None:
    local6 = bytes(15) + b"\1"
    content = [
        record(state=10, ports=(80, 0), queues=(3, 128), ends=bytes([127, 0, 0, 1]) + bytes(28), cgroup=42, inode=1),
        record(OTHER, state=10, ports=(443, 0), family=10, queues=(0, 511), ends=local6 + bytes(16), is_v6only=1),
        record(state=10, ports=(22, 0), family=10, ends=bytes(32)),
    ]

    assert list(bpf_records.listeners(b"".join(content), OURS)) == [
        Listener(80, 3, 128, 1, 42, bytes([127, 0, 0, 1]), None, OWN),
        Listener(443, 0, 511, 4711, 0, local6, True, OTHER),
        Listener(22, 0, 0, 4711, 0, bytes(16), False, OWN),
    ]


def test_namespaces_are_told_with_their_limits() -> None:
    content = struct.pack("=IIHHI", OURS, 262144, 32768, 60999, 0) + struct.pack("=IIHHI", OTHER, 5, 1, 65535, 1)

    first, second = bpf_records.namespaces(content)

    assert (first.inum, first.has_own_table, second.inum, second.has_own_table) == (OURS, False, OTHER, True)
    assert first.limits.ephemeral == range(32768, 61000)
    assert second.limits.ephemeral == range(1, 65536)
    assert (first.limits.values, second.limits.values) == ({"time_wait_limit": 262144}, {"time_wait_limit": 5})
    assert first.limits.ephemeral_ports is None


def test_keys_of_the_tables_are_told() -> None:
    service = struct.pack("=IHBB", OTHER, 443, 1, 0) + struct.pack("=IHBB", OURS, 80, 6, 1)
    to = struct.pack(">H", 443) + IPV6

    assert bpf_records.services(service) == [
        (OTHER, (State.ESTABLISHED, "client", 443)),
        (OURS, (State.TIME_WAIT, "server", 80)),
    ]
    assert bpf_records.pairs(struct.pack("=IHH", OTHER, 40000, 443)) == [(OTHER, (40000, 443))]
    assert bpf_records.addresses(struct.pack("=I4x16s", OTHER, IPV6[:16])) == [(OTHER, IPV6[:16])]
    assert bpf_records.destinations(struct.pack("=I2x34s", OTHER, to)) == [(OTHER, to)]
    assert bpf_records.listener_keys([(OTHER, 80), (OURS, 443)]) == struct.pack("=IIII", OTHER, 80, OURS, 443)


def test_what_a_run_has_met_is_told() -> None:
    fields = range(1, 16)
    content = struct.pack("=6Q9I", *fields).ljust(bpf_records.STATE, b"\0")

    found = bpf_records.told(content)

    assert found == Told(*fields)
    used = {name: bpf_records.rows(content[bpf_records.rows_at(name)]) for name in ("service", "target", "pair")}
    assert used == {"service": found.services, "target": found.targets, "pair": found.pairs}
    assert bpf_records.rows(content[bpf_records.rows_at("address")]) == found.addresses
    assert bpf_records.rows(NO_ROWS) == 0


def test_places_are_told_and_set_alike() -> None:
    assert bpf_records.places(bpf_records.placed([0, 1, 64])) == [0, 1, 64]
    assert bpf_records.counts(struct.pack("=QQ", 7, 1 << 40)) == [7, 1 << 40]


@pytest.mark.parametrize("each", [100, 250, 300, 1000])
@pytest.mark.parametrize("seconds", [1.0, 100.0, 320.0, 5000.0, 1e6, 1e8])
def test_jiffies_in_a_second_are_told_from_both_clocks(each: int, seconds: float) -> None:
    assert hertz((1 << 32) - 300 * each + int(seconds * each), seconds) == each


@given(st.floats(0, 1e9), st.sampled_from([100, 250, 300, 1000]))
def test_they_are_never_told_wrongly(seconds: float, each: int) -> None:
    assert hertz((1 << 32) - 300 * each + int(seconds * each), seconds) in {each, None}


def test_they_are_not_told_when_all_would_fit_nor_when_none_does() -> None:
    assert hertz(1 << 32, 300.0) is None
    assert hertz(1 << 40, 5.0) is None
    assert list(rows(record(cgroup=7, moments=(1, 1, 1)), now=1 << 32, seconds=300).origins(b"\1")) == [Origin(7)]


def test_fields_of_the_key_do_not_overlap() -> None:
    """Each is read from where it alone is written."""
    plain = record()[:KEY]
    places = []
    for changed in ({"state": 1}, {"is_mptcp": 1}, {"timer": 1}, {"tries": 1}, {"ports": (1, 40000)}, {"sequence": 1}):
        other = record(**changed)[:KEY]
        places.append([at for at in range(KEY) if other[at] != plain[at]])
    assert all(max(first) < min(second) for first, second in pairwise(places))
