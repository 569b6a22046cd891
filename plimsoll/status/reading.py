"""The waterfall read from a node, at one block, in a number of requests that hardly grows.

Accounts are scanned by a program on the node (plimsoll.keepers.scan); those with something at risk
are read by packed views (plimsoll.keepers.packed), those in auction as the keepers read them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plimsoll.keepers.decisions import Facts
from plimsoll.keepers.facts import held_up, read_facts
from plimsoll.keepers.flow import flow_of, lane_views, lanes_of
from plimsoll.keepers.node import Node, Refusal, View
from plimsoll.keepers.packed import packed_views
from plimsoll.keepers.scan import Scanner
from plimsoll.localnet.errors import RpcUnavailable
from plimsoll.status.history import ENGINE, History
from plimsoll.status.views import (
    LOANS,
    AccountView,
    AuctionView,
    Band,
    ConsentView,
    DeficitView,
    FundView,
    IntentView,
    MarketView,
    RedemptionView,
    SideView,
    Snapshot,
)

AUCTION, FUND, VAULT = "LiquidationAuction", "InsuranceFund", "CollateralVault"
TOK = 10**9
NANO = 10**9
P_ONE = 2**95  # a side's multiplier before anything was shrunk
_HOUSE = (
    View(ENGINE, "core"),
    View(ENGINE, "solvency"),
    View(ENGINE, "deficits"),
    View(ENGINE, "market_count"),
    View(ENGINE, "claims"),
    View(AUCTION, "curve"),
    View(FUND, "asset"),
    View(FUND, "totalAssets"),
    View(FUND, "totalSupply"),
    View(FUND, "undripped"),
    View(FUND, "caps"),
    View(FUND, "deficit_tolerance"),
    View(FUND, "clock"),
)


class NoDeployment(ValueError):
    """The chain has nothing where the manifest says the house is."""


def read_status(
    node: Node, history: History, names: Sequence[str], block: int, now: int
) -> Snapshot:
    """Everything at block `block`, of time `now`. `names`: of the markets, in order.

    Raises `NoDeployment`, RpcUnavailable or RpcError.
    """
    engine = node.addresses.get(ENGINE)
    if engine is None or node.rpc.call("eth_getCode", engine, hex(block)) in ("0x", None):
        raise NoDeployment(
            f"expected the margin engine at {engine}, got no code there; is the deployment "
            "complete, and does the manifest belong to this chain?"
        )
    house = _read(node, _HOUSE, block)
    core, sheet, deficits, count, claims, curve, asset, *fund = house
    prices = packed_views(node, _market_views(count), block)
    markets, sides = _markets(names, prices, curve, now)
    share = flow_of(claims, now).share
    seen = Scanner(node).scan(list(history.accounts), block)
    busy = [one for one in seen if not one.idle and not one.unreadable]
    frozen = {one.account for one in seen if one.frozen}
    accounts, broken = _read_accounts(node, [one.account for one in busy], frozen, curve, block)
    unreadable = {one.account: "its margin cannot be read" for one in seen if one.unreadable}
    intents, consents = _read_offers(node, history, accounts, curve, block)
    marks = {market.market: market.mark for market in markets}
    auctions, also = _read_auctions(node, sorted(frozen), marks, block)
    return Snapshot(
        chain_id=node.rpc.chain_id(),
        engine=engine,
        block=block,
        now=now,
        pause=core >> 160 & 255,
        curve=curve,
        known=len(history.accounts),
        idle=sum(one.idle for one in seen),
        unreadable=unreadable | broken | also,
        accounts=accounts,
        auctions=auctions,
        intents=intents,
        consents=consents,
        fund=_read_fund(node, history.redeemers, sheet, count, fund, block),
        deficits=_deficits(node, sheet, deficits, asset, block),
        markets=markets,
        sides=sides,
        flow=flow_of(claims, now, lanes_of(share, prices[: 3 * count])),
        events=history.events,
        first_block=history.first_block,
    )


def band_of(value: int, equity: int, requirement: int, free: int, pre_band: int) -> Band:
    """Where an account stands. `pre_band` nano of R above R; `free` E_init - R_init."""
    if value < 0:
        return Band.INSOLVENT
    if equity < requirement:
        return Band.UNDER_R
    if equity * NANO < requirement * (NANO + pre_band):
        return Band.PRE_BAND
    return Band.UNDER_INITIAL if free < 0 else Band.ABOVE


def _read(node: Node, views: Sequence[View], block: int) -> list[Any]:
    """Views that have no reason to fail."""
    values = packed_views(node, views, block)
    for view, value in zip(views, values, strict=True):
        if isinstance(value, Refusal):
            raise RpcUnavailable(f"{view.contract}.{view.function}: {value.text}")
    return values


def _read_accounts(
    node: Node, wanted: Sequence[int], frozen: set[int], curve: Any, block: int
) -> tuple[tuple[AccountView, ...], dict[int, str]]:
    views = [View(ENGINE, name, (one,)) for one in wanted for name in ("standing", "margin")]
    values = packed_views(node, views, block)
    found, broken = [], {}
    for account, standing, margin in zip(wanted, values[::2], values[1::2], strict=True):
        refused = next((one for one in (standing, margin) if isinstance(one, Refusal)), None)
        if refused is not None:
            broken[account] = refused.text
        else:
            found.append(_account(account, standing, margin, account in frozen, curve.pre_band))
    return tuple(found), broken


def _account(account: int, standing: Any, margin: Any, frozen: bool, pre_band: int) -> AccountView:
    requirement = standing.linear + standing.superlinear
    stopped = standing.stale_requirement * 10 > requirement
    equity = standing.equity - (0 if stopped else standing.stale_value)
    free = margin.initial_equity - margin.initial_requirement
    return AccountView(
        account=account,
        value=standing.equity,
        equity=equity,
        requirement=requirement,
        initial_equity=margin.initial_equity,
        initial_requirement=margin.initial_requirement,
        perps=standing.perps,
        collateral=standing.collateral,
        stopped=stopped,
        frozen=frozen,
        band=band_of(standing.equity, equity, requirement, free, pre_band),
    )


def _read_auctions(
    node: Node, frozen: Sequence[int], marks: Mapping[int, int], block: int
) -> tuple[tuple[AuctionView, ...], dict[int, str]]:
    """Auctions among the frozen accounts (others are frozen for an intent), and what failed."""
    facts = read_facts(node, frozen, marks, block)
    broken = {account: one for account, one in facts.items() if isinstance(one, str)}
    running = [one for one in facts.values() if isinstance(one, Facts) and one.running]
    views = []
    for one in running:
        views += [
            View(AUCTION, "auction", (one.account,)),
            View(AUCTION, "cost", (one.account,)),
            View(ENGINE, "deficit_of", (one.account,)),
        ]
    values = packed_views(node, views, block)
    found = []
    for one, run, quote, deficit in zip(
        running, values[::3], values[1::3], values[2::3], strict=True
    ):
        over = not isinstance(quote, Refusal) and quote.over
        found.append(AuctionView(one, run.number, run.version, run.starter, deficit, over))
    return tuple(found), broken


def _read_offers(
    node: Node,
    history: History,
    accounts: Sequence[AccountView],
    curve: Any,
    block: int,
) -> tuple[tuple[IntentView, ...], tuple[ConsentView, ...]]:
    views = [View(AUCTION, "intent", (one,)) for one in history.intents]
    views += [View(ENGINE, "margin", (one,)) for one in history.intents]
    views += [View(AUCTION, "pre_quote", (one,)) for one in history.consents]
    values = packed_views(node, views, block)
    count = len(history.intents)
    intents = []
    for account, one, margin in zip(history.intents, values, values[count:], strict=False):
        if isinstance(one, Refusal) or isinstance(margin, Refusal) or not one.capacity:
            continue
        terms = (one.capacity, one.largest, one.premium, one.expiry, one.collateral, one.markets)
        free = margin.initial_equity - margin.initial_requirement
        need = -(-one.capacity * TOK * curve.intent_margin // NANO)
        intents.append(IntentView(account, *terms, free, need))
    consents = [
        ConsentView(account, one.until, one.used, one.fraction, one.cost)
        for account, one in zip(history.consents, values[2 * count :], strict=True)
        if not isinstance(one, Refusal) and one.until
    ]
    return tuple(intents), tuple(consents)


def _read_fund(
    node: Node, owners: Sequence[str], sheet: Any, count: int, values: Sequence[Any], block: int
) -> FundView:
    assets, supply, undripped, caps, tolerance, clock = values
    ids = [*range(count), LOANS]
    views = [View(FUND, "drawable", (one,)) for one in ids]
    views += [View(FUND, "request_of", (one,)) for one in owners]
    found = _read(node, views, block)
    requests = [
        (owner, one) for owner, one in zip(owners, found[len(ids) :], strict=True) if one.shares
    ]
    worth = _read(
        node, [View(FUND, "convertToAssets", (one.shares,)) for _, one in requests], block
    )
    return FundView(
        bucket=sheet.fund,
        assets=assets,
        supply=supply,
        undripped=undripped,
        keeper_budget=sheet.keeper,
        caps=caps,
        held_up=held_up(sheet.pending, sheet.fund, tolerance),
        stands_since=clock.since,
        stood=clock.stood,
        drawable=dict(zip(ids, found, strict=False)),
        redemptions=tuple(
            RedemptionView(owner, one.shares, assets, one.ready, one.closes)
            for (owner, one), assets in zip(requests, worth, strict=True)
        ),
    )


def _deficits(node: Node, sheet: Any, deficits: int, asset: str, block: int) -> DeficitView:
    data = "0x70a08231" + node.addresses[VAULT][2:].lower().rjust(64, "0")  # balanceOf
    held = node.rpc.call("eth_call", {"to": asset, "data": data}, hex(block))
    return DeficitView(
        pending=sheet.pending,
        hole=sheet.hole,
        owed=sheet.owed,
        pot=sheet.pot,
        advances=sheet.advances,
        socialisations=deficits >> 192,
        gap=sheet.gap,
        vault=sheet.vault,
        custody=int(held, 16) * TOK,
    )


def _market_views(count: int) -> list[View]:
    """Three of each market, see `lane_views`, then the stored words and the residual of each."""
    return [
        *lane_views(count),
        *(View(ENGINE, "words", (0, one)) for one in range(count)),
        *(View(ENGINE, "residual_of", (one,)) for one in range(count)),
    ]


def _markets(
    names: Sequence[str], values: Sequence[Any], curve: Any, now: int
) -> tuple[tuple[MarketView, ...], tuple[SideView, ...]]:
    """Markets whose price can be read, and both sides of every market."""
    count = len(values) // 5
    markets, sides = [], []
    each = values[2 : 3 * count : 3], values[3 * count : 4 * count], values[4 * count :]
    for number, (market, words, residual) in enumerate(zip(*each, strict=True)):
        mark = 0
        if not isinstance(market, Refusal):
            mark = market.mark
            name = names[number] if number < len(names) else str(number)
            numbers = (market.mark, market.open_interest, market.unrealised)
            markets.append(MarketView(number, name, *numbers, market.status, market.state))
        if not isinstance(words, Refusal):
            left = (0,) * 4 if isinstance(residual, Refusal) else tuple(residual)
            sides += [
                _side(number, long, words, mark, curve, now, left[at], left[2 + at])
                for at, long in enumerate((True, False))
            ]
    return tuple(markets), tuple(sides)


def _side(
    market: int,
    long: bool,
    words: Sequence[Any],
    mark: int,
    curve: Any,
    now: int,
    residual: int,
    worth: int,
) -> SideView:
    """See contracts/core/ledger.vy for the words."""
    hot = words[1]
    side, record = (words[3], words[4]) if long else (words[5], words[6])
    ends = (side >> 88 & 2**32 - 1) + curve.charge_window
    charged = side >> 32 & 2**56 - 1
    runs = now < ends and charged > 0
    return SideView(
        market=market,
        long=long,
        epoch=(hot >> 24 if long else hot) & 2**24 - 1,
        era=side & 2**32 - 1,
        multiplier=record >> 6 & 2**96 - 1 or P_ONE,
        charged=charged if runs else 0,
        window_ends=ends if runs else 0,
        cap=mark * curve.charge_cap // NANO,
        residual=residual,
        worth=worth,
    )
