# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title ImpliedSurfaces
@license AGPL-3.0-only
@notice Forward and implied volatility per feed and expiry: raw SVI slices (svi_slice.vy), written
        only by reports that enough members of a signer set signed, and checked before they are
        stored: each slice alone (bounds, wings, lowest total variance, density at fixed strikes,
        forward against the oracle's index price) and against its neighbours in time (total
        variance does not fall with the expiry, at the same strikes).

        A report carries one to twelve slices of one feed, all of one time; it is taken whole or not
        at all. Neighbours that are STALE are not compared with. A move that no single slice can
        make without crossing a fresh neighbour is sent as one report.

        Trust: a quorum of signers for the numbers within those checks; the oracle for the index;
        the owner (a timelock) for signer sets, terms and expiries; the guardian may halt a feed's
        surface for a limited time and nothing else; who submits is trusted with nothing.
@custom:kill The guardian halts single feeds; there is no other stop.
"""

from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from snekmate.utils import eip712_domain_separator as eip712
from contracts.interfaces import IImpliedSurfaces
from contracts.interfaces import IOracleAdapter
from contracts.modules import errors
from contracts.modules import quote_word
from contracts.oracle import expiry_list
from contracts.oracle import signer_sets
from contracts.oracle import surface_terms
from contracts.oracle import svi_slice

implements: IImpliedSurfaces

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: eip712
initializes: signer_sets

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
    eip712.eip712Domain,
)


event SliceTaken:
    feed: indexed(uint256)
    expiry: indexed(uint256)  # s
    curve: uint256  # curve word
    head: uint256  # head word


event TermsChanged:
    feed: indexed(uint256)
    old_terms: uint256  # terms word; 0: the feed had no surface
    new_terms: uint256


event ExpiryListed:
    feed: indexed(uint256)
    expiry: uint256  # s


event ExpiryRemoved:
    feed: indexed(uint256)
    expiry: uint256  # s
    passed: bool  # it had passed; else governance took it off


event HaltChanged:
    feed: indexed(uint256)
    old_end: uint256  # s; 0: never halted
    new_end: uint256


event GuardianChanged:
    old_guardian: indexed(address)
    new_guardian: indexed(address)


OK: constant(uint256) = 0
ABSENT: constant(uint256) = 4  # beside the states in quote_word.vy
MAX_FEED: constant(uint256) = 65_535
MAX_TIME: constant(uint256) = 2**32 - 1  # s
MAX_HALT: constant(uint256) = 3 * 86_400  # s, as the oracle's
MAX_TENOR: constant(uint256) = 750 * 86_400  # s: expiries this far ahead can be listed
MAX_SLICES: constant(uint256) = 12
SLICE_TYPE: constant(bytes32) = keccak256(
    "Slice(uint256 expiry,uint256 forward,int256 a,uint256 b,int256 rho,int256 m,uint256 sigma)"
)
REPORT_TYPE: constant(bytes32) = keccak256(
    "SurfaceReport(uint256 feed,uint256 time,uint256 sequence,Slice[] slices)Slice(uint256 expiry,uint256 forward,int256 a,uint256 b,int256 rho,int256 m,uint256 sigma)"
)

ORACLE: immutable(IOracleAdapter)

guardian: public(reentrant(address))  # may halt; reads nothing that a call could leave half done
terms: HashMap[uint256, uint256]  # feed -> terms word (surface_terms.vy); 0: no surface
lists: HashMap[uint256, uint256]  # feed -> expiries (expiry_list.vy)
# feed << 32 | expiry -> curve word (svi_slice.vy); 0: no slice
curves: HashMap[uint256, uint256]
# feed << 32 | expiry -> head word: forward 56 (ticks) | sequence 64 | time 32 (s); what was taken
# last, kept when governance takes an expiry off so that no report comes back
heads: HashMap[uint256, uint256]


@deploy
def __init__(oracle_: address, owner_: address, guardian_: address):
    """
    @notice Deploys without surfaces. Reverts NullAddress.
    @param oracle_ The oracle adapter, whose index prices bound the forwards.
    @param owner_ Governance: signer sets, terms, expiries and the guardian.
    @param guardian_ May halt.
    """
    errors._require(
        oracle_ != empty(address) and owner_ != empty(address) and guardian_ != empty(address),
        errors.NULL_ADDRESS,
    )
    ownable.__init__()
    ownable_2step.__init__()
    ownable_2step._transfer_ownership(owner_)
    eip712.__init__("Plimsoll Surfaces", "1")
    ORACLE = IOracleAdapter(oracle_)
    self.guardian = guardian_


# -- reports --------------------------------------------------------------------------------------


@external
def submit(
    feed: uint256,
    time: uint256,
    sequence: uint256,
    slices: DynArray[IImpliedSurfaces.SliceReport, 12],
    signatures: Bytes[680],
):
    """
    @notice Take a report of one to twelve slices, all or none. Anyone may call. Reverts
            UnknownFeed, SurfaceHalted; BadArgument without slices, with slices not ascending or
            with half a signature; FutureReport; OldReport past the age limit, or not newer than
            what was taken for one of the expiries; OutOfRange where a number does not fit its
            field; BadQuorum, BadSigner or BadSignature; StalePrice without a live index price
            (NoPrice before the first); Expired, UnknownExpiry; and, for what a slice says,
            BadSlice, WingSlope, VarianceBounds, ForwardBand, ButterflyArbitrage, CalendarArbitrage.
    @param feed The feed's id.
    @param time Seconds, of the observation.
    @param sequence Above the last one taken for each of these expiries, below 2**64; it may skip.
    @param slices Strictly ascending by expiry.
    @param signatures 85 bytes each (signer_sets.vy), over the EIP-712 struct SurfaceReport in the
           domain of this contract and chain.
    """
    now: uint256 = block.timestamp
    rules: uint256 = self._terms(feed)
    errors._require(surface_terms._halted_until(rules) <= now, errors.SURFACE_HALTED)
    errors._require(
        len(slices) != 0 and len(signatures) % signer_sets.SIGNATURE == 0, errors.BAD_ARGUMENT
    )
    errors._require(time <= now, errors.FUTURE_REPORT)
    errors._require(time + surface_terms._max_age(rules) >= now, errors.OLD_REPORT)
    errors._require(sequence < 2**64, errors.OUT_OF_RANGE)
    signer_sets._check_signatures(
        self._digest(feed, time, sequence, slices),
        signatures,
        0,
        surface_terms._signer_set(rules),
        surface_terms._threshold(rules),
    )
    index: uint256 = self._index(feed)
    list: uint256 = self.lists[feed]
    last: uint256 = 0  # expiry of the slice before
    last_grid: int256[9] = empty(int256[9])
    count: uint256 = len(slices)
    for i: uint256 in range(count, bound=MAX_SLICES):
        given: IImpliedSurfaces.SliceReport = slices[i]
        errors._require(given.expiry > last, errors.BAD_ARGUMENT)
        errors._require(given.expiry > now, errors.EXPIRED)
        position: uint256 = expiry_list._find(list, given.expiry)
        errors._require(position != expiry_list.NOWHERE, errors.UNKNOWN_EXPIRY)
        grid: int256[9] = self._take(feed, rules, index, time, sequence, given)
        # Slices of this report that are not stored yet look back at this one when their turn comes.
        ahead: uint256 = 0
        if i + 1 < count:
            ahead = slices[i + 1].expiry
        self._check_neighbours(feed, rules, list, position, grid, last, last_grid, ahead)
        last = given.expiry
        last_grid = grid


@internal
def _take(
    feed: uint256,
    rules: uint256,
    index: uint256,
    time: uint256,
    sequence: uint256,
    given: IImpliedSurfaces.SliceReport,
) -> int256[9]:
    """
    @notice Checks one slice but for its neighbours, and stores it.
    @param feed The feed's id.
    @param rules Its terms word.
    @param index Ticks.
    @param time Seconds, <= now.
    @param sequence Below 2**64.
    @param given What was signed; its expiry is listed and ahead.
    @return Total variance at svi_slice.STRIKES.
    """
    key: uint256 = (feed << 32) | given.expiry
    head: uint256 = self.heads[key]
    errors._require(sequence > self._sequence(head) and time >= head >> 120, errors.OLD_REPORT)
    errors._require(given.forward != 0 and given.forward < 2**56, errors.OUT_OF_RANGE)
    word: uint256 = svi_slice._pack(given.a, given.b, given.rho, given.m, given.sigma, time)
    errors._require(surface_terms._slope_in_bounds(rules, given.b, given.rho), errors.WING_SLOPE)
    # Proof: time <= now < expiry < 2**32.
    tenor: uint256 = unsafe_sub(given.expiry, time)
    errors._require(
        surface_terms._forward_in_band(rules, index, given.forward, tenor), errors.FORWARD_BAND
    )
    curve: svi_slice.Curve = svi_slice._curve(word)
    grid: int256[9] = svi_slice._checked_grid(curve)
    errors._require(
        surface_terms._variance_in_bounds(
            rules, svi_slice._lowest_floor(curve), grid[svi_slice.AT_THE_MONEY], tenor
        ),
        errors.VARIANCE_BOUNDS,
    )
    head = given.forward | (sequence << 56) | (time << 120)
    self.curves[key] = word
    self.heads[key] = head
    log SliceTaken(feed=feed, expiry=given.expiry, curve=word, head=head)
    return grid


@internal
@view
def _check_neighbours(
    feed: uint256,
    rules: uint256,
    list: uint256,
    position: uint256,
    grid: int256[9],
    last: uint256,
    last_grid: int256[9],
    ahead: uint256,
):
    """
    @notice Reverts CalendarArbitrage against the nearest fresh slices before and after. Expired and
            STALE ones are passed over.
    @param feed The feed's id.
    @param rules Its terms word.
    @param list Its expiries.
    @param position Of the slice just stored.
    @param grid Its total variances.
    @param last Expiry of the report's slice before; 0 for none.
    @param last_grid Its total variances.
    @param ahead Expiry of the report's next slice; 0 for none.
    """
    for step: uint256 in range(position, bound=expiry_list.CAPACITY):
        # Proof: step < position.
        expiry: uint256 = expiry_list._at(list, unsafe_sub(unsafe_sub(position, step), 1))
        if expiry == last:
            svi_slice._check_calendar(last_grid, grid)
            break
        word: uint256 = self._fresh(feed, rules, expiry)
        if word != 0:
            svi_slice._check_calendar(svi_slice._grid(word), grid)
            break
    for step: uint256 in range(1, expiry_list.CAPACITY):
        # Proof: position + step < 24; positions of 12 and more are outside the word and give 0.
        expiry: uint256 = expiry_list._at(list, unsafe_add(position, step))
        if expiry == 0 or expiry == ahead:
            break
        word: uint256 = self._fresh(feed, rules, expiry)
        if word != 0:
            svi_slice._check_calendar(grid, svi_slice._grid(word))
            break


@internal
@view
def _fresh(feed: uint256, rules: uint256, expiry: uint256) -> uint256:
    """
    @notice The curve word of a slice that is neither expired nor past its age limit, else 0.
    @param feed The feed's id.
    @param rules Its terms word.
    @param expiry Seconds, a listed one.
    """
    if expiry <= block.timestamp:
        return 0
    word: uint256 = self.curves[(feed << 32) | expiry]
    # Proof: a time is < 2**32, a max_age < 2**24. Without a slice the time is 0, long past.
    if unsafe_add(svi_slice._time(word), surface_terms._max_age(rules)) < block.timestamp:
        return 0
    return word


@internal
@view
def _index(feed: uint256) -> uint256:
    """
    @notice The oracle's index price, ticks. Reverts StalePrice unless it is OK or DEGRADED.
    @param feed The feed's id.
    """
    reading: IOracleAdapter.Reading = staticcall ORACLE.read(feed)
    errors._require(reading.state < quote_word.STALE, errors.STALE_PRICE)
    return reading.price


@internal
@view
def _digest(
    feed: uint256,
    time: uint256,
    sequence: uint256,
    slices: DynArray[IImpliedSurfaces.SliceReport, 12],
) -> bytes32:
    """
    @notice What signers sign: EIP-712 over SurfaceReport, the array hashed element by element.
    """
    hashes: DynArray[bytes32, MAX_SLICES] = []
    for one: IImpliedSurfaces.SliceReport in slices:
        hashes.append(
            keccak256(
                abi_encode(
                    SLICE_TYPE, one.expiry, one.forward, one.a, one.b, one.rho, one.m, one.sigma
                )
            )
        )
    # The encoding is offset, length, elements.
    encoded: Bytes[448] = abi_encode(hashes)
    inner: bytes32 = keccak256(slice(encoded, 64, unsafe_mul(32, len(hashes))))
    return eip712._hash_typed_data_v4(
        keccak256(abi_encode(REPORT_TYPE, feed, time, sequence, inner))
    )


# -- views ----------------------------------------------------------------------------------------


@external
@view
@reentrant  # words that are written after every call out of this contract
def surface(feed: uint256, expiry: uint256) -> IImpliedSurfaces.Slice:
    """
    @notice The slice in force with its state. Never reverts for a feed or expiry that is not there:
            its state is ABSENT.
    @param feed The feed's id.
    @param expiry Seconds.
    @return Slice: forward ticks; a, b, rho, m, sigma 1e-12; time s and sequence of the report;
            state OK 0, STALE 2, HALTED 3, ABSENT 4.
    """
    found: IImpliedSurfaces.Slice = empty(IImpliedSurfaces.Slice)
    found.state = ABSENT
    if feed > MAX_FEED or expiry > MAX_TIME:
        return found
    head: uint256 = self.heads[(feed << 32) | expiry]
    found.sequence = self._sequence(head)
    word: uint256 = self._stored(feed, expiry)
    if word == 0:
        return found
    curve: svi_slice.Curve = svi_slice._curve(word)
    found.forward = head & (2**56 - 1)
    found.a = curve.a
    found.b = convert(curve.b, uint256)
    found.rho = curve.rho
    found.m = curve.m
    found.sigma = convert(curve.sigma, uint256)
    found.time = svi_slice._time(word)
    rules: uint256 = self.terms[feed]
    if surface_terms._halted_until(rules) > block.timestamp:
        found.state = quote_word.HALTED
    elif self._fresh(feed, rules, expiry) == 0:
        found.state = quote_word.STALE
    else:
        found.state = OK
    return found


@external
@view
@reentrant  # as surface
def total_variance(feed: uint256, expiry: uint256, log_moneyness: int256) -> uint256:
    """
    @notice Total variance from the report's time to the expiry, whatever the state (ask `surface`).
            Reverts NoSurface, OutOfRange.
    @param feed The feed's id.
    @param expiry Seconds.
    @param log_moneyness ln(strike / forward), 1e-12, at most 8 in size.
    @return 1e-12, rounded down.
    """
    limit: int256 = svi_slice.MAX_LOG_MONEYNESS
    errors._require(log_moneyness <= limit and log_moneyness >= -limit, errors.OUT_OF_RANGE)
    curve: svi_slice.Curve = svi_slice._curve(self._existing(feed, expiry))
    return convert(max(svi_slice._total_variance_floor(curve, log_moneyness), 0), uint256)


@external
@view
@reentrant  # as surface
def implied_at_the_money(feed: uint256, expiry: uint256) -> uint256:
    """
    @notice Implied volatility at the forward, over the time that was left at the report, whatever
            the state (ask `surface`). Reverts NoSurface.
    @param feed The feed's id.
    @param expiry Seconds.
    @return 1e-6, annualised, rounded up (above the exact root).
    """
    word: uint256 = self._existing(feed, expiry)
    w: int256 = svi_slice._total_variance_floor(svi_slice._curve(word), 0)
    # At most 2 were lost to rounding. w > 0 was checked when it was written; expiry > time.
    annual: uint256 = (convert(w, uint256) + 2) * surface_terms.YEAR
    return isqrt(annual // (expiry - svi_slice._time(word)) + 1) + 1


@external
@view
@reentrant  # as surface
def expiries(feed: uint256) -> DynArray[uint256, 12]:
    """
    @notice The feed's listed expiries that have not passed, ascending.
    @param feed The feed's id.
    @return Seconds.
    """
    result: DynArray[uint256, 12] = []
    list: uint256 = self.lists[feed]
    for i: uint256 in range(expiry_list.CAPACITY):
        expiry: uint256 = expiry_list._at(list, i)
        if expiry > block.timestamp:
            result.append(expiry)
    return result


@external
@view
@reentrant  # raw words, for monitors and tests
def feed_words(feed: uint256) -> uint256[2]:
    """
    @notice The stored words of a feed: terms, expiries.
    @param feed The feed's id.
    """
    return [self.terms[feed], self.lists[feed]]


@external
@view
@reentrant  # raw words, for monitors and tests
def slice_words(feed: uint256, expiry: uint256) -> uint256[2]:
    """
    @notice The stored words of a slice: curve, head.
    @param feed The feed's id, at most 65535.
    @param expiry Seconds, below 2**32.
    """
    errors._require(feed <= MAX_FEED and expiry <= MAX_TIME, errors.BAD_ARGUMENT)
    key: uint256 = (feed << 32) | expiry
    return [self.curves[key], self.heads[key]]


@external
@view
@reentrant  # sets never change
def is_signer(signer_set: uint256, signer: address) -> bool:
    """
    @notice Whether an address belongs to a signer set.
    @param signer_set The set's id.
    @param signer The address.
    """
    return signer_sets._is_member(signer_set, signer)


@external
@view
@reentrant  # sets never change
def threshold(signer_set: uint256) -> uint256:
    """
    @notice Signatures a report needs under this set; 0 if there is no such set.
    @param signer_set The set's id.
    """
    return signer_sets.thresholds[signer_set]


# -- guardian -------------------------------------------------------------------------------------


@external
def halt(feed: uint256, duration: uint256):
    """
    @notice Halt a feed's surface at once; guardian or owner. Its slices read HALTED and no report
            is taken until the end. A later call can only extend it; nobody can shorten it. Reverts
            NotGuardian, BadArgument for a duration of 0 or over three days, UnknownFeed.
    @param feed The feed's id.
    @param duration Seconds from now.
    """
    errors._require(msg.sender == self.guardian or msg.sender == ownable.owner, errors.NOT_GUARDIAN)
    errors._require(duration >= 1 and duration <= MAX_HALT, errors.BAD_ARGUMENT)
    rules: uint256 = self._terms(feed)
    old: uint256 = surface_terms._halted_until(rules)
    # Proof: duration is bounded above and timestamps are < 2**32.
    end: uint256 = max(old, unsafe_add(block.timestamp, duration))
    self.terms[feed] = (rules ^ (old << surface_terms.HALT_SHIFT)) | (
        end << surface_terms.HALT_SHIFT
    )
    log HaltChanged(feed=feed, old_end=old, new_end=end)


# -- governance -----------------------------------------------------------------------------------


@external
def set_terms(feed: uint256, terms: surface_terms.SurfaceTerms):
    """
    @notice Give a feed a surface, or change its rules; owner only. They apply to the next report,
            the age limit at once; slices and a running halt stay. Reverts NotGovernance,
            BadArgument (id), BadParameter, and as the oracle's `read` (UnknownFeed, NoPrice).
    @param feed The oracle's feed, 1 to 65535.
    @param terms The rules (surface_terms.vy).
    """
    self._check_owner()
    errors._require(feed >= 1 and feed <= MAX_FEED, errors.BAD_ARGUMENT)
    old: uint256 = self.terms[feed]
    packed: uint256 = surface_terms._pack(terms, signer_sets.thresholds[terms.signer_set])
    reading: IOracleAdapter.Reading = staticcall ORACLE.read(feed)
    packed |= surface_terms._halted_until(old) << surface_terms.HALT_SHIFT
    self.terms[feed] = packed
    log TermsChanged(feed=feed, old_terms=old, new_terms=packed)


@external
def list_expiries(feed: uint256, expiries: DynArray[uint256, 12]):
    """
    @notice List expiries; owner only. Those that have passed free their places first. Reverts
            NotGovernance, UnknownFeed, BadArgument (not on a half hour, or over 750 days ahead),
            Expired, AlreadyListed, TooMany (over twelve to come).
    @param feed The feed's id.
    @param expiries Seconds, in any order.
    """
    self._check_owner()
    self._terms(feed)
    now: uint256 = block.timestamp
    list: uint256 = self._without_passed(feed, self.lists[feed])
    for expiry: uint256 in expiries:
        errors._require(
            expiry % expiry_list.GRID == 0 and expiry <= now + MAX_TENOR, errors.BAD_ARGUMENT
        )
        errors._require(expiry > now, errors.EXPIRED)
        list = expiry_list._insert(list, expiry)
        log ExpiryListed(feed=feed, expiry=expiry)
    self.lists[feed] = list


@external
def unlist_expiry(feed: uint256, expiry: uint256):
    """
    @notice Take an expiry and its slice off; owner only. Listed again it starts without a slice,
            but reports that were taken before stay refused. Reverts NotGovernance, UnknownFeed,
            UnknownExpiry.
    @param feed The feed's id.
    @param expiry Seconds.
    """
    self._check_owner()
    self._terms(feed)
    list: uint256 = self.lists[feed]
    position: uint256 = expiry_list._find(list, expiry)
    errors._require(position != expiry_list.NOWHERE, errors.UNKNOWN_EXPIRY)
    self.lists[feed] = expiry_list._remove(list, position)
    self.curves[(feed << 32) | expiry] = 0
    log ExpiryRemoved(feed=feed, expiry=expiry, passed=expiry <= block.timestamp)


@external
def add_signer_set(signers: DynArray[address, 16], threshold: uint256) -> uint256:
    """
    @notice List a signer set; owner only. Sets never change: rotate by naming another in the terms.
            Reverts NotGovernance, BadSigner, BadQuorum.
    @param signers Strictly ascending, not empty.
    @param threshold Signatures a report needs, 1 to 8.
    @return The set's id.
    """
    self._check_owner()
    return signer_sets._add_set(signers, threshold)


@external
def set_guardian(guardian: address):
    """
    @notice Name another guardian; owner only. Reverts NotGovernance, NullAddress.
    @param guardian The new guardian.
    """
    self._check_owner()
    errors._require(guardian != empty(address), errors.NULL_ADDRESS)
    log GuardianChanged(old_guardian=self.guardian, new_guardian=guardian)
    self.guardian = guardian


# -- internal -------------------------------------------------------------------------------------


@internal
@view
def _check_owner():
    """
    @notice Reverts NotGovernance unless the owner calls.
    """
    errors._require(msg.sender == ownable.owner, errors.NOT_GOVERNANCE)


@internal
@view
def _terms(feed: uint256) -> uint256:
    """
    @notice The terms word. Reverts UnknownFeed.
    """
    found: uint256 = self.terms[feed]
    errors._require(found != 0, errors.UNKNOWN_FEED)
    return found


@internal
@pure
def _sequence(head: uint256) -> uint256:
    """
    @notice Sequence in a head word.
    """
    return (head >> 56) & (2**64 - 1)


@internal
@view
def _stored(feed: uint256, expiry: uint256) -> uint256:
    """
    @notice The curve word of an expiry that has not passed; 0 where there is none.
    """
    if feed > MAX_FEED or expiry > MAX_TIME or expiry <= block.timestamp:
        return 0
    return self.curves[(feed << 32) | expiry]


@internal
@view
def _existing(feed: uint256, expiry: uint256) -> uint256:
    """
    @notice As _stored. Reverts NoSurface where there is none.
    """
    word: uint256 = self._stored(feed, expiry)
    errors._require(word != 0, errors.NO_SURFACE)
    return word


@internal
def _without_passed(feed: uint256, list: uint256) -> uint256:
    """
    @notice The list without the expiries that have passed; their slices are cleared.
    @param feed The feed's id.
    @param list Its expiries.
    """
    left: uint256 = list
    for _: uint256 in range(expiry_list.CAPACITY):
        expiry: uint256 = expiry_list._at(left, 0)
        if expiry == 0 or expiry > block.timestamp:
            break
        left = expiry_list._remove(left, 0)
        key: uint256 = (feed << 32) | expiry
        self.curves[key] = 0
        self.heads[key] = 0  # no report for a past expiry is taken, so none can come back
        log ExpiryRemoved(feed=feed, expiry=expiry, passed=True)
    return left
