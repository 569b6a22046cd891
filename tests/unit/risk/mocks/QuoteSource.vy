# pragma version 0.4.3
"""
@title QuoteSource
@license AGPL-3.0-only
@notice Test double of the oracle adapter: quote words set by hand, one storage word per feed.
"""

stored: public(HashMap[uint256, uint256])
settlement: public(HashMap[uint256, uint256])


@external
def set_word(feed: uint256, word: uint256):
    self.stored[feed] = word


@external
def set_settlement(feed: uint256, price: uint256):
    self.settlement[feed] = price


@external
@view
def words(feeds: DynArray[uint256, 88]) -> DynArray[uint256, 88]:
    out: DynArray[uint256, 88] = []
    for feed: uint256 in feeds:
        out.append(self.stored[feed & 65_535])
    return out


@external
@view
def word(feed: uint256) -> uint256:
    return self.stored[feed]


@external
@view
def settlement_price(feed: uint256) -> uint256:
    return self.settlement[feed]
