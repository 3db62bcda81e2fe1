"""The manifests: what kubectl makes of them, whether an API server would take that, and what it says."""

import copy
import json
import runpy
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from exporter import __version__
from exporter.settings import config, flags
from tests.lab.cluster import Manifest, Refused, Tools, check, named, pod
from tests.lab.containers import Engine, metrics, status
from tests.lab.containers import container as podman
from tests.lab.daemon import ROOT, exporter, prometheus
from tests.lab.leaks import leak
from tests.lab.netns import Namespace
from tests.lab.pods import Node, node
from tests.lab.witness import wait_for

FOLDER = ROOT / "deploy/kubernetes"
OVERLAYS = ("plain", "every-namespace", "without-privileges")
COMPONENTS = ("pod-monitor", "rules", "dashboards", "network-policy", "process-names")
MOST_NOTED = 256 << 10
"""Bytes of annotations: kubectl apply notes a whole manifest in one of them."""
NOT_NAMESPACED = {"Namespace"}


def kustomization(folder: Path, resources: Sequence[Path], components: Sequence[str], **more: Any) -> Path:
    """A kustomization in *folder* as somebody writes it who uses ours; kubectl knows no absolute paths."""

    def up(path: Path) -> str:
        return str("../" * len(folder.parts[1:]) / path.relative_to("/"))

    text = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [up(path) for path in resources],
        "components": [up(FOLDER / "components" / name) for name in components],
        **more,
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(text))
    return folder


@pytest.fixture(scope="module")
def overlays(tools: Tools) -> dict[str, Sequence[Manifest]]:
    return {name: tools.kustomize(FOLDER / "overlays" / name) for name in OVERLAYS}


