# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title market_quotes
@license AGPL-3.0-only
@notice A market's quote word for the engine, the slow open-interest root that is accrued with it,
        and the word fixed at a market's close.
@dev Trusts the oracle for its words and the engine for `root`.
"""
from contracts.modules import errors
from contracts.modules import quote_word
from contracts.risk import risk_parameters
from contracts.risk import slow_root

uses: risk_parameters


interface IOracle:
    def words(feeds: DynArray[uint256, MAX_FEEDS]) -> DynArray[uint256, MAX_FEEDS]: view
    def word(feed: uint256) -> uint256: view
    def settlement_price(feed: uint256) -> uint256: view


event MarketClosed:
    market: indexed(uint256)
    mark: uint256  # ticks
    funding: int256  # ticks


MAX_FEEDS: constant(uint256) = 88  # legs and holdings of one assessment
MASK_14: constant(uint256) = 2**14 - 1
MASK_16: constant(uint256) = 2**16 - 1
MASK_40: constant(uint256) = 2**40 - 1
MASK_56: constant(uint256) = 2**56 - 1

oracle: public(reentrant(immutable(address)))
engine: public(reentrant(immutable(address)))

# market -> quote word fixed at its close (0 while it is open)
closed_words: HashMap[uint256, uint256]


@deploy
def __init__(oracle_: address, engine_: address):
    """
    @notice Fixes the neighbours. They may be deployed later, at addresses known by now.
    @param oracle_ The oracle adapter. Reverts NullAddress on zero, as for the engine.
    @param engine_ The margin engine.
    """
    errors._require(oracle_ != empty(address) and engine_ != empty(address), errors.NULL_ADDRESS)
    oracle = oracle_
    engine = engine_


@external
def quote(market: uint256, root: uint256) -> uint256:
    """
    @notice The market's quote word; first accrues the slow open-interest root with the root that
            held until now. Engine only (NotEngine). UnknownMarket if it is not listed.
    @param market Market id.
    @param root isqrt(open interest in lots << 24) before the change at hand; below 2^40.
    @return The quote word (modules/quote_word.vy); a closed market's is fixed.
    """
    errors._require(msg.sender == engine, errors.NOT_ENGINE)
    word: uint256 = self._hot(market)
    if word & risk_parameters.CLOSED_FLAG != 0:
        return self.closed_words[market]
    if (word >> 56) & risk_parameters.TIME_MASK != block.timestamp:
        self._accrue(market, word, root)
    return staticcall IOracle(oracle).word(word & MASK_16)


@external
def close(market: uint256):
    """
    @notice Fixes a market's mark (the oracle's settlement price) and funding index for ever. Engine
            only (NotEngine); MarketClosed the second time, UnknownMarket if never listed; the
            oracle reverts NoPrice where it has no settlement price.
    @param market Market id.
    """
    errors._require(msg.sender == engine, errors.NOT_ENGINE)
    hot: uint256 = self._hot(market)
    errors._require(hot & risk_parameters.CLOSED_FLAG == 0, errors.MARKET_CLOSED)
    feed: uint256 = hot & MASK_16
    mark: uint256 = staticcall IOracle(oracle).settlement_price(feed)
    errors._require(mark > 0 and mark <= MASK_56, errors.NO_PRICE)
    funding: int256 = quote_word._funding(staticcall IOracle(oracle).word(feed))
    self.closed_words[market] = quote_word._pack(mark, funding, 0, 0, 0, quote_word.OK, 0)
    risk_parameters.hot[market] = hot | risk_parameters.CLOSED_FLAG
    log MarketClosed(market=market, mark=mark, funding=funding)


@external
@view
@reentrant  # read by the engine and by previews in the middle of their own flows; writes nothing
def peek(market: uint256) -> uint256:
    """
    @notice The market's quote word, nothing accrued. UnknownMarket if it is not listed.
    @param market Market id.
    @return The quote word.
    """
    word: uint256 = self._hot(market)
    if word & risk_parameters.CLOSED_FLAG != 0:
        return self.closed_words[market]
    return staticcall IOracle(oracle).word(word & MASK_16)


@external
@view
@reentrant  # constant within a call of any other contract; writes nothing
def slow_root_of(market: uint256, live: uint256) -> uint256:
    """
    @notice The slow open-interest root now, were the live root `live` since its last change.
    @param market Market id.
    @param live Live root, isqrt(lots << 24).
    @return The slow root, same unit.
    """
    return self._slow_root(risk_parameters.hot[market], live)


@internal
@view
def _hot(market: uint256) -> uint256:
    """
    @notice A market's hot word; UnknownMarket where there is none.
    """
    errors._require(market <= MASK_16, errors.UNKNOWN_MARKET)
    word: uint256 = risk_parameters.hot[market]
    errors._require(word != 0, errors.UNKNOWN_MARKET)
    return word


@internal
@view
def _slow_root(hot: uint256, live: uint256) -> uint256:
    """
    @notice The slow root brought to now; see slow_root.
    """
    slow: uint256 = (hot >> 16) & MASK_40
    # Proof: the stored time is a past block's.
    elapsed: uint256 = unsafe_sub(block.timestamp, (hot >> 56) & risk_parameters.TIME_MASK)
    coefficient: uint256 = ((hot >> 194) & MASK_14) << ((hot >> 208) & 63)
    return slow_root._accrued_up(slow, live, elapsed, coefficient)


@internal
def _accrue(market: uint256, hot: uint256, root: uint256):
    """
    @notice Stores the slow root as of now, and drops the flag of a ramp that is over.
    """
    errors._require(root <= MASK_40, errors.OUT_OF_RANGE)
    word: uint256 = hot & ~(((1 << 72) - 1) << 16)
    word |= (self._slow_root(hot, root) << 16) | (block.timestamp << 56)
    if hot & risk_parameters.RAMP_FLAG != 0:
        if risk_parameters._ramp_over(risk_parameters.ramps[market]):
            word &= ~risk_parameters.RAMP_FLAG
    risk_parameters.hot[market] = word


@internal
@view
def _closed_value(leg: int256) -> int256:
    """
    @notice P&L of a leg in a closed market.
    @return qu
    """
    word: uint256 = self.closed_words[convert(leg & 65_535, uint256)]
    mark: int256 = convert(quote_word._mark(word), int256)
    return ((leg << 128) >> 192) * (mark - quote_word._funding(word)) + (leg >> 128)
