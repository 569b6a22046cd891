# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title fund_clock
@license AGPL-3.0-only
@notice The clock that redemption requests wait by: unix time less the seconds it has stood. It stands
        while a deficit holds redemptions up, so that nobody's window runs out and nobody's cooldown
        ends in that time. What was asked first stays first.

        It knows what it is told. From the call that finds redemptions held up it stands, to the call
        that finds them free again. The auction has the fund look whenever it has changed what deficits
        the engine knows of, in the same transaction; every other call here looks first; and anybody may
        have it look at any moment. So it stands as long as deficits are open, to the second. Between
        two looks of its own accord it could only miss what a bucket's income or fees do to the
        tolerance. A deficit that opens and closes within one block, or that nobody ever noted, does not
        move it; who has it look at a chosen moment shows it the truth of that moment.
"""
from contracts.interfaces import IInsuranceFund

M64: constant(uint256) = 2**64 - 1

# Seconds it stood before uint64 | since when it stands uint64 << 64 (unix s; 0: it runs)
_clock: uint256


@external
@view
def clock() -> IInsuranceFund.Clock:
    """
    @notice How the clock of redemptions stands, as last looked at.
    @return Seconds it has stood until now; since when it stands, unix time, 0 while it runs.
    """
    return IInsuranceFund.Clock(stood=self._stood(), since=self._clock >> 64)


@internal
@view
def _stood() -> uint256:
    """
    @notice Seconds the clock has stood until now.
    """
    word: uint256 = self._clock
    since: uint256 = word >> 64
    if since == 0:
        return word
    return (word & M64) + block.timestamp - since


@internal
@view
def _now() -> uint256:
    """
    @notice The clock's time, seconds.
    """
    return block.timestamp - self._stood()


@internal
@view
def _stands() -> bool:
    """
    @notice Whether redemptions were held up when last looked at.
    """
    return self._clock >> 64 != 0


@internal
def _set(held_up: bool):
    """
    @notice Lets the clock stand or run from now on.
    @param held_up Whether a deficit holds redemptions up now.
    """
    if held_up == self._stands():
        return
    word: uint256 = self._stood()
    log IInsuranceFund.RedemptionClockSet(stands=held_up, stood=word)
    if held_up:
        word |= block.timestamp << 64
    self._clock = word
