"""A house in which every state-changing entry of every contract has something to do.

`entries()` lists the entries from the ABIs. `Arena.calls(owner)` has arguments for each of them,
chosen so that the call succeeds for whoever may make it, where one call can (an exception says why
it cannot).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from coincurve import PrivateKey
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from plimsoll import orders
from plimsoll.compiler import compile_contract
from plimsoll.deployment.abi import FACTORY, PARTS, abi_of
from plimsoll.deployment.create3 import salt_of
from plimsoll.deployment.house import TEST_CONTRACTS, House, account_id
from plimsoll.deployment.plan import CONTRACTS
from plimsoll.risk_parameters import STARTING
from plimsoll.signed_surfaces import SliceReport, SurfaceReport
from plimsoll.signed_surfaces import sign as sign_surface
from tests.stage import (
    ETH,
    FOREVER,
    MARKET_CONFIG,
    ONE,
    TOKEN,
    USD,
    fill,
    give_residual,
    move_price,
)

DEPLOYABLES = (FACTORY, *CONTRACTS)
NONE = bytes(32)
ZERO = "0x" + "00" * 20
DAY = 86_400
# Signer set 1, a day's age, 20 % around the index and a year 50 % more, volatility 1 to 500 %,
# wings as steep as may be.
SURFACE_TERMS = (1, DAY, 2_000, 5_000, 100, 50_000, 20_000)


@cache
def entries() -> tuple[tuple[str, str], ...]:
    """(contract, function) of every state-changing function of every deployable."""
    return tuple(
        (name, str(entry["name"]))
        for name in DEPLOYABLES
        for entry in abi_of(name)
        if entry["type"] == "function" and entry["stateMutability"] in ("nonpayable", "payable")
    )


def key_of(name: str) -> bytes:
    """A test key."""
    return keccak(text=f"arena key of {name}")


def address_of(name: str) -> str:
    """The address of a test key."""
    point = PrivateKey(key_of(name)).public_key.format(compressed=False)[1:]
    return to_checksum_address(keccak(point)[12:])


@dataclass
class Arena:
    """The house, what is on in it, and arguments."""

    house: House
    signed: tuple[orders.SignedOrder, orders.SignedOrder]
    residual: orders.SignedOrder  # alice's, for what the fund owns
    operation: tuple[Any, ...]  # a timelock operation that is ready
    surface: tuple[Any, ...]  # arguments of a surface report, not sent yet

    def calls(self, owner: str) -> dict[tuple[str, str], tuple[Any, ...]]:
        """Arguments of every entry; what needs an owner is about `owner` and its account 0."""
        house, people = self.house, self.house.actors
        calls = {
            **self._factory_and_lock(owner),
            **self._oracle_and_risk(),
            **self._surfaces(),
            **self._vault(owner),
            **self._engine(owner),
            **self._fund(owner),
            **self._auction(owner),
            **self._orders(owner),
            **{
                (name, "transfer_ownership"): (people["stranger"].address,)
                for name in DEPLOYABLES
                if (name, "transfer_ownership") in entries()
            },
            **{
                (name, "accept_ownership"): ()
                for name in DEPLOYABLES
                if (name, "accept_ownership") in entries()
            },
            (FACTORY, "deploy"): (salt_of(house.config.name, "Timelock"), b""),
        }
        return (
            calls
            | {  # a further bytecode, called directly, with the same arguments
                (part, function): calls[name, function]
                for name, parts in PARTS.items()
                for part in parts[1:]
                for one, function in entries()
                if one == part
            }
        )

    def _factory_and_lock(self, owner: str) -> dict[tuple[str, str], tuple[Any, ...]]:
        lock = self.house.timelock
        role = lock.PROPOSER_ROLE()
        target, amount, payload, predecessor, _ = self.operation
        one = (target, amount, payload, predecessor, (77).to_bytes(32, "big"))
        many = ([target], [amount], [payload], predecessor, (78).to_bytes(32, "big"))
        ready = ([target], [amount], [payload], predecessor, (79).to_bytes(32, "big"))
        calls = {
            "grantRole": (role, owner),
            "revokeRole": (role, owner),
            "renounceRole": (role, owner),
            "schedule": (*one, 2 * DAY),
            "schedule_batch": (*many, 2 * DAY),
            "cancel": (bytes(lock.hash_operation(*self.operation)),),
            "execute": self.operation,
            "execute_batch": ready,
            "update_delay": (3 * DAY,),
        }
        return {("Timelock", name): args for name, args in calls.items()}

    def _oracle_and_risk(self) -> dict[tuple[str, str], tuple[Any, ...]]:
        house = self.house
        selector = next(iter(house.oracle.list_feed.selectors.values()))
        feed = next(
            dict(step.args)
            for step in house.plan.steps
            if step.kind == "call" and step.data[:4] == selector
        )
        terms, sources, variance = feed["1"], feed["2"], feed["3"]
        market = house.engine.market_count()
        parameters = STARTING["ETH"].to_chain().astuple()
        return {
            ("OracleAdapter", "poke"): (1, b""),
            ("OracleAdapter", "halt"): (2, 60),
            ("OracleAdapter", "list_feed"): (9, terms, sources, variance),
            ("OracleAdapter", "set_terms"): (1, terms),
            ("OracleAdapter", "set_sources"): (1, terms, sources),
            ("OracleAdapter", "add_signer_set"): ([address_of("alice")], 1),
            ("OracleAdapter", "set_guardian"): (house.guardian.address,),
            ("OracleAdapter", "set_sequencer"): (ZERO, 0),
            ("StandardMargin", "quote"): (ETH, 5),
            ("StandardMargin", "close"): (1,),
            ("StandardMargin", "list_market"): (market + 1, 1, parameters),
            ("StandardMargin", "set_parameters"): (ETH, parameters),
        }

    def _surfaces(self) -> dict[tuple[str, str], tuple[Any, ...]]:
        house = self.house
        calls = {
            "submit": self.surface,
            "halt": (1, 60),
            "set_terms": (1, SURFACE_TERMS),
            "list_expiries": (1, [self.surface[3][0][0] + DAY]),
            "unlist_expiry": (1, self.surface[3][0][0]),
            "add_signer_set": ([address_of("alice")], 1),
            "set_guardian": (house.guardian.address,),
        }
        return {("ImpliedSurfaces", name): args for name, args in calls.items()}

    def _vault(self, owner: str) -> dict[tuple[str, str], tuple[Any, ...]]:
        mine, weth = account_id(owner), self.house.tokens["weth"].address
        other = account_id(self.house.actors["maker"])
        calls = {
            "deposit": (mine, weth, 10**15),
            "withdraw": (mine, weth, 10**15, owner),
            "pull_quote": (owner, TOKEN),
            "push_quote": (owner, TOKEN, True),
            "move_share": (mine, other, ONE // 10),
            "move_between": (mine, other, weth, 10**15),
            "settle_ramp": (weth,),
            "list_asset": (self.house.tokens["other"].address, 1, 500, 1_000, 10**20, 3_600),
            "set_haircuts": (weth, 600, 1_100, DAY),
            "set_cap": (weth, 10**22, 3_600),
            "set_feed": (weth, 1),
            "set_enabled": (weth, False),
            "set_limiter": (weth, 9_000, 3_600, 10**18),
        }
        return {("CollateralVault", name): args for name, args in calls.items()}

    def _engine(self, owner: str) -> dict[tuple[str, str], tuple[Any, ...]]:
        house, people = self.house, self.house.actors
        mine = account_id(owner)
        sick, liquidator = people["sick"].id, people["liquidator"].id
        one = fill(house, owner, people["maker"], 1, 1_820)
        pay = (0, 0, 0, 0)
        leg_terms = (ETH, 10**5, 10**30, 0, 0, 0, pay, 0, 0, 0)
        slice_terms = (ONE // 10, 0, 0, 0, 0, 0, False, False, ZERO, False, pay, False, False)
        sale = (10**30, 10**9, 3_600, 5_000, 10_000, pay)
        calls = {
            "deposit": (mine, TOKEN),
            "withdraw": (mine, TOKEN, owner),
            "transfer": (mine, mine + 1, USD),
            "set_operator": (people["keeper"].address, FOREVER, 1, 5),
            "set_mode": (mine, 1),
            "realise": (mine, ETH),
            "settle": ([one],),
            "use_operator": (mine, owner, ETH, 5, 10**12),
            "collateral_changed": (mine, owner, 1, True),
            "note_deficit": (sick, 5),
            "claim_flow": (sick, 0, 5 * USD),
            "freeze": (people["weak"].id,),
            "thaw": (sick,),
            "sell_slice": (sick, liquidator, slice_terms),
            "sell_leg": (sick, liquidator, leg_terms),
            "fill_residual": (mine, ETH, 10**5, 2**55),
            "net_residual": (ETH,),
            "deleverage": (sick, 0, sale),
            "release": (people["escrowed"].id,),
            "recover": (),
            "fund_deposit": (owner, TOKEN),
            "fund_withdraw": (owner, TOKEN),
            "budget_move": (1,),
            "collect_fees": (ETH,),
            "list_market": (MARKET_CONFIG,),
            "set_market": (ETH, MARKET_CONFIG),
            "set_status": (ETH, 1),
            "wind_down": (1,),
            "set_pause": (1,),
            "set_core": (house.risk.address, 5_000, 3_600),
            "set_module": (3, people["guardian"].address),
            "set_venue": (house.venue, True),
            "set_fee_split": (people["treasury"].address, 100),
            "set_flow": ((100, 600, 128, 0),),
            "refresh_flow": (ETH,),
            "set_rates": ((1, 1, 1, 8_000, 100, 10**12),),
        }
        return {("MarginEngine", name): args for name, args in calls.items()}

    def _fund(self, owner: str) -> dict[tuple[str, str], tuple[Any, ...]]:
        people = self.house.actors
        signature = self.permit(address_of("alice"), people["keeper"].address, 5)
        calls = {
            "transfer": (people["keeper"].address, 0),
            "transferFrom": (owner, people["keeper"].address, 10**9),
            "approve": (people["keeper"].address, 5),
            "permit": (address_of("alice"), people["keeper"].address, 5, FOREVER, *signature),
            "deposit": (TOKEN, owner),
            "mint": (10**12, owner),
            "request_redeem": (10**9,),
            "cancel_request": (),
            "withdraw": (TOKEN, owner, owner),
            "redeem": (10**12, owner, owner),
            "sponsor": (TOKEN,),
            "sync": (),
            "observe": (),
            "fund_budget": (10**30,),
            "draw": ([ETH << 128 | 1], 5),
            "set_caps": ((4_000, 8_000, 5_000, DAY),),
            "set_budget": (USD, 100),
            "set_drip": (DAY,),
            "set_cooldown": (2 * DAY, 2 * DAY),
            "set_tolerance": (20,),
            "set_auction": (self.house.auction.address,),
        }
        return {("InsuranceFund", name): args for name, args in calls.items()}

    def _auction(self, owner: str) -> dict[tuple[str, str], tuple[Any, ...]]:
        people = self.house.actors
        sick, cured = people["sick"].id, people["cured"].id
        auction = self.house.auction
        curve = tuple(auction.curve())
        calls = {
            "start": (people["weak"].id,),
            "bid": (sick, account_id(owner), 0, ONE // 10, 10**30, FOREVER),
            "bid_leg": (sick, account_id(owner), 0, ETH, 10**5, 0, FOREVER),
            "bid_with_callback": (sick, account_id(owner), 0, ONE // 10, 10**30, FOREVER),
            "end": (cured,),
            "deleverage": (people["broken"].id, account_id(owner)),
            "sync": (sick,),
            "set_curve": (curve,),
            "set_pre_liquidation": (account_id(owner), True),
            "commit_intent": (account_id(owner) + 3, intent_until(self.house, 10 * DAY)),
            "revoke_intent": (account_id(owner) + 4,),
            "release_intent": (people["lapsed"].id,),
            "fill_intent": (sick, people["backer"].id, FOREVER),
            "pre_liquidate": (people["thin"].id, account_id(owner), ONE, 10**30, FOREVER),
        }
        return {("LiquidationAuction", name): args for name, args in calls.items()}

    def _orders(self, owner: str) -> dict[tuple[str, str], tuple[Any, ...]]:
        maker, taker = (tuple(order) for order in self.signed)
        match = orders.Match(0, 1, 10**5).pack()
        calls = {
            "fill_pair": (maker, taker, 10**5),
            "fill": ([maker, taker], [match]),
            "fill_with": ([maker, taker], [match], [], [(1, b"")]),
            "fill_residual": (tuple(self.residual), 10**5),
            "cancel": (account_id(owner), 5),
            "cancel_up_to": (account_id(owner), 5),
            "set_matcher": (self.house.matcher.address, True),
        }
        return {("SignedOrders", name): args for name, args in calls.items()}

    def permit(self, owner: str, spender: str, amount: int) -> tuple[int, bytes, bytes]:
        """v, r, s of alice's ERC-2612 permit."""
        fund = self.house.fund
        kind = keccak(
            text="Permit(address owner,address spender,uint256 value,uint256 nonce,"
            "uint256 deadline)"
        )
        words = [int(owner, 16), int(spender, 16), amount, fund.nonces(owner), FOREVER]
        body = kind + b"".join(word.to_bytes(32, "big") for word in words)
        digest = keccak(b"\x19\x01" + bytes(fund.DOMAIN_SEPARATOR()) + keccak(body))
        raw = PrivateKey(key_of("alice")).sign_recoverable(digest, hasher=None)
        return raw[64] + 27, raw[:32], raw[32:64]


