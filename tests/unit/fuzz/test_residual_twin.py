"""The fund's residual sold and netted after random waterfalls, charges included: chain and model.

Both sides having whole lots of their own at once is rare, so what is counted is written here, on
chain and in the model alike; books, words and conservation must agree to the unit.
"""

from __future__ import annotations

from random import Random

import pytest

from plimsoll.fuzz.campaign import twin_here
from plimsoll.fuzz.play import Play
from plimsoll.fuzz.words import Slots
from plimsoll.model.identities import check_conservation
from plimsoll.model.ledger import Counted

SEED = 20210519
GAMES = 40


def write(twin, market: int, rnd: Random) -> None:
    """Some lots of each side, up to a third of the open interest, at some cost."""
    slots, book = Slots("MarginEngine"), twin.house.book(market)
    most = max(2, min(2**40, (book.oi << 24) // 3))
    for at, sign in enumerate((1, -1)):
        side = book.sides[sign]
        shares = rnd.randrange(1, most) * 2**95 // side.p
        cost = shares * (side.k + side.p * rnd.randrange(1, 2**41)) >> 95
        side.counted = Counted(shares, cost, side.era)
        slot = int.from_bytes(slots("residuals", "words", 2 * market + at), "little")
        word = (cost << 104 | shares << 16 | side.era) % 2**256
        twin.stand.evm.set_storage(twin.stand.engine.address, slot, word)


@pytest.mark.parametrize("game", range(GAMES))
def test_residual__after_a_random_waterfall__chain_equals_model_and_conserves(game: int) -> None:
    print(f"seed {SEED}/{game}")
    rnd, twin = Random(f"{SEED}/{game}"), twin_here()
    twin.reset()
    play = Play(twin, rnd)
    play.run()
    market = max(play.markets, key=lambda m: abs(twin.house.book(m).sides[1].x))
    write(twin, market, rnd)
    twin.apply(["insure", 10**12])
    twin.apply(["residual_of", market])
    for number in range(play.number):
        lots = rnd.choice((1, -1)) * rnd.choice((1, rnd.randrange(1, 2**12)))
        twin.apply(["residual", number, market, lots, 2**55 if lots > 0 else 0])
    twin.apply(["net", market])
    check_conservation(twin.house)
    assert twin.stand.engine.solvency().gap == 0


def test_residual__games_of_this_seed__net_charged_sides() -> None:
    """What the games above are for is met in them."""
    met = 0
    for game in range(GAMES):
        rnd, twin = Random(f"{SEED}/{game}"), twin_here()
        twin.reset()
        play = Play(twin, rnd)
        play.run()
        market = max(play.markets, key=lambda m: abs(twin.house.book(m).sides[1].x))
        write(twin, market, rnd)
        twin.apply(["insure", 10**12])
        book = twin.house.book(market)
        charged = book.sides[1].x != book.sides[-1].x
        met += charged and not twin.apply(["net", market])[0]
    assert met >= 3
