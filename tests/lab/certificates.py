"""Certificates for tests, made by openssl(1): each signs itself, so each is its own authority."""

import subprocess
from pathlib import Path


def make(folder: Path, name: str) -> None:
    """Write NAME.crt and NAME.key, for 127.0.0.1, into *folder*."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    subject = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, *subject, "-keyout", key, "-out", certificate], check=True, capture_output=True)
