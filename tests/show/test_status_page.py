from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser

from exporter.count.census import Census
from exporter.count.history import Point
from exporter.count.report import Report
from exporter.count.stuck import OwnerRow
from exporter.show import status_page
from exporter.show.findings import ALL_WELL
from exporter.show.status_page import Frame
from exporter.tcp.holders import Owner
from exporter.tcp.states import State
from tests.show import samples


class Balanced(HTMLParser):
    """Fails on a tag that is not closed, and collects what a page refers to and says."""

    VOID = frozenset({"meta"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.references += [value or "" for name, value in attrs if name in {"href", "src"}]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


FRAME = Frame(host="web1", version="1.2.3", links=[("/metrics", "metrics")])


def page(report: Report, now: float = 1001.0, history: Sequence[Point] = ()) -> Balanced:
    return Balanced(status_page.render(report, history, now, FRAME))


def words(report: Report, now: float = 1001.0) -> str:
    return " ".join(" ".join(page(report, now).words).split())


def of(census: Census) -> Report:
    return samples.report(last=replace(samples.sample(), census=census))


def test_the_page_says_first_what_is_wrong() -> None:
    text = words(samples.report())

    wrong = "280 sockets on port 443 are stuck in FIN_WAIT2 and nothing will end them; held by nginx.service (nginx)"
    assert text.startswith("! web1: TCP sockets")
    assert text.index(wrong) < text.index("By port and state")


def test_the_page_says_when_nothing_is_wrong() -> None:
    text = words(of(samples.healthy()))

    assert text.startswith("web1: TCP sockets")
    assert ALL_WELL in text
    assert "Stuck sockets" not in text


def test_the_page_shows_the_table_and_what_is_running() -> None:
    text = words(samples.report())

    assert all(word in text for word in ("1.2.3", "server 443", "client 5432", "fin_wait2", "4,000", "5,511"))
    assert "sock_diag" in text
    assert "2023-11-14 22:13:20 UTC" in text


def test_the_page_shows_stuck_sockets_one_by_one() -> None:
    text = words(samples.report())

    assert all(word in text for word in ("192.0.2.1:443", "198.51.100.7:50000", "3 h", "nothing ends it", "4711"))
    assert "The 1 oldest of 280 stuck sockets." in text


def test_the_page_says_who_holds_them_before_anything_else_is_shown() -> None:
    text = words(samples.report())

    wrong, holders = text.index("nothing will end them"), text.index("Who holds the stuck sockets")
    assert wrong < holders < text.index("By port and state") < text.index("Stuck sockets")


def test_limits_are_bars() -> None:
    text = words(samples.report())

    assert "TIME_WAIT sockets 4,008 of 131,072" in text
    assert "Accept queue of port 443 5 of 4,096" in text


def test_the_last_hour_is_a_line_for_each_state_that_there_was() -> None:
    points = [Point(float(time), samples.counts(fin_wait2=time)) for time in (0, 10, 20)]
    found = status_page.render(samples.report(), points, 1001.0, FRAME)

    assert found.count("<polyline") == 1
    assert "289 now, at most 20" in found


def test_the_page_needs_nothing_but_itself() -> None:
    assert page(samples.report()).references == ["/metrics"]


def test_a_failed_sample_is_said_above_the_table() -> None:
    text = words(samples.report(succeeded=False))

    assert "The last sample failed" in text
    assert "server 443" in text


def test_an_old_table_is_not_shown() -> None:
    text = words(samples.report(), now=2000.0)

    assert "too old to be shown" in text
    assert "server 443" not in text


def test_without_a_sample_the_page_says_so() -> None:
    assert "No sample has succeeded yet" in words(replace(samples.report(), last=None))


def test_hostile_names_are_text() -> None:
    hostile = "<script>alert(1)</script>"
    stuck = samples.stuck()
    owner = OwnerRow(samples.HTTPS, State.FIN_WAIT2, hostile, hostile)
    held_by = Owner(hostile, hostile, 4711)
    listed, holdings = [samples.stuck_socket()._replace(owner=held_by)], [samples.holding()._replace(owner=held_by)]
    census = replace(samples.census(), stuck=replace(stuck, owners={owner: 280}, holdings=holdings, listed=listed))
    report = replace(of(census), source=hostile)

    found = status_page.render(report, (), 1001.0, Frame(hostile, hostile, [(hostile, hostile)]))

    assert "<script" not in found
    # Twice the host, the link's two, version and source, and in the three places of an owner its process; of its cgroup
    # only what follows the last slash.
    assert found.count("&lt;script&gt;") == 9


def test_no_address_is_on_a_page_that_is_to_tell_none() -> None:
    told, left_out = (
        status_page.render(samples.report(), (), 1001.0, replace(FRAME, addresses=addresses))
        for addresses in (True, False)
    )

    assert "192.0.2.1" in told
    assert "192.0.2." not in left_out
    assert "198.51.100." not in left_out
    Balanced(left_out)
