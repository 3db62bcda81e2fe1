"""The pages say nothing that does not exist, and leave nothing out that does."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, get_args
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from exporter.count.census import blank
from exporter.count.report import Sample
from exporter.count.rules import NamespaceRules, PortRules
from exporter.errors import ConfigError
from exporter.server import routes
from exporter.settings import config, flags, tls, web_config
from exporter.show import metrics, stuck_query
from exporter.show.exposition import render
from exporter.show.formats import Format, Variant
from exporter.tcp.namespaces import Kind
from exporter.tcp.reading import Missed
from exporter.tcp.states import State
from exporter.tcp.verdicts import VERDICTS
from tests.count.test_census import census
from tests.lab.daemon import ROOT
from tests.lab.markdown import code, fences, lost, rows, section
from tests.show import nodes, samples, test_series

DOCS, RULES = ROOT / "docs", ROOT / "deploy/prometheus"
METRICS, CONFIGURATION, HTTP, NAMESPACES = (
    DOCS / f"{name}.md" for name in ("metrics", "configuration", "http", "namespaces")
)
PAGES = [
    *(ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY")),
    *sorted(DOCS.glob("*.md")),
    *(page for page in sorted(ROOT.glob("deploy/**/README.md")) if page.parent.name != "runbooks"),
]
MOST_BYTES = 300_000
"""Of a picture."""
SHELLS = ("sh", "")
"""Languages of what is pasted into a shell; without a fence, it is indented."""

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@each_page
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    assert not lost(page)


@each_page
def test_its_pictures_are_small(page: Path) -> None:
    pictures = [page.parent / path for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page.read_text())]

    assert not [picture for picture in pictures if picture.stat().st_size > MOST_BYTES]


# What is served


@cache
def labels() -> Mapping[str, frozenset[str]]:
    """Of each metric its labels, in everything that can be told."""
    node = replace(nodes.census(), missed=Missed(1, 1, 0.001))
    report = samples.report(last=Sample(node, at=0.0, now=1000.0, seconds=0.1))
    others = [metrics.certificate(0)]
    text = render(Variant(Format.TEXT_0_0_4, gzip=False), report, 1001.0, others).decode()
    found: dict[str, frozenset[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, frozenset()) | sample.labels.keys()
    return found


def test_every_metric_is_documented_with_its_labels() -> None:
    told = {
        name.strip("`"): frozenset(filter(None, listed.split(", ")))
        for name, listed, _ in rows(METRICS, "metric", "labels", "meaning")
    }

    assert told.keys() == labels().keys()
    for name, listed in told.items():  # of other namespaces nothing here has every metric
        assert listed - {"netns"} == labels()[name] - {"netns"}
        assert labels()[name] <= listed


@each_page
def test_metrics_and_recorded_series_exist(page: Path) -> None:
    groups = yaml.safe_load((RULES / "rules.yml").read_text())["groups"]
    known = {*labels(), *(rule["record"] for group in groups for rule in group["rules"])}
    named = re.findall(r"[a-z_:]*\btcpstate[_:][a-z0-9_:*]*", page.read_text())

    assert {name for name in named if not name.endswith(("_", "_*"))} <= known


def test_the_words_that_labels_have_are_told() -> None:
    told = {
        name: set(re.findall(r"`(\w+)`:", meaning)) for name, _, meaning in rows(METRICS, "metric", "labels", "meaning")
    }

    for state, verdicts in VERDICTS.items():
        assert told[f"`tcpstate_{state.label}_sockets`"] == {verdict.word for verdict in verdicts}
    assert {f"`{kind}`" for kind in get_args(Kind)} == {
        kind for kind, *_ in rows(NAMESPACES, "kind", "`netns`", "found by")
    }


def test_the_numbers_of_series_are_those_that_there_are() -> None:
    lasting = (State.ESTABLISHED, State.TIME_WAIT)
    passed, node_passed = blank(PortRules(), NamespaceRules()), blank(PortRules(), NamespaceRules())
    sockets = [*test_series.served(lasting), *test_series.dialled(lasting)]
    of = partial(census, limits=samples.LIMITS)
    of([*sockets, *test_series.served(test_series.PASSING)], test_series.LISTENERS, memory=passed)
    test_series.node((*lasting, *test_series.PASSING), node_passed, 0.0)
    found = (
        of([], test_series.LISTENERS[:3]),
        of(sockets, test_series.LISTENERS),
        of(sockets, test_series.LISTENERS, memory=passed, now=595.0),
        test_series.node(lasting, blank(PortRules(), NamespaceRules()), 0.0),
        test_series.node(lasting, node_passed, 595.0),
    )

    told = [number.partition(":")[0] for _, number in rows(METRICS, "", "series")]
    assert told == [f"{test_series.series(one):,}" for one in found]


# What it is told


def test_every_flag_is_documented() -> None:
    actions = flags.parser()._actions
    told = {flag.strip("`"): default for flag, default, _ in rows(CONFIGURATION, "flag", "default", "meaning")}

    assert told.keys() == {option for action in actions for option in action.option_strings if option.startswith("--")}


@each_page
def test_flags_exist(page: Path) -> None:
    known = flags.parser()._option_string_actions
    assert set(re.findall(r"--(?:web|config|log|once)\b[a-z.-]*\b", page.read_text())) <= known.keys()


Load = Callable[[str], object]
"""Takes the text of a configuration. Raises ConfigError."""


def keys(load: Load, text: str = "- 1", path: str = "") -> Iterator[str]:
    """Every key of what *load* reads: who finds no mapping says which keys one would have.

    In *text* it finds none at the *path*.
    """
    told = [fault for fault in _faults(load, text) if "a mapping with keys " in fault]
    if not told:
        yield path
        return
    [fault] = told
    for key in fault.partition("a mapping with keys ")[2].partition(", found")[0].split(", "):
        inner = f"{path}.{key}".strip(".")
        yield from keys(load, _odd(inner), inner)


def _faults(load: Load, text: str) -> Sequence[str]:
    try:
        load(text)
    except ConfigError as error:
        return str(error).splitlines()
    return []


def _odd(path: str) -> str:
    """A document in which the value at *path* is of no kind that any key takes."""
    first, *inner = path.split(".")
    return f"{{{first}: {_odd('.'.join(inner)) if inner else '[[1]]'}}}"


def test_every_key_of_the_configuration_is_documented_with_its_default() -> None:
    told = {key.strip("`"): default.strip("`") for key, default, _ in rows(CONFIGURATION, "key", "default", "meaning")}
    example = dict(_flat(yaml.safe_load((ROOT / "config.example.yaml").read_text())))
    rules = NamespaceRules()
    example |= {
        "namespaces.which": example.pop("namespaces"),
        "namespaces.max": rules.max,
        "namespaces.ports": rules.ports,
    }

    assert told.keys() == set(keys(partial(config.parse, file="config.yaml")))
    assert {key: yaml.safe_load(default) for key, default in told.items()} == example


def _flat(document: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, object]]:
    for key, value in document.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def test_every_key_of_the_web_configuration_is_documented(tmp_path: Path) -> None:
    def load(text: str) -> None:
        file = tmp_path / "web.yml"
        file.write_text(text)
        web_config.load(file)

    told = re.findall(r"`((?:tls_server_config|http_server_config|basic_auth_users|rate_limit)[\w.-]*)`", _web())
    assert sorted(told) == sorted(keys(load))


def _web() -> str:
    return section(CONFIGURATION, "The web configuration")


def test_the_paths_are_those_that_are_served() -> None:
    probes = {"/-/healthy", "/-/ready", "/-/reload"}
    told = {path.strip("`") for path, _ in rows(HTTP, "path", "")}

    assert told == {"/metrics", routes.PAGE_PATH, routes.STUCK_PATH} | probes


def test_the_parameters_are_those_that_are_understood() -> None:
    told = {name.strip("`"): meaning for name, meaning in rows(HTTP, "parameter", "")}

    assert told.keys() == stuck_query._PARAMETERS.keys()
    assert set(re.findall(r"`(\w+)`", told["state"])) == stuck_query._STATES.keys()
    assert stuck_query.parse({"limit": ["1000"]}).limit == int(re.findall(r"\d{3,}", told["limit"])[0])


def test_the_sources_are_those_that_there_are() -> None:
    head = ("source", "reads", "counts of all namespaces", "takes")
    assert ["auto", *(name.strip("`") for name, *_ in rows(NAMESPACES, *head))] == list(config.SOURCES)


# What is pasted


def commands(page: Path) -> Iterator[str]:
    """Lines of shell, and code within the text that begins with a program of ours."""
    for fence in fences(page, *SHELLS):
        yield from (line.partition(" #")[0].strip() for line in fence.content.splitlines())
    yield from (text for text in code(page) if re.match(r"make |tcp-state-exporter -", text))


@each_page
def test_a_shell_can_read_its_commands(page: Path) -> None:
    for fence in fences(page, *SHELLS):
        done = subprocess.run(["bash", "-n"], input=fence.content, capture_output=True, text=True, check=False)
        assert not done.stderr


@each_page
def test_targets_of_make_exist(page: Path) -> None:
    known = re.findall(r"^([a-z-]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    found = {command.split()[1] for command in commands(page) if command.startswith("make ")}

    assert found <= set(known)


@each_page
def test_the_exporter_understands_its_arguments(page: Path) -> None:
    for command in commands(page):
        _, *arguments = re.split(r"(?:^| )tcp-state-exporter(?= --(?:web|config|log|once))", command)
        for one in arguments:
            flags.parse(shlex.split(one.partition(" >")[0]))


@each_page
def test_its_files_are_there(page: Path) -> None:
    """Those that stand in commands and in the text by their way from the root."""
    text = "\n".join([*commands(page), *code(page)])
    found = set(re.findall(r"(?<![\w/.-])((?:deploy|tests|docs|exporter|bpf)/[\w./-]*\w)", text))

    assert {path for path in found if not (ROOT / path).exists()} == set()


@each_page
def test_what_the_exporter_is_asked_for_it_serves(page: Path) -> None:
    for url in re.findall(r"localhost:10060(/[^\s'\"`]+)", page.read_text()):
        asked = urlsplit(url)
        assert asked.path in {"/metrics", routes.PAGE_PATH, routes.STUCK_PATH}
        stuck_query.parse(parse_qs(asked.query, strict_parsing=bool(asked.query)))


@each_page
def test_configurations_are_good(page: Path, tmp_path: Path) -> None:
    for number, fence in enumerate(fences(page, "yaml")):
        _check(fence.content, tmp_path / f"{number}.yml")


def _check(text: str, file: Path) -> None:
    """Ask who it is for: Prometheus of a configuration or of rules; the exporter's own is the rest."""
    document = yaml.safe_load(text)
    file.write_text(text)
    if "scrape_configs" in document:
        for name in ("rules.yml", "alerts.yml"):
            shutil.copy(RULES / name, file.parent)
        (file.parent / "hosts.json").write_text("[]")
        _promtool("check", "config", *(["--agent"] if "remote_write" in document else []), file)
    elif "groups" in document:
        _promtool("check", "rules", file)
    elif tls.SECTION in document:
        assert set(document[tls.SECTION]) <= set(re.findall(r"tls_server_config\.(\w+)", _web()))
    elif document.get("kind") != "Kustomization":
        config.parse(text, file.name)


def _promtool(*arguments: object) -> None:
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@each_page
def test_prometheus_can_read_its_expressions(page: Path, tmp_path: Path) -> None:
    """Also those within the text: whatever selects or adds up series of ours."""
    found = [fence.content for fence in fences(page, "promql")]
    found += [text for text in code(page) if re.search(r"tcpstate_\w+[{)]", text)]
    rules = [{"record": f"page:tcpstate:{number}", "expr": expression} for number, expression in enumerate(found)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": page.stem, "rules": rules}]}))

    _promtool("check", "rules", file)


def test_what_the_readme_says_is_what_is_run_before_a_change_lands() -> None:
    [command] = re.findall(r"^exec (make \w+)$", (ROOT / ".ci/run").read_text(), re.MULTILINE)

    assert command in commands(ROOT / "README.md")
