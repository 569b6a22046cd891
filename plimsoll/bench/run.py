"""Sets up the states in which operations are measured, and measures them.

Steady state: accounts have traded before, their nonce rings have gone round once, feeds were poked
in an earlier block, and blocks come every 12 s, so that a trade pays the accrual of interest and of
slow open interest as it does in real life. Nobody owes cash but in `_with_debt`. Each scenario
starts from a snapshot of the same house.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from plimsoll import orders
from plimsoll.bench.breakdown import Breakdown, break_down
from plimsoll.bench.chain import OPTIONS, BenchChain
from plimsoll.bench.house import (
    PRICE,
    SIGNED,
    THREE,
    Actor,
    House,
    deploy,
    report_signer,
)
from plimsoll.bench.sizes import contract_sizes
from plimsoll.deployment.abi import calldata
from plimsoll.localnet.anvil import Anvil
from plimsoll.units import lots, token_units

Gas = dict[str, int]
HELD = (1, 2, 4, 8, 16, 32)
HOLDERS = (10, 100, 1_000)
PAIRS = 16
RICH = 10_000_000  # USD
FOREVER = 2**40 - 1
ONE = 10**18


def measure(progress: Callable[[str], None] | None = None) -> tuple[Gas, Breakdown]:
    """Gas by operation, and where the gas of `perp_trade` goes. Starts its own Anvil."""
    say = progress or (lambda text: None)
    gas: Gas = {"max_contract_bytes": max(contract_sizes().values())}
    with Anvil(OPTIONS) as anvil:
        say("deploying")
        house = deploy(BenchChain(anvil))
        found: list[Breakdown] = []
        scenarios: list[tuple[str, Callable[[House], Gas]]] = [
            ("trades", lambda h: _trades(h, found)),
            ("batches", _batches),
            ("perps held", _held),
            ("money", _money),
            ("debt", _with_debt),
            ("oracle", _oracle),
            ("surfaces", _surfaces),
            ("auctions", _auctions),
            ("insolvent", _insolvent),
            ("before auctions", _pre_liquidations),
            ("intents", _intents),
            *((f"{n} holders", _whole_waterfall(n)) for n in HOLDERS),
            ("no deficit", lambda h: {"deleverage_1_no_deficit": _deleverage(h, 10, 0.87)}),
            ("fund pays", lambda h: {"deleverage_1_fund_pays": _deleverage(h, 10, 0.65, 10**6)}),
            ("residual", _residual),
        ]
        for name, scenario in scenarios:
            say(name)
            before = house.snapshot()
            gas |= scenario(house)
            house.check()
            house.revert(before)
    gas["deleverage_1"] = max(gas[f"deleverage_1_holders_{n}"] for n in HOLDERS)
    return gas, found[0]


# -- trades


def _trades(house: House, found: list[Breakdown]) -> Gas:
    """Two accounts that meet again and again in one market, then take profit."""
    taker, maker, third = (house.actor(name, RICH) for name in ("taker", "maker", "third"))
    first = house.trade(taker, maker, 0, 1)
    house.trade(third, maker, 0, 1)
    house.fill_ring(taker, maker, third)
    house.trade(taker, maker, 0, 1)
    data = house.pair(taker, maker, 0, 1)
    found.append(break_down(house, house.names["matcher"], "SignedOrders", data))
    gas = {"first_trade": first, "perp_trade": house.match(data)}
    if found[-1].total != gas["perp_trade"]:
        raise AssertionError(
            f"expected the trace to add up to {gas['perp_trade']} gas, got {found[-1].total}"
        )
    named = house.pair(taker, maker, 0, 1, matcher=house.names["matcher"])
    gas["perp_trade_named"] = house.match(named)
    house.set_price(PRICE + 20, [1])
    house.trade(third, taker, 0, "0.5", PRICE + 20)
    gas["perp_reduce"] = house.trade(third, taker, 0, "0.5", PRICE + 20)
    house.do(taker, "SignedOrders", "cancel", taker.id(), taker.next_nonce(0))
    gas["cancel"] = house.do(taker, "SignedOrders", "cancel", taker.id(), taker.next_nonce(0))
    house.do(maker, "MarginEngine", "realise", maker.id(), 0)
    house.set_price(PRICE + 40, [1])
    gas["realise"] = house.do(maker, "MarginEngine", "realise", maker.id(), 0)
    return gas


def _batches(house: House) -> Gas:
    """16 pairs of 32 accounts; one taker that meets 16 makers."""
    takers = [house.actor(f"taker{i}", RICH) for i in range(PAIRS)]
    makers = [house.actor(f"maker{i}", RICH) for i in range(PAIRS)]
    house.match(_pairs(house, takers, makers))
    house.fill_ring(*takers, *makers)
    house.match(_pairs(house, takers, makers))
    batch = house.match(_pairs(house, takers, makers))
    sweep = house.match(_one_against(house, takers[0], makers))
    return {"perp_trade_batched": batch // PAIRS, "perp_trade_sweep": sweep // PAIRS}


def _pairs(house: House, takers: Sequence[Actor], makers: Sequence[Actor]) -> bytes:
    signed, matches = [], []
    for taker, maker in zip(takers, makers, strict=True):
        signed += [house.order(maker, False, 0, 1), house.order(taker, True, 0, 1)]
        matches.append(orders.Match(len(signed) - 2, len(signed) - 1, lots(1)))
    return orders.fill_calldata(signed, matches)


def _one_against(house: House, taker: Actor, makers: Sequence[Actor]) -> bytes:
    signed = [house.order(taker, True, 0, len(makers))]
    signed += [house.order(maker, False, 0, 1) for maker in makers]
    matches = [orders.Match(place, 0, lots(1)) for place in range(1, len(signed))]
    return orders.fill_calldata(signed, matches)


def _held(house: House) -> Gas:
    """The same trade of an account that holds more and more perps; its counterparty holds one."""
    trader, maker, partner = (house.actor(name, RICH) for name in ("trader", "maker", "partner"))
    house.trade(trader, maker, 0, 1)
    house.fill_ring(trader, maker, partner)
    gas, held = {}, 1
    for count in HELD:
        house.open_markets(trader, partner, range(held, count), 1)
        held = count
        house.trade(trader, maker, 0, 1)
        gas[f"perp_held_{count}"] = house.trade(trader, maker, 0, 1)
    slope = gas[f"perp_held_{HELD[-1]}"] - gas["perp_held_1"]
    gas["perp_held_marginal"] = -(-slope // (HELD[-1] - 1))
    return gas


# -- money and prices


def _money(house: House) -> Gas:
    """Cash and collateral in and out, the second time each."""
    saver = house.actor("saver", 1_000)
    gas = {"deposit": house.deposit(saver, 1_000)}
    units = token_units(100, None, 6)
    leave = (saver.id(), units, saver.address)
    house.do(saver, "MarginEngine", "withdraw", *leave)
    gas["withdraw"] = house.do(saver, "MarginEngine", "withdraw", *leave)
    weth = house.tokens["weth"]
    put = (saver.id(), weth, 10**18)
    house.do(saver, "CollateralVault", "deposit", *put)
    gas["collateral_deposit"] = house.do(saver, "CollateralVault", "deposit", *put)
    take = (saver.id(), weth, 10**17, saver.address)
    house.do(saver, "CollateralVault", "withdraw", *take)
    gas["collateral_withdraw"] = house.do(saver, "CollateralVault", "withdraw", *take)
    return gas


def _with_debt(house: House) -> Gas:
    """The same while somebody owes cash: the first call of a block accrues interest."""
    taker, maker = house.actor("taker", RICH), house.actor("maker", RICH)
    borrower, saver = house.actor("borrower"), house.actor("saver", 1_000)
    weth = house.tokens["weth"]
    house.do(borrower, "CollateralVault", "deposit", borrower.id(), weth, 10 * 10**18)
    units = token_units(5_000, None, 6)
    house.do(borrower, "MarginEngine", "withdraw", borrower.id(), units, borrower.address)
    house.trade(taker, maker, 0, 1)
    house.fill_ring(taker, maker)
    house.trade(taker, maker, 0, 1)
    gas = {"perp_trade_with_debt": house.trade(taker, maker, 0, 1)}
    leave = (saver.id(), token_units(100, None, 6), saver.address)
    house.do(saver, "MarginEngine", "withdraw", *leave)
    gas["deposit_with_debt"] = house.deposit(saver, 1_000)
    gas["withdraw_with_debt"] = house.do(saver, "MarginEngine", "withdraw", *leave)
    return gas


def _oracle(house: House) -> Gas:
    """Pokes that move the price a little."""
    keeper = house.chain.account
    gas = {}
    for name, feed in {"poke_1": 1, "poke_3": THREE}.items():
        house.set_price(PRICE + 1, [feed])
        house.answer(PRICE + 2, [feed])
        house.chain.advance(60)
        gas[name] = house.do(keeper, "OracleAdapter", "poke", feed, b"")
    house.do(keeper, "OracleAdapter", "poke", SIGNED, house.report())
    house.chain.advance(60)
    gas["report_1"] = house.do(keeper, "OracleAdapter", "poke", SIGNED, house.report())
    return gas


def _surfaces(house: House) -> Gas:
    """Reports on eight expiries that have slices already: one among them, then all."""
    keeper, lock = house.chain.account, house.addresses["Timelock"]
    now = house.chain.block()[1]
    expiries = [now // 1_800 * 1_800 + 7 * 86_400 * weeks for weeks in range(1, 9)]
    house.do(lock, "ImpliedSurfaces", "add_signer_set", [report_signer()], 1)
    terms = (1, 86_400, 500, 5_000, 100, 50_000, 20_000)
    house.do(lock, "ImpliedSurfaces", "set_terms", 1, terms)
    house.do(lock, "ImpliedSurfaces", "list_expiries", 1, expiries)
    house.do(keeper, "ImpliedSurfaces", "submit", *house.surface_report(expiries))
    gas = {}
    for count in (1, 8):
        house.chain.advance(60)
        chosen = expiries[2 : 2 + count] if count == 1 else expiries
        report = house.surface_report(chosen)
        gas[f"surface_{count}"] = house.do(keeper, "ImpliedSurfaces", "submit", *report)
    return gas


# -- liquidation


def _auctions(house: House) -> Gas:
    """Accounts of 8 and of one position under R, sold to somebody who holds the instruments.

    Of two alike the second is measured: fund, keepers and their budget have been paid before.
    """
    gas: Gas = {}
    maker, keeper = house.actor("maker", RICH), house.actor("keeper", 1_000)
    house.insure(100_000)
    for count in (8, 1):
        before = house.snapshot()
        liquidator, debtors = _two_debtors(house, maker, count)
        _fall(house, debtors[1])
        for debtor in debtors:
            start = house.do(keeper, "LiquidationAuction", "start", debtor.id())
            house.chain.advance(48)
            if count == 8:
                quote = house.read("LiquidationAuction", "leg_quote", debtor.id(), 0)
                leg = (debtor.id(), liquidator.id(), 0, 0, quote.lots // 2, 0, FOREVER)
                before_leg = house.snapshot()
                gas["auction_bid_leg_1_of_8"] = house.do(
                    liquidator, "LiquidationAuction", "bid_leg", *leg
                )
                house.revert(before_leg)
            bid = (debtor.id(), liquidator.id(), 0, ONE, 2**200, FOREVER)
            gas[f"auction_bid_{count}"] = house.do(liquidator, "LiquidationAuction", "bid", *bid)
            if count == 8:
                gas["auction_start_8"] = start
        house.check()
        house.revert(before)
    return gas


def _two_debtors(house: House, maker: Actor, count: int) -> tuple[Actor, list[Actor]]:
    """A liquidator who holds so many instruments, and two accounts alike that hold them too."""
    liquidator = house.actor("liquidator", RICH)
    house.open_markets(liquidator, maker, range(count), 1)
    debtors = [house.actor(f"debtor{number}", 8_000) for number in range(2)]
    for debtor in debtors:
        house.open_markets(debtor, maker, range(count), 24 // count)
    return liquidator, debtors


def _insolvent(house: House) -> Gas:
    """Insolvent accounts of 8 and of one position: the fund pays, by market. The second alike."""
    gas: Gas = {}
    maker, keeper = house.actor("maker", RICH), house.actor("keeper", 1_000)
    house.insure(1_000_000)
    for count in (8, 1):
        before = house.snapshot()
        liquidator, debtors = _two_debtors(house, maker, count)
        house.set_price(PRICE * 80 // 100)
        for debtor in debtors:
            house.do(keeper, "LiquidationAuction", "start", debtor.id())
            house.chain.advance(48)
            bid = (debtor.id(), liquidator.id(), 0, ONE, 2**200, FOREVER)
            used = house.do(liquidator, "LiquidationAuction", "bid", *bid)
            gas[f"auction_bid_insolvent_{count}"] = used
        if house.read("InsuranceFund", "drawable", 0) >= 10**15 * 500_000:
            raise AssertionError("expected the fund to have paid, it did not")
        house.check()
        house.revert(before)
    return gas


def _intents(house: House) -> Gas:
    """Accounts of one position sold to an intent that stands; the second alike is measured."""
    maker, keeper = house.actor("maker", RICH), house.actor("keeper", 1_000)
    backer = house.actor("backer", 1_000_000)
    house.insure(100_000)
    house.open_markets(backer, maker, range(1), 1)
    debtors = [house.actor(f"debtor{number}", 8_000) for number in range(2)]
    for debtor in debtors:
        house.open_markets(debtor, maker, range(1), 24)
    expiry = house.chain.block()[1] + 20 * 86_400
    terms = (100_000 * 10**6, 10**15, 0, expiry, True, 2**256 - 1)
    gas = {
        "commit_intent": house.do(backer, "LiquidationAuction", "commit_intent", backer.id(), terms)
    }
    _fall(house, debtors[1])
    for debtor in debtors:
        house.do(keeper, "LiquidationAuction", "start", debtor.id())
        house.chain.advance(12)
        call = (debtor.id(), backer.id(), FOREVER)
        gas["intent_fill_1"] = house.do(keeper, "LiquidationAuction", "fill_intent", *call)
    return gas


def _pre_liquidations(house: House) -> Gas:
    """Accounts of one position in the pre-liquidation band; the second alike is measured."""
    maker, liquidator = house.actor("maker", RICH), house.actor("liquidator", RICH)
    house.insure(100_000)
    house.open_markets(liquidator, maker, range(1), 1)
    debtors = [house.actor(f"debtor{number}", 8_000) for number in range(2)]
    for debtor in debtors:
        house.open_markets(debtor, maker, range(1), 24)
        house.do(debtor, "LiquidationAuction", "set_pre_liquidation", debtor.id(), True)
    _fall(house, debtors[1])
    gas = 0
    for debtor in debtors:
        margin = house.read("MarginEngine", "margin", debtor.id())
        missing = margin.requirement * 102 // 100 - margin.equity
        house.deposit(debtor, missing // 10**15 + 1)
        call = (debtor.id(), liquidator.id(), ONE, 2**200, FOREVER)
        gas = house.do(liquidator, "LiquidationAuction", "pre_liquidate", *call)
    return {"pre_liquidate_1": gas}


def _fall(house: House, debtor: Actor) -> None:
    """All prices fall, a per cent at a time, until the account is under its requirement."""
    for percent in range(1, 90):
        house.set_price(PRICE * (100 - percent) // 100)
        margin = house.read("MarginEngine", "margin", debtor.id())
        if margin.equity < margin.requirement:
            return
    raise AssertionError("expected the account under its requirement, it never was")


def _whole_waterfall(holders: int) -> Callable[[House], Gas]:
    return lambda house: {f"deleverage_1_holders_{holders}": _deleverage(house, holders, 0.65)}


def _deleverage(house: House, holders: int, fall: float, insured: int = 10_000) -> int:
    """Gas of the deleveraging alone."""
    return _deleveraged(house, holders, fall, insured)[0]


def _deleveraged(house: House, holders: int, fall: float, insured: int) -> tuple[int, Actor, Actor]:
    """An account of 50 units, a third of all longs, is deleveraged against `holders` shorts.

    It is the second alike. `fall` is what is left of the price. At 0.65 the account is insolvent
    and, with little `insured`, the loss goes the whole way down: the fund pays what its caps allow,
    the opposite side is charged up to its cap, the rest falls on all cash. Returns the gas, the
    shorts' owner and a long that is left.
    """
    crowd, keeper = house.actor("crowd"), house.actor("keeper", 1_000)
    debtors = [house.actor(f"debtor{number}", 15_000) for number in range(2)]
    other = house.actor("other", RICH)
    house.insure(insured)
    house.deposit_many(crowd, 200_000 // holders, range(holders))
    for long in (*debtors, other):
        for start in range(0, holders, PAIRS):
            indices = range(start, min(start + PAIRS, holders))
            house.match(house.sweep(long, crowd, indices, 0, f"{50 / holders:g}"))
    house.set_price(int(PRICE * fall), [1])
    for debtor in debtors:
        house.do(keeper, "LiquidationAuction", "start", debtor.id())
    _wait(house, keeper, debtors, 1_250)  # x has run out
    house.do(keeper, "LiquidationAuction", "deleverage", debtors[0].id(), 0)
    _wait(house, keeper, debtors[1:], 3_700)  # another window of the charge
    gas = house.do(keeper, "LiquidationAuction", "deleverage", debtors[1].id(), 0)
    return gas, crowd, other


def _residual(house: House) -> Gas:
    """Holders who were deleveraged in part trade on; what that leaves the fund is sold back.

    The trade measured is the last of seven holders' first ones: the word of the side is there.
    """
    _, crowd, other = _deleveraged(house, 7, 0.65, 10_000)
    price = Decimal(PRICE) * 65 // 100
    gas: Gas = {}
    for index in range(7):
        sell = house.order(crowd, False, 0, 1, price, index=index)
        buy = house.order(other, True, 0, 1, price)
        gas["perp_trade_after_shrink"] = house.match(orders.pair_calldata(sell, buy, lots(1)))
    order = house.order(other, False, 0, 1, price / 2)
    gas["fill_residual"] = house.match(orders.residual_calldata(order, 1))
    return gas


def _wait(house: House, keeper: Actor, debtors: Sequence[Actor], seconds: int) -> None:
    """Lets auctions run: their clocks move as far as somebody syncs them."""
    for _ in range(-(-seconds // 48)):
        house.chain.advance(48)
        auction = house.addresses["LiquidationAuction"]
        house.chain.send_many(
            [
                (keeper.address, auction, calldata("LiquidationAuction", "sync", one.id()))
                for one in debtors
            ]
        )
