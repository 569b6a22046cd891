# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title LiquidationAuction
@license AGPL-3.0-only
@notice Sells accounts with E < R in pro-rata slices by a Dutch auction that anyone starts. x(t) rises from
        x_start through 1 to x_max; the whole account costs E - x R while that is positive, nothing where
        0 <= E < x R, and where E < 0 the fund pays its taker -E + max(x - 1, 0) R. Lots of a single leg are
        sold at mark for x of the R they remove, where that helps the account. What nobody takes is
        deleveraged at mark. Units: qu 1e-15 USD, fractions 1e-18, x and shares nano of R.
@dev    Trust: the engine for E, R and every movement of money and positions (it checks the bidder's
        account and conserves), the fund for its caps. This contract holds no money.

        One contract in two bytecodes, because one is too small: what is not here is forwarded by delegate
        call to LiquidationAuctionOffers, on one storage layout (a test compares).

        The clock. `elapsed` grows with time between two syncs, but by at most `max_step` seconds for one
        such interval, and not at all for one that begins or ends with the clock stopped: when feeds that
        are stale or halted carry more than a tenth of R, or the guardian has stopped auctions. So a stop
        nobody synced, a chain halt included, hands out at most `max_step` seconds of x, and anyone who
        wants x to move calls `sync`. Stale or halted parts below the tenth are taken off E
        (`stale_value`) and the auction runs on.

        x moves with `elapsed` less `held`. Of an interval at whose end the sale limiter leaves only a part
        of the account's limits free (`pace`), the other part is held: what is bought as fast as it may be
        sold has found its price, and others' sales are no sign that nobody wants this account. At most 4095
        seconds are held. When only deleveraging is left goes by `elapsed`: nothing delays that.

        Pay. Starter and executor are paid out of the keeper budget with the first slice (every slice),
        never at the start: an owner who starts an auction and cures it is paid nothing. Each slice pays at
        most its sold R times a bounded rate, nothing under `min_requirement`, and where the bidder pays a
        fee at most the keepers' part of that fee: whoever sells to himself pays more than he earns.
