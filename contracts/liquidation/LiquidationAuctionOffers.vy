# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title LiquidationAuctionOffers
@license AGPL-3.0-only
@notice Second bytecode of the liquidation auction: pre-liquidation, intents, and what governance sets. Runs by
        delegate call on LiquidationAuction's storage; called directly it sees only its own empty one, and
        the engine does not know it.
@custom:kill As LiquidationAuction: engine governance replaces the auction.
"""
from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from contracts.liquidation import auction_clock
from contracts.liquidation import auction_ports
from contracts.liquidation import auction_sale
from contracts.liquidation import auction_settings
from contracts.liquidation import intent_book
from contracts.liquidation import intents
from contracts.liquidation import last_resort
from contracts.liquidation import pre_liquidation
from contracts.liquidation import runs
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
initializes: intents[
    auction_clock := auction_clock,
    auction_ports := auction_ports,
    auction_sale := auction_sale,
    auction_settings := auction_settings,
    intent_book := intent_book,
    runs := runs,
]

exports: (
    auction_settings.curve,
    auction_settings.curve_of,
    auction_settings.set_curve,
    intents.commit_intent,
    intents.fill_intent,
    intents.intent,
    intents.release_intent,
    intents.revoke_intent,
    pre_liquidation.pre_liquidate,
    pre_liquidation.pre_quote,
    pre_liquidation.set_pre_liquidation,
)


@deploy
def __init__(engine: address, fund: address):
    """
    @notice Fixes what the code needs; the storage here is never used.
    @param engine The margin engine, the same as LiquidationAuction's.
    @param fund The insurance fund, likewise.
    """
    ownable.__init__()
    ownable_2step.__init__()
    auction_ports.__init__(engine, fund)
