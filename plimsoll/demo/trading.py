"""Money in, and trades through signed orders in batches."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import NamedTuple

from plimsoll.demo.cast import ETH, Actor, Cast, Trade
from plimsoll.demo.stage import Stage
from plimsoll.demo.world import FLASH_BIDDER, Call, Outcome, View, World, act, call_text, must
from plimsoll.orders import MAX_MATCHES, Domain, Match, Order, SignedOrder, fill_calldata, sign
from plimsoll.units import LOT_EXPONENT, from_lots, from_ticks, from_units

USD = 10**6  # token units
ETHER = 10**18
MAX = 2**256 - 1
LOT_STEP = 1_000  # sizes are multiples of 0.001
SLIP = 3  # 1e-4 a maker is away from the mark
BISECTIONS = 9
ROOM = 98  # percent of E_init a preview may take: fees, and the open interest it adds, come on top
CAUTION = 95  # percent of the largest size that would just pass
EXPIRY = 3_600
CAPACITY, LARGEST = 4_000, 10_000  # USD of R that the intent takes, and of one account at most
PREMIUM = 50_000_000  # 1e-9 of R: it fills from the first second of an auction on
MONTH = 30 * 86_400
DESK = 1_000_000  # USD that the buyer of ether has in its pocket
FUND, SPONSORED, BUDGET = 100_000, 20_000, 8_000  # USD: the fund is thin on purpose


class Wish(NamedTuple):
    """A trade about to be made: lots at a price in ticks."""

    actor: Actor
    market: int
    buy: bool
    lots: int
    price: int


def seat(stage: Stage, cast: Cast) -> list[Outcome]:
    """Pockets filled, vault approved, money deposited, fund and keeper budget filled."""
    world = stage.world
    people = [actor for actor in cast if actor.role != "flash bidder"]
    for actor in people:
        extra = {"insurer": FUND * 2 + SPONSORED, "desk": DESK}.get(actor.role, 0)
        world.endow(actor.address, (actor.usd * 2 + extra) * USD, actor.weth * ETHER)
    approve = "approve(address,uint256)"
    vault = world.addresses["CollateralVault"]
    must(
        world.block(
            [
                call_text(world, actor.address, token, approve, vault, MAX)
                for actor in people
                for token in ("usd", "weth")
            ]
            + [
                call_text(world, actor.address, "usd", approve, world.addresses[FLASH_BIDDER], MAX)
                for actor in cast.role("desk")
            ]
        )
    )
    calls = [_deposit(world, actor, actor.usd) for actor in cast if actor.usd and _early(actor)]
    calls += [_pledge(world, actor) for actor in cast if actor.weth]
    insurer, keeper = cast.one("insurer").address, cast.one("keeper").address
    fund = "InsuranceFund"
    calls.append(act(world, insurer, fund, "deposit", FUND * USD, insurer, label="insure"))
    calls.append(act(world, insurer, fund, "sponsor", SPONSORED * USD, label="sponsor"))
    calls.append(act(world, keeper, fund, "fund_budget", BUDGET * 10**15, label="fund budget"))
    return must(world.block(calls))


def _pledge(world: World, actor: Actor) -> Call:
    """The actor's ether as collateral."""
    weth, amount = world.addresses["weth"], actor.weth * ETHER
    vault, label = "CollateralVault", "deposit collateral"
    return act(world, actor.address, vault, "deposit", actor.account, weth, amount, label=label)


def _early(actor: Actor) -> bool:
    return all(trade.wave == 0 for trade in actor.trades)


def _deposit(world: World, actor: Actor, usd: int) -> Call:
    amount = usd * USD
    return act(world, actor.address, "MarginEngine", "deposit", actor.account, amount)


def lend(stage: Stage, cast: Cast) -> list[Outcome]:
    """Borrowers take dollars out against their ether."""
    world = stage.world
    calls = [
        act(
            world,
            a.address,
            "MarginEngine",
            "withdraw",
            a.account,
            a.loan * USD,
            a.address,
            label="borrow",
        )
        for a in cast
        if a.loan
    ]
    return must(world.block(calls))


def promise(stage: Stage, cast: Cast, until: int) -> list[Outcome]:
    """The careful opt in to pre-liquidation, the backer commits its margin until a unix second."""
    world, auction = stage.world, "LiquidationAuction"
    calls = [
        act(world, a.address, auction, "set_pre_liquidation", a.account, True, label="opt in")
        for a in cast.role("careful")
    ]
    intent = {
        "capacity": CAPACITY * USD,
        "largest": LARGEST * USD,
        "premium": PREMIUM,
        "expiry": min(until, world.now + MONTH),
        "collateral": False,
        "markets": 1 << ETH,
    }
    calls += [
        act(world, a.address, auction, "commit_intent", a.account, intent)
        for a in cast.role("backer")
    ]
    return must(world.block(calls))


