"""P30: the role x function matrix, exhaustive, generated from the ABIs of every deployable.

The table says who may call what and which error everybody else gets; a function that is not in the
table fails. Every role is then tried on every function.
"""

from __future__ import annotations

import pytest

from plimsoll.deployment.abi import PARTS
from plimsoll.deployment.create3 import proxy_address, salt_of
from plimsoll.deployment.plan import CONTRACTS, OWNED, role
from plimsoll.evm import Reverted
from tests.security.arena import DEPLOYABLES, ZERO, entries

# People and contracts that try; the owner of the accounts concerned is `trader`.
PEOPLE = (
    "trader operator mover maker liquidator keeper stranger guardian treasury matcher council "
    "deployer venue"
).split()
ROLES = (*PEOPLE, *DEPLOYABLES)

Error = str | tuple[str, str]
OWNABLE = ("Error", "ownable: caller is not the owner")
PENDING = ("Error", "ownable_2step: caller is not the new owner")
NO_ROLE = ("Error", "access_control: account is missing role")
ALLOWANCE = ("Error", "erc20: insufficient allowance")
ROLE_ERRORS = {
    *"NotOwner NotGovernance NotVenue NotEngine NotVault NotAuction NotFund NotGuardian".split(),
    *"NotMatcher NotCreator".split(),
    OWNABLE,
    PENDING,
    NO_ROLE,
}
ANYONE = frozenset(ROLES)
NOBODY: frozenset[str] = frozenset()
GOVERNANCE = frozenset({"Timelock"})
VENUES = frozenset({"venue", "SignedOrders"})
TRADERS = frozenset({"trader", "operator"})


def rule(who: frozenset[str] | str, error: Error = "", then: Error | None = None):
    """Who may; the error for all others; what those who may meet (None: success)."""
    allowed = frozenset(who.split()) if isinstance(who, str) else who
    return allowed, error, then


def several(contract: str, functions: str, *args):
    return {(contract, name): rule(*args) for name in functions.split()}


