"""The exporter as a process, used from outside."""

import signal
import socket
import ssl
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.lab import certificates, recipes
from tests.lab.daemon import PORT, ROOT, WITHOUT_CAPABILITIES, WITHOUT_NETLINK, Process, exporter, prometheus, query
from tests.lab.netns import Namespace, Pair
from tests.lab.witness import by_state, wait_for

pytestmark = pytest.mark.kernel

FAST = "interval: 200ms\nmax_cpu: 100%\n"


@pytest.fixture
def fast(tmp_path: Path) -> str:
    """The flag for a configuration with a short interval."""
    (tmp_path / "config.yaml").write_text(FAST)
    return f"--config.file={tmp_path / 'config.yaml'}"


def agrees_with_ss(running: Process) -> bool:
    expected = Counter({state.label: sockets for state, sockets in by_state(running.place).items()})
    return running.by_state() == expected


def test_the_sum_over_ports_is_what_ss_shows_without_any_privilege(pair: Pair, tmp_path: Path, fast: str) -> None:
    with (
        recipes.close_wait_read(pair, "6", 7),
        exporter(pair.b, tmp_path / "log", fast, within=WITHOUT_CAPABILITIES) as running,
    ):
        wait_for(lambda: agrees_with_ss(running), "the exporter and ss agree")

        assert running.value("tcpstate_sockets", role="server", port="7000", state="close_wait") == 7
        assert running.value("tcpstate_source_info", source="sock_diag") == 1
        wait_for(lambda: running.value("tcpstate_up") == 1, "the last sample is fresh")


def test_the_same_numbers_come_from_procfs_where_netlink_is_forbidden(pair: Pair, tmp_path: Path, fast: str) -> None:
    with (
        recipes.fin_wait2_held(pair, "4", 5),
        exporter(pair.a, tmp_path / "log", fast, within=WITHOUT_NETLINK) as running,
    ):
        wait_for(lambda: agrees_with_ss(running), "the exporter and ss agree")

        assert running.value("tcpstate_source_info", source="procfs") == 1
        assert running.value("tcpstate_sockets", role="client", port="7000", state="fin_wait2") == 5
    assert (tmp_path / "log").read_text().count("source sock_diag does not work here, using procfs") == 1


def test_it_is_ready_once_a_sample_has_succeeded_and_not_before(host: Namespace, tmp_path: Path, fast: str) -> None:
    """It serves all the same, so that a scrape can say what is wrong."""
    (tmp_path / "config.yaml").write_text(f"{FAST}source: sock_diag\n")
    with exporter(host, tmp_path / "log", fast, within=WITHOUT_NETLINK, ready=False) as running:
        wait_for(lambda: running.is_up("/metrics"), "the exporter serves", seconds=20)
        wait_for(lambda: running.value("tcpstate_sample_failures_total", reason="unavailable") >= 2, "samples fail")
        assert (running.ask("/-/ready").status, running.ask("/-/healthy").status) == (503, 200)

        (tmp_path / "config.yaml").write_text(f"{FAST}source: procfs\n")
        running.signal(signal.SIGHUP)
        wait_for(lambda: running.is_up("/-/ready"), "the exporter is ready")
        wait_for(lambda: running.value("tcpstate_up") == 1, "samples succeed")

        (tmp_path / "config.yaml").write_text(f"{FAST}source: sock_diag\n")
        running.signal(signal.SIGHUP)
        wait_for(lambda: running.value("tcpstate_up") == 0, "samples fail again")
        assert running.is_up("/-/ready")


def states(server: Process, port: str) -> set[str]:
    """That Prometheus knows of a server's port."""
    found = query(server, f"tcpstate_sockets{{role='server', port='{port}'}}")
    return {labels["state"] for labels, _ in found}


def test_a_real_prometheus_scrapes_it_and_leaves_no_time_wait(host: Namespace, tmp_path: Path, fast: str) -> None:
    with exporter(host, tmp_path / "log", fast), prometheus(host, tmp_path) as server:
        wait_for(lambda: query(server, "count_over_time(up[1m]) >= 4") != [], "four scrapes", seconds=20)

        assert [value for _, value in query(server, "up")] == [1]
        assert [value for _, value in query(server, "tcpstate_up")] == [1]
        assert {"listen", "established"} <= states(server, "10060") < states(server, "other")
        assert len(states(server, "other")) == 11
        assert host.run("ss", "-tanH", "state", "time-wait", f"( sport = :{PORT} )") == ""


def test_a_port_that_is_taken_is_one_line_and_exit_code_1(host: Namespace, tmp_path: Path) -> None:
    with exporter(host, tmp_path / "log"):
        command = [sys.executable, "-m", "exporter", f"--web.listen-address=127.0.0.1:{PORT}", "--log.level=error"]
        second = subprocess.run(host.command(*command), capture_output=True, text=True, cwd=ROOT, check=False)

    assert second.returncode == 1
    assert second.stderr == f"tcp-state-exporter: cannot listen on 127.0.0.1:{PORT}: Address already in use\n"


