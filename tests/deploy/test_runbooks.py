"""The runbooks: rendered as GitHub would, and nothing in them that does not exist or cannot be pasted."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from exporter.server import routes
from exporter.settings import config, flags
from exporter.show import metrics, stuck_query
from tests.lab.daemon import ROOT
from tests.lab.markdown import code, fences, lost, tokens
from tests.lab.netns import Namespace

FOLDER = ROOT / "deploy/runbooks"
RULES = ROOT / "deploy/prometheus"
EXPOSITIONS = [ROOT / "tests/show/golden" / name for name in ("metrics.txt", "node.txt")]
INDEX = FOLDER / "README.md"
PAGES = sorted(FOLDER.glob("TCP*.md"))
QUESTIONS = ("What it means", "How urgent", "How to look", "Why it happens", "End it now", "End it for good")
LANGUAGES = {"go", "java", "promql", "python", "sh", "text", "yaml"}
PATHS = {routes.PAGE_PATH, routes.STUCK_PATH, "/metrics", "/-/healthy", "/-/ready", "/-/reload"}
NUMBERS = "pid=$$ port=8080 peer=192.0.2.7; "
"""What the first block of a page has its reader set."""

each_page = pytest.mark.parametrize("page", [*PAGES, INDEX], ids=lambda page: page.stem)
each_alert = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def lines(page: Path) -> Iterator[str]:
    """What can be pasted, or quoted: lines of shell, and code within the text."""
    for fence in fences(page, "sh"):
        yield from fence.content.splitlines()
    yield from code(page)


@cache
def served() -> frozenset[str]:
    """Every metric that the exporter has, and every series that the rules record."""
    with_tls = metrics.certificate(0).name
    texts = "\n".join(file.read_text() for file in EXPOSITIONS)
    others = re.findall(r"^(tcpstate_\w+)", texts, re.MULTILINE)
    groups = yaml.safe_load((RULES / "rules.yml").read_text())["groups"]
    return frozenset([with_tls, *others, *(rule["record"] for group in groups for rule in group["rules"])])


@cache
def severities() -> dict[str, set[str]]:
    """Of each alert, by its name."""
    found: dict[str, set[str]] = {}
    for group in yaml.safe_load((RULES / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            found.setdefault(rule["alert"], set()).add(rule["labels"]["severity"])
    return found


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    assert {page.stem for page in PAGES} == severities().keys()


def test_the_index_has_every_page_with_the_severity_of_its_alert() -> None:
    rows = dict(re.findall(r"^\| \[\w+\]\((\w+)\.md\) \| ([\w, ]+) \|", INDEX.read_text(), re.MULTILINE))

    assert {name: set(severity.split(", ")) for name, severity in rows.items()} == severities()


@each_alert
def test_a_page_answers_the_same_questions_in_the_same_order(page: Path) -> None:
    found = tokens(page)
    headings = [(token.tag, content.content) for token, content in pairwise(found) if token.type == "heading_open"]

    assert headings == [("h1", page.stem), *(("h2", question) for question in QUESTIONS)]


@each_page
def test_code_stands_in_fences_that_say_what_it_is(page: Path) -> None:
    assert not [token.content for token in tokens(page) if token.type == "code_block"]
    assert {fence.language for fence in fences(page)} <= LANGUAGES
    assert all(fence.content.strip() for fence in fences(page))


@each_page
def test_no_table_or_fence_is_left_as_text(page: Path) -> None:
    """A line too much before it, or a bar within a cell, and a page is full of bars."""
    texts = [token.content for token in tokens(page) if token.type == "text"]

    assert not [text for text in texts if "|" in text or "```" in text or "`" in text]
    assert not [token.content for token in tokens(page) if token.type in {"html_block", "html_inline"}]


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    assert not lost(page)


@each_page
def test_other_alerts_are_called_by_their_names(page: Path) -> None:
    assert set(re.findall(r"\bTCP[A-Z][a-z]\w+", page.read_text())) <= severities().keys()


@each_page
def test_metrics_and_series_exist(page: Path) -> None:
    """One that ends with an underscore stands for all that begin with it."""
    named = set(re.findall(r"[a-z_:]*\btcpstate[_:][a-z0-9_:]*", page.read_text()))
    prefixes = {name for name in named if name.endswith("_")}

    assert named - prefixes <= served()
    assert all(any(one.startswith(prefix) for one in served()) for prefix in prefixes - {"tcpstate_"})
    assert "tcpstate_" not in prefixes


@each_page
def test_flags_of_the_exporter_exist(page: Path) -> None:
    known = flags.parser()._option_string_actions
    assert set(re.findall(r"--(?:web|config|log|once)[a-z.-]*\b", page.read_text())) <= known.keys()

    for line in lines(page):
        if line.startswith(f"{flags.NAME} "):
            flags.parse(shlex.split(line, comments=True)[1:])


@each_page
def test_what_the_exporter_is_asked_for_it_serves(page: Path) -> None:
    for url in re.findall(r"localhost:10060(/[^\s'\"`]*)|`(/(?:api|-)/[^`]*)`", page.read_text()):
        asked = urlsplit("".join(url).replace("$port", "8080"))
        assert asked.path in PATHS
        stuck_query.parse(parse_qs(asked.query, strict_parsing=bool(asked.query)))


@each_page
def test_configurations_are_good(page: Path) -> None:
    for fence in fences(page, "yaml"):
        config.parse(fence.content, page.name)


@each_page
def test_a_shell_can_read_its_commands(page: Path) -> None:
    for fence in fences(page, "sh"):
        done = subprocess.run(["bash", "-n"], input=fence.content, capture_output=True, text=True, check=False)
        assert not done.stderr


@each_page
def test_commands_use_what_has_been_set_before(page: Path) -> None:
    known: set[str] = set()
    for fence in fences(page, "sh"):
        for line in fence.content.splitlines():
            known.update(re.findall(r"(?:^\s*| )([a-z]+)=", line), re.findall(r"\bfor ([a-z]+) in ", line))
            assert set(re.findall(r"\$\{?([a-z]+)", line)) <= known, line


@each_page
def test_nothing_is_killed_by_a_filter_without_a_number(page: Path) -> None:
    """To ss an empty port is any port."""
    assert not [line for line in lines(page) if line.strip().startswith("ss -tK ") and re.search(r"\$\w", line)]


@each_page
@pytest.mark.kernel
def test_ss_understands_its_commands(page: Path, host: Namespace) -> None:
    """Also those that kill, in a network namespace that has no sockets."""
    for line in lines(page):
        if re.match("ss -", line):
            command = host.command("bash", "-c", NUMBERS + re.sub(r"> /tmp/\S+", "", line))
            assert not subprocess.run(command, capture_output=True, text=True, check=False).stderr, line


@each_page
def test_prometheus_can_read_its_expressions(page: Path, tmp_path: Path) -> None:
    found = [fence.content for fence in fences(page, "promql")]
    rules = [{"record": f"page:tcpstate:{number}", "expr": expression} for number, expression in enumerate(found)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": page.stem, "rules": rules}]}))

    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
