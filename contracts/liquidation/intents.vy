# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title intents
@license AGPL-3.0-only
@notice Committed liquidity: the owner of an account promises to take slices of accounts in auction once x
        has come to its premium, up to a capacity in R, within a scope, until an expiry. For that promise
        it may take them before anyone may bid: in the first `priority` seconds of an auction's clock only
        intents fill.
@dev    The margin is locked by freezing the account itself, with the bit auctions use: nothing leaves it, it
        trades with nobody, anyone may deposit. No word is added to any other path of the engine, and no
        sum of commitments has to be kept: one account, one intent. It is thawed when its capacity is used
        up, or by anyone once it has expired or its owner's revocation has taken effect; thawing works in
        every pause. A fill passes the engine's check of any bidder (R_init), so a commitment whose margin
        has fallen short fails alone: the executor names the intent, there is no list to walk, and after the
        window everybody may bid beside it.

        Price before time comes from the clock: an intent fills at the x of the moment, from its premium
        on, so that of two the cheaper one is open earlier.

        An intent's account that falls under R itself is auctioned like any other, and its intent is void.
        One that a replaced auction left frozen is thawed by `end` of the new one where it meets R.

        Nobody gains by filling himself: fee and pay are those of a bid.
"""
from contracts.interfaces import ILiquidationAuction
from contracts.interfaces import IMarginEngine
from contracts.liquidation import auction_clock
from contracts.liquidation import auction_ports
from contracts.liquidation import auction_sale
from contracts.liquidation import auction_settings
from contracts.liquidation import curve as curves
from contracts.liquidation import intent_book
from contracts.liquidation import runs
from contracts.liquidation import slices
from contracts.modules import errors

uses: auction_clock
uses: auction_ports
uses: auction_sale
uses: auction_settings
uses: intent_book
uses: runs

# What the engine tells beside IMarginEngine.
interface Holder:
    def held(account: uint256) -> uint256: view


ONE: constant(uint256) = 10**18
NANO: constant(uint256) = 10**9
TOK: constant(uint256) = 10**9
MAX_LIFE: constant(uint256) = 30 * 86_400  # seconds; no account stays frozen for ever
REVOCATION: constant(uint256) = 3_600  # seconds; a promise that could be taken back at once is none


@external
def commit_intent(account: uint256, intent: ILiquidationAuction.Intent):
    """
    @notice Freezes an account and commits it to take slices.
    @param account The account; its free initial margin (E_init - R_init) must be at least `intent_margin`
           times the capacity.
    @param intent Units in the interface: capacity and largest 1 .. 2^64 - 1, premium at most x_max, expiry
           within 30 days, some market or collateral in scope.
    @dev Only its owner, no operator. Errors: NotOwner; OutOfRange (a field); Expired; Frozen (it has an
         intent), AuctionRunning; StalePrice (feeds not OK); IntentMargin.
    """
    errors._require(convert(account >> 96, address) == msg.sender, errors.NOT_OWNER)
    words: uint256[3] = auction_settings.stored[auction_settings.version]
    errors._require(
        intent.capacity > 0
        and intent.capacity < intent_book.LIMIT
        and intent.largest > 0
        and intent.largest < intent_book.LIMIT
        and intent.premium <= curves._field(words[0], 64, 32)
        and intent.expiry <= block.timestamp + MAX_LIFE
        and (intent.markets != 0 or intent.collateral),
        errors.OUT_OF_RANGE,
    )
    errors._require(intent.expiry >= block.timestamp, errors.EXPIRED)
    errors._require(intent_book.terms[account] == 0, errors.FROZEN)
    errors._require(not runs._load(account).running, errors.AUCTION_RUNNING)
    standing: IMarginEngine.Standing = extcall auction_ports.ENGINE.freeze(account)
    errors._require(standing.state == 0, errors.STALE_PRICE)
    margin: IMarginEngine.Margin = staticcall auction_ports.ENGINE.margin(account)
    # Rounded up: what is asked for.
    need: uint256 = (intent.capacity * TOK * curves._field(words[2], 192, 32) + NANO - 1) // NANO
    errors._require(
        margin.initial_equity >= convert(margin.initial_requirement + need, int256),
        errors.INTENT_MARGIN,
    )
    intent_book.terms[account] = intent_book._pack(intent)
    intent_book.markets[account] = intent.markets
    log ILiquidationAuction.IntentSet(account=account, intent=intent)


@external
def revoke_intent(account: uint256):
    """
    @notice Lets an intent expire in an hour, where it would not earlier.
    @param account The committed account.
    @dev Only its owner, in a pause too. Errors: NotOwner, NoIntent.
    """
    errors._require(convert(account >> 96, address) == msg.sender, errors.NOT_OWNER)
    errors._require(intent_book.terms[account] != 0, errors.NO_INTENT)
    intent: ILiquidationAuction.Intent = intent_book._load(account)
    intent.expiry = min(intent.expiry, block.timestamp + REVOCATION)
    intent_book.terms[account] = intent_book._pack(intent)
    log ILiquidationAuction.IntentSet(account=account, intent=intent)


@external
def release_intent(account: uint256):
    """
    @notice Strikes out an intent that has expired, and thaws its account.
    @param account The committed account.
    @dev Anyone, in every pause. Errors: NoIntent; IntentOpen before its expiry.
    """
    word: uint256 = intent_book.terms[account]
    errors._require(word != 0, errors.NO_INTENT)
    errors._require(block.timestamp > curves._field(word, 160, 40), errors.INTENT_OPEN)
    intent_book._void(account)
    if auction_ports._frozen(account):  # not where a replacement of this auction has thawed it
        extcall auction_ports.ENGINE.thaw(account)


@external
def fill_intent(account: uint256, intent: uint256, deadline: uint256) -> int256:
    """
    @notice Sells to an intent's account what is on sale, as far as its capacity goes, at the price of the
            clock, as `bid` would.
    @param account The account in auction.
    @param intent The committed account; must meet R_init afterwards.
    @param deadline Unix seconds, inclusive.
    @return qu the intent's account paid; negative: was paid by the fund.
    @dev Anyone, and paid as for a bid. What limits an intent's price is its premium: of an account with E >= 0 it
         never pays more than E - premium R for the whole, or nothing where that is negative, roundings to lots
         aside. Where E < 0 it pays nothing and the fund pays it what it would pay any bidder, -E + max(x - 1, 0) R.
         Errors: Expired, NoAuction, NoIntent (none or expired),
         BelowPremium, IntentScope, and those of `bid` from ClockStopped on; BadFraction where its capacity
         would leave dust; the engine's where its margin no longer bears it.
    """
    errors._require(block.timestamp <= deadline, errors.EXPIRED)
    run: runs.Run = auction_clock._running(account)
    word: uint256 = intent_book.terms[intent]
    # An account in auction has no intent: it is not its own bidder.
    errors._require(word != 0 and block.timestamp <= curves._field(word, 160, 40), errors.NO_INTENT)
    standing: IMarginEngine.Standing = staticcall auction_ports.ENGINE.standing(account)
    position: slices.Position = slices._position(standing)
    words: uint256[2] = auction_settings._terms(run.version)
    run = runs._advance(run, position.stopped, standing.pace, curves._field(words[0], 192, 16))
    errors._require(
        curves._x(words[0], runs._offered(run)) >= curves._field(word, 128, 32),
        errors.BELOW_PREMIUM,
    )
    capacity: uint256 = word & (intent_book.LIMIT - 1)
    self._check_scope(account, intent, word, standing, position.requirement)
    most: uint256 = ONE
    if capacity * TOK < position.requirement:
        most = max(capacity * TOK * ONE // position.requirement, 1)
    net: int256 = 0
    sold: uint256 = 0
    run, net, sold = auction_sale._sell(
        account, intent, run, standing, position, words, most, empty(address), True
    )
    runs._save(account, run)
    # Rounded up: capacity is never used twice.
    left: uint256 = capacity - min(capacity, (sold + TOK - 1) // TOK)
    log ILiquidationAuction.IntentFilled(
        account=account, intent=intent, executor=msg.sender, sold=sold, left=left
    )
    # Proof: left <= capacity, the lowest field of the word.
    intent_book.terms[intent] = unsafe_sub(word, unsafe_sub(capacity, left))
    if left == 0:
        intent_book._void(intent)
        extcall auction_ports.ENGINE.thaw(intent)
    return net


@external
@view
def intent(account: uint256) -> ILiquidationAuction.Intent:
    """
    @notice An account's intent as it stands; all zero without one. It may have expired.
    @param account The committed account.
    """
    return intent_book._load(account)


@internal
@view
def _check_scope(
    account: uint256,
    intent: uint256,
    word: uint256,
    standing: IMarginEngine.Standing,
    requirement: uint256,
):
    """
    @notice IntentScope unless the account is one the intent was meant for: not too large, no other markets,
            no collateral to speak of where it takes none: dust deposited in time would keep it out.
    @param word The intent's first word.
    """
    held: uint256 = staticcall Holder(auction_ports.ENGINE.address).held(account)
    errors._require(
        requirement <= ((word >> 64) & (intent_book.LIMIT - 1)) * TOK
        and held & ~intent_book.markets[intent] == 0
        and (standing.collateral * 100 <= requirement or (word >> 200) & 1 != 0),
        errors.INTENT_SCOPE,
    )
