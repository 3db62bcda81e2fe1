"""The dashboards: what Grafana's own linter asks of them, what they say at three in the morning, and what they ask."""

import json
import re
import runpy
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.shapes import GROUPS, HOST, Holder, Values, burst, series, steadily, until
from tests.lab.daemon import ROOT, Process, exporter, prometheus, query
from tests.lab.leaks import leak
from tests.lab.netns import Namespace
from tests.lab.witness import wait_for

FOLDER = ROOT / "deploy/grafana"
RULES = ROOT / "deploy/prometheus"
NAMES = ("fleet", "host")
OF_NOW = {"stat", "table", "bargauge"}
"""Kinds of panels that say how it is, not how it has been."""

Json = dict[str, Any]


def dashboard(name: str) -> Json:
    found: Json = json.loads((FOLDER / f"dashboards/{name}.json").read_text())
    return found


def panels(name: str) -> list[Json]:
    return [panel for panel in dashboard(name)["panels"] if panel["type"] != "row"]


def recorded() -> set[str]:
    """The series of the recording rules."""
    groups = yaml.safe_load((RULES / "rules.yml").read_text())["groups"]
    return {rule["record"] for group in groups for rule in group["rules"]}


def told() -> set[str]:
    """The metrics of the exporter."""
    text = (ROOT / "tests/show/golden/metrics.txt").read_text()
    return set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))


def chosen_sums(expression: str, name: str = "tcpstate_sockets") -> str:
    return expression.replace("${totals:raw}", name).replace("${waiting:raw}", name)


def chosen(
    expression: str, rate: str = "1m", shown: str = "1h", netns: str = ".*", waiting: str = "tcpstate_sockets"
) -> str:
    """As Grafana asks it with everything chosen, or some network namespaces, where there are no recording rules."""
    for name, value in {
        "${totals:raw}": "tcpstate_sockets",
        "$__rate_interval": rate,
        "$__range": shown,
        "$instance|": ".*",
        "${waiting:raw}": waiting,
        "${netns:pipe}": netns,
    }.items():
        expression = expression.replace(name, value)
    return re.sub(r'=~"\$\w+"', '=~".+"', expression)


