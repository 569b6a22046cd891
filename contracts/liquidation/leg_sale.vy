# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title leg_sale
@license AGPL-3.0-only
@notice Single perp legs of accounts in auction: a bidder takes lots of one leg at mark and is paid x of the R
        that this removes out of the account's cash; the fee on it goes on top. The clock, the priority
        window and the pay of starter and executor are those of slices.
@dev    Only where it helps the account: R falls, E / R rises, and E stays within 0.2 % of the target at most,
        all by what the ledger and the risk model say after the sale. So a hedge's leg is refused where the
        risk model nets, and whoever takes the good legs leaves the account healthier with the others. What
        the sale would leave may not stop the clock either: nobody makes the dead tenth of an account a
        shield for the live rest by taking some of that out. What stays of the leg is nothing, or bears the
        slice that is still to be sold: under `min_lots` a leg has the whole account sold, which nobody
        brings about by leaving crumbs of one.

        An account short of E > (x + fee) R is sold in slices only: there any premium on a single leg
        would come out of what is left for the other legs.
"""
from contracts.interfaces import ILiquidationAuction
from contracts.interfaces import IMarginEngine
from contracts.liquidation import auction_clock
from contracts.liquidation import auction_pay
from contracts.liquidation import auction_ports
from contracts.liquidation import auction_sale
from contracts.liquidation import auction_settings
from contracts.liquidation import curve as curves
from contracts.liquidation import runs
from contracts.liquidation import slices
from contracts.modules import errors

uses: auction_clock
uses: auction_ports
uses: auction_sale
uses: auction_settings
uses: runs

NANO: constant(uint256) = 10**9
TOK: constant(uint256) = 10**9  # qu of a quote token unit
# E may end up to 0.2 % above the target, as for slices
OVER: constant(uint256) = 1_002
PER_MILLE: constant(uint256) = 1_000
# What stays of a leg is so many times min_lots at least: half the account may be sold before that would be too small
HALVES: constant(uint256) = 2
# qu by which a sale may leave less E than `leg_after` says: two floors of cash, of a share's worth each
SLACK: constant(uint256) = 1_000


@external
def bid_leg(
    account: uint256,
    bidder: uint256,
    auction_id: uint256,
    market: uint256,
    lots: uint256,
    cost_limit: int256,
    deadline: uint256,
) -> int256:
    """
    @notice Takes lots of one leg of an account in auction at mark, for a premium of x of the R removed.
    @param account The account in auction.
    @param bidder Account that receives the lots and the premium; must meet R_init afterwards.
    @param auction_id The id the bidder saw (see `auction_id`), or 0 to rely on the limits alone.
    @param market The leg's market id.
    @param lots Lots to take, of the leg's sign: exactly so many (see `leg_quote`). What stays of the leg is
           nothing, or keeps `min_lots` after the slice that is still to be sold, and after half of it is.
    @param cost_limit qu; the cost is the premium, negative: minus the least the bidder must be paid.
    @param deadline Unix seconds, inclusive.
    @return Minus the qu the bidder was paid.
    @dev Caller must be allowed to trade for `bidder`. The lots' profit or loss at mark becomes the
         account's cash, which a loss may make a loan (the borrow cap is for loans taken out).
         Errors: Expired, BadArgument (own account), NotOwner, NoAuction, WrongAuction, PriorityWindow,
         ClockStopped, Healthy, LegRefused (R does not fall, health does not rise, the clock would stop,
         or the price of the whole account less the fee is under a token unit), BadFraction (no such
         lots; beyond the target; too small a remainder), Throttled (more than the sale limiter lets be sold
         now), StalePrice (the leg's feed), CostLimit,
         and the engine's on the bidder's account.
    """
    errors._require(block.timestamp <= deadline, errors.EXPIRED)
    errors._require(account != bidder, errors.BAD_ARGUMENT)
    errors._require(staticcall auction_ports.ENGINE.may_trade(bidder, msg.sender), errors.NOT_OWNER)
    run: runs.Run = auction_clock._running(account)
    if auction_id != 0:
        errors._require(auction_id == auction_clock._id(account, run.number), errors.WRONG_AUCTION)
    standing: IMarginEngine.Standing = staticcall auction_ports.ENGINE.standing(account)
    position: slices.Position = slices._position(standing)
    words: uint256[2] = auction_settings._terms(run.version)
    run = runs._advance(run, position.stopped, standing.pace, curves._field(words[0], 192, 16))
    errors._require(run.elapsed >= curves._field(words[1], 248, 8), errors.PRIORITY_WINDOW)
    auction_sale._check_sale(position, False)
    x: uint256 = curves._x(words[0], runs._offered(run))
    fee: uint256 = curves._field(words[1], 32, 32)
    errors._require(self._on_sale(position, x + fee), errors.LEG_REFUSED)
    executor_share: uint256 = 0
    starter_share: uint256 = 0
    executor_share, starter_share = auction_pay._shares(run.starter, words[1])
    result: IMarginEngine.LegResult = extcall auction_ports.ENGINE.sell_leg(
        account,
        bidder,
        IMarginEngine.LegTerms(
            market=market,
            lots=lots,
            requirement=position.requirement,
            premium=x,
            fee=fee,
            keeper_share=curves._field(words[1], 64, 16),
            pay=auction_pay._flat(run.starter, words[1]),
            executor_share=executor_share,
            starter_share=starter_share,
            least=auction_pay._least(words[1]),
        ),
    )
    left: slices.Position = self._left(result)
    fault: uint256 = self._fault(position, left, result.left, x + fee, words)
    if fault != 0:
        errors._fail(fault)
    net: int256 = -convert(result.paid, int256)
    errors._require(net <= cost_limit, errors.COST_LIMIT)
    log ILiquidationAuction.LegBid(
        account=account,
        bidder=bidder,
        market=market,
        x=x,
        lots=lots,
        cost=net,
        fee=result.fee,
    )
    run.starter = auction_pay._paid(account, run.starter, result.executed, result.started)
    if self._cured(left, words):
        run = auction_sale._finish(account, run, False)
    else:
        run.noted = auction_sale._note(account, run.noted, result.equity)
    runs._save(account, run)
    return net


@external
@view
def leg_quote(account: uint256, market: uint256) -> ILiquidationAuction.LegQuote:
    """
    @notice The most lots of a leg that may be taken now, and what for. A bid of so many passes in this block, for
            a bidder that meets R_init; one lot more does not, where it is not the whole leg.
    @dev    Found by halving, each step an assessment of the account: about log2 of the leg's lots of them (at
            most 56), some 55,000 gas each for an account of eight. For reading off chain.
            Where a risk model's R does not fall steadily with the lots, what it finds passes, and one more
            does not, but there may be more beyond. Errors: NoAuction.
    @param account The account in auction.
    @param market The leg's market id.
    @return See the interface; lots 0 where none may be taken, be it for its feed.
    """
    run: runs.Run = auction_clock._running(account)
    standing: IMarginEngine.Standing = staticcall auction_ports.ENGINE.standing(account)
    position: slices.Position = slices._position(standing)
    position.stopped = position.stopped or auction_clock._paused()
    run = auction_clock._advance(run, position.stopped, standing.pace)
    words: uint256[2] = auction_settings._terms(run.version)
    x: uint256 = curves._x(words[0], runs._offered(run))
    fee: uint256 = curves._field(words[1], 32, 32)
    quote: ILiquidationAuction.LegQuote = empty(ILiquidationAuction.LegQuote)
    quote.id = auction_clock._id(account, run.number)
    quote.x = x
    quote.stopped = position.stopped
    priority: uint256 = curves._field(words[1], 248, 8)
    if run.elapsed < priority:
        quote.priority = priority - run.elapsed
    if (
        position.stopped
        or not slices._liquidatable(position)
        or not self._on_sale(position, x + fee)
    ):
        return quote
    quote.lots = self._most(account, market, position, x + fee, words)
    if quote.lots != 0:
        after: IMarginEngine.LegResult = staticcall auction_ports.ENGINE.leg_after(
            account, market, quote.lots
        )
        quote.removed = position.requirement - after.requirement
        quote.cost = -convert(quote.removed * x // NANO, int256)
        quote.fee = quote.removed * fee // NANO
    return quote


@internal
@view
def _most(
    account: uint256, market: uint256, position: slices.Position, rate: uint256, words: uint256[2]
) -> uint256:
    """
    @notice The most lots that pass: the whole leg, or what leaves the least that may stay or is the most that the
            sale limiter lets be sold, or what halving finds.
    @param rate Premium and fee, nano of the R removed.
    """
    now: IMarginEngine.LegResult = staticcall auction_ports.ENGINE.leg_after(account, market, 0)
    whole: uint256 = now.left
    if whole == 0:
        return 0
    if whole <= now.room and self._passes(account, market, whole, position, rate, words):
        return whole
    least: uint256 = HALVES * curves._field(words[0], 232, 24)
    if whole <= least:
        return 0
    high: uint256 = min(whole - least, now.room)
    if self._passes(account, market, high, position, rate, words):
        return high
    low: uint256 = 0
    for _: uint256 in range(64):
        if high - low < 2:
            break
        middle: uint256 = (low + high) // 2
        if self._passes(account, market, middle, position, rate, words):
            low = middle
        else:
            high = middle
    return low


@internal
@view
def _passes(
    account: uint256,
    market: uint256,
    lots: uint256,
    position: slices.Position,
    rate: uint256,
    words: uint256[2],
) -> bool:
    """
    @notice Whether a sale of so many lots would pass, a bidder that meets R_init supposed.
    """
    after: IMarginEngine.LegResult = staticcall auction_ports.ENGINE.leg_after(
        account, market, lots
    )
    if after.requirement >= position.requirement:
        return False
    # Floored apart, premium and fee may be a unit less than floored together. The most and the least E that a
    # sale may leave must both do: one not over the target, the other not under the health before.
    taken: uint256 = (position.requirement - after.requirement) * rate // NANO
    after.equity -= convert(taken, int256) - 1
    if self._fault(position, self._left(after), after.left, rate, words) != 0:
        return False
    after.equity -= convert(SLACK, int256)
    return self._fault(position, self._left(after), after.left, rate, words) == 0


@internal
@pure
def _on_sale(position: slices.Position, rate: uint256) -> bool:
    """
    @notice Whether the price of the whole account less the fee, E - (x + fee) R, is a token unit or more. Then every
            sale that lowers R raises health.
    """
    price: int256 = position.equity * convert(NANO, int256) - convert(
        position.requirement * rate, int256
    )
    return price >= convert(TOK * NANO, int256)


@internal
@pure
def _left(result: IMarginEngine.LegResult) -> slices.Position:
    """
    @notice What a sale leaves as the auction counts it.
    """
    standing: IMarginEngine.Standing = empty(IMarginEngine.Standing)
    standing.equity = result.equity
    standing.linear = result.requirement
    standing.stale_requirement = result.stale_requirement
    standing.stale_value = result.stale_value
    return slices._position(standing)


@internal
@pure
def _fault(
    before: slices.Position,
    after: slices.Position,
    lots: uint256,
    rate: uint256,
    words: uint256[2],
) -> uint256:
    """
    @notice What is wrong with a sale; 0 if nothing.
    @param before, after The account.
    @param lots What stays of the leg.
    @param rate Premium and fee, nano of the R removed.
    @param words The curve.
    @return An error's selector.
    """
    # R did fall: the engine has seen to it.
    rise: int256 = after.equity * convert(before.requirement, int256) - before.equity * convert(
        after.requirement, int256
    )
    if after.stopped or rise <= 0:
        return errors.LEG_REFUSED
    goal: int256 = convert(after.requirement * (NANO + curves._field(words[1], 0, 32)), int256)
    equity: int256 = after.equity * convert(NANO, int256)
    if equity * convert(PER_MILLE, int256) > goal * convert(OVER, int256):
        return errors.BAD_FRACTION
    if lots == 0:
        return 0
    # The slice still to be sold is at most short / (short + price) of the account, R taken as linear in size;
    # the price of the whole, E - (x + fee) R, is what it was before, a token unit or more.
    least: uint256 = curves._field(words[0], 232, 24)
    short: int256 = max(goal - equity, 0)
    price: int256 = equity - convert(after.requirement * rate, int256)
    keeps: int256 = convert(lots, int256) * price - convert(least, int256) * (short + price)
    if lots < HALVES * least or keeps < 0:
        return errors.BAD_FRACTION
    return 0


@internal
@pure
def _cured(position: slices.Position, words: uint256[2]) -> bool:
    """
    @notice Whether an account is at its target: E >= (1 + buffer) R.
    """
    goal: uint256 = position.requirement * (NANO + curves._field(words[1], 0, 32))
    return position.equity * convert(NANO, int256) >= convert(goal, int256)
