# pragma version 0.4.3
"""
@title NettingRisk
@license AGPL-3.0-only
@notice A risk model that nets: R is 8 % of the net notional of all legs and 1 % of the gross, R_init twice
        that. Prices are the standard model's. For tests of what becomes of hedges.
"""

from contracts.interfaces import IRiskModel
from contracts.modules import quote_word

implements: IRiskModel

prices: IRiskModel


@deploy
def __init__(prices: address):
    self.prices = IRiskModel(prices)


@external
def quote(market: uint256, root: uint256) -> uint256:
    return staticcall self.prices.peek(market)


@external
@view
def peek(market: uint256) -> uint256:
    return staticcall self.prices.peek(market)


@internal
@view
def _assess(legs: DynArray[int256, 72]) -> IRiskModel.Assessment:
    result: IRiskModel.Assessment = empty(IRiskModel.Assessment)
    net: int256 = 0
    gross: uint256 = 0
    for leg: int256 in legs:
        word: uint256 = staticcall self.prices.peek(convert(leg & 65_535, uint256))
        mark: int256 = convert(quote_word._mark(word), int256)
        lots: int256 = (leg << 128) >> 192
        result.unrealised += lots * (mark - quote_word._funding(word)) + (leg >> 128)
        net += lots * mark
        gross += convert(abs(lots * mark), uint256)
        result.state = max(result.state, quote_word._state(word))
    result.linear = convert(abs(net), uint256) * 8 // 100 + gross // 100
    result.initial_value = result.unrealised
    result.initial = 2 * result.linear
    return result


@external
@view
def assess(
    legs: DynArray[int256, 72], holdings: DynArray[uint256, 16]
) -> IRiskModel.Assessment:
    return self._assess(legs)


@external
@view
def assess_one(leg: int256, word: uint256) -> IRiskModel.Assessment:
    return self._assess([leg])


@external
@view
def depth(market: uint256) -> uint256:
    return 2**20


@external
def close(market: uint256):
    pass
