"""When a certificate ends, which Python's ssl module tells only of certificates that it has verified.

Of the certificate's DER (RFC 5280, section 4.1) nothing is read but the way to that date.
"""

import re
from base64 import b64decode
from datetime import UTC, datetime

_PEM = re.compile(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----(.+?)-----END", re.DOTALL)
_VERSION = 0xA0
"""The tag of the first field, which certificates of version 1 have not."""
_VALIDITY = 3
"""After serial number, algorithm and issuer."""
_UTC_TIME = 0x17
"""The tag of a time whose year has two digits."""


def end(pem: bytes) -> float | None:
    """Unix time at which the first certificate in *pem* expires; None where there is none, or it cannot be read."""
    found = _PEM.search(pem)
    try:
        return _end(b64decode(found[1])) if found else None
    except (ValueError, IndexError):
        return None


def _end(der: bytes) -> float:
    (_, certificate), *_ = _values(der)
    (_, signed), *_ = _values(certificate)
    fields = [content for tag, content in _values(signed) if tag != _VERSION]
    _, (tag, not_after) = _values(fields[_VALIDITY])
    return _time(tag, not_after.decode("ascii")).replace(tzinfo=UTC).timestamp()


def _time(tag: int, text: str) -> datetime:
    century = "" if tag != _UTC_TIME else "19" if text >= "50" else "20"
    return datetime.strptime(century + text, "%Y%m%d%H%M%SZ")  # noqa: DTZ007 - its Z is no zone to strptime


def _values(der: bytes) -> list[tuple[int, bytes]]:
    """Tag and content of the values that follow each other in *der*."""
    found, at = [], 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:  # then it is the number of bytes that the length has
            at, length = at + (length & 0x7F), int.from_bytes(der[at : at + (length & 0x7F)], "big")
        found.append((tag, der[at : at + length]))
        at += length
    return found