def take_back(stage: Stage, cast: Cast, committed: Collection[int]) -> list[Call]:
    """What frees accounts whose intents still stand: revoked by the owner, released by anybody."""
    world, auction, keeper = stage.world, "LiquidationAuction", cast.one("keeper").address
    calls = []
    for a in cast.role("backer"):
        if a.account in committed:
            calls.append(act(world, a.address, auction, "revoke_intent", a.account))
            calls.append(act(world, keeper, auction, "release_intent", a.account))
    return calls


def open_wave(stage: Stage, cast: Cast, wave: int) -> list[Outcome]:
    """Everybody's trades of one wave, against the makers, sized to what their margin allows."""
    world = stage.world
    late = [a for a in cast if a.usd and not _early(a)] if wave else []
    if late:
        must(world.block([_deposit(world, actor, actor.usd) for actor in late]))
    marks = [one.mark for one in world.read([View("MarginEngine", "market", (m,)) for m in (0, 1)])]
    wishes = [
        _wish(actor, trade, marks[trade.market])
        for actor in cast
        for trade in actor.trades
        if trade.wave == wave
    ]
    if wave == 0:
        return trade_all(stage, cast, fitted(world, wishes))
    # All the leverage they can get: one by one, each sees the open interest of those before.
    return [one for wish in wishes for one in trade_all(stage, cast, fitted(world, [wish]))]


def _wish(actor: Actor, trade: Trade, mark: int) -> Wish:
    if actor.weth:
        lots = int(actor.weth * trade.leverage / from_units(1, LOT_EXPONENT))
    else:
        lots = int(Decimal(actor.usd) * trade.leverage * 10**15 / mark)
    slip = SLIP if trade.buy else -SLIP
    return Wish(actor, trade.market, trade.buy, lots, mark * (10_000 + slip) // 10_000)


def fitted(world: World, wishes: Sequence[Wish]) -> list[Wish]:
    """The wishes cut to the largest size that meets R_init, found on the chain's own preview."""
    low, high = [0] * len(wishes), [wish.lots for wish in wishes]
    for turn in range(BISECTIONS):
        tries = [h if turn == 0 else (lo + h) // 2 for lo, h in zip(low, high, strict=True)]
        for i, passes in enumerate(_pass(world, wishes, tries)):
            if passes:
                low[i] = tries[i]
            else:
                high[i] = tries[i]
    cut = []
    for wish, lots in zip(wishes, low, strict=True):
        lots = lots if lots == wish.lots else lots * CAUTION // 100
        cut.append(wish._replace(lots=lots // LOT_STEP * LOT_STEP))
    return [wish for wish in cut if wish.lots]


def _pass(world: World, wishes: Sequence[Wish], tries: Sequence[int]) -> list[bool]:
    views = [
        View(
            "MarginEngine",
            "margin_after",
            (w.actor.account, (w.market, lots if w.buy else -lots, w.price)),
        )
        for w, lots in zip(wishes, tries, strict=True)
    ]
    return [m.initial_equity * ROOM >= m.initial_requirement * 100 for m in world.read(views)]


def trade_all(
    stage: Stage, cast: Cast, wishes: Sequence[Wish], *, may_fail: bool = False
) -> list[Outcome]:
    """Every wish against a maker in turn, as signed orders, batched; the matcher sends them."""
    world, makers = stage.world, cast.role("maker")
    domain = Domain(world.chain_id, world.addresses["SignedOrders"])
    outcomes = []
    for start in range(0, len(wishes), MAX_MATCHES):
        orders: list[SignedOrder] = []
        matches = []
        for number, wish in enumerate(wishes[start : start + MAX_MATCHES]):
            maker = makers[(start + number) % len(makers)]
            orders.append(_signed(maker, wish, not wish.buy, domain, world.now))
            orders.append(_signed(wish.actor, wish, wish.buy, domain, world.now))
            matches.append(Match(len(orders) - 2, len(orders) - 1, wish.lots))
        data = fill_calldata(orders, matches)
        label = f"trade, {len(matches)} in a batch" if len(matches) > 1 else "trade, alone"
        sender, to = stage.roles["matcher"].address, domain.contract
        outcomes += world.block([Call(sender, to, data, label, may_fail)])
    return must(outcomes)


def _signed(actor: Actor, wish: Wish, buy: bool, domain: Domain, now: int) -> SignedOrder:
    actor.nonce += 1
    order = Order(
        account=actor.account,
        market=wish.market,
        buy=buy,
        size=from_lots(wish.lots),
        limit_price=from_ticks(wish.price),
        expiry=now + EXPIRY,
        nonce=actor.nonce,
    )
    return sign(order, domain, actor.key.secret)
