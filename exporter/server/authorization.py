"""Who may ask: HTTP basic authentication (RFC 7617) against bcrypt hashes.

Checking a password takes a tenth of a second on purpose, so it is done in a thread of its own, one after the other, and
how many may wait for it is bounded. Who guesses must not keep those from asking who know: what was right once is known
for good, needs no check and is forgotten for nothing that is wrong; and until then they wait by turns of the addresses
that they come from, however many guesses come from another.
"""

import asyncio
import binascii
import hmac
import logging
import os
import time
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from exporter.durations import spoken
from exporter.server.turns import TurnedAway, Turns
from exporter.threads.pool import Busy, Pool

log = logging.getLogger(__name__)

MAX_WAITING = 16
MAX_WRONG = 100
"""Wrong passwords that are remembered, so that who has an old one and asks again and again costs nothing."""
SLOW_SECONDS = 1.0
"""A check that takes longer is warned of."""
_MAX_PASSWORD = 72
"""Bytes of a password that bcrypt looks at."""
_LEAST_COST = 4

_SECRET = os.urandom(32)
"""Makes what is remembered of passwords useless for looking them up in a table."""


class NotChecked(Exception):
    """Too many passwords wait to be checked, or the server ends."""


class Authorization:
    """Checks the Authorization header against *users*, bcrypt hashes by name. Raises StartError."""

    def __init__(self, users: Mapping[str, str]) -> None:
        import bcrypt  # noqa: PLC0415 - an optional dependency, which the settings have found where there are users

        self._check = bcrypt.checkpw
        self._users = users
        self._least_seconds = min(_times(partial(bcrypt.hashpw, b"", bcrypt.gensalt(_LEAST_COST))))
        """Of processor time, for a check of the least cost."""
        self._warn_of_slow()
        self._thread = Pool("bcrypt", number=1, waiting=1)
        self._turns = Turns(MAX_WAITING)
        self._right: dict[str, bytes] = {}
        """Of each user, the right password, when somebody has had it."""
        self._wrong: dict[bytes, None] = {}

    async def allows(self, header: str, origin: str = "") -> bool:
        """Whether the *header* names a user with the right password. Raises NotChecked.

        Passwords from the same *origin* wait in the same queue.
        """
        guess = self._guess(header)
        if guess is None:
            return False
        known = self._known(guess)
        return await self._checked(guess, origin) if known is None else known

    def follow(self, users: Mapping[str, str]) -> None:
        """Check against *users* from now on; of whom the hash is still the same the password is still known."""
        is_news, self._users = users != self._users, users
        if is_news:
            self._warn_of_slow()
        self._right = {user: key for user, key in self._right.items() if user in users}

    def close(self) -> None:
        """Check no more passwords."""
        self._turns.close()
        self._thread.close()

    def _warn_of_slow(self) -> None:
        """Name who takes longest to be checked, if that is too long.

        Each step of a hash's cost doubles it: what is tenths of a second at 12 is a day at 31, and nobody can stop it.
        """
        cost, slowest = max((_cost(hashed), user) for user, hashed in self._users.items())
        seconds = self._least_seconds * 2.0 ** (cost - _LEAST_COST)
        if seconds > SLOW_SECONDS:
            log.warning(
                "a check of the password of %s takes about %s here, since its bcrypt hash is of cost %d, "
                "and whoever has not been let in before waits for it",
                slowest,
                spoken(seconds),
                cost,
            )

    def _stand_in(self, user: str) -> str:
        """The hash that a *user* whom there is not is checked against: always the same one of somebody whom there is.

        Were it of another cost, how long that takes would tell who is no user.
        """
        hashes = sorted(self._users.values())
        return hashes[int.from_bytes(_digest(user.encode())) % len(hashes)]

    def _guess(self, header: str) -> "_Guess | None":
        credentials = _credentials(header)
        if credentials is None:
            return None
        user, password = credentials
        hashed = self._users.get(user, self._stand_in(user)).encode()
        return _Guess(user, password, hashed, _digest(user.encode(), hashed, password))

    def _known(self, guess: "_Guess") -> bool | None:
        """Whether it was right when it was checked; None if it was not checked, or is forgotten."""
        if self._right.get(guess.user) == guess.key:
            return True
        return False if guess.key in self._wrong else None

    async def _checked(self, guess: "_Guess", origin: str) -> bool:
        try:
            async with self._turns.turn(origin):
                known = self._known(guess)  # whoever had the turn before may have guessed the same
                return await self._newly_checked(guess) if known is None else known
        except (TurnedAway, Busy, asyncio.CancelledError):
            raise NotChecked from None

    async def _newly_checked(self, guess: "_Guess") -> bool:
        matches = self._thread.submit(partial(self._check, guess.password, guess.hashed))
        correct = await asyncio.wrap_future(matches) and guess.user in self._users
        if correct:
            self._right[guess.user] = guess.key
        else:
            self._remember_wrong(guess.key)
        return correct

    def _remember_wrong(self, key: bytes) -> None:
        """The oldest is forgotten first, so that they cannot fill the memory."""
        self._wrong[key] = None
        if len(self._wrong) > MAX_WRONG:
            del self._wrong[next(iter(self._wrong))]


class _Guess(NamedTuple):
    """What somebody says to be the password of a user."""

    user: str
    password: bytes
    hashed: bytes
    """What it is checked against."""
    key: bytes
    """By which it is remembered; not even that gives the password away."""


def _cost(hashed: str) -> int:
    return int(hashed.split("$")[2])


def _times(work: Callable[[], object]) -> Iterator[float]:
    for _ in range(3):
        begun = time.thread_time()
        work()
        yield time.thread_time() - begun


def _credentials(header: str) -> tuple[str, bytes] | None:
    """User and what bcrypt looks at of the password; None if the header is not what RFC 7617 says."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = b64decode(encoded, validate=True).partition(b":")
        return (user.decode(), password[:_MAX_PASSWORD]) if colon else None
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None


def _digest(*parts: bytes) -> bytes:
    return hmac.digest(_SECRET, b"\0".join(parts), "sha256")
