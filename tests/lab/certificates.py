"""Certificates for tests, made by openssl(1): each signs itself, so each is its own authority."""

import subprocess
from pathlib import Path

_CURVE = "ec_paramgen_curve:P-256"


def make(folder: Path, name: str, days: int = 2) -> None:
    """Write NAME.crt and NAME.key, for 127.0.0.1, into *folder*."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
    subject = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["req", "-x509", "-newkey", "ec", "-pkeyopt", _CURVE, "-nodes", "-days", str(days)]
    _openssl(*command, *subject, "-keyout", str(key), "-out", str(certificate))


def expire(folder: Path, name: str) -> None:
    """Write NAME.crt anew, with an end that was yesterday."""
    files = ["-in", str(folder / f"{name}.crt"), "-signkey", str(folder / f"{name}.key")]
    _openssl("x509", *files, "-days", "-1", "-out", str(folder / f"{name}.crt"))


def encrypt(folder: Path, name: str) -> None:
    """Write NAME.key anew, protected by a phrase."""
    key = folder / f"{name}.key"
    key.write_text(_openssl("pkey", "-in", str(key), "-aes128", "-passout", "pass:secret"))


def end(certificate: Path) -> str:
    """When the certificate ends, as openssl(1) says it."""
    return _openssl("x509", "-in", str(certificate), "-noout", "-enddate").removeprefix("notAfter=").strip()


def _openssl(*arguments: str) -> str:
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True).stdout
