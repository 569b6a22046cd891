# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title LiquidationAuction
@license AGPL-3.0-only
@notice Sells accounts with E < R in pro-rata slices by a Dutch auction that anyone starts. x(t) rises from
        x_start through 1 to x_max; the whole account costs E - x R while that is positive, nothing where
        0 <= E < x R, and where E < 0 the fund pays its taker -E + max(x - 1, 0) R. What nobody takes is
        deleveraged at mark. Units: qu 1e-15 USD, fractions 1e-18, x and shares nano of R.
@dev    Trust: the engine for E, R and every movement of money and positions (it checks the bidder's
        account and conserves), the fund for its caps. This contract holds no money.

        The clock. `elapsed` grows with time between two syncs, but by at most `max_step` seconds for one
        such interval, and not at all for one that begins or ends with the clock stopped: when feeds that
        are stale or halted carry more than a tenth of R, or the guardian has stopped auctions. So a stop
        nobody synced, a chain halt included, hands out at most `max_step` seconds of x, and anyone who
        wants x to move calls `sync`. Stale or halted parts below the tenth are taken off E
        (`stale_value`) and the auction runs on.

        Pay. Starter and executor are paid out of the keeper budget with the first slice (every slice),
        never at the start: an owner who starts an auction and cures it is paid nothing. Each slice pays at
        most its sold R times a bounded rate, nothing under `min_requirement`, and where the bidder pays a
        fee at most the keepers' part of that fee: whoever sells to himself pays more than he earns.
