import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.server.negotiation import MAX_LENGTH, choose
from exporter.show.formats import Format, Variant

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0;q=0.75,application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
TEXT = Format.TEXT_0_0_4
OPENMETRICS = Format.OPENMETRICS_1_0_0


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (PROMETHEUS_2, OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        (BROWSER, TEXT),
        ("", TEXT),
        ("*/*", TEXT),
        ("text/*", TEXT),
        ("text/plain", TEXT),
        ("text/plain;version=0.0.4", TEXT),
        ("text/plain; version=1.0.0; escaping=values", Format.TEXT_1_0_0),
        ("application/openmetrics-text", OPENMETRICS),
        ("application/openmetrics-text; version=1.0.0", OPENMETRICS),
        ("APPLICATION/OpenMetrics-Text; Version=1.0.0", OPENMETRICS),
        ('application/openmetrics-text; version="1.0.0"', OPENMETRICS),
        ("application/openmetrics-text;version=0.0.1", OPENMETRICS),
        ("application/openmetrics-text; version=2.0.0", TEXT),
        ("application/openmetrics-text; version=99.9.9, text/plain;version=1.0.0;q=0.1", Format.TEXT_1_0_0),
        ("application/openmetrics-text; version=abc", TEXT),
        ("application/openmetrics-text;q=0, text/plain;q=0.1", TEXT),
        ("application/openmetrics-text;q=0.3, text/plain;q=0.4", TEXT),
        ("application/openmetrics-text;q=high, text/plain;q=0.1", TEXT),
        ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily", TEXT),
        (";;;,,,;=;=,q=,\x00", TEXT),
        ("text/plain;q=nan", TEXT),
    ],
)
def test_the_format_is_the_best_that_the_scraper_names(accept: str, expected: Format) -> None:
    assert choose(accept, "").format is expected


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=0.5", True),
        ("*", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("gzip;q=x", False),
    ],
)
def test_gzip_is_used_where_it_is_accepted(accept_encoding: str, expected: bool) -> None:  # noqa: FBT001
    assert choose("", accept_encoding).gzip is expected


@given(st.text(), st.text())
def test_any_headers_give_a_variant(accept: str, accept_encoding: str) -> None:
    assert isinstance(choose(accept, accept_encoding), Variant)


def test_only_the_beginning_of_an_endless_header_is_looked_at() -> None:
    assert choose("x/y," * 100_000 + "application/openmetrics-text", "").format is TEXT


@pytest.mark.parametrize("kept", range(1, len("gzip;q=0")))
def test_a_refusal_that_is_cut_does_not_become_an_acceptance(kept: int) -> None:
    padding = "x" * (MAX_LENGTH - kept - 1)

    assert not choose("", f"{padding},gzip;q=0").gzip
