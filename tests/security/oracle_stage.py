"""A house whose feeds have three sources each, every action in it, every state a feed can be in.

`build` has an account for each action; `ACTIONS` are calls on it by name, `STATES` bring the ETH
feed into a state (BTC stays sound). What an action meets in a state is the table of
test_state_matrix.py.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from plimsoll import orders
from plimsoll.compiler import compile_contract
from plimsoll.deployment.abi import artifact
from plimsoll.deployment.config import DEFAULTS
from plimsoll.deployment.house import TEST_CONTRACTS, House, account_id
from plimsoll.evm import Contract
from plimsoll.risk_parameters import STARTING
from plimsoll.testing import reverts
from tests.security.arena import address_of, key_of
from tests.stage import ETH, FOREVER, ONE, TOK, TOKEN, list_markets, run_auction, staged

FEED, BTC_FEED, UNPRICED_FEED = 1, 2, 3
PRICE = 1_820  # USD, after the fall that made `sick` sick
MAX_AGE, GRACE, CONFIRM = 3_600, 120, 60
SOURCES = 3
ZERO = "0x" + "00" * 20
HALF_BAND, BAND, HALT_BAND = 5, 100, 500  # 1e-4
DAY = 86_400
TINY = 10**16  # a hundredth of an ether, that everybody but `bare` holds as collateral


def three_sources(path: Path) -> Path:
    """The small configuration with three aggregators a feed, a quorum of two, and a grace time."""
    raw = yaml.safe_load((DEFAULTS / "house.yaml").read_text())
    for feed in raw["oracle"]["feeds"]:
        name = feed["name"].lower()
        feed |= {"quorum": 2, "half_band_bps": HALF_BAND, "degraded_band_bps": BAND}
        feed |= {"halt_band_bps": HALT_BAND, "recovery_grace_seconds": GRACE}
        feed["halt_confirm_seconds"] = CONFIRM
        feed["sources"] = [
            {"kind": "chainlink", "aggregator": f"${name}_{i}", "max_age_seconds": MAX_AGE}
            for i in range(SOURCES)
        ]
    path.write_text(yaml.safe_dump(raw))
    return path


def answer(house: House, *prices: Any, feed: str = "ETH", poke: bool = True) -> None:
    """What each aggregator of a feed answers now, USD; one number for all."""
    given = prices if len(prices) > 1 else prices * SOURCES
    for aggregator, price in zip(house.feeds[feed], given, strict=True):
        aggregator.set_answer(int(Decimal(str(price)) * 10**8))
    if poke:
        house.poke(feed)


def build(path: Path) -> House:
    """The scene. Everybody's account is for one or two actions; prices are 2,000 and then 1,820."""
    house = staged(config=three_sources(path))
    maker = house.actors["maker"]
    for name, quote in {
        "long": 10_000, "bare": 10_000, "holder": 5_000, "debtor": 0, "sick": 10_000,
        "auctioned": 10_000, "cured": 10_000, "broken": 10_000, "minor": 10_000,
        "deep": 100,
        "thin": 10_000, "backer": 1_000_000, "lapsed": 1_000_000,
    }.items():  # fmt: skip
        house.actor(name, quote=quote) if quote else house.actor(name)
        if name != "bare":
            house.deposit_collateral(house.actors[name], Decimal(TINY) / 10**18)
    people = house.actors
    house.insure(100_000)
    house.deposit_collateral(people["holder"], 5)
    house.deposit_collateral(people["debtor"], 10)
    house.deposit_collateral(people["deep"], 10)
    house.engine.withdraw(
        people["debtor"].id, 5_000 * TOKEN, people["debtor"], sender=people["debtor"]
    )
    for name, size in {
        "long": 10,
        "sick": 50,
        "auctioned": 50,
        "cured": 50,
        "deep": 5,
        "thin": 50,
    }.items():
        house.trade("ETH-PERP", people[name], maker, size, 2_000, 1)
    house.trade("ETH-PERP", people["broken"], maker, 51, 2_000, 1)
    # Almost all of `minor` is in BTC, where it loses.
    house.trade("BTC-PERP", people["minor"], maker, "2.5", 40_000, 1)
    house.trade("ETH-PERP", people["minor"], maker, "0.1", 2_000, 1)
    alice = account_id(address_of("alice"))
    house.mint(maker, 10_000)
    house.engine.deposit(alice, 10_000 * TOKEN, sender=maker)
    house.trade("ETH-PERP", people["long"], alice, 2, 2_000, 1)
    (closed,) = list_markets(house, 1, FEED)
    house.trade(closed, people["long"], maker, 1, 2_000)
    house.engine.set_operator(address_of("operator"), FOREVER, 1, 10**20, sender=people["long"])
    for _ in range(4):  # two whole half hours, for the settlement price
        house.advance(1_200, refresh=True)
    house.govern("MarginEngine", "set_status", closed, 2)
    house.govern("MarginEngine", "wind_down", closed)
    house.advance(60)
    answer(house, PRICE)
    answer(house, 36_900, feed="BTC")
    for name in ("auctioned", "cured"):
        house.auction.start(people[name].id, sender=people["keeper"])
    house.advance(15)
    answer(house, 1_500)
    house.auction.start(people["broken"].id, sender=people["keeper"])
    run_auction(house, people["broken"].id, 1_260)
    house.advance(15)
    answer(house, PRICE)
    house.advance(CONFIRM)
    house.refresh()
    house.deposit(people["cured"], 50_000)
    house.auction.set_pre_liquidation(people["thin"].id, True, sender=people["thin"])
    for name, seconds in (("backer", DAY), ("lapsed", 1)):
        _commit(house, name, seconds)
    house.advance(2)
    return house


