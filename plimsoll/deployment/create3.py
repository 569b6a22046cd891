"""Addresses that contracts/governance/Deployer.vy gives, computed before anything exists."""

from __future__ import annotations

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from plimsoll.evm import backend
from plimsoll.evm.abi import to_address

PROXY_INITCODE = bytes.fromhex("67363d3d37363d34f03d5260086018f3")


def salt_of(deployment: str, contract: str) -> bytes:
    """The salt of one contract of a deployment."""
    return keccak(text=f"plimsoll/{deployment}/{contract}")


def create_address(sender: str, nonce: int) -> str:
    """Where a contract lands that `sender` creates with this nonce."""
    return str(to_checksum_address(backend.create_address(to_address(sender), nonce)))


def proxy_address(factory: str, salt: bytes) -> str:
    """The throw-away proxy that a constructor sees as its sender."""
    digest = keccak(b"\xff" + to_address(factory) + salt + keccak(PROXY_INITCODE))
    return str(to_checksum_address(digest[12:]))


def create3_address(factory: str, salt: bytes) -> str:
    """Where the factory puts the contract with this salt: the proxy's first creation."""
    return create_address(proxy_address(factory, salt), 1)
