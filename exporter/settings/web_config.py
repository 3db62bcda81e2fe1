"""The web configuration: TLS, users and headers, in the format of Prometheus' exporter-toolkit.

What the toolkit has and Python's ssl module or this server has not is refused by name, rather than passed over: nobody
should believe to be protected who is not.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from exporter.errors import ConfigError, Fault
from exporter.settings import schema, tls
from exporter.settings.schema import Check
from exporter.settings.tls import Tls

_ANY_HEADER: tuple[str, ...] = ()

_HEADERS = {
    "Content-Security-Policy": _ANY_HEADER,
    "Strict-Transport-Security": _ANY_HEADER,
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": _ANY_HEADER,
}
"""Those that may be set, and the values that a header may have where browsers know only some."""

_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}", re.ASCII)
"""128 bits of salt in 22 characters, of which the last has two, and then the hash."""
_COSTS = range(4, 32)

_BOOLEANS = frozenset({"y", "yes", "true", "on", "n", "no", "false", "off"})


@dataclass(frozen=True)
class WebConfig:
    """How the server is reached."""

    tls: Tls | None = None
    """None for plain HTTP."""
    users: Mapping[str, str] = field(default_factory=dict)
    """bcrypt hashes by user; without any, everybody may read."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every answer."""


def named(path: Path | None) -> WebConfig:
    """The web configuration in *path*, or plain HTTP for everybody where none is named. Raises ConfigError."""
    return load(path) if path else WebConfig()


def load(path: Path) -> WebConfig:
    """The web configuration in *path*; its relative paths are below the folder of the file. Raises ConfigError."""
    text = schema.read(path)
    from exporter.settings import yaml_document  # noqa: PLC0415 - most run without such a file

    document, faults = yaml_document.load(text, yaml_document.Texts)
    values = schema.mapping(_KEYS)(document, "", faults)
    served = None if faults else tls.load(values.get(tls.SECTION) or {}, path.parent, faults)
    if faults:
        raise ConfigError(str(path), tuple(faults))
    headers = (values.get("http_server_config") or {}).get("headers") or {}
    return WebConfig(served, values.get("basic_auth_users") or {}, headers)


def _refused(why: str) -> Check:
    """A key of the toolkit's that there is nothing for here."""

    def check(value: Any, path: str, faults: list[Fault]) -> None:
        del value
        faults.append(Fault(path, f"not supported: {why}"))

    return check


def _one_of(choices: Mapping[str, Any]) -> Check:
    return schema.scalar(f"one of {', '.join(choices)}", schema.one_of(tuple(choices)))


def _client_auth(value: Any, path: str, faults: list[Fault]) -> Any:
    if value in ("RequireAnyClientCert", "RequireClientCert"):
        faults.append(Fault(path, f"{value} is not supported: it lets in whoever has made a certificate of his own"))
        return None
    return _one_of(tls.CLIENT_AUTH)(value, path, faults)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError(value)
    return value


def _header(values: tuple[str, ...]) -> Callable[[Any], str]:
    """The text of a header, one of *values* if there are any; what is not ASCII could not be sent."""

    def convert(value: Any) -> str:
        if not _text(value).isascii() or (values and value.lower() not in values):
            raise ValueError(value)
        return str(value)

    return convert


def _header_check(values: tuple[str, ...]) -> Check:
    return schema.scalar(" or ".join(values) or "text in ASCII", _header(values))


def _boolean(value: Any) -> None:
    """As YAML 1.1 spells it; nobody asks which it is."""
    if value is not None and str(value).lower() not in _BOOLEANS:
        raise ValueError(value)


def _users(value: Any, path: str, faults: list[Fault]) -> Mapping[str, str]:
    """Users with their hashes; a fault does not show the hash."""
    users = {} if value is None else value
    if not isinstance(users, dict):
        faults.append(Fault(path, "expected a mapping of users to bcrypt hashes"))
        return {}
    if users and find_spec("bcrypt") is None:
        faults.append(Fault(path, "needs the package bcrypt: install tcp-state-exporter[auth]"))
    wrong = {user: why for user, hashed in users.items() if (why := _wrong_user(user, hashed))}
    faults.extend(Fault(f"{path}.{user}", why) for user, why in wrong.items())
    return users


def _wrong_user(user: Any, hashed: Any) -> str:
    """Why nobody could ever log in as this one; empty if somebody can."""
    found = _BCRYPT.fullmatch(hashed) if isinstance(hashed, str) else None
    if not isinstance(user, str) or not found:
        return "expected a bcrypt hash ($2a$, $2b$ or $2y$)"
    return "" if int(found[1]) in _COSTS else f"expected a bcrypt hash of a cost from 4 to 31, found {found[1]}"


_FILE = schema.scalar("the name of a file", _text)
_NOT_INLINE = _refused("put it into a file and name that")

_KEYS: Mapping[str, Check] = {
    tls.SECTION: schema.mapping(
        {
            "cert_file": _FILE,
            "key_file": _FILE,
            "client_ca_file": _FILE,
            "client_auth_type": _client_auth,
            "min_version": _one_of(tls.VERSIONS),
            "max_version": _one_of(tls.VERSIONS),
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
            "http2": schema.scalar("true or false; there is no HTTP/2 in either case", _boolean),
            "headers": schema.mapping({name: _header_check(values) for name, values in _HEADERS.items()}),
        }
    ),
    "basic_auth_users": _users,
    "rate_limit": _refused("answers are rendered once a sample, however many scrape"),
}
