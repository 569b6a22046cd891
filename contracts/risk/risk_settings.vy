# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title risk_settings
@license AGPL-3.0-only
@notice What governance sets of the standard margin, and what anybody reads of it: markets and their
        parameters. Bounds, encoding and ramps are in risk_parameters.
"""
from contracts.modules import errors
from contracts.risk import market_quotes
from contracts.risk import risk_parameters
from snekmate.auth import ownable

uses: ownable
uses: market_quotes
uses: risk_parameters


event MarketListed:
    market: indexed(uint256)
    feed: indexed(uint256)
    parameters: risk_parameters.MarketParameters


event ParametersSet:
    market: indexed(uint256)
    old: risk_parameters.MarketParameters
    new: risk_parameters.MarketParameters


MASK_16: constant(uint256) = 2**16 - 1
MASK_56: constant(uint256) = 2**56 - 1


@external
def list_market(market: uint256, feed: uint256, parameters: risk_parameters.MarketParameters):
    """
    @notice Lists a market on a feed, for ever. Owner only (NotGovernance). NoPrice where the feed
            gives none now; AlreadyListed; BadParameter or JointBound where a value is refused.
    @param market Market id, 0..65535; ids are never reused.
    @param feed Oracle feed id, 1..65535.
    @param parameters Its values (units beside each field).
    """
    self._only_governance()
    risk_parameters._list(market, feed, parameters)
    word: uint256 = staticcall market_quotes.IOracle(market_quotes.oracle).word(feed)
    errors._require(word & MASK_56 != 0, errors.NO_PRICE)
    log MarketListed(market=market, feed=feed, parameters=parameters)


@external
def set_parameters(market: uint256, parameters: risk_parameters.MarketParameters):
    """
    @notice New target values. New risk meets the stricter of old and new at once; open positions
            are led there along a ramp that starts, after a grace period, from the values in force.
            Owner only (NotGovernance). UnknownMarket, MarketClosed, BadParameter, JointBound.
    @param market Market id.
    @param parameters The new values.
    """
    self._only_governance()
    errors._require(market <= MASK_16, errors.UNKNOWN_MARKET)
    old: risk_parameters.MarketParameters = risk_parameters.stored[market]
    risk_parameters._retarget(market, parameters)
    log ParametersSet(market=market, old=old, new=parameters)


@internal
@view
def _only_governance():
    """
    @notice NotGovernance unless the owner calls.
    """
    errors._require(msg.sender == ownable.owner, errors.NOT_GOVERNANCE)


@external
@view
@reentrant  # constant within a call of any other contract; writes nothing
def parameters(market: uint256) -> risk_parameters.MarketParameters:
    """
    @notice What governance last set; all zero where the market is not listed.
    @param market Market id.
    @return The target values.
    """
    return risk_parameters.stored[market]


@external
@view
@reentrant  # as above
def depth(market: uint256) -> uint256:
    """
    @notice Lots that trade within 2 % of the price, as governance last set it.
    @param market Market id.
    @return Lots, 0 where the market is not listed.
    """
    return risk_parameters.stored[market].depth


@external
@view
@reentrant  # as above
def market_words(market: uint256) -> (uint256, uint256, uint256):
    """
    @notice The packed words of a market (layout in risk_parameters).
    @param market Market id.
    @return Hot word with target values · hot word with the values in force now · ramp word.
    """
    word: uint256 = risk_parameters.hot[market]
    ramp: uint256 = risk_parameters.ramps[market]
    return word, risk_parameters._maintenance_word(market, word), ramp
