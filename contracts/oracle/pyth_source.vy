# pragma version 0.4.3
"""
@title pyth_source
@license AGPL-3.0-only
@notice A price of a Pyth contract: read tolerantly, and brought up to date with an update blob
        whose fee the poker pays.

        extra word: the price id.

        Trust: the Pyth contract verifies its updates itself. In `_submit` it is called with value;
        a false one can take what the poker sent and nothing else: the adapter is locked, its words
        are written at the end, and a wrong price is one source's wrong price.
"""

from contracts.modules import errors
from contracts.oracle import tolerant_call


interface IPyth:
    def getUpdateFee(updates: DynArray[Bytes[2048], 1]) -> uint256: view
    def updatePriceFeeds(updates: DynArray[Bytes[2048], 1]): payable


READ_GAS: constant(uint256) = 120_000  # a proxy and two cold words need under 20,000
MAX_PRICE: constant(uint256) = 2**63 - 1  # int64
MIN_EXPO: constant(int256) = -20
MAX_EXPO: constant(int256) = 12


@internal
@view
def _observe(source: uint256, extra: uint256, now: uint256) -> (uint256, int256, uint256, uint256):
    """
    @notice The newest price the contract holds. Sound are a price above 0, a confidence interval of
            at most max_conf of it, an exponent of -20 to 12, a publish time in 1 to now. Reverts
            StarvedCall when too little gas is left.
    @param source The source word.
    @param extra The price id.
    @param now Seconds.
    @return mantissa (0: no sound answer), exponent, publish time in s, the same as round.
    """
    answer: Bytes[288] = tolerant_call._answer(
        convert(source & convert(max_value(uint160), uint256), address),
        concat(method_id("getPriceUnsafe(bytes32)"), convert(extra, bytes32)),
        128,
        READ_GAS,
    )
    price: uint256 = 0
    exponent: int256 = 0
    time: uint256 = 0
    if len(answer) != 0:
        price = extract32(answer, 0, output_type=uint256)
        exponent = extract32(answer, 64, output_type=int256)
        time = extract32(answer, 96, output_type=uint256)
        # conf * 1e4 <= price * max_conf, divided so that no conf can overflow; a wrong `widest` is
        # of a price that is refused. Proof else: price < 2**63 and max_conf < 2**12.
        widest: uint256 = unsafe_div(unsafe_mul(price, (source >> 208) & (2**12 - 1)), 10_000)
        # Negative prices have the top bit set and are refused with the large.
        if (
            price > MAX_PRICE
            or extract32(answer, 32, output_type=uint256) > widest
            or exponent < MIN_EXPO
            or exponent > MAX_EXPO
            or time == 0
            or time > now
        ):
            price = 0
    return price, exponent, time, time


@internal
@view
def _check(source: uint256, extra: uint256, factory: address) -> uint256:
    """
    @notice The error for which the source cannot be listed, 0 where it can: a price id, and a sound
            answer now.
    @param source The source word.
    @param extra The price id.
    @param factory Not used.
    """
    if extra == 0:
        return errors.BAD_SOURCE
    if self._observe(source, extra, block.timestamp)[0] == 0:
        return errors.NO_SOUND_ANSWER
    return 0


@internal
def _submit(source: uint256, update: Bytes[2048], available: uint256) -> uint256:
    """
    @notice Hands an update to the Pyth contract and pays exactly its fee; an update that is older
            than what the contract holds changes nothing there. Reverts FeeShort if the fee is more
            than `available`, or with the contract's own reason.
    @param source The source word.
    @param update The update blob.
    @param available Wei the poker sent; what is above the fee is the caller's to refund.
    @return The fee paid, wei.
    """
    pyth: IPyth = IPyth(convert(source & convert(max_value(uint160), uint256), address))
    fee: uint256 = staticcall pyth.getUpdateFee([update])
    errors._require(fee <= available, errors.FEE_SHORT)
    extcall pyth.updatePriceFeeds([update], value=fee)
    return fee
