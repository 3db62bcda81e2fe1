"""The dashboards: what Grafana's own linter asks of them, and that each query finds something."""

import json
import re
import runpy
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.lab.daemon import ROOT, Process, exporter, prometheus, query
from tests.lab.leaks import leak
from tests.lab.netns import Namespace
from tests.lab.witness import wait_for

FOLDER = ROOT / "deploy/grafana"
NAMES = ("fleet", "host")

Json = dict[str, Any]


def dashboard(name: str) -> Json:
    found: Json = json.loads((FOLDER / f"dashboards/{name}.json").read_text())
    return found


def panels(name: str) -> list[Json]:
    return [panel for panel in dashboard(name)["panels"] if panel["type"] != "row"]


PANELS = [pytest.param(panel, id=f"{name}-{panel['title']}") for name in NAMES for panel in panels(name)]
EXPRESSIONS = [
    pytest.param(target["expr"], id=f"{name}-{panel['title']}-{target['refId']}")
    for name in NAMES
    for panel in panels(name)
    for target in panel["targets"]
]
VARIABLES = [
    pytest.param(one, id=f"{name}-{one['name']}") for name in NAMES for one in dashboard(name)["templating"]["list"]
]


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What build.py defines."""
    monkeypatch.syspath_prepend(FOLDER)
    return runpy.run_path(str(FOLDER / "build.py"))


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


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_variable_follows_the_time_and_can_be_all(variable: Json) -> None:
    if variable["type"] == "datasource":
        assert (variable["name"], variable["label"]) == ("datasource", "Data source")
        return
    assert variable["label"] == variable["name"].capitalize()
    assert variable["datasource"]["uid"] == "${datasource}"
    assert (variable["refresh"], variable["multi"], variable["includeAll"], variable["allValue"]) == (
        2,
        True,
        True,
        ".+",
    )
    assert re.fullmatch(r"label_values\(\w+(\{.*\})?, \w+\)", variable["definition"])


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_shows(panel: Json) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_query_is_of_the_chosen_hosts_and_of_rates_where_it_counts(expression: str) -> None:
    selectors = re.findall(r"[a-z_]+\{[^}]*\}", expression)

    assert len(selectors) == len(re.findall(r"\b(?:tcpstate_\w+|up)\b", expression))
    assert all('job=~"$job"' in one and 'instance=~"$instance"' in one for one in selectors)
    assert all("$__rate_interval" in one for one in re.findall(r"rate\([^)]*\)", expression))
    assert all(f"rate({one}" in expression for one in re.findall(r"\w+_total\{", expression))


@pytest.mark.parametrize("panel", PANELS)
def test_a_state_has_the_same_color_on_all_panels(panel: Json, built: dict[str, Any]) -> None:
    if "{{state}}" not in {target["legendFormat"] for target in panel["targets"]}:
        return
    named = {
        override["matcher"]["options"]: prop["value"]["fixedColor"]
        for override in panel["fieldConfig"]["overrides"]
        for prop in override["properties"]
        if prop["id"] == "color"
    }

    assert built["STATES"].items() <= named.items()


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
        wait_for(lambda: query(server, "count_over_time(tcpstate_up[1m]) > 5") != [], "some scrapes", seconds=30)
        yield server


@pytest.mark.kernel
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_each_query_finds_series(expression: str, leaking_host: Process) -> None:
    chosen = re.sub(r'\w+=~"\$\w+"', lambda one: one[0].split("=~")[0] + '=~".+"', expression)
    asked = chosen.replace("$__rate_interval", "15s").replace("offset 30m", "offset 3s")

    # The limit of orphans is the host's: a namespace as the laboratory makes it has none, and the query says nothing.
    assert (query(leaking_host, asked) != []) == ("tcpstate_orphan_limit" not in expression)


@pytest.mark.kernel
@pytest.mark.parametrize("name", NAMES)
def test_each_variable_has_values(name: str, leaking_host: Process) -> None:
    for variable in dashboard(name)["templating"]["list"][1:]:
        metric = re.sub(r'=~"\$\w+"', '=~".+"', variable["definition"].removeprefix("label_values("))
        selector, label = metric.removesuffix(")").rsplit(", ", 1)

        assert {labels[label] for labels, _ in query(leaking_host, selector)}
