# pragma version 0.4.3
"""
@title runs
@license AGPL-3.0-only
@notice One packed word per account: its auction, the auction's clock and whoever is owed the starter's pay.
"""
# An account's run, in memory.
struct Run:
    elapsed: uint256  # seconds on the clock
    seen: uint256  # unix time
    version: uint256  # of the curve
    number: uint256  # auctions of this account
    running: bool
    stopped: bool
    noted: bool  # a deficit is noted with the engine
    starter: address


MAX_ELAPSED: constant(uint256) = 2**18 - 1  # over t_end + fade for every curve that can be set

# Per account, one word:
#   0-17 elapsed, uint18, seconds | 18-49 seen, uint32, unix seconds | 50-65 curve version, uint16
#   66-92 number, uint27 (wraps) | 93 running | 94 stopped | 95 deficit noted
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
        seen=(word >> 18) & (2**32 - 1),
        version=(word >> 50) & (2**16 - 1),
        number=(word >> 66) & (2**27 - 1),
        running=(word >> 93) & 1 != 0,
        stopped=(word >> 94) & 1 != 0,
        noted=(word >> 95) & 1 != 0,
        starter=convert(word >> 96, address),
    )


@internal
def _save(account: uint256, run: Run):
    """
    @notice Writes a run. The number wraps at 2^27; ids stay distinct through the account version.
    """
    # Proof: elapsed is clamped to 18 bits in _advance, version bounded by _store; time fits 32 bits to 2106.
    self.words[account] = (
        run.elapsed
        | ((run.seen & (2**32 - 1)) << 18)
        | (run.version << 50)
        | ((run.number & (2**27 - 1)) << 66)
        | (convert(run.running, uint256) << 93)
        | (convert(run.stopped, uint256) << 94)
        | (convert(run.noted, uint256) << 95)
        | (convert(run.starter, uint256) << 96)
    )


@internal
@view
def _advance(run: Run, stopped: bool, step: uint256) -> Run:
    """
    @notice The run with its clock at now: see the contract's note on the clock.
    @param run As last seen.
    @param stopped Whether the clock is stopped now.
    @param step The curve's max_step, seconds.
    """
    moved: Run = run
    if not (run.stopped or stopped):
        moved.elapsed = min(MAX_ELAPSED, run.elapsed + min(step, block.timestamp - run.seen))
    moved.seen = block.timestamp
    moved.stopped = stopped
    return moved
