# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Timelock
@license AGPL-3.0-only
@notice Owner of everything after deployment. Operations are proposed, wait, may be executed for a
        grace period, and then expire; states move one way:

            UNSET -> WAITING -> READY -> DONE
                        |         |
                        +---------+--> CANCELLED
                                  +--> EXPIRED

        Built on snekmate's timelock_controller: its roles, its operation ids, its events. What
        differs: operations expire, an id is used once (a cancelled one cannot be proposed again),
        the minimum delay has a floor, no admin exists but this contract itself, and the deployer
        cannot be given a role. Zero address as executor: anybody executes.

        It holds no tokens by design; it takes ether only to pass it on in the same call.
"""

from snekmate.auth import access_control
from snekmate.governance import timelock_controller
from contracts.modules import errors

initializes: access_control
initializes: timelock_controller[access_control := access_control]

exports: (
    access_control.DEFAULT_ADMIN_ROLE,
    access_control.hasRole,
    access_control.getRoleAdmin,
    access_control.grantRole,
    access_control.revokeRole,
    access_control.renounceRole,
    timelock_controller.PROPOSER_ROLE,
    timelock_controller.EXECUTOR_ROLE,
    timelock_controller.CANCELLER_ROLE,
    timelock_controller.get_timestamp,
    timelock_controller.get_minimum_delay,
    timelock_controller.hash_operation,
)


# Values 1, 2, 4, 8 as in snekmate; 16 and 32 are added.
flag OperationState:
    UNSET
    WAITING
    READY
    DONE
    EXPIRED
    CANCELLED

MAX_ACTORS: constant(uint256) = 16
MAX_BATCH: constant(uint256) = 32
MAX_PAYLOAD: constant(uint256) = 1_024  # bytes, as in snekmate
MAX_DELAY: constant(uint256) = 60 * 86_400  # s; more would be a lock-out
MIN_GRACE: constant(uint256) = 3_600  # s; less would expire before anybody can act
MAX_GRACE: constant(uint256) = 30 * 86_400  # s; what was agreed so long ago is proposed anew

# Seconds below which the minimum delay can never be set.
delay_floor: public(immutable(uint256))
# Seconds an operation stays executable once ready.
grace_period: public(immutable(uint256))

_cancelled: HashMap[bytes32, bool]


@deploy
def __init__(
    minimum_delay_: uint256,
    delay_floor_: uint256,
    grace_period_: uint256,
    proposers_: DynArray[address, MAX_ACTORS],
    executors_: DynArray[address, MAX_ACTORS],
    cancellers_: DynArray[address, MAX_ACTORS],
):
    """
    @notice BadParameter for a delay or period out of bounds, BadArgument where an actor is the
            deployer or the list of proposers or executors is empty, NullAddress for a zero actor
            (executors aside).
    @param minimum_delay_ Seconds, delay_floor .. 60 days.
    @param delay_floor_ Seconds, at least 1.
    @param grace_period_ Seconds, one hour to 30 days.
    @param proposers_ May propose and cancel.
    @param executors_ May execute; the zero address: anybody.
    @param cancellers_ May cancel and nothing else.
    """
    errors._require(
        delay_floor_ > 0
        and delay_floor_ <= minimum_delay_
        and minimum_delay_ <= MAX_DELAY
        and grace_period_ >= MIN_GRACE
        and grace_period_ <= MAX_GRACE,
        errors.BAD_PARAMETER,
    )
    errors._require(len(proposers_) != 0 and len(executors_) != 0, errors.BAD_ARGUMENT)
    for actor: address in proposers_:
        errors._require(actor != empty(address), errors.NULL_ADDRESS)
        errors._require(actor != msg.sender, errors.BAD_ARGUMENT)
    for actor: address in executors_:
        errors._require(actor != msg.sender, errors.BAD_ARGUMENT)
    for actor: address in cancellers_:
        errors._require(actor != empty(address), errors.NULL_ADDRESS)
        errors._require(actor != msg.sender, errors.BAD_ARGUMENT)

    delay_floor = delay_floor_
    grace_period = grace_period_
    access_control.__init__()
    # Takes the admin role from the deployer; no other admin is named.
    timelock_controller.__init__(minimum_delay_, proposers_, executors_, empty(address))
    for actor: address in cancellers_:
        access_control._grant_role(timelock_controller.CANCELLER_ROLE, actor)


@external
def schedule(
    target: address,
    amount: uint256,
    payload: Bytes[MAX_PAYLOAD],
    predecessor: bytes32,
    salt: bytes32,
    delay: uint256,
):
    """
    @notice Proposes one call. Proposers only.
    @dev Reverts "access_control: account is missing role", TooFast (delay below the minimum),
         BadParameter (above 60 days), OperationKnown.
    @param target The contract called.
    @param amount Wei sent along.
    @param payload Calldata.
    @param predecessor Id that must be DONE before; zero: none.
    @param salt Anything; tells equal operations apart.
    @param delay Seconds until it may be executed.
    """
    access_control._check_role(timelock_controller.PROPOSER_ROLE, msg.sender)
    id: bytes32 = timelock_controller._hash_operation(target, amount, payload, predecessor, salt)
    self._schedule(id, delay)
    log timelock_controller.CallScheduled(
        id=id,
        index=0,
        target=target,
        amount=amount,
        payload=payload,
        predecessor=predecessor,
        delay=delay,
    )
    self._log_salt(id, salt)


@external
def schedule_batch(
    targets: DynArray[address, MAX_BATCH],
    amounts: DynArray[uint256, MAX_BATCH],
    payloads: DynArray[Bytes[MAX_PAYLOAD], MAX_BATCH],
    predecessor: bytes32,
    salt: bytes32,
    delay: uint256,
):
    """
    @notice Proposes up to 32 calls, executed all or none. Proposers only.
    @dev Reverts as schedule, BadArgument (no calls, or lengths differ).
    @param targets The contracts called.
    @param amounts Wei sent along.
    @param payloads Calldata.
    @param predecessor Id that must be DONE before; zero: none.
    @param salt Anything; tells equal operations apart.
    @param delay Seconds until it may be executed.
    """
    access_control._check_role(timelock_controller.PROPOSER_ROLE, msg.sender)
    self._check_batch(len(targets), len(amounts), len(payloads))
    id: bytes32 = self._hash_batch(targets, amounts, payloads, predecessor, salt)
    self._schedule(id, delay)
    for i: uint256 in range(len(targets), bound=MAX_BATCH):
        log timelock_controller.CallScheduled(
            id=id,
            index=i,
            target=targets[i],
            amount=amounts[i],
            payload=payloads[i],
            predecessor=predecessor,
            delay=delay,
        )
    self._log_salt(id, salt)


@external
def cancel(id: bytes32):
    """
    @notice Cancels an operation that waits or is ready, for good. Cancellers only.
    @dev Reverts "access_control: account is missing role", OperationExpired, NotPending.
    @param id The operation.
    """
    access_control._check_role(timelock_controller.CANCELLER_ROLE, msg.sender)
    state: OperationState = self._state(id)
    errors._require(state != OperationState.EXPIRED, errors.OPERATION_EXPIRED)
    errors._require(
        state == OperationState.WAITING or state == OperationState.READY, errors.NOT_PENDING
    )
    self._cancelled[id] = True
    log timelock_controller.Cancelled(id=id)


@external
@payable
def execute(
    target: address,
    amount: uint256,
    payload: Bytes[MAX_PAYLOAD],
    predecessor: bytes32,
    salt: bytes32,
):
    """
    @notice Executes a ready operation of one call. Executors only, anybody where the zero address
            is one.
    @dev Reverts "access_control: account is missing role", OperationExpired, NotPending (unknown,
         waiting, done, cancelled, or its predecessor is not DONE), and what the target reverts with.
    @param target The contract called.
    @param amount Wei sent along.
    @param payload Calldata.
    @param predecessor As proposed.
    @param salt As proposed.
    """
    timelock_controller._only_role_or_open_role(timelock_controller.EXECUTOR_ROLE)
    id: bytes32 = timelock_controller._hash_operation(target, amount, payload, predecessor, salt)
    self._check_executable(id, predecessor)
    timelock_controller._execute(target, amount, payload)
    log timelock_controller.CallExecuted(
        id=id, index=0, target=target, amount=amount, payload=payload
    )
    timelock_controller._after_call(id)


@external
@payable
def execute_batch(
    targets: DynArray[address, MAX_BATCH],
    amounts: DynArray[uint256, MAX_BATCH],
    payloads: DynArray[Bytes[MAX_PAYLOAD], MAX_BATCH],
    predecessor: bytes32,
    salt: bytes32,
):
    """
    @notice Executes a ready batch, all or none. Executors only, anybody where the zero address is one.
    @dev Reverts as execute, BadArgument (no calls, or lengths differ).
    @param targets The contracts called.
    @param amounts Wei sent along.
    @param payloads Calldata.
    @param predecessor As proposed.
    @param salt As proposed.
    """
    timelock_controller._only_role_or_open_role(timelock_controller.EXECUTOR_ROLE)
    self._check_batch(len(targets), len(amounts), len(payloads))
    id: bytes32 = self._hash_batch(targets, amounts, payloads, predecessor, salt)
    self._check_executable(id, predecessor)
    for i: uint256 in range(len(targets), bound=MAX_BATCH):
        timelock_controller._execute(targets[i], amounts[i], payloads[i])
        log timelock_controller.CallExecuted(
            id=id, index=i, target=targets[i], amount=amounts[i], payload=payloads[i]
        )
    timelock_controller._after_call(id)


@external
@reentrant
def update_delay(new_delay: uint256):
    """
    @notice Changes the minimum delay of later operations. This contract only, through an operation;
            reentrant for that very reason: it runs inside `execute`, and only there.
    @dev Reverts NotGovernance, BadParameter.
    @param new_delay Seconds, delay_floor .. 60 days.
    """
    errors._require(msg.sender == self, errors.NOT_GOVERNANCE)
    errors._require(new_delay >= delay_floor and new_delay <= MAX_DELAY, errors.BAD_PARAMETER)
    log timelock_controller.MinimumDelayChange(
        old_duration=timelock_controller.get_minimum_delay, new_duration=new_delay
    )
    timelock_controller.get_minimum_delay = new_delay


@external
@view
def get_operation_state(id: bytes32) -> OperationState:
    """
    @notice An operation's state.
    @param id The operation.
    @return UNSET 1, WAITING 2, READY 4, DONE 8, EXPIRED 16, CANCELLED 32.
    """
    return self._state(id)


@external
@view
def expires_at(id: bytes32) -> uint256:
    """
    @notice When an operation expires or has expired; from that second on it cannot be executed.
    @param id The operation.
    @return Unix seconds; 0 where it was never proposed or is done.
    """
    ready: uint256 = timelock_controller.get_timestamp[id]
    if ready <= timelock_controller._DONE_TIMESTAMP:
        return 0
    return ready + grace_period


@external
@pure
def hash_operation_batch(
    targets: DynArray[address, MAX_BATCH],
    amounts: DynArray[uint256, MAX_BATCH],
    payloads: DynArray[Bytes[MAX_PAYLOAD], MAX_BATCH],
    predecessor: bytes32,
    salt: bytes32,
) -> bytes32:
    """
    @notice A batch's id.
    @param targets The contracts called.
    @param amounts Wei sent along.
    @param payloads Calldata.
    @param predecessor Id that must be DONE before.
    @param salt Anything.
    @return keccak256 of the ABI-encoded arguments.
    """
    return self._hash_batch(targets, amounts, payloads, predecessor, salt)


@internal
def _schedule(id: bytes32, delay: uint256):
    """
    @notice Records a new operation.
    @param id The operation.
    @param delay Seconds.
    """
    errors._require(self._state(id) == OperationState.UNSET, errors.OPERATION_KNOWN)
    errors._require(delay >= timelock_controller.get_minimum_delay, errors.TOO_FAST)
    errors._require(delay <= MAX_DELAY, errors.BAD_PARAMETER)
    timelock_controller._schedule(id, delay)


@internal
def _log_salt(id: bytes32, salt: bytes32):
    """
    @notice Tells a salt that is not zero.
    @param id The operation.
    @param salt Its salt.
    """
    if salt != empty(bytes32):
        log timelock_controller.CallSalt(id=id, salt=salt)


@internal
@view
def _state(id: bytes32) -> OperationState:
    """
    @notice An operation's state. A cancelled or expired id keeps its timestamp, so that it is known.
    @param id The operation.
    @return Its state.
    """
    ready: uint256 = timelock_controller.get_timestamp[id]
    if ready == 0:
        return OperationState.UNSET
    if ready == timelock_controller._DONE_TIMESTAMP:
        return OperationState.DONE
    if self._cancelled[id]:
        return OperationState.CANCELLED
    if block.timestamp < ready:
        return OperationState.WAITING
    if block.timestamp < ready + grace_period:
        return OperationState.READY
    return OperationState.EXPIRED


@internal
@view
def _check_executable(id: bytes32, predecessor: bytes32):
    """
    @notice OperationExpired or NotPending unless the operation is ready and its predecessor is done.
    @param id The operation.
    @param predecessor Id that must be DONE; zero: none.
    """
    state: OperationState = self._state(id)
    errors._require(state != OperationState.EXPIRED, errors.OPERATION_EXPIRED)
    errors._require(
        state == OperationState.READY
        and (predecessor == empty(bytes32) or self._state(predecessor) == OperationState.DONE),
        errors.NOT_PENDING,
    )


@internal
@pure
def _check_batch(targets: uint256, amounts: uint256, payloads: uint256):
    """
    @notice BadArgument unless all lengths are the same and not zero.
    @param targets Length.
    @param amounts Length.
    @param payloads Length.
    """
    errors._require(
        targets != 0 and targets == amounts and targets == payloads, errors.BAD_ARGUMENT
    )


@internal
@pure
def _hash_batch(
    targets: DynArray[address, MAX_BATCH],
    amounts: DynArray[uint256, MAX_BATCH],
    payloads: DynArray[Bytes[MAX_PAYLOAD], MAX_BATCH],
    predecessor: bytes32,
    salt: bytes32,
) -> bytes32:
    """
    @notice A batch's id, as snekmate counts it.
    @param targets The contracts called.
    @param amounts Wei sent along.
    @param payloads Calldata.
    @param predecessor Id that must be DONE before.
    @param salt Anything.
    @return The id.
    """
    return keccak256(abi_encode(targets, amounts, payloads, predecessor, salt))
