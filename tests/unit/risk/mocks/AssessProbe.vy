# pragma version 0.4.3
"""
@title AssessProbe
@license AGPL-3.0-only
@notice Calls the risk model as the engine does and keeps the gas the call took.
"""

struct Assessment:
    unrealised: int256
    collateral: uint256
    linear: uint256
    superlinear: uint256
    initial_value: int256
    initial: uint256
    state: uint256
    stale_requirement: uint256
    stale_value: uint256


interface IModel:
    def assess(
        legs: DynArray[int256, 72], holdings: DynArray[uint256, 16]
    ) -> Assessment: view
    def quote(market: uint256, root: uint256) -> uint256: nonpayable


event Spent:
    gas_used: uint256


@external
def assess(
    model: address,
    legs: DynArray[int256, 72],
    holdings: DynArray[uint256, 16],
):
    before: uint256 = msg.gas
    result: Assessment = staticcall IModel(model).assess(legs, holdings)
    log Spent(gas_used=before - msg.gas)


@external
def quote(model: address, market: uint256, root: uint256):
    before: uint256 = msg.gas
    word: uint256 = extcall IModel(model).quote(market, root)
    log Spent(gas_used=before - msg.gas)
