"""Who may ask: HTTP basic authentication (RFC 7617) against bcrypt hashes.

Checking a password takes a tenth of a second on purpose, so it is done in a thread of its own, once for each password;
how many may wait for it is bounded, or a flood of wrong passwords would keep the right ones waiting.
"""

import asyncio
import binascii
import hashlib
from base64 import b64decode
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from exporter.errors import StartError

MAX_WAITING = 16
MAX_REMEMBERED = 100
_MAX_PASSWORD = 72
"""Bytes of a password that bcrypt looks at."""

_NOBODY = "$2b$10$CwTycUXWue0Thq9StjUM0uJ8hcZUMYOEEzYiuQGFZgC4x1j7X8J1W"
"""The hash that unknown users are checked against: they must not be told by how fast they are refused."""


class NotChecked(Exception):
    """Too many passwords wait to be checked, or the server ends."""


class Authorization:
    """Checks the Authorization header against *users*, bcrypt hashes by name. Raises StartError without bcrypt."""

    def __init__(self, users: Mapping[str, str]) -> None:
        try:
            import bcrypt  # noqa: PLC0415 - an optional dependency
        except ImportError as error:
            raise StartError("basic_auth_users needs the package bcrypt: install tcp-state-exporter[auth]") from error
        self._check = bcrypt.checkpw
        self._users = users
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bcrypt")
        self._waiting = 0
        self._remembered: dict[bytes, bool] = {}

    async def allows(self, header: str) -> bool:
        """Whether the *header* names a user with the right password. Raises NotChecked."""
        user, password = _credentials(header)
        hashed = self._users.get(user, _NOBODY)
        key = hashlib.sha256(b"\0".join((user.encode(), hashed.encode(), password))).digest()
        if key not in self._remembered:
            self._remember(key, correct=await self._checked(password, hashed))
        return self._remembered[key] and user in self._users

    def close(self) -> None:
        """Check no more passwords."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _checked(self, password: bytes, hashed: str) -> bool:
        if self._waiting >= MAX_WAITING:
            raise NotChecked
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, self._check, password[:_MAX_PASSWORD], hashed.encode())
        except asyncio.CancelledError:
            raise NotChecked from None
        finally:
            self._waiting -= 1

    def _remember(self, key: bytes, *, correct: bool) -> None:
        """The oldest is forgotten first, so that wrong passwords cannot fill the memory."""
        self._remembered[key] = correct
        if len(self._remembered) > MAX_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]


def _credentials(header: str) -> tuple[str, bytes]:
    """User and password; empty if the header is not what RFC 7617 says."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", b""
    try:
        user, _, password = b64decode(encoded, validate=True).partition(b":")
        return user.decode(), password
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return "", b""