def build(house: House, owner: str) -> Arena:
    """Brings a staged house into the state; `owner` is who the entries act for."""
    people = house.actors
    house.tokens["other"] = house.evm.deploy(
        compile_contract("MintableToken", contracts=TEST_CONTRACTS), 18
    )
    house.actor("backer", quote=100_000)
    for name in ("sick", "weak", "cured", "escrowed", "thin", "lapsed"):
        house.actor(name, quote=10_000)
    broken = house.actor("broken", quote=10_000)
    for name in ("alice", "bob"):
        _fund_account(house, name)
    _collateral_ramp(house)
    mine = account_id(owner)
    house.mint(owner, 100_000)
    house.mint(owner, 10, "weth")
    for token in ("usd", "weth"):
        house.tokens[token].approve(house.vault.address, 2**256 - 1, sender=owner)
    house.engine.deposit(mine, 50_000 * TOKEN, sender=owner)
    house.vault.deposit(mine, house.tokens["weth"].address, 10**18, sender=owner)
    # The fund: shares, a request whose window will be open, an allowance, income.
    house.fund.deposit(20_000 * TOKEN, owner, sender=owner)
    house.fund.request_redeem(5_000 * 10**12, sender=owner)
    house.fund.approve(people["operator"], 2**255, sender=owner)
    operation = (
        house.tokens["usd"].address,
        0,
        house.tokens["usd"].mint.pack(ZERO[:-1] + "9", 1),
        NONE,
        NONE,
    )
    council = people["council"]
    house.timelock.schedule(*operation, 2 * DAY, sender=council)
    target, amount, payload, predecessor, _ = operation
    ready = ([target], [amount], [payload], predecessor, (79).to_bytes(32, "big"))
    house.timelock.schedule_batch(*ready, 2 * DAY, sender=council)
    house.advance(7 * DAY + 60, refresh=True)
    house.advance(60, refresh=True)
    maker = people["maker"]
    house.trade("ETH-PERP", owner, maker, 2, 2_000, 1)
    for name in ("sick", "weak", "cured", "thin"):
        house.trade("ETH-PERP", people[name], maker, 50, 2_000, 1)
    house.trade("ETH-PERP", broken, maker, 1, 2_000, 1)
    house.advance(3_600, refresh=True)
    move_price(house, 1_820)
    _intents(house, owner)
    for name in ("sick", "cured"):
        house.auction.start(people[name].id, sender=people["keeper"])
    house.deposit(people["cured"], 50_000)
    _thin(house)
    house.mint(owner, 50_000)
    house.fund.sponsor(1_000 * TOKEN, sender=owner)
    house.fund.fund_budget(100 * USD)
    house.engine.set_operator(people["operator"], FOREVER, 1, 10**20, sender=owner)
    house.engine.set_operator(people["mover"], FOREVER, 2, 0, sender=owner)
    house.govern("MarginEngine", "set_status", 1, 2)
    pair = signed_order(house, "alice", nonce=1), signed_order(house, "bob", nonce=1)
    give_residual(house, 1)
    residual = signed_order(house, "alice", nonce=2, price=1_900)
    return Arena(house, pair, residual, operation, _surface(house))


