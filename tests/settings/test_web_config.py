import os
import pty
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exporter.errors import ConfigError
from exporter.settings import web_config
from exporter.settings.web_config import WebConfig
from tests.lab import certificates

HASH = "$2b$04$CwTycUXWue0Thq9StjUM0uJ8hcZUMYOEEzYiuQGFZgC4x1j7X8J1W"
TLS = "tls_server_config: {cert_file: own.crt, key_file: own.key"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    certificates.make(tmp_path, "own")
    return tmp_path


def load(folder: Path, text: str) -> WebConfig:
    (folder / "web.yml").write_text(text)
    return web_config.load(folder / "web.yml")


def faults(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load(folder, text)
    return [str(fault) for fault in raised.value.faults]


def test_nothing_is_plain_http_for_everybody(tmp_path: Path) -> None:
    assert load(tmp_path, "") == WebConfig()


def test_certificates_are_found_beside_the_file_and_old_versions_are_refused(folder: Path) -> None:
    tls = load(folder, TLS + "}").tls

    assert tls is not None
    assert tls.context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert tls.context.verify_mode is ssl.CERT_NONE
    assert tls.not_after == ssl.cert_time_to_seconds(certificates.end(folder / "own.crt"))


def test_versions_and_client_certificates_can_be_asked_for(folder: Path) -> None:
    asked = ", client_ca_file: own.crt, client_auth_type: RequireAndVerifyClientCert, min_version: TLS13}"
    tls = load(folder, TLS + asked).tls

    assert tls is not None
    assert (tls.context.minimum_version, tls.context.verify_mode) == (ssl.TLSVersion.TLSv1_3, ssl.CERT_REQUIRED)


def test_a_certificate_that_has_expired_is_loaded(folder: Path) -> None:
    """Better that than no metrics; who scrapes decides whether to trust it."""
    certificates.expire(folder, "own")
    tls = load(folder, TLS + "}").tls

    assert tls is not None
    assert tls.not_after is not None
    assert tls.not_after < time.time()


def test_users_and_headers_are_taken(tmp_path: Path) -> None:
    found = load(
        tmp_path, f"basic_auth_users: {{a: {HASH}}}\nhttp_server_config: {{headers: {{X-Frame-Options: deny}}}}"
    )

    assert (found.users, found.headers) == ({"a": HASH}, {"X-Frame-Options": "deny"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tls_server: {}", "tls_server: unknown key, did you mean tls_server_config?"),
        ("tls_server_config: {cert_file: own.crt}", "tls_server_config.key_file: expected a file, found nothing"),
        (TLS + ", client_auth_type: RequireAndVerifyClientCert}", "tls_server_config.client_ca_file: expected a file"),
        (TLS + ", client_ca_file: own.crt}", "client_ca_file: of no use without a client_auth_type that verifies"),
        (TLS + ", client_auth_type: Any}", "tls_server_config.client_auth_type: expected one of"),
        (
            TLS + ", client_auth_type: RequireAnyClientCert}",
            "tls_server_config.client_auth_type: RequireAnyClientCert is not supported: it lets in whoever",
        ),
        (TLS + ", min_version: TLS13, max_version: TLS12}", "max_version: expected at least min_version (TLS13)"),
        (TLS + ", min_version: TLS10}", "tls_server_config.min_version: expected one of TLS12, TLS13"),
        (TLS + ", client_allowed_sans: [a]}", "tls_server_config.client_allowed_sans: not supported"),
        ("http_server_config: {headers: {Server: x}}", "http_server_config.headers.Server: unknown key"),
        (
            'http_server_config: {headers: {X-Frame-Options: "a\\r\\nb"}}',
            "expected deny or sameorigin, found",
        ),
        ("http_server_config: {headers: {X-Content-Type-Options: sniff}}", "Options: expected nosniff, found 'sniff'"),
        (
            "http_server_config: {headers: {Content-Security-Policy: →}}",
            "Policy: expected text in ASCII",
        ),
        ("rate_limit: {burst: 1}", "rate_limit: not supported"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(folder: Path, text: str, expected: str) -> None:
    [found] = faults(folder, text)

    assert expected in found


PEM = b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"
NO_CERTIFICATE = "holds no certificates in PEM, or broken ones"
VERIFY = TLS + ", client_auth_type: VerifyClientCertIfGiven, client_ca_file: "


@pytest.mark.parametrize(
    ("text", "key", "file", "why"),
    [
        (TLS.replace("own.crt", "none") + "}", "cert_file", "none", "No such file or directory"),
        (TLS.replace("own.key", "none") + "}", "key_file", "none", "No such file or directory"),
        (TLS.replace("own.key", "folder") + "}", "key_file", "folder", "is no regular file"),
        (TLS.replace("own.crt", "pipe") + "}", "cert_file", "pipe", "is no regular file"),
        (VERIFY + "none}", "client_ca_file", "none", "No such file or directory"),
        (TLS.replace("own.crt", "own.key") + "}", "cert_file", "own.key", NO_CERTIFICATE),
        (TLS.replace("own.crt", "half.crt") + "}", "cert_file", "half.crt", NO_CERTIFICATE),
        (TLS.replace("own.crt", "empty") + "}", "cert_file", "empty", NO_CERTIFICATE),
        (TLS.replace("own.key", "empty") + "}", "key_file", "empty", "holds no private key in PEM"),
        (TLS.replace("own.key", "own.crt") + "}", "key_file", "own.crt", "holds no private key in PEM"),
        (VERIFY + "empty}", "client_ca_file", "empty", NO_CERTIFICATE),
        (VERIFY + "own.key}", "client_ca_file", "own.key", NO_CERTIFICATE),
        (VERIFY + "half.crt}", "client_ca_file", "half.crt", NO_CERTIFICATE),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_key(
    folder: Path, text: str, key: str, file: str, why: str
) -> None:
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "empty").touch()
    (folder / "half.crt").write_bytes((folder / "own.crt").read_bytes() + PEM)

    assert faults(folder, text) == [f"tls_server_config.{key}: {folder / file}: {why}"]


def test_the_key_of_another_certificate_is_named(folder: Path) -> None:
    certificates.make(folder, "other")
    [found] = faults(folder, TLS.replace("own.key", "other.key") + "}")

    assert found == (
        f"tls_server_config.key_file: {folder / 'other.key'}: not the key of the certificate in {folder / 'own.crt'}"
    )


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_phrase(folder: Path) -> None:
    """OpenSSL asks on the terminal, whatever standard input is, so the child has one, on which nobody answers."""
    certificates.encrypt(folder, "own")
    (folder / "web.yml").write_text(TLS + "}")
    code = "import sys, pathlib; from exporter.settings import web_config; web_config.load(pathlib.Path(sys.argv[1]))"
    terminal, child_terminal = pty.openpty()
    done = subprocess.run(
        ["setsid", "--ctty", "--wait", sys.executable, "-c", code, folder / "web.yml"],
        stdin=child_terminal,
        stdout=child_terminal,
        stderr=subprocess.PIPE,
        timeout=10,
        check=False,
    )
    os.set_blocking(terminal, False)
    with pytest.raises(BlockingIOError):
        os.read(terminal, 100)

    assert b"own.key: the key is encrypted, and there is nobody to ask for its phrase" in done.stderr


@pytest.mark.parametrize("value", ["0", "1", "1.50", "0x10", "true", "2026-01-01", "1; mode=block"])
def test_the_value_of_a_header_is_the_text_that_stands_there(tmp_path: Path, value: str) -> None:
    found = load(tmp_path, f"http_server_config: {{headers: {{X-XSS-Protection: {value}}}}}")

    assert found.headers == {"X-XSS-Protection": value}


@pytest.mark.parametrize("text", ["basic_auth_users:", "basic_auth_users: {}", "http_server_config: {headers: }"])
def test_an_empty_section_is_none(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == WebConfig()


@pytest.mark.parametrize(("cost", "is_refused"), [("03", True), ("04", False), ("31", False), ("32", True)])
def test_a_cost_that_bcrypt_cannot_do_is_a_fault_and_not_an_error_for_each_request(
    tmp_path: Path, cost: str, *, is_refused: bool
) -> None:
    text = f"basic_auth_users: {{alice: {HASH.replace('$04$', f'${cost}$')}}}"
    expected = f"basic_auth_users.alice: expected a bcrypt hash of a cost from 4 to 31, found {cost}"

    assert (faults(tmp_path, text) if is_refused else [load(tmp_path, text).users]) == [
        expected if is_refused else {"alice": HASH.replace("$04$", f"${cost}$")}
    ]


def test_users_without_the_package_that_checks_them_are_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_config, "find_spec", lambda _: None)

    assert faults(tmp_path, f"basic_auth_users: {{alice: {HASH}}}") == [
        "basic_auth_users: needs the package bcrypt: install tcp-state-exporter[auth]"
    ]


def test_a_password_in_place_of_a_hash_is_refused_and_not_shown(tmp_path: Path) -> None:
    [found] = faults(tmp_path, "basic_auth_users: {alice: secret}")

    assert found == "basic_auth_users.alice: expected a bcrypt hash ($2a$, $2b$ or $2y$)"
