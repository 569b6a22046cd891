"""A Safe 1.4.1: creation, EIP-712 transaction hash, owners' signatures, execution, batches.

Field names and the type hashes are those of Safe.sol 1.4.1 (`encodeTransactionData`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from eth_account import Account as EthAccount
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from plimsoll.localnet.errors import LocalnetError, TransactionReverted
from plimsoll.localnet.rpc import Rpc
from plimsoll.localnet.tx import ZERO_ADDRESS, Account, Sender, encode_args, encode_call, read

CALL = 0
DELEGATECALL = 1
DOMAIN_TYPEHASH = keccak(text="EIP712Domain(uint256 chainId,address verifyingContract)")
SAFE_TX_TYPEHASH = keccak(
    text="SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,"
    "uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)"
)
EXECUTION_FAILURE = keccak(text="ExecutionFailure(bytes32,uint256)")
PROXY_CREATION = keccak(text="ProxyCreation(address,address)")


@dataclass(frozen=True)
class SafeTx:
    """One transaction of a Safe; `value` wei; refunds are not used (all their fields zero)."""

    to: str
    data: bytes = b""
    value: int = 0
    operation: int = CALL
    nonce: int = 0

    def digest(self, chain_id: int, safe: str) -> bytes:
        """The 32 bytes that owners sign (EIP-712)."""
        domain = keccak(
            DOMAIN_TYPEHASH + encode_args("(uint256,address)", chain_id, to_checksum_address(safe))
        )
        words = encode_args(
            "(address,uint256,bytes32,uint8,uint256,uint256,uint256,address,address,uint256)",
            to_checksum_address(self.to),
            self.value,
            keccak(self.data),
            self.operation,
            0,
            0,
            0,
            ZERO_ADDRESS,
            ZERO_ADDRESS,
            self.nonce,
        )
        return keccak(b"\x19\x01" + domain + keccak(SAFE_TX_TYPEHASH + words))

    def typed_data(self, chain_id: int, safe: str) -> dict[str, Any]:
        """The same message as an EIP-712 JSON document, for wallets."""
        uints = ["value", "safeTxGas", "baseGas", "gasPrice", "nonce"]
        order = (
            "to value data operation safeTxGas baseGas gasPrice gasToken refundReceiver nonce"
        ).split()
        kinds = dict.fromkeys(uints, "uint256")
        kinds |= dict.fromkeys(["to", "gasToken", "refundReceiver"], "address")
        kinds |= {"data": "bytes", "operation": "uint8"}
        return {
            "types": {
                "EIP712Domain": [
                    {"name": "chainId", "type": "uint256"},
                    {"name": "verifyingContract", "type": "address"},
                ],
                "SafeTx": [{"name": name, "type": kinds[name]} for name in order],
            },
            "primaryType": "SafeTx",
            "domain": {"chainId": chain_id, "verifyingContract": to_checksum_address(safe)},
            "message": {
                "to": to_checksum_address(self.to),
                "value": self.value,
                "data": self.data,
                "operation": self.operation,
                "safeTxGas": 0,
                "baseGas": 0,
                "gasPrice": 0,
                "gasToken": ZERO_ADDRESS,
                "refundReceiver": ZERO_ADDRESS,
                "nonce": self.nonce,
            },
        }


def sign_digest(digest: bytes, signers: Sequence[Account]) -> bytes:
    """Owners' 65-byte signatures over a digest, joined in rising order of address."""
    joined = b""
    for signer in sorted(signers, key=lambda one: int(one.address, 16)):
        joined += bytes(EthAccount.unsafe_sign_hash(digest, signer.key).signature)
    return joined


def safe_tx(
    sender: Sender,
    safe: str,
    owners: Sequence[Account],
    to: str,
    data: bytes = b"",
    value: int = 0,
    operation: int = CALL,
) -> dict[str, Any]:
    """Sign with `owners` at the Safe's next nonce and execute; `sender` pays the gas.

    Returns the receipt. Errors: TransactionReverted when the Safe refuses (its reasons are
    texts like GS020, too few signatures; GS013, the inner call failed) or when it executed but
    reports ExecutionFailure.
    """
    rpc = sender.rpc
    message = SafeTx(to, data, value, operation)
    message = replace(message, nonce=safe_nonce(rpc, safe))
    signatures = sign_digest(message.digest(rpc.chain_id(), safe), owners)
    return exec_safe_tx(sender, safe, message, signatures)


def exec_safe_tx(sender: Sender, safe: str, message: SafeTx, signatures: bytes) -> dict[str, Any]:
    """Execute a signed SafeTx (its nonce must be the Safe's); errors as in `safe_tx`."""
    receipt = sender.call(
        safe,
        "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)",
        to_checksum_address(message.to),
        message.value,
        message.data,
        message.operation,
        0,
        0,
        0,
        ZERO_ADDRESS,
        ZERO_ADDRESS,
        signatures,
    )
    if _find_log(receipt, safe, EXECUTION_FAILURE) is not None:
        raise TransactionReverted("the Safe's inner call", "0x", receipt["transactionHash"])
    return receipt


def safe_nonce(rpc: Rpc, safe: str) -> int:
    """The nonce of the Safe's next transaction."""
    (nonce,) = read(rpc, safe, "nonce()", "(uint256)")
    return int(nonce)


def create_safe(
    sender: Sender,
    parts: Mapping[str, str],
    owners: Sequence[str],
    threshold: int,
    salt: int = 0,
) -> str:
    """A new Safe proxy with `owners`, from parts safe_singleton, _proxy_factory, _fallback_handler.

    The same arguments give the same address (CREATE2), so a second call with them reverts.
    """
    setup = encode_call(
        "setup(address[],uint256,address,bytes,address,address,uint256,address)",
        list(owners),
        threshold,
        ZERO_ADDRESS,
        b"",
        parts["safe_fallback_handler"],
        ZERO_ADDRESS,
        0,
        ZERO_ADDRESS,
    )
    factory = parts["safe_proxy_factory"]
    receipt = sender.call(
        factory,
        "createProxyWithNonce(address,bytes,uint256)",
        parts["safe_singleton"],
        setup,
        salt,
    )
    log = _find_log(receipt, factory, PROXY_CREATION)
    if log is None:
        raise LocalnetError("expected a ProxyCreation event from the Safe factory, got none")
    return to_checksum_address("0x" + log["topics"][1][-40:])


def multi_send(calls: Sequence[tuple[str, int, bytes]]) -> bytes:
    """Calldata of MultiSendCallOnly for (to, value in wei, data) calls; send by DELEGATECALL."""
    packed = b""
    for to, value, data in calls:
        packed += bytes([CALL]) + bytes.fromhex(to.removeprefix("0x"))
        packed += value.to_bytes(32, "big") + len(data).to_bytes(32, "big") + data
    return encode_call("multiSend(bytes)", packed)


def _find_log(receipt: dict[str, Any], emitter: str, topic: bytes) -> dict[str, Any] | None:
    wanted = "0x" + topic.hex()
    for log in receipt["logs"]:
        if int(log["address"], 16) == int(emitter, 16) and log["topics"][0] == wanted:
            found: dict[str, Any] = log
            return found
    return None
