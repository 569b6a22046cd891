# pragma version 0.4.3
"""
@title flow_word
@license AGPL-3.0-only
@notice One word per token: what the vault answers for and the outflow limiter, so that a pull or a
        push reads and writes one slot.

        bits 0-95     kept: token units the vault answers for (<= MAX_KEPT)
        bits 96-191   net: int96, net outflow still counted; negative is net inflow; >= -kept
        bits 192-223  time: unix second of the last change
        bits 224-237  share: limit as a share of the balance at the window's start, 1e-4
        bits 238-255  window: seconds

        Rule. With kept K and share s, an outflow must leave net <= s * (K + net): K + net is the
        balance before the outflows that are still counted. What is counted is released by time
        alone, at the limit per window, s / (1 - s) * K / window each second; what stands above the
        limit (exempt outflows may have shrunk K) or below zero at net / window, so that nothing
        stays for ever. In the first regime touching the word changes nothing but rounding, which
        keeps at most one unit a touch. Inflow offsets outflow and leaves a credit that is released
        likewise: a deposit withdrawn at once uses up nobody's allowance.
"""

MAX_KEPT: constant(uint256) = 2**95 - 1  # so that net, within [-kept, kept + net], fits int96
SHARE_ONE: constant(uint256) = 10_000  # 1e-4; a share of one means no limit
_MASK_96: constant(uint256) = 2**96 - 1
_SIGN_96: constant(uint256) = 2**95


@internal
@pure
def _kept(word: uint256) -> uint256:
    """
    @notice Token units the vault answers for.
    @param word The flow word.
    @return Token units.
    """
    return word & _MASK_96


@internal
@pure
def _net(word: uint256) -> int256:
    """
    @notice Net outflow as of the word's time.
    @param word The flow word.
    @return Token units, negative for a net inflow.
    """
    raw: uint256 = (word >> 96) & _MASK_96
    if raw >= _SIGN_96:
        return convert(raw, int256) - 2**96
    return convert(raw, int256)


@internal
@pure
def _share(word: uint256) -> uint256:
    """
    @notice The limit's share.
    @param word The flow word.
    @return 1e-4 of the balance at the window's start; SHARE_ONE: no limit.
    """
    return (word >> 224) & (2**14 - 1)


@internal
@pure
def _window(word: uint256) -> uint256:
    """
    @notice The limit's window.
    @param word The flow word.
    @return Seconds.
    """
    return word >> 238


@internal
@pure
def _with_limit(word: uint256, share: uint256, window: uint256) -> uint256:
    """
    @notice The word with another share and window.
    @param word The flow word.
    @param share 1e-4, at most SHARE_ONE (fits 14 bits).
    @param window Seconds, below 2**18.
    @return The new word.
    """
    return (word & (2**224 - 1)) | (share << 224) | (window << 238)


@internal
@pure
def _with_flow(word: uint256, kept: uint256, net: int256, now: uint256) -> uint256:
    """
    @notice The word with other amounts, at another time.
    @param word The flow word, for its share and window.
    @param kept Token units, at most MAX_KEPT (the caller checks).
    @param net Token units, within int96.
    @param now Unix second, within 32 bits until 2106.
    @return The new word.
    """
    return (
        ((word >> 224) << 224)
        | (now << 192)
        | ((convert(convert(net, bytes32), uint256) & _MASK_96) << 96)
        | kept
    )


@internal
@pure
def _net_at(word: uint256, now: uint256) -> int256:
    """
    @notice Net outflow still counted at a time: an outflow rounded up, a credit rounded toward zero.
    @param word The flow word.
    @param now Unix second, not before the word's time.
    @return Token units.
    """
    net: int256 = self._net(word)
    elapsed: uint256 = now - ((word >> 192) & (2**32 - 1))
    if net == 0 or elapsed == 0:
        return net
    window: uint256 = self._window(word)
    if elapsed >= window:
        return 0

    size: uint256 = convert(abs(net), uint256)
    if net < 0:
        # Credit: what is left rounded down. size < 2**95 and elapsed < window < 2**18.
        return -convert(unsafe_div(unsafe_mul(size, unsafe_sub(window, elapsed)), window), int256)
    # size < 2**96, elapsed < window < 2**18: no product reaches 2**128; window > elapsed >= 1.
    released: uint256 = unsafe_div(unsafe_mul(size, elapsed), window)
    share: uint256 = self._share(word)
    if share < SHARE_ONE:
        steady: uint256 = unsafe_div(
            unsafe_mul(unsafe_mul(self._kept(word), share), elapsed),
            unsafe_mul(unsafe_sub(SHARE_ONE, share), window),
        )  # < 2**(95 + 14 + 18); the divisor is positive
        released = max(released, steady)
    return convert(unsafe_sub(max(size, released), released), int256)  # the larger less the smaller


@internal
@pure
def _within(kept: uint256, net: int256, share: uint256) -> bool:
    """
    @notice Whether the amounts after an outflow keep the limit.
    @param kept Token units after the outflow.
    @param net Net outflow after it.
    @param share 1e-4.
    @return True where net <= share * (kept + net), or there is no limit.
    """
    if net <= 0 or share >= SHARE_ONE:
        return True
    size: uint256 = convert(net, uint256)
    # kept, size < 2**96 and share < 2**14: far below 2**256.
    return unsafe_mul(size, SHARE_ONE) <= unsafe_mul(share, unsafe_add(kept, size))