@custom:kill Engine governance replaces the auction; accounts it left frozen are started or ended by the new one.
"""
from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from contracts.interfaces import ILiquidationAuction
from contracts.interfaces import IMarginEngine
from contracts.liquidation import auction_clock
from contracts.liquidation import auction_pay
from contracts.liquidation import auction_ports
from contracts.liquidation import auction_sale
from contracts.liquidation import auction_settings
from contracts.liquidation import curve as curves
from contracts.liquidation import intent_book
from contracts.liquidation import last_resort
from contracts.liquidation import leg_sale
from contracts.liquidation import pre_liquidation
from contracts.liquidation import runs
from contracts.liquidation import slices
from contracts.modules import errors
from contracts.modules import governed

# One storage layout for both bytecodes of the auction: this order is the layout.
initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: governed[ownable := ownable]
initializes: runs
initializes: auction_settings[governed := governed]
initializes: pre_liquidation[
    auction_ports := auction_ports,
    auction_settings := auction_settings,
    intent_book := intent_book,
    runs := runs,
]
initializes: intent_book
initializes: auction_ports
initializes: auction_clock[
    auction_ports := auction_ports, auction_settings := auction_settings, runs := runs
]
initializes: last_resort[auction_ports := auction_ports, auction_settings := auction_settings]
initializes: auction_sale[auction_ports := auction_ports, last_resort := last_resort]
initializes: leg_sale[
    auction_clock := auction_clock,
    auction_ports := auction_ports,
    auction_sale := auction_sale,
    auction_settings := auction_settings,
    runs := runs,
]

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
    auction_ports.ENGINE,
    auction_ports.FUND,
    auction_settings.version,
    leg_sale.bid_leg,
    leg_sale.leg_quote,
)

ONE: constant(uint256) = 10**18

NEXT: immutable(address)  # LiquidationAuctionOffers


@deploy
def __init__(
    engine: address,
    fund: address,
    offers: address,
    governance: address,
    first: ILiquidationAuction.Curve,
):
    """
    @notice Wires the auction.
    @param engine The margin engine.
    @param fund The insurance fund.
    @param offers The second bytecode, deployed for the same two; fixed for good.
    @param governance Owner: the timelock, or the deployer until it hands over.
    @param first The first curve; errors as in `set_curve`.
    """
    errors._require(
        offers != empty(address) and governance != empty(address), errors.NULL_ADDRESS
    )
    auction_ports.__init__(engine, fund)
    ownable.__init__()
    ownable_2step.__init__()
    ownable._transfer_ownership(governance)
    auction_settings._store(first)
    NEXT = offers


# -- auctions --


@external
def start(account: uint256):
    """
    @notice Freezes an account with E < R and starts its auction. A start within `resume` seconds of the
            last end goes on where that one stood, on its curve; an account that was sold out starts anew.
            The account's own intent is void. One with nothing left but a debt is closed in this call.
    @param account The account.
    @dev Anyone; the caller is paid with the first slice. Errors: AuctionRunning, ClockStopped, Healthy.
    """
    run: runs.Run = runs._load(account)
    errors._require(
        not (run.running and auction_ports._frozen(account)), errors.AUCTION_RUNNING
    )
    standing: IMarginEngine.Standing = extcall auction_ports.ENGINE.freeze(account)
    position: slices.Position = slices._position(standing)
    errors._require(not position.stopped, errors.CLOCK_STOPPED)
    errors._require(slices._liquidatable(position), errors.HEALTHY)
    if run.elapsed == 0 or block.timestamp > run.seen + curves._field(
        auction_settings.stored[run.version][0], 168, 24
    ):
        run = runs._restarted(run)
        run.version = auction_settings.version
    run.number += 1
    run.running = True
    run.stopped = False
    run.seen = block.timestamp
    run.starter = msg.sender
    run.noted = auction_sale._note(account, run.noted, standing.equity)
    intent_book._void(account)
    log ILiquidationAuction.Started(
        account=account,
        starter=msg.sender,
        number=run.number,
        version=run.version,
        elapsed=run.elapsed,
        equity=position.equity,
        requirement=position.requirement,
    )
    if last_resort._bare(standing):
        run = auction_sale._recognise(account, run, standing)
    runs._save(account, run)


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
    @param max_fraction 1e-18, 1 .. 1e18. BadFraction where the rest would keep a new leg under `min_lots`,
           unless the smallest has less than twice that: a small leg cannot force a bid for the whole.
    @param cost_limit qu, the most the bidder pays; negative: the least it must be paid.
    @param deadline Unix seconds, inclusive.
    @return qu the bidder paid; negative: was paid by the fund.
    @dev Caller must be allowed to trade for `bidder`. Solvent accounts stay on sale until they are sold,
         cured or deleveraged, at x = 1 at most; insolvent ones until t_end (AuctionOver). If the fund may
         pay only part, or the sale limiter lets only part be sold, the slice shrinks to it. In the clock's first `priority` seconds only intents fill.
         Errors: Expired, BadFraction, NotOwner, BadArgument (own account), NoAuction, WrongAuction,
         PriorityWindow, ClockStopped, AuctionOver, Healthy, Throttled, FundEmpty, CostLimit.
    """
    return self._bid(
        account, bidder, auction_id, max_fraction, cost_limit, deadline, empty(address)
    )


@external
def bid_with_callback(
    account: uint256,
    bidder: uint256,
    auction_id: uint256,
    max_fraction: uint256,
    cost_limit: int256,
    deadline: uint256,
) -> int256:
    """
    @notice `bid`, with a call to the caller's `on_slice` (ISliceTaker) when the slice is the bidder's, the price
            is booked against its cash, and nothing is checked yet. What that call returns, in token units,
            is pulled from the caller into the bidder's account; then the bidder must meet R_init. So a
            bidder may begin with an empty account: take, sell the hedge elsewhere, pay with the proceeds.
    @param account The account in auction; this and what follows as for `bid`.
    @param bidder Account that receives the slice and pays.
    @param auction_id The id the bidder saw, or 0.
    @param max_fraction 1e-18.
    @param cost_limit qu, what the bid itself may cost.
    @param deadline Unix seconds, inclusive.
    @return As for `bid`.
    @dev No data is handed through: the caller is called, and knows what it wants. Errors: those of `bid`;
         whatever `on_slice` reverts with fails the bid.

         The lock. The engine makes the call in the middle of its own, so its lock is held, this contract's
         too. By contract, what a callback meets:
         - MarginEngine, in all its bytecodes, LiquidationAuction in both: every state-changing entry locked.
         - CollateralVault: deposits, withdrawals and moves end in the engine, locked; `settle_ramp` and
           governance's settings move no balance.
         - InsuranceFund: deposits, redemptions, sponsoring and the keepers' budget end in the engine,
           locked, and `draw` is this contract's; requests to redeem, their cancellation and transfers of
           shares move no money, `sync` and `observe` follow bucket and deficits as they stand, this bid's
           payout included; where a deficit was noted this bid has the fund look again at its end.
         - SignedOrders: fills end in the engine, locked; cancellations only withdraw consent.
         - OracleAdapter, ImpliedSurfaces: open, so that liquidations never wait for a price. The slice was
           priced before; a price poked in between is in force for the bidder's check alone, where it is the
           truth, as it is for everybody else in that second.
         - StandardMargin: its writers are the engine's and governance's.
         - Timelock, Deployer, governance's settings everywhere: what touches the engine is locked, the rest
           moves no account.
    """
    # What the callback brings is a deposit: nobody buys in front of a recovery.
    extcall auction_ports.ENGINE.recover()
    return self._bid(
        account, bidder, auction_id, max_fraction, cost_limit, deadline, msg.sender
    )