def test_sighup_loads_the_configuration_anew_and_a_bad_one_changes_nothing(
    host: Namespace, tmp_path: Path, fast: str
) -> None:
    config = tmp_path / "config.yaml"
    with exporter(host, tmp_path / "log", fast) as running:
        config.write_text("interval: 300ms\nmax_cpu: 100%\n")
        running.signal(signal.SIGHUP)
        wait_for(lambda: running.value("tcpstate_sample_interval_seconds") == 0.3, "the new interval is in force")

        config.write_text("interval: never\n")
        running.signal(signal.SIGHUP)
        wait_for(lambda: running.value("tcpstate_config_last_reload_successful") == 0, "the refusal shows")

        assert running.value("tcpstate_sample_interval_seconds") == 0.3
        wait_for(lambda: running.value("tcpstate_up") == 1, "samples go on")


def test_a_post_loads_the_configuration_anew_where_that_is_enabled(host: Namespace, tmp_path: Path, fast: str) -> None:
    with exporter(host, tmp_path / "log", fast, "--web.enable-lifecycle") as running:
        (tmp_path / "config.yaml").write_text("interval: never\n")
        refused = running.ask("/-/reload", method="POST")
        (tmp_path / "config.yaml").write_text("interval: 300ms\nmax_cpu: 100%\n")

        assert (refused.status, "interval: expected a duration" in refused.body) == (500, True)
        assert running.ask("/-/reload", method="POST").status == 200
        wait_for(lambda: running.value("tcpstate_sample_interval_seconds") == 0.3, "the new interval is in force")


def test_a_host_without_ipv6_is_served_like_any_other(host: Namespace, tmp_path: Path) -> None:
    host.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
    with exporter(host, tmp_path / "log", "--web.listen-address=:10061") as running:
        assert running.value("tcpstate_up") == 1


def test_its_own_metrics_can_be_left_out(host: Namespace, tmp_path: Path) -> None:
    with exporter(host, tmp_path / "log", "--web.disable-exporter-metrics") as running:
        body = running.ask().body

    assert "tcpstate_up 1.0" in body
    assert "process_" not in body
    assert "python_gc" not in body


def test_the_page_shows_the_sockets_and_the_metrics_are_where_they_were_put(
    host: Namespace, tmp_path: Path, fast: str
) -> None:
    with exporter(host, tmp_path / "log", fast, "--web.telemetry-path=/tcp") as running:
        wait_for(lambda: f"server {PORT}" in running.ask("/").body, "the exporter sees its own port")

        assert 'href="/tcp"' in running.ask("/").body
        assert running.ask("/tcp").status == 200
        assert running.ask("/metrics").status == 404


def test_scrapes_over_one_connection_see_the_samples_go_on(host: Namespace, tmp_path: Path, fast: str) -> None:
    with exporter(host, tmp_path / "log", fast) as running:
        first = running.value("tcpstate_samples_total")
        wait_for(lambda: running.value("tcpstate_samples_total") >= first + 3, "three more samples")


def scrape_by_tls(running: Process, trusted: Path) -> str:
    """The metrics by HTTPS, from a server whose certificate is *trusted*."""
    context = ssl.create_default_context(cafile=trusted)
    with running.place.entered():
        plain = socket.create_connection(("127.0.0.1", PORT), timeout=5)
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as encrypted:
        encrypted.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: encrypted.recv(65536), b"")).decode()


def test_tls_is_served_past_silent_clients_and_certificates_are_renewed_without_a_restart(
    host: Namespace, tmp_path: Path
) -> None:
    certificates.make(tmp_path, "own")
    web = tmp_path / "web.yml"
    web.write_text("tls_server_config: {cert_file: own.crt, key_file: own.key}\n")
    with exporter(host, tmp_path / "log", f"--web.config.file={web}", ready=False) as running:
        wait_for(lambda: "TLS is enabled" in (tmp_path / "log").read_text(), "the server listens", seconds=20)
        silent = running.connect()
        assert "tcpstate_up 1.0" in scrape_by_tls(running, tmp_path / "own.crt")

        certificates.make(tmp_path, "own")
        running.signal(signal.SIGHUP)
        wait_for(lambda: "configuration reloaded" in (tmp_path / "log").read_text(), "the certificate is loaded")
        assert "tcpstate_up 1.0" in scrape_by_tls(running, tmp_path / "own.crt")
        silent.close()


def test_a_bad_web_configuration_is_a_line_for_each_fault_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text("basic_auth_users: {alice: secret}\nrate_limit: {burst: 3}\n")
    command = [sys.executable, "-m", "exporter", f"--web.config.file={tmp_path / 'web.yml'}", "--log.level=error"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)

    assert (done.returncode, len(done.stderr.splitlines())) == (2, 2)