EACH = [(f"{name}-{panel['title']}", panel) for name in NAMES for panel in panels(name)]
ASKED = [(f"{name}-{target['refId']}", target["expr"]) for name, panel in EACH for target in panel["targets"]]
CHOICES = [
    (f"{name}-{one['name']}", one)
    for name in NAMES
    for one in dashboard(name)["templating"]["list"]
    if one["type"] == "query"
]
PANELS = [pytest.param(panel, id=name) for name, panel in EACH]
LINES = [pytest.param(panel, id=name) for name, panel in EACH if panel["type"] == "timeseries"]
TABLES = [pytest.param(panel, id=name) for name, panel in EACH if panel["type"] == "table"]
TARGETS = [pytest.param(expression, id=name) for name, expression in ASKED]
VARIABLES = [pytest.param(one, id=name) for name, one in CHOICES]


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What build.py defines."""
    monkeypatch.syspath_prepend(FOLDER)
    return runpy.run_path(str(FOLDER / "build.py"))


@pytest.fixture
def states(built: dict[str, Any]) -> Mapping[str, str]:
    """The color of each state."""
    assert built
    found: Mapping[str, str] = runpy.run_path(str(FOLDER / "panels.py"))["STATES"]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_building_again_gives_the_same_bytes(name: str, built: dict[str, Any]) -> None:
    assert built["text"](built["DASHBOARDS"][name]) == (FOLDER / f"dashboards/{name}.json").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_can_be_provisioned(name: str) -> None:
    found = dashboard(name)

    assert 39 <= found["schemaVersion"] <= 41
    assert found["uid"] == f"tcpstate-{name}"
    assert not found["editable"]
    assert not {"id", "__inputs"} & found.keys()
    numbers = [panel["id"] for panel in found["panels"]]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("name", NAMES)
def test_panels_do_not_overlap(name: str) -> None:
    cells = [
        (x, y)
        for panel in dashboard(name)["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) == 23


@pytest.mark.parametrize("name", NAMES)
def test_the_data_source_can_be_chosen(name: str) -> None:
    [source] = [one for one in dashboard(name)["templating"]["list"] if one["type"] == "datasource"]

    assert (source["name"], source["label"]) == ("datasource", "Data source")


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_variable_follows_the_time_and_the_data_source(variable: Json) -> None:
    assert variable["label"] == variable["name"].capitalize()
    assert variable["datasource"]["uid"] == "${datasource}"
    assert variable["refresh"] == 2
    assert variable["query"]["query"] == variable["definition"]
    by_label = re.fullmatch(r"label_values\(\w*(\{.*\})?, \w+\)", variable["definition"])
    assert (by_label is None) == (variable["name"] == "netns")


@pytest.mark.parametrize("variable", [pytest.param(one, id=name) for name, one in CHOICES if one["hide"] == 0])
def test_several_values_of_a_variable_can_be_chosen(variable: Json) -> None:
    assert (variable["multi"], variable["allValue"]) == (True, ".*" if variable["name"] == "netns" else ".+")


def test_everything_can_be_chosen_but_all_hosts_for_their_ports() -> None:
    """A thousand hosts have millions of series by port, and "all" would be what is chosen at first."""
    every = {
        name: {one["name"] for one in dashboard(name)["templating"]["list"] if one.get("includeAll")} for name in NAMES
    }

    assert every == {"fleet": {"job", "instance"}, "host": {"job", "netns", "role", "port"}}


@pytest.mark.parametrize("name", ["totals", "waiting"])
def test_sums_are_those_of_the_rules_if_there_are_any(name: str) -> None:
    [sums] = [one for one in dashboard("fleet")["templating"]["list"] if one["name"] == name]
    [wanted] = re.findall(r'__name__=~"([^"]+)"', sums["definition"])

    first, other = wanted.split("|")
    assert first in recorded()
    assert first < other, "Grafana takes the first in the order of the alphabet"
    assert sums["sort"] == 1
    assert sums["current"]["value"] == first


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_shows_and_that_there_is_nothing(panel: Json) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["fieldConfig"]["defaults"]["noValue"]
    assert panel["targets"]


@pytest.mark.parametrize("panel", PANELS)
def test_what_is_said_of_now_is_asked_of_now(panel: Json) -> None:
    """A query over time would go on saying what is long over."""
    for target in panel["targets"]:
        assert (target["instant"], target["range"]) == (panel["type"] in OF_NOW, panel["type"] not in OF_NOW)
    if panel["type"] not in OF_NOW:
        assert panel["options"]["legend"]["calcs"] == []


@pytest.mark.parametrize("panel", LINES)
def test_an_axis_of_little_is_not_one_of_nothing(panel: Json) -> None:
    defaults = panel["fieldConfig"]["defaults"]

    assert defaults["min"] == 0
    assert defaults["custom"]["axisSoftMax"] > 0
    assert (defaults.get("max") == 1) == (defaults["unit"] == "percentunit")


@pytest.mark.parametrize("panel", TABLES)
def test_rows_of_hosts_are_told_apart_by_job_too(panel: Json) -> None:
    columns = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]}

    assert ("instance" in columns) == ("job" in columns)
    assert all("by (job, instance" in target["expr"] for target in panel["targets"] if "instance" in columns)


@pytest.mark.parametrize("expression", TARGETS)
def test_a_query_is_of_the_chosen_hosts_and_of_rates_where_it_counts(expression: str) -> None:
    expression = chosen_sums(expression)
    selectors = re.findall(r"[\w:]*\{[^}]*\}", expression)
    counters = re.findall(r"\w+_total\{", expression)
    unquoted = re.sub(r'"[^"]*"', "", expression)

    assert all('job=~"$job"' in one and 'instance=~"$instance' in one for one in selectors)
    assert set(re.findall(r"(?<![\w:])(?:(?:\w+:)?tcpstate_[\w:]+|up|ALERTS)(?![\w:])(.)", unquoted)) <= {"{"}
    assert all(f"rate({one}" in expression or f"increase({one}" in expression for one in counters)
    assert all("[$__rate_interval]" in one for one in re.findall(r"rate\([^)]*\)", expression))


@pytest.mark.parametrize("expression", TARGETS)
def test_a_query_is_of_what_there_is(expression: str) -> None:
    named = set(re.findall(r"\b((?:\w+:)*\w+)\{(?!__name__)", chosen(expression)))
    patterns = re.findall(r'__name__=~"([^"]+)"', expression)

    assert named <= told() | recorded() | {"up", "ALERTS"}
    assert all(any(re.fullmatch(pattern, name) for name in recorded()) for pattern in patterns)


def test_prometheus_can_read_each_query(tmp_path: Path) -> None:
    rules = [{"record": "one", "expr": chosen(expression)} for _, expression in ASKED]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))

    done = subprocess.run(
        ["promtool", "check", "rules", "--lint=none", file], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_nothing_over_time_reads_all_ports_of_all_hosts() -> None:
    over_time = [
        chosen_sums(target["expr"], "sums")
        for panel in panels("fleet")
        if panel["type"] not in OF_NOW
        for target in panel["targets"]
    ]
    text = (ROOT / "tests/show/golden/metrics.txt").read_text()
    by_port = set(re.findall(r"^(\w+)\{[^}]*port=", text, re.MULTILINE)) - {"tcpstate_stuck_sockets_by_owner"}

    assert "tcpstate_accept_queue_sockets" in by_port
    assert not [one for one in over_time if by_port & set(re.findall(r"\w+", one))]


@pytest.mark.parametrize("panel", PANELS)
def test_a_state_has_the_same_color_on_all_panels(panel: Json, states: Mapping[str, str]) -> None:
    legends = {target["legendFormat"] for target in panel["targets"]}
    by_name, by_end = colors(panel, "byName"), colors(panel, "byRegexp")

    if "{{state}}" in legends:
        assert states.items() <= by_name.items()
    elif any("{{state}}" in legend for legend in legends):
        assert by_end == {f"/(^| ){state}$/": color for state, color in states.items()}
    if state := re.fullmatch(r"([A-Z_0-9]+) by port", panel["title"]):
        assert panel["fieldConfig"]["defaults"]["color"] == {"mode": "shades", "fixedColor": states[state[1].lower()]}


@pytest.mark.parametrize("panel", PANELS)
def test_a_state_has_this_color_in_tables_too(panel: Json, states: Mapping[str, str]) -> None:
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["options"] == "state" and panel["type"] == "table":
            [mapping] = next(prop["value"] for prop in override["properties"] if prop["id"] == "mappings")
            assert {value: one["color"] for value, one in mapping["options"].items()} == states


def colors(panel: Json, matcher: str) -> dict[str, str]:
    return {
        override["matcher"]["options"]: prop["value"]["fixedColor"]
        for override in panel["fieldConfig"]["overrides"]
        for prop in override["properties"]
        if prop["id"] == "color" and override["matcher"]["id"] == matcher
    }


def urls(panel: Json) -> list[str]:
    return [
        link["url"]
        for override in panel["fieldConfig"]["overrides"]
        for prop in override["properties"]
        if prop["id"] == "links"
        for link in prop["value"]
    ]


@pytest.mark.parametrize("panel", PANELS)
def test_a_link_knows_what_it_names(panel: Json) -> None:
    columns = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]}
    of_host = {one["name"] for one in dashboard("host")["templating"]["list"]}

    for url in urls(panel):
        assert set(re.findall(r"__data\.fields\.(\w+)", url)) <= columns
        assert set(re.findall(r"var-(\w+)=", url)) <= of_host


def test_from_a_port_of_the_fleet_one_gets_to_this_port() -> None:
    [where] = [panel for panel in panels("fleet") if panel["title"] == "Where sockets are stuck"]
    [url] = urls(where)

    assert url.startswith("/d/tcpstate-host?")
    assert re.findall(r"var-(\w+)=\$\{([^}]+)\}", url) == [
        ("datasource", "datasource"),
        *((name, f"__data.fields.{name}") for name in ("job", "instance")),
        ("netns", "__data.fields.choice"),
        *((name, f"__data.fields.{name}") for name in ("role", "port")),
    ]
    assert url.endswith("&${__url_time_range}")


@pytest.mark.parametrize("name", NAMES)
def test_from_an_alert_one_gets_to_its_runbook(name: str) -> None:
    [alerts] = [panel for panel in panels(name) if panel["title"] == "Firing alerts"]
    groups = yaml.safe_load((RULES / "alerts.yml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]

    [url] = urls(alerts)
    assert {rule["annotations"]["runbook_url"] for rule in rules} == {
        url.replace("${__data.fields.alertname}", rule["alert"]) for rule in rules
    }
    assert all(re.fullmatch("TCP.+", rule["alert"]) and rule["labels"]["family"] for rule in rules)


TILES = ("Stuck sockets", "Growing now", "Descriptors gone in")


def shown(name: str, folder: Path, *holders: Holder, is_up: bool = True) -> list[float]:
    """What these tiles say after two hours of a host with the *holders*, and a port on which nothing is stuck."""
    times = [15.0 * number for number in range(481)]
    idle = series("tcpstate_stuck_sockets", **HOST, role="server", port="443", state="close_wait")
    seen: dict[str, Values] = {
        series("tcpstate_up", **HOST): [float(is_up)] * len(times),
        idle: [0.0 if is_up else None] * len(times),
    }
    for holder in holders:
        seen |= holder.series(times)
    by_title = {panel["title"]: panel["targets"][0]["expr"] for panel in panels(name)}
    return said(seen, [chosen(by_title[title]) for title in TILES], folder)


def said(seen: Mapping[str, Values], expressions: Sequence[str], folder: Path) -> list[float]:
    """What each of the *expressions* is in the end: promtool knows what it should be, or says what it is."""
    found = _answered(seen, expressions, folder)
    return [float(one) for one in re.findall(r"got:\s*\{\} (\S+)", found)]


def answers(seen: Mapping[str, Values], expression: str, folder: Path) -> list[str]:
    """The series that the expression has in the end, as text."""
    [found] = re.findall(r"got:(.*?)$", _answered(seen, [expression], folder), re.MULTILINE)
    return sorted(re.findall(r"\{[^{}]*\} \S+", found))


def _answered(seen: Mapping[str, Values], expressions: Sequence[str], folder: Path) -> str:
    wrong = [{"labels": '{is="wrong"}', "value": 0}]
    tests = [{"expr": expression, "eval_time": "7200s", "exp_samples": wrong} for expression in expressions]
    told = [{"series": name, "values": " ".join(words(values))} for name, values in seen.items()]
    file = {
        "rule_files": [str(RULES / "rules.yml")],
        "evaluation_interval": "15s",
        "group_eval_order": [name for name in GROUPS if name in (RULES / "rules.yml").read_text()],
        "tests": [{"interval": "15s", "input_series": told, "promql_expr_test": tests}],
    }
    path = folder / "said.yml"
    path.write_text(yaml.safe_dump(file, width=10**9))
    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def words(values: Values) -> Iterator[str]:
    """As promtool wants them: what ends gets a marker, as it gets one from Prometheus."""
    for before, value in pairwise([None, *values]):
        yield f"{value:g}" if value is not None else "_" if before is None else "stale"


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_wrong(name: str, tmp_path: Path) -> None:
    assert shown(name, tmp_path) == [0, 0, -1]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_known(name: str, tmp_path: Path) -> None:
    assert shown(name, tmp_path, is_up=False) == [-2, -2, -2]


@pytest.mark.parametrize("name", NAMES)
def test_a_leak_grows(name: str, tmp_path: Path) -> None:
    """By six a minute for an hour, of which the last two are not stuck yet; 604 descriptors are left."""
    stuck, growth, left = shown(name, tmp_path, Holder(lambda time: max(0.0, time - 3600) / 10))

    assert (stuck, growth) == (348, 60)
    assert left == pytest.approx(6040, rel=0.05)


@pytest.mark.parametrize("name", NAMES)
def test_a_leak_that_is_over_is_not_shown_as_if_it_were_now(name: str, tmp_path: Path) -> None:
    assert shown(name, tmp_path, Holder(until(7080, steadily(0.1)))) == [0, 0, -1]


@pytest.mark.parametrize("name", NAMES)
def test_a_leak_grows_also_while_a_larger_one_ends(name: str, tmp_path: Path) -> None:
    other = {"cgroup": "/system.slice/other.service", "process": "other"}
    ends = Holder(burst(500, until=7000), owner=other, host={**HOST, "instance": "web2"})

    assert shown(name, tmp_path, Holder(steadily(0.1)), ends)[1] == 60


@pytest.mark.parametrize("name", NAMES)
def test_who_has_no_descriptor_left_does_not_grow_and_is_not_well(name: str, tmp_path: Path) -> None:
    assert shown(name, tmp_path, Holder(steadily(1))) == [964, 0, 0]


@pytest.mark.parametrize("name", NAMES)
def test_what_the_exporter_does_not_know_is_not_said_to_be_far(name: str, tmp_path: Path) -> None:
    """A number that stands has no pace, not even if the limit of the rules is assumed."""
    assert shown(name, tmp_path, Holder(burst(50), knows_descriptors=False)) == [50, 0, -2]


ALL, OWN = ".*", "^$"
"""What is put in for the variable netns where all are chosen, and for the exporter's own, which has no label."""


