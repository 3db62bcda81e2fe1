"""The Helm chart, as helm itself renders it."""

import copy
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter import __version__
from exporter.server import addresses
from exporter.settings import config, flags
from tests.lab.cluster import Manifest, Refused, Tools, check, named, pod
from tests.lab.daemon import ROOT

CHART = ROOT / "deploy/kubernetes/helm/tcp-state-exporter"
NAME = "ours-tcp-state-exporter"

EVERYTHING: Any = {
    "everyNamespace": {"enabled": True},
    "processNames": {"enabled": True},
    "prometheus": {
        "monitor": {"enabled": True, "basicAuth": {"username": {"name": "users", "key": "name"}}},
        "podMonitor": {"enabled": True, "interval": "15s", "tlsConfig": {"insecureSkipVerify": True}},
        "rules": {"enabled": True, "additionalLabels": {"release": "stack"}},
    },
    "dashboards": {"enabled": True},
    "networkPolicy": {"enabled": True},
    "commonLabels": {"team": "net"},
    "podAnnotations": {"note": "one"},
    "podLabels": {"zone": "a"},
    "daemonsetAnnotations": {"note": "two"},
    "extraArgs": ["--web.config.file=/etc/web/web.yml"],
    "env": {"TZ": "UTC"},
    "secrets": [{"name": "web", "mountPath": "/etc/web"}],
    "configmaps": [{"name": "more", "mountPath": "/etc/more"}],
    "imagePullSecrets": [{"name": "pull"}],
    "serviceAccount": {"annotations": {"note": "three"}},
    "service": {"labels": {"tier": "x"}},
    "livenessProbe": {"httpGet": {"scheme": "https", "httpHeaders": [{"name": "Authorization", "value": "Basic x"}]}},
}


