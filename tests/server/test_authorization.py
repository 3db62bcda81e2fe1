import asyncio
from base64 import b64encode

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.server import authorization
from exporter.server.authorization import Authorization, NotChecked
from exporter.server.routes import Access
from tests.server.serving import Bytes, serving, site

USERS = {"alice": bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()}


def basic(user: str, password: bytes) -> str:
    return "Basic " + b64encode(user.encode() + b":" + password).decode()


RIGHT = basic("alice", b"secret")


def allows(header: str) -> bool:
    return asyncio.run(Authorization(USERS).allows(header))


@pytest.mark.parametrize("header", [RIGHT, RIGHT.replace("Basic", "basic")])
def test_a_user_with_the_right_password_may_ask(header: str) -> None:
    assert allows(header)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !!!",
        "Bearer secret",
        basic("alice", b"Secret"),
        basic("alice", b""),
        basic("bob", b"secret"),
        basic("", b""),
        basic("alice", b"x" * 1000),
        basic("alice", b"secret\0"),
        "Basic " + b64encode(b"\xff\xfe:secret").decode(),
        "Basic " + b64encode(b"alice").decode(),
    ],
)
def test_nobody_else_may(header: str) -> None:
    assert not allows(header)


@given(st.text(max_size=60))
def test_no_header_gets_in_or_breaks_anything(header: str) -> None:
    assert authorization._credentials(header) != ("alice", b"secret")


def test_unknown_users_take_as_long_as_known_ones_and_are_refused_whatever_they_say() -> None:
    """Their password is checked too, against a hash that is well formed."""
    assert bcrypt.checkpw(b"any", authorization._NOBODY.encode()) is False


def test_a_password_is_checked_once() -> None:
    async def ask_twice() -> int:
        checked = 0
        guard = Authorization(USERS)
        check = guard._check

        def counting(password: bytes, hashed_password: bytes) -> bool:
            nonlocal checked
            checked += 1
            return check(password, hashed_password)

        guard._check = counting
        assert await guard.allows(RIGHT)
        assert await guard.allows(RIGHT)
        return checked

    assert asyncio.run(ask_twice()) == 1


def test_a_flood_of_wrong_passwords_is_bounded_in_work_and_in_memory() -> None:
    async def flood() -> list[bool | BaseException]:
        guard = Authorization(USERS)
        asked = (guard.allows(basic("alice", str(number).encode())) for number in range(200))
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert len(guard._remembered) <= authorization.MAX_REMEMBERED
        return found

    found = asyncio.run(flood())

    assert sum(isinstance(one, NotChecked) for one in found) == 200 - authorization.MAX_WAITING


@pytest.mark.parametrize("path", ["/metrics", "/", "/-/healthy", "/nothing"])
def test_every_path_asks_for_the_password(path: str) -> None:
    access = Access(Authorization(USERS), {"X-Frame-Options": "deny"})
    with serving(site(Bytes(), access=lambda: access)) as server:
        refused, headers, body = server.get(path)
        allowed, _, _ = server.get(path, Authorization=RIGHT)

    assert (refused, body) == (401, b"401 Unauthorized\n")
    assert (headers["Www-Authenticate"], headers["X-Frame-Options"]) == ("Basic", "deny")
    assert allowed == (404 if path == "/nothing" else 200)
