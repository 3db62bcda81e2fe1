"""Files with light skeletons, and the context of the program that loads what is in them."""

import json
import struct

from exporter.decode.light_skeleton import context, made, skeleton

HEAD = {
    "source": "walk.bpf.c",
    "sha256": "00",
    "compiler": "clang",
    "bpftool": "bpftool",
    "byteorder": "little",
    "maps": ["listeners", "bss"],
    "programs": ["walk"],
    "data": 5,
    "code": 16,
}
DATA, CODE = b"\n{}\n\0", bytes(range(16))
ONE = skeleton(json.dumps(HEAD).encode() + b"\n" + DATA + CODE)


def test_a_file_is_a_head_data_and_code() -> None:
    assert (ONE.maps, ONE.programs, ONE.byteorder) == (("listeners", "bss"), ("walk",), "little")
    assert (ONE.data, ONE.code) == (DATA, CODE)
    assert ONE.built == {"source": "walk.bpf.c", "sha256": "00", "compiler": "clang", "bpftool": "bpftool"}


def test_the_context_asks_for_maps_as_they_were_built_and_for_no_log() -> None:
    asked = context(ONE, {})

    assert len(asked) == 24 + 2 * 16 + 4
    assert asked == struct.pack("=I", len(asked)) + bytes(len(asked) - 4)


def test_the_context_asks_for_other_sizes_and_a_log() -> None:
    asked = context(ONE, {"bss": 7}, log_size=4096, log_at=0xFFFF00000000)

    assert struct.unpack_from("=IIIIQ", asked) == (60, 0, 1, 4096, 0xFFFF00000000)
    assert struct.unpack_from("=iIQiIQ", asked, 24) == (0, 0, 0, 0, 7, 0)


def test_descriptors_are_told_by_name() -> None:
    filled = bytes(24) + struct.pack("=iIQ", 11, 5, 0) + struct.pack("=iIQ", 12, 5, 0) + struct.pack("=i", 13)

    assert made(ONE, filled) == ({"listeners": 11, "bss": 12}, {"walk": 13})
