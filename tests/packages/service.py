"""The package and its service, one check after the other on the same machine; each says what it has seen."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.lab import certificates
from tests.packages.machine import CommandFailed, Machine

UNIT = "tcp-state-exporter.service"
SOCKET = "tcp-state-exporter.socket"
DEFAULTS = "/etc/default/tcp-state-exporter"
CONFIG = "/etc/tcp-state-exporter/config.yaml"
ASSETS = "/usr/share/tcp-state-exporter"
DROP_INS = f"/etc/systemd/system/{UNIT}.d"
URL = "http://127.0.0.1:10060"
EXPOSURE = 1.5
STOP_SECONDS = 2.0

LEAK = """
import socket, time
listening = socket.create_server(("127.0.0.1", 8080))
clients = [socket.create_connection(("127.0.0.1", 8080)) for _ in range(7)]
held = [listening.accept()[0] for _ in clients]
for client in clients: client.close()
time.sleep(3600)
"""

KEY = "/etc/tcp-state-exporter/own.key"
PACKAGE = "/srv/tcp-state-exporter.deb"
"""Within a machine."""
GET_CERTIFICATE = "import ssl; print(ssl.get_server_certificate(('127.0.0.1', 10060)))"

HANG = """
import os, sys, time
sys.path.insert(0, "/usr/lib/tcp-state-exporter")
from exporter.signals import Signals
signals = Signals()
signals.take()
from exporter import cli, output
from exporter.sampling.sample import Sampling
take = Sampling.take
def hanging(*arguments):
    while os.path.exists("/opt/hangs"):
        time.sleep(0.01)
    return take(*arguments)
Sampling.take = hanging
os._exit(cli.main(sys.argv[1:], signals))
"""

PROMETHEUS = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{assets}/prometheus/rules.yml", "{assets}/prometheus/alerts.yml"]
scrape_configs:
  - job_name: tcp-state-exporter
    static_configs: [{{targets: ["localhost:10060"]}}]
"""


