from dataclasses import replace
from html.parser import HTMLParser

from exporter import status_page
from exporter.record import Record
from tests import samples

LINKS = [("/metrics", "metrics")]


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


def page(record: Record, now: float = 1001.0) -> Balanced:
    return Balanced(status_page.render(record, now, version="1.2.3", links=LINKS))


def test_the_page_shows_the_table_and_what_is_running() -> None:
    text = " ".join(page(samples.record()).words)

    assert all(word in text for word in ("1.2.3", "server 443", "client 5432", "fin_wait2", "4,000", "5,511"))
    assert "sock_diag" in text
    assert "2023-11-14 22:13:20 UTC" in text


def test_the_page_needs_nothing_but_itself() -> None:
    assert page(samples.record()).references == ["/metrics"]


def test_a_failed_sample_is_said_above_the_table() -> None:
    text = " ".join(page(samples.record(succeeded=False)).words)

    assert "The last sample failed" in text
    assert "server 443" in text


def test_an_old_table_is_not_shown() -> None:
    text = " ".join(page(samples.record(), now=2000.0).words)

    assert "too old to be shown" in text
    assert "server 443" not in text


def test_without_a_sample_the_page_says_so() -> None:
    assert "No sample has succeeded yet" in " ".join(page(replace(samples.record(), last=None)).words)


def test_hostile_names_are_text() -> None:
    hostile = "<script>alert(1)</script>"
    found = status_page.render(
        replace(samples.record(), source=hostile), 1001.0, version=hostile, links=[(hostile, hostile)]
    )

    assert "<script" not in found
    assert found.count("&lt;script&gt;") == 4
