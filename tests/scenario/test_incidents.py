"""What broke others, as regressions by name: each asserts the property that would have caught it.

The incidents and their sources are those of docs/testing.md; those about options, intents or
several price sources per feed belong to later parts and are not here.
"""

from __future__ import annotations

from itertools import permutations

import pytest

from plimsoll.evm import Reverted
from plimsoll.risk_parameters import STARTING
from plimsoll.testing import reverts
from tests.stage import (
    ETH,
    FOREVER,
    ONE,
    TAKER_BUYS,
    TOK,
    TOKEN,
    USD,
    cash,
    conserves,
    equity,
    fill,
    list_markets,
    lots_of,
    move_price,
    ruin,
    run_auction,
)

SECOND_PRICE = 2_500


def take_all(house, who):
    """Withdraws the most that the engine lets go, to a USD; returns token units."""
    low, high = 0, max(cash(house, who.id), 0) // TOK
    while high - low > TOKEN:
        middle = (low + high) // 2
        try:
            house.engine.withdraw.call(who.id, middle, who, sender=who)
            low = middle
        except Reverted:
            high = middle
    if low:
        house.engine.withdraw(who.id, low, who, sender=who)
    return low


def bid(house, account, who, fraction=ONE, limit=10**30, auction_id=0):
    return house.auction.bid(
        account, who.id, auction_id, fraction, limit, FOREVER, sender=who
    ).value


def settles(house, one):
    """Whether a fill passes the health check, the only thing that may stop it here."""
    try:
        house.settle([one])
    except Reverted as exc:
        if exc.name != "HealthFell":
            raise
        return False
    return True


def holders_of_all(house):
    return [who.id for who in house.actors.values()]


# -- paper profit


def test_mango_2022__self_matched_and_pumped__nothing_leaves_on_paper(house, trader, rival):
    """Two colluding accounts trade with each other, the price doubles: together they get out at
    most what they put in, however long the profit stands open."""
    house.settle([fill(house, trader, rival, 40)])
    for price in (2_500, 3_200, 4_000):
        move_price(house, price)
    taken = take_all(house, trader)
    with pytest.raises(Reverted):
        house.engine.withdraw(rival.id, TOKEN, rival, sender=rival)
    house.advance(7 * 86_400, refresh=True)
    taken += take_all(house, trader)
    assert taken <= 10_000 * TOKEN
    conserves(house)


def test_mango_2022__own_fills__move_no_mark(house, trader, rival):
    mark = house.engine.market(ETH).mark
    house.settle([fill(house, trader, rival, 1, 2_099), fill(house, trader, rival, 1, 1_901)])
    house.advance(15)
    assert house.engine.market(ETH).mark == mark