def wait_for(condition: Callable[[], bool], what: str, seconds: float) -> float:
    """How long it took until *condition* held."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.2)
    return time.monotonic() - begun


def samples(machine: Machine, name: str) -> list[tuple[dict[str, str], float]]:
    """Labels and values of the metric of that name."""
    families = text_string_to_metric_families(machine.get(f"{URL}/metrics"))
    return [(one.labels, one.value) for family in families for one in family.samples if one.name == name]


def names(text: str) -> set[str]:
    return set(re.findall(r"^(tcpstate_\w+)", text, re.MULTILINE))


def drop_in(machine: Machine, name: str) -> None:
    """As the file says it."""
    machine.run("install", "-D", "-m", "644", f"{ASSETS}/systemd/{name}", f"{DROP_INS}/{name}")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "reset-failed", UNIT)


def without_drop_ins(machine: Machine) -> None:
    machine.run("rm", "-rf", DROP_INS)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "reset-failed", UNIT)  # there may be no more than five starts in ten seconds
    machine.run("systemctl", "restart", UNIT)


def installs(machine: Machine) -> str:
    """By apt, with what was fetched; the service is up when that is done."""
    machine.run("apt-get", "install", "--yes", "--no-install-recommends", PACKAGE)
    assert machine.unit(UNIT, "ActiveState", "UnitFileState", "Type") == ["active", "enabled", "notify"]
    [(build, _)] = samples(machine, "tcpstate_build_info")
    assert re.fullmatch(r"[0-9a-f]{12}(-dirty)?", build["revision"]), build
    assert machine.run("dpkg-query", "--show", "--showformat=${Version}", "tcp-state-exporter").startswith(
        build["version"].replace(".dev", "~dev")
    )
    assert samples(machine, "tcpstate_up") == [({}, 1.0)]
    [owner] = machine.run("stat", "--format=%U:%a", CONFIG).split()
    assert owner == "root:644"
    size = machine.run("dpkg-query", "--show", "--showformat=${Installed-Size}", "tcp-state-exporter")
    return f"version {build['version']}, revision {build['revision']}, Python {build['python']}, {size} KB installed"


def is_hardened_and_valid(machine: Machine) -> str:
    found = machine.run("systemctl", "show", UNIT, "--property=MainPID", "--value").strip()
    status = machine.run("cat", f"/proc/{found}/status")
    assert re.search(r"^CapBnd:\t0+$", status, re.MULTILINE)
    assert re.search(r"^Uid:\t(?!0\t)", status, re.MULTILINE)
    assert machine.run("systemd-analyze", "verify", "--man=no", UNIT, SOCKET) == ""
    text = machine.run("systemd-analyze", "security", "--no-pager", UNIT)
    [exposure] = re.findall(r"Overall exposure level for \S+: ([\d.]+)", text)
    assert float(exposure) <= EXPOSURE, text
    return f"exposure {exposure}"


def sees_what_root_sees(machine: Machine) -> str:
    """Every metric that it has as root, without any hardening."""
    free = names(machine.run("tcp-state-exporter", "--once=prometheus"))
    wait_for(lambda: free <= names(machine.get(f"{URL}/metrics")), f"it tells all of {free}", 20)
    return f"{len(free)} metrics"


def tells_who_leaks(machine: Machine) -> str:
    """The unit without any privilege; the process too with the drop-in for that."""
    machine.write("/opt/leak.py", LEAK)
    # Of several names in a unit it takes none for granted.
    machine.run("systemd-run", "--unit=leaky", "sh", "-c", "python3 /opt/leak.py & wait")
    machine.write(CONFIG, "interval: 1s\nstuck_after: {close_wait: 2s}\n")
    machine.run("systemctl", "reload", UNIT)
    plain = {"role": "server", "port": "8080", "state": "close_wait", "cgroup": "/system.slice/leaky.service"}
    unnamed = [({**plain, "process": ""}, 7.0)]
    wait_for(lambda: samples(machine, "tcpstate_stuck_sockets_by_owner") == unnamed, "the unit is told", 20)

    drop_in(machine, "names.conf")
    machine.run("systemctl", "restart", UNIT)
    named = [({**plain, "process": "python3"}, 7.0)]
    wait_for(lambda: samples(machine, "tcpstate_stuck_sockets_by_owner") == named, "the process is told", 20)
    [exposure] = re.findall(r"level for \S+: ([\d.]+)", machine.run("systemd-analyze", "security", "--no-pager", UNIT))
    without_drop_ins(machine)
    return f"exposure {exposure} with names.conf"


def loads_anew(machine: Machine) -> str:
    """A good configuration is in force when the command returns; a bad one fails it, and changes nothing."""
    machine.write(CONFIG, "interval: 2s\n")
    begun = time.monotonic()
    machine.run("systemctl", "reload", UNIT)
    took = time.monotonic() - begun
    wait_for(lambda: samples(machine, "tcpstate_sample_interval_seconds")[0][1] == 2, "the interval is new", 5)

    machine.write(CONFIG, "interval: 0s\n")
    machine.fails("systemctl", "reload", UNIT)
    assert "interval: " in machine.journal(UNIT)
    assert machine.unit(UNIT, "ActiveState") == ["active"]
    assert samples(machine, "tcpstate_sample_interval_seconds")[0][1] == 2
    return f"a reload took {took:.1f} s"


def waits_until_a_bad_configuration_is_mended(machine: Machine) -> str:
    assert "systemctl status" in machine.fails("systemctl", "restart", UNIT)
    assert machine.unit(UNIT, "ActiveState", "SubState") == ["activating", "auto-restart"]
    machine.write(CONFIG, "interval: 1s\n")
    took = wait_for(lambda: machine.unit(UNIT, "ActiveState") == ["active"], "it is up", 20)
    return f"up {took:.0f} s later"


def is_scraped_by_prometheus_which_loads_the_alerts(machine: Machine) -> str:
    machine.run("apt-get", "install", "--yes", "--no-install-recommends", "prometheus")
    machine.write("/etc/prometheus/prometheus.yml", PROMETHEUS.format(assets=ASSETS))
    machine.run("promtool", "check", "config", "/etc/prometheus/prometheus.yml")
    machine.run("systemctl", "restart", "prometheus")

    def value(query: str) -> list[str]:
        found = json.loads(machine.get(f"http://127.0.0.1:9090/api/v1/query?query={query}"))
        return [one["value"][1] for one in found["data"]["result"]]

    wait_for(lambda: serves_at(machine, "http://127.0.0.1:9090/-/ready"), "Prometheus is ready", 30)
    wait_for(lambda: value("up") == ["1"] and value("tcpstate_up") == ["1"], "the exporter is scraped", 30)
    groups = json.loads(machine.get("http://127.0.0.1:9090/api/v1/rules"))["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    written = (machine.root / ASSETS[1:] / "prometheus/alerts.yml").read_text()
    wanted = len(re.findall(r"^ +- alert: ", written, re.MULTILINE))
    alerts = [rule for rule in rules if rule["type"] == "alerting"]
    assert len(alerts) == wanted > 0
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}, rules
    machine.run("systemctl", "stop", "prometheus")
    return f"{len(alerts)} alerts, {len(rules) - len(alerts)} recording rules"


def serves_at(machine: Machine, url: str) -> bool:
    try:
        machine.get(url)
    except CommandFailed:
        return False
    return True


def is_started_anew_when_a_sample_hangs(machine: Machine) -> str:
    """With the times of the unit as they are."""
    machine.write("/opt/hang.py", HANG)
    machine.write(f"{DROP_INS}/hang.conf", "[Service]\nExecStart=\nExecStart=python3 /opt/hang.py $ARGS\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", UNIT)
    assert machine.unit(UNIT, "NRestarts") == ["0"]
    before = machine.unit(UNIT, "MainPID")
    machine.write("/opt/hangs", "")
    ended = wait_for(lambda: "Watchdog timeout" in machine.log(), "systemd misses the signs of life", 90)
    (machine.root / "opt/hangs").unlink()
    back = wait_for(lambda: machine.unit(UNIT, "ActiveState", "NRestarts") == ["active", "1"], "it is up again", 30)
    assert machine.unit(UNIT, "MainPID") != before
    assert "in hanging" in machine.journal(UNIT), "the log was to say where it hung"
    assert samples(machine, "tcpstate_up") == [({}, 1.0)]
    without_drop_ins(machine)
    return f"noticed after {ended:.0f} s, up again {back:.0f} s later"


def serves_by_tls(machine: Machine) -> str:
    """With a key that only a group may read, and with a renewed certificate after a reload."""
    folder = machine.root / "etc/tcp-state-exporter"
    certificates.make(folder, "own")
    machine.run("groupadd", "--system", "--force", "ssl-cert")
    machine.run("chgrp", "ssl-cert", KEY)
    machine.run("chmod", "640", KEY)
    machine.write("/etc/tcp-state-exporter/web.yaml", "tls_server_config: {cert_file: own.crt, key_file: own.key}\n")
    defaults = (machine.root / DEFAULTS[1:]).read_text()
    web = "--web.config.file=/etc/tcp-state-exporter/web.yaml"
    machine.write(DEFAULTS, f'ARGS="--config.file={CONFIG} {web}"\n')
    assert "own.key" in machine.fails("systemctl", "restart", UNIT) + machine.journal(UNIT)

    drop_in(machine, "tls.conf")
    machine.run("systemctl", "restart", UNIT)
    first = machine.run("python3", "-c", GET_CERTIFICATE)
    certificates.make(folder, "own")
    machine.run("chgrp", "ssl-cert", KEY)
    machine.run("systemctl", "reload", UNIT)
    wait_for(lambda: machine.run("python3", "-c", GET_CERTIFICATE) != first, "the new certificate is served", 5)

    machine.write(DEFAULTS, defaults)
    machine.run("rm", "-r", *(f"/etc/tcp-state-exporter/{name}" for name in ("own.crt", "own.key", "web.yaml")))
    without_drop_ins(machine)
    return ""


def takes_its_port_from_systemd(machine: Machine) -> str:
    """As the drop-in says it."""
    drop_in(machine, "socket.conf")
    machine.run("systemctl", "stop", UNIT)
    machine.run("systemctl", "enable", "--now", SOCKET)
    machine.run("systemctl", "start", UNIT)
    assert samples(machine, "tcpstate_up") == [({}, 1.0)]
    machine.run("systemctl", "stop", UNIT)
    assert machine.unit(SOCKET, "ActiveState") == ["active"]
    assert samples(machine, "tcpstate_up") == [({}, 1.0)], "a scrape was to start it"
    machine.run("systemctl", "disable", "--now", SOCKET)
    machine.run("systemctl", "stop", UNIT)
    without_drop_ins(machine)
    return "a scrape starts it"


def counts_every_namespace(machine: Machine) -> str:
    """With the drop-in for that, and no capability left when it serves."""
    drop_in(machine, "bpf.conf")
    machine.write(CONFIG, "interval: 1s\nnamespaces: all\n")
    machine.run("systemctl", "restart", UNIT)
    [(source, _)] = samples(machine, "tcpstate_source_info")
    assert source == {"source": "bpf"}, machine.journal(UNIT)
    found = machine.run("systemctl", "show", UNIT, "--property=MainPID", "--value").strip()
    status = machine.run("cat", f"/proc/{found}/status")
    assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE), status
    machine.write(CONFIG, "interval: 1s\n")
    without_drop_ins(machine)
    return ""


def stops(machine: Machine) -> str:
    begun = time.monotonic()
    machine.run("systemctl", "stop", UNIT)
    took = time.monotonic() - begun
    assert took < STOP_SECONDS
    assert machine.unit(UNIT, "ActiveState", "Result") == ["inactive", "success"]
    machine.run("systemctl", "start", UNIT)
    return f"in {took:.2f} s"


def keeps_its_configuration_when_it_is_installed_again(machine: Machine) -> str:
    machine.write(CONFIG, "interval: 3s\n")
    before = machine.unit(UNIT, "MainPID")
    machine.run("apt-get", "install", "--yes", "--reinstall", PACKAGE)
    assert machine.unit(UNIT, "ActiveState") == ["active"]
    assert machine.unit(UNIT, "MainPID") != before
    assert samples(machine, "tcpstate_sample_interval_seconds")[0][1] == 3
    return ""


def leaves_nothing(machine: Machine) -> str:
    """After a purge there is nothing but dpkg's own records, also of what was enabled meanwhile."""
    machine.run("systemctl", "enable", SOCKET)
    machine.run("apt-get", "purge", "--yes", "tcp-state-exporter")
    machine.run("apt-get", "autoremove", "--yes", "--purge")
    machine.run("systemctl", "daemon-reload")
    left = [path for path in _files(machine.root) if "tcp-state-exporter" in path and not _is_record(path)]
    assert left == []
    assert machine.unit(UNIT, "LoadState") == ["not-found"]
    assert "tcp-state" not in machine.run("cat", "/etc/passwd", "/etc/group")
    return ""


def _files(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for top in ("etc", "usr", "var", "lib") for path in (root / top).rglob("*")]


def _is_record(path: str) -> bool:
    return path.startswith(("var/cache/apt/", "var/log/"))
