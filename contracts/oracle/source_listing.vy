# pragma version 0.4.3
"""
@title source_listing
@license AGPL-3.0-only
@notice What a source must be before it is listed, and the storing of a feed's sources. A source
        that stays as it was at its index keeps its datum; any other starts anew and must answer
        soundly in that very call, so a listing that cannot work is refused at once.
"""

from contracts.modules import errors
from contracts.oracle import chainlink_source
from contracts.oracle import curve_source
from contracts.oracle import erc4626_source
from contracts.oracle import feed_state
from contracts.oracle import feed_terms
from contracts.oracle import feed_word
from contracts.oracle import price_sources
from contracts.oracle import pyth_source
from contracts.oracle import signer_sets
from contracts.oracle import uniswap_source

uses: feed_state
uses: price_sources
uses: signer_sets


event SourceChanged:
    feed: indexed(uint256)
    source: indexed(uint256)
    old_source: uint256  # source word; 0: none
    new_source: uint256
    extra: uint256  # the new source's extra word


@internal
def _set(feed: uint256, terms: uint256, sources: DynArray[feed_terms.SourceTerms, 5]):
    """
    @notice Checks and stores the sources; slots past the last are cleared. Reverts SourceTwice;
            NoSoundAnswer where one has none within its age limit now; and as _checked.
    @param feed The feed's id.
    @param terms Its terms word.
    @param sources The sources.
    """
    for i: uint256 in range(feed_terms.MAX_SOURCES):
        # Proof: feed < 2**16, i < 5.
        slot: uint256 = unsafe_add(unsafe_mul(feed, 8), i)
        old: uint256 = feed_state.sources[slot]
        packed: uint256 = 0
        extra: uint256 = 0
        if i < len(sources):
            packed = self._checked(feed, sources[i])
            extra = sources[i].extra
            for j: uint256 in range(i, bound=5):
                # Proof: slot - i is the feed's first slot. The low 168 bits are kind and target;
                # one Pyth contract has many prices, told apart by their ids.
                other: uint256 = unsafe_add(unsafe_sub(slot, i), j)
                same: bool = (feed_state.sources[other] ^ packed) << 88 == 0
                if sources[i].kind == feed_terms.PYTH:
                    same = same and feed_state.extras[other] == extra
                errors._require(not same, errors.SOURCE_TWICE)
        if packed == old and feed_state.extras[slot] == extra:
            continue
        feed_state.sources[slot] = packed
        feed_state.extras[slot] = extra
        kept: uint256 = feed_state.data[slot]
        feed_state.data[slot] = 0
        if feed_terms._kind(packed) == feed_terms.SIGNED:
            datum: uint256 = feed_word._signed_datum(
                sources[i].signer_set, sources[i].max_age, (packed >> 200) & 255
            )
            # Reports older than the one that counted do not come back: its time stays.
            if feed_terms._kind(old) == feed_terms.SIGNED:
                datum |= kept & (feed_word.MASK_32 << 56)
            feed_state.data[slot] = datum
        if packed != 0 and feed_terms._kind(packed) != feed_terms.SIGNED:
            datum: uint256 = price_sources._read(slot, packed, 0, terms, block.timestamp)
            # Proof: a datum's time is at most the block's timestamp.
            age: uint256 = unsafe_sub(block.timestamp, feed_word._datum_time(datum))
            timely: bool = datum != 0 and age <= feed_terms._max_age(packed)
            errors._require(timely, errors.NO_SOUND_ANSWER)
            feed_state.data[slot] = datum
        log SourceChanged(feed=feed, source=i, old_source=old, new_source=packed, extra=extra)


@internal
@view
def _agree(feed: uint256, terms: uint256) -> bool:
    """
    @notice Whether what the on-chain sources say now lies within halt_band of the lowest.
    @param feed The feed's id.
    @param terms Its terms word.
    """
    low: uint256 = max_value(uint256)
    high: uint256 = 0
    for i: uint256 in range(feed_terms.MAX_SOURCES):
        # Proof: feed < 2**16, i < 5.
        datum: uint256 = feed_state.data[unsafe_add(unsafe_mul(feed, 8), i)]
        if datum & feed_word.MASK_56 != 0:
            low = min(low, datum & feed_word.MASK_56)
            high = max(high, datum & feed_word.MASK_56)
    # Proof: prices are < 2**56 and the band is < 2**12.
    if high == 0:
        return True
    return unsafe_mul(unsafe_sub(high, low), 10_000) <= unsafe_mul(low, (terms >> 30) & (2**12 - 1))


@internal
@view
def _checked(feed: uint256, source: feed_terms.SourceTerms) -> uint256:
    """
    @notice The source word. Reverts BadSource for terms that do not fit the kind, BadDecimals,
            ForeignPool, BadWindow, NoSoundAnswer.
    @param feed The feed's id.
    @param source The terms.
    """
    kind: uint256 = source.kind
    sound: bool = source.max_age >= 1 and source.max_age <= feed_terms.MAX_AGE_LIMIT
    # The other leg has a lower id, so no price depends on itself; and it is priced, or the read
    # that follows finds nothing.
    sound = sound and (source.via == 0 or source.via < feed)
    sound = sound and (source.extra == 0 or kind >= feed_terms.PYTH)
    sound = sound and (source.factory == empty(address) or kind == feed_terms.UNISWAP)
    if kind == feed_terms.PYTH:
        sound = sound and source.max_conf >= 1 and source.max_conf < 2**12
    else:
        sound = sound and source.max_conf == 0
    if kind == feed_terms.SIGNED:
        threshold: uint256 = signer_sets.thresholds[source.signer_set]
        sound = sound and source.target == empty(address) and threshold != 0
        errors._require(sound and not source.inverse and source.via == 0, errors.BAD_SOURCE)
        return feed_terms._pack_source(source, source.signer_set, 0, threshold)
    sound = sound and source.target.is_contract and source.signer_set == 0
    errors._require(sound, errors.BAD_SOURCE)
    decimals: uint256 = 0
    if kind == feed_terms.CHAINLINK:
        decimals = chainlink_source._decimals(source.target)
        errors._require(decimals <= feed_terms.MAX_DECIMALS, errors.BAD_DECIMALS)
    packed: uint256 = feed_terms._pack_source(
        source, convert(source.target, uint256), decimals, 0
    )
    reason: uint256 = 0
    if kind == feed_terms.PYTH:
        reason = pyth_source._check(packed, source.extra, source.factory)
    elif kind == feed_terms.UNISWAP:
        reason = uniswap_source._check(packed, source.extra, source.factory)
    elif kind == feed_terms.CURVE:
        reason = curve_source._check(packed, source.extra, source.factory)
    elif kind == feed_terms.ERC4626:
        reason = erc4626_source._check(packed, source.extra, source.factory)
    elif kind != feed_terms.CHAINLINK:
        reason = errors.BAD_SOURCE
    if reason != 0:
        errors._fail(reason)
    return packed
