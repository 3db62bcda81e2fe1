"""The alert rules, by the tools of those who will load them."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.daemon import ROOT

FOLDER = ROOT / "deploy/prometheus"
RUNBOOK_URL = "https://github.com/tcp-state-exporter/tcp-state-exporter/blob/main/deploy/runbooks"
STORIES = sorted((FOLDER / "tests").glob("*.yml"))


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def stories() -> list[dict[str, Any]]:
    return [one for file in STORIES for one in yaml.safe_load(file.read_text())["tests"]]


def passes(*command: object) -> str:
    """What the command says, which has to be satisfied."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, cwd=FOLDER)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("file", ["rules.yml", "alerts.yml"])
def test_promtool_has_nothing_to_say_about_the_rules(file: str) -> None:
    passes("promtool", "check", "rules", "--lint=all", "--lint-fatal", file)


def test_the_examples_can_be_loaded() -> None:
    passes("promtool", "check", "config", "scrape.yml")
    passes("amtool", "check-config", "alertmanager.yml")


@pytest.mark.parametrize("file", STORIES, ids=lambda file: file.stem)
def test_stories_end_as_they_should(file: Path) -> None:
    assert "SUCCESS" in passes("promtool", "test", "rules", file)


def test_vmalert_takes_the_rules_as_they_are() -> None:
    passes("vmalert", "-dryRun", "-rule=rules.yml", "-rule=alerts.yml")


def test_no_threshold_is_taken_as_a_scalar() -> None:
    """scalar() of a threshold that exists twice, as where two Prometheuses meet, is NaN, and nothing fires."""
    assert "scalar(" not in (FOLDER / "alerts.yml").read_text() + (FOLDER / "rules.yml").read_text()


def test_no_alert_waits_so_that_a_restart_of_prometheus_ends_it() -> None:
    """It goes on with a "for" of more than ten minutes, and has one of two back before anybody is told of an end."""
    minutes = [float(rule["for"].removesuffix("m")) * 60 for rule in alerts() if rule["for"].endswith("m")]

    assert all(seconds <= 120 or seconds > 600 for seconds in minutes)


def test_descriptions_ask_by_all_labels_of_the_alert() -> None:
    texts = [rule["annotations"]["description"] for rule in alerts()]

    assert all(text.count("query (printf") == text.count(" $of)") for text in texts)
    assert not any("instance=" in text for text in texts)


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_an_alert_says_what_a_person_needs(rule: dict[str, Any]) -> None:
    name, labels, texts = rule["alert"], rule["labels"], rule["annotations"]

    assert re.fullmatch(r"TCP([A-Z][a-z0-9]+)+", name)
    assert len(name) <= 40
    assert labels["severity"] in {"critical", "warning"}
    assert labels["family"]
    assert rule["for"]
    assert re.fullmatch(r"[A-Z][^{}]*\.", texts["summary"])
    assert "{{" in texts["description"]
    assert texts["runbook_url"] == f"{RUNBOOK_URL}/{name}.md"


@pytest.mark.parametrize("name", sorted({rule["alert"] for rule in alerts()}))
def test_each_alert_has_a_story_in_which_it_fires_and_one_in_which_it_is_silent(name: str) -> None:
    checks = [check for story in stories() for check in story.get("alert_rule_test", ()) if check["alertname"] == name]

    assert any(check["exp_alerts"] for check in checks)
    assert any(not check["exp_alerts"] for check in checks) or _is_said_to_be_silent(name)


def _is_said_to_be_silent(name: str) -> bool:
    checks = [check for story in stories() for check in story.get("promql_expr_test", ())]
    return any(name in check["expr"] and not check["exp_samples"] for check in checks)


def test_numbers_stand_in_one_place() -> None:
    """A user who changes a threshold changes it once: no alert compares with a number other than 0 or 1."""
    compared = [re.findall(r"(?:[<>]=?|==)\s*([\d.]+)", rule["expr"]) for rule in alerts()]

    assert {number for numbers in compared for number in numbers} <= {"0", "0.5", "1"}
