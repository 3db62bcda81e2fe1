import asyncio
import http.client
import itertools
import re
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.server import authorization
from exporter.server.authorization import Authorization, NotChecked
from exporter.server.connections import Bounds
from exporter.server.routes import Access
from tests.server.serving import Bytes, Serving, serving, site

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


class Counting:
    """Checks passwords, and notes against which hashes; not before *gate* is opened."""

    def __init__(self) -> None:
        self.hashes: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, password: bytes, hashed_password: bytes) -> bool:
        self.gate.wait(10)
        self.hashes.append(hashed_password.decode())
        return bcrypt.checkpw(password, hashed_password)


def counted(users: Mapping[str, str] = USERS) -> tuple[Authorization, Counting]:
    guard, counting = Authorization(users), Counting()
    guard._check = counting
    return guard, counting


def hash_of(password: bytes, cost: int = 4) -> str:
    return bcrypt.hashpw(password, bcrypt.gensalt(cost)).decode()


def cost(hashed: str) -> int:
    return int(hashed.split("$")[2])


def test_a_wrong_password_of_whomever_is_checked_once_and_at_the_cost_of_the_users() -> None:
    """Else the time that a refusal takes would tell who is a user."""

    async def costs(users: Mapping[str, str], name: str) -> list[int]:
        guard, counting = counted(users)
        assert not await guard.allows(basic(name, b"wrong"))
        return [cost(hashed) for hashed in counting.hashes]

    for expected in (4, 6):
        users = {"alice": hash_of(b"secret", expected)}
        assert [asyncio.run(costs(users, name)) for name in ("alice", "bob", "eve")] == [[expected]] * 3


def test_unknown_users_spread_over_the_costs_of_the_users_each_always_at_the_same() -> None:
    """Had all of them the same cost, users of another would stand out."""
    users = {"alice": hash_of(b"secret", 4), "carol": hash_of(b"secret", 5)}

    async def costs(name: str) -> set[int]:
        guard, counting = counted(users)
        for number in range(3):
            assert not await guard.allows(basic(name, b"%d" % number))
        return {cost(hashed) for hashed in counting.hashes}

    found = [asyncio.run(costs(f"user{number}")) for number in range(40)]

    assert {len(one) for one in found} == {1}
    assert set.union(*found) == {4, 5}


def test_an_unknown_user_is_refused_also_with_the_password_of_a_known_one() -> None:
    assert not allows(basic("bob", b"secret"))


def test_a_password_is_checked_once_also_if_many_have_it_at_the_same_time() -> None:
    async def ask() -> int:
        guard, counting = counted()
        assert all(await asyncio.gather(*(guard.allows(RIGHT) for _ in range(5))))
        assert await guard.allows(RIGHT)
        return len(counting.hashes)

    assert asyncio.run(ask()) == 1


def test_a_wrong_password_that_comes_again_and_again_is_checked_once() -> None:
    async def ask() -> int:
        guard, counting = counted()
        for _ in range(5):
            assert not await guard.allows(basic("alice", b"old"))
        return len(counting.hashes)

    assert asyncio.run(ask()) == 1


def test_without_a_name_and_a_password_nothing_is_checked() -> None:
    async def ask() -> list[str]:
        guard, counting = counted()
        for header in ("", "Basic", "Bearer x", "Basic !!!"):
            assert not await guard.allows(header)
        return counting.hashes

    assert asyncio.run(ask()) == []


def test_a_flood_of_wrong_passwords_is_bounded_in_work_and_in_memory() -> None:
    async def flood() -> list[bool | BaseException]:
        guard = Authorization(USERS)
        asked = (guard.allows(basic("alice", str(number).encode())) for number in range(200))
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert len(guard._wrong) <= authorization.MAX_WRONG
        return found

    found = asyncio.run(flood())

    # One is being checked, and so many wait.
    assert sum(isinstance(one, NotChecked) for one in found) == 200 - 1 - authorization.MAX_WAITING


def test_the_right_password_is_never_forgotten_for_wrong_ones() -> None:
    async def ask() -> int:
        guard, counting = counted()
        assert await guard.allows(RIGHT)
        for number in range(2 * authorization.MAX_WRONG):
            assert not await guard.allows(basic("alice", str(number).encode()))
        counting.hashes.clear()
        assert await guard.allows(RIGHT)
        return len(counting.hashes)

    assert asyncio.run(ask()) == 0


def test_who_is_known_does_not_wait_for_who_guesses() -> None:
    async def ask() -> None:
        guard, counting = counted()
        assert await guard.allows(RIGHT)
        counting.gate.clear()
        guesses = [asyncio.create_task(guard.allows(basic("alice", str(number).encode()))) for number in range(60)]
        await asyncio.sleep(0)
        assert await asyncio.wait_for(guard.allows(RIGHT), 20.0)
        counting.gate.set()
        await asyncio.gather(*guesses, return_exceptions=True)

    asyncio.run(ask())


