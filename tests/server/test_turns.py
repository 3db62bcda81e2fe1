import asyncio

import pytest

from exporter.server.turns import TurnedAway, Turns


async def order(turns: Turns, arrivals: str) -> str:
    """Who had a turn, of those who arrived while another one had it, and the rest in capitals."""
    had: list[str] = []

    async def come(origin: str) -> None:
        try:
            async with turns.turn(origin):
                had.append(origin)
                await asyncio.sleep(0)
        except TurnedAway:
            had.append(origin.upper())

    async with turns.turn("first"):
        waiting = [asyncio.create_task(come(origin)) for origin in arrivals]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    return "".join(had)


def test_origins_take_turns_however_many_come_from_one() -> None:
    assert asyncio.run(order(Turns(10), "aaaabc")) == "abcaaa"


def test_whoever_has_most_places_gives_one_up_for_another_one() -> None:
    assert asyncio.run(order(Turns(3), "aaabc")) == "AAabc"


def test_where_all_have_as_many_places_whoever_comes_last_has_to_go() -> None:
    assert asyncio.run(order(Turns(3), "abcde")) == "DEabc"


def test_there_is_one_turn_at_a_time_and_nobody_gets_in_between() -> None:
    async def most() -> int:
        turns, inside, seen = Turns(50), 0, 0

        async def come(number: int) -> None:
            nonlocal inside, seen
            for _ in range(number % 7):
                await asyncio.sleep(0)
            async with turns.turn(str(number % 3)):
                inside += 1
                seen = max(seen, inside)
                await asyncio.sleep(0)
                inside -= 1

        await asyncio.gather(*map(come, range(40)))
        return seen

    assert asyncio.run(most()) == 1


def test_a_turn_that_fails_passes_on() -> None:
    async def fail_and_go_on() -> None:
        turns = Turns(1)
        with pytest.raises(ZeroDivisionError):
            async with turns.turn("a"):
                raise ZeroDivisionError
        async with asyncio.timeout(1), turns.turn("a"):
            pass

    asyncio.run(fail_and_go_on())