ENGINE = {
    "deposit": rule(ANYONE),
    "withdraw": rule("trader", "NotOwner"),
    "transfer": rule("trader mover", "NotOwner"),
    "set_operator": rule(ANYONE),
    "set_mode": rule("trader", "NotOwner"),
    "realise": rule(TRADERS, "NothingToRealise"),
    "settle": rule(VENUES, "NotVenue"),
    "use_operator": rule(VENUES, "NotVenue"),
    "collateral_changed": rule("CollateralVault", "NotVault"),
    "note_deficit": rule("LiquidationAuction", "NotAuction"),
    "claim_flow": rule("LiquidationAuction", "NotAuction"),
    "freeze": rule("LiquidationAuction", "NotAuction"),
    "thaw": rule("LiquidationAuction", "NotAuction"),
    "sell_slice": rule("LiquidationAuction", "NotAuction"),
    "sell_leg": rule("LiquidationAuction", "NotAuction"),
    "deleverage": rule("LiquidationAuction", "NotAuction"),
    "fill_residual": rule(VENUES, "NotVenue"),
    "net_residual": rule(ANYONE),
    "release": rule(ANYONE, "", "NoEscrow"),
    "recover": rule(ANYONE),
    "fund_deposit": rule("InsuranceFund", "NotFund"),
    "fund_withdraw": rule("InsuranceFund", "NotFund"),
    "budget_move": rule("InsuranceFund", "NotFund"),
    "collect_fees": rule(ANYONE),
    "list_market": rule(GOVERNANCE, OWNABLE, "UnknownMarket"),
    "set_market": rule(GOVERNANCE, OWNABLE),
    "set_status": rule("Timelock guardian", "NotGuardian"),
    "wind_down": rule(GOVERNANCE, OWNABLE),
    "set_pause": rule("Timelock guardian", "NotGuardian"),
    "set_core": rule(GOVERNANCE, OWNABLE),
    "set_module": rule(GOVERNANCE, OWNABLE),
    "set_venue": rule(GOVERNANCE, OWNABLE),
    "set_fee_split": rule(GOVERNANCE, OWNABLE),
    "set_rates": rule(GOVERNANCE, OWNABLE),
    "set_flow": rule(GOVERNANCE, OWNABLE),
    "refresh_flow": rule(ANYONE),
}
ORACLE = {
    "poke": rule(ANYONE),
    "halt": rule("Timelock guardian", "NotGuardian"),
    **{
        name: rule(GOVERNANCE, "NotGovernance")
        for name in (
            "list_feed set_terms set_sources add_signer_set set_guardian set_sequencer"
        ).split()
    },
}
# At their own addresses the further bytecodes have an empty storage: nobody is anything there.
BARE = {
    "release": rule(ANYONE, "", "NoEscrow"),
    "recover": rule(ANYONE),
    "collect_fees": rule(ANYONE, "", "NothingToDo"),
    "refresh_flow": rule(ANYONE, "", "UnknownMarket"),
    "net_residual": rule(ANYONE, "", "UnknownMarket"),
    "realise": rule(ANYONE, "", ""),  # it asks a risk model that is not there
    "poke": rule(ANYONE, "", "BadArgument"),
}
TABLE = {
    ("Deployer", "deploy"): rule("deployer", "NotCreator"),
    ("Timelock", "grantRole"): rule(GOVERNANCE, NO_ROLE),
    ("Timelock", "revokeRole"): rule(GOVERNANCE, NO_ROLE),
    ("Timelock", "renounceRole"): rule(
        "trader", ("Error", "access_control: can only renounce roles for itself")
    ),
    ("Timelock", "schedule"): rule("council", NO_ROLE),
    ("Timelock", "schedule_batch"): rule("council", NO_ROLE),
    ("Timelock", "cancel"): rule("council guardian", NO_ROLE),
    ("Timelock", "execute"): rule(ANYONE),
    ("Timelock", "execute_batch"): rule(ANYONE),
    ("Timelock", "update_delay"): rule(GOVERNANCE, "NotGovernance"),
    **{("OracleAdapter", name): row for name, row in ORACLE.items()},
    ("ImpliedSurfaces", "submit"): rule(ANYONE),
    ("ImpliedSurfaces", "halt"): rule("Timelock guardian", "NotGuardian"),
    **several(
        "ImpliedSurfaces",
        "set_terms list_expiries unlist_expiry add_signer_set set_guardian",
        GOVERNANCE,
        "NotGovernance",
    ),
    **several("StandardMargin", "quote close", "MarginEngine", "NotEngine"),
    **several("StandardMargin", "list_market set_parameters", GOVERNANCE, "NotGovernance"),
    ("CollateralVault", "deposit"): rule(ANYONE),
    ("CollateralVault", "withdraw"): rule("trader", "NotOwner"),
    **several(
        "CollateralVault",
        "pull_quote push_quote move_share move_between",
        "MarginEngine",
        "NotEngine",
    ),
    ("CollateralVault", "settle_ramp"): rule(ANYONE),
    **several(
        "CollateralVault",
        "list_asset set_haircuts set_cap set_feed set_enabled set_limiter",
        GOVERNANCE,
        "NotGovernance",
    ),
    **{("MarginEngine", name): row for name, row in ENGINE.items()},
    **{
        (part, name): BARE.get(name, (NOBODY, row[1], None))
        for whole, rows in (("MarginEngine", ENGINE), ("OracleAdapter", ORACLE))
        for part in PARTS[whole][1:]
        for name, row in rows.items()
        if (part, name) in entries()
    },
    ("InsuranceFund", "transfer"): rule(ANYONE),
    ("InsuranceFund", "transferFrom"): rule("operator", ALLOWANCE),
    ("InsuranceFund", "approve"): rule(ANYONE),
    ("InsuranceFund", "permit"): rule(ANYONE),
    ("InsuranceFund", "deposit"): rule(ANYONE),
    ("InsuranceFund", "mint"): rule(ANYONE),
    ("InsuranceFund", "request_redeem"): rule("trader", "NoShares"),
    ("InsuranceFund", "cancel_request"): rule("trader", "NoShares"),
    ("InsuranceFund", "withdraw"): rule(TRADERS, ALLOWANCE),
    ("InsuranceFund", "redeem"): rule(TRADERS, ALLOWANCE),
    ("InsuranceFund", "sponsor"): rule(ANYONE),
    ("InsuranceFund", "sync"): rule(ANYONE),
    ("InsuranceFund", "observe"): rule(ANYONE),
    ("InsuranceFund", "fund_budget"): rule(ANYONE),
    ("InsuranceFund", "draw"): rule("LiquidationAuction", "NotAuction"),
    **several(
        "InsuranceFund",
        "set_caps set_budget set_drip set_cooldown set_tolerance set_auction",
        GOVERNANCE,
        "NotGovernance",
    ),
    ("LiquidationAuction", "start"): rule(ANYONE),
    ("LiquidationAuction", "bid"): rule(TRADERS, "NotOwner"),
    ("LiquidationAuction", "bid_leg"): rule(TRADERS, "NotOwner"),
    # Called back, an address without code fails without a reason.
    ("LiquidationAuction", "bid_with_callback"): rule(TRADERS, "NotOwner", ""),
    ("LiquidationAuction", "end"): rule(ANYONE),
    ("LiquidationAuction", "deleverage"): rule(TRADERS, "NotOwner", "NoAuction"),
    ("LiquidationAuction", "sync"): rule(ANYONE),
    ("LiquidationAuction", "set_curve"): rule(GOVERNANCE, "NotGovernance"),
    ("LiquidationAuction", "set_pre_liquidation"): rule("trader", "NotOwner"),
    ("LiquidationAuction", "pre_liquidate"): rule(TRADERS, "NotOwner"),
    ("LiquidationAuction", "commit_intent"): rule("trader", "NotOwner"),
    ("LiquidationAuction", "revoke_intent"): rule("trader", "NotOwner"),
    ("LiquidationAuction", "release_intent"): rule(ANYONE),
    ("LiquidationAuction", "fill_intent"): rule(ANYONE),
    ("LiquidationAuctionOffers", "commit_intent"): rule(NOBODY, "NotOwner"),
    ("LiquidationAuctionOffers", "revoke_intent"): rule("trader", "NotOwner", "NoIntent"),
    ("LiquidationAuctionOffers", "release_intent"): rule(ANYONE, "", "NoIntent"),
    ("LiquidationAuctionOffers", "fill_intent"): rule(ANYONE, "", "NoAuction"),
    # On its own storage the second bytecode has no curve and no owner but its creator.
    ("LiquidationAuctionOffers", "set_curve"): rule(NOBODY, "NotGovernance"),
    ("LiquidationAuctionOffers", "set_pre_liquidation"): rule("trader", "NotOwner"),
    ("LiquidationAuctionOffers", "pre_liquidate"): rule(TRADERS, "NotOwner", "NotOptedIn"),
    **several("SignedOrders", "fill_pair fill fill_with fill_residual", "matcher", "NotMatcher"),
    **several("SignedOrders", "cancel cancel_up_to", TRADERS, "NotOwner"),
    ("SignedOrders", "set_matcher"): rule(GOVERNANCE, "NotGovernance"),
    **{(name, "transfer_ownership"): rule(GOVERNANCE, OWNABLE) for name in OWNED},
    **{(name, "accept_ownership"): rule(NOBODY, PENDING) for name in OWNED},
    ("MarginEngineAdmin", "transfer_ownership"): rule(NOBODY, OWNABLE),
    ("MarginEngineAdmin", "accept_ownership"): rule(NOBODY, PENDING),
}