@external
def end(account: uint256):
    """
    @notice Ends the auction of an account that meets R again, and unfreezes it. x and the time are kept
            for a restart. One that an auction since replaced left frozen is unfrozen likewise; one that a
            replacement of this auction has ended already is struck out here.
    @param account The account in auction.
    @dev Anyone. While the clock is stopped E counts at the last prices: adding collateral always cures.
         Errors: NoAuction; NothingToDo while E < R (`start` takes over what a replaced auction froze).
    """
    run: runs.Run = runs._load(account)
    standing: IMarginEngine.Standing = staticcall auction_ports.ENGINE.standing(account)
    position: slices.Position = slices._position(standing)
    if not run.running:
        errors._require(intent_book.terms[account] == 0, errors.NO_AUCTION)  # frozen for its intent
        auction_sale._thaw_left(account, position)
        return
    if not auction_ports._frozen(account):
        run.noted = auction_sale._note(account, run.noted, 0)
        run.running = False
        runs._save(account, run)
        return
    errors._require(not slices._liquidatable(position), errors.NOTHING_TO_DO)
    run = auction_clock._advance(run, position.stopped or auction_clock._paused(), standing.pace)
    run = auction_sale._finish(account, run, False)
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
        errors._require(
            staticcall auction_ports.ENGINE.may_trade(buyer, msg.sender), errors.NOT_OWNER
        )
    run: runs.Run = auction_clock._running(account)
    standing: IMarginEngine.Standing = staticcall auction_ports.ENGINE.standing(account)
    position: slices.Position = slices._position(standing)
    word: uint256 = auction_settings.stored[run.version][0]
    run = runs._advance(run, position.stopped, standing.pace, curves._field(word, 192, 16))
    errors._require(not position.stopped, errors.CLOCK_STOPPED)
    errors._require(slices._liquidatable(position), errors.HEALTHY)
    errors._require(auction_clock._exhausted(standing, word, run.elapsed), errors.AUCTION_NOT_OVER)
    deficit: uint256 = 0
    run, deficit = last_resort._close(account, buyer, run, standing)
    # The legs are closed. Without collateral, which a deficit is recognised after the sale of, the account
    # is empty but for cash that is not negative: no need to look again.
    if standing.collateral == 0 or deficit != 0:
        run = runs._restarted(run)
        run = auction_sale._finish(account, run, False)
    else:
        run = auction_sale._settle(account, run, 0)
    runs._save(account, run)


@external
def sync(account: uint256):
    """
    @notice Brings an auction's clock and its noted deficit to now, and renews its claim to the reserve of the
            sale limiter, or makes it where its shortfall is the largest. Needed at least every `max_step`
            seconds for x to keep up with time, and right when feeds go stale to stop it. Past t_end the
            clock stands while E >= 0: the collateral of who falls short later is not for nothing at once.
    @param account The account in auction.
    @dev Anyone, in a pause too. Errors: NoAuction.
    """
    run: runs.Run = auction_clock._running(account)
    standing: IMarginEngine.Standing = staticcall auction_ports.ENGINE.standing(account)
    if standing.equity >= 0 and auction_clock._over(
        auction_settings.stored[run.version][0], run.elapsed + 1
    ):
        run.seen = block.timestamp
    run = auction_clock._advance(
        run, slices._position(standing).stopped or auction_clock._paused(), standing.pace
    )
    # Asked for even where this auction has noted none: a replaced one may have.
    run.noted = auction_sale._note(account, True, standing.equity)
    extcall auction_ports.ENGINE.claim_flow(
        account, standing.equity, standing.linear + standing.superlinear
    )
    runs._save(account, run)
    log ILiquidationAuction.ClockSet(
        account=account, elapsed=run.elapsed, held=run.held >> 4, stopped=run.stopped
    )


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
    run: runs.Run = auction_clock._running(account)
    standing: IMarginEngine.Standing = staticcall auction_ports.ENGINE.standing(account)
    position: slices.Position = slices._position(standing)
    position.stopped = position.stopped or auction_clock._paused()
    run = auction_clock._advance(run, position.stopped, standing.pace)
    words: uint256[2] = auction_settings._terms(run.version)
    quote: ILiquidationAuction.Quote = ILiquidationAuction.Quote(
        id=auction_clock._id(account, run.number),
        x=curves._x(words[0], runs._offered(run)),
        equity=position.equity,
        requirement=position.requirement,
        fraction=0,
        cost=0,
        fee=0,
        elapsed=run.elapsed,
        held=run.held >> 4,
        stopped=position.stopped,
        over=standing.equity < 0 and auction_clock._over(words[0], run.elapsed),
        priority=0,
        room=standing.room,
        wait=0,
    )
    priority: uint256 = curves._field(words[1], 248, 8)
    if run.elapsed < priority:
        quote.priority = priority - run.elapsed
    if position.stopped or quote.over or not slices._liquidatable(position):
        return quote
    offer: slices.Slice = slices._slice(standing, position, words, runs._offered(run), ONE)
    if standing.room < offer.fraction:
        quote.wait = staticcall auction_ports.ENGINE.flow_wait(account, offer.fraction)
        least: uint256 = curves._field(words[0], 232, 24)
        if standing.room == 0 or (
            standing.smallest >= least and slices._leaves_dust(standing, standing.room, least)
        ):
            return quote
        offer = slices._slice(standing, position, words, runs._offered(run), standing.room)
    quote.fraction = offer.fraction
    quote.fee = offer.fee
    quote.cost = slices._expected(standing.equity, offer)
    return quote


