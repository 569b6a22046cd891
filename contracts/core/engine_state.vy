# pragma version 0.4.3
"""
@title engine_state
@license AGPL-3.0-only
@notice What the five bytecodes of the margin engine share beside accounts, cash and ledger: the modules they
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
# Levels, each stricter than the one before. A market's: 0 open, 1 no new risk, 2 reduce only, 3 wound down. The house's:
# 0, 1, 2 alike, 3 auctions stopped too (reducing goes on), 4 all stopped but exits.
REDUCE_ONLY: constant(uint256) = 2
CLOSED: constant(uint256) = 3
AUCTIONS_STOPPED: constant(uint256) = 3
EXITS_ONLY: constant(uint256) = 4
FEES_ONE: constant(uint256) = 1 << 177
