"""Prints what the rules and the dashboard of a fleet cost one Prometheus.

It scrapes that many hosts from one fake server, each 15 seconds, with the rules and alerts as they are shipped; what
these and the dashboard look back at is written back over the hours before: see ``targets`` and ``written_back``.
Prometheus itself times its rules, one by one, on the clock, which on a busy machine says more than they take; their
processor time is what the process takes with them less what it takes without them, in the same run.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.bench import evaluations, panels, tables, written_back
from tests.bench.costs import resident_of
from tests.bench.evaluations import Evaluations
from tests.bench.panels import LIMIT, Cost
from tests.bench.runs import end_cleanly, machine
from tests.bench.scraper import EVALUATED_EACH, SHIPPED, Scraper, Spent, watching
from tests.bench.tables import Table, megabytes, milliseconds
from tests.bench.written_back import LEARNED, Written

_HOURS = 6
_AT_REST = 2 * 60
"""Seconds for which it is watched what scraping takes by itself."""


class Found(NamedTuple):
    """What was seen of the Prometheus."""

    hosts: int
    holds: Mapping[str, str]
    """What it has, ready to be printed."""
    written: Written
    with_rules: Spent
    without_rules: Spent
    evaluations: Evaluations
    costs: Sequence[Cost]


def main(arguments: Sequence[str]) -> None:
    options = _options(arguments)
    end_cleanly()
    print(machine(), flush=True)
    with watching(options.hosts, options.rules) as scraper:
        found = _watch(scraper, options.hosts, 60 * options.minutes, options.rules)
    for table in (_whole(found), _dearest(found.evaluations, options.dearest), _asked(found.costs)):
        print("\n".join(tables.lines(table, None)), flush=True)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("tests.bench.fleet", description=__doc__)
    parser.add_argument("--hosts", type=int, default=1000, metavar="N", help="that are scraped, by default %(default)s")
    parser.add_argument("--minutes", type=int, default=5, metavar="N", help="of rules, by default %(default)s")
    parser.add_argument("--dearest", type=int, default=5, metavar="N", help="rules to tell, by default %(default)s")
    parser.add_argument("--rules", type=Path, default=SHIPPED, metavar="FOLDER", help="of other rules and alerts")
    return parser.parse_args(arguments)


def _watch(scraper: Scraper, hosts: int, seconds: float, rules: Path) -> Found:
    asked = panels.questions("fleet", _HOURS)
    time.sleep(LEARNED + EVALUATED_EACH)
    written = _write_back(scraper, asked, rules)
    time.sleep(EVALUATED_EACH)
    with scraper.spending() as with_rules:
        evaluated = evaluations.watch(scraper, seconds)
    costs = panels.costs(scraper, asked, _HOURS, time.time(), with_rules[0].rate)
    holds = _holds(scraper)
    return Found(hosts, holds, written, with_rules[0], _without_rules(scraper), evaluated, costs)


def _write_back(scraper: Scraper, asked: Sequence[panels.Question], rules: Path) -> Written:
    shown = written_back.selectors(question.expression for question in asked if question.looks_back)
    far_back = written_back.far_back((rules / "rules.yml").read_text() + (rules / "alerts.yml").read_text())
    return written_back.write(scraper, shown, _HOURS, far_back)


def _without_rules(scraper: Scraper) -> Spent:
    """What scraping takes by itself, once the rules have left."""
    scraper.load(rules=False)
    time.sleep(2 * EVALUATED_EACH)
    with scraper.spending() as spent:
        time.sleep(_AT_REST)
    return spent[0]


def _holds(scraper: Scraper) -> Mapping[str, str]:
    """What there is in the end."""
    series = scraper.number("quantile(0.5, scrape_samples_scraped)")
    most = scraper.number("max(scrape_samples_scraped)")
    rate = scraper.number("sum(scrape_samples_scraped)") / EVALUATED_EACH
    return {
        "series of a host": f"{series:,.0f}, {most:,.0f} where sockets are stuck",
        "series in all": f"{scraper.own('prometheus_tsdb_head_series'):,.0f}",
        "scraped samples": f"{rate:,.0f} a second",
        "alerts": f"{scraper.number('count(ALERTS)'):,.0f}",
        "resident memory": megabytes(resident_of(scraper.pid)),
    }


def _whole(found: Found) -> Table:
    apart = found.with_rules.rate - found.without_rules.rate
    once = found.evaluations
    rows = {
        **found.holds,
        "history": _history(found.written),
        "scraping alone": f"{100 * found.without_rules.rate:.1f} % of a core",
        f"rules, CPU each {EVALUATED_EACH} s": milliseconds(apart * EVALUATED_EACH),
        f"rules, on the clock each {EVALUATED_EACH} s": milliseconds(once.usually()),
        "all groups at once, on the clock": milliseconds(once.once()),
        "the dashboard once, CPU": milliseconds(sum(cost.cpu for cost in found.costs)),
    }
    return Table("One Prometheus for a fleet.", ("", f"{found.hosts:,} hosts"), list(rows.items()))


def _history(written: Written) -> str:
    return (
        f"{written.series:,} series, {written.samples:,} samples, shown are {_HOURS} h with one each {written.step} s"
    )


def _dearest(found: Evaluations, number: int) -> Table:
    """The rules that take most, and what they are a part of."""
    rules = [_times(f"`{rule.name}`", found.rules[rule]) for rule in found.dearest(number)]
    groups = [_times(f"all of {name}, each {found.intervals[name]:.0f} s", found.groups[name]) for name in found.groups]
    title = f"The {number} dearest rules, and all groups, on the clock."
    return Table(title, ("what", "median", "least", "most", "evaluations"), [*rules, *groups])


def _times(what: str, seconds: Sequence[float]) -> Sequence[str]:
    figures = (statistics.median(seconds), min(seconds), max(seconds))
    return (what, *map(milliseconds, figures), str(len(seconds)))


def _asked(costs: Sequence[Cost]) -> Table:
    """The queries of the dashboard."""
    title = f"Queries of the fleet's dashboard over {_HOURS} h, medians of {panels.REPEATED}."
    head = ("panel and query", "step", "series", "samples read", "at once, of the limit", "answer", "CPU")
    return Table(title, head, [_row(cost) for cost in costs])


def _row(cost: Cost) -> Sequence[str]:
    step = "instant" if cost.question.is_instant else f"{cost.question.step} s"
    held = cost.error or f"{100 * cost.peak / LIMIT:.2f} %"
    times = (milliseconds(cost.seconds), milliseconds(cost.cpu))
    return (cost.question.name, step, f"{cost.series:,}", f"{cost.samples:,}", held, *times)


if __name__ == "__main__":
    main(sys.argv[1:])
