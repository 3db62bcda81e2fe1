import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.decode import sysctl
from exporter.errors import Malformed, SampleError


def test_a_number_ends_with_a_line_end() -> None:
    assert sysctl.number("131072\n") == 131072


def test_of_three_numbers_the_last_is_what_there_may_be_at_most() -> None:
    assert sysctl.most("186237\t248316\t372474\n") == 372474


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "three numbers, found ''"),
        ("1\t2\n", "three numbers, found '1\\\\t2'"),
        ("1 2 3 4\n", "three numbers, found '1 2 3 4'"),
        ("1 2 many\n", "a number, found 'many'"),
    ],
)
def test_anything_but_three_numbers_is_malformed(text: str, expected: str) -> None:
    with pytest.raises(Malformed, match=expected):
        sysctl.most(text)


@given(st.lists(st.integers(0, 2**63 - 1), min_size=3, max_size=3))
def test_any_three_numbers_are_read(numbers: list[int]) -> None:
    assert sysctl.most("\t".join(map(str, numbers)) + "\n") == numbers[-1]


def test_both_ends_of_the_port_range_belong_to_it() -> None:
    assert sysctl.port_range("32768\t60999\n") == range(32768, 61000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\n", []),
        ("8080\n", [range(8080, 8081)]),
        ("0,90-92,65535\n", [range(1), range(90, 93), range(65535, 65536)]),
    ],
)
def test_reserved_ports_are_a_list_of_ports_and_ranges(text: str, expected: list[range]) -> None:
    assert sysctl.port_list(text) == expected


@pytest.mark.parametrize("text", ["", "many\n", "1 2\n", "9" * 5000])
def test_what_is_no_number_is_malformed(text: str) -> None:
    with pytest.raises(Malformed, match="expected a number"):
        sysctl.number(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1\n", "two ports, found '1'"),
        ("1 2 3\n", "two ports, found '1 2 3'"),
        ("1 high\n", "a number, found 'high'"),
        ("2 1\n", "ascending order, found '2 1'"),
        ("-1 5\n", "ports from 0 to 65535"),
        ("1 65536\n", "ports from 0 to 65535"),
    ],
)
def test_a_range_that_makes_no_sense_is_malformed(text: str, expected: str) -> None:
    with pytest.raises(Malformed, match=expected):
        sysctl.port_range(text)


@pytest.mark.parametrize("text", ["80,http\n", "80-\n-", "90-80\n", "1-2-3\n", "65536\n"])
def test_a_list_that_makes_no_sense_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        sysctl.port_list(text)


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(sorted), max_size=20))
def test_what_the_kernel_writes_is_read(ends: list[list[int]]) -> None:
    text = ",".join(f"{low}-{high}" if low < high else f"{low}" for low, high in ends)

    assert sysctl.port_list(f"{text}\n") == [range(low, high + 1) for low, high in ends]


@given(st.text(alphabet="0123456789-, \t\n\u0663x", max_size=40))
def test_any_text_gives_ports_or_a_sample_error(text: str) -> None:
    for read in (sysctl.port_range, sysctl.port_list):
        try:
            found = read(text)
        except SampleError:
            continue
        ranges = [found] if isinstance(found, range) else found
        assert all(0 <= ports.start < ports.stop <= 65536 for ports in ranges)
