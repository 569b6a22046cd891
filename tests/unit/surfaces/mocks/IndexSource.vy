# pragma version 0.4.3
"""
@title IndexSource
@license AGPL-3.0-only
@notice Answers `read` of an oracle adapter with what a test says.
"""

from contracts.interfaces import IOracleAdapter

prices: HashMap[uint256, uint256]  # ticks
states: HashMap[uint256, uint256]  # OK 0, DEGRADED 1, STALE 2, HALTED 3


@external
def set_price(feed: uint256, price: uint256, state: uint256):
    """
    @notice Set what a feed reads.
    """
    self.prices[feed] = price
    self.states[feed] = state


@external
@view
def read(feed: uint256) -> IOracleAdapter.Reading:
    """
    @notice As the adapter's, band and variance left out; reverts without a price.
    """
    price: uint256 = self.prices[feed]
    if price == 0:
        raw_revert(method_id("NoPrice()"))
    return IOracleAdapter.Reading(
        price=price,
        low=price,
        high=price,
        timestamp=block.timestamp,
        state=self.states[feed],
        variance=0,
    )
