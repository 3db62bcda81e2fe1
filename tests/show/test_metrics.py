import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.count.report import Report
from exporter.count.stuck import OwnerRow
from exporter.show import metrics
from exporter.show.metrics import Build, SampleCollector
from exporter.tcp.limits import Limits
from exporter.tcp.states import State
from tests.show import samples

GOLDEN = Path(__file__).parent / "golden/metrics.txt"
BUILD = Build(version="1.2.3", revision="abcdef0", python="3.11.9")


def registry(report: Report, now: float = 1001.0) -> CollectorRegistry:
    made = CollectorRegistry()
    made.register(SampleCollector(lambda: report, lambda: now, BUILD))
    return made


def text(report: Report, now: float = 1001.0) -> str:
    return "".join(metrics.by_port(report, now)) + generate_latest(registry(report, now)).decode()


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

    head = "".join(metrics.by_port(samples.report(), 1001.0))
    simple = values(parse_text(head + generate_latest(made).decode()))
    openmetrics = values(parse_openmetrics(head + generate_openmetrics(made).decode()))  # type: ignore[no-untyped-call]

    assert simple == openmetrics
    assert len(simple) > 90


def test_an_old_census_is_left_out_and_the_exporter_is_down() -> None:
    made = registry(samples.report(), now=1015.1)

    assert made.get_sample_value("tcpstate_up") == 0
    assert made.get_sample_value("tcpstate_ephemeral_ports") is None
    assert list(metrics.by_port(samples.report(), 1015.1)) == []
    assert made.get_sample_value("tcpstate_last_sample_timestamp_seconds") == 1_700_000_000


def test_after_a_failed_sample_the_last_census_stays_and_the_exporter_is_down() -> None:
    made = registry(samples.report(succeeded=False))

    assert made.get_sample_value("tcpstate_up") == 0
    assert 'tcpstate_sockets{port="443",role="server",state="listen"} 2\n' in text(samples.report(succeeded=False))


def test_without_any_good_sample_only_the_exporter_speaks_of_itself() -> None:
    report = replace(samples.report(), last=None)
    names = {family.name for family in registry(report).collect()}

    assert list(metrics.by_port(report, 1001.0)) == []
    assert not names & {"tcpstate_ephemeral_ports", "tcpstate_stuck_sockets_by_owner", "tcpstate_tracked_sockets"}
    assert {"tcpstate_up", "tcpstate_sample_failures", "tcpstate_build"} <= names


def test_what_the_kernel_does_not_have_is_left_out() -> None:
    bare = samples.sample()
    last = replace(bare, census=replace(bare.census, limits=Limits(), accept_queues={}))
    names = {family.name for family in registry(samples.report(last=last)).collect()}

    assert not names & {
        "tcpstate_orphan_limit",
        "tcpstate_ephemeral_ports",
        "tcpstate_listen_drops",
        "tcpstate_accept_queue_sockets",
        "tcpstate_accept_queue_limit",
    }


def stuck(**changed: object) -> Report:
    """A report that differs from the sample's in what is known of stuck sockets."""
    sample = samples.sample()
    different = replace(sample.census.stuck, **changed)  # type: ignore[arg-type]
    return samples.report(last=replace(sample, census=replace(sample.census, stuck=different)))


def test_a_source_that_does_not_tell_how_sockets_end_has_no_such_family() -> None:
    found = text(stuck(verdicts_known=False))

    assert "tcpstate_fin_wait2_sockets" not in found
    assert "tcpstate_close_wait_sockets" not in found
    assert 'tcpstate_stuck_sockets{port="443",role="server",state="fin_wait2"} 280\n' in found


def test_a_state_without_a_threshold_has_no_stuck_sockets_but_an_age() -> None:
    found = text(stuck(after={State.CLOSE_WAIT: 60.0}))

    assert 'tcpstate_stuck_sockets{port="443",role="server",state="close_wait"} 0\n' in found
    assert 'tcpstate_stuck_sockets{port="443",role="server",state="fin_wait2"}' not in found
    assert 'tcpstate_oldest_socket_age_seconds{port="443",role="server",state="fin_wait2"} 10800.5\n' in found
    assert found.count("tcpstate_stuck_after_seconds{") == 1


def test_owners_that_are_not_told_are_no_family() -> None:
    assert "tcpstate_stuck_sockets_by_owner" not in text(stuck(owners=None))


def test_hostile_names_are_escaped_in_labels() -> None:
    hostile = 'a"\n\\} 1\nevil 2'
    found = text(stuck(owners={OwnerRow("server", "443", State.FIN_WAIT2, hostile, hostile): 3}))

    [family] = [one for one in parse_text(found) if one.name == "tcpstate_stuck_sockets_by_owner"]
    assert [(one.labels["cgroup"], one.labels["process"], one.value) for one in family.samples] == [
        (hostile, hostile, 3)
    ]
