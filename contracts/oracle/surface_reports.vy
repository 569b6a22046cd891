# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title surface_reports
@license AGPL-3.0-only
@notice Taking a report of slices: who signed it, how new it is, what each slice may say, and that
        total variance does not fall from one expiry to the next.

        A report carries one to twelve slices of one feed, all of one time; it is taken whole or not
        at all. Neighbours that are STALE are not compared with. A move that no single slice can
        make without crossing a fresh neighbour is sent as one report.
"""

from snekmate.utils import eip712_domain_separator as eip712
from contracts.interfaces import IImpliedSurfaces
from contracts.interfaces import IOracleAdapter
from contracts.modules import errors
from contracts.modules import quote_word
from contracts.oracle import expiry_list
from contracts.oracle import signer_sets
from contracts.oracle import surface_state
from contracts.oracle import surface_terms
from contracts.oracle import svi_slice

uses: eip712
uses: signer_sets
uses: surface_state


event SliceTaken:
    feed: indexed(uint256)
    expiry: indexed(uint256)  # s
    curve: uint256  # curve word
    head: uint256  # head word


MAX_SLICES: constant(uint256) = 12
SLICE_TYPE: constant(bytes32) = keccak256(
    "Slice(uint256 expiry,uint256 forward,int256 a,uint256 b,int256 rho,int256 m,uint256 sigma)"
)
REPORT_TYPE: constant(bytes32) = keccak256(
    "SurfaceReport(uint256 feed,uint256 time,uint256 sequence,Slice[] slices)Slice(uint256 expiry,uint256 forward,int256 a,uint256 b,int256 rho,int256 m,uint256 sigma)"
)


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
    rules: uint256 = surface_state._terms(feed)
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
    list: uint256 = surface_state.lists[feed]
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
    head: uint256 = surface_state.heads[key]
    errors._require(
        sequence > surface_state._sequence(head) and time >= head >> 120, errors.OLD_REPORT
    )
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
    surface_state.curves[key] = word
    surface_state.heads[key] = head
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
        word: uint256 = surface_state._fresh(feed, rules, expiry)
        if word != 0:
            svi_slice._check_calendar(svi_slice._grid(word), grid)
            break
    for step: uint256 in range(1, expiry_list.CAPACITY):
        # Proof: position + step < 24; positions of 12 and more are outside the word and give 0.
        expiry: uint256 = expiry_list._at(list, unsafe_add(position, step))
        if expiry == 0 or expiry == ahead:
            break
        word: uint256 = surface_state._fresh(feed, rules, expiry)
        if word != 0:
            svi_slice._check_calendar(grid, svi_slice._grid(word))
            break


@internal
@view
def _index(feed: uint256) -> uint256:
    """
    @notice The oracle's index price, ticks. Reverts StalePrice unless it is OK or DEGRADED.
    @param feed The feed's id.
    """
    reading: IOracleAdapter.Reading = staticcall surface_state.ORACLE.read(feed)
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
