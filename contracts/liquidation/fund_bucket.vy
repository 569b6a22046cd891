# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title fund_bucket
@license AGPL-3.0-only
@notice The engine's fund bucket as the fund sees it, and the drip of income into the shares'
        assets.

        bucket  the engine's fund_balance(), quote units (qu, 1e-15 USD; 1e9 to a token unit)
        locked  income seen but not dripped yet, qu; dripping linearly
        assets  (bucket - locked) rounded down to token units

        What the fund itself moves is booked as it moves; any other rise is income, any other fall a
        loss, booked by the next sync. Trusts the engine's balance, its moves and its deficits.
"""
from contracts.interfaces import IInsuranceFund
from contracts.liquidation import fund_clock
from contracts.liquidation import fund_terms
from contracts.modules import errors
from contracts.modules import governed
from contracts.modules import rounding
from contracts.modules import saturating

uses: fund_clock
uses: fund_terms
uses: governed


interface Engine:
    def fund_deposit(payer: address, amount: uint256): nonpayable
    def fund_withdraw(receiver: address, amount: uint256): nonpayable
    def budget_move(amount: uint256): nonpayable
    def fund_balance() -> uint256: view
    def keeper_budget() -> uint256: view
    def pending_deficit() -> uint256: view


TOKEN: constant(uint256) = 10**9  # qu of one token unit
SCALE: constant(uint256) = 10_000  # 1e-4
# token units, a trillion USD; far inside the engine's field
MAX_ASSETS: constant(uint256) = 10**18
M32: constant(uint256) = 2**32 - 1
M96: constant(uint256) = 2**96 - 1  # qu; the width of the engine's bucket as well

# The margin engine.
engine: public(immutable(address))
# The quote token, 6 decimals.
asset: public(immutable(address))

# The engine's bucket as last seen uint96 (qu) | undripped at the start uint96 << 96 (qu)
# | drip's start uint32 << 192 (unix s) | its end uint32 << 224 (unix s). A sync that finds nothing
# undripped leaves both times 0; else start < end.
_drip: uint256


@deploy
def __init__(engine_: address, asset_: address):
    """
    @notice The caller has checked both.
    @param engine_ The margin engine.
    @param asset_ The quote token.
    """
    engine = engine_
    asset = asset_


@external
def sponsor(assets: uint256):
    """
    @notice Gives assets to the fund as income: it drips in, or pays keepers. The caller pays and
            has approved the vault. Anyone.
    @dev Reverts ZeroAmount, OutOfRange (over maxDeposit), and what engine, vault or token revert
            with.
    @param assets Token units.
    """
    errors._require(assets > 0, errors.ZERO_AMOUNT)
    errors._require(assets <= self._room(self._sync()), errors.OUT_OF_RANGE)
    extcall Engine(engine).fund_deposit(msg.sender, assets)
    log IInsuranceFund.Sponsored(payer=msg.sender, assets=assets)
    self._sync()


@external
def sync():
    """
    @notice Books what the bucket gained or lost since it was last seen; income starts to drip. Sees
            whether a deficit holds redemptions up, and stops or starts their clock (fund_clock).
            Anyone; every call here that moves shares, assets or the budget does it first.
    """
    self._sync()


@external
def observe():
    """
    @notice The part of `sync` that stops or starts the clock of redemptions. Anyone; the auction does
            it whenever it has changed what deficits the engine knows of.
    """
    self._observe()


@external
@view
def undripped() -> uint256:
    """
    @notice Income not dripped yet, what is unseen so far included.
    @return qu, rounded up.
    """
    bucket: uint256 = 0
    locked: uint256 = 0
    end: uint256 = 0
    bucket, locked, end = self._seen_now()
    return locked


@external
def set_drip(period: uint256):
    """
    @notice Changes how long new income drips; what drips already keeps its end. Governance only.
    @dev Reverts NotGovernance, BadParameter.
    @param period Seconds, one hour to 30 days.
    """
    governed._check_governance()
    self._sync()  # income that came before drips by the old period
    fund_terms._set_drip(period)


@external
def set_tolerance(share: uint256):
    """
    @notice Changes the open deficit up to which redemptions go on, less that deficit. Governance
            only.
    @dev Reverts NotGovernance, BadParameter.
    @param share 1e-4 of the bucket, at most 200; 0: any deficit holds them up.
    """
    governed._check_governance()
    fund_terms._set_tolerance(share)
    self._observe()


# -- the fund's own moves: booked first, then made by the engine --


@internal
def _put(payer: address, assets: uint256):
    """
    @notice Takes assets in as a depositor's: no income. OutOfRange where the bucket is full.
    @param payer Who pays and has approved the vault.
    @param assets Token units.
    """
    word: uint256 = self._drip
    added: uint256 = assets * TOKEN
    errors._require(added <= M96 - (word & M96), errors.OUT_OF_RANGE)
    self._drip = unsafe_add(word, added)  # the low field does not carry, as just checked
    extcall Engine(engine).fund_deposit(payer, assets)


@internal
def _pay(receiver: address, assets: uint256):
    """
    @notice Pays assets out as a redemption: no loss. OutOfRange where the bucket holds less.
    @param receiver Who gets the tokens.
    @param assets Token units.
    """
    word: uint256 = self._drip
    paid: uint256 = assets * TOKEN
    errors._require(paid <= word & M96, errors.OUT_OF_RANGE)
    self._drip = unsafe_sub(word, paid)  # the low field does not borrow, as just checked
    extcall Engine(engine).fund_withdraw(receiver, assets)


@internal
def _pay_keepers(amount_qu: uint256):
    """
    @notice Moves undripped income to the keepers' budget.
    @param amount_qu qu, at most what `_booked` says is locked.
    """
    # Proof: amount <= locked <= bucket < 2^96: neither field borrows.
    self._drip = unsafe_sub(self._drip, amount_qu | (amount_qu << 96))
    extcall Engine(engine).budget_move(amount_qu)


# -- what holds redemptions up --


@internal
@view
def _held_up() -> bool:
    """
    @notice Whether a deficit waits for the fund that is beyond the tolerated share of the bucket.
    """
    pending: uint256 = staticcall Engine(engine).pending_deficit()
    if pending == 0:
        return False
    bucket: uint256 = staticcall Engine(engine).fund_balance()
    return pending > bucket * fund_terms.deficit_tolerance // SCALE


@internal
def _observe():
    """
    @notice Stops or starts the clock of redemptions.
    """
    fund_clock._set(self._held_up())


# -- reading and booking --


@internal
@view
def _booked() -> (uint256, uint256):
    """
    @notice Bucket and undripped income as the last sync left them.
    @return bucket (qu), locked (qu, <= bucket).
    """
    word: uint256 = self._drip
    return word & M96, (word >> 96) & M96


@internal
@pure
def _room(total: uint256) -> uint256:
    """
    @notice What may still be put in.
    @param total Assets of the fund, token units.
    @return Token units.
    """
    return saturating._less(MAX_ASSETS, total)


@internal
@view
def _assets_now_floor() -> uint256:
    """
    @notice Assets as a sync would leave them.
    @return Token units, rounded down.
    """
    bucket: uint256 = 0
    locked: uint256 = 0
    end: uint256 = 0
    bucket, locked, end = self._seen_now()
    return (bucket - locked) // TOKEN


@internal
@view
def _seen_now() -> (uint256, uint256, uint256):
    """
    @notice Bucket, undripped income and the drip's end as they stand now. Income unseen so far
            joins what drips, and the end becomes the mean of both ends weighed by amount; a loss
            eats undripped income first.
    @return bucket (qu), locked (qu, rounded up, <= bucket), end (unix s, rounded up).
    """
    bucket: uint256 = staticcall Engine(engine).fund_balance()
    word: uint256 = self._drip
    known: uint256 = word & M96
    end: uint256 = word >> 224
    locked: uint256 = 0
    left: uint256 = saturating._less(end, block.timestamp)
    if left != 0:
        # end > now >= start, and left <= end - start
        length: uint256 = end - ((word >> 192) & M32)
        locked = rounding._div_up(((word >> 96) & M96) * left, length)
    if bucket > known:
        income: uint256 = bucket - known
        weighed: uint256 = locked * left + income * fund_terms.drip_period
        locked += income
        # Up: by less than a second, and never past a whole period from now. Down, dust given often
        # enough would bring the end near and let a buyer in front of it. locked > 0.
        end = block.timestamp + rounding._div_up(weighed, locked)
    elif bucket < known:
        locked = saturating._less(locked, known - bucket)
    return bucket, locked, end


@internal
def _sync() -> uint256:
    """
    @notice Books the bucket's changes, and stops or starts the clock of redemptions.
    @return Assets, token units, rounded down.
    """
    self._observe()
    bucket: uint256 = 0
    locked: uint256 = 0
    end: uint256 = 0
    bucket, locked, end = self._seen_now()
    word: uint256 = self._drip
    known: uint256 = word & M96
    if bucket > known:
        log IInsuranceFund.IncomeSeen(income_qu=bucket - known, locked_qu=locked, drip_end=end)
    elif bucket < known:
        log IInsuranceFund.LossSeen(loss_qu=known - bucket, locked_qu=locked)
    after: uint256 = self._packed_drip(bucket, locked, end)
    if after != word:
        self._drip = after
    return (bucket - locked) // TOKEN


@internal
@view
def _packed_drip(bucket: uint256, locked: uint256, end: uint256) -> uint256:
    """
    @notice The drip's word as of now. OutOfRange where a field is too narrow.
    @param bucket qu.
    @param locked Undripped, qu; <= bucket.
    @param end Unix s; after now unless nothing is undripped.
    @return See `_drip`.
    """
    errors._require(bucket <= M96 and end <= M32, errors.OUT_OF_RANGE)
    if locked == 0:
        return bucket
    return bucket | (locked << 96) | (block.timestamp << 192) | (end << 224)
