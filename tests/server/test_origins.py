import pytest

from exporter.server import origins

NAMES = frozenset({"exporter.example", "web1"})


@pytest.mark.parametrize(
    "host",
    [
        "exporter.example",
        "exporter.example:10060",
        "Exporter.Example.",
        "web1:443",
        "localhost:10060",
        "127.0.0.1:10060",
        "192.0.2.1",
        "[::1]:10060",
        "[2001:db8::1]",
    ],
)
def test_what_is_allowed_and_what_nobody_else_can_own_is_a_name_for_the_server(host: str) -> None:
    assert origins.is_named(host, NAMES)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":10060",
        "evil.example",
        "evil.exporter.example",
        "exporter.example.evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "exporter.example:10060:80",
        "exporter.example@evil.example",
        "exporter.example,web1",
    ],
)
def test_no_other_is(host: str) -> None:
    assert not origins.is_named(host, NAMES)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "a:1", "Origin": "http://a:1"},
        {"Host": "A.example", "Origin": "https://a.example", "Sec-Fetch-Site": "same-origin"},
        {"Host": "a", "Sec-Fetch-Site": "none"},
    ],
)
def test_programs_and_the_pages_of_this_server_are_no_other_site(headers: dict[str, str]) -> None:
    assert not origins.is_cross_site(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "a", "Origin": "http://evil"},
        {"Host": "a:1", "Origin": "http://a:2"},
        {"Host": "a", "Origin": "null"},
        {"Host": "a", "Origin": ""},
        {"Origin": "null"},
        {"Host": "a", "Sec-Fetch-Site": "cross-site"},
        {"Host": "a", "Sec-Fetch-Site": "same-site"},
        {"Host": "a", "Origin": "http://a", "Sec-Fetch-Site": "same-site"},
    ],
)
def test_whatever_else_a_browser_says_is(headers: dict[str, str]) -> None:
    assert origins.is_cross_site(headers)


def test_an_ipv6_network_is_one_neighbour() -> None:
    assert origins.network("2001:db8::1") == origins.network("2001:db8::ffff:1") != origins.network("2001:db8:0:1::1")
    assert origins.network("192.0.2.1") != origins.network("192.0.2.2")
    assert origins.network("::ffff:192.0.2.1") != origins.network("::ffff:192.0.2.2")
    assert origins.network("") == ""