def test_table__has_every_function_and_no_other():
    assert set(entries()) == set(TABLE)
    assert len(entries()) >= 130


def test_table__who_may__are_roles():
    assert all(allowed <= set(ROLES) for allowed, _, _ in TABLE.values())
    assert all(allowed == ANYONE or error for allowed, error, _ in TABLE.values())


def address_of_role(house, name):
    if name == "venue":
        return house.venue
    found = house.contracts.get(name)
    return found.address if found else house.actors[name].address


# A contract that pays itself, or the fund that holds the shares in escrow: no code of ours makes
# these calls.
SELF = {
    **{
        (contract, function, "CollateralVault"): "BadToken"
        for contract, function in (
            ("CollateralVault", "deposit"),
            ("MarginEngine", "deposit"),
            ("InsuranceFund", "deposit"),
            ("InsuranceFund", "mint"),
            ("InsuranceFund", "sponsor"),
        )
    },
    ("InsuranceFund", "request_redeem", "InsuranceFund"): None,
    ("LiquidationAuctionOffers", "commit_intent", "trader"): "NotAuction",
}


def attempt(house, to, data, sender):
    """What one call meets: None for success, else the error."""
    receipt = house.evm.transact(to, data, sender)
    if receipt.success:
        return None
    exc = Reverted(receipt.output, receipt.halt)
    return exc.name if not exc.args else (exc.name, *exc.args)


