# pragma version 0.4.3
"""
@title HostileAggregator
@license AGPL-3.0-only
@notice An aggregator that misbehaves on demand.
"""

HONEST: constant(uint256) = 0
REVERT: constant(uint256) = 1
EMPTY: constant(uint256) = 2
BYTES_31: constant(uint256) = 3
HUGE: constant(uint256) = 4
BURN: constant(uint256) = 5
LONG: constant(uint256) = 6  # a sound answer and one word more
PANIC: constant(uint256) = 7
SLOW: constant(uint256) = 8  # a sound answer after some 80,000 gas

mode: uint256
decimals_mode: uint256
round_words: uint256[5]
decimals_word: uint256


@deploy
def __init__(decimals_: uint256, round_words: uint256[5]):
    self.decimals_word = decimals_
    self.round_words = round_words


@external
def set_mode(mode: uint256):
    self.mode = mode


@external
def set_decimals(mode: uint256, decimals_: uint256):
    self.decimals_mode = mode
    self.decimals_word = decimals_


@external
def set_words(round_words: uint256[5]):
    self.round_words = round_words


@external
@view
@raw_return
def latestRoundData() -> Bytes[9_600]:
    w: uint256[5] = self.round_words
    return self._answer(self.mode, slice(abi_encode(w), 0, 160))


@external
@view
@raw_return
def decimals() -> Bytes[9_600]:
    return self._answer(self.decimals_mode, abi_encode(self.decimals_word))


@internal
@view
def _answer(mode: uint256, honest: Bytes[160]) -> Bytes[9_600]:
    if mode == REVERT:
        raise "no"
    if mode == EMPTY:
        return b""
    if mode == BYTES_31:
        return slice(honest, 0, 31)
    if mode == HUGE:
        words: uint256[300] = empty(uint256[300])
        for i: uint256 in range(len(honest) // 32, bound=5):
            words[i] = extract32(honest, i * 32, output_type=uint256)
        return abi_encode(words)
    if mode == LONG:
        return concat(honest, empty(bytes32))
    if mode == BURN or mode == SLOW:
        x: uint256 = 1
        for i: uint256 in range(1_000_000 if mode == BURN else 800, bound=1_000_000):
            x = unsafe_mul(unsafe_add(x, i), 3)
        assert x != 0
    assert mode != PANIC, UNREACHABLE
    return honest

