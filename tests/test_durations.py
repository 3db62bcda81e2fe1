import pytest

from exporter import durations
from exporter.durations import spoken


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5.0), ("1m30s", 90.0), ("500ms", 0.5), ("1h", 3600.0), ("2h3m4s5ms", 7384.005)]
)
def test_a_duration_is_written_as_prometheus_writes_it(text: str, seconds: float) -> None:
    assert durations.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "1s1m", "-5s", "1.5s", "5 s", "5S"])
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}$"):
        durations.seconds(text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.9, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (11430, "3 h 10 min"),
        (90061, "1 d 1 h"),
        (86401, "1 d"),
    ],
)
def test_a_duration_is_said_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert spoken(seconds) == words
