"""The image: what it is, how little it needs, and whether its health check follows the flags."""

import json
import os
import re
import signal
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.lab import certificates
from tests.lab.cgroups import cgroup
from tests.lab.containers import BASE, IMAGE, Engine, container, metrics, status
from tests.lab.netns import Namespace
from tests.lab.programs import program
from tests.lab.witness import wait_for

pytestmark = pytest.mark.kernel

HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
CGROUPS = "--volume=/sys/fs/cgroup:/sys/fs/cgroup:ro"
SOON = "interval: 200ms\nmax_cpu: 100%\nstuck_after: {fin_wait2: 1s, close_wait: 1s}\n"

LEAKS = """
call("app13")
kept = leak(20, listen("127.0.0.1", 8080))
say("ready")
wait()
"""


def holders(host: Namespace) -> set[tuple[str, str]]:
    """The cgroup and the process of each holder of stuck sockets."""
    families = text_string_to_metric_families(metrics(host))
    return {
        (one.labels["cgroup"], one.labels["process"])
        for family in families
        for one in family.samples
        if one.name == "tcpstate_stuck_sockets_by_owner" and one.labels["state"] == "close_wait"
    }


def configured(folder: Path, text: str) -> tuple[str, str]:
    """The volume and the flag that give a container this configuration."""
    file = folder / "config.yaml"
    file.write_text(text)
    file.chmod(0o644)
    return f"--volume={file}:/etc/config.yaml:ro", "--config.file=/etc/config.yaml"


def test_it_adds_little_to_its_base_and_says_what_it_is(engine: Engine) -> None:
    labels = json.loads(engine.run("image", "inspect", "--format={{json .Labels}}", IMAGE).stdout)

    assert engine.size(IMAGE) - engine.size(BASE) < 12 << 20
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert re.fullmatch("[0-9a-f]{12}(-dirty)?", labels["org.opencontainers.image.revision"])


def test_its_exporter_tells_what_its_labels_tell(engine: Engine, host: Namespace) -> None:
    labels = json.loads(engine.run("image", "inspect", "--format={{json .Labels}}", IMAGE).stdout)
    version, revision = (labels[f"org.opencontainers.image.{name}"] for name in ("version", "revision"))

    with container(engine, host, *HARDENED) as running:
        wait_for(lambda: running.is_healthy()[0], "that it samples", seconds=20)
        assert f'revision="{revision}",version="{version}"}} 1.0' in metrics(host)


def test_it_needs_no_privilege_and_writes_nothing(engine: Engine, host: Namespace) -> None:
    with container(engine, host, *HARDENED) as running:
        wait_for(lambda: running.is_healthy()[0], "that it samples", seconds=20)
        found = status(running)
        assert found["Uid"].split() == ["65534"] * 4
        assert {found[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {"0" * 16}
        assert 'tcpstate_source_info{source="sock_diag"} 1.0' in metrics(host)
        assert "level=ERROR" not in running.logs()
        assert running.stop() == 0


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ((), ("", "")),
        (("--pid=host",), ("", "")),
        (("--cgroupns=private", CGROUPS), ("CGROUP", "")),
        (("--cgroupns=private", CGROUPS, "--pid=host"), ("CGROUP", "app13")),
    ],
    ids=["neither", "process numbers", "cgroups", "both"],
)
def test_the_hosts_cgroups_and_process_numbers_buy_names(
    engine: Engine, host: Namespace, tmp_path: Path, options: tuple[str, ...], names: tuple[str, str]
) -> None:
    volume, flag = configured(tmp_path, SOON)
    with (
        cgroup(f"tse-{os.getpid()}.service") as group,
        program(host, LEAKS, within=group.within()),
        container(engine, host, *HARDENED, volume, *options, flags=[flag]) as running,
    ):
        wait_for(lambda: running.is_healthy()[0], "that it samples", seconds=20)
        expected = {(names[0].replace("CGROUP", group.path), names[1])}
        wait_for(lambda: holders(host) == expected, f"{expected}", seconds=20)


def test_root_with_two_capabilities_finds_every_process(engine: Engine, host: Namespace, tmp_path: Path) -> None:
    """Two names in one cgroup are told apart only by who may look into their descriptors."""
    volume, flag = configured(tmp_path, SOON)
    capabilities = ("--user=0", "--cap-add=SYS_PTRACE,DAC_READ_SEARCH", "--pid=host", CGROUPS)
    with (
        cgroup(f"tse-{os.getpid()}.service") as group,
        program(host, LEAKS, within=group.within()),
        program(host, "call('beside')\nsay('ready')\nwait()", within=group.within()),
        container(engine, host, *HARDENED, *capabilities, volume, flags=[flag]) as running,
    ):
        wait_for(lambda: running.is_healthy()[0], "that it samples", seconds=20)
        wait_for(lambda: holders(host) == {(group.path, "app13")}, "the process", seconds=20)


def web(folder: Path, text: str) -> tuple[str, ...]:
    """The volume that has a certificate and this web configuration."""
    certificates.make(folder, "server")
    (folder / "web.yml").write_text(text)
    folder.chmod(0o755)
    for file in folder.iterdir():
        file.chmod(0o644)
    return (f"--volume={folder}:/etc/web:ro",)


TLS = "tls_server_config: {cert_file: server.crt, key_file: server.key"


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--web.listen-address=[::1]:10061", "--web.telemetry-path=/-/metrics"], ""),
        (["--web.listen-address=0.0.0.0:10062", "--web.config.file=/etc/web/web.yml"], f"{TLS}}}\n"),
        (
            ["--web.config.file=/etc/web/web.yml"],
            f"{TLS}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: server.crt}}\n",
        ),
        (
            ["--web.config.file", "/etc/web/web.yml"],
            "basic_auth_users: {a: $2b$04$abcdefghijklmnopqrstuuNBjPIzBDxnHrqzyFQuVv5lUoC40rr2C}\n",
        ),
    ],
    ids=["another address and path", "TLS", "client certificates", "users"],
)
def test_the_health_check_follows_the_flags(
    engine: Engine, host: Namespace, tmp_path: Path, flags: list[str], text: str
) -> None:
    """Also with the host's process numbers, by which the exporter is not process 1."""
    with container(engine, host, *HARDENED, "--pid=host", *web(tmp_path, text), flags=flags) as running:
        wait_for(lambda: running.is_healthy() == (True, "healthy"), "that it is healthy", seconds=20)

        os.kill(running.pid, signal.SIGSTOP)
        is_healthy, why = running.is_healthy()
        os.kill(running.pid, signal.SIGCONT)

        assert not is_healthy
        assert why.startswith("no answer from ")


def test_the_health_check_does_not_take_another_exporter_for_its_own(engine: Engine, host: Namespace) -> None:
    with (
        container(engine, host, *HARDENED, "--pid=host"),
        container(engine, host, *HARDENED, "--pid=host", "--entrypoint=/bin/sleep", flags=["60"]) as other,
    ):
        assert other.is_healthy() == (False, "no tcp-state-exporter runs in this container")
