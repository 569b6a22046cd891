# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title pre_liquidation
@license AGPL-3.0-only
@notice Small slices of accounts that meet R by little, whose owners asked for it: while
        R <= E < (1 + band) R anyone may take one at a fixed premium, as large as brings the account back to
        the band and no more than a share of the account within any hour. Never worse for the owner than
        the auction would be at the same health: premium and fee are at most those of its first bid
        (curve.vy), and it sells no more than the auction, whose target lies no lower.
@dev    Terms are the newest curve's: an owner who does not like a change opts out. Nothing is sold on
        feeds that are not OK: there is no hurry. The account is frozen and thawed within the call, so it
        stays with its owner. Keepers are paid out of their part of the fee, nothing else.
"""
from contracts.interfaces import ILiquidationAuction
from contracts.interfaces import IMarginEngine
from contracts.liquidation import auction_pay
from contracts.liquidation import auction_ports
from contracts.liquidation import auction_settings
from contracts.liquidation import curve as curves
from contracts.liquidation import intent_book
from contracts.liquidation import runs
from contracts.liquidation import sizing
from contracts.liquidation import slices
from contracts.modules import errors

uses: auction_ports
uses: auction_settings
uses: intent_book
uses: runs

ONE: constant(uint256) = 10**18
NANO: constant(uint256) = 10**9
ALWAYS: constant(uint256) = 2**40 - 1
DELAY: constant(
    uint256
) = 3_600  # seconds from opting out to being out, where health is under the buffer
STEP: constant(uint256) = 600  # seconds of a lane
LANES: constant(uint256) = 7  # any hour lies within the newest seven steps
LANE: constant(uint256) = 24  # bits
SHARE: constant(uint256) = (
    10**11
)  # 1e18 of one unit of a lane; 1e7 of them are an account, under 2^24

# Per account, one word:
#   0-31 newest step, uint32, STEP seconds | 32-199 lanes, 7 x uint24, 1e-7 of the account, newest lowest
#   200-239 opted in until, uint40, unix seconds; 0: not
consents: HashMap[uint256, uint256]


@external
def set_pre_liquidation(account: uint256, on: bool):
    """
    @notice Opts an account in or out. Out at once while E >= (1 + buffer) R on good feeds, else after an
            hour: nobody escapes what he asked for in the moment it comes.
    @param account The account.
    @param on Whether slices of it may be taken.
    @dev Only its owner, no operator. Errors: NotOwner.
    """
    errors._require(convert(account >> 96, address) == msg.sender, errors.NOT_OWNER)
    word: uint256 = self.consents[account]
    until: uint256 = ALWAYS
    if not on:
        until = min(self._until(word), block.timestamp + DELAY)
        standing: IMarginEngine.Standing = staticcall auction_ports.ENGINE.standing(account)
        buffer: uint256 = curves._field(auction_settings.stored[auction_settings.version][1], 0, 32)
        if self._meets(standing, buffer) and standing.state == 0:
            until = 0
    self.consents[account] = (word & ((1 << 200) - 1)) | (until << 200)
    log ILiquidationAuction.PreLiquidationSet(account=account, until=until)


@external
def pre_liquidate(
    account: uint256, bidder: uint256, max_fraction: uint256, cost_limit: uint256, deadline: uint256
) -> uint256:
    """
    @notice Takes a slice of an opted-in account with R <= E < (1 + pre_band) R: as much as brings it back to
            the band, or what the hour's cap leaves, or `max_fraction`.
    @param account The account.
    @param bidder Account that receives the slice and pays; must meet R_init afterwards.
    @param max_fraction 1e-18, 1 .. 1e18.
    @param cost_limit qu, the most the bidder pays.
    @param deadline Unix seconds, inclusive.
    @return qu the bidder paid.
    @dev Caller must be allowed to trade for `bidder`. The account must not be in auction; one that an
         auction since replaced left frozen is thawed, as `end` would. Errors: Expired, BadFraction (also
         where a leg would keep fewer than min_lots), NotOwner, BadArgument (own account), NotOptedIn,
         AuctionRunning, Frozen (for its intent), StalePrice, OutsideBand, HourlyCap, Throttled,
         CostLimit; the engine's for the bidder.
    """
    errors._require(block.timestamp <= deadline, errors.EXPIRED)
    errors._require(max_fraction > 0 and max_fraction <= ONE, errors.BAD_FRACTION)
    errors._require(account != bidder, errors.BAD_ARGUMENT)
    errors._require(staticcall auction_ports.ENGINE.may_trade(bidder, msg.sender), errors.NOT_OWNER)
    word: uint256 = self.consents[account]
    errors._require(self._until(word) >= block.timestamp, errors.NOT_OPTED_IN)
    errors._require(not runs._load(account).running, errors.AUCTION_RUNNING)
    errors._require(intent_book.terms[account] == 0, errors.FROZEN)
    words: uint256[3] = auction_settings.stored[auction_settings.version]
    standing: IMarginEngine.Standing = extcall auction_ports.ENGINE.freeze(account)
    errors._require(standing.state == 0, errors.STALE_PRICE)
    errors._require(self._within(standing, words[2]), errors.OUTSIDE_BAND)
    lanes: uint256 = self._lanes(word)
    room: uint256 = self._room(lanes, words[2])
    errors._require(room > 0, errors.HOURLY_CAP)
    errors._require(standing.room > 0, errors.THROTTLED)
    offer: slices.Slice = self._offer(
        standing, words, min(min(room, max_fraction), standing.room)
    )
    least: uint256 = curves._field(words[0], 232, 24)
    errors._require(
        standing.smallest < least or not slices._leaves_dust(standing, offer.fraction, least),
        errors.BAD_FRACTION,
    )
    result: IMarginEngine.SliceResult = extcall auction_ports.ENGINE.sell_slice(
        account,
        bidder,
        IMarginEngine.SliceTerms(
            fraction=offer.fraction,
            discount=offer.discount,
            fee=offer.fee,
            keeper_share=curves._field(words[1], 64, 16),
            bonus=0,
            fund_limit=0,
            insolvent=False,
            free=False,
            callback=empty(address),
            locked=False,
            pay=auction_pay._due(
                empty(address),
                words[1],
                (standing.linear + standing.superlinear) * offer.fraction // ONE,
            ),
            thaw=True,
            noted=False,
        ),
    )
    errors._require(result.paid <= cost_limit, errors.COST_LIMIT)
    # Rounded up: what was sold never counts for less. Within room, so the lane keeps its width.
    lanes += (offer.fraction + SHARE - 1) // SHARE
    self.consents[account] = (word & (ALWAYS << 200)) | (lanes << 32) | self._step()
    log ILiquidationAuction.PreLiquidated(
        account=account,
        bidder=bidder,
        fraction=offer.fraction,
        cost=result.paid,
        fee=result.fee,
    )
    auction_pay._paid(account, empty(address), result.executed, 0)
    return result.paid


@external
@view
def pre_quote(account: uint256) -> ILiquidationAuction.PreQuote:
    """
    @notice What a pre-liquidation of all that is on sale would be now.
    @param account The account.
    @return See the interface. Lots are rounded up, so the price differs by the value of less than a lot of
            each leg; where a leg would keep fewer than min_lots the call fails nevertheless.
    """
    word: uint256 = self.consents[account]
    words: uint256[3] = auction_settings.stored[auction_settings.version]
    standing: IMarginEngine.Standing = staticcall auction_ports.ENGINE.standing(account)
    until: uint256 = self._until(word)
    lanes: uint256 = self._lanes(word)
    quote: ILiquidationAuction.PreQuote = ILiquidationAuction.PreQuote(
        until=until,
        used=self._sum(lanes) * SHARE,
        equity=standing.equity,
        requirement=standing.linear + standing.superlinear,
        fraction=0,
        cost=0,
        fee=0,
    )
    room: uint256 = self._room(lanes, words[2])
    if (
        until < block.timestamp
        or runs._load(account).running
        or intent_book.terms[account] != 0
        or standing.state != 0
        or min(room, standing.room) == 0
        or not self._within(standing, words[2])
    ):
        return quote
    offer: slices.Slice = self._offer(standing, words, min(room, standing.room))
    quote.fraction = offer.fraction
    quote.fee = offer.fee
    quote.cost = convert(slices._expected(standing.equity, offer), uint256)
    return quote


@internal
@view
def _until(word: uint256) -> uint256:
    """
    @notice Unix seconds up to which an account is opted in, 0 where it is not any more.
    """
    until: uint256 = word >> 200
    return until if until >= block.timestamp else 0


@internal
@pure
def _meets(standing: IMarginEngine.Standing, margin: uint256) -> bool:
    """
    @notice E >= (1 + margin) R.
    @param margin Nano of R.
    """
    goal: uint256 = (standing.linear + standing.superlinear) * (NANO + margin)
    return standing.equity * convert(NANO, int256) >= convert(goal, int256)


@internal
@pure
def _within(standing: IMarginEngine.Standing, word: uint256) -> bool:
    """
    @notice R <= E < (1 + pre_band) R.
    @param word Word 2 of the curve.
    """
    return self._meets(standing, 0) and not self._meets(standing, curves._field(word, 80, 32))


@internal
@view
def _step() -> uint256:
    """
    @notice The step that now lies in.
    """
    return (block.timestamp // STEP) & (2**32 - 1)


@internal
@view
def _lanes(word: uint256) -> uint256:
    """
    @notice The lanes, the newest that of now.
    """
    age: uint256 = self._step() - (word & (2**32 - 1))
    if age >= LANES:
        return 0
    return (((word >> 32) & (2**168 - 1)) << (LANE * age)) & (2**168 - 1)


@internal
@pure
def _sum(lanes: uint256) -> uint256:
    """
    @notice What was sold in the last seven steps, 1e-7 of the account.
    """
    total: uint256 = 0
    for i: uint256 in range(LANES):
        total += (lanes >> (LANE * i)) & (2**LANE - 1)
    return total


@internal
@pure
def _room(lanes: uint256, word: uint256) -> uint256:
    """
    @notice What the cap leaves to sell, 1e18. Shares are of the account as it stood at each slice, so that
            all slices of an hour together are less of the account than their sum.
    @param word Word 2 of the curve.
    """
    cap: uint256 = curves._field(word, 176, 16) * 1_000
    used: uint256 = self._sum(lanes)
    return (cap - min(used, cap)) * SHARE


@internal
@pure
def _offer(standing: IMarginEngine.Standing, words: uint256[3], most: uint256) -> slices.Slice:
    """
    @notice The slice on sale, and its terms.
    @param standing As the engine says, R <= E < (1 + pre_band) R.
    @param words The curve.
    @param most 1e18, the largest slice allowed.
    """
    requirement: uint256 = standing.linear + standing.superlinear
    discount: uint256 = requirement * curves._field(words[2], 112, 32) // NANO
    fee: uint256 = requirement * curves._field(words[2], 144, 32) // NANO
    # Premium and fee are at most 0.9 R <= 0.9 E, so the price is positive wherever R is.
    fraction: uint256 = sizing._fraction(
        standing.equity,
        standing.linear,
        standing.superlinear,
        standing.equity - convert(discount + fee, int256),
        curves._field(words[2], 80, 32),
    )
    capped: bool = most < fraction
    if capped:
        fraction = most
    return slices.Slice(
        x=curves._field(words[2], 112, 32),
        fraction=fraction,
        capped=capped,
        discount=discount * fraction // ONE,
        fee=fee * fraction // ONE,
        bonus=0,
        insolvent=False,
        free=False,
    )
