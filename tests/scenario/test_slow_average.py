"""The starting values of the breaker meet the shipped crash of March 2020: a fall of half in a day
is interrupted, each time for about the confirmation time, and never blocked."""

from __future__ import annotations

from plimsoll.demo.prices import FEEDS, shipped
from plimsoll.demo.stage import TICKS_PER_ANSWER
from plimsoll.deployment.house import deploy_house
from plimsoll.units import from_ticks

SEED = 20200312
HALTED, SLOW_AVERAGE = 3, 6  # a state; a cause in the halt word
STEP = 60  # s between the tape's points


def test_march_2020__starting_values__few_short_halts() -> None:
    print(f"seed {SEED}")
    tape = shipped(SEED)
    first = {feed: str(from_ticks(price)) for feed, price in tape.at(tape.start).items()}
    house = deploy_house(config="local", prices=first)
    start = house.evm.timestamp + 60
    begun: dict[str, list[int]] = {feed: [] for feed in FEEDS}
    ended: dict[str, list[int]] = {feed: [] for feed in FEEDS}
    causes = set()
    for i, time in enumerate(tape.times):
        house.evm.set_timestamp(start + time - tape.start)
        for feed in FEEDS:
            house.feeds[feed][0].set_answer(tape.prices[feed][i] // TICKS_PER_ANSWER)
            house.poke(feed)
            halted = house.oracle.read(house.feed_id(feed)).state == HALTED
            if halted and len(begun[feed]) == len(ended[feed]):
                begun[feed].append(time)
                causes.add(house.oracle.feed_words(house.feed_id(feed))[5] >> 152 & 15)
            elif not halted and len(begun[feed]) > len(ended[feed]):
                ended[feed].append(time)
    assert {feed: len(times) for feed, times in begun.items()} == {"ETH": 3, "BTC": 1}
    assert causes == {SLOW_AVERAGE}
    for feed in FEEDS:
        lasted = [end - begin for begin, end in zip(begun[feed], ended[feed], strict=True)]
        assert max(lasted) <= 60 + STEP, lasted
