# pragma version 0.4.3
"""
@title PythFeeds
@license AGPL-3.0-only
@notice One price behind the part of Pyth's interface that the adapter and keepers use: an update is
        (price, confidence, exponent, publish time), costs exactly the fee, and changes nothing if
        it is not newer than what is here.
"""

fee: uint256
words: uint256[4]


@deploy
def __init__(fee_: uint256, words: uint256[4]):
    self.fee = fee_
    self.words = words


@external
def set_fee(fee_: uint256):
    self.fee = fee_


@external
@view
def getUpdateFee(updates: DynArray[Bytes[2048], 1]) -> uint256:
    return self.fee * len(updates)


@external
@payable
def updatePriceFeeds(updates: DynArray[Bytes[2048], 1]):
    assert msg.value == self.fee * len(updates), "the fee exactly"
    for update: Bytes[2048] in updates:
        words: uint256[4] = abi_decode(update, uint256[4])
        if words[3] > self.words[3]:
            self.words = words


@external
@view
def getPriceUnsafe(id: bytes32) -> (int64, uint64, int32, uint256):
    w: uint256[4] = self.words
    return (
        convert(convert(w[0], int256), int64),
        convert(w[1], uint64),
        convert(convert(convert(w[2], bytes32), int256), int32),
        w[3],
    )
