"""A house whose feeds have three sources each, and every state a feed can be in.

`build` has an account for each action of oracle_actions; `STATES` bring the ETH feed into a state
(BTC stays sound). What an action meets in a state is the table of test_state_matrix.py.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from plimsoll.compiler import compile_contract
from plimsoll.deployment.abi import artifact
from plimsoll.deployment.config import DEFAULTS
from plimsoll.deployment.house import TEST_CONTRACTS, House, account_id
from plimsoll.evm import Contract
from plimsoll.testing import reverts
from tests.security.arena import address_of
from tests.stage import FOREVER, TOKEN, give_residual, list_markets, run_auction, staged

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
        commit(house, name, seconds)
    house.advance(2)
    give_residual(house, "0.001")
    return house


def commit(house: House, name: str, seconds: int) -> Any:
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