def _commit(house: House, name: str, seconds: int) -> Any:
    """An intent for any account, in force from the first second of an auction on."""
    who = house.actors[name]
    capacity = 100 if name == "holder" else 20_000
    intent = (capacity * TOKEN, 10**12, 0, house.evm.timestamp + seconds, True, 2**256 - 1)
    return house.auction.commit_intent(who.id, intent, sender=who)


# -- states of the ETH feed


def seconds_later(house: House, seconds: int) -> None:
    """Time, with BTC sound all through it."""
    while seconds > 0:
        step = min(seconds, MAX_AGE // 2)
        house.advance(step)
        answer(house, 36_900, feed="BTC")
        seconds -= step


def ok(house: House) -> None:
    """Three fresh sources that agree."""
    seconds_later(house, 60)
    answer(house, PRICE)


def degraded(house: House) -> None:
    """Three fresh sources, 1.5 % apart on either side."""
    seconds_later(house, 60)
    answer(house, PRICE * 0.985, PRICE, PRICE * 1.015)


def missing(house: House) -> None:
    """One source is over age, the others agree."""
    for seconds in (MAX_AGE // 2, MAX_AGE // 2 + 1):
        seconds_later(house, seconds)
        for aggregator in house.feeds["ETH"][:2]:
            aggregator.set_answer(PRICE * 10**8)
        house.poke("ETH")


def stale(house: House) -> None:
    """Nobody answered for longer than the age limit."""
    seconds_later(house, MAX_AGE + 1)
    house.poke("ETH")


def halted(house: House) -> None:
    """The guardian halted it."""
    seconds_later(house, 60)
    house.oracle.halt(FEED, 600, sender=house.guardian)


def broken(house: House) -> None:
    """The breaker halted it: the sources are too far apart."""
    seconds_later(house, 60)
    answer(house, PRICE * 0.96, PRICE, PRICE * 1.04)


def recovering(house: House) -> None:
    """Back from a halt."""
    seconds_later(house, 15)
    house.oracle.halt(FEED, CONFIRM, sender=house.guardian)
    seconds_later(house, CONFIRM)
    answer(house, PRICE)


def _sequencer(house: House) -> Contract:
    """ETH is served under a sequencer that runs."""
    now = house.evm.timestamp
    mock = compile_contract("HostileAggregator", contracts=TEST_CONTRACTS)
    made = house.evm.deploy(mock, 0, [1, 0, now - 3_600, now, 1])
    house.govern("OracleAdapter", "set_sequencer", made.address, 300)
    terms = house.config.oracle.feeds[0].terms(sequenced=True)
    house.govern("OracleAdapter", "set_terms", FEED, tuple(terms.values()))
    seconds_later(house, 60)
    answer(house, PRICE)
    return made


def sequencer_up(house: House) -> None:
    """Under a sequencer that runs."""
    _sequencer(house)


def sequencer_down(house: House) -> None:
    """Under one that stands still."""
    made = _sequencer(house)
    seconds_later(house, 15)
    made.set_words([2, 1, house.evm.timestamp, house.evm.timestamp, 2])


def sequencer_silent(house: House) -> None:
    """Under one whose feed gives no answer."""
    _sequencer(house).set_mode(1)


def _restarted(house: House) -> None:
    made = _sequencer(house)
    seconds_later(house, 15)
    made.set_words([2, 1, house.evm.timestamp, house.evm.timestamp, 2])
    seconds_later(house, 60)
    made.set_words([3, 0, house.evm.timestamp, house.evm.timestamp, 3])
    seconds_later(house, 15)


def sequencer_back(house: House) -> None:
    """It runs again and nobody poked since."""
    _restarted(house)


def sequencer_grace(house: House) -> None:
    """It runs again, the feed has a new price, the grace time is not over."""
    _restarted(house)
    answer(house, PRICE)


def unpriced(house: House) -> None:
    """The collateral's feed is one that has never had a price: written past `set_feed`, which
    refuses it, into the vault's words."""
    ok(house)
    source = (2, ZERO, signer_set(house), MAX_AGE, 0, False, 0, 0, ZERO)
    terms = house.config.oracle.feeds[0].terms() | {"quorum": 1}
    house.govern(
        "OracleAdapter", "list_feed", UNPRICED_FEED, tuple(terms.values()), [source], 10**10
    )
    weth = house.tokens["weth"].address
    with reverts("NoPrice"):
        house.govern("CollateralVault", "set_feed", weth, UNPRICED_FEED)
    layout = artifact("CollateralVault").storage_layout["storage_layout"]
    slot = layout["vault_terms"]["_terms"]["slot"] + house.vault.terms(weth).asset_id
    word = house.evm.storage(house.vault.address, slot) & ~(0xFFFF << 128)
    house.evm.set_storage(house.vault.address, slot, word | UNPRICED_FEED << 128)
    assert house.vault.terms(weth).feed == UNPRICED_FEED


def signer_set(house: House) -> int:
    """A set of one signer."""
    listed = house.govern("OracleAdapter", "add_signer_set", [address_of("alice")], 1)
    return int(listed.value)


STATES: dict[str, Callable[[House], None]] = {
    function.__name__: function
    for function in (
        ok, degraded, missing, stale, halted, broken, recovering, sequencer_up, sequencer_down,
        sequencer_silent, sequencer_back, sequencer_grace, unpriced,
    )
}  # fmt: skip


# -- actions

Action = Callable[[House], Any]
ACTIONS: dict[str, Action] = {}


def action(function: Action) -> Action:
    """An action of the matrix, by its name."""
    ACTIONS[function.__name__] = function
    return function


def trade(house: House, buyer: str, seller: str, size: Any, market: Any = "ETH-PERP") -> Any:
    people = house.actors
    return house.trade(market, people[buyer], people[seller], size, PRICE)


@action
def open_new(house: House) -> Any:
    return trade(house, "bare", "maker", 1)


@action
def open_short(house: House) -> Any:
    return trade(house, "trader", "bare", 1)


@action
def increase(house: House) -> Any:
    return trade(house, "long", "maker", 1)


@action
def reduce(house: House) -> Any:
    return trade(house, "maker", "long", 4)


@action
def close(house: House) -> Any:
    return trade(house, "maker", "long", 12)


@action
def flip(house: House) -> Any:
    return trade(house, "maker", "long", 13)


@action
def reduce_while_sick(house: House) -> Any:
    return trade(house, "maker", "sick", 4)


@action
def open_elsewhere_with_a_leg_here(house: House) -> Any:
    people = house.actors
    return house.trade("BTC-PERP", people["long"], people["maker"], "0.01", 36_900)


@action
def open_elsewhere(house: House) -> Any:
    people = house.actors
    return house.trade("BTC-PERP", people["bare"], people["rival"], "0.01", 36_900)


@action
def trade_by_operator(house: House) -> Any:
    return _by_operator(house, buy=True)


@action
def reduce_by_operator(house: House) -> Any:
    return _by_operator(house, buy=False)


def _by_operator(house: House, *, buy: bool) -> Any:
    """The operator of `long` against alice, who is short: a key with money."""
    domain = orders.Domain(house.evm.chain_id, house.orders.address)
    account = account_id(address_of("alice"))
    now = house.evm.timestamp
    signed = []
    for owner, key, side in (
        (account, "alice", not buy),
        (house.actors["long"].id, "operator", buy),
    ):
        order = orders.Order(
            account=owner, market=ETH, buy=side, size=Decimal(1), limit_price=Decimal(PRICE),
            expiry=now + 60, nonce=1,
        )  # fmt: skip
        signed.append(tuple(orders.sign(order, domain, key_of(key))))
    return house.orders.fill_pair(*signed, 10**6, sender=house.matcher)


@action
def deposit_cash(house: House) -> Any:
    return house.deposit(house.actors["long"], 1)


@action
def deposit_cash_frozen(house: House) -> Any:
    return house.deposit(house.actors["auctioned"], 1)


@action
def deposit_collateral(house: House) -> Any:
    return house.deposit_collateral(house.actors["long"], 1)


@action
def deposit_first_collateral(house: House) -> Any:
    return house.deposit_collateral(house.actors["bare"], 1)


@action
def repay(house: House) -> Any:
    return house.deposit(house.actors["debtor"], 1_000)


def _withdraw(house: House, name: str, usd: int) -> Any:
    who = house.actors[name]
    return house.engine.withdraw(who.id, usd * TOKEN, who, sender=who)


@action
def withdraw_with_position(house: House) -> Any:
    return _withdraw(house, "long", 100)


@action
def withdraw_without_position(house: House) -> Any:
    return _withdraw(house, "bare", 10_000)


@action
def withdraw_cash_beside_collateral(house: House) -> Any:
    return _withdraw(house, "holder", 5_000)


@action
def borrow(house: House) -> Any:
    return _withdraw(house, "holder", 6_000)


def _take(house: House, name: str, amount: int) -> Any:
    who, weth = house.actors[name], house.tokens["weth"].address
    return house.vault.withdraw(who.id, weth, amount, who, sender=who)


@action
def withdraw_collateral_without_debt(house: House) -> Any:
    return _take(house, "holder", 5 * ONE)


@action
def withdraw_collateral_with_debt(house: House) -> Any:
    return _take(house, "debtor", ONE)


@action
def withdraw_collateral_with_position(house: House) -> Any:
    return _take(house, "long", TINY)


@action
def move_cash_with_position(house: House) -> Any:
    who = house.actors["long"]
    return house.engine.transfer(who.id, who.account(1), 10**15, sender=who)


@action
def move_cash_without_position(house: House) -> Any:
    who = house.actors["bare"]
    return house.engine.transfer(who.id, who.account(1), 10**15, sender=who)


@action
def set_mode_without_position(house: House) -> Any:
    who = house.actors["bare"]
    return house.engine.set_mode(who.id, 1, sender=who)


@action
def set_mode_with_position(house: House) -> Any:
    who = house.actors["long"]
    return house.engine.set_mode(who.id, 0, sender=who)


@action
def realise_by_owner(house: House) -> Any:
    who = house.actors["long"]
    return house.engine.realise(who.id, ETH, sender=who)


@action
def realise_by_stranger(house: House) -> Any:
    """The loss of `deep` is more than its cash."""
    return house.engine.realise(house.actors["deep"].id, ETH, sender=house.actors["stranger"])


@action
def realise_by_stranger_without_cause(house: House) -> Any:
    """That of `sick` is not."""
    return house.engine.realise(house.actors["sick"].id, ETH, sender=house.actors["stranger"])


@action
def realise_wound_down(house: House) -> Any:
    return house.engine.realise(house.actors["long"].id, 2, sender=house.actors["stranger"])


@action
def wind_down(house: House) -> Any:
    house.govern("MarginEngine", "set_status", ETH, 2)
    return house.govern("MarginEngine", "wind_down", ETH)


@action
def start(house: House) -> Any:
    return house.auction.start(house.actors["sick"].id, sender=house.actors["keeper"])


@action
def start_healthy(house: House) -> Any:
    return house.auction.start(house.actors["long"].id, sender=house.actors["keeper"])


@action
def start_mostly_elsewhere(house: House) -> Any:
    return house.auction.start(house.actors["minor"].id, sender=house.actors["keeper"])


@action
def pre_liquidate(house: House) -> Any:
    """Of an account that has opted in, brought into the middle of its band first."""
    thin, bidder = house.actors["thin"], house.actors["liquidator"]
    margin = house.engine.margin(thin.id)
    units = (margin.requirement * 102 // 100 - margin.equity) // TOK
    house.tokens["usd"].mint(thin, units)
    house.engine.deposit(thin.id, units, sender=thin)
    return house.auction.pre_liquidate(thin.id, bidder.id, ONE, 10**30, FOREVER, sender=bidder)


@action
def opt_in(house: House) -> Any:
    who = house.actors["long"]
    return house.auction.set_pre_liquidation(who.id, True, sender=who)


@action
def opt_out(house: House) -> Any:
    who = house.actors["thin"]
    return house.auction.set_pre_liquidation(who.id, False, sender=who)


def _bid(house: House, fraction: int) -> Any:
    bidder = house.actors["liquidator"]
    account = house.actors["auctioned"].id
    return house.auction.bid(account, bidder.id, 0, fraction, 10**30, FOREVER, sender=bidder)


@action
def bid_whole(house: House) -> Any:
    return _bid(house, ONE)


@action
def bid_slice(house: House) -> Any:
    return _bid(house, ONE // 50)


def _bid_leg(house: House, account: int, lots: int) -> Any:
    bidder = house.actors["liquidator"]
    call = (account, bidder.id, 0, ETH, lots, 10**30, FOREVER)
    return house.auction.bid_leg(*call, sender=bidder)


@action
def bid_leg(house: House) -> Any:
    return _bid_leg(house, house.actors["auctioned"].id, 10**5)


@action
def bid_leg_of_a_small_part(house: House) -> Any:
    """The feed's leg is a small one of an account with most of its R elsewhere."""
    account = house.actors["minor"].id
    house.auction.start(account, sender=house.actors["keeper"])
    return _bid_leg(house, account, house.engine.position(account, ETH).lots)


@action
def commit_intent(house: House) -> Any:
    return _commit(house, "holder", DAY)


@action
def revoke_intent(house: House) -> Any:
    who = house.actors["backer"]
    return house.auction.revoke_intent(who.id, sender=who)


@action
def release_intent(house: House) -> Any:
    return house.auction.release_intent(house.actors["lapsed"].id, sender=house.actors["stranger"])


@action
def fill_intent(house: House) -> Any:
    account, backer = house.actors["auctioned"].id, house.actors["backer"].id
    return house.auction.fill_intent(account, backer, FOREVER, sender=house.actors["keeper"])


@action
def sync(house: House) -> Any:
    return house.auction.sync(house.actors["auctioned"].id, sender=house.actors["stranger"])


@action
def end_cured(house: House) -> Any:
    return house.auction.end(house.actors["cured"].id, sender=house.actors["stranger"])


@action
def end_not_cured(house: House) -> Any:
    return house.auction.end(house.actors["auctioned"].id, sender=house.actors["stranger"])


@action
def deposit_then_end(house: House) -> Any:
    """A deposit cures at the last price, whatever the state."""
    house.deposit(house.actors["auctioned"], 50_000)
    return house.auction.end(house.actors["auctioned"].id, sender=house.actors["stranger"])


@action
def deleverage(house: House) -> Any:
    buyer = house.actors["liquidator"]
    return house.auction.deleverage(house.actors["broken"].id, buyer.id, sender=buyer)


@action
def refresh_flow(house: House) -> Any:
    return house.engine.refresh_flow(ETH, sender=house.actors["stranger"])


@action
def poke(house: House) -> Any:
    return house.oracle.poke(FEED, b"", sender=house.actors["stranger"])


@action
def list_market(house: House) -> Any:
    parameters = STARTING["ETH"].to_chain().astuple()
    return house.govern("StandardMargin", "list_market", 9, FEED, parameters)