def of_namespaces(name: str, of: Mapping[str, float], **labels: str) -> dict[str, Values]:
    """Series of a host that have not changed for two hours, by the name of the namespace."""
    return {
        series(name, **HOST, **({"netns": netns} if netns else {}), **labels): [value] * 481
        for netns, value in of.items()
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("choice", "stuck"), [(ALL, 7), (OWN, 1), ("shop/web-0", 2), ("^$|lab", 5), ("gone", 0)])
def test_what_is_shown_is_of_the_namespaces_that_are_chosen(
    name: str, choice: str, stuck: float, tmp_path: Path
) -> None:
    leaks = {"": 1.0, "shop/web-0": 2.0, "lab": 4.0}
    seen = of_namespaces("tcpstate_stuck_sockets", leaks, role="server", port="80", state="close_wait")
    [panel] = [panel for panel in panels(name) if panel["title"] == "Stuck sockets"]

    asked = chosen(panel["targets"][0]["expr"], netns=choice)
    assert said(seen | of_namespaces("tcpstate_up", {"": 1.0}), [asked], tmp_path) == [stuck]


def variable_of_host(name: str) -> Json:
    [found] = [one for one in dashboard("host")["templating"]["list"] if one["name"] == name]
    return dict(found)


def test_each_namespace_can_be_chosen_by_its_name_and_the_own_as_such(tmp_path: Path) -> None:
    variable = variable_of_host("netns")
    query = chosen(variable["definition"].removeprefix("query_result(").removesuffix(")"))
    seen = of_namespaces("tcpstate_netns_info", {"": 1.0, "shop/web-0": 1.0})

    found = answers(seen, query, tmp_path)

    pattern = variable["regex"].strip("/").replace("(?<", "(?P<")
    matched = [one.groupdict() for text in found if (one := re.search(pattern, text))]
    assert matched == [{"text": "own", "value": OWN}, {"text": "shop/web-0", "value": "shop/web-0"}]


