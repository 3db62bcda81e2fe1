"""The web configuration as Prometheus' exporter-toolkit judges it, which promtool asks."""

import subprocess
from pathlib import Path

import pytest

from exporter.errors import ConfigError
from exporter.settings import web_config
from tests.lab import certificates

HASH = "$2b$04$CwTycUXWue0Thq9StjUM0uJ8hcZUMYOEEzYiuQGFZgC4x1j7X8J1W"


def tls(more: str = "", cert: str = "own.crt", key: str = "own.key") -> str:
    return f"tls_server_config: {{cert_file: {cert}, key_file: {key}{', ' if more else ''}{more}}}"


def client(kind: str, authority: str = "own.crt") -> str:
    return tls(f"client_auth_type: {kind}, client_ca_file: {authority}")


def header(name: str, value: str) -> str:
    return f"http_server_config: {{headers: {{{name}: {value}}}}}"


def user(hashed: str, name: str = "alice") -> str:
    return f"basic_auth_users: {{{name}: {hashed}}}"


ALIKE = [
    # the document
    "",
    "# nothing\n",
    "--- {}",
    "{}",
    "[]",
    "text",
    "a: b",
    "{",
    "tls_server_config: {}\ntls_server_config: {}",
    f"{tls()}\n{user(HASH)}\nhttp_server_config: {{http2: false}}",
    # users
    "basic_auth_users:",
    "basic_auth_users: {}",
    "basic_auth_users: []",
    'basic_auth_users: ""',
    "basic_auth_users: alice",
    user(HASH),
    user(HASH, name="1"),
    user(HASH, name="true"),
    user(HASH, name='""'),
    user(f"{HASH}, alice: {HASH}"),
    user(f"{HASH}, bob: {HASH}"),
    user(HASH.replace("$2b$", "$2a$")),
    user(HASH.replace("$2b$", "$2y$")),
    user(HASH.replace("$04$", "$00$")),
    user(HASH.replace("$04$", "$03$")),
    user(HASH.replace("$04$", "$31$")),
    user(HASH.replace("$04$", "$32$")),
    user(HASH.replace("$04$", "$99$")),
    user(HASH.replace("$04$", "$4$")),
    user(HASH[:-2]),
    user("secret"),
    user(""),
    user("5"),
    user("[]"),
    user("$6$salt$hash"),
    # headers
    "http_server_config:",
    "http_server_config: {headers: }",
    "http_server_config: {headers: {}}",
    "http_server_config: {headers: []}",
    "http_server_config: {headers: text}",
    header("X-Frame-Options", "deny"),
    header("X-Frame-Options", "sameorigin"),
    header("X-Frame-Options", "allow-from x"),
    header("X-Frame-Options", "1"),
    header("X-Frame-Options", ""),
    header("X-Content-Type-Options", "nosniff"),
    header("X-Content-Type-Options", "sniff"),
    header("X-Content-Type-Options", "true"),
    header("X-XSS-Protection", "0"),
    header("X-XSS-Protection", "1; mode=block"),
    header("X-XSS-Protection", "true"),
    header("X-XSS-Protection", "1.50"),
    header("X-XSS-Protection", "2026-01-01"),
    header("X-XSS-Protection", "[0]"),
    header("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
    header("Strict-Transport-Security", "31536000"),
    header("Content-Security-Policy", "default-src 'none'"),
    header("x-frame-options", "deny"),
    header("Server", "x"),
    header("1", "x"),
    # HTTP/2
    "http_server_config: {http2: true}",
    "http_server_config: {http2: no}",
    "http_server_config: {http2: Off}",
    "http_server_config: {http2: }",
    "http_server_config: {http2: 1}",
    "http_server_config: {http2: maybe}",
    "http_server_config: {http2: []}",
    "http_server_config: {http3: true}",
    # TLS
    "tls_server_config:",
    "tls_server_config: {}",
    "tls_server_config: []",
    "tls_server: {}",
    "tls_server_config: {cert_file: own.crt}",
    "tls_server_config: {key_file: own.key}",
    "tls_server_config: {client_auth_type: NoClientCert}",
    "tls_server_config: {client_ca_file: own.crt}",
    tls(),
    tls(cert="none"),
    tls(key="none"),
    tls(key="other.key"),
    tls(cert="junk"),
    tls(key="junk"),
    tls(key="encrypted.key"),
    tls(cert="own.key"),
    tls(cert="old.crt", key="old.key"),
    tls("min_version: TLS12"),
    tls("min_version: TLS13, max_version: TLS13"),
    tls("max_version: TLS12"),
    tls("min_version: TLS14"),
    tls("min_version: 1.2"),
    tls("min_version: tls12"),
    tls("client_auth_type: NoClientCert"),
    tls("client_auth_type: RequestClientCert"),
    tls("client_auth_type: Any"),
    tls("client_auth_type: 1"),
    tls("client_ca_file: own.crt"),
    tls("ca_file: own.crt"),
    client("NoClientCert"),
    client("VerifyClientCertIfGiven"),
    client("RequireAndVerifyClientCert"),
    client("RequireAndVerifyClientCert", authority="none"),
]
"""Files of which both say the same."""

REFUSED_HERE = {
    "there are no such versions any more": tls("min_version: TLS10"),
    "nothing could ever be served": tls("min_version: TLS13, max_version: TLS12"),
    "nobody should believe to be protected who is not": "tls_server_config: {min_version: TLS13}",
    "who has set something to nothing has forgotten something": 'tls_server_config: {cert_file: "", key_file: ""}',
    "Python's ssl module cannot": client("RequireAnyClientCert"),
    "the certificate would not be looked at": client("RequestClientCert"),
    "any public authority could let somebody in": tls("client_auth_type: RequireAndVerifyClientCert"),
    "nobody could ever get in": client("RequireAndVerifyClientCert", authority="junk"),
    "OpenSSL's defaults are used": tls("cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]"),
    "there are none": tls("curve_preferences: [CurveP256]"),
    "a header of nothing": header("Content-Security-Policy", ""),
    "a header that cannot be sent": header("Content-Security-Policy", "→"),
    "a hash that bcrypt does not know": user(HASH.replace("$2b$", "$2x$")),
    "a hash with something behind it": user(f"{HASH}x"),
    "a salt that bcrypt does not know": user(HASH[:28] + "A" + HASH[29:]),
    "aliases": "basic_auth_users: &nobody {}\nhttp_server_config: {headers: *nobody}",
    "two documents": "--- {}\n--- {}\n",
}
"""Files that the toolkit takes, by why they are not taken here."""

TAKEN_HERE = {
    "its value has no case": header("X-Frame-Options", "DENY"),
    "its value says what is meant": 'http_server_config: {http2: "true"}',
}
"""Files that the toolkit refuses, by why they are taken here."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("web")
    for name in ("own", "other", "old", "encrypted"):
        certificates.make(made, name)
    certificates.expire(made, "old")
    certificates.encrypt(made, "encrypted")
    (made / "junk").write_text("junk\n")
    return made


def is_taken(folder: Path, text: str) -> bool:
    (folder / "web.yml").write_text(text)
    try:
        web_config.load(folder / "web.yml")
    except ConfigError:
        return False
    return True


def toolkit_takes(folder: Path, text: str) -> bool:
    (folder / "web.yml").write_text(text)
    command = ["promtool", "check", "web-config", str(folder / "web.yml")]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("text", ALIKE)
def test_a_file_is_taken_where_the_toolkit_takes_it(folder: Path, text: str) -> None:
    assert is_taken(folder, text) == toolkit_takes(folder, text)


@pytest.mark.parametrize("text", REFUSED_HERE.values(), ids=REFUSED_HERE)
def test_what_would_be_taken_for_more_than_it_is_is_refused(folder: Path, text: str) -> None:
    assert (is_taken(folder, text), toolkit_takes(folder, text)) == (False, True)


@pytest.mark.parametrize("text", TAKEN_HERE.values(), ids=TAKEN_HERE)
def test_what_is_meant_clearly_is_taken(folder: Path, text: str) -> None:
    assert (is_taken(folder, text), toolkit_takes(folder, text)) == (True, False)
