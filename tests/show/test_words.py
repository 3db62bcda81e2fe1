import pytest

from exporter.count.stuck import WatchedCount
from exporter.show.words import ending, endings, owner_name, short_cgroup
from exporter.tcp.holders import Owner
from exporter.tcp.verdicts import VERDICTS, Verdict


@pytest.mark.parametrize("verdict", [verdict for verdicts in VERDICTS.values() for verdict in verdicts])
def test_every_verdict_of_a_stuck_socket_has_words(verdict: Verdict) -> None:
    assert bool(ending(verdict)) is not verdict.ends_by_itself
    assert bool(endings(WatchedCount(1, 150, {verdict: 1}))) is not verdict.ends_by_itself


def test_what_is_not_known_is_not_said() -> None:
    assert ending(None) == ""
    assert endings(WatchedCount(1, 150)) == ""


@pytest.mark.parametrize(
    ("path", "short"),
    [
        ("/system.slice/nginx.service", "nginx.service"),
        ("/system.slice/docker-" + "0123456789abcdef" * 4 + ".scope", "docker-0123456789ab.scope"),
        ("/", ""),
        ("", ""),
    ],
)
def test_a_cgroup_is_called_by_its_last_part(path: str, short: str) -> None:
    assert short_cgroup(path) == short


def test_a_name_cannot_write_to_the_terminal() -> None:
    assert owner_name(Owner("/a/\x1b[2J", "\x07\n")) == "?[2J (??)"
