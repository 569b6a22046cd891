# pragma version 0.4.3
"""
@title auction_sale
@license AGPL-3.0-only
@notice One sale: whether there is anything on sale, what the fund grants for it, and what becomes of the
        auction afterwards.
"""
from contracts.interfaces import ILiquidationAuction
from contracts.interfaces import IMarginEngine
from contracts.liquidation import auction_clock
from contracts.liquidation import auction_pay
from contracts.liquidation import auction_ports
from contracts.liquidation import curve as curves
from contracts.liquidation import last_resort
from contracts.liquidation import runs
from contracts.liquidation import slices
from contracts.modules import errors

uses: auction_ports
uses: last_resort

ONE: constant(uint256) = 10**18
NANO: constant(uint256) = 10**9


@internal
def _sell(
    account: uint256,
    bidder: uint256,
    running: runs.Run,
    standing: IMarginEngine.Standing,
    position: slices.Position,
    words: uint256[2],
    max_fraction: uint256,
    callback: address,
    locked: bool,
) -> (runs.Run, int256, uint256):
    """
    @notice Sells a slice at the clock's price to an account that has agreed to it, ends the auction where
            that leaves nothing to sell, and pays starter and executor.
    @param running The run, its clock at now.
    @param standing, position The account as of now.
    @param words The curve.
    @param max_fraction The most to sell, 1e-18.
    @param callback Called before the bidder is checked; zero for none.
    @param locked Whether the bidder is frozen for its intent.
    @return The run, to be saved; qu the bidder paid, negative: was paid by the fund; R sold, qu.
    """
    run: runs.Run = running
    self._check_sale(position, standing.equity < 0 and auction_clock._over(words[0], run.elapsed))
    errors._require(standing.room != 0, errors.THROTTLED)
    offer: slices.Slice = slices._slice(
        standing, position, words, runs._offered(run), min(max_fraction, standing.room)
    )
    limit: uint256 = 0
    if offer.insolvent:
        offer, limit = self._funded(account, standing, position.requirement, offer)
    sold: uint256 = position.requirement * offer.fraction // ONE
    # Sold out, or sized to the target: no need to look again.
    done: bool = offer.fraction == ONE or not offer.capped
    result: IMarginEngine.SliceResult = extcall auction_ports.ENGINE.sell_slice(
        account,
        bidder,
        IMarginEngine.SliceTerms(
            fraction=offer.fraction,
            discount=offer.discount,
            fee=offer.fee,
            keeper_share=curves._field(words[1], 64, 16),
            bonus=offer.bonus,
            fund_limit=limit,
            insolvent=offer.insolvent,
            free=offer.free,
            callback=callback,
            locked=locked,
            pay=auction_pay._due(run.starter, words[1], sold),
            thaw=done,
            noted=run.noted,
        ),
    )
    net: int256 = convert(result.paid, int256) - convert(result.from_fund, int256)
    log ILiquidationAuction.Bid(
        account=account,
        bidder=bidder,
        x=offer.x,
        fraction=offer.fraction,
        cost=net,
        fee=result.fee,
        from_fund=result.from_fund,
    )
    run.starter = auction_pay._paid(account, run.starter, result.executed, result.started)
    if offer.fraction == ONE:
        run = runs._restarted(run)  # whatever the account holds next is a new auction
    if done:
        run = self._finish(account, run, True)
    else:
        run = self._settle(account, run, curves._field(words[1], 0, 32))
    return run, net, sold


@internal
@pure
def _check_sale(position: slices.Position, over: bool):
    """
    @notice Whether slices are on sale at all.
    """
    errors._require(not position.stopped, errors.CLOCK_STOPPED)
    errors._require(slices._liquidatable(position), errors.HEALTHY)
    errors._require(not over, errors.AUCTION_OVER)


