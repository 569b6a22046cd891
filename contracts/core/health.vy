# pragma version 0.4.3
"""
@title health
@license AGPL-3.0-only
@notice The one health function: gathers what an account holds, asks the risk model once, and applies
        the rule of the house. Trusts the risk model (and the oracle behind it) for prices and rates,
        the vault for collateral balances.
"""
from contracts.core import accounts
from contracts.core import cash
from contracts.core import ledger
from contracts.interfaces import ICollateralVault
from contracts.interfaces import IRiskModel
from contracts.modules import errors
from contracts.modules import quote_word

uses: accounts
uses: cash
uses: ledger

VAULT: immutable(address)

# risk model address uint160 | pause level uint8 << 160 | fresh-profit haircut uint16 << 168 (1e-4)
# | fresh-profit period uint32 << 184 (seconds) | house venue switched off << 216
core: public(uint256)

NO_MARKET: constant(uint256) = 256
LOTS_MASK: constant(int256) = 2**64 - 1
ROOT_MASK: constant(int256) = (2**40 - 1) << 16
DEGRADED: constant(uint256) = 1


# A touched position.
struct Leg:
    lots: int256  # signed lots
    g: int256  # quote units


@deploy
def __init__(vault: address):
    """
    @notice Fixes the vault.
    @param vault The collateral vault.
    """
    errors._require(vault != empty(address), errors.NULL_ADDRESS)
    VAULT = vault


@internal
@view
def _period() -> uint256:
    """
    @notice Decay period of fresh profit, seconds.
    """
    return (self.core >> 184) & (2**32 - 1)


@internal
@view
def _risk() -> address:
    """
    @notice The risk model of isolated and cross accounts.
    """
    return convert(self.core & (2**160 - 1), address)


@internal
@view
def _basis(market: uint256) -> int256:
    """
    @notice Mark minus funding index, ticks, without accruing anything.
    """
    w: uint256 = staticcall IRiskModel(self._risk()).peek(market)
    return convert(quote_word._mark(w), int256) - quote_word._funding(w)


@internal
@pure
def _lowest(bits: uint256) -> uint256:
    """
    @notice Index of the lowest set bit. Low market ids, the common case, take the short way.
    @param bits A word that is not 0.
    """
    b: uint256 = bits
    i: uint256 = 0
    # Proof for the unsafe sums: i is at most 128 + 64 + 32 + 16 + 8 + 4 + 2 + 1.
    if b & (2**32 - 1) == 0:
        if b & (2**128 - 1) == 0:
            b >>= 128
            i = 128
        if b & (2**64 - 1) == 0:
            b >>= 64
            i = unsafe_add(i, 64)
        if b & (2**32 - 1) == 0:
            b >>= 32
            i = unsafe_add(i, 32)
    if b & (2**16 - 1) == 0:
        b >>= 16
        i = unsafe_add(i, 16)
    if b & (2**8 - 1) == 0:
        b >>= 8
        i = unsafe_add(i, 8)
    # The lowest bit alone, then its index out of a table of nibbles' highest bits.
    b = b & unsafe_sub(0, b)
    if b & 15 == 0:
        b >>= 4
        i = unsafe_add(i, 4)
    # b is 1, 2, 4 or 8: its index is b / 2 - b / 8 = 0, 1, 2, 3.
    return unsafe_add(i, unsafe_sub(b >> 1, b >> 3))


@internal
@pure
def _leg(market: uint256, lots: int256, g: int256, hot: int256) -> int256:
    """
    @notice A position in the risk model's form: its side's charges folded into g.
    @return g int128 << 128 | lots int64 << 64 | open-interest root uint40 << 16 | market uint16.
    """
    x: int256 = hot >> 200
    if lots < 0:
        x = (hot << 56) >> 200
    # Proof: |lots| < 2^56, |x| < 2^55 and |g| < 2^126, so the difference fits an int128.
    return (
        (unsafe_sub(g, unsafe_mul(lots, x)) << 128)
        | ((lots & LOTS_MASK) << 64)
        | ((hot >> 32) & ROOT_MASK)
        | convert(market, int256)
    )


