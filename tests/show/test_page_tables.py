import re
from dataclasses import replace

from exporter.count.census import Census
from exporter.show import page_tables
from exporter.show.page_style import STYLE
from exporter.tcp.sockets import Row
from tests.show import nodes, samples


def cells(row: str) -> list[str]:
    return re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)


def rows(html: str) -> list[list[str]]:
    return [cells(row) for row in re.findall(r"<tr>(.*?)</tr>", html)]


def test_what_is_stuck_is_a_column_after_the_port() -> None:
    headings, https, *_, total = rows(page_tables.ports(samples.census()))

    assert headings[:2] == ["port", "stuck"]
    assert https[:2] == ["server 443", "280"]
    assert total[:2] == ["all", "280"]


def test_cells_with_stuck_sockets_are_marked() -> None:
    found = page_tables.ports(samples.census())

    assert '<td class="bad">280</td>' in found
    assert '<td class="bad" title="280 stuck, the oldest for 3 h">289</td>' in found
    assert found.count('<td class="bad"') == 2


def test_zeros_are_dots_and_quiet() -> None:
    found = page_tables.ports(samples.healthy())

    assert found.count('<td class="zero">.</td>') > 8
    assert not [row for row in rows(found) if "0" in row]


def test_idle_listeners_are_one_line_below_the_table() -> None:
    ports = {samples.row("server", str(port)): samples.counts(listen=1) for port in range(9000, 9147)}
    census = samples.census()

    found = page_tables.ports(replace(census, sockets={**census.sockets, **ports}))

    assert [row[0] for row in rows(found)] == ["port", "server 443", "client 5432", "client other", "all"]
    assert "… and 148 listening ports without connections. No socket is in syn_sent" in found


def test_where_all_states_have_sockets_none_is_said_to_have_none() -> None:
    counts = dict.fromkeys(samples.counts(), 1)
    everything = replace(samples.healthy(), sockets={samples.HTTPS: counts})

    assert "No socket is in" not in page_tables.ports(everything)


def test_holders_are_a_line_each() -> None:
    headings, nginx, unknown = rows(page_tables.holders(samples.census()))

    assert headings == ["stuck", "held by", "pid", "descriptors", "port", "state", "oldest", "how they end"]
    assert nginx[:4] == ["270", "nginx.service (nginx)", "4711", "341 of 1,024"]
    assert nginx[4:] == ["server 443", "fin_wait2", "3 h", "nothing ends them"]
    assert unknown[:2] == ["10", "not known"]


def test_a_long_list_is_cut_and_says_so() -> None:
    stuck = replace(samples.stuck(), holdings=[samples.holding()] * 30, listed=[samples.stuck_socket()] * 30)

    census = replace(samples.census(), stuck=stuck)

    assert len(rows(page_tables.holders(census))) == len(rows(page_tables.sockets(stuck))) == 1 + 20
    assert "The 20 oldest of 280 stuck sockets." in page_tables.sockets(stuck)


def test_addresses_can_be_left_out() -> None:
    [headings, line] = rows(page_tables.sockets(samples.stuck(), addresses=False))

    assert headings == ["state", "age", "how it ends", "unread", "unsent", "held by", "pid"]
    assert len(line) == len(headings)


def test_where_nothing_is_stuck_there_is_no_list() -> None:
    well: Census = samples.healthy()

    assert page_tables.holders(well) == page_tables.sockets(well.stuck) == ""


def test_the_style_knows_columns_by_headings_that_there_are() -> None:
    census = nodes.census()
    lists = page_tables.holders(census) + page_tables.sockets(census.stuck)
    headings = set(re.findall(r'data-heading="(.*?)"', lists))

    assert set(re.findall(r'data-heading="(.*?)"', STYLE)) <= headings


LONG = f'<span title="{nodes.POD.name}">shop/web-7d9…b6c5d-x2k4q</span>'


def test_a_namespace_is_a_column_short_and_in_full_where_a_mouse_rests() -> None:
    headings, https, *others, total = rows(page_tables.ports(nodes.census()))

    assert headings[:3] == ["port", "netns", "stuck"]
    assert https[:3] == ["server 443", "", "280"]
    assert ["server 8080", LONG, "5"] in [row[:3] for row in others]
    assert ["server other", "other", "1"] in [row[:3] for row in others]
    assert total[:3] == ["all", "", "286"]
    assert rows(page_tables.holders(nodes.census()))[-1][4:6] == ["server 8080", LONG]


def test_a_namespace_with_a_hostile_name_is_text() -> None:
    row = samples.row("server", "80")._replace(netns='"><script>' * 40)
    census = replace(samples.census(), sockets={row: samples.counts(established=1)})

    found = page_tables.ports(census)

    assert "<script" not in found
    assert f'title="{"&quot;&gt;&lt;script&gt;" * 40}"' in found


def test_rows_of_too_many_namespaces_are_a_number_below_the_table() -> None:
    pods = {Row(f"pod-{place}", "server", "80"): samples.counts(established=1) for place in range(500)}

    found = page_tables.ports(replace(samples.census(), sockets=pods))

    assert len(rows(found)) == 1 + 30 + 1
    assert "… and 470 ports of 470 other network namespaces with connections." in found
