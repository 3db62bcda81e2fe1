"""What the exporter as a process serves to whom, by its flags and its two configurations."""

import json
import signal
import ssl
import time
from base64 import b64encode
from pathlib import Path

import bcrypt
import pytest

from tests.lab import certificates, recipes
from tests.lab.daemon import PORT, QUICK, Process, exporter
from tests.lab.netns import Namespace, Pair
from tests.lab.witness import wait_for

pytestmark = pytest.mark.kernel

NOT_AFTER = "tcpstate_certificate_not_after_timestamp_seconds"


def ask(running: Process, request: str, tls: ssl.SSLContext | None = None) -> str:
    """The whole answer to a request, given as its lines."""
    client = running.connect().sock
    assert client is not None
    with tls.wrap_socket(client, server_hostname="127.0.0.1") if tls else client as connection:
        connection.sendall("".join(f"{line}\r\n" for line in [*request.splitlines(), "Connection: close", ""]).encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def logged(log: Path, text: str) -> None:
    wait_for(lambda: text in log.read_text(), f"the log says {text!r}", seconds=20)


def test_addresses_are_told_until_the_configuration_says_no(pair: Pair, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(QUICK)
    with (
        recipes.close_wait_read(pair, "4", 3),
        exporter(pair.b, tmp_path / "log", f"--config.file={config}") as running,
    ):

        def stuck() -> list[tuple[object, object]]:
            sockets = json.loads(running.ask("/api/v1/stuck").body)["sockets"]
            return [(one["local"], one["remote"]) for one in sockets]

        wait_for(lambda: len(stuck()) == 3, "three sockets are stuck", seconds=20)
        addresses = [str(address) for ends in stuck() for address in ends]
        assert all(address in running.ask("/").body for address in addresses)

        config.write_text(f"{QUICK}addresses: false\n")
        running.signal(signal.SIGHUP)
        wait_for(lambda: stuck() == [(None, None)] * 3, "the addresses are left out", seconds=20)
        everything = "".join(running.ask(path).body for path in ("/", "/metrics", "/api/v1/stuck?group=holder"))

        assert [address for address in addresses if address.rpartition(":")[0] in everything] == []


def test_details_can_be_left_out_and_nothing_points_at_them(host: Namespace, tmp_path: Path) -> None:
    with exporter(host, tmp_path / "log", "--web.disable-details") as running:
        found = {path: running.ask(path).status for path in ("/", "/api/v1/stuck", "/api/v1/stuck?group=holder")}

        assert set(found.values()) == {404}
        assert running.ask("/metrics").status == 200


def test_names_that_are_not_allowed_are_told_no_details_and_reload_nothing(host: Namespace, tmp_path: Path) -> None:
    flags = ["--web.allowed-hosts=web1,web2", "--web.allowed-hosts=web3.example", "--web.enable-lifecycle"]
    with exporter(host, tmp_path / "log", *flags) as running:
        found = {
            name: ask(running, f"{method} {path} HTTP/1.1\nHost: {name}:{PORT}\nContent-Length: 0").split()[1]
            for name in ("web1", "web3.example", "127.0.0.1", "evil.example")
            for method, path in (("GET", "/"), ("POST", "/-/reload"))
        }
        cross_site = ask(running, "POST /-/reload HTTP/1.1\nHost: web1\nOrigin: http://evil.example\nContent-Length: 0")
        metrics = ask(running, "GET /metrics HTTP/1.1\nHost: evil.example")

    assert found == {"web1": "200", "web3.example": "200", "127.0.0.1": "200", "evil.example": "421"}
    assert cross_site.startswith("HTTP/1.1 403 ")
    assert metrics.startswith("HTTP/1.1 200 ")


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate)


def told_end(running: Process, tls: ssl.SSLContext) -> str:
    lines = ask(running, "GET /metrics HTTP/1.1\nHost: x", tls).splitlines()
    return next(line for line in lines if line.startswith(NOT_AFTER)).split()[1]


def end(certificate: Path) -> float:
    return ssl.cert_time_to_seconds(certificates.end(certificate))


def test_the_end_of_the_certificate_is_a_metric_that_a_renewal_moves(host: Namespace, tmp_path: Path) -> None:
    certificates.make(tmp_path, "own")
    web = tmp_path / "web.yml"
    web.write_text("tls_server_config: {cert_file: own.crt, key_file: own.key}\n")
    with exporter(host, tmp_path / "log", f"--web.config.file={web}", ready=False) as running:
        logged(tmp_path / "log", "TLS is enabled")
        first = float(told_end(running, trusting(tmp_path / "own.crt")))
        assert first == end(tmp_path / "own.crt")

        certificates.make(tmp_path, "own", days=30)
        running.signal(signal.SIGHUP)
        logged(tmp_path / "log", "configuration reloaded")
        renewed = trusting(tmp_path / "own.crt")
        wait_for(lambda: float(told_end(running, renewed)) > first, "the metric follows", seconds=20)
        assert float(told_end(running, renewed)) == end(tmp_path / "own.crt")


def test_without_tls_there_is_no_certificate_whose_end_could_be_told(host: Namespace, tmp_path: Path) -> None:
    with exporter(host, tmp_path / "log") as running:
        assert NOT_AFTER not in running.ask().body


def test_a_certificate_that_has_expired_is_served_with_a_warning(host: Namespace, tmp_path: Path) -> None:
    certificates.make(tmp_path, "own")
    certificates.expire(tmp_path, "own")
    web = tmp_path / "web.yml"
    web.write_text("tls_server_config: {cert_file: own.crt, key_file: own.key}\n")
    careless = ssl.create_default_context()
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    with exporter(host, tmp_path / "log", f"--web.config.file={web}", ready=False) as running:
        logged(tmp_path / "log", f"the certificate in {tmp_path / 'own.crt'} has expired")

        assert float(told_end(running, careless)) < time.time()


def test_plain_http_is_told_that_tls_is_spoken(host: Namespace, tmp_path: Path) -> None:
    certificates.make(tmp_path, "own")
    web = tmp_path / "web.yml"
    web.write_text("tls_server_config: {cert_file: own.crt, key_file: own.key}\n")
    with exporter(host, tmp_path / "log", f"--web.config.file={web}", ready=False) as running:
        logged(tmp_path / "log", "TLS is enabled")
        answers = [ask(running, "GET /metrics HTTP/1.1\nHost: x") for _ in range(3)]
        logged(tmp_path / "log", "somebody asks by HTTP")

    assert all(answer.startswith("HTTP/1.1 400 ") and "https://" in answer for answer in answers)
    assert (tmp_path / "log").read_text().count("somebody asks by HTTP") == 1


def test_whoever_is_known_is_known_after_a_reload_while_others_guess(host: Namespace, tmp_path: Path) -> None:
    """A check takes longer than a scrape, so whoever has been checked once is not checked again."""
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(14)).decode()
    web = tmp_path / "web.yml"
    web.write_text(f"basic_auth_users: {{alice: {hashed}}}\n")
    right = b64encode(b"alice:secret").decode()

    def scrape() -> tuple[str, float]:
        begun = time.monotonic()
        answer = ask(running, f"GET /metrics HTTP/1.1\nHost: x\nAuthorization: Basic {right}")
        return answer.split()[1], time.monotonic() - begun

    with exporter(host, tmp_path / "log", f"--web.config.file={web}", ready=False) as running:
        logged(tmp_path / "log", "Listening")
        checked, a_check = scrape()
        guesses = [running.connect() for _ in range(8)]
        for number, guess in enumerate(guesses):
            header = b64encode(f"alice:{number}".encode()).decode()
            guess.request("GET", "/metrics", headers={"Authorization": f"Basic {header}"})
        web.write_text(f"basic_auth_users: {{alice: {hashed}, bob: {hashed}}}\n")
        running.signal(signal.SIGHUP)
        logged(tmp_path / "log", "configuration reloaded")
        status, seconds = scrape()
        for guess in guesses:
            guess.close()

    assert (checked, status) == ("200", "200")
    assert seconds < a_check