FULLEST = {"fleet": "The fullest host of each limit", "host": "How much of each limit is in use"}


@pytest.mark.parametrize("waiting", ["tcpstate_sockets", "netns:tcpstate_mini_sockets:sum"])
@pytest.mark.parametrize("name", NAMES)
def test_the_limit_of_a_namespace_is_for_its_own_sockets(name: str, waiting: str, tmp_path: Path) -> None:
    sockets = of_namespaces(
        "tcpstate_sockets", {"": 100.0, "shop/web-0": 300.0}, role="server", port="80", state="time_wait"
    )
    limits = of_namespaces("tcpstate_time_wait_limit", {"": 1000.0, "shop/web-0": 400.0})
    [panel] = [panel for panel in panels(name) if panel["title"] == FULLEST[name]]
    asked = [f"max({chosen(panel['targets'][0]['expr'], netns=netns, waiting=waiting)})" for netns in (ALL, OWN)]

    assert said(sockets | limits, asked, tmp_path) == [0.75, 0.1]


@pytest.fixture(scope="module")
def leaking_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A Prometheus that has watched a host for a while on which sockets are stuck."""
    from tests.conftest import require_laboratory
    from tests.lab import netns

    require_laboratory()
    folder: Path = tmp_path_factory.mktemp("grafana")
    config = folder / "config.yaml"
    config.write_text("interval: 200ms\nmax_cpu: 100%\nstuck_after: {fin_wait2: 1s, close_wait: 1s}\n")
    with ExitStack() as kept:
        host: Namespace = kept.enter_context(netns.namespace())
        kept.enter_context(leak(host, "server", "serve", 8080))
        kept.enter_context(leak(host, "client", "dial", 8080, 20))
        kept.enter_context(exporter(host, folder / "log", f"--config.file={config}"))
        server = kept.enter_context(prometheus(host, folder))
        wait_for(lambda: query(server, "count_over_time(tcpstate_up[1m]) > 8") != [], "some scrapes", seconds=30)
        wait_for(lambda: query(server, "tcpstate_holder_pid") != [], "a holder is known", seconds=30)
        yield server


EMPTY = {
    "Firing alerts",
    "Hosts that refuse or lose connections",
    "Blind exporters",
    "TIME_WAIT by port",
    "SYN_RECV by port",
}
"""Panels that are so where no rule is loaded and only half-closed sockets are wrong."""


@pytest.mark.kernel
@pytest.mark.parametrize("panel", PANELS)
def test_each_panel_finds_series(panel: Json, leaking_host: Process) -> None:
    asked = [chosen(target["expr"], rate="15s", shown="1m") for target in panel["targets"]]
    found = [query(leaking_host, one.replace("offset 10m", "offset 3s")) for one in asked]

    assert any(found) == (panel["title"] not in EMPTY or panel["type"] == "stat")


@pytest.mark.kernel
def test_the_holder_is_told_with_its_descriptors(leaking_host: Process) -> None:
    [holders] = [panel for panel in panels("host") if panel["title"].startswith("Who holds")]
    titles = {
        override["matcher"]["options"]: prop["value"]
        for override in holders["fieldConfig"]["overrides"]
        for prop in override["properties"]
        if prop["id"] == "displayName"
    }
    told = {
        titles[f"Value #{target['refId']}"]: query(
            leaking_host, chosen(target["expr"]).replace("offset 10m", "offset 3s")
        )
        for target in holders["targets"]
    }

    assert all(told[title] for title in ("In use", "Taken", "+ in 10 min", "Open", "Limit", "pid"))


@pytest.mark.kernel
@pytest.mark.parametrize("variable", [pytest.param(one, id=name) for name, one in CHOICES if one["name"] != "netns"])
def test_each_variable_has_values(variable: Json, leaking_host: Process) -> None:
    selector, label = chosen(variable["definition"].removeprefix("label_values(")).removesuffix(")").rsplit(", ", 1)

    assert {labels[label] for labels, _ in query(leaking_host, selector)}
