# pragma version 0.4.3
"""
@title CallingPyth
@license AGPL-3.0-only
@notice A Pyth contract, and a poker, that calls back where it is given control.
"""

fee: public(uint256)
price: int64
time: uint256
target: address
payload: Bytes[1024]
refused: public(uint256)  # calls back that reverted
accepted: public(uint256)  # calls back that did not


@deploy
@payable
def __init__(fee: uint256):
    self.fee = fee
    self.price = 2_000 * 10**8
    self.time = block.timestamp


@external
def prepare(target: address, payload: Bytes[1024]):
    """
    @notice What to call, with which data.
    """
    self.target = target
    self.payload = payload


@external
@view
def getPriceUnsafe(id: bytes32) -> (int64, uint64, int32, uint256):
    """
    @notice A sound price.
    """
    return self.price, 0, -8, self.time


@external
@view
def getUpdateFee(updates: DynArray[Bytes[2048], 1]) -> uint256:
    """
    @notice Wei.
    """
    return self.fee


@external
@payable
def updatePriceFeeds(updates: DynArray[Bytes[2048], 1]):
    """
    @notice A newer price, after a call back.
    """
    self._back()
    self.time = block.timestamp


@external
@payable
def __default__():
    """
    @notice Takes a refund and calls back.
    """
    self._back()


@external
def poke(oracle: address, data: Bytes[1024], value_: uint256):
    """
    @notice Pokes with value.
    """
    raw_call(oracle, data, value=value_)


@internal
def _back():
    if len(self.payload) == 0:
        return
    if raw_call(self.target, self.payload, revert_on_failure=False):
        self.accepted += 1
    else:
        self.refused += 1