@internal
def _funded(
    account: uint256, standing: IMarginEngine.Standing, requirement: uint256, offer: slices.Slice
) -> (slices.Slice, uint256):
    """
    @notice Asks the fund for an insolvent slice's price, and shrinks the slice to what it grants.
    @return The slice, and the most the fund may pay, qu. FundEmpty where it grants next to nothing.
    """
    sold: slices.Slice = offer
    need: uint256 = slices._deficit_of(standing.equity, offer.fraction) + offer.bonus
    # What moves is rounded to lots, so the moved debt may exceed its share by a lot of each leg: of the
    # order of 20 R per leg's lots where a leg has lost its notional at a 5 % rate. Whole accounts round
    # by units only. Never over the need itself: tiny slices must not eat up the fund's caps.
    slack: uint256 = 1_000
    lot: uint256 = 0
    if standing.smallest > 0:
        lot = min(20 * requirement // standing.smallest, need)
    if offer.capped:
        slack += lot
    limit: uint256 = last_resort._drawn(account, need + slack)
    if limit < need + slack:
        if not offer.capped:
            slack += lot  # no whole account any more
        errors._require(limit > slack, errors.FUND_EMPTY)
        sold.fraction = offer.fraction * (limit - slack) // need
        errors._require(sold.fraction > 0, errors.FUND_EMPTY)
        sold.bonus = offer.bonus * sold.fraction // offer.fraction
        sold.capped = True
    return sold, limit


@internal
def _settle(account: uint256, run: runs.Run, buffer: uint256) -> runs.Run:
    """
    @notice Ends the auction of an account that is back at (1 + buffer) R or empty; otherwise notes what
            deficit it has left.
    """
    after: runs.Run = run
    standing: IMarginEngine.Standing = staticcall auction_ports.ENGINE.standing(account)
    position: slices.Position = slices._position(standing)
    if last_resort._bare(standing):
        return self._recognise(account, run, standing)
    goal: uint256 = position.requirement * (NANO + buffer)
    if position.equity * convert(NANO, int256) >= convert(goal, int256):
        if standing.perps == 0 and standing.collateral == 0:
            after = runs._restarted(after)
        return self._finish(account, after, False)
    after.noted = self._note(account, run.noted, standing.equity)
    return after


@internal
def _recognise(account: uint256, running: runs.Run, standing: IMarginEngine.Standing) -> runs.Run:
    """
    @notice Closes an account with nothing left but a debt, in the call that found it.
    """
    run: runs.Run = running
    deficit: uint256 = 0
    run, deficit = last_resort._close(account, 0, run, standing)
    run = runs._restarted(run)
    return self._finish(account, run, False)


@internal
def _finish(account: uint256, run: runs.Run, thawed: bool) -> runs.Run:
    """
    @notice Unfreezes an account and closes its run. The starter of an unpaid run is owed nothing. Where a
            deficit was noted the fund sees that it is gone.
    @param thawed Whether the engine has unfrozen it with the last slice.
    """
    done: runs.Run = run
    done.running = False
    done.stopped = False
    done.seen = block.timestamp
    done.noted = False  # the thaw clears it
    if not thawed:
        extcall auction_ports.ENGINE.thaw(account)
    if run.noted:
        extcall auction_ports.FUND.observe()
    log ILiquidationAuction.Ended(account=account, number=run.number, elapsed=run.elapsed)
    return done


@internal
def _thaw_left(account: uint256, position: slices.Position):
    """
    @notice Unfreezes an account that a replaced auction left frozen and that meets R. NoAuction where the
            engine has it not frozen; NothingToDo while E < R.
    """
    thawed: bool = raw_call(
        auction_ports.ENGINE.address,
        abi_encode(account, method_id=method_id("thaw(uint256)")),
        revert_on_failure=False,
    )
    errors._require(thawed, errors.NO_AUCTION)
    errors._require(not slices._liquidatable(position), errors.NOTHING_TO_DO)
    extcall auction_ports.FUND.observe()


@internal
def _note(account: uint256, noted: bool, equity: int256) -> bool:
    """
    @notice Tells the engine the account's negative equity, where there is or was one, and lets the fund see.
    @return Whether one is noted now.
    """
    deficit: uint256 = 0
    if equity < 0:
        deficit = convert(-equity, uint256)
    if noted or deficit > 0:
        extcall auction_ports.ENGINE.note_deficit(account, deficit)
        extcall auction_ports.FUND.observe()
    return deficit > 0
