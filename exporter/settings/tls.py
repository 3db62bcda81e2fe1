"""TLS as the web configuration asks for it: files in, an SSL context out, or a fault that names key and file."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from exporter.errors import Fault
from exporter.settings import lifetime, regular_file

SECTION = "tls_server_config"
VERSIONS = {f"TLS{number}": getattr(ssl.TLSVersion, f"TLSv1_{number[1]}") for number in ("12", "13")}

# Go does not look at the certificate that RequestClientCert asks for, so it comes to the same as asking for none.
CLIENT_AUTH = {
    "NoClientCert": ssl.CERT_NONE,
    "RequestClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


@dataclass(frozen=True)
class Tls:
    """Certificates in use."""

    context: ssl.SSLContext
    certificate: Path
    not_after: float | None
    """Unix time at which the certificate expires; None where it cannot be read."""


class _Encrypted(Exception):
    """OpenSSL has asked for the phrase of a key."""


def load(values: Mapping[str, Any], folder: Path, faults: list[Fault]) -> Tls | None:
    """TLS by the checked *values* of the section, with files below *folder*; None for plain HTTP, or with a fault."""
    if not values:
        return None
    before, verify = len(faults), CLIENT_AUTH[values.get("client_auth_type", "NoClientCert")]
    required = ["cert_file", "key_file", *(["client_ca_file"] if verify is not ssl.CERT_NONE else [])]
    files = {key: file for key in required if (file := _file(key, values, folder, faults))}
    _refuse_contradictions(values, verify, faults)
    found = _tls(values, files, verify, faults) if len(faults) == before else None
    return found if len(faults) == before else None


def _file(key: str, values: Mapping[str, Any], folder: Path, faults: list[Fault]) -> Path | None:
    """The file under *key*, which can be read."""
    if key not in values:
        _fault(faults, key, "expected a file, found nothing")
        return None
    file = folder / str(values[key])
    try:
        with regular_file.opened(file):
            return file
    except OSError as error:
        _fault(faults, key, f"{file}: {error.strerror}")
        return None


def _refuse_contradictions(values: Mapping[str, Any], verify: ssl.VerifyMode, faults: list[Fault]) -> None:
    if "client_ca_file" in values and verify is ssl.CERT_NONE:
        _fault(faults, "client_ca_file", "of no use without a client_auth_type that verifies")
    least, most = values.get("min_version", "TLS12"), values.get("max_version", "TLS13")
    if least > most:
        _fault(faults, "max_version", f"expected at least min_version ({least}), found {most}")


def _tls(values: Mapping[str, Any], files: Mapping[str, Path], verify: ssl.VerifyMode, faults: list[Fault]) -> Tls:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = VERSIONS[values.get("min_version", "TLS12")]
    context.maximum_version = VERSIONS[values.get("max_version", "TLS13")]
    _load_pair(context, files["cert_file"], files["key_file"], faults)
    if "client_ca_file" in files:
        _load_certificates(context, "client_ca_file", files["client_ca_file"], faults)
    context.verify_mode = verify
    return Tls(context, files["cert_file"], lifetime.end(files["cert_file"].read_bytes()))


def _load_pair(context: ssl.SSLContext, certificate: Path, key: Path, faults: list[Fault]) -> None:
    """OpenSSL does not say which of the two files it could not read, so the first is looked at by itself before."""
    if not _load_certificates(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "cert_file", certificate, faults):
        return
    try:
        context.load_cert_chain(certificate, key, password=_refuse_phrase)
    except _Encrypted:
        _fault(faults, "key_file", f"{key}: the key is encrypted, and there is nobody to ask for its phrase")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            _fault(faults, "key_file", f"{key}: not the key of the certificate in {certificate}")
        elif error.reason:  # what OpenSSL holds against the certificate, such as a key that is too short
            _fault(faults, "cert_file", f"{certificate}: cannot be used: {error.reason.replace('_', ' ').lower()}")
        else:
            _fault(faults, "key_file", f"{key}: holds no private key in PEM")


def _load_certificates(context: ssl.SSLContext, key: str, file: Path, faults: list[Fault]) -> bool:
    """Have the *context* trust what is in *file*, if it can be read."""
    try:
        context.load_verify_locations(file)
    except ssl.SSLError:
        _fault(faults, key, f"{file}: holds no certificates in PEM, or broken ones")
        return False
    return True


def _refuse_phrase() -> NoReturn:
    """What OpenSSL calls for the phrase of a key; by itself it would ask on the terminal."""
    raise _Encrypted


def _fault(faults: list[Fault], key: str, message: str) -> None:
    faults.append(Fault(f"{SECTION}.{key}", message))
