# pragma version 0.4.3
"""
@title ReadProbe
@license AGPL-3.0-only
@notice What it costs a contract to read a price whose adapter it has already called.
"""

interface IOracle:
    def word(feed: uint256) -> uint256: view


@external
@view
def cost(oracle: address, first: uint256, second: uint256) -> uint256:
    """
    @notice Gas of reading `second` after `first`.
    """
    word: uint256 = staticcall IOracle(oracle).word(first)
    left: uint256 = msg.gas
    word = staticcall IOracle(oracle).word(second)
    return left - msg.gas
