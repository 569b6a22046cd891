# pragma version 0.4.3
"""
@title auction_clock
@license AGPL-3.0-only
@notice What an auction's clock reads, when it stands, when it has run out, and which auction it is.
"""
from contracts.interfaces import IMarginEngine
from contracts.liquidation import auction_ports
from contracts.liquidation import auction_settings
from contracts.liquidation import curve as curves
from contracts.liquidation import runs
from contracts.modules import errors

uses: auction_ports
uses: auction_settings
uses: runs

# What the engine tells beside IMarginEngine: a word with the house's pause level in bits 160-167.
interface Core:
    def core() -> uint256: view


AUCTIONS_STOPPED: constant(uint256) = 3  # the engine's pause level from which it refuses slices


@internal
@view
def _running(account: uint256) -> runs.Run:
    """
    @notice An account's run; NoAuction where none is on.
    """
    run: runs.Run = runs._load(account)
    errors._require(run.running, errors.NO_AUCTION)
    return run


@internal
@view
def _id(account: uint256, number: uint256) -> uint256:
    """
    @notice See `auction_id`.
    """
    return convert(
        keccak256(
            abi_encode(
                account,
                number & (2**11 - 1),
                staticcall auction_ports.ENGINE.account_version(account),
            )
        ),
        uint256,
    )


@internal
@view
def _over(word: uint256, elapsed: uint256) -> bool:
    """
    @notice Whether x has run out: beyond t_end.
    """
    return elapsed > curves._field(word, 144, 24)


@internal
@view
def _exhausted(standing: IMarginEngine.Standing, word: uint256, elapsed: uint256) -> bool:
    """
    @notice Whether only deleveraging is left: see `deleverage`.
    """
    if standing.perps == 0 and (standing.collateral == 0 or standing.equity >= 0):
        # A covered loan has nothing to close: calls would change nothing and yet be paid, each.
        return standing.collateral == 0
    # Collateral may have to be sold under its mark at others' cost, so what holds some stays on sale for
    # nothing (x = 1) until t_end even where E >= 0. Dust, which its owner may add at any time, delays nothing.
    requirement: uint256 = standing.linear + standing.superlinear
    if standing.equity >= 0 and standing.collateral * 100 <= requirement:
        return elapsed >= curves._field(word, 120, 24)
    return elapsed >= curves._field(word, 144, 24)


@internal
@view
def _advance(run: runs.Run, stopped: bool, pace: uint256) -> runs.Run:
    """
    @notice The run with its clock at now, by its own curve's longest step.
    """
    return runs._advance(
        run, stopped, pace, curves._field(auction_settings.stored[run.version][0], 192, 16)
    )


@internal
@view
def _paused() -> bool:
    """
    @notice Whether the engine has stopped auctions: then no time runs either. Slices and starts need not
            ask, the engine refuses them.
    """
    return (staticcall Core(auction_ports.ENGINE.address).core() >> 160) & 255 >= AUCTIONS_STOPPED
