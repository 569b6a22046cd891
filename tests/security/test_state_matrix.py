"""Each action in each state a feed can be in does exactly what the table says (P27, P28).

Open, increase and withdraw with positions only on a live price, at the edge of its band that hurts;
reduce, add, repay and leave without positions always; no auction starts, fills or deleverages on a
price that is not live, or that is back for less than its grace time. An action, an entry of the
contracts or a state without a place in the table fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from plimsoll.compiler import PROJECT_ROOT
from plimsoll.deployment.house import House
from plimsoll.evm import Reverted
from plimsoll.testing import reverts
from tests.security.arena import entries
from tests.security.oracle_actions import ACTIONS
from tests.security.oracle_stage import FEED, HALF_BAND, PRICE, STATES, build
from tests.stage import FOREVER, TOK, TOKEN, USD, undone

OK, DEGRADED, BACK, DEAD, UNPRICED = range(5)
COLUMNS = {
    "ok": OK, "sequencer_up": OK, "degraded": DEGRADED, "missing": DEGRADED,
    "recovering": BACK, "sequencer_grace": BACK,
    "stale": DEAD, "halted": DEAD, "broken": DEAD, "sequencer_down": DEAD,
    "sequencer_silent": DEAD, "sequencer_back": DEAD,
    "unpriced": UNPRICED,
}  # fmt: skip
WORDS = {  # state | recovering, as served
    "ok": (0, 0), "degraded": (1, 0), "missing": (1, 0), "sequencer_up": (0, 0),
    "recovering": (1, 1), "sequencer_grace": (1, 1), "stale": (2, 0), "halted": (3, 0),
    "broken": (3, 0), "sequencer_down": (3, 0), "sequencer_silent": (3, 0),
    "sequencer_back": (2, 0), "unpriced": (0, 0),
}  # fmt: skip

# What each action meets: live (OK and DEGRADED; where they differ, a pair of both) | back | dead |
# collateral without any price. "" is success. Only
# governance can bring the last about: an asset without a price cannot be deposited first.
ALWAYS = ("", "", "", "")
UNLESS_UNPRICED = ("", "", "", "NoPrice")  # value of the collateral enters, its age does not matter
LIVE_ONLY = ("", "", "StalePrice", "NoPrice")
SOLD = ("", "ClockStopped", "ClockStopped", "NoPrice")
TABLE: dict[str, tuple[str | tuple[str, str], str, str, str]] = {
    "open_new": ("", "", "StalePrice", ""),
    "open_short": ("", "", "StalePrice", ""),
    "increase": LIVE_ONLY,
    "reduce": UNLESS_UNPRICED,
    "close": UNLESS_UNPRICED,
    "flip": LIVE_ONLY,
    "reduce_while_sick": UNLESS_UNPRICED,
    "open_elsewhere": ALWAYS,
    "open_elsewhere_with_a_leg_here": ("", "", "HealthFell", "NoPrice"),
    "trade_by_operator": LIVE_ONLY,
    "take_residual": LIVE_ONLY,
    "reduce_by_operator": UNLESS_UNPRICED,
    "deposit_cash": ALWAYS,
    "deposit_cash_frozen": ALWAYS,
    "deposit_collateral": ALWAYS,
    "deposit_first_collateral": UNLESS_UNPRICED,
    "repay": ALWAYS,
    "withdraw_with_position": LIVE_ONLY,
    "withdraw_without_position": ALWAYS,
    "withdraw_cash_beside_collateral": ALWAYS,
    "borrow": LIVE_ONLY,
    "withdraw_collateral_without_debt": ALWAYS,
    "withdraw_collateral_with_debt": LIVE_ONLY,
    "withdraw_collateral_with_position": ("", "", "StalePrice", ""),  # its last: none is left
    "move_cash_with_position": LIVE_ONLY,
    "move_cash_without_position": ALWAYS,
    "set_mode_without_position": ALWAYS,
    "set_mode_with_position": LIVE_ONLY,
    "realise_by_owner": ("", "", "StalePrice", ""),
    "realise_by_stranger": ("", "", "StalePrice", ""),
    "realise_by_stranger_without_cause": (
        "NothingToRealise", "NothingToRealise", "StalePrice", "NothingToRealise",
    ),
    "realise_wound_down": ALWAYS,
    "wind_down": ALWAYS,  # at the last half hour that was OK throughout
    "start": SOLD,
    "start_healthy": ("Healthy", "ClockStopped", "ClockStopped", "NoPrice"),
    "pre_liquidate": (("", "StalePrice"), "StalePrice", "StalePrice", "NoPrice"),  # no hurry
    "commit_intent": (("", "StalePrice"), "StalePrice", "StalePrice", "NoPrice"),
    "revoke_intent": ALWAYS,
    "release_intent": ALWAYS,
    "fill_intent": SOLD,
    "opt_in": ALWAYS,
    "opt_out": UNLESS_UNPRICED,
    "start_mostly_elsewhere": UNLESS_UNPRICED,  # under a tenth of R is on the feed
    "bid_whole": SOLD,
    "bid_slice": SOLD,
    "bid_leg": SOLD,
    "bid_leg_of_a_small_part": ("", "StalePrice", "StalePrice", "NoPrice"),  # under a tenth of R
    "sync": UNLESS_UNPRICED,
    "end_cured": UNLESS_UNPRICED,
    "end_not_cured": ("NothingToDo", "NothingToDo", "NothingToDo", "NoPrice"),
    "deposit_then_end": UNLESS_UNPRICED,
    "deleverage": SOLD,
    "refresh_flow": ("", "", "StalePrice", ""),
    "poke": ALWAYS,
    "list_market": ALWAYS,
}  # fmt: skip

# Which actions are an entry's. Entries that read no price are named with an empty tuple.
ENTRIES: dict[tuple[str, str], tuple[str, ...]] = {
    ("MarginEngine", "deposit"): ("deposit_cash", "deposit_cash_frozen", "repay"),
    ("MarginEngine", "withdraw"): (
        "withdraw_with_position", "withdraw_without_position", "withdraw_cash_beside_collateral",
        "borrow",
    ),
    ("MarginEngine", "transfer"): ("move_cash_with_position", "move_cash_without_position"),
    ("MarginEngine", "set_mode"): ("set_mode_with_position", "set_mode_without_position"),
    ("MarginEngine", "realise"): (
        "realise_by_owner", "realise_by_stranger", "realise_by_stranger_without_cause",
        "realise_wound_down",
    ),
    ("MarginEngine", "settle"): (
        "open_new", "open_short", "increase", "reduce", "close", "flip", "reduce_while_sick",
        "open_elsewhere", "open_elsewhere_with_a_leg_here",
    ),
    ("MarginEngine", "use_operator"): ("trade_by_operator", "reduce_by_operator"),
    ("MarginEngine", "collateral_changed"): (
        "deposit_collateral", "deposit_first_collateral", "withdraw_collateral_without_debt",
        "withdraw_collateral_with_debt", "withdraw_collateral_with_position",
    ),
    ("MarginEngine", "fill_residual"): ("take_residual",),
    ("MarginEngine", "freeze"): ("start", "start_healthy", "start_mostly_elsewhere"),
    ("MarginEngine", "thaw"): ("end_cured",),
    ("MarginEngine", "sell_slice"): ("bid_whole", "bid_slice"),
    ("MarginEngine", "sell_leg"): ("bid_leg", "bid_leg_of_a_small_part"),
    ("MarginEngine", "deleverage"): ("deleverage",),
    ("MarginEngine", "wind_down"): ("wind_down",),
    ("MarginEngine", "note_deficit"): ("sync",),
    ("MarginEngine", "claim_flow"): ("sync",),
    ("MarginEngine", "refresh_flow"): ("refresh_flow",),
    ("CollateralVault", "deposit"): ("deposit_collateral", "deposit_first_collateral"),
    ("CollateralVault", "withdraw"): (
        "withdraw_collateral_without_debt", "withdraw_collateral_with_debt",
        "withdraw_collateral_with_position",
    ),
    ("LiquidationAuction", "start"): ("start", "start_healthy", "start_mostly_elsewhere"),
    ("LiquidationAuction", "bid"): ("bid_whole", "bid_slice"),
    ("LiquidationAuction", "bid_leg"): ("bid_leg", "bid_leg_of_a_small_part"),
    ("LiquidationAuction", "bid_with_callback"): ("bid_slice",),  # the same sale
    ("LiquidationAuction", "end"): ("end_cured", "end_not_cured", "deposit_then_end"),
    ("LiquidationAuction", "deleverage"): ("deleverage",),
    ("LiquidationAuction", "sync"): ("sync",),
    ("LiquidationAuction", "pre_liquidate"): ("pre_liquidate",),
    ("LiquidationAuction", "commit_intent"): ("commit_intent",),
    ("LiquidationAuction", "revoke_intent"): ("revoke_intent",),
    ("LiquidationAuction", "release_intent"): ("release_intent",),
    ("LiquidationAuction", "fill_intent"): ("fill_intent",),
    ("LiquidationAuction", "set_pre_liquidation"): ("opt_in", "opt_out"),
    ("SignedOrders", "fill_pair"): ("trade_by_operator", "reduce_by_operator"),
    ("SignedOrders", "fill"): ("trade_by_operator",),  # the same settlement
    ("SignedOrders", "fill_with"): ("trade_by_operator",),
    ("SignedOrders", "fill_residual"): ("take_residual",),
    ("StandardMargin", "quote"): ("open_new", "reduce"),
    ("StandardMargin", "close"): ("wind_down",),
    ("StandardMargin", "list_market"): ("list_market",),
    ("OracleAdapter", "poke"): ("poke",),
}  # fmt: skip
# These read no price.
PRICELESS = {
    "MarginEngine": (
        "set_operator release recover fund_deposit fund_withdraw budget_move "
        "collect_fees list_market set_market set_status set_pause set_core set_module set_venue "
        "set_fee_split set_rates set_flow net_residual"
    ),
    "CollateralVault": (
        "pull_quote push_quote move_share move_between list_asset set_enabled set_haircuts "
        "set_cap set_feed "
        "set_limiter settle_ramp"
    ),
    "LiquidationAuction": "set_curve",
    "SignedOrders": "cancel cancel_up_to set_matcher",
    "StandardMargin": "set_parameters",
    "OracleAdapter": (
        "halt list_feed set_terms set_sources add_signer_set set_guardian set_sequencer"
    ),
}
OWNERSHIP = ("transfer_ownership", "accept_ownership")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> House:
    return build(tmp_path_factory.mktemp("matrix") / "three_sources.yaml")


@pytest.fixture
def house(scene: House) -> Iterator[House]:
    with undone(scene) as one:
        yield one


def outcome(house: House, name: str) -> str:
    """Error name of an action, "" where it succeeds; undone."""
    with undone(house):
        try:
            ACTIONS[name](house)
        except Reverted as refused:
            return refused.name if refused.name and not refused.halt else f"nameless: {refused}"
        return ""


def outcomes(house: House) -> dict[str, str]:
    """Of all actions."""
    return {name: outcome(house, name) for name in ACTIONS}


def row(column: int) -> dict[str, str]:
    """What the table says of a kind of state."""
    if column > DEGRADED:
        return {name: str(TABLE[name][column - 1]) for name in ACTIONS}
    live = {name: TABLE[name][0] for name in ACTIONS}
    return {name: one if isinstance(one, str) else one[column] for name, one in live.items()}


def test_table__has_every_action_and_state_and_no_other() -> None:
    assert set(TABLE) == set(ACTIONS)
    assert set(COLUMNS) == set(WORDS) == set(STATES)
    source = (PROJECT_ROOT / "contracts" / "modules" / "quote_word.vy").read_text()
    named = dict(re.findall(r"^([A-Z]+): constant\(uint256\) = (\d)  #", source, re.MULTILINE))
    assert {int(number) for number in named.values()} == {state for state, _ in WORDS.values()}
    assert set(re.findall(r"^(\w+_FLAG): constant", source, re.MULTILINE)) == {"RECOVERING_FLAG"}


@pytest.mark.parametrize("column", [OK, DEGRADED, BACK, DEAD, UNPRICED])
def test_table__wherever_an_account_can_be_sold__its_owner_can_get_out(column: int) -> None:
    """No state shuts the owner's way and leaves the liquidator's open: where anything can be
    started, sold or closed of an account, it can be reduced, closed, paid into and repaid."""
    met = row(column)
    sold = (
        "start",
        "bid_whole",
        "bid_slice",
        "bid_leg",
        "fill_intent",
        "pre_liquidate",
        "deleverage",
    )
    exits = "reduce", "close", "reduce_while_sick", "deposit_cash", "deposit_cash_frozen", "repay"
    if any(met[name] == "" for name in sold):
        assert {name: met[name] for name in exits} == dict.fromkeys(exits, "")


def test_table__has_every_entry_of_the_contracts() -> None:
    known = set(ENTRIES) | {
        (contract, name) for contract, names in PRICELESS.items() for name in names.split()
    }
    found = {one for one in entries() if one[0] in PRICELESS and one[1] not in OWNERSHIP}
    assert found == known
    assert {name for names in ENTRIES.values() for name in names} == set(TABLE)


@pytest.mark.parametrize("state", STATES)
def test_action__in_each_state__meets_what_the_table_says(house: House, state: str) -> None:
    STATES[state](house)
    word = house.oracle.word(FEED)
    assert (word >> 160 & 3, word >> 162 & 1) == WORDS[state]
    assert outcomes(house) == row(COLUMNS[state])


# -- edges, in numbers


def width(state: str) -> int:
    """Half width of the band in a state, 1e-4: the half band, or 1.5 % to either side."""
    return 150 if state == "degraded" else HALF_BAND


@pytest.mark.parametrize("state", ["ok", "degraded"])
@pytest.mark.parametrize("short", [False, True])
def test_open__at_the_edge_that_hurts__to_the_unit(house: House, state: str, short: bool) -> None:
    STATES[state](house)
    one, maker = house.actor("opener", quote=20_000), house.actors["maker"]
    pair = (maker, one) if short else (one, maker)
    house.trade("ETH-PERP", *pair, 10, PRICE)
    margin = house.engine.margin(one.id)
    edge = 10 * PRICE * USD * width(state) // 10_000
    assert margin.initial_equity == margin.equity - edge


@pytest.mark.parametrize("state", ["ok", "degraded"])
def test_open__exactly_enough_for_the_edge__and_a_cent_less(house: House, state: str) -> None:
    STATES[state](house)
    maker = house.actors["maker"]
    with undone(house):
        probe = house.actor("probe", quote=20_000)
        house.trade("ETH-PERP", probe, maker, 10, PRICE)
        need = house.engine.margin(probe.id).initial_requirement
    edge = 10 * PRICE * USD * width(state) // 10_000
    enough = -(-(need + edge) // TOK)  # token units
    for units, refused in ((enough, None), (enough - 1, "HealthFell")):
        with undone(house):
            one = house.actor("opener")
            house.tokens["usd"].mint(one, units)
            house.engine.deposit(one.id, units, sender=one)
            if refused is None:
                house.trade("ETH-PERP", one, maker, 10, PRICE)
            else:
                with reverts(refused):
                    house.trade("ETH-PERP", one, maker, 10, PRICE)


@pytest.mark.parametrize("state", ["ok", "degraded"])
def test_withdraw__to_the_edge_and_a_unit_more(house: House, state: str) -> None:
    STATES[state](house)
    long = house.actors["long"]
    margin = house.engine.margin(long.id)
    free = (margin.initial_equity - margin.initial_requirement) // TOK
    for units, refused in ((free, None), (free + 1, "Underwater")):
        with undone(house):
            if refused is None:
                house.engine.withdraw(long.id, units, long, sender=long)
            else:
                with reverts(refused):
                    house.engine.withdraw(long.id, units, long, sender=long)


def test_withdraw__degraded__keeps_the_width_of_the_band_back(house: House) -> None:
    free = {}
    for state in ("ok", "degraded"):
        with undone(house):
            STATES[state](house)
            margin = house.engine.margin(house.actors["long"].id)
            free[state] = margin.initial_equity - margin.initial_requirement
    # 12 ether of the position and a hundredth of collateral, 1.45 % apart
    assert free["ok"] - free["degraded"] == 1201 * PRICE * USD // 100 * 145 // 10_000


def test_liquidation__degraded__at_the_median(house: House) -> None:
    """What it counts in DEGRADED is to the unit what it counts in OK: the band does not enter."""
    seen = {}
    for state in ("ok", "degraded"):
        with undone(house):
            STATES[state](house)
            seen[state] = (
                [
                    tuple(house.engine.standing(house.actors[name].id))[:6]
                    for name in ("sick", "long", "auctioned")
                ],
                house.auction.cost(house.actors["auctioned"].id).cost,
            )
    assert seen["ok"] == seen["degraded"]


def test_start__above_r_at_the_median_and_below_at_the_edge__healthy(house: House) -> None:
    sick, keeper = house.actors["sick"], house.actors["keeper"]
    STATES["degraded"](house)
    standing = house.engine.standing(sick.id)
    missing = standing.linear + standing.superlinear - standing.equity
    assert missing > 0
    units = -(-missing // TOK)
    for given, refused in ((units, "Healthy"), (units - 1, None)):
        with undone(house):
            house.tokens["usd"].mint(sick, given)
            house.engine.deposit(sick.id, given, sender=sick)
            if refused is None:
                house.auction.start(sick.id, sender=keeper)
            else:
                with reverts(refused):
                    house.auction.start(sick.id, sender=keeper)


def test_bid__degraded__costs_what_it_costs_when_ok(house: House) -> None:
    bidder, account = house.actors["liquidator"], house.actors["auctioned"].id
    paid = set()
    for state in ("ok", "degraded"):
        with undone(house):
            STATES[state](house)
            receipt = house.auction.bid(
                account, bidder.id, 0, 10**17, 10**30, FOREVER, sender=bidder
            )
            paid.add(receipt.value)
    assert len(paid) == 1


assert TOKEN * TOK == USD
