import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.settings import lifetime
from tests.lab import certificates


def end(certificate: Path) -> int:
    return ssl.cert_time_to_seconds(certificates.end(certificate))


@pytest.mark.parametrize("days", [2, 20_000, 400_000])
def test_a_certificate_ends_when_openssl_says_so(tmp_path: Path, days: int) -> None:
    """From 2050 on the year has four digits, and there is no end to it."""
    certificates.make(tmp_path, "own", days)

    assert lifetime.end((tmp_path / "own.crt").read_bytes()) == end(tmp_path / "own.crt")


def test_the_first_certificate_counts(tmp_path: Path) -> None:
    for name, days in (("own", 2), ("authority", 3)):
        certificates.make(tmp_path, name, days)
    own, authority = ((tmp_path / f"{name}.crt").read_bytes() for name in ("own", "authority"))

    assert lifetime.end(b"a comment\n" + own + authority) == end(tmp_path / "own.crt")


def test_two_digits_are_a_year_from_1950_to_2049() -> None:
    assert lifetime._time(lifetime._UTC_TIME, "491231235959Z").year == 2049
    assert lifetime._time(lifetime._UTC_TIME, "500101000000Z").year == 1950


@given(st.binary(max_size=200))
def test_what_is_no_certificate_has_no_end_and_does_no_harm(junk: bytes) -> None:
    pem = ssl.DER_cert_to_PEM_cert(junk).encode()

    assert lifetime.end(junk) is lifetime.end(pem) is None