@custom:kill Engine governance replaces the auction; accounts it left frozen are started or ended by the new one.
"""
from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from contracts.interfaces import IInsuranceFund
from contracts.interfaces import ILiquidationAuction
from contracts.interfaces import IMarginEngine
from contracts.liquidation import curve as curves
from contracts.liquidation import runs
from contracts.liquidation import slices
from contracts.modules import errors

implements: ILiquidationAuction

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: runs

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
)

# What the engine tells beside IMarginEngine: a word with the house's pause level in bits 160-167.
interface Core:
    def core() -> uint256: view


ONE: constant(uint256) = 10**18
AUCTIONS_STOPPED: constant(uint256) = 3  # the engine's pause level from which it refuses slices
NANO: constant(uint256) = 10**9
TOK: constant(uint256) = 10**9
MAX_VERSION: constant(uint256) = 2**16 - 1
# A slice spans all of an account's markets: the fund books its payouts under this id.
WHOLE_ACCOUNT: constant(uint256) = 256

ENGINE: public(immutable(IMarginEngine))
FUND: public(immutable(IInsuranceFund))

# Curve versions from 1 on, never changed once stored (layout in curve.vy).
stored: HashMap[uint256, uint256[3]]

# The version new auctions run under. Reentrant: never in the middle of a change, and a constant of the call.
version: public(reentrant(uint256))


@deploy
def __init__(engine: address, fund: address, governance: address, first: ILiquidationAuction.Curve):
    """
    @notice Wires the auction.
    @param engine The margin engine.
    @param fund The insurance fund.
    @param governance Owner: the timelock, or the deployer until it hands over.
    @param first The first curve; errors as in `set_curve`.
    """
    errors._require(
        engine != empty(address) and fund != empty(address) and governance != empty(address),
        errors.NULL_ADDRESS,
    )
    ownable.__init__()
    ownable_2step.__init__()
    ownable._transfer_ownership(governance)
    ENGINE = IMarginEngine(engine)
    FUND = IInsuranceFund(fund)
    self._store(first)


# -- auctions --


@external
def start(account: uint256):
    """
    @notice Freezes an account with E < R and starts its auction. A start within `resume` seconds of the
            last end goes on where that one stood, on its curve; an account that was sold out starts anew.
    @param account The account.
    @dev Anyone; the caller is paid with the first slice. Errors: AuctionRunning, ClockStopped, Healthy.
    """
    run: runs.Run = runs._load(account)
    errors._require(not run.running, errors.AUCTION_RUNNING)
    standing: IMarginEngine.Standing = extcall ENGINE.freeze(account)
    position: slices.Position = slices._position(standing)
    errors._require(not position.stopped, errors.CLOCK_STOPPED)
    errors._require(slices._liquidatable(position), errors.HEALTHY)
    if run.elapsed == 0 or block.timestamp > run.seen + curves._field(
        self.stored[run.version][0], 168, 24
    ):
        run.elapsed = 0
        run.version = self.version
    run.number += 1
    run.running = True
    run.stopped = False
    run.seen = block.timestamp
    run.starter = msg.sender
    run.noted = self._note(account, run.noted, standing.equity)
    runs._save(account, run)
    log ILiquidationAuction.Started(
        account=account,
        starter=msg.sender,
        number=run.number,
        version=run.version,
        elapsed=run.elapsed,
        equity=position.equity,
        requirement=position.requirement,
    )


@external
def bid(
    account: uint256,
    bidder: uint256,
    auction_id: uint256,
    max_fraction: uint256,
    cost_limit: int256,
    deadline: uint256,
) -> int256:
    """
    @notice Takes a slice of an account in auction: the largest on sale, or `max_fraction` if that is less.
            On sale is what brings the account to (1 + buffer) R; all of it where the payment would not
            (p <= 0), where E < 0, or where a leg under `min_lots` would remain.
    @param account The account in auction.
    @param bidder Account that receives the slice and pays; must meet R_init afterwards.
    @param auction_id The id the bidder saw (see `auction_id`), or 0 to rely on the limits alone.
    @param max_fraction 1e-18, 1 .. 1e18. Where the rest would keep a new leg under `min_lots`: BadFraction.
    @param cost_limit qu, the most the bidder pays; negative: the least it must be paid.
    @param deadline Unix seconds, inclusive.
    @return qu the bidder paid; negative: was paid by the fund.
    @dev Caller must be allowed to trade for `bidder`. Solvent accounts stay on sale until they are sold,
         cured or deleveraged, at x = 1 at most; insolvent ones until t_end (AuctionOver). If the fund may
         pay only part, the slice shrinks to it. Errors: Expired, BadFraction, NotOwner, BadArgument (own
         account), NoAuction, WrongAuction, ClockStopped, AuctionOver, Healthy, FundEmpty, CostLimit.
    """
    errors._require(block.timestamp <= deadline, errors.EXPIRED)
    errors._require(max_fraction > 0 and max_fraction <= ONE, errors.BAD_FRACTION)
    errors._require(account != bidder, errors.BAD_ARGUMENT)
    errors._require(staticcall ENGINE.may_trade(bidder, msg.sender), errors.NOT_OWNER)
    run: runs.Run = self._running(account)
    if auction_id != 0:
        errors._require(auction_id == self._id(account, run.number), errors.WRONG_AUCTION)
    standing: IMarginEngine.Standing = staticcall ENGINE.standing(account)
    position: slices.Position = slices._position(standing)
    words: uint256[2] = self._terms(run.version)
    run = runs._advance(run, position.stopped, curves._field(words[0], 192, 16))
    self._check_sale(position, standing.equity < 0 and self._over(words[0], run.elapsed))
    offer: slices.Slice = slices._slice(standing, position, words, run.elapsed, max_fraction)
    limit: uint256 = 0
    if offer.insolvent:
        offer, limit = self._funded(standing, position.requirement, offer)
    result: IMarginEngine.SliceResult = extcall ENGINE.sell_slice(
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
        ),
    )
    net: int256 = convert(result.paid, int256) - convert(result.from_fund, int256)
    errors._require(net <= cost_limit, errors.COST_LIMIT)
    log ILiquidationAuction.Bid(
        account=account,
        bidder=bidder,
        x=curves._x(words[0], run.elapsed),
        fraction=offer.fraction,
        cost=net,
        fee=result.fee,
        from_fund=result.from_fund,
    )
    if offer.fraction == ONE:
        run.elapsed = 0  # sold out: whatever the account holds next is a new auction
        run = self._finish(account, run)
    elif offer.capped:
        run = self._settle(account, run, curves._field(words[1], 0, 32))
    else:
        run = self._finish(account, run)  # sized to the target: no need to look again
    ceiling: uint256 = max_value(uint256)
    if not (offer.insolvent or offer.free):
        ceiling = result.fee * curves._field(words[1], 64, 16) // 10_000
    sold: uint256 = position.requirement * offer.fraction // ONE
    run.starter = self._pay(account, run.starter, words[1], sold, ceiling)
    runs._save(account, run)
    return net


@external
def end(account: uint256):
    """
    @notice Ends the auction of an account that meets R again, and unfreezes it. x and the time are kept
            for a restart. One that an auction since replaced left frozen is unfrozen likewise.
    @param account The account in auction.
    @dev Anyone. While the clock is stopped E counts at the last prices: adding collateral always cures.
         Errors: NoAuction; NothingToDo while E < R (`start` takes over what a replaced auction froze).
    """
    run: runs.Run = runs._load(account)
    standing: IMarginEngine.Standing = staticcall ENGINE.standing(account)
    position: slices.Position = slices._position(standing)
    if not run.running:
        self._thaw_left(account, position)
        return
    errors._require(not slices._liquidatable(position), errors.NOTHING_TO_DO)
    run = self._advance(run, position.stopped or self._paused())
    run = self._finish(account, run)
    runs._save(account, run)


@external
def deleverage(account: uint256, buyer: uint256):
    """
    @notice Closes an account nobody took at mark against the whole opposite side: a solvent one without
            collateral once x has reached 1, others once it has reached x_max, one with nothing left to sell
            at once. A solvent one without positions is not: it stays on sale for nothing.
    @param account The account in auction.
    @param buyer Account that takes the collateral, at its haircut value times a share that falls to zero
                 after t_end; 0 where none is left (the engine fails with CollateralLeft otherwise).
    @dev Anyone; the caller must be allowed to trade for `buyer`. What it came to is in the engine's event
         Deleveraged. Errors: NoAuction, ClockStopped, Healthy, AuctionNotOver, NotOwner, BadArgument (the
         account itself as buyer).
    """
    errors._require(account != buyer, errors.BAD_ARGUMENT)
    if buyer != 0:
        errors._require(staticcall ENGINE.may_trade(buyer, msg.sender), errors.NOT_OWNER)
    run: runs.Run = self._running(account)
    standing: IMarginEngine.Standing = staticcall ENGINE.standing(account)
    position: slices.Position = slices._position(standing)
    curve: uint256[3] = self.stored[run.version]
    run = runs._advance(run, position.stopped, curves._field(curve[0], 192, 16))
    errors._require(not position.stopped, errors.CLOCK_STOPPED)
    errors._require(slices._liquidatable(position), errors.HEALTHY)
    errors._require(self._exhausted(standing, curve[0], run.elapsed), errors.AUCTION_NOT_OVER)
    limit: uint256 = 0
    if standing.equity < 0:
        limit = extcall FUND.draw(
            WHOLE_ACCOUNT, slices._worst_deficit(standing, curve[0], run.elapsed)
        )
    result: IMarginEngine.DeleverageResult = extcall ENGINE.deleverage(
        account,
        buyer,
        IMarginEngine.DeleverageTerms(
            fund_limit=limit,
            charge_cap=curves._field(curve[2], 0, 32),
            window=curves._field(curve[2], 32, 32),
            social_share=curves._field(curve[2], 64, 16),
            collateral_price=curves._collateral_price(curve[0], run.elapsed),
        ),
    )
    run.noted = False  # the engine has recognised the loss and cleared it
    # The legs are closed. Without collateral, which a deficit is recognised after the sale of, the account
    # is empty but for cash that is not negative: no need to look again.
    if standing.collateral == 0 or result.deficit != 0:
        run.elapsed = 0
        run = self._finish(account, run)
    else:
        run = self._settle(account, run, 0)
    run.starter = self._pay(
        account, run.starter, curve[1], position.requirement, max_value(uint256)
    )
    runs._save(account, run)


@external
def sync(account: uint256):
    """
    @notice Brings an auction's clock and its noted deficit to now. Needed at least every `max_step`
            seconds for x to keep up with time, and right when feeds go stale to stop it.
    @param account The account in auction.
    @dev Anyone, in a pause too. Errors: NoAuction.
    """
    run: runs.Run = self._running(account)
    standing: IMarginEngine.Standing = staticcall ENGINE.standing(account)
    run = self._advance(run, slices._position(standing).stopped or self._paused())
    run.noted = self._note(account, run.noted, standing.equity)
    runs._save(account, run)
    log ILiquidationAuction.ClockSet(account=account, elapsed=run.elapsed, stopped=run.stopped)


# -- views --


@external
@view
def cost(account: uint256) -> ILiquidationAuction.Quote:
    """
    @notice What a bid for all that is on sale would cost now.
    @param account The account in auction (NoAuction otherwise).
    @return See the interface. The slice sold is rounded up to whole lots of each leg, so the price differs
            from `cost` by the value of less than a lot of each; an insolvent slice may be made smaller by
            the fund's caps.
    """
    run: runs.Run = self._running(account)
    standing: IMarginEngine.Standing = staticcall ENGINE.standing(account)
    position: slices.Position = slices._position(standing)
    position.stopped = position.stopped or self._paused()
    run = self._advance(run, position.stopped)
    words: uint256[2] = self._terms(run.version)
    quote: ILiquidationAuction.Quote = ILiquidationAuction.Quote(
        id=self._id(account, run.number),
        x=curves._x(words[0], run.elapsed),
        equity=position.equity,
        requirement=position.requirement,
        fraction=0,
        cost=0,
        fee=0,
        elapsed=run.elapsed,
        stopped=position.stopped,
        over=standing.equity < 0 and self._over(words[0], run.elapsed),
    )
    if position.stopped or quote.over or not slices._liquidatable(position):
        return quote
    offer: slices.Slice = slices._slice(standing, position, words, run.elapsed, ONE)
    quote.fraction = offer.fraction
    quote.fee = offer.fee
    quote.cost = slices._expected(standing.equity, offer)
    return quote


@external
@view
def auction(account: uint256) -> ILiquidationAuction.Auction:
    """
    @notice An account's auction as stored, the clock brought to now as if the feeds had not changed.
    @param account The account.
    @return See the interface; all zero for an account that never was in auction.
    """
    run: runs.Run = runs._load(account)
    seen: uint256 = run.seen
    stopped: bool = run.stopped
    if run.running:
        run = self._advance(run, stopped)
    return ILiquidationAuction.Auction(
        running=run.running,
        stopped=stopped,
        number=run.number,
        version=run.version,
        elapsed=run.elapsed,
        seen=seen,
        starter=run.starter,
        x=curves._x(self.stored[run.version][0], run.elapsed) if run.version != 0 else 0,
    )


@external
@view
def auction_id(account: uint256) -> uint256:
    """
    @notice Id of an account's auction as it stands: hash of account, auction number and account version.
    @param account The account.
    @return A hash that changes with everything that changes the frozen account.
    """
    return self._id(account, runs._load(account).number)


@external
@view
def curve() -> ILiquidationAuction.Curve:
    """
    @notice The curve new auctions run under.
    """
    return curves._unpack(self.stored[self.version])


@external
@view
def curve_of(number: uint256) -> ILiquidationAuction.Curve:
    """
    @notice A curve by its version; all zero where there is none.
    @param number Version, from 1.
    """
    return curves._unpack(self.stored[number])


# -- governance --


@external
def set_curve(curve: ILiquidationAuction.Curve):
    """
    @notice Sets the curve of auctions started from now on; running and resumed ones keep theirs.
    @param curve See the interface for units; bounds in curve.vy.
    @dev Governance only. Errors: NotGovernance; BadCurve; TooMany after 65,535 versions.
    """
    errors._require(msg.sender == ownable.owner, errors.NOT_GOVERNANCE)
    self._store(curve)


@internal
def _store(curve: ILiquidationAuction.Curve):
    """
    @notice Checks a curve and makes it the next version.
    """
    curves._check(curve)
    old: uint256 = self.version
    errors._require(old < MAX_VERSION, errors.TOO_MANY)
    self.stored[old + 1] = curves._pack(curve)
    self.version = old + 1
    log ILiquidationAuction.CurveSet(
        version=old + 1, old=curves._unpack(self.stored[old]), new=curve
    )


# -- the run --


@internal
@view
def _running(account: uint256) -> runs.Run:
    """
    @notice An account's run; NoAuction where none is on.
    """
    run: runs.Run = runs._load(account)
    errors._require(run.running, errors.NO_AUCTION)
    return run


@internal
@view
def _terms(version: uint256) -> uint256[2]:
    """
    @notice The two words of a curve version that a slice needs.
    """
    return [self.stored[version][0], self.stored[version][1]]


@internal
@view
def _id(account: uint256, number: uint256) -> uint256:
    """
    @notice See `auction_id`.
    """
    return convert(
        keccak256(
            abi_encode(account, number & (2**27 - 1), staticcall ENGINE.account_version(account))
        ),
        uint256,
    )


# -- the clock --


@internal
@view
def _over(word: uint256, elapsed: uint256) -> bool:
    """
    @notice Whether x has run out: beyond t_end.
    """
    return elapsed > curves._field(word, 144, 24)


@internal
@view
def _exhausted(standing: IMarginEngine.Standing, word: uint256, elapsed: uint256) -> bool:
    """
    @notice Whether only deleveraging is left: see `deleverage`.
    """
    if standing.perps == 0 and (standing.collateral == 0 or standing.equity >= 0):
        # A covered loan has nothing to close: calls would change nothing and yet be paid, each.
        return standing.collateral == 0
    # Collateral may have to be sold under its mark at others' cost, so what holds some stays on sale for
    # nothing (x = 1) until t_end even where E >= 0.
    if standing.equity >= 0 and standing.collateral == 0:
        return elapsed >= curves._field(word, 120, 24)
    return elapsed >= curves._field(word, 144, 24)


@internal
@view
def _advance(run: runs.Run, stopped: bool) -> runs.Run:
    """
    @notice The run with its clock at now, by its own curve's longest step.
    """
    return runs._advance(run, stopped, curves._field(self.stored[run.version][0], 192, 16))


@internal
@view
def _paused() -> bool:
    """
    @notice Whether the engine has stopped auctions: then no time runs either. Slices and starts need not
            ask, the engine refuses them.
    """
    return (staticcall Core(ENGINE.address).core() >> 160) & 255 >= AUCTIONS_STOPPED


# -- what is on sale --


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
    standing: IMarginEngine.Standing, requirement: uint256, offer: slices.Slice
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
    limit: uint256 = extcall FUND.draw(WHOLE_ACCOUNT, need + slack)
    if limit < need + slack:
        if not offer.capped:
            slack += lot  # no whole account any more
        errors._require(limit > slack, errors.FUND_EMPTY)
        sold.fraction = offer.fraction * (limit - slack) // need
        errors._require(sold.fraction > 0, errors.FUND_EMPTY)
        sold.bonus = offer.bonus * sold.fraction // offer.fraction
        sold.capped = True
    return sold, limit


# -- after a sale --


@internal
def _settle(account: uint256, run: runs.Run, buffer: uint256) -> runs.Run:
    """
    @notice Ends the auction of an account that is back at (1 + buffer) R or empty; otherwise notes what
            deficit it has left.
    """
    after: runs.Run = run
    standing: IMarginEngine.Standing = staticcall ENGINE.standing(account)
    position: slices.Position = slices._position(standing)
    goal: uint256 = position.requirement * (NANO + buffer)
    if position.equity * convert(NANO, int256) >= convert(goal, int256):
        if standing.perps == 0 and standing.collateral == 0:
            after.elapsed = 0
        return self._finish(account, after)
    after.noted = self._note(account, run.noted, standing.equity)
    return after


@internal
def _finish(account: uint256, run: runs.Run) -> runs.Run:
    """
    @notice Unfreezes an account and closes its run. The starter of an unpaid run is owed nothing.
    """
    done: runs.Run = run
    done.running = False
    done.stopped = False
    done.seen = block.timestamp
    done.noted = False  # the thaw clears it
    extcall ENGINE.thaw(account)
    log ILiquidationAuction.Ended(account=account, number=run.number, elapsed=run.elapsed)
    return done


@internal
def _thaw_left(account: uint256, position: slices.Position):
    """
    @notice Unfreezes an account that a replaced auction left frozen and that meets R. NoAuction where the
            engine has it not frozen; NothingToDo while E < R.
    """
    thawed: bool = raw_call(
        ENGINE.address,
        abi_encode(account, method_id=method_id("thaw(uint256)")),
        revert_on_failure=False,
    )
    errors._require(thawed, errors.NO_AUCTION)
    errors._require(not slices._liquidatable(position), errors.NOTHING_TO_DO)


@internal
def _note(account: uint256, noted: bool, equity: int256) -> bool:
    """
    @notice Tells the engine the account's negative equity, where there is or was one.
    @return Whether one is noted now.
    """
    deficit: uint256 = 0
    if equity < 0:
        deficit = convert(-equity, uint256)
    if noted or deficit > 0:
        extcall ENGINE.note_deficit(account, deficit)
    return deficit > 0


@internal
def _pay(
    account: uint256, starter: address, terms: uint256, sold: uint256, ceiling: uint256
) -> address:
    """
    @notice Pays executor (the caller) and starter for a slice, out of the keeper budget.
    @param starter Who started and is not paid yet; zero where none.
    @param terms Word 1 of the curve.
    @param sold R sold, qu; under min_requirement nobody is paid.
    @param ceiling The most both get, qu.
    @return The starter still to be paid. Zero also where the engine refused to credit it.
    """
    if sold < curves._field(terms, 208, 48) * TOK:
        return starter
    executed: uint256 = (
        curves._field(terms, 120, 40) * TOK + sold * curves._field(terms, 184, 24) // NANO
    )
    started: uint256 = 0
    if starter != empty(address):
        started = (
            curves._field(terms, 80, 40) * TOK + sold * curves._field(terms, 160, 24) // NANO
        )
    if executed + started == 0:
        return starter
    executed = min(executed, ceiling)
    started = min(started, ceiling - executed)
    if starter == msg.sender:
        paid: uint256 = self._pay_one(account, msg.sender, executed + started)
        started = paid - min(paid, executed)  # the executor's part goes first
    elif self._pay_one(account, msg.sender, executed) == executed:
        started = self._pay_one(account, starter, started)
    else:
        started = 0  # the budget was short of the executor's pay
    return starter if started == 0 else empty(address)


@internal
def _pay_one(account: uint256, keeper: address, amount: uint256) -> uint256:
    """
    @notice Pays a keeper into its account 0, what is left of the budget where that is less. A payment the
            engine refuses (it may not be able to credit that account) is dropped: a starter must not be
            able to block the sale.
    @return What it was paid, or would have been if its account took it; qu.
    """
    if amount == 0 or self._paid(account, keeper, amount):
        return amount
    left: uint256 = min(amount, staticcall ENGINE.keeper_budget())  # asked only where it may matter
    if left == amount or left == 0:
        return left
    self._paid(account, keeper, left)
    return left


@internal
def _paid(account: uint256, keeper: address, amount: uint256) -> bool:
    """
    @notice Asks the engine to pay a keeper; whether it did.
    """
    paid: bool = raw_call(
        ENGINE.address,
        abi_encode(
            convert(keeper, uint256) << 96,
            amount,
            method_id=method_id("pay_keeper(uint256,uint256)"),
        ),
        revert_on_failure=False,
    )
    if paid:
        log ILiquidationAuction.KeeperPaid(account=account, keeper=keeper, amount=amount)
    return paid
