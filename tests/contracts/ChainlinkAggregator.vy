# pragma version 0.4.3
"""
@title ChainlinkAggregator
@license AGPL-3.0-only
@notice A Chainlink-shaped price feed that anyone may set: for tests and for the demonstration's
        local chain only. The newest round is one storage word.
"""

# bits 0-127 answer (int128) | 128-159 time, s | 160-239 round id
latest: uint256
DECIMALS: immutable(uint8)
name: String[64]


@deploy
def __init__(decimals_: uint8, description_: String[64], answer: int256):
    """
    @param decimals_ Of the answers.
    @param description_ For example "ETH / USD".
    @param answer The first round's.
    """
    DECIMALS = decimals_
    self.name = description_
    self._set(1, answer, block.timestamp)


@external
def set_answer(answer: int256):
    """
    @notice Publish the next round, observed now.
    @param answer Price times 10**decimals; must fit int128.
    """
    self._set((self.latest >> 160) + 1, answer, block.timestamp)


@external
def set_round(round_id: uint256, answer: int256, time: uint256):
    """
    @notice Set the newest round to anything.
    @param round_id Below 2**80.
    @param answer Must fit int128.
    @param time Seconds, below 2**32.
    """
    self._set(round_id, answer, time)


@external
@view
def latestRoundData() -> (uint80, int256, uint256, uint256, uint80):
    """
    @notice Round id, answer, time it started, time it was updated, round it was answered in.
    """
    word: uint256 = self.latest
    answer: int256 = convert(convert(word << 128, bytes32), int256) >> 128
    time: uint256 = (word >> 128) & (2**32 - 1)
    round_id: uint80 = convert(word >> 160, uint80)
    return round_id, answer, time, time, round_id


@external
@view
def decimals() -> uint8:
    """
    @notice Of the answers.
    """
    return DECIMALS


@external
@view
def description() -> String[64]:
    """
    @notice The pair.
    """
    return self.name


@external
@view
def version() -> uint256:
    """
    @notice Of the interface.
    """
    return 4


@internal
def _set(round_id: uint256, answer: int256, time: uint256):
    bits: uint256 = convert(convert(answer, bytes32), uint256) & (2**128 - 1)
    assert convert(convert(bits << 128, bytes32), int256) >> 128 == answer  # dev: answer
    assert time < 2**32 and round_id < 2**80  # dev: range
    self.latest = bits | (time << 128) | (round_id << 160)
