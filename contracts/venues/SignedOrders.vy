# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title SignedOrders
@license AGPL-3.0-only
@notice A venue of orders signed off-chain (EIP-712 by a key, ERC-1271 by a contract). Whoever an
        order allows as matcher pairs it with others; the margin engine settles the fills, all or
        none.
@dev    Trust: a matcher chooses which orders meet, who is the maker (whose limit is the price), and
        when; it can never fill an order beyond its limit, size, expiry or flags. This contract
        holds no money and no approval; the engine checks market, band, health, reduce-only and
        pause. Units: lot 1e-6 underlying, tick 1e-9 USD. Account id: `owner address << 96 | index`.
@custom:kill The engine's governance removes this venue; nothing is stranded, orders just stop
        filling.
"""

from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from snekmate.utils import eip712_domain_separator as eip712
from contracts.interfaces import IMarginEngine
from contracts.interfaces import ISignedOrders
from contracts.modules import errors
from contracts.modules import order_ring
from contracts.modules import order_wire as wire
from contracts.modules import signatures

implements: ISignedOrders

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: eip712
initializes: signatures[eip712 := eip712]
initializes: order_ring

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
    eip712.eip712Domain,  # ERC-5267: wallets and explorers ask for the domain
)


# Longest arrays of one call. 16 fills of 32 orders cost about a million gas in the engine.
MAX_ORDERS: constant(uint256) = 32
MAX_MATCHES: constant(uint256) = 16
MAX_PROOFS: constant(uint256) = 4
MAX_UPDATES: constant(uint256) = 4

ENGINE: immutable(IMarginEngine)
ORACLE: immutable(address)

matchers: public(HashMap[address, bool])  # may fill orders that name no matcher


@deploy
def __init__(engine: address, oracle: address, governance: address):
    """
    @notice Sets the fixed neighbours and the owner.
    @dev NullAddress where an argument is zero. The neighbours may be deployed later.
    @param engine The margin engine that settles.
    @param oracle The oracle adapter that updates are passed to.
    @param governance Owner at first: may set matchers, nothing else.
    """
    errors._require(
        engine != empty(address) and oracle != empty(address) and governance != empty(address),
        errors.NULL_ADDRESS,
    )
    ownable.__init__()
    ownable_2step.__init__()
    ownable_2step._transfer_ownership(governance)
    eip712.__init__("Plimsoll SignedOrders", "1")
    ENGINE = IMarginEngine(engine)
    ORACLE = oracle


@external
def fill_pair(maker: ISignedOrders.SignedOrder, taker: ISignedOrders.SignedOrder, lots: uint256):
    """
    @notice Fills two orders against each other at the maker's limit price: the cheapest single
            trade.
    @dev    Callable by anyone both orders allow: the matcher they name, anybody, or else a
            registered matcher. Both signatures are checked before any order's state is read or
            written. Errors: Expired, BadArgument, BadSignature, NotMatcher, ZeroAmount,
            OrderMismatch, SelfTrade, OrderPostOnly, OrderPrice, BadNonce, OrderFilled, and the
            engine's.
    @param maker Order in wire form (see ISignedOrders); its limit is the price.
    @param taker Order in wire form.
    @param lots Lots of the fill.
    """
    domain: bytes32 = signatures._domain()
    maker_digest: bytes32 = self._admit(domain, maker.account, maker.terms)
    taker_digest: bytes32 = self._admit(domain, taker.account, taker.terms)
    maker_operator: address = self._key(maker.account, maker.terms, maker.r, maker.vs, maker_digest)
    taker_operator: address = self._key(taker.account, taker.terms, taker.r, taker.vs, taker_digest)
    self._require_matcher(maker.terms & wire.NO_ROLE == 0 or taker.terms & wire.NO_ROLE == 0)
    fills: DynArray[IMarginEngine.Fill, 1] = [
        self._match(
            maker.account,
            maker.terms,
            maker_operator,
            taker.account,
            taker.terms,
            taker_operator,
            lots,
        )
    ]
    extcall ENGINE.settle(fills)


@external
def fill(
    orders: DynArray[ISignedOrders.SignedOrder, MAX_ORDERS],
    matches: DynArray[uint256, MAX_MATCHES],
):
    """
    @notice Fills orders against each other at their makers' limit prices, all or none. Independent
            pairs, one taker against many makers, or any mixture: each match names its two orders.
    @dev    Callers, checks and errors as for `fill_pair`; BadArgument also where a match names an
            order that is not there.
    @param orders Orders in wire form (see ISignedOrders).
    @param matches From the lowest bit: position of the maker in `orders` 8 | of the taker 8
           | lots 64 | zeros.
    """
    operators: DynArray[address, MAX_ORDERS] = []
    domain: bytes32 = signatures._domain()
    needs_role: bool = False
    for order: ISignedOrders.SignedOrder in orders:
        digest: bytes32 = self._admit(domain, order.account, order.terms)
        if order.terms & wire.NO_ROLE == 0:
            needs_role = True
        operators.append(self._key(order.account, order.terms, order.r, order.vs, digest))
    self._require_matcher(needs_role)
    fills: DynArray[IMarginEngine.Fill, MAX_MATCHES] = []
    for item: uint256 in matches:
        i: uint256 = item & 255
        j: uint256 = (item >> 8) & 255
        if i >= len(orders) or j >= len(orders):
            errors._fail(errors.BAD_ARGUMENT)
        fills.append(
            self._match(
                orders[i].account,
                orders[i].terms,
                operators[i],
                orders[j].account,
                orders[j].terms,
                operators[j],
                item >> 16,
            )
        )
    extcall ENGINE.settle(fills)


@external
def fill_with(
    orders: DynArray[ISignedOrders.SignedOrder, MAX_ORDERS],
    matches: DynArray[uint256, MAX_MATCHES],
    proofs: DynArray[ISignedOrders.Proof, MAX_PROOFS],
    updates: DynArray[ISignedOrders.Update, MAX_UPDATES],
):
    """
    @notice `fill` after oracle updates, with orders approved by contracts.
    @dev    An update that the oracle refuses (somebody was quicker with the same one) is skipped:
            the engine judges the price that stands. Errors as for `fill`.
    @param orders Orders in wire form; one with the proof bit set has its proof's position in `r`.
    @param matches As for `fill`.
    @param proofs ERC-1271 approvals by the account's owner or by an operator.
    @param updates Oracle updates, applied first, in order.
    """
    for update: ISignedOrders.Update in updates:
        self._poke(update)
    operators: DynArray[address, MAX_ORDERS] = []
    domain: bytes32 = signatures._domain()
    needs_role: bool = False
    for order: ISignedOrders.SignedOrder in orders:
        digest: bytes32 = self._admit(domain, order.account, order.terms)
        if order.terms & wire.NO_ROLE == 0:
            needs_role = True
        if (order.terms >> wire.PROOF) & 1 == 0:
            operators.append(self._key(order.account, order.terms, order.r, order.vs, digest))
        else:
            errors._require(order.r < len(proofs), errors.BAD_SIGNATURE)
            operators.append(self._contract(order.account, digest, proofs[order.r]))
    self._require_matcher(needs_role)
    # The same loop as in `fill`: handing the arrays to a shared function would copy them all.
    fills: DynArray[IMarginEngine.Fill, MAX_MATCHES] = []
    for item: uint256 in matches:
        i: uint256 = item & 255
        j: uint256 = (item >> 8) & 255
        if i >= len(orders) or j >= len(orders):
            errors._fail(errors.BAD_ARGUMENT)
        fills.append(
            self._match(
                orders[i].account,
                orders[i].terms,
                operators[i],
                orders[j].account,
                orders[j].terms,
                operators[j],
                item >> 16,
            )
        )
    extcall ENGINE.settle(fills)


@external
def fill_residual(order: ISignedOrders.SignedOrder, lots: uint256):
    """
    @notice Fills an order out of what deleveraging left the insurance fund of the market: the order takes, at the edge
            of the oracle's band that is good for the fund.
    @dev    Callable by whom the order allows, as for `fill_pair`. Errors: Expired, BadArgument, BadSignature,
            NotMatcher, ZeroAmount, OrderPostOnly, OrderReduceOnly (such an order is not filled here), BadNonce,
            OrderFilled, and the engine's (NoResidual, OrderPrice, ...).
    @param order Order in wire form (see ISignedOrders).
    @param lots Lots of the fill; whole lots only, the engine's `residual_of` tells how many there are.
    """
    account: uint256 = order.account
    terms: uint256 = order.terms
    digest: bytes32 = self._admit(signatures._domain(), account, terms)
    operator: address = self._key(account, terms, order.r, order.vs, digest)
    self._require_matcher(terms & wire.NO_ROLE == 0)
    if lots == 0:
        errors._fail(errors.ZERO_AMOUNT)
    if lots > wire.U64:
        errors._fail(errors.ORDER_FILLED)
    if (terms >> wire.POST_ONLY) & 1 != 0:
        errors._fail(errors.ORDER_POST_ONLY)
    if (terms >> wire.REDUCE_ONLY) & 1 != 0:
        errors._fail(errors.ORDER_REDUCE_ONLY)
    order_ring._take(
        account, (terms >> wire.NONCE) & wire.U64, lots, (terms >> wire.LOTS) & wire.U64
    )
    signed: int256 = convert(lots, int256)
    if (terms >> wire.BUY) & 1 == 0:
        signed = -signed
    price: uint256 = extcall ENGINE.fill_residual(
        account, terms & wire.U16, signed, (terms >> wire.PRICE) & wire.U56
    )
    if operator != empty(address):
        extcall ENGINE.use_operator(account, operator, terms & wire.U16, signed, price)
    log ISignedOrders.ResidualMatched(account=account, nonce=(terms >> wire.NONCE) & wire.U64)


@external
def cancel(account: uint256, nonce: uint256):
    """
    @notice Kills one order. Positions and what was filled already stay.
    @dev    Callable by the account's owner or an operator who may trade (NotOwner). BadNonce: dead
            already, or more than 2**50 trios of nonces ahead of the newest in its word.
    @param account Account id.
    @param nonce The order's nonce.
    """
    self._require_trader(account)
    errors._require(nonce <= wire.U64, errors.BAD_NONCE)
    order_ring._cancel(account, nonce)
    log ISignedOrders.Cancelled(account=account, nonce=nonce)


@external
def cancel_up_to(account: uint256, nonce: uint256):
    """
    @notice Kills every order of an account with a smaller nonce, signed or not, in one sweep of at
            most 128 words.
    @dev    Callable by the account's owner or an operator who may trade (NotOwner). BadNonce: too
            far ahead, as for `cancel`.
    @param account Account id.
    @param nonce The first nonce left alive.
    """
    self._require_trader(account)
    errors._require(nonce <= wire.U64, errors.BAD_NONCE)
    order_ring._cancel_below(account, nonce)
    log ISignedOrders.CancelledUpTo(account=account, nonce=nonce)


@external
def set_matcher(matcher: address, allowed: bool):
    """
    @notice Gives or takes the matcher role: filling orders that name no matcher.
    @dev    Owner only (NotGovernance). NullAddress: zero matcher.
    @param matcher Who.
    @param allowed Whether it has the role from now on.
    """
    errors._require(msg.sender == ownable.owner, errors.NOT_GOVERNANCE)
    errors._require(matcher != empty(address), errors.NULL_ADDRESS)
    old: bool = self.matchers[matcher]
    self.matchers[matcher] = allowed
    log ISignedOrders.MatcherSet(matcher=matcher, old=old, new=allowed)


@external
@view
@reentrant  # a wallet asked for its approval may look at the order; nothing is half-written then
def filled(account: uint256, nonce: uint256) -> (uint256, bool):
    """
    @notice How far an order is filled.
    @param account Account id.
    @param nonce The order's nonce.
    @return Lots filled (0 where dead), and whether it is dead: cancelled or superseded in the ring.
    """
    return order_ring._read(account, nonce)


@external
@view
@reentrant  # reads no storage; a wallet may recompute what it is asked to approve
def order_digest(account: uint256, terms: uint256, matcher: address) -> bytes32:
    """
    @notice What the signer of an order signs (EIP-712).
    @param account Account id.
    @param terms Wire form (see ISignedOrders).
    @param matcher Who may fill; read only where `terms` says that a matcher is named.
    @return The 32-byte digest.
    """
    return wire._digest_for(signatures._domain(), account, terms, matcher)


@internal
@view
def _admit(domain: bytes32, account: uint256, terms: uint256) -> bytes32:
    """
    @notice Refuses what no signature can cure: Expired, or unknown bits (BadArgument).
    @param domain The domain separator.
    @param account Account id.
    @param terms Wire form.
    @return The digest that must be signed; a named matcher can only be the sender.
    """
    if block.timestamp > (terms >> wire.EXPIRY) & wire.U40:
        errors._fail(errors.EXPIRED)
    if terms >> wire.UNUSED != 0:
        errors._fail(errors.BAD_ARGUMENT)
    return wire._digest_for(domain, account, terms, msg.sender)


@internal
@view
def _key(account: uint256, terms: uint256, r: uint256, vs: uint256, digest: bytes32) -> address:
    """
    @notice Who signed with a key. BadSignature unless the account's owner did, an operator who may
            trade, or the owner is a contract that approves.
    @param account Account id.
    @param terms Wire form.
    @param r First half of the signature.
    @param vs Parity in bit 255, s below it.
    @param digest The order's digest.
    @return Zero for the owner, else the operator.
    """
    owner: address = convert(account >> 96, address)
    key: address = signatures._recover(digest, r, vs)
    # The proof bit is not signed and has its own entry; here it would only hide a malformed order.
    if (terms >> wire.PROOF) & 1 != 0:
        errors._fail(errors.BAD_SIGNATURE)
    if key != empty(address):
        if key == owner:
            return empty(address)
        if staticcall ENGINE.may_trade(account, key):
            return key
    errors._require(signatures._approves_compact(owner, digest, r, vs), errors.BAD_SIGNATURE)
    return empty(address)


@internal
@view
def _contract(account: uint256, digest: bytes32, proof: ISignedOrders.Proof) -> address:
    """
    @notice Who approved as a contract (ERC-1271). BadSignature unless it is the owner or an
            operator who may trade, has code, and approves.
    @param account Account id.
    @param digest The order's digest.
    @param proof The contract and what it is shown.
    @return Zero for the owner, else the operator.
    """
    errors._require(
        signatures._approves(proof.signer, digest, proof.signature), errors.BAD_SIGNATURE
    )
    if proof.signer == convert(account >> 96, address):
        return empty(address)
    errors._require(staticcall ENGINE.may_trade(account, proof.signer), errors.BAD_SIGNATURE)
    return proof.signer


@internal
@view
def _require_matcher(needs_role: bool):
    """
    @notice NotMatcher where an order leaves matching to registered matchers and the sender is none.
    @param needs_role Whether there is such an order.
    """
    if needs_role:
        errors._require(self.matchers[msg.sender], errors.NOT_MATCHER)


@internal
@view
def _require_trader(account: uint256):
    """
    @notice NotOwner unless the sender is the account's owner or an operator who may trade.
    @param account Account id.
    """
    if msg.sender != convert(account >> 96, address):
        errors._require(staticcall ENGINE.may_trade(account, msg.sender), errors.NOT_OWNER)


@internal
def _match(
    maker: uint256,
    maker_terms: uint256,
    maker_operator: address,
    taker: uint256,
    taker_terms: uint256,
    taker_operator: address,
    lots: uint256,
) -> IMarginEngine.Fill:
    """
    @notice One fill at the maker's price, booked on both orders and on the operators who signed.
    @dev    Errors: ZeroAmount, OrderFilled, OrderMismatch, SelfTrade, OrderPostOnly, OrderPrice,
            BadNonce.
    @param maker Account whose limit is the price.
    @param maker_terms Its order.
    @param maker_operator Zero where the owner signed, else the operator.
    @param taker Account whose limit the price must meet.
    @param taker_terms Its order.
    @param taker_operator Zero where the owner signed, else the operator.
    @param lots Lots of the fill.
    @return What the engine settles.
    """
    if lots == 0:
        errors._fail(errors.ZERO_AMOUNT)
    if lots > wire.U64:
        errors._fail(errors.ORDER_FILLED)
    if (maker_terms ^ taker_terms) & wire.CROSSING != 1 << wire.BUY:
        errors._fail(errors.ORDER_MISMATCH)
    if maker == taker:
        errors._fail(errors.SELF_TRADE)
    if (taker_terms >> wire.POST_ONLY) & 1 != 0:
        errors._fail(errors.ORDER_POST_ONLY)
    one: IMarginEngine.Fill = wire._terms(maker, maker_terms, taker, taker_terms, lots)
    self._book(maker, maker_terms, maker_operator, one)
    self._book(taker, taker_terms, taker_operator, one)
    # Proof: both nonces are below 2**64.
    log ISignedOrders.Matched(
        nonces=((maker_terms >> wire.NONCE) & wire.U64) << 128
        | ((taker_terms >> wire.NONCE) & wire.U64)
    )
    return one


@internal
def _book(account: uint256, terms: uint256, operator: address, one: IMarginEngine.Fill):
    """
    @notice Adds a fill to an order (BadNonce, OrderFilled), and charges it to the loss budget of
            the operator who signed; the engine refuses beyond it.
    @param account Account id.
    @param terms The order.
    @param operator Zero where the owner signed, else the operator.
    @param one The fill.
    """
    order_ring._take(
        account, (terms >> wire.NONCE) & wire.U64, one.lots, (terms >> wire.LOTS) & wire.U64
    )
    if operator != empty(address):
        lots: int256 = convert(one.lots, int256)
        if (terms >> wire.BUY) & 1 == 0:
            lots = -lots
        extcall ENGINE.use_operator(account, operator, one.market, lots, one.price)


@internal
def _poke(update: ISignedOrders.Update):
    """
    @notice Hands one update to the oracle; a refusal is ignored (see `fill_with`).
    @param update Feed and payload.
    """
    done: bool = raw_call(
        ORACLE,
        abi_encode(update.feed, update.payload, method_id=method_id("poke(uint256,bytes)")),
        revert_on_failure=False,
    )
