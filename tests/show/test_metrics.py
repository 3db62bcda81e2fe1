import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector

from exporter.count.census import AcceptQueue, Bounds
from exporter.count.report import Report
from exporter.count.stuck import OwnerRow
from exporter.show import by_port, metrics
from exporter.show.metrics import Build
from exporter.tcp.limits import LimitName, Limits
from exporter.tcp.sockets import Row
from exporter.tcp.states import State
from tests.show import nodes, samples

GOLDEN = Path(__file__).parent / "golden/metrics.txt"
GOLDEN_NODE = GOLDEN.with_name("node.txt")
BUILD = Build(version="1.2.3", revision="abcdef0", python="3.11.9")


class Families(Collector):
    """What the client library needs around some families."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        return self._families


def registry(report: Report, now: float = 1001.0) -> CollectorRegistry:
    made = CollectorRegistry()
    made.register(Families(metrics.families(report, now, BUILD)))
    return made


def rows(report: Report, now: float = 1001.0) -> str:
    census = report.census(now)
    return "".join(by_port.families(census)) if census else ""


def text(report: Report, now: float = 1001.0) -> str:
    return rows(report, now) + generate_latest(registry(report, now)).decode()


def values(families: Iterable[Metric]) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def test_the_exposition_is_as_reviewed(request: pytest.FixtureRequest) -> None:
    """Every name, help text and label; pytest --update-golden accepts a change."""
    found = text(samples.report())
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(found)

    assert found == GOLDEN.read_text()


def test_promtool_finds_nothing_to_say_about_the_exposition() -> None:
    done = subprocess.run(["promtool", "check", "metrics"], input=GOLDEN.read_bytes(), capture_output=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_both_formats_say_the_same_when_parsed_back() -> None:
    made = registry(samples.report())

    head = rows(samples.report())
    simple = values(parse_text(head + generate_latest(made).decode()))
    openmetrics = values(parse_openmetrics(head + generate_openmetrics(made).decode()))  # type: ignore[no-untyped-call]

    assert simple == openmetrics
    assert len(simple) > 90


def test_an_old_census_is_left_out_and_the_exporter_is_down() -> None:
    made = registry(samples.report(), now=1015.1)

    assert made.get_sample_value("tcpstate_up") == 0
    assert made.get_sample_value("tcpstate_ephemeral_ports") is None
    assert made.get_sample_value("tcpstate_last_sample_timestamp_seconds") == 1_700_000_000


def test_after_a_failed_sample_the_last_census_stays_and_the_exporter_is_down() -> None:
    made = registry(samples.report(succeeded=False))

    assert made.get_sample_value("tcpstate_up") == 0
    assert 'tcpstate_sockets{port="443",role="server",state="listen"} 2\n' in text(samples.report(succeeded=False))


def test_without_any_good_sample_only_the_exporter_speaks_of_itself() -> None:
    report = replace(samples.report(), last=None)
    names = {family.name for family in registry(report).collect()}

    assert not names & {"tcpstate_ephemeral_ports", "tcpstate_stuck_sockets_by_owner", "tcpstate_tracked_sockets"}
    assert {"tcpstate_up", "tcpstate_sample_failures", "tcpstate_build"} <= names


def test_what_the_kernel_does_not_have_is_left_out() -> None:
    bare = samples.sample()
    last = replace(bare, census=replace(bare.census, own=Bounds(Limits()), accept_queues={}))
    names = {family.name for family in registry(samples.report(last=last)).collect()}

    assert not names & {
        "tcpstate_orphan_limit",
        "tcpstate_ephemeral_ports",
        "tcpstate_listen_drops",
        "tcpstate_accept_queue_sockets",
        "tcpstate_accept_queue_limit",
    }


def test_every_limit_that_is_read_is_a_metric() -> None:
    sample = samples.sample()
    census = replace(sample.census, own=Bounds(Limits(dict.fromkeys(get_args(LimitName), 1))))
    names = {family.name for family in registry(samples.report(last=replace(sample, census=census))).collect()}

    assert names >= {f"tcpstate_{name}" for name in get_args(LimitName)}


def stuck(**changed: object) -> Report:
    """A report that differs from the sample's in what is known of stuck sockets."""
    sample = samples.sample()
    different = replace(sample.census.stuck, **changed)  # type: ignore[arg-type]
    return samples.report(last=replace(sample, census=replace(sample.census, stuck=different)))


