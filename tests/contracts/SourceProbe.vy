# pragma version 0.4.3
"""
@title SourceProbe
@license AGPL-3.0-only
@notice Makes the price sources' modules callable, as the adapter calls them.
"""

from contracts.oracle import curve_source
from contracts.oracle import erc4626_source
from contracts.oracle import pyth_source
from contracts.oracle import scale
from contracts.oracle import uniswap_source

PYTH: constant(uint256) = 3
UNISWAP: constant(uint256) = 4
CURVE: constant(uint256) = 5


struct Observation:
    mantissa: uint256
    exponent: int256
    time: uint256
    round: uint256


last: public(Observation)


@external
@view
def observe(source: uint256, extra: uint256) -> Observation:
    return self._observe(source, extra)


@external
def keep(source: uint256, extra: uint256):
    """
    @notice As a poke does: what was observed is stored.
    """
    self.last = self._observe(source, extra)


@external
@view
def require_sound(source: uint256, extra: uint256):
    """
    @notice Needs next to no gas after the read, unlike `keep`.
    """
    assert self._observe(source, extra).mantissa != 0, "unsound"


@internal
@view
def _observe(source: uint256, extra: uint256) -> Observation:
    kind: uint256 = (source >> 160) & 255
    o: Observation = empty(Observation)
    if kind == PYTH:
        o.mantissa, o.exponent, o.time, o.round = pyth_source._observe(
            source, extra, block.timestamp
        )
    elif kind == UNISWAP:
        o.mantissa, o.exponent, o.time, o.round = uniswap_source._observe(
            source, extra, block.timestamp
        )
    elif kind == CURVE:
        o.mantissa, o.exponent, o.time, o.round = curve_source._observe(
            source, extra, block.timestamp
        )
    else:
        o.mantissa, o.exponent, o.time, o.round = erc4626_source._observe(
            source, extra, block.timestamp
        )
    return o


@external
@view
def check(source: uint256, extra: uint256, factory: address) -> bool:
    kind: uint256 = (source >> 160) & 255
    if kind == PYTH:
        return pyth_source._check(source, extra, factory) == 0
    if kind == UNISWAP:
        return uniswap_source._check(source, extra, factory) == 0
    if kind == CURVE:
        return curve_source._check(source, extra, factory) == 0
    return erc4626_source._check(source, extra, factory) == 0


@external
@payable
def submit(source: uint256, update: Bytes[2048]) -> uint256:
    """
    @notice As a poke does: the fee is paid, the rest goes back.
    """
    fee: uint256 = pyth_source._submit(source, update, msg.value)
    if msg.value > fee:
        raw_call(msg.sender, b"", value=msg.value - fee)
    return fee


@external
@pure
def ticks_floor(mantissa: uint256, exponent: int256, inverse: bool, via_price: uint256) -> uint256:
    return scale._ticks_floor(mantissa, exponent, inverse, via_price)


@external
@pure
def price_floor(tick: int256, decimals0: uint256, decimals1: uint256) -> uint256:
    return uniswap_source._price_floor(tick, decimals0, decimals1)