@internal
@view
def _assess(
    account: uint256, head: int256, swap: uint256, lots: int256, g: int256
) -> IRiskModel.Assessment:
    """
    @notice Asks the risk model for an account's margin.
    @param account Account id.
    @param head Its head.
    @param swap A market whose position is taken as (lots, g) instead of as stored, or NO_MARKET.
    @param lots Signed lots there, touched.
    @param g Quote units there, touched.
    @return The assessment, all zero without anything held.
    """
    a: IRiskModel.Assessment = empty(IRiskModel.Assessment)
    legs: DynArray[int256, 72] = []
    holdings: DynArray[uint256, 16] = []
    bits: uint256 = 0
    loose: int256 = 0
    perps: int256 = (head >> 227) & 127
    if lots != 0:
        legs.append(self._leg(swap, lots, g, ledger.hot[swap]))
        perps = unsafe_sub(perps, 1)  # the head counts this market
    # With this market the only one held there is no need to read which others are.
    if perps > 0:
        bits = accounts.held[account] & ((1 << swap) ^ max_value(uint256))  # 1 << NO_MARKET is 0
    at: uint256 = 0  # market of the lowest bit of `bits`
    for _: uint256 in range(73):
        if bits == 0:
            break
        if bits & 1 == 0:
            skip: uint256 = self._lowest(bits)
            bits >>= skip
            # Proof: the sums are at most 256, one past the last market.
            at = unsafe_add(at, skip)
        hot: int256 = ledger.hot[at]
        stored: int256 = ledger.positions[account][at]
        s: int256 = stored >> 192
        q: int256 = (stored << 64) >> 128
        x: int256 = hot >> 200
        epoch: int256 = hot >> 24
        if s < 0:
            epoch = hot
            x = (hot << 56) >> 200
        if (epoch ^ stored) & (2**24 - 1) != 0:
            spill: int256 = 0
            s, q, spill = ledger._load(account, at, hot, self._basis(at))
            loose += spill  # no whole lot left: its value is as good as cash
            if s == 0:
                bits >>= 1
                at = unsafe_add(at, 1)
                continue
            # `_leg` in place, a call the less per perp; its proof holds here.
        legs.append(
            (unsafe_sub(q, unsafe_mul(s, x)) << 128)
            | ((s & LOTS_MASK) << 64)
            | ((hot >> 32) & ROOT_MASK)
            | convert(convert(at, bytes32), int256)
        )
        bits >>= 1
        at = unsafe_add(at, 1)
    if (head >> 234) & 31 != 0:
        holdings = staticcall ICollateralVault(VAULT).holdings(account)
    if len(legs) != 0 or len(holdings) != 0:
        a = staticcall IRiskModel(self._risk()).assess(legs, holdings)
    a.unrealised += loose
    a.initial_value += loose
    return a


@internal
@view
def _assess_at(
    account: uint256, head: int256, market: uint256, leg: Leg, word: uint256
) -> IRiskModel.Assessment:
    """
    @notice `_assess` with the market's position taken as `leg`, where its quote word is at hand.
    @param account Account id.
    @param head Its head.
    @param market The market.
    @param leg The position there, touched.
    @param word The market's quote word.
    @return The assessment.
    """
    # The common case: one perp, this, and no collateral (bits 227-233 and 234-238 of the head).
    if leg.lots != 0 and (head >> 227) & 4095 == 1:
        return staticcall IRiskModel(self._risk()).assess_one(
            self._leg(market, leg.lots, leg.g, ledger.hot[market]), word
        )
    return self._assess(account, head, market, leg.lots, leg.g)


