"""Rows of the iterators over descriptors and processes."""

import struct

from exporter.decode.bpf_holders import held, members, wanted
from exporter.tcp.holders import HeldSocket


def test_a_holder_is_told_once_however_many_descriptors_it_has() -> None:
    rows = [
        struct.pack("=QIIB7x", 4711, 100, 4026531833, 0),
        struct.pack("=QIIB7x", 4711, 100, 4026531833, 0),
        struct.pack("=QIIB7x", 4711, 101, 4026531833, 0),
        struct.pack("=QIIB7x", 4712, 101, 4026532000, 1),
    ]

    assert held(b"".join(rows)) == [
        HeldSocket(4711, 100, 4026531833, is_over=False),
        HeldSocket(4711, 101, 4026531833, is_over=False),
        HeldSocket(4712, 101, 4026532000, is_over=True),
    ]


def test_processes_are_told_by_namespace_and_once_in_each() -> None:
    rows = [(1, 4026531833), (100, 4026532000), (7, 4026531833), (100, 4026532000), (100, 4026531833)]

    found = members(b"".join(struct.pack("=II", *row) for row in rows))

    assert found == {4026531833: [1, 7, 100], 4026532000: [100]}


def test_nothing_is_nothing() -> None:
    assert held(b"") == []
    assert members(b"") == {}
    assert wanted([]) == b""


def test_inodes_are_keys_of_64_bits() -> None:
    assert wanted([1, 1 << 32]) == struct.pack("=QQ", 1, 1 << 32)
