# pragma version 0.4.3
"""
@title engine_state
@license AGPL-3.0-only
@notice What the three bytecodes of the margin engine share beside accounts, cash and ledger: the modules they
        trust, venues, market configuration.
"""

# Modules that may change through the timelock.
auction: public(address)
fund: public(address)
guardian: public(address)
# treasury account's owner uint160 | fund's share of trading fees uint16 << 160 (1e-4)
fee_split: public(uint256)
# 1 where the address may settle fills
venues: public(HashMap[address, uint256])
# market -> cap uint56 (lots) | cap uint40 << 56 (USD) | minimum notional uint24 << 96 (USD) | maker fee int16 << 120
# (1e-6, < 0 a rebate) | taker fee uint16 << 136 (1e-6) | price band uint16 << 152 (1e-4 of mark)
# | status uint8 << 168 | listed << 176 | fees held uint79 << 177 (quote units)
config: public(uint256[256])
# the venue that MarginEngine knows as an immutable; bit 216 of `health.core` switches it off
house_venue: public(address)
# number of market ids given out; ids are 0 .. count - 1
market_count: public(uint256)

USD: constant(int256) = 10**15  # quote units
OPEN: constant(uint256) = 0
NO_NEW_RISK: constant(uint256) = 1
REDUCE_ONLY: constant(uint256) = 2
CLOSED: constant(uint256) = 3  # of a market: wound down; of the house: auctions stopped
EXITS_ONLY: constant(uint256) = 4
FEES_ONE: constant(uint256) = 1 << 177
