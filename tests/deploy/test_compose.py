"""The compose file: whether Compose takes it, and whether Debian's programs run by what it says."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.daemon import ROOT, Process, alertmanager, exporter, prometheus, query
from tests.lab.netns import Namespace
from tests.lab.witness import wait_for

FILE = ROOT / "deploy/compose/compose.yaml"
PORTS = {"prometheus": 9090, "alertmanager": 9093, "grafana": 3000}


def compose() -> Any:
    return yaml.safe_load(FILE.read_text())


def service(name: str) -> Any:
    return compose()["services"][name]


def mounts(name: str) -> Mapping[str, Path]:
    """What of this folder or the host a service sees, by the path under which it does."""
    found = [volume.split(":") for volume in service(name)["volumes"]]
    return {target: (FILE.parent / source).resolve() for source, target, *_ in found if source[0] in "./"}


def outside(name: str, path: str) -> Path:
    """The file that a service finds at *path*."""
    at = next(target for target in mounts(name) if path == target or path.startswith(f"{target}/"))
    return Path(f"{mounts(name)[at]}{path.removeprefix(at)}")


def flags(name: str) -> Mapping[str, str]:
    return dict(flag.split("=", 1) for flag in service(name)["command"])


def validated(text: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    (folder / "compose.yaml").write_text(text)
    command = ["-m", "check_jsonschema", "--builtin-schema=vendor.compose-spec", str(folder / "compose.yaml")]
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)


def test_it_is_what_composes_own_schema_allows(tmp_path: Path) -> None:
    done = validated(FILE.read_text(), tmp_path)

    assert done.returncode == 0, done.stdout
    assert validated(FILE.read_text().replace("read_only:", "readonly:"), tmp_path).returncode == 1


def test_whatever_it_mounts_is_there_and_read_only() -> None:
    for name in compose()["services"]:
        for volume in service(name)["volumes"]:
            source, _, *options = volume.split(":")
            if source in compose()["volumes"]:
                continue
            assert (FILE.parent / source).exists(), volume
            assert options == ["ro"], volume


@pytest.mark.parametrize("name", PORTS)
def test_strangers_reach_nothing_but_the_exporter(name: str) -> None:
    if name == "grafana":
        told = service(name)["environment"]
        address = f"{told['GF_SERVER_HTTP_ADDR']}:{told['GF_SERVER_HTTP_PORT']}"
    else:
        address = flags(name)["--web.listen-address"]
    assert address == f"127.0.0.1:{PORTS[name]}"


def test_grafana_finds_prometheus_and_the_dashboards() -> None:
    provisioning = mounts("grafana")["/etc/grafana/provisioning"]
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((provisioning / "dashboards/tcp-state-exporter.yml").read_text())["providers"]

    assert source["url"] == f"http://localhost:{PORTS['prometheus']}"
    dashboards = outside("grafana", provider["options"]["path"])
    assert {file.name for file in dashboards.glob("*.json")} == {"fleet.json", "host.json"}


@pytest.fixture
def running(host: Namespace, tmp_path: Path) -> Iterator[Sequence[Process]]:
    """Debian's programs with the files that the services find."""
    with ExitStack() as kept:
        kept.enter_context(exporter(host, tmp_path / "log"))
        by = outside("alertmanager", flags("alertmanager")["--config.file"])
        pager = kept.enter_context(alertmanager(host, tmp_path, by))
        by = outside("prometheus", flags("prometheus")["--config.file"])
        yield kept.enter_context(prometheus(host, tmp_path, by)), pager


@pytest.mark.kernel
def test_prometheus_scrapes_judges_and_knows_whom_to_tell(running: Sequence[Process]) -> None:
    watching, pager = running

    def answer(path: str) -> Any:
        return json.loads(watching.ask(f"/api/v1/{path}").body)["data"]

    wait_for(lambda: query(watching, "tcpstate_up") != [], "the first scrape", seconds=40)
    assert [value for _, value in query(watching, "tcpstate_up")] == [1]
    assert [one["url"] for one in answer("alertmanagers")["activeAlertmanagers"]] == [
        "http://localhost:9093/api/v2/alerts"
    ]
    assert sum(len(group["rules"]) for group in answer("rules")["groups"]) > 50
    assert "receiver: pager" in json.loads(pager.ask("/api/v2/status").body)["config"]["original"]


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("name", "program"), [("prometheus", "prometheus"), ("alertmanager", "prometheus-alertmanager")]
)
def test_the_programs_know_the_flags(name: str, program: str) -> None:
    done = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)

    assert set(flags(name)) - set((done.stdout + done.stderr).replace("=", " ").split()) == set()
