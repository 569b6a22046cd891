# pragma version 0.4.3
"""
@title curve_source
@license AGPL-3.0-only
@notice The moving average of a Curve pool's last trades, in either shape of `price_oracle`: coin
        index + 1 in units of coin 0, 1e18.

        extra word
        bits  field    unit
        0-7   index    of the price; 0 in the shape without an argument
        8     indexed  1: price_oracle(uint256), 0: price_oracle()

        Trust: the pool's code and its averaging time, which governance reads before it lists. Pools
        cap what one trade can do, and give the rates of wrapped coins apart: those are a `via`.
"""

from contracts.modules import errors
from contracts.oracle import tolerant_call

READ_GAS: constant(uint256) = 200_000  # the average is brought to now within the call
EXPONENT: constant(int256) = -18


@internal
@view
def _observe(source: uint256, extra: uint256, now: uint256) -> (uint256, int256, uint256, uint256):
    """
    @notice The average brought to now. Reverts StarvedCall when too little gas is left.
    @param source The source word.
    @param extra The extra word.
    @param now Seconds.
    @return mantissa (0: no sound answer), exponent, now as time and as round.
    """
    payload: Bytes[36] = method_id("price_oracle()")
    if extra >> 8 != 0:
        payload = concat(method_id("price_oracle(uint256)"), convert(extra & 255, bytes32))
    price: uint256 = tolerant_call._word(
        convert(source & convert(max_value(uint160), uint256), address), payload, READ_GAS
    )
    if price == tolerant_call.NO_ANSWER:
        price = 0
    return price, EXPONENT, now, now


@internal
@view
def _check(source: uint256, extra: uint256, factory: address) -> uint256:
    """
    @notice The error for which the source cannot be listed, 0 where it can: nothing in the extra
            word but its two fields, no index where the shape takes none, and a sound answer now.
    @param source The source word.
    @param extra The extra word.
    @param factory Not used.
    """
    if extra != 0 and extra >> 8 != 1:
        return errors.BAD_SOURCE
    if self._observe(source, extra, block.timestamp)[0] == 0:
        return errors.NO_SOUND_ANSWER
    return 0
