"""The waterfall's last steps: fields at their width pass the loss on instead of stopping it."""

from __future__ import annotations

import pytest

from plimsoll.fuzz.words import hot_word
from plimsoll.model.cash import ERA_FLOOR, LAST_ERA, RAY
from plimsoll.model.engine_types import DeleverageTerms, Fill
from plimsoll.model.standard_margin import Quote
from tests.invariant.twin import SIGMA, START, Twin

USD = 10**15
TOKEN = 10**6
TERMS = DeleverageTerms(0, 5_000_000, 3_600, 10_000, 9_500)


@pytest.fixture
def twin():
    return Twin(3)


def store(twin, word, *path):
    """Set a word of the engine's storage."""
    twin.chain.evm.set_storage(twin.chain.engine.address, twin.chain.slot(*path), word)


def crash(twin, mark, lots=20 * 10**6):
    """One goes long with all it has, the price falls to `mark`; the deficit is deleveraged."""
    broke, maker = twin.ids[:2]
    twin.set_quote(1, Quote(START[1], sigma=SIGMA))
    twin.deposit(broke, 10_000 * TOKEN)
    twin.deposit(maker, 10_000 * TOKEN)
    assert twin.settle([Fill(0, broke, maker, lots, START[1], 0)])[0] == ""
    twin.set_quote(1, Quote(mark, sigma=SIGMA))
    twin.auction("freeze", broke)
    refused, result = twin.auction("deleverage", broke, 0, TERMS)
    assert refused == ""
    assert result.from_fund + result.charged + result.socialised == result.deficit
    twin.auction("thaw", broke)
    return result


def test_socialise__in_the_last_era__leaves_the_rest_in_the_hole(twin):
    word = RAY | RAY << 96 | LAST_ERA << 248
    store(twin, word, "cash", "indices")
    twin.model.cash.era = LAST_ERA
    crash(twin, 10**9)
    cash = twin.model.cash
    assert cash.era == LAST_ERA
    assert ERA_FLOOR <= cash.supply_index <= ERA_FLOOR + 1
    assert 0 < cash.hole < 10 * USD
    assert cash.owed >= cash.hole
    assert twin.chain.engine.solvency().gap == 0
    hole = cash.hole
    crash(twin, 10**9)  # and again, with new money: nothing stops
    assert twin.model.cash.hole > hole


def test_income__fills_the_hole_first__then_cash(twin):
    store(twin, RAY | RAY << 96 | LAST_ERA << 248, "cash", "indices")
    twin.model.cash.era = LAST_ERA
    crash(twin, 10**9)
    assert (twin.simple("collect_fees", 0), twin.model.cash.pot > 0) == (("", None), True)
    hole, pot, index = twin.model.cash.hole, twin.model.cash.pot, twin.model.cash.supply_index
    assert 0 < hole < pot
    twin.simple("recover")
    assert twin.model.cash.hole == 0
    assert twin.model.cash.pot <= pot - hole
    twin.advance(86_400)
    twin.simple("recover")
    assert twin.model.cash.supply_index > index
    assert twin.chain.engine.solvency().gap == 0


@pytest.mark.parametrize("left", [0, 5, 10**9])
def test_charge__index_at_its_width__passes_the_loss_on(twin, left):
    side = twin.model.markets[0].sides[-1]
    side.x = -(2**55) + left
    store(twin, hot_word(twin.model.markets[0]) % 2**256, "ledger", "hot", 0)
    result = crash(twin, 1_000 * 10**9)
    assert result.charged == min(left, 5 * 10**9) * 20 * 10**6
    assert result.socialised == result.deficit - result.charged > 0
    assert hot_word(twin.model.markets[0]) >> 144 != 0