@internal
@view
def _initial(head: int256, balance: int256, a: IRiskModel.Assessment, leaving: bool) -> int256:
    """
    @notice E_init: the conservative edge, fresh and open profit under its haircut.
    @param head The account's head.
    @param balance Its cash, quote units.
    @param a Its assessment.
    @param leaving True where value leaves: then fresh and open profit count nothing.
    @return Quote units.
    """
    # Proof for the unsafe steps: |cash| < 2^100; each of 72 legs and 16 holdings is below 2^128.
    fresh: int256 = max(a.unrealised, 0)
    if head & accounts.FRESH_AMOUNT != 0:
        fresh = unsafe_add(fresh, accounts._fresh(head, self._period()))
    if fresh != 0 and not leaving:
        haircut: int256 = convert((self.core >> 168) & 65535, int256)
        fresh = unsafe_div(unsafe_add(unsafe_mul(fresh, haircut), 9999), 10000)
    return unsafe_sub(unsafe_add(balance, a.initial_value), fresh)


@internal
@view
def _strong(head: int256, balance: int256, a: IRiskModel.Assessment) -> bool:
    """
    @notice True where E_init >= R_init on live feeds. An account without anything held needs no price.
    @param head The account's head.
    @param balance Its cash, quote units.
    @param a Its assessment.
    """
    if head & accounts.ANYTHING_HELD == 0:
        return balance >= 0
    if a.state > DEGRADED:
        return False
    return self._initial(head, balance, a, False) >= convert(a.initial, int256)


@internal
@view
def _require_initial(account: uint256, head: int256, w: uint256, leaving: bool):
    """
    @notice Reverts unless the account meets its initial requirement.
    @param account Account id.
    @param head Its head as it will be stored.
    @param w Indices word, brought to now.
    @param leaving True where value leaves the account.
    """
    balance: int256 = cash._value(head, w)
    # Who has no position and owes nothing needs no price, whatever collateral is left: its health is infinite.
    if accounts._perps(head) == 0:
        kept: int256 = 0
        if leaving:
            kept = accounts._fresh(head, self._period())
        if balance >= kept:
            return
    # All stopped but exits: value leaves only where nothing depends on a price.
    errors._require(not leaving or (self.core >> 160) & 255 < 4, errors.MARKET_PAUSED)
    a: IRiskModel.Assessment = self._assess(account, head, NO_MARKET, 0, 0)
    errors._require(a.state <= DEGRADED, errors.STALE_PRICE)
    errors._require(
        self._initial(head, balance, a, leaving) >= convert(a.initial, int256), errors.UNDERWATER
    )


@internal
@view
def _require_health(
    account: uint256,
    head: int256,
    w: uint256,
    market: uint256,
    word: uint256,
    now: Leg,
    was: Leg,
    spill: int256,
    old: int256,
):
    """
    @notice The rule after a fill: the initial requirement is met, or the requirement did not rise and health did
            not fall where E was positive, E did not fall where it was not.
    @param account Account id.
    @param head Its head as it will be stored.
    @param w Indices word, brought to now.
    @param market The market of the fill.
    @param word Its quote word.
    @param now The position there now.
    @param was The position there before.
    @param spill Cash that came from touching the position before, quote units.
    @param old Its head before.
    """
    a: IRiskModel.Assessment = self._assess_at(account, head, market, now, word)
    balance: int256 = cash._value(head, w)
    if self._strong(head, balance, a):
        return
    b: IRiskModel.Assessment = self._assess_at(account, old, market, was, word)
    e1: int256 = balance + a.unrealised + convert(a.collateral, int256)
    e0: int256 = cash._value(old, w) + spill + b.unrealised + convert(b.collateral, int256)
    r1: int256 = convert(a.linear + a.superlinear, int256)
    r0: int256 = convert(b.linear + b.superlinear, int256)
    # The requirement may not rise either: otherwise an empty account (E = R = 0) could open anything.
    errors._require(r1 <= r0, errors.HEALTH_FELL)
    if e0 > 0:
        errors._require(e1 * r0 >= e0 * r1, errors.HEALTH_FELL)
    else:
        errors._require(e1 >= e0, errors.HEALTH_FELL)