@external
@view
def auction(account: uint256) -> ILiquidationAuction.Auction:
    """
    @notice An account's auction as stored, the clock brought to now as if feeds and sale limiter let it run.
    @param account The account.
    @return See the interface; all zero for an account that never was in auction.
    """
    run: runs.Run = runs._load(account)
    seen: uint256 = run.seen
    stopped: bool = run.stopped
    if run.running:
        run = auction_clock._advance(run, stopped, ONE)
    return ILiquidationAuction.Auction(
        running=run.running and auction_ports._frozen(account),
        stopped=stopped,
        number=run.number,
        version=run.version,
        elapsed=run.elapsed,
        held=run.held >> 4,
        seen=seen,
        starter=run.starter,
        x=curves._x(auction_settings.stored[run.version][0], runs._offered(run))
        if run.version != 0
        else 0,
    )


@external
@view
def auction_id(account: uint256) -> uint256:
    """
    @notice Id of an account's auction as it stands: hash of account, auction number and account version.
    @param account The account.
    @return A hash that changes with everything that changes the frozen account.
    """
    return auction_clock._id(account, runs._load(account).number)


@internal
def _bid(
    account: uint256,
    bidder: uint256,
    auction_id: uint256,
    max_fraction: uint256,
    cost_limit: int256,
    deadline: uint256,
    callback: address,
) -> int256:
    """
    @notice See `bid`.
    @param callback Called before the bidder is checked; zero for none.
    """
    errors._require(block.timestamp <= deadline, errors.EXPIRED)
    errors._require(max_fraction > 0 and max_fraction <= ONE, errors.BAD_FRACTION)
    errors._require(account != bidder, errors.BAD_ARGUMENT)
    if convert(bidder >> 96, address) != msg.sender:
        errors._require(
            staticcall auction_ports.ENGINE.may_trade(bidder, msg.sender), errors.NOT_OWNER
        )
    run: runs.Run = auction_clock._running(account)
    if auction_id != 0:
        errors._require(auction_id == auction_clock._id(account, run.number), errors.WRONG_AUCTION)
    standing: IMarginEngine.Standing = staticcall auction_ports.ENGINE.standing(account)
    position: slices.Position = slices._position(standing)
    words: uint256[2] = auction_settings._terms(run.version)
    run = runs._advance(run, position.stopped, standing.pace, curves._field(words[0], 192, 16))
    errors._require(
        run.elapsed >= curves._field(words[1], 248, 8), errors.PRIORITY_WINDOW
    )
    net: int256 = 0
    sold: uint256 = 0
    run, net, sold = auction_sale._sell(
        account, bidder, run, standing, position, words, max_fraction, callback, False
    )
    errors._require(net <= cost_limit, errors.COST_LIMIT)
    runs._save(account, run)
    return net


@external
@reentrant
@raw_return
def __default__() -> Bytes[1024]:
    """
    @notice Every other function lives in the other bytecode and runs there on this contract's storage. The
            lock is taken by the function itself, in the transient slot both share; this door only forwards.
    """
    return raw_call(NEXT, msg.data, max_outsize=1024, is_delegate_call=True)
