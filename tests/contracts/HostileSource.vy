# pragma version 0.4.3
"""
@title HostileSource
@license AGPL-3.0-only
@notice Whatever a price source or what stands behind it may be asked, answered as told, per
        function: soundly, or misbehaving in the ways of HostileAggregator.
"""

HONEST: constant(uint256) = 0
REVERT: constant(uint256) = 1
EMPTY: constant(uint256) = 2
BYTES_31: constant(uint256) = 3
HUGE: constant(uint256) = 4  # a sound answer and some 300 words more
BURN: constant(uint256) = 5
LONG: constant(uint256) = 6  # a sound answer and one word more
PANIC: constant(uint256) = 7
SLOW: constant(uint256) = 8  # a sound answer after `effort` rounds of some 100 gas
REVERT_SOUND: constant(uint256) = 9  # a revert that carries a sound answer

modes: HashMap[bytes4, uint256]
words: HashMap[bytes4, DynArray[uint256, 8]]
effort: uint256


@deploy
def __init__():
    self.effort = 800


@external
def set_effort(effort: uint256):
    self.effort = effort


@external
def set_answer(method: bytes4, mode: uint256, words: DynArray[uint256, 8]):
    """
    @notice What a function does from now on.
    @param method Its selector.
    @param mode One of the constants above.
    @param words The honest answer.
    """
    self.modes[method] = mode
    self.words[method] = words


# -- Pyth


@external
@view
@raw_return
def getPriceUnsafe(id: bytes32) -> Bytes[9_600]:
    return self._answer(method_id("getPriceUnsafe(bytes32)", output_type=bytes4))


# -- Uniswap v3


@external
@view
@raw_return
def observe(ago: DynArray[uint32, 2]) -> Bytes[9_600]:
    return self._answer(method_id("observe(uint32[])", output_type=bytes4))


@external
@view
@raw_return
def slot0() -> Bytes[9_600]:
    return self._answer(method_id("slot0()", output_type=bytes4))


@external
@view
@raw_return
def token0() -> Bytes[9_600]:
    return self._answer(method_id("token0()", output_type=bytes4))


@external
@view
@raw_return
def token1() -> Bytes[9_600]:
    return self._answer(method_id("token1()", output_type=bytes4))


@external
@view
@raw_return
def fee() -> Bytes[9_600]:
    return self._answer(method_id("fee()", output_type=bytes4))


@external
@view
@raw_return
def getPool(token0_: address, token1_: address, fee_: uint24) -> Bytes[9_600]:
    return self._answer(method_id("getPool(address,address,uint24)", output_type=bytes4))


# -- Curve: the two shapes have an answer each


@external
@view
@raw_return
def price_oracle(index: uint256 = max_value(uint256)) -> Bytes[9_600]:
    if index == max_value(uint256):
        return self._answer(method_id("price_oracle()", output_type=bytes4))
    return self._answer(method_id("price_oracle(uint256)", output_type=bytes4))


# -- ERC-4626


@external
@view
@raw_return
def convertToAssets(shares: uint256) -> Bytes[9_600]:
    return self._answer(method_id("convertToAssets(uint256)", output_type=bytes4))


@external
@view
@raw_return
def asset() -> Bytes[9_600]:
    return self._answer(method_id("asset()", output_type=bytes4))


@external
@view
@raw_return
def decimals() -> Bytes[9_600]:
    return self._answer(method_id("decimals()", output_type=bytes4))


@internal
@view
def _answer(method: bytes4) -> Bytes[9_600]:
    mode: uint256 = self.modes[method]
    words: uint256[300] = empty(uint256[300])
    size: uint256 = 0
    for word: uint256 in self.words[method]:
        words[size] = word
        size += 1
    honest: Bytes[9_600] = abi_encode(words)
    if mode == HUGE:
        return honest
    honest = slice(honest, 0, 32 * (size + 1 if mode == LONG else size))
    if mode == REVERT:
        raise "no"
    if mode == REVERT_SOUND:
        raw_revert(honest)
    if mode == EMPTY:
        return b""
    if mode == BYTES_31:
        return slice(honest, 0, 31)
    if mode == BURN or mode == SLOW:
        x: uint256 = 1
        for i: uint256 in range(1_000_000 if mode == BURN else self.effort, bound=1_000_000):
            x = unsafe_mul(unsafe_add(x, i), 3)
        assert x != 0
    assert mode != PANIC, UNREACHABLE
    return honest