def surface_report(
    house: House, expiries: Sequence[int], signers: Sequence[str], sequence: int
) -> tuple[Any, ...]:
    """Arguments of `submit`: 60 % for each expiry, observed now, signed by these test keys."""
    now = house.evm.timestamp
    slices = tuple(
        SliceReport(one, 1_820 * 10**9, (one - now) * 36 * 10**10 // (365 * DAY), 0, 0, 0, 10**11)
        for one in expiries
    )
    report = SurfaceReport(1, now, sequence, slices)
    keys = ["0x" + key_of(name).hex() for name in signers]
    given = sign_surface(report, keys, house.evm.chain_id, house.surfaces.address)
    return report.arguments(given)


def _surface(house: House) -> tuple[Any, ...]:
    """Opens the surface of feed 1, signed by alice, with one expiry."""
    expiry = house.evm.timestamp // 1_800 * 1_800 + 30 * DAY
    house.govern("ImpliedSurfaces", "add_signer_set", [address_of("alice")], 1)
    house.govern("ImpliedSurfaces", "set_terms", 1, SURFACE_TERMS)
    house.govern("ImpliedSurfaces", "list_expiries", 1, [expiry])
    return surface_report(house, [expiry], ["alice"], 1)


def signed_order(house: House, name: str, nonce: int, price: int = 1_820) -> orders.SignedOrder:
    """For one ether at so many USD: alice buys, whoever else sells."""
    order = orders.Order(
        account=account_id(address_of(name)),
        market=ETH,
        buy=name == "alice",
        size=Decimal(1),
        limit_price=Decimal(price),
        expiry=FOREVER,
        nonce=nonce,
    )
    domain = orders.Domain(house.evm.chain_id, house.orders.address)
    return orders.sign(order, domain, key_of(name))


def intent_until(house: House, seconds: int) -> tuple[Any, ...]:
    """1,000 USD of R of any account, from the first second on."""
    return (1_000 * TOKEN, 10**12, 0, house.evm.timestamp + seconds, True, 2**256 - 1)


def _intents(house: House, owner: str) -> None:
    """Committed: a backer, the owner's account 4, and one whose intent has just expired."""
    mine = account_id(owner)
    house.mint(owner, 20_000)
    for index in (3, 4):
        house.engine.deposit(mine + index, 5_000 * TOKEN, sender=owner)
    backer, lapsed = house.actors["backer"], house.actors["lapsed"]
    days = intent_until(house, 10 * DAY)
    house.auction.commit_intent(lapsed.id, intent_until(house, 1), sender=lapsed)
    house.auction.commit_intent(backer.id, days, sender=backer)
    house.auction.commit_intent(mine + 4, days, sender=owner)
    house.evm.advance(2)


def _thin(house: House) -> None:
    """One account in the middle of the pre-liquidation band whose owner has asked for it."""
    thin = house.actors["thin"]
    house.auction.set_pre_liquidation(thin.id, True, sender=thin)
    margin = house.engine.margin(thin.id)
    house.deposit(thin, (margin.requirement * 102 // 100 - margin.equity) // USD)
    assert house.auction.pre_quote(thin.id).fraction > 0


def _fund_account(house: House, name: str) -> None:
    """10,000 USD in the account of a key that never sends a transaction."""
    giver = house.actors["maker"]
    house.mint(giver, 10_000)
    house.engine.deposit(account_id(address_of(name)), 10_000 * TOKEN, sender=giver)


def _collateral_ramp(house: House) -> None:
    """A haircut ramp that will have run out, so that `settle_ramp` has something to settle."""
    house.govern("CollateralVault", "set_haircuts", house.tokens["weth"].address, 500, 1_000, DAY)