def test_who_is_not_known_yet_gets_a_turn_however_many_guess_from_elsewhere() -> None:
    """As after a restart, which guessers do not wait for."""

    async def ask() -> int:
        guard, counting = counted()
        counting.gate.clear()
        guesses = [
            asyncio.create_task(guard.allows(basic("alice", str(number).encode()), "192.0.2.66"))
            for number in range(60)
        ]
        await asyncio.sleep(0)
        scrape = asyncio.create_task(guard.allows(RIGHT, "192.0.2.1"))
        await asyncio.sleep(0)
        counting.gate.set()
        assert await scrape
        checked_before = len(counting.hashes)
        await asyncio.gather(*guesses, return_exceptions=True)
        return checked_before

    assert asyncio.run(ask()) <= 3


def test_who_has_the_same_hash_after_a_reload_is_still_known_and_who_has_another_is_not() -> None:
    async def ask() -> list[int]:
        guard, counting = counted()
        assert await guard.allows(RIGHT)
        guard.follow({**USERS, "bob": hash_of(b"other")})
        assert await guard.allows(RIGHT)
        unchanged = len(counting.hashes)
        guard.follow({"alice": hash_of(b"secret")})
        assert await guard.allows(RIGHT)
        changed = len(counting.hashes)
        guard.follow({"alice": hash_of(b"new")})
        assert not await guard.allows(RIGHT)
        guard.follow({"bob": hash_of(b"other")})
        assert not await guard.allows(RIGHT)
        return [unchanged, changed]

    assert asyncio.run(ask()) == [1, 2]


def test_at_the_end_nobody_waits_any_longer() -> None:
    async def ask() -> list[bool | BaseException]:
        guard, counting = counted()
        counting.gate.clear()
        asked = [asyncio.create_task(guard.allows(basic("alice", str(number).encode()))) for number in range(5)]
        await asyncio.sleep(0)
        guard.close()
        waited = await asyncio.wait_for(asyncio.gather(*asked[1:], return_exceptions=True), 20.0)
        counting.gate.set()
        await asyncio.gather(asked[0], return_exceptions=True)
        return waited

    assert {type(one) for one in asyncio.run(ask())} == {NotChecked}


@pytest.mark.parametrize(("of_most", "is_said"), [(10, False), (31, True)])
def test_a_hash_that_takes_long_to_check_is_warned_of_with_how_long(
    of_most: int, *, is_said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """By an estimate: to try would take a day."""
    users = {"alice": USERS["alice"], "bob": USERS["alice"].replace("$04$", f"${of_most}$")}
    guard = Authorization(users)
    guard.follow(dict(users))

    assert len(caplog.messages) == is_said
    for message in caplog.messages:
        assert re.match(r"a check of the password of bob takes about \d+ (d|h)\b.* cost 31,", message)


def test_a_reload_that_brings_such_a_hash_warns_of_it(caplog: pytest.LogCaptureFixture) -> None:
    guard = Authorization(USERS)
    guard.follow({"alice": USERS["alice"].replace("$04$", "$24$")})

    assert [message.split(" takes")[0] for message in caplog.messages] == ["a check of the password of alice"]


@contextmanager
def guessing(server: Serving, number: int) -> Iterator[None]:
    """So many clients that try one password after the other until the end of the block."""
    over = threading.Event()

    def guess(client: int) -> None:
        tries = itertools.count()
        while not over.is_set():
            with suppress(OSError, http.client.HTTPException):
                server.get(Authorization=basic("alice", f"{client} {next(tries)}".encode()))

    guessers = [threading.Thread(target=guess, args=(client,)) for client in range(number)]
    for guesser in guessers:
        guesser.start()
    try:
        yield
    finally:
        over.set()
        for guesser in guessers:
            guesser.join()


def scrape_from(address: str, server: Serving) -> int:
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10, source_address=(address, 0))
    client.request("GET", "/metrics", headers={"Authorization": RIGHT})
    answer = client.getresponse()
    answer.read()
    client.close()
    return answer.status


@pytest.mark.parametrize("scraper", ["127.0.0.1", "127.0.0.2"], ids=["who was there first", "who comes later"])
def test_sixty_guessers_fail_no_scrape(scraper: str) -> None:
    """Guessers come from 127.0.0.1, and between two scrapes have time for more guesses than are remembered."""
    access = Access(Authorization({"alice": hash_of(b"secret", 5)}))
    with serving(site(Bytes(), access=lambda: access), Bounds()) as server:
        found = [scrape_from(scraper, server)] if scraper == "127.0.0.1" else []
        with guessing(server, 60):
            for _ in range(10):
                found.append(scrape_from(scraper, server))
                time.sleep(0.3)

    assert set(found) == {200}


@pytest.mark.parametrize("path", ["/metrics", "/", "/-/healthy", "/nothing"])
def test_every_path_asks_for_the_password(path: str) -> None:
    access = Access(Authorization(USERS), {"X-Frame-Options": "deny"})
    with serving(site(Bytes(), access=lambda: access)) as server:
        refused, headers, body = server.get(path)
        allowed, _, _ = server.get(path, Authorization=RIGHT)

    assert (refused, body) == (401, b"401 Unauthorized\n")
    assert (headers["Www-Authenticate"], headers["X-Frame-Options"]) == ("Basic", "deny")
    assert allowed == (404 if path == "/nothing" else 200)
