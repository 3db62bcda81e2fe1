import ssl
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
    assert tls.minimum_version is ssl.TLSVersion.TLSv1_2
    assert tls.verify_mode is ssl.CERT_NONE


def test_versions_and_client_certificates_can_be_asked_for(folder: Path) -> None:
    asked = ", client_ca_file: own.crt, client_auth_type: RequireAndVerifyClientCert, min_version: TLS13}"
    tls = load(folder, TLS + asked).tls

    assert tls is not None
    assert (tls.minimum_version, tls.verify_mode) == (ssl.TLSVersion.TLSv1_3, ssl.CERT_REQUIRED)


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
        (TLS + ", client_ca_file: own.crt}", "client_ca_file is of no use without a client_auth_type that verifies"),
        (TLS + ", client_auth_type: RequireAnyClientCert}", "tls_server_config.client_auth_type: expected one of"),
        (TLS + ", min_version: TLS10}", "tls_server_config.min_version: expected one of TLS12, TLS13"),
        (TLS + ", client_allowed_sans: [a]}", "tls_server_config.client_allowed_sans: not supported"),
        ("tls_server_config: {cert_file: none.crt, key_file: own.key}", "tls_server_config: cannot be used"),
        ("tls_server_config: {cert_file: own.key, key_file: own.key}", "tls_server_config: cannot be used"),
        ("http_server_config: {headers: {Server: x}}", "http_server_config.headers.Server: unknown key"),
        ('http_server_config: {headers: {X-Frame-Options: "a\\r\\nb"}}', "X-Frame-Options: expected text"),
        ("rate_limit: {burst: 1}", "rate_limit: not supported"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(folder: Path, text: str, expected: str) -> None:
    [found] = faults(folder, text)

    assert expected in found


def test_a_password_in_place_of_a_hash_is_refused_and_not_shown(tmp_path: Path) -> None:
    [found] = faults(tmp_path, "basic_auth_users: {alice: secret}")

    assert found == "basic_auth_users.alice: expected a bcrypt hash ($2a$, $2b$ or $2y$)"
