# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title StandardMargin
@license AGPL-3.0-only
@notice The risk model of isolated and cross accounts: quotes and the slow open interest
        (market_quotes), one account's margin (assessment), what governance sets (risk_settings).
@dev Trusts the oracle for its words and the engine for `root` and for the legs it passes. Values
     and their ramps are in the module risk_parameters.
"""
from snekmate.auth import ownable
from snekmate.auth import ownable_2step

from contracts.interfaces import IRiskModel
from contracts.modules import errors
from contracts.risk import assessment
from contracts.risk import market_quotes
from contracts.risk import risk_parameters
from contracts.risk import risk_settings

implements: IRiskModel

# This order is the storage layout; assessment and risk_settings keep nothing.
initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: risk_parameters
initializes: market_quotes[risk_parameters := risk_parameters]
initializes: assessment[market_quotes := market_quotes, risk_parameters := risk_parameters]
initializes: risk_settings[
    ownable := ownable, market_quotes := market_quotes, risk_parameters := risk_parameters
]

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
    # for the engine: a market's quote word, its end; open to all: the word as it stands
    market_quotes.quote,
    market_quotes.close,
    market_quotes.peek,
    # one account's margin
    assessment.assess,
    assessment.assess_one,
    # for governance
    risk_settings.list_market,
    risk_settings.set_parameters,
    # what is stored
    risk_settings.parameters,
    risk_settings.depth,
    risk_settings.market_words,
    market_quotes.slow_root_of,
    market_quotes.oracle,
    market_quotes.engine,
)


@deploy
def __init__(oracle_: address, engine_: address, owner_: address):
    """
    @notice Fixes the neighbours. They may be deployed later, at addresses known by now.
    @param oracle_ The oracle adapter. Reverts NullAddress on zero, as for the others.
    @param engine_ The margin engine.
    @param owner_ Governance.
    """
    errors._require(owner_ != empty(address), errors.NULL_ADDRESS)
    ownable.__init__()
    ownable_2step.__init__()
    ownable_2step._transfer_ownership(owner_)
    market_quotes.__init__(oracle_, engine_)
