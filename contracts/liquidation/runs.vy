# pragma version 0.4.3
"""
@title runs
@license AGPL-3.0-only
@notice One packed word per account: its auction, the auction's clock and whoever is owed the starter's pay.
"""
# An account's run, in memory.
struct Run:
    elapsed: uint256  # seconds on the clock
    held: uint256  # 1/16 seconds of them for which the sale limiter held the sale back: x stood
    seen: uint256  # unix time
    version: uint256  # of the curve
    number: uint256  # auctions of this account
    running: bool
    stopped: bool
    noted: bool  # a deficit is noted with the engine
    starter: address


ONE: constant(uint256) = 10**18
SIXTEENTHS: constant(uint256) = 16
MAX_HELD: constant(uint256) = 2**16 - 1
MAX_ELAPSED: constant(uint256) = 2**18 - 1  # over t_end + fade for every curve that can be set

# Per account, one word:
#   0-17 elapsed, uint18, seconds | 18-49 seen, uint32, unix seconds | 50-65 curve version, uint16
#   66-76 number, uint11 (wraps) | 77-92 held, uint16, 1/16 s | 93 running | 94 stopped | 95 deficit noted
#   96-255 starter still to be paid, address
words: HashMap[uint256, uint256]


@internal
@view
def _load(account: uint256) -> Run:
    """
    @notice An account's run.
    """
    word: uint256 = self.words[account]
    return Run(
        elapsed=word & (2**18 - 1),
        held=(word >> 77) & MAX_HELD,
        seen=(word >> 18) & (2**32 - 1),
        version=(word >> 50) & (2**16 - 1),
        number=(word >> 66) & (2**11 - 1),
        running=(word >> 93) & 1 != 0,
        stopped=(word >> 94) & 1 != 0,
        noted=(word >> 95) & 1 != 0,
        starter=convert(word >> 96, address),
    )


@internal
def _save(account: uint256, run: Run):
    """
    @notice Writes a run. The number wraps at 2^11; ids stay distinct through the account version.
    """
    # Proof: elapsed and held are clamped to 18 and 16 bits in _advance, version bounded by _store; time fits 32 bits to 2106.
    self.words[account] = (
        run.elapsed
        | ((run.seen & (2**32 - 1)) << 18)
        | (run.version << 50)
        | ((run.number & (2**11 - 1)) << 66)
        | (run.held << 77)
        | (convert(run.running, uint256) << 93)
        | (convert(run.stopped, uint256) << 94)
        | (convert(run.noted, uint256) << 95)
        | (convert(run.starter, uint256) << 96)
    )


@internal
@view
def _advance(run: Run, stopped: bool, pace: uint256, step: uint256) -> Run:
    """
    @notice The run with its clock at now: see the contract's note on the clock.
    @param run As last seen.
    @param stopped Whether the clock is stopped now.
    @param pace How much of the time x moves, 1e18 (see Standing).
    @param step The curve's max_step, seconds.
    """
    moved: Run = run
    if not (run.stopped or stopped):
        seconds: uint256 = min(step, block.timestamp - run.seen)
        moved.elapsed = min(MAX_ELAPSED, run.elapsed + seconds)
        if pace != ONE:
            # To the nearest sixteenth: whoever syncs often, or chooses when, gains next to nothing by it.
            wait: uint256 = (seconds * (ONE - pace) * SIXTEENTHS + ONE // 2) // ONE
            moved.held = min(min(MAX_HELD, moved.elapsed * SIXTEENTHS), run.held + wait)
    moved.seen = block.timestamp
    moved.stopped = stopped
    return moved


@internal
@pure
def _offered(run: Run) -> uint256:
    """
    @notice Seconds of the clock that x has moved for, rounded up.
    """
    # Proof: held <= 16 elapsed, see `_advance` and `_restarted`.
    return unsafe_sub(run.elapsed, run.held >> 4)


@internal
@pure
def _restarted(run: Run) -> Run:
    """
    @notice The run with its clock at 0.
    """
    anew: Run = run
    anew.elapsed = 0
    anew.held = 0
    return anew