@pytest.fixture(scope="module")
def everything(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Sequence[Manifest]:
    folder = tmp_path_factory.mktemp("everything")
    return tools.kustomize(kustomization(folder, [FOLDER / "overlays/every-namespace"], COMPONENTS))


def container(manifests: Sequence[Manifest]) -> Any:
    (found,) = pod(manifests)["containers"]
    return found


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_api_server_takes_every_overlay(overlays: dict[str, Sequence[Manifest]], name: str) -> None:
    assert len(overlays[name]) == 5
    for manifest in overlays[name]:
        check(manifest)


def test_an_api_server_takes_everything_together(everything: Sequence[Manifest]) -> None:
    kinds = [manifest["kind"] for manifest in everything]
    assert sorted({"PodMonitor", "PrometheusRule", "NetworkPolicy"} - set(kinds)) == []
    assert kinds.count("ConfigMap") == 3
    for manifest in everything:
        check(manifest)


def test_what_an_api_server_does_not_know_is_refused(everything: Sequence[Manifest]) -> None:
    """Or the tests above would say nothing."""
    daemons, monitor = (copy.deepcopy(named(everything, kind)) for kind in ("DaemonSet", "PodMonitor"))
    daemons["spec"]["template"]["spec"]["containers"][0]["livenessProb"] = {}
    monitor["spec"]["podMetricsEndpoints"][0]["relabelling"] = []

    with pytest.raises(Refused, match="livenessProb"):
        check(daemons)
    with pytest.raises(Refused, match=r"podMetricsEndpoints\.0"):
        check({**monitor, "spec": {**monitor["spec"], "podMetricsEndpoints": [{"port": 1}]}})


def test_a_key_that_the_operator_does_not_know_is_refused(everything: Sequence[Manifest]) -> None:
    monitor = copy.deepcopy(named(everything, "PodMonitor"))
    monitor["spec"]["podMetricsEndpoints"][0]["intervall"] = "15s"

    with pytest.raises(Refused, match=r"nobody knows \.spec\.podMetricsEndpoints\.0\.intervall"):
        check(monitor)


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_image_is_of_this_version(overlays: dict[str, Sequence[Manifest]], name: str) -> None:
    assert container(overlays[name])["image"].rpartition(":")[2] == __version__


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_node_has_one(overlays: dict[str, Sequence[Manifest]], name: str) -> None:
    assert pod(overlays[name])["tolerations"] == [{"operator": "Exists"}]
    assert pod(overlays[name])["hostNetwork"] is True


def test_plain_is_nobody_without_power(overlays: dict[str, Sequence[Manifest]]) -> None:
    found, security = pod(overlays["plain"]), container(overlays["plain"])["securityContext"]

    assert found["securityContext"]["runAsNonRoot"] is True
    assert found["automountServiceAccountToken"] is False
    assert found["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert security["capabilities"] == {"drop": ["ALL"], "add": []}
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False


@pytest.mark.parametrize("name", OVERLAYS)
def test_whatever_is_the_hosts_is_read_only(overlays: dict[str, Sequence[Manifest]], name: str) -> None:
    assert all(mount["readOnly"] for mount in container(overlays[name])["volumeMounts"])


def test_every_namespace_is_root_with_two_capabilities_and_sees_the_names_of_pods(
    overlays: dict[str, Sequence[Manifest]],
) -> None:
    found = pod(overlays["every-namespace"])

    assert found["securityContext"]["runAsUser"] == 0
    assert container(overlays["every-namespace"])["securityContext"]["capabilities"]["add"] == ["BPF", "PERFMON"]
    assert {volume["hostPath"]["path"] for volume in found["volumes"] if "hostPath" in volume} == {
        "/sys/fs/cgroup",
        "/var/log/pods",
    }


def test_without_privileges_has_nothing_of_the_host_but_its_network(overlays: dict[str, Sequence[Manifest]]) -> None:
    found = pod(overlays["without-privileges"])

    assert found["hostPID"] is False
    assert [volume["name"] for volume in found["volumes"]] == ["config"]


def test_process_names_add_to_what_is_there(everything: Sequence[Manifest]) -> None:
    assert container(everything)["securityContext"]["capabilities"] == {
        "drop": ["ALL"],
        "add": ["BPF", "PERFMON", "SYS_PTRACE", "DAC_READ_SEARCH"],
    }


@pytest.mark.parametrize(("name", "which"), [("plain", "own"), ("every-namespace", "all")])
def test_the_exporter_takes_the_configuration(
    overlays: dict[str, Sequence[Manifest]], name: str, which: str, tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").write_text(named(overlays[name], "ConfigMap")["data"]["config.yaml"])

    assert config.named(tmp_path / "config.yaml").namespaces.which == which


@pytest.mark.kernel
def test_the_exporter_takes_the_arguments_and_answers_the_probes(
    overlays: dict[str, Sequence[Manifest]], host: Namespace, tmp_path: Path
) -> None:
    found = container(overlays["plain"])
    (tmp_path / "config.yaml").write_text(named(overlays["plain"], "ConfigMap")["data"]["config.yaml"])
    arguments = [text.replace("/etc/tcp-state-exporter", str(tmp_path)) for text in found["args"]]

    assert flags.parse(arguments).listen_addresses == (f":{found['ports'][0]['containerPort']}",)
    with exporter(host, tmp_path / "log", *arguments) as running:
        for probe in ("livenessProbe", "readinessProbe"):
            assert running.ask(found[probe]["httpGet"]["path"]).status == 200


def test_the_rules_are_those_of_prometheus(everything: Sequence[Manifest]) -> None:
    """But for blank lines in expressions, which kubectl adds where it breaks them anew."""

    def comparable(groups: Any) -> Any:
        rules = [rule | {"expr": rule["expr"].split()} for group in groups for rule in group["rules"]]
        return rules, [group | {"rules": None} for group in groups]

    sources = [yaml.safe_load((ROOT / f"deploy/prometheus/{name}.yml").read_text()) for name in ("rules", "alerts")]
    groups = [group for one in sources for group in one["groups"]]

    assert comparable(named(everything, "PrometheusRule")["spec"]["groups"]) == comparable(groups)


def test_the_committed_rules_are_what_make_kubernetes_writes() -> None:
    written = runpy.run_path(str(FOLDER / "prometheus_rule.py"))

    assert written["TARGET"].read_text() == written["prometheus_rule"](), "make kubernetes writes them anew"


@pytest.mark.parametrize("name", ["fleet", "host"])
def test_the_dashboards_are_those_of_grafana(everything: Sequence[Manifest], name: str) -> None:
    found = named(everything, "ConfigMap", f"tcp-state-exporter-{name}")

    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["data"] == {f"{name}.json": (ROOT / f"deploy/grafana/dashboards/{name}.json").read_text()}


def test_kubectl_can_note_every_manifest(everything: Sequence[Manifest]) -> None:
    assert max(len(json.dumps(manifest)) for manifest in everything) < MOST_NOTED


def test_a_namespace_of_ones_own_is_taken_by_all(tools: Tools, tmp_path: Path) -> None:
    mine = kustomization(tmp_path, [FOLDER / "overlays/plain"], COMPONENTS, namespace="mine")
    found = tools.kustomize(mine)

    assert named(found, "Namespace")["metadata"]["name"] == "mine"
    assert {one["metadata"].get("namespace") for one in found if one["kind"] not in NOT_NAMESPACED} == {"mine"}


BY_THE_OPERATOR = {"namespace": "monitoring", "pod": "tcp-state-exporter-x7k2p", "container": "tcp-state-exporter"}
"""Labels that a target has from the operator before our own rules."""


@pytest.mark.kernel
def test_a_target_is_known_by_its_node_and_not_by_the_pod(
    everything: Sequence[Manifest], host: Namespace, tmp_path: Path
) -> None:
    """Or each update would end all series, and the alerts that look back with them."""
    (endpoint,) = named(everything, "PodMonitor")["spec"]["podMetricsEndpoints"]
    snake = {"sourceLabels": "source_labels", "targetLabel": "target_label"}
    labels = {**BY_THE_OPERATOR, "endpoint": "metrics", "__meta_kubernetes_pod_node_name": "node-1"}
    scrape = {
        "job_name": "tcp-state-exporter",
        "static_configs": [{"targets": ["127.0.0.1:10060"], "labels": labels}],
        "relabel_configs": [
            {snake.get(key, key): value for key, value in one.items()} for one in endpoint["relabelings"]
        ],
    }
    (tmp_path / "scrape.yml").write_text(yaml.safe_dump({"scrape_configs": [scrape]}))

    with prometheus(host, tmp_path, tmp_path / "scrape.yml") as running:
        wait_for(lambda: '"instance"' in running.ask("/api/v1/targets").body, "it has a target")
        (target,) = json.loads(running.ask("/api/v1/targets").body)["data"]["activeTargets"]

    assert target["labels"] == {"instance": "node-1", "job": "tcp-state-exporter"}


def as_podman(manifests: Sequence[Manifest], folder: Path, node: Node) -> Sequence[str]:
    """The options by which podman makes of our pod what a kubelet would make of it on *node*."""
    found, security = pod(manifests), container(manifests)["securityContext"]
    (folder / "config.yaml").write_text(named(manifests, "ConfigMap")["data"]["config.yaml"])
    (folder / "config.yaml").chmod(0o644)
    folder.chmod(0o755)
    sources = {"config": folder, "cgroups": Path("/sys/fs/cgroup"), "pods": node.logs}
    return (
        f"--user={found['securityContext']['runAsUser']}:{found['securityContext']['runAsGroup']}",
        *(f"--cap-drop={name}" for name in security["capabilities"]["drop"]),
        *(f"--cap-add={name}" for name in security["capabilities"]["add"]),
        *(["--read-only"] if security["readOnlyRootFilesystem"] else []),
        *([] if security["allowPrivilegeEscalation"] else ["--security-opt=no-new-privileges"]),
        *(["--pid=host"] if found.get("hostPID") else []),
        *(f"--volume={sources[one['name']]}:{one['mountPath']}:ro" for one in container(manifests)["volumeMounts"]),
        # Debian's podman is older than CAP_BPF in the default profile.
        "--security-opt=seccomp=unconfined",
    )


def closing_sockets(host: Namespace) -> dict[str, float]:
    """In CLOSE_WAIT on port 8080, by network namespace."""
    families = text_string_to_metric_families(metrics(host))
    wanted = {"port": "8080", "state": "close_wait"}.items()
    return {
        one.labels["netns"]: one.value
        for family in families
        for one in family.samples
        if one.name == "tcpstate_sockets" and wanted <= one.labels.items() and "netns" in one.labels
    }


@pytest.mark.kernel
@pytest.mark.parametrize("name", ["plain", "every-namespace"])
def test_a_pod_of_ours_counts_and_goes_on_without_power(
    engine: Engine, overlays: dict[str, Sequence[Manifest]], host: Namespace, tmp_path: Path, name: str
) -> None:
    """As the manifest says, but for Kubernetes; every namespace's pods are told by their names."""
    is_everywhere = name == "every-namespace"
    with node() as made, ExitStack() as kept:
        web, _ = made.pods
        kept.enter_context(leak(web.network, "app", "serve", 8080, within=web.cgroup.within()))
        kept.enter_context(leak(web.network, "client", "dial", 8080, 20, "127.0.0.1", within=web.cgroup.within()))
        options, flags = as_podman(overlays[name], tmp_path, made), container(overlays[name])["args"]
        running = kept.enter_context(podman(engine, host, *options, flags=flags))
        wait_for(lambda: running.is_healthy()[0], "that it is healthy", seconds=20)

        assert f'tcpstate_source_info{{source="{"bpf" if is_everywhere else "sock_diag"}"}} 1.0' in metrics(host)
        expected = 20 if is_everywhere else None
        wait_for(lambda: closing_sockets(host).get(web.netns) == expected, "the pod's sockets", seconds=20)
        assert {status(running)[kind] for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {"0" * 16}


def workload(kind: str, **labels: str) -> Manifest:
    """One that somebody has."""
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web"}]}}
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": kind.lower(), "labels": labels},
        "spec": {**spec, "serviceName": "web"} if kind == "StatefulSet" else spec,
    }


def test_the_sidecar_goes_to_who_has_the_label_and_is_restricted(tools: Tools, tmp_path: Path) -> None:
    """What Pod Security's "restricted" asks of a container."""
    wanting = [workload(kind, **{"tcp-state-exporter": "sidecar"}) for kind in ("Deployment", "StatefulSet")]
    (tmp_path / "web.yaml").write_text(yaml.safe_dump_all([*wanting, workload("DaemonSet")]))
    found = tools.kustomize(kustomization(tmp_path, [tmp_path / "web.yaml"], ["sidecar"]))

    assert "initContainers" not in pod(found)
    for kind in ("Deployment", "StatefulSet"):
        check(named(found, kind))
        (sidecar,) = named(found, kind)["spec"]["template"]["spec"]["initContainers"]
        assert sidecar["restartPolicy"] == "Always"
        assert sidecar["image"].rpartition(":")[2] == __version__
        security = sidecar["securityContext"]
        assert (security["runAsNonRoot"], security["allowPrivilegeEscalation"]) == (True, False)
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