@pytest.mark.parametrize(("contract", "function"), entries())
def test_matrix__every_role__meets_what_the_table_says(arena, contract, function):
    house = arena.house
    allowed, error, then = TABLE[contract, function]
    args = arena.calls(house.actors["trader"])[contract, function]
    target = house.contracts[contract]
    for name in ROLES:
        before = house.evm.snapshot()
        sender = address_of_role(house, name)
        for token in ("usd", "weth"):  # whoever pays has something to pay with
            house.tokens[token].mint(sender, 10**20)
            house.tokens[token].approve(house.vault.address, 10**20, sender=sender)
        met = attempt(house, target.address, target.pack(function, *args), sender)
        house.evm.revert(before)
        wanted = then if name in allowed else error
        wanted = SELF.get((contract, function, name), wanted)
        if name in allowed:
            assert met not in ROLE_ERRORS, f"{name} may call {contract}.{function}: {met}"
        assert met == wanted, f"{name} on {contract}.{function}: expected {wanted}, got {met}"


@pytest.mark.parametrize(
    "function", sorted({name for part, name in TABLE if part == "MarginEngineAdmin"})
)
def test_second_bytecode__forwards_to_the_third__on_its_own_empty_storage(arena, function):
    """Called at its own address the liquidation part forwards too: nobody is anything there
    either."""
    house = arena.house
    args = arena.calls(house.actors["trader"])["MarginEngineAdmin", function]
    data = house.engine.pack(function, *args)
    _, error, then = TABLE["MarginEngineAdmin", function]
    for name in ROLES:
        part = house.contracts["MarginEngineLiquidation"].address
        assert attempt(house, part, data, address_of_role(house, name)) == (error or then)


# -- after deployment


def test_owner__of_every_contract__is_the_timelock(arena):
    house = arena.house
    for name in OWNED:
        assert house.contracts[name].owner() == house.timelock.address, name
        assert house.contracts[name].pending_owner() == ZERO, name
    unowned = {name for name in DEPLOYABLES if "owner" not in house.contracts[name]._groups}
    assert unowned == {
        "Deployer",
        "Timelock",
        "MarginEngineLiquidation",
        "MarginEngineDeleveraging",
        "MarginEngineLegs",
        "LiquidationAuctionOffers",
        "OracleAdmin",
    }


def leftovers(house):
    """Who took part in the deployment and must hold nothing: account, factory, creation proxies."""
    factory = house.contracts["Deployer"].address
    proxies = [proxy_address(factory, salt_of(house.config.name, name)) for name in CONTRACTS]
    return [house.actors["deployer"].address, factory, *proxies]


def test_deployer__every_role_read__holds_nothing(arena):
    house = arena.house
    for who in leftovers(house):
        for name in ("PROPOSER_ROLE", "CANCELLER_ROLE", "EXECUTOR_ROLE"):
            assert not house.timelock.hasRole(role(name), who)
        assert not house.timelock.hasRole(bytes(32), who)
        assert not house.orders.matchers(who)
        assert not house.engine.venues(who)
        assert who not in (
            house.engine.guardian(),
            house.oracle.guardian(),
            house.surfaces.guardian(),
            house.engine.auction(),
            house.engine.fund(),
            house.engine.house_venue(),
            house.fund.auction(),
        )
        for index in range(3):
            assert house.engine.cash_of(int(who, 16) << 96 | index) == (0, 0)
        assert house.fund.balanceOf(who) == 0


def test_deployer__in_no_word_of_any_contract(arena):
    """Not by name but by bytes: its address is in no storage word and no immutable but the
    factory's."""
    house = arena.house
    needle = bytes.fromhex(house.actors["deployer"].address[2:])
    ours = {contract.raw_address: name for name, contract in house.contracts.items()}
    found = set()
    for address, ((_, _, _, code), _, storage) in house.evm.backend._export()[1]:
        name = ours.get(bytes(address))
        if name is None:
            continue
        words = [value[::-1] for _, value in storage]
        if needle in code or any(needle in word for word in words):
            found.add(name)
    assert found == {"Deployer"}


def test_unused_parts__are_owned_by_a_creation_proxy_that_cannot_call(arena):
    """The third bytecode's own storage names its creation proxy: dead code with no function."""
    house = arena.house
    factory = house.contracts["Deployer"].address
    proxy = proxy_address(factory, salt_of(house.config.name, "MarginEngineAdmin"))
    assert house.contracts["MarginEngineAdmin"].owner() == proxy
    assert house.contracts["MarginEngineAdmin"].owner() != house.engine.owner()
