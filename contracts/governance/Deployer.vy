# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Deployer
@license AGPL-3.0-only
@notice Factory by CREATE3: an address depends on this contract and a salt alone, not on code or
        arguments, so contracts that name each other in their constructors can all be told before
        the first one exists.

        Trust: only its creator deploys, so nobody takes a salt first. It holds no power over what
        it deployed and can make no other call. Constructors see a throw-away proxy as msg.sender,
        which is no key of anybody's: what a constructor deploys for must come in its arguments.
        The proxy stays behind; whoever calls it creates contracts from it, at other addresses, and
        nothing else.
@custom:kill None needed: when the creator stops using it, it does nothing.
"""
from contracts.modules import errors
from snekmate.utils import create3

# Longest creation code, arguments included (EIP-3860).
MAX_INITCODE: constant(uint256) = 49_152

# Creation code of a proxy that creates a contract from its calldata; described in snekmate's create3.
PROXY: constant(Bytes[16]) = x"67363d3d37363d34f03d5260086018f3"

# Who may deploy; the account that deployed this factory.
creator: public(immutable(address))


event Deployed:
    salt: indexed(bytes32)
    deployed: indexed(address)
    code_hash: bytes32


@deploy
def __init__():
    """
    @notice Only the sender of this creation may deploy.
    """
    creator = msg.sender


@external
def deploy(salt: bytes32, initcode: Bytes[MAX_INITCODE]) -> address:
    """
    @notice Creates a contract at the address its salt fixes; where one is there already, does nothing.
    @dev Reverts NotCreator, CreationFailed (the constructor's own reason does not come through).
    @param salt The contract's name, hashed.
    @param initcode Creation code with its ABI-encoded arguments.
    @return The address.
    """
    errors._require(msg.sender == creator, errors.NOT_CREATOR)
    target: address = create3._compute_create3_address_self(salt)
    if target.is_contract:
        return target
    proxy: address = raw_create(PROXY, salt=salt)
    raw_call(proxy, initcode)
    errors._require(target.is_contract, errors.CREATION_FAILED)
    log Deployed(salt=salt, deployed=target, code_hash=target.codehash)
    return target


@external
@view
def address_of(salt: bytes32) -> address:
    """
    @notice Where the contract with this salt lies or will lie.
    @param salt The contract's name, hashed.
    @return The address.
    """
    return create3._compute_create3_address_self(salt)