def rendered(tools: Tools, folder: Path, values: Any) -> Sequence[Manifest]:
    """By these *values*."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    return tools.template(CHART, f"--values={file}")


@pytest.fixture(scope="module")
def defaults(tools: Tools) -> Sequence[Manifest]:
    return tools.template(CHART)


@pytest.fixture(scope="module")
def everything(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Sequence[Manifest]:
    return rendered(tools, tmp_path_factory.mktemp("everything"), EVERYTHING)


def container(manifests: Sequence[Manifest]) -> Any:
    (found,) = pod(manifests)["containers"]
    return found


def test_helm_finds_nothing_to_complain_about(tools: Tools) -> None:
    assert "0 chart(s) failed" in tools.helm("lint", "--strict", str(CHART))


def test_an_api_server_takes_the_defaults(defaults: Sequence[Manifest]) -> None:
    assert [manifest["kind"] for manifest in defaults] == ["ServiceAccount", "ConfigMap", "Service", "DaemonSet"]
    for manifest in defaults:
        check(manifest)


def test_an_api_server_takes_everything_together(everything: Sequence[Manifest]) -> None:
    assert {manifest["kind"] for manifest in everything} == {
        "ServiceAccount",
        "ConfigMap",
        "Service",
        "DaemonSet",
        "NetworkPolicy",
        "ServiceMonitor",
        "PodMonitor",
        "PrometheusRule",
    }
    for manifest in everything:
        check(manifest)


def test_what_an_api_server_does_not_know_is_refused(tools: Tools, tmp_path: Path) -> None:
    """A value that goes into a manifest as it is can be wrong."""
    found = rendered(tools, tmp_path, {"resources": {"limit": {"memory": "1Gi"}}})

    with pytest.raises(Refused, match="limit"):
        check(named(found, "DaemonSet"))


def test_chart_and_image_are_of_this_version(defaults: Sequence[Manifest]) -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert chart["appVersion"] == __version__
    assert container(defaults)["image"] == f"ghcr.io/tcp-state-exporter/tcp-state-exporter:{__version__}"


@pytest.mark.parametrize(
    ("overlay", "values"),
    [
        ("plain", {}),
        ("every-namespace", {"everyNamespace": {"enabled": True}}),
        ("without-privileges", {"hostPID": False, "hostCgroups": {"enabled": False}}),
    ],
)
def test_it_says_what_the_manifests_say(tools: Tools, tmp_path: Path, overlay: str, values: Any) -> None:
    ours, theirs = rendered(tools, tmp_path, values), tools.kustomize(ROOT / f"deploy/kubernetes/overlays/{overlay}")

    assert comparable(pod(ours)) == comparable(pod(theirs))


def comparable(found: Any) -> Any:
    """A pod without names, defaults and the order of its mounts."""
    found = copy.deepcopy(found)
    (one,) = found["containers"]
    del found["serviceAccountName"], one["args"]
    found["hostPID"] = found.get("hostPID", False)
    one["volumeMounts"].sort(key=lambda mount: mount["name"])
    found["volumes"] = sorted((v for v in found["volumes"] if "hostPath" in v), key=lambda volume: volume["name"])
    one["securityContext"]["capabilities"] = {
        key: value for key, value in one["securityContext"]["capabilities"].items() if value
    }
    for key in ("env", "imagePullPolicy"):
        one.pop(key, None)
    for probe in ("livenessProbe", "readinessProbe"):
        for key in ("initialDelaySeconds", "successThreshold", "failureThreshold"):
            one[probe].pop(key, None)
        one[probe]["httpGet"].pop("scheme", None)
    return found


@pytest.mark.parametrize(
    ("values", "which"), [({}, "own"), ({"everyNamespace": {"enabled": True, "max": 7, "ports": 3}}, "all")]
)
def test_the_exporter_takes_the_configuration(tools: Tools, tmp_path: Path, values: Any, which: str) -> None:
    values = {**values, "config": {"interval": "10s", "stuck_after": {"close_wait": {"default": "2m"}}}}
    found = rendered(tools, tmp_path, values)
    (tmp_path / "config.yaml").write_text(named(found, "ConfigMap")["data"]["config.yaml"])
    taken = config.named(tmp_path / "config.yaml")

    assert (taken.interval, taken.namespaces.which) == (10, which)
    if which == "all":
        assert (taken.namespaces.max, taken.namespaces.ports) == (7, 3)


def test_a_changed_configuration_rolls_the_pods(tools: Tools, tmp_path: Path) -> None:
    def noted(values: Any) -> Any:
        return named(rendered(tools, tmp_path, values), "DaemonSet")["spec"]["template"]["metadata"]["annotations"]

    assert noted({}) == noted({})
    assert noted({}) != noted({"config": {"interval": "10s"}})


def test_the_exporter_takes_the_arguments(everything: Sequence[Manifest]) -> None:
    found = flags.parse(container(everything)["args"])

    assert found.listen_addresses == (":10060",)
    assert str(found.web_config_file) == "/etc/web/web.yml"
    assert {"name": "web", "mountPath": "/etc/web", "readOnly": True} in container(everything)["volumeMounts"]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_it_can_listen_on_the_address_of_the_node_alone(tools: Tools, tmp_path: Path, address: str) -> None:
    values = {"service": {"listenOnAllInterfaces": False, "port": 0}}
    (told,) = flags.parse(container(rendered(tools, tmp_path, values))["args"]).listen_addresses
    (listening,) = addresses.bind(told.replace("$(HOST_IP)", address))

    assert listening.getsockname()[0] == address
    listening.close()


def test_the_probes_can_be_asked_as_the_web_configuration_wants(everything: Sequence[Manifest]) -> None:
    asked = container(everything)["livenessProbe"]["httpGet"]

    assert (asked["scheme"], asked["path"], asked["port"]) == ("HTTPS", "/-/healthy", "metrics")
    assert asked["httpHeaders"] == [{"name": "Authorization", "value": "Basic x"}]


def test_the_rules_are_those_of_prometheus(everything: Sequence[Manifest]) -> None:
    sources = [yaml.safe_load((ROOT / f"deploy/prometheus/{name}.yml").read_text()) for name in ("rules", "alerts")]
    found = named(everything, "PrometheusRule")

    assert found["spec"]["groups"] == [group for one in sources for group in one["groups"]]
    assert found["metadata"]["labels"]["release"] == "stack"


@pytest.mark.parametrize("name", ["fleet", "host"])
def test_the_dashboards_are_those_of_grafana(everything: Sequence[Manifest], name: str) -> None:
    found = named(everything, "ConfigMap", f"{NAME}-{name}")

    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["data"] == {f"{name}.json": (ROOT / f"deploy/grafana/dashboards/{name}.json").read_text()}


def test_a_packed_chart_is_the_same_with_files_in_place_of_links(tools: Tools, tmp_path: Path) -> None:
    """That which make makes, and that which helm does."""
    subprocess.run(["make", f"--directory={ROOT}", "chart", f"DIST={tmp_path}/make"], check=True, capture_output=True)
    tools.helm("package", str(CHART), f"--destination={tmp_path}/helm")
    values = "--set=prometheus.rules.enabled=true,dashboards.enabled=true"

    for packed in (tmp_path / f"{by}/tcp-state-exporter-{__version__}.tgz" for by in ("make", "helm")):
        with tarfile.open(packed) as archive:
            assert all(member.isfile() or member.isdir() for member in archive.getmembers())
        assert tools.template(packed, values) == tools.template(CHART, values)