def test_dydx_yfi_2023__profit_recycled_into_size__is_bounded_by_half_of_it(house, trader, maker):
    """Pyramiding on open profit: every further lot is carried by cash and half of the profit at
    most."""
    price, added = 2_000, True
    house.settle([fill(house, trader, maker, 40)])
    for _ in range(6):
        price = price * 103 // 100
        move_price(house, price)
        added = True
        while added:
            added = settles(house, fill(house, trader, maker, 5, price))
    margin = house.engine.margin(trader.id)
    profit = margin.equity - cash(house, trader.id)
    assert margin.initial_equity <= margin.equity - profit // 2
    assert margin.initial_equity >= margin.initial_requirement
    # A fall of the last step's size leaves it above its maintenance requirement.
    move_price(house, price * 98 // 100)
    after = house.engine.margin(trader.id)
    assert after.equity > after.requirement


def test_dydx_yfi_2023__crowded_market__asks_more_of_everyone(house, trader, maker, liquidator):
    """Margin grows with the market's open interest, for positions that did not change."""
    house.settle([fill(house, trader, maker, 10)])
    before = house.engine.margin(trader.id).initial_requirement
    house.settle([fill(house, liquidator, maker, 2_000)])
    assert house.engine.margin(trader.id).initial_requirement > before * 105 // 100


def test_hyperliquid_eth_whale_2025__withdrawal_against_open_profit__leaves_the_initial_margin(
    house, maker
):
    whale = house.actor("whale", quote=400_000)
    house.settle([fill(house, whale, maker, 1_500)])
    move_price(house, 2_150)
    take_all(house, whale)
    margin = house.engine.margin(whale.id)
    profit = margin.equity - cash(house, whale.id)
    assert cash(house, whale.id) >= 0
    assert margin.equity - profit >= margin.initial_requirement
    # Unwound 5 % under the mark, far past what the depth asks, nobody is owed anything.
    move_price(house, 2_042)
    assert equity(house, whale.id) > 0


def test_perp_v2__fills_off_the_mark_between_two_accounts__make_no_bad_debt(house, trader, rival):
    """Value handed over at the band's edge: the giver must afford it, the taker cannot carry it
    off."""
    house.settle([fill(house, trader, rival, 20, 2_100)])
    assert equity(house, trader.id) + equity(house, rival.id) <= 20_000 * USD
    for who in (trader, rival):
        margin = house.engine.margin(who.id)
        assert margin.initial_equity >= margin.initial_requirement
    given = [settles(house, fill(house, trader, rival, 20, 2_100)) for _ in range(4)]
    assert not all(given), "an account gave itself away"
    assert take_all(house, rival) <= 10_000 * TOKEN
    conserves(house)


# -- liquidation


def weak(house, size=50, price=1_860):
    """The trader under its requirement, its auction started by the keeper."""
    ruin(house, size, price)
    house.auction.start(house.actors["trader"].id, sender=house.actors["keeper"])
    return house.actors["trader"]


def test_euler_2023__self_liquidation__loses(house, liquidator):
    """P19: at a constant price an owner who starts and takes his own auction ends with less."""
    trader = weak(house)
    other = house.actor("other", quote=100_000)
    house.insure(50_000)
    together = equity(house, trader.id) + equity(house, other.id)
    run_auction(house, trader.id, 300)
    bid(house, trader.id, other)
    # The keeper is the owner too, say: even with his pay the three lose.
    keeper = house.actors["keeper"].id
    assert equity(house, trader.id) + equity(house, other.id) + cash(house, keeper) < together
    conserves(house)


def test_euler_2023__giving_away_collateral__is_checked(house, trader, maker):
    """No call lowers an account's own collateral without the health check: see P9."""
    house.deposit_collateral(trader, 1)
    house.settle([fill(house, trader, maker, 50)])
    move_price(house, 1_870)
    weth = house.tokens["weth"].address
    for call in (
        lambda: house.vault.withdraw(trader.id, weth, 10**18, trader, sender=trader),
        lambda: house.engine.transfer(trader.id, trader.account(1), USD, sender=trader),
        lambda: house.engine.withdraw(trader.id, TOKEN, trader, sender=trader),
    ):
        with reverts("Underwater"):
            call()


@pytest.mark.parametrize("seconds", [0, 120, 600, 1_200])
def test_black_thursday_2020__no_rival_bidders__nothing_is_free(house, liquidator, seconds):
    """Nobody else bids and the price is the curve's: at most x R below what the account is
    worth."""
    trader = weak(house)
    run_auction(house, trader.id, seconds)
    standing = house.engine.standing(trader.id)
    requirement = standing.linear + standing.superlinear
    assert standing.equity > 0
    quote = house.auction.cost(trader.id)
    assert quote.cost >= (standing.equity - requirement) * quote.fraction // ONE - 10
    if quote.cost > 0:
        with reverts("CostLimit"):
            bid(house, trader.id, liquidator, limit=0)
    before = equity(house, trader.id) + equity(house, liquidator.id)
    bid(house, trader.id, liquidator)
    fees = before - equity(house, trader.id) - equity(house, liquidator.id)
    assert 0 <= fees < requirement
    conserves(house)


def test_hubble_dust_auction__slivers__neither_stall_nor_cheapen_it(house, liquidator):
    """A sliver sold does not restart, end or cheapen the auction; it ends on value, not on an empty
    balance."""
    trader = weak(house)
    run_auction(house, trader.id, 60)
    before = house.auction.cost(trader.id)
    for fraction in (1, 10**10, 10**14):
        bid(house, trader.id, liquidator, fraction=fraction)
    after = house.auction.cost(trader.id)
    assert after.x == before.x
    assert house.auction.auction(trader.id).running
    bid(house, trader.id, liquidator)
    assert not house.auction.auction(trader.id).running
    assert lots_of(house, trader.id) > 0
    assert equity(house, trader.id) > 0
    conserves(house)


def test_hubble_dust_auction__a_rest_too_small_to_sell__cannot_be_left(house, liquidator):
    trader = weak(house, price=1_790)
    lots = lots_of(house, trader.id)
    with reverts("BadFraction"):
        bid(house, trader.id, liquidator, fraction=ONE - ONE * 500 // lots)


def test_symm_2023__victims_deposit__does_not_block_the_bid(house, liquidator):
    trader = weak(house)
    seen = house.auction.cost(trader.id).id
    house.mint(trader, 1)
    house.engine.deposit(trader.id, 1, sender=trader)
    with reverts("WrongAuction"):
        bid(house, trader.id, liquidator, auction_id=seen)
    bid(house, trader.id, liquidator)


def test_symm_2023__victim__can_do_nothing_but_cure(house, maker):
    trader = weak(house)
    house.engine.set_operator(house.actors["operator"], FOREVER, 3, 2**90, sender=trader)
    for call in (
        lambda: house.settle([fill(house, maker, trader, 1, 1_860)]),
        lambda: house.engine.transfer(trader.id, trader.account(1), 1, sender=trader),
        lambda: house.engine.set_mode(trader.id, 1, sender=trader),
        lambda: house.engine.realise(trader.id, ETH, sender=trader),
        lambda: house.engine.withdraw(trader.id, 1, trader, sender=trader),
    ):
        with reverts("Frozen"):
            call()
    house.deposit(trader, 50_000)
    house.auction.end(trader.id)


def test_dydx_v4_2025__last_position_out__closes_the_whole_market(house, rival):
    """All open interest of a market is one pair; the insolvent side goes, and the fund's payment is
    in the same call."""
    house.insure(100_000)
    trader = house.actors["trader"]
    house.settle([fill(house, trader, rival, 50)])
    move_price(house, 1_700)
    house.auction.start(trader.id)
    run_auction(house, trader.id, 1_260)
    deficit = -equity(house, trader.id)
    fund = house.engine.fund_balance()
    house.auction.deleverage(trader.id, 0)
    assert fund - house.engine.fund_balance() == deficit
    assert house.engine.market(ETH).open_interest == 0
    assert lots_of(house, rival.id) == 0
    assert house.engine.pending_deficit() == 0
    conserves(house)
    house.settle([fill(house, house.actors["liquidator"], rival, 1, 1_700)])


def test_perp_v1_2022__fund_at_zero__has_a_next_step(house, maker, rival):
    """No fund at all: the loss goes to the opposite side and to cash, once, and the house goes
    on."""
    house.settle([fill(house, rival, maker, 5)])
    deficit = -ruin(house)
    trader = house.actors["trader"]
    assert house.engine.fund_balance() == 0
    house.auction.start(trader.id)
    run_auction(house, trader.id, 1_260)
    with reverts("AuctionOver"):
        bid(house, trader.id, house.actors["liquidator"])
    owed = sum(equity(house, one) for one in holders_of_all(house))
    event = [
        one for one in house.auction.deleverage(trader.id, 0).events if one.name == "Deleveraged"
    ]
    assert event[0].deficit == deficit
    assert event[0].charged + event[0].socialised == deficit
    left = sum(equity(house, one) for one in holders_of_all(house))
    assert abs(owed - left) <= 200  # the loss was in the sum already; rounding goes to the fund
    assert house.engine.pending_deficit() == 0
    assert equity(house, trader.id) == 0
    house.engine.withdraw(rival.id, TOKEN, rival, sender=rival)
    conserves(house)


def test_hyperliquid_adl_2025__haircuts__are_the_deficit_and_equal_per_lot(house, maker, rival):
    """P24: charged + socialised + fund = deficit; every lot of the side pays the same, whoever
    holds it."""
    second = house.actor("second", quote=100_000)
    house.settle([fill(house, house.actors["trader"], maker, 30)])
    house.settle([fill(house, house.actors["trader"], rival, 5)])
    house.settle([fill(house, house.actors["trader"], second, 15)])
    move_price(house, 1_700)
    trader = house.actors["trader"]
    deficit = -equity(house, trader.id)
    house.auction.start(trader.id)
    run_auction(house, trader.id, 1_260)
    shorts = [(maker.id, 30), (rival.id, 5), (second.id, 15)]
    before = {one: equity(house, one) for one, _ in shorts}
    share = {one: cash(house, one) for one, _ in shorts}
    events = house.auction.deleverage(trader.id, 0).events
    told = next(one for one in events if one.name == "Deleveraged")
    assert told.from_fund + told.charged + told.socialised == deficit
    charges = [one for one in events if one.name == "Charged"]
    per_lot = sum(one.per_lot for one in charges)
    supplied = house.engine.solvency().supplied + told.socialised
    for one, size in shorts:
        lost = before[one] - equity(house, one)
        social = share[one] * told.socialised // supplied
        assert abs(lost - per_lot * size * 10**6 - social) < USD // 100
    assert all(lots_of(house, one) == 0 for one, _ in shorts)  # closed size = bankrupt size
    conserves(house)


def test_jelly_2025__short_nobody_takes__costs_the_fund_at_most_its_cap(house, maker):
    """A short squeezed through its margin in a thin market: no bidder, the price stays the
    oracle's, the fund pays within its cap per event, the longs are closed at mark."""
    (market,) = list_markets(house, 1)
    house.insure(20_000)
    short, longs = house.actor("jelly", quote=10_000), house.actor("longs", quote=100_000)
    house.settle([fill(house, longs, short, 50, market=market)])
    move_price(house, SECOND_PRICE)
    fund = house.engine.fund_balance()
    house.auction.start(short.id)
    run_auction(house, short.id, 1_260)
    event = next(
        one for one in house.auction.deleverage(short.id, 0).events if one.name == "Deleveraged"
    )
    assert event.deficit > fund // 2
    assert event.from_fund <= fund // 2  # caps.per_event
    assert house.engine.fund_balance() >= fund - fund // 2
    assert lots_of(house, longs.id, market) == 0
    assert equity(house, maker.id) <= 1_000_000 * USD
    conserves(house)


def test_jelly_2025__settlement_price__comes_from_no_caller(house):
    """No function of the protocol that a role may call takes a price to settle at."""
    names = {
        str(argument["name"])
        for contract in ("MarginEngine", "StandardMargin", "OracleAdapter", "LiquidationAuction")
        for entry in house.contracts[contract].abi
        if entry["type"] == "function" and entry["stateMutability"] != "view"
        for argument in entry["inputs"]
    }
    assert not [name for name in names if "price" in name and name != "price"]
    takes_price = {
        (contract, entry["name"])
        for contract in ("MarginEngine", "StandardMargin", "OracleAdapter", "LiquidationAuction")
        for entry in house.contracts[contract].abi
        if entry["type"] == "function" and entry["stateMutability"] != "view"
        for argument in entry["inputs"]
        if argument["name"] == "price"
    }
    assert takes_price == {
        ("MarginEngine", "use_operator")
    }  # a budget's price, checked by the band


# -- exits


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_drift_v1_2022__first_out__gets_no_more_than_the_last(house, order):
    """A known loss without a payer: every order of exits pays everyone the same share."""
    people = [house.actor(f"exit{i}", quote=20_000) for i in range(3)]
    trader = house.actors["trader"]
    ruin(house)
    house.auction.start(trader.id)
    for i in order:
        house.engine.withdraw(people[i].id, 20_000 * TOKEN, people[i], sender=people[i])
    paid = [house.quote.balanceOf(one) for one in people]
    assert max(paid) - min(paid) <= 1
    assert max(paid) < 20_000 * TOKEN
    conserves(house)


def test_drift_v1_2022__winners__leave_the_losers_collateral_behind(house, trader, rival, maker):
    """Winner and loser both open: what may leave is never more than the vault holds, nor than the
    winner's own deposit while the loser has not paid."""
    house.settle([fill(house, trader, rival, 40)])
    move_price(house, 2_200)
    assert take_all(house, trader) <= 10_000 * TOKEN
    conserves(house)
    assert house.engine.solvency().supplied <= house.engine.solvency().vault + USD


def test_perennial_2023__bad_debt__is_recognised_in_the_call_that_finds_it(house):
    """P22: no debt stays on the books of an account with nothing left."""
    ruin(house)
    trader = house.actors["trader"]
    house.auction.start(trader.id)
    run_auction(house, trader.id, 1_260)
    house.auction.deleverage(trader.id, 0)
    assert cash(house, trader.id) == 0
    assert house.engine.deficit_of(trader.id) == 0
    assert house.engine.hole() == 0


# -- donations, shares, sums


def test_cream_2021__donation__doubles_no_share(house, trader):
    house.insure(1_000)
    share = house.fund.convertToAssets(10**12)
    house.deposit_collateral(trader, 1)
    held = equity(house, trader.id)
    for target in (house.vault, house.engine, house.fund):
        house.mint(target.address, 10_000_000)
        house.mint(target.address, 10_000, "weth")
    assert house.fund.convertToAssets(10**12) == share
    assert equity(house, trader.id) == held
    conserves(house)


def test_sonne_2024__first_deposit_into_an_empty_fund__is_not_diluted_away(house, trader, rival):
    """Inflation attack: raising the price of a first share costs far more than it takes from the
    next."""
    house.mint(trader, 20_000)
    house.mint(rival, 1_000)
    house.fund.deposit(1, trader, sender=trader)
    house.fund.sponsor(10_000 * TOKEN, sender=trader)
    house.advance(8 * 86_400, refresh=True)
    shares = house.fund.deposit(1_000 * TOKEN, rival, sender=rival).value
    assert house.fund.convertToAssets(shares) >= 1_000 * TOKEN * 99 // 100


def test_gmx_2025__aggregate__is_the_sum_of_positions_after_every_call(house, trader, rival, maker):
    """The O(1) sum of profits never drifts from the positions: P4 after opens, closes, flips, a
    shrink."""
    people = [trader, rival, maker, house.actors["liquidator"]]

    def agrees():
        values = sum(house.engine.position(who.id, ETH).value for who in people)
        assert abs(values - house.engine.market(ETH).unrealised) <= len(people)
        assert sum(lots_of(house, who.id) for who in people) == 0
        conserves(house)

    for buyer, seller, size, price in (
        (trader, maker, 30, 2_000),
        (rival, maker, 7, 2_013),
        (maker, rival, 12, 1_990),
        (maker, trader, 5, 2_001),
    ):
        house.settle([fill(house, buyer, seller, size, price, flags=TAKER_BUYS)])
        agrees()
    move_price(house, 1_600)
    agrees()
    house.auction.start(trader.id)
    run_auction(house, trader.id, 1_260)
    house.auction.deleverage(trader.id, 0)
    values = sum(house.engine.position(who.id, ETH).value for who in people)
    # A fraction of a lot each may lie with the fund until the next touch.
    assert abs(values - house.engine.market(ETH).unrealised) < USD
    conserves(house)


def test_velar__round_trip__pays_its_fees_and_gets_none_back(house, trader, rival):
    before = equity(house, trader.id), equity(house, rival.id)
    house.settle([fill(house, trader, rival, 10, flags=TAKER_BUYS)])
    house.settle([fill(house, rival, trader, 10)])
    after = equity(house, trader.id), equity(house, rival.id)
    assert after == (before[0] - 20 * USD, before[1])
    assert house.engine.market(ETH).fees == 20 * USD
    house.engine.collect_fees(ETH)
    assert (equity(house, trader.id), equity(house, rival.id)) == after
    conserves(house)


def test_velar__any_position__can_be_closed(house, trader, maker):
    """Down to the lot, whatever was opened, caps, dust bound and pauses short of a stop aside."""
    for size in ("0.005", "0.005001", "7.654321", "40"):
        house.settle([fill(house, trader, maker, size)])
        house.govern("MarginEngine", "set_pause", 2)
        house.settle([fill(house, maker, trader, size)])
        house.govern("MarginEngine", "set_pause", 0)
        assert lots_of(house, trader.id) == 0


def test_balancer_2025__65_tiny_fills_in_a_batch__gain_nothing(house, trader, maker):
    house.settle([fill(house, trader, maker, 1, 1_999)])
    total = equity(house, trader.id) + equity(house, maker.id)
    tiny = [(ETH, maker.id, trader.id, 1, 2_000 * 10**9 + i, 0) for i in range(16)] + [
        (ETH, trader.id, maker.id, 1, 2_000 * 10**9 + i, 0) for i in range(16)
    ]
    for _ in range(3):
        house.settle(tiny)
    assert equity(house, trader.id) + equity(house, maker.id) <= total
    conserves(house)


# -- prices


def test_kiloex_2025__strangers__reach_no_setter(house):
    """Every entry of the oracle and of the risk model, by a stranger: no price moves. See P30."""
    stranger = house.actors["stranger"]
    price = house.oracle.read(1).price
    house.oracle.poke(1, b"", sender=stranger)
    for call in (
        lambda: house.oracle.halt(1, 60, sender=stranger),
        lambda: house.oracle.set_guardian(stranger, sender=stranger),
        lambda: house.oracle.add_signer_set([stranger.address], 1, sender=stranger),
        lambda: house.risk.close(ETH, sender=stranger),
    ):
        with pytest.raises(Reverted):
            call()
    assert house.oracle.read(1).price == price


def test_kiloex_2025__two_prices_in_one_second__serve_one(house, trader, maker):
    """P28: who can publish cannot open at one price and close at another in one transaction."""
    house.evm.advance(15)
    house.set_price("ETH", 2_000)
    house.settle([fill(house, trader, maker, 10)])
    house.set_price("ETH", 2_400)
    assert house.engine.market(ETH).mark == 2_000 * 10**9
    with reverts("PriceBand"):
        house.settle([fill(house, maker, trader, 10, 2_400)])
    house.evm.advance(1)
    assert house.engine.market(ETH).mark == 2_400 * 10**9


def test_levana_2023__price_held_back__is_not_a_choice(house, trader, maker):
    """A stale price takes no new risk; a poke and a trade in one second use that second's first
    price."""
    house.advance(86_401)
    with reverts("StalePrice"):
        house.settle([fill(house, trader, maker, 1)])
    house.refresh()
    house.settle([fill(house, trader, maker, 1)])


@pytest.mark.parametrize("answer", [0, 2_000_000, 1])
def test_paradex_2026_synthetix_2019__absurd_answers__liquidate_nobody(
    house, trader, maker, answer
):
    """Zero, a thousandfold, a thousandth: outside the feed's range, so the price stands."""
    house.settle([fill(house, trader, maker, 40), fill(house, house.actors["rival"], maker, 1)])
    mark = house.engine.market(ETH).mark
    house.evm.advance(15)
    house.set_price("ETH", answer)
    house.evm.advance(15)
    assert house.engine.market(ETH).mark == mark
    for who in (trader, maker):
        with reverts("Healthy"):
            house.auction.start(who.id)


# -- parameters


def test_pac_2024__stricter_parameters__liquidate_nobody_at_once(house, trader, maker):
    """Margin doubled over an account that twice as much would sink: it has an hour before anything
    moves, then the way is slow, and in the end the new margin holds."""
    house.settle([fill(house, trader, maker, 50)])
    move_price(house, 1_890)
    p = STARTING["ETH"].to_chain()
    names, tighter = list(p.__dataclass_fields__), list(p.astuple())
    tighter[names.index("tail")] *= 2
    tighter[names.index("floor")] *= 3
    margin = house.engine.margin(trader.id)
    assert margin.requirement < margin.equity < 2 * margin.requirement * 95 // 100
    house.govern("StandardMargin", "set_parameters", ETH, tuple(tighter))
    for _ in range(6):
        with reverts("Healthy"):
            house.auction.start(trader.id)
        house.advance(590, refresh=True)
    house.advance(8 * 3_600, refresh=True)
    doubled = house.engine.margin(trader.id).requirement
    assert doubled > margin.requirement


def test_drift_v2_2026__new_collateral__opens_from_nothing(house, trader):
    """A listing gives no credit in its own block: its cap ramps from zero."""
    from plimsoll.compiler import compile_contract
    from plimsoll.deployment.house import TEST_CONTRACTS

    fake = house.evm.deploy(compile_contract("MintableToken", contracts=TEST_CONTRACTS), 18)
    house.govern("CollateralVault", "list_asset", fake.address, 1, 0, 0, 10**24, 3_600)
    fake.mint(trader, 10**24)
    fake.approve(house.vault.address, 10**24, sender=trader)
    with reverts("SupplyCap"):
        house.vault.deposit(trader.id, fake.address, 1, sender=trader)
    house.evm.advance(36)
    with reverts("SupplyCap"):
        house.vault.deposit(trader.id, fake.address, 10**22 + 1, sender=trader)
    house.vault.deposit(trader.id, fake.address, 10**22, sender=trader)


def test_gmx_avax_2022__open_interest__is_capped_against_depth(house, maker):
    """A zero-impact fill cannot exceed the market's cap, however rich the account."""
    whale = house.actor("whale", quote=50_000_000)
    other = house.actor("other whale", quote=50_000_000)
    with reverts("OpenInterestCap"):
        house.settle([fill(house, whale, other, 20_001)])
    house.settle([fill(house, whale, other, 20_000)])
    with reverts("OpenInterestCap"):
        house.settle([fill(house, maker, other, 1)])


def test_elfi__opening_already_liquidatable__is_refused(house, trader, maker):
    """The largest position that is let open is above its maintenance requirement by the initial
    margin."""
    low, high = 1, 200
    while high - low > 1:
        middle = (low + high) // 2
        before = house.evm.snapshot()
        if settles(house, fill(house, trader, maker, middle)):
            low = middle
            margin = house.engine.margin(trader.id)
            assert margin.equity > margin.requirement
            assert margin.initial_equity >= margin.initial_requirement
        else:
            high = middle
        house.evm.revert(before)
    assert 40 <= low < 100
