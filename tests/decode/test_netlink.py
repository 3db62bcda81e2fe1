import struct
from itertools import compress, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode import netlink
from exporter.decode.netlink import Run
from exporter.errors import Interrupted, KernelRefused, Malformed, SampleError, Truncated
from tests.decode.messages import SEQUENCE, done, error, message, native, stream

BODIES = st.lists(st.sampled_from([b"\x02" * 80, b"\x0a" * 80, b"\x02" * 108, b"\x0a" * 108]), max_size=60)
OTHER_BODIES = st.lists(st.sampled_from([b"\x02" * 80, b"\x02" * 88, b"\x02" * 108, b"\x02" * 200, b""]), max_size=30)


def by_length(run: Run) -> list[tuple[int, list[bytes]]]:
    """The messages of a run under their length; no pair for a run of none."""
    places = range(run.start, len(run.data), run.length)
    taken = [run.data[at : at + run.length - run.start] for at in compress(places, run.present or repeat(1))]
    return [(run.length - run.start, taken)] if taken else []


def test_a_request_is_the_bytes_that_the_kernel_documents() -> None:
    expected = (
        native(b"\x18\0\0\0")  # nlmsg_len: 24
        + native(b"\x12\0")  # nlmsg_type: TCPDIAG_GETSOCK
        + native(b"\x01\x03")  # nlmsg_flags: NLM_F_REQUEST | NLM_F_DUMP
        + native(b"\x2a\0\0\0")  # nlmsg_seq: 42
        + b"\0\0\0\0"  # nlmsg_pid: the kernel knows
        + b"question"
    )

    assert netlink.request(18, 42, b"question") == expected


def test_messages_of_one_length_are_one_run() -> None:
    data = stream([message(bytes(72)), message(b"\x07" * 72)])

    assert netlink.runs(data, SEQUENCE) == [Run(18, 88, data)]


@given(BODIES | OTHER_BODIES)
def test_every_message_comes_out_once_and_in_order_within_its_length(bodies: list[bytes]) -> None:
    """Whatever the mixture, nothing is lost, doubled or torn."""
    messages = [message(body) for body in bodies]

    found = {length: taken for run in netlink.runs(stream(messages), SEQUENCE) for length, taken in by_length(run)}

    assert found == {length: [one for one in messages if len(one) == length] for length in set(map(len, messages))}


def test_the_end_mark_may_follow_the_last_message() -> None:
    data = message(bytes(72))

    assert netlink.runs(data + done(), SEQUENCE) == [Run(18, 88, data)]
    assert netlink.is_last(data + done(), SEQUENCE)


def test_the_end_mark_may_come_by_itself() -> None:
    assert netlink.runs(done(), SEQUENCE) == []
    assert netlink.is_last(done(), SEQUENCE)


def test_messages_without_an_end_mark_are_not_the_last() -> None:
    assert not netlink.is_last(message(bytes(72)), SEQUENCE)


def test_a_body_that_looks_like_the_end_mark_of_another_dump_is_not_the_end() -> None:
    assert not netlink.is_last(message(bytes(52) + done(sequence=1)), SEQUENCE)


def test_an_error_is_the_last_and_is_raised_with_its_number() -> None:
    assert netlink.is_last(error(2), SEQUENCE)
    with pytest.raises(KernelRefused, match="refused the dump with error 2") as raised:
        netlink.runs(error(2), SEQUENCE)

    assert raised.value.errno == 2


def test_an_end_mark_with_an_error_is_a_failed_dump() -> None:
    with pytest.raises(KernelRefused, match="ended the dump with error 12"):
        netlink.runs(message(bytes(72)) + done(errno=12), SEQUENCE)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_interrupted_dump_is_told_by_any_message(at: int) -> None:
    messages = [message(bytes(72), flags=2 | (0x10 if index == at else 0)) for index in range(3)]

    with pytest.raises(Interrupted):
        netlink.runs(stream(messages), SEQUENCE)


def test_an_overrun_is_a_truncated_dump() -> None:
    with pytest.raises(Truncated, match="OVERRUN"):
        netlink.runs(message(b"", kind=4), SEQUENCE)


def test_a_message_without_meaning_is_passed_over() -> None:
    data = message(bytes(72))

    assert netlink.runs(message(b"", kind=1) + data, SEQUENCE) == [Run(18, 88, data)]


def test_the_answer_to_another_request_is_refused() -> None:
    with pytest.raises(Malformed, match="answer to request 5, expected"):
        netlink.runs(message(bytes(72), sequence=5), SEQUENCE)


@pytest.mark.parametrize("cut", [1, 15, 16, 17, 87])
def test_a_message_that_is_cut_short_is_truncated(cut: int) -> None:
    whole = message(bytes(72))

    with pytest.raises(Truncated):
        netlink.runs(whole + whole[:cut], SEQUENCE)


def test_what_is_missing_of_the_last_message_is_said() -> None:
    whole = message(bytes(72))

    with pytest.raises(Truncated, match="the last message lacks 8 of its 88 bytes"):
        netlink.runs(whole + whole[:80], SEQUENCE)


@pytest.mark.parametrize("length", [0, 3, 15, 18, 90])
def test_a_length_that_no_message_can_have_is_malformed(length: int) -> None:
    garbled = struct.pack("=I", length) + message(bytes(200))[4:]

    with pytest.raises(Malformed, match=f"message length {length}"):
        netlink.runs(garbled, SEQUENCE)


def test_messages_of_any_lengths_are_told_apart() -> None:
    messages = [message(b"\x02" * 4 * size) for size in range(40)]

    assert [run.data for run in netlink.runs(stream(messages), SEQUENCE)] == messages


@given(st.binary(max_size=400))
def test_any_bytes_give_runs_or_a_sample_error(data: bytes) -> None:
    netlink.is_last(data, SEQUENCE)
    try:
        found = netlink.runs(data, SEQUENCE)
    except SampleError:
        return
    assert all(len(run.data) % run.length == 0 for run in found)


@given(st.lists(st.sampled_from([bytes(72), bytes(108)]), min_size=1, max_size=8), st.data())
def test_a_garbled_dump_gives_runs_or_a_sample_error(bodies: list[bytes], data: st.DataObject) -> None:
    """Real messages with some bytes changed reach further into the decoder than noise does."""
    garbled = bytearray(stream(map(message, bodies)))
    for _ in range(data.draw(st.integers(1, 4))):
        garbled[data.draw(st.integers(0, len(garbled) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = netlink.runs(bytes(garbled), SEQUENCE)
    except SampleError:
        return
    assert all(len(run.data) % run.length == 0 for run in found)
