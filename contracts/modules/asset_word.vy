# pragma version 0.4.3
"""
@title asset_word
@license AGPL-3.0-only
@notice One word of terms per collateral asset, and a second one that is read only while its
        haircuts ramp.

        terms: bits 0-95     cap at the end of its ramp, token units
               bits 96-127   cap ramp's start, unix second (virtual: cap 0 at that time)
               bits 128-143  feed id
               bits 144-159  maintenance haircut, 1e-4
               bits 160-175  initial haircut, 1e-4, >= maintenance
               bits 176-183  decimals of the token
               bits 184-191  asset id, never 0
               bits 192-215  cap ramp's length, seconds
               bit  216      deposits enabled
               bit  217      haircuts ramp: the ramp word says from where, the terms say to where
        ramp:  bits 0-15 maintenance at the start | 16-31 initial at the start
               | 32-63 start, unix second | 64-87 length, seconds
        Bits 128-191 are laid out as in the words of CollateralVault.holdings.
"""

_CAP: constant(uint256) = 2**96 - 1
ENABLED: constant(uint256) = 2**216
RAMPING: constant(uint256) = 2**217
_CAP_FIELDS: constant(uint256) = (2**24 - 1) * 2**192 + (2**128 - 1)
_FEED: constant(uint256) = (2**16 - 1) * 2**128
_HAIRCUTS: constant(uint256) = (2**32 - 1) * 2**144
_HOLDING: constant(uint256) = (2**64 - 1) * 2**128


@internal
@pure
def _pack(
    asset_id: uint256, feed: uint256, decimals: uint256, maintenance: uint256, initial: uint256
) -> uint256:
    """
    @notice Terms of a new asset: enabled, cap zero. Every argument fits its field (caller checks).
    @param asset_id 1..255.
    @param feed 1..65535.
    @param decimals 0..255.
    @param maintenance Haircut, 1e-4.
    @param initial Haircut, 1e-4.
    @return The terms word.
    """
    return (
        (feed << 128)
        | (maintenance << 144)
        | (initial << 160)
        | (decimals << 176)
        | (asset_id << 184)
        | ENABLED
    )


@internal
@pure
def _cap(terms: uint256) -> uint256:
    """
    @notice The supply cap at the end of its ramp.
    @param terms The terms word.
    @return Token units.
    """
    return terms & _CAP


@internal
@pure
def _cap_at_floor(terms: uint256, now: uint256) -> uint256:
    """
    @notice The supply cap now.
    @param terms The terms word.
    @param now Unix second.
    @return Token units, rounded down.
    """
    cap: uint256 = terms & _CAP
    start: uint256 = (terms >> 96) & (2**32 - 1)
    length: uint256 = (terms >> 192) & (2**24 - 1)
    elapsed: uint256 = now - start
    if elapsed >= length:
        return cap
    return cap * elapsed // length


@internal
@pure
def _with_cap(terms: uint256, cap: uint256, length: uint256, now: uint256) -> uint256:
    """
    @notice Terms with another cap. A lower one holds at once. A higher one rises from what stands
            now along the line that reaches it from zero in `length`: the ramp starts in the past.
    @param terms The terms word.
    @param cap Token units, below 2**96.
    @param length Seconds from zero to the cap, below 2**24.
    @param now Unix second, later than 2**24.
    @return The new terms word.
    """
    standing: uint256 = self._cap_at_floor(terms, now)
    elapsed: uint256 = length
    if cap > standing:
        elapsed = length * standing // cap  # down: the cap now is no higher for it
    kept: uint256 = terms & ~_CAP_FIELDS
    return kept | (length << 192) | ((now - elapsed) << 96) | cap


@internal
@pure
def _feed(terms: uint256) -> uint256:
    """
    @notice Oracle feed id.
    @param terms The terms word.
    @return 1..65535.
    """
    return (terms >> 128) & (2**16 - 1)


@internal
@pure
def _with_feed(terms: uint256, feed: uint256) -> uint256:
    """
    @notice Terms with another feed.
    @param terms The terms word.
    @param feed 1..65535.
    @return The new terms word.
    """
    return (terms & ~_FEED) | (feed << 128)


@internal
@pure
def _haircuts(terms: uint256) -> (uint256, uint256):
    """
    @notice The haircuts in the terms, ramp not applied.
    @param terms The terms word.
    @return Maintenance and initial haircut, 1e-4.
    """
    return (terms >> 144) & (2**16 - 1), (terms >> 160) & (2**16 - 1)


@internal
@pure
def _with_haircuts(terms: uint256, maintenance: uint256, initial: uint256) -> uint256:
    """
    @notice Terms with other haircuts.
    @param terms The terms word.
    @param maintenance 1e-4.
    @param initial 1e-4.
    @return The new terms word.
    """
    return (terms & ~_HAIRCUTS) | (maintenance << 144) | (initial << 160)


@internal
@pure
def _decimals(terms: uint256) -> uint256:
    """
    @notice Decimals of the token.
    @param terms The terms word.
    @return 0..255.
    """
    return (terms >> 176) & 255


@internal
@pure
def _ramp(maintenance: uint256, initial: uint256, start: uint256, length: uint256) -> uint256:
    """
    @notice The ramp word.
    @param maintenance Haircut at the start, 1e-4.
    @param initial Haircut at the start, 1e-4.
    @param start Unix second.
    @param length Seconds, below 2**24.
    @return The ramp word.
    """
    return maintenance | (initial << 16) | (start << 32) | (length << 64)


@internal
@pure
def _ramped(terms: uint256, ramp: uint256, now: uint256) -> uint256:
    """
    @notice Terms with the haircuts as they stand on their ramp, both rounded up. Both ends keep
            initial >= maintenance, the lines between them and their ceilings do too.
    @param terms The terms word, with the targets.
    @param ramp The ramp word.
    @param now Unix second.
    @return Terms with RAMPING cleared where the ramp is over.
    """
    elapsed: uint256 = now - ((ramp >> 32) & (2**32 - 1))
    length: uint256 = ramp >> 64
    if elapsed >= length:
        return terms & ~RAMPING
    maintenance: uint256 = 0
    initial: uint256 = 0
    maintenance, initial = self._haircuts(terms)
    return self._with_haircuts(
        terms,
        self._between_up(ramp & (2**16 - 1), maintenance, elapsed, length),
        self._between_up((ramp >> 16) & (2**16 - 1), initial, elapsed, length),
    )


@internal
@pure
def _between_up(start: uint256, target: uint256, elapsed: uint256, length: uint256) -> uint256:
    """
    @notice A point on the line from start to target, rounded up.
    @param start 1e-4.
    @param target 1e-4.
    @param elapsed Seconds, below length.
    @param length Seconds, positive.
    @return 1e-4.
    """
    weighed: uint256 = start * (length - elapsed) + target * elapsed
    return (weighed + length - 1) // length


@internal
@pure
def _holding(terms: uint256, amount: uint256) -> uint256:
    """
    @notice A word of CollateralVault.holdings.
    @param terms The terms word, ramp applied.
    @param amount Token units, below 2**128.
    @return bits 0-127 amount, 128-191 as in the terms.
    """
    return (terms & _HOLDING) | amount
