"""The web configuration: TLS, users and headers, in the format of Prometheus' exporter-toolkit.

What the toolkit has and Python's ssl module or this server has not is refused by name, rather than passed over: nobody
should believe to be protected who is not.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exporter.errors import ConfigError, Fault
from exporter.settings import schema
from exporter.settings.schema import Check

_VERSIONS = {f"TLS{number}": getattr(ssl.TLSVersion, f"TLSv1_{number[1]}") for number in ("12", "13")}

# Go does not look at the certificate that RequestClientCert asks for, so it comes to the same as asking for none.
_CLIENT_AUTH = {
    "NoClientCert": ssl.CERT_NONE,
    "RequestClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}

_HEADERS = (
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
)

_BCRYPT = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")


@dataclass(frozen=True)
class WebConfig:
    """How the server is reached."""

    tls: ssl.SSLContext | None = None
    """None for plain HTTP."""
    users: Mapping[str, str] = field(default_factory=dict)
    """bcrypt hashes by user; without any, everybody may read."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every answer."""


def load(path: Path) -> WebConfig:
    """The web configuration in *path*; its relative paths are below the folder of the file. Raises ConfigError."""
    text = schema.read(path)
    from exporter.settings import yaml_document  # noqa: PLC0415 - most run without such a file

    document, faults = yaml_document.load(text)
    values = schema.mapping(_KEYS)(document, "", faults)
    tls = None if faults else _context(values.get("tls_server_config") or {}, path.parent, faults)
    if faults:
        raise ConfigError(str(path), tuple(faults))
    headers = (values.get("http_server_config") or {}).get("headers") or {}
    return WebConfig(tls, values.get("basic_auth_users") or {}, headers)


def _context(values: Mapping[str, Any], folder: Path, faults: list[Fault]) -> ssl.SSLContext | None:
    """The TLS settings, or None if there are none, or a fault for what does not fit together."""
    if not values:
        return None
    try:
        return _tls(values, folder)
    except KeyError as missing:
        faults.append(Fault(f"tls_server_config.{missing.args[0]}", "expected a file, found nothing"))
    except (OSError, ValueError) as error:
        faults.append(Fault("tls_server_config", f"cannot be used: {error}"))
    return None


def _tls(values: Mapping[str, Any], folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[values.get("min_version", "TLS12")]
    context.maximum_version = _VERSIONS[values.get("max_version", "TLS13")]
    context.load_cert_chain(folder / values["cert_file"], folder / values["key_file"])
    verify = _CLIENT_AUTH[values.get("client_auth_type", "NoClientCert")]
    if verify is not ssl.CERT_NONE:
        context.load_verify_locations(folder / values["client_ca_file"])
    elif "client_ca_file" in values:
        raise ValueError("client_ca_file is of no use without a client_auth_type that verifies")
    context.verify_mode = verify
    return context


def _refused(why: str) -> Check:
    """A key of the toolkit's that there is nothing for here."""

    def check(value: Any, path: str, faults: list[Fault]) -> None:
        del value
        faults.append(Fault(path, f"not supported: {why}"))

    return check


def _one_of(choices: Mapping[str, Any]) -> Check:
    return schema.scalar(f"one of {', '.join(choices)}", schema.one_of(tuple(choices)))


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError(value)
    return value


def _users(value: Any, path: str, faults: list[Fault]) -> Mapping[str, str]:
    """Users with their hashes; a fault does not show the hash."""
    if not isinstance(value, dict):
        faults.append(Fault(path, "expected a mapping of users to bcrypt hashes"))
        return {}
    for user, hashed in value.items():
        if not isinstance(user, str) or not isinstance(hashed, str) or not _BCRYPT.fullmatch(hashed):
            faults.append(Fault(f"{path}.{user}", "expected a bcrypt hash ($2a$, $2b$ or $2y$)"))
    return value


_FILE = schema.scalar("the name of a file", _text)
_NOT_INLINE = _refused("put it into a file and name that")

_KEYS: Mapping[str, Check] = {
    "tls_server_config": schema.mapping(
        {
            "cert_file": _FILE,
            "key_file": _FILE,
            "client_ca_file": _FILE,
            "client_auth_type": _one_of(_CLIENT_AUTH),
            "min_version": _one_of(_VERSIONS),
            "max_version": _one_of(_VERSIONS),
            "cert": _NOT_INLINE,
            "key": _NOT_INLINE,
            "client_ca": _NOT_INLINE,
            "client_allowed_sans": _refused("any certificate of the client CA is accepted"),
            "cipher_suites": _refused("OpenSSL's defaults are used"),
            "prefer_server_cipher_suites": _refused("OpenSSL's defaults are used"),
            "curve_preferences": _refused("OpenSSL's defaults are used"),
        }
    ),
    "http_server_config": schema.mapping(
        {
            "http2": schema.scalar("true or false; there is no HTTP/2 in either case", schema.boolean),
            "headers": schema.mapping({name: schema.scalar("text", _text) for name in _HEADERS}),
        }
    ),
    "basic_auth_users": _users,
    "rate_limit": _refused("answers are rendered once a sample, however many scrape"),
}
