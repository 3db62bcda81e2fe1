"""What the panels of a dashboard ask, and what the answers cost."""

import json
import re
import statistics
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tests.bench.scraper import Json, Scraper, Spent
from tests.bench.targets import SCRAPED_EACH
from tests.lab.daemon import ROOT

LIMIT = 50_000_000
"""Samples in memory at once, by which Prometheus ends a query unless --query.max-samples says otherwise."""
REPEATED = 5

_FOLDER = ROOT / "deploy/grafana/dashboards"
_PIXELS = 1000
"""Of a panel: Grafana asks for as many points, unless it says how many."""
_STEPS = (15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800)
_BOUNDS = (17.5, 25, 45, 90, 210, 450, 750, 1050, 1500)
"""Between which Grafana takes the steps."""
_VARIABLE = re.compile(r"\$(?:\{([a-z_]\w*)(?::\w+)?\}|([a-z_]\w*))")
_UNITS = {"s": 1, "m": 60, "h": 3600}


class Question(NamedTuple):
    """A query of a panel, as Prometheus gets it."""

    name: str
    expression: str
    step: int
    is_instant: bool

    @property
    def looks_back(self) -> bool:
        """For hours, whether on its own or for each step."""
        return not self.is_instant or re.search(r"\[\d+[hd]", self.expression) is not None


class Cost(NamedTuple):
    """What a question took: medians, but for the numbers."""

    question: Question
    series: int
    samples: int
    """Read for all steps together."""
    peak: int
    """Held at once."""
    seconds: float
    cpu: float
    error: str = ""


def questions(name: str, hours: int) -> Sequence[Question]:
    """All of the dashboard, with everything selected, for so many *hours*."""
    dashboard = json.loads((_FOLDER / f"{name}.json").read_text())
    chosen = {one["name"]: _everything(one) for one in dashboard["templating"]["list"]}
    return [_question(panel, target, chosen, hours) for panel, target in _targets(dashboard)]


def _everything(variable: Json) -> str:
    if variable.get("includeAll"):
        return variable.get("allValue") or ".+"
    return str(variable.get("current", {}).get("value") or variable.get("query"))


def _targets(within: Json) -> Iterator[tuple[Json, Json]]:
    """Panels with what they ask; a folded row has its own."""
    for panel in within.get("panels", ()):
        yield from ((panel, target) for target in panel.get("targets", ()) if target.get("expr"))
        yield from _targets(panel)


def _question(panel: Json, target: Json, chosen: dict[str, str], hours: int) -> Question:
    step = _step(panel, hours)
    numbers = {
        "__interval": f"{step}s",
        "__interval_ms": f"{step}000",
        "__rate_interval": f"{max(step + SCRAPED_EACH, 4 * SCRAPED_EACH)}s",
        "__range": f"{hours}h",
        "__range_s": f"{hours * 3600}",
    }
    asked = _VARIABLE.sub(lambda one: (chosen | numbers)[one[1] or one[2]], target["expr"])
    return Question(f"{panel['title']} {target['refId']}", asked, step, target.get("instant") is True)


def _step(panel: Json, hours: int) -> int:
    """Seconds, as Grafana rounds them; a panel can say how few it wants."""
    points = panel.get("maxDataPoints") or _PIXELS
    rounded = _STEPS[bisect(_BOUNDS, hours * 3600 / points)]
    least = re.fullmatch(r">?(\d+)([smh])", panel.get("interval") or "")
    return max(rounded, int(least[1]) * _UNITS[least[2]]) if least else rounded


def costs(scraper: Scraper, asked: Sequence[Question], hours: int, now: float, idle: float) -> Sequence[Cost]:
    """Of each of the questions; *idle* are the cores that Prometheus uses anyway."""
    return [_cost(scraper, question, hours, now, idle) for question in asked]


def _cost(scraper: Scraper, question: Question, hours: int, now: float, idle: float) -> Cost:
    spent: list[Spent] = []
    for _ in range(REPEATED):
        with scraper.spending() as once:
            answer = _ask(scraper, question, hours, now)
        spent += once
    seconds = statistics.median(one.seconds for one in spent)
    cpu = max(0.0, statistics.median(one.cpu - idle * one.seconds for one in spent))
    if answer["status"] != "success":
        return Cost(question, 0, 0, 0, seconds, cpu, answer["error"])
    found, samples = answer["data"]["result"], answer["data"]["stats"]["samples"]
    return Cost(question, len(found), samples["totalQueryableSamples"], samples["peakSamples"], seconds, cpu)


def _ask(scraper: Scraper, question: Question, hours: int, now: float) -> Json:
    asked: Mapping[str, object] = {"query": question.expression, "stats": "all"}
    if question.is_instant:
        return scraper.asked("query", time=now, **asked)
    return scraper.asked("query_range", start=now - hours * 3600, end=now, step=question.step, **asked)