def test_the_end_of_a_certificate_is_a_time() -> None:
    [sample] = metrics.certificate(1_800_000_000.0).samples

    assert sample[:3] == ("tcpstate_certificate_not_after_timestamp_seconds", {}, 1_800_000_000.0)
    assert sample.timestamp is None


def test_only_the_thresholds_in_force_are_told() -> None:
    assert text(stuck(after={State.CLOSE_WAIT: 60.0})).count("tcpstate_stuck_after_seconds{") == 1


def test_owners_that_are_not_told_are_no_family() -> None:
    assert "tcpstate_stuck_sockets_by_owner" not in text(stuck(owners=None))


def test_hostile_names_are_escaped_in_labels() -> None:
    hostile = 'a"\n\\} 1\nevil 2'
    found = text(stuck(owners={OwnerRow(samples.HTTPS, State.FIN_WAIT2, hostile, hostile): 3}))

    [family] = [one for one in parse_text(found) if one.name == "tcpstate_stuck_sockets_by_owner"]
    assert [(one.labels["cgroup"], one.labels["process"], one.value) for one in family.samples] == [
        (hostile, hostile, 3)
    ]


def test_other_namespaces_than_the_own_have_a_label() -> None:
    pod = Row("pod", "server", "443")
    owners = {OwnerRow(pod, State.CLOSE_WAIT, "/pod", "java"): 3}
    sample = samples.sample()
    queues = {samples.HTTPS: AcceptQueue(1, 128), pod: AcceptQueue(2, 128)}
    census = replace(sample.census, accept_queues=queues, stuck=replace(sample.census.stuck, owners=owners))
    found = text(samples.report(last=replace(sample, census=census)))

    assert 'tcpstate_accept_queue_sockets{port="443"} 1.0\n' in found
    assert 'tcpstate_accept_queue_sockets{netns="pod",port="443"} 2.0\n' in found
    assert (
        'by_owner{cgroup="/pod",netns="pod",port="443",process="java",role="server",state="close_wait"} 3.0\n' in found
    )


def of_node() -> Report:
    """A report on a host with other namespaces."""
    return samples.report(last=replace(samples.sample(), census=nodes.census()))


def test_the_exposition_of_a_node_is_as_reviewed(request: pytest.FixtureRequest) -> None:
    """What is told of other namespaces, and of how many there are."""
    told = [line for line in text(of_node()).splitlines() if 'netns="' in line or "_namespaces" in line]
    found = "".join(f"{line}\n" for line in told)
    if request.config.getoption("--update-golden"):
        GOLDEN_NODE.write_text(found)

    assert found == GOLDEN_NODE.read_text()


def test_a_node_tells_whose_each_namespace_is_and_ours_as_well() -> None:
    made = registry(of_node())

    kinds = [
        one.labels["kind"] for family in made.collect() for one in family.samples if one.name.endswith("netns_info")
    ]
    assert kinds == ["own", "pod", "named"]
    assert made.get_sample_value("tcpstate_namespaces") == 4
    assert made.get_sample_value("tcpstate_namespaces_missed") == 1


def test_where_only_our_own_namespace_is_read_nothing_is_said_of_namespaces() -> None:
    assert "netns" not in text(samples.report())
    assert "tcpstate_namespaces" not in text(samples.report())


def test_that_nobody_waits_to_be_accepted_is_told_of_our_own_namespace_only() -> None:
    made = registry(of_node())

    assert made.get_sample_value("tcpstate_oldest_unaccepted_age_seconds", {"port": "443"}) == 0
    assert made.get_sample_value("tcpstate_oldest_unaccepted_age_seconds", {"netns": "other", "port": "other"}) == 130
    web = {"netns": nodes.POD.name, "port": "8080"}
    assert made.get_sample_value("tcpstate_accept_queue_sockets", web) == 110
    assert made.get_sample_value("tcpstate_oldest_unaccepted_age_seconds", web) is None
