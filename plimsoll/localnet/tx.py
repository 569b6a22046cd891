"""Signing and sending with local keys; ABI packing by signature text.

Transactions are signed here and sent raw, so the same code runs where no key is unlocked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_abi.grammar import TupleType, parse
from eth_account import Account as EthAccount
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from plimsoll.localnet.anvil import DEV_MNEMONIC
from plimsoll.localnet.errors import RpcError, TransactionReverted
from plimsoll.localnet.rpc import Rpc

ZERO_ADDRESS = "0x" + "00" * 20
GAS_MARGIN_PERCENT = 25  # on top of an estimate
TIP = 10**9  # wei per gas


@dataclass(frozen=True)
class Account:
    """A key we hold: checksummed address, 32-byte private key as "0x..." text."""

    address: str
    key: str = field(repr=False)


@lru_cache(maxsize=8)
def dev_accounts(count: int, mnemonic: str = DEV_MNEMONIC) -> tuple[Account, ...]:
    """The first `count` accounts of a mnemonic on Anvil's path m/44'/60'/0'/0/i."""
    EthAccount.enable_unaudited_hdwallet_features()
    made = (
        EthAccount.from_mnemonic(mnemonic, account_path=f"m/44'/60'/0'/0/{index}")
        for index in range(count)
    )
    return tuple(Account(one.address, "0x" + bytes(one.key).hex()) for one in made)


def _types(text: str) -> list[str]:
    parsed = parse(text)
    if not isinstance(parsed, TupleType):
        raise ValueError(f"expected a parenthesised list of types, got {text!r}")
    return [component.to_type_str() for component in parsed.components]


@lru_cache(maxsize=512)
def _signature(signature: str) -> tuple[bytes, tuple[str, ...]]:
    types = _types(signature[signature.index("(") :]) if not signature.endswith("()") else []
    return keccak(text=signature)[:4], tuple(types)


def encode_args(types: str, *values: object) -> bytes:
    """ABI encoding of `values` by a list such as "(address,uint256)", without a selector."""
    return abi_encode(_types(types), values)


def encode_call(signature: str, *values: object) -> bytes:
    """Calldata of a call such as ("transfer(address,uint256)", to, amount)."""
    selector, types = _signature(signature)
    return selector + abi_encode(types, values)


def decode_result(types: str, data: bytes) -> tuple[Any, ...]:
    """Values of return data by a list such as "(uint160,int24)"."""
    return tuple(abi_decode(_types(types), data))


def read(
    rpc: Rpc,
    to: str,
    signature: str,
    returns: str,
    *values: object,
    block: int | str = "latest",
) -> tuple[Any, ...]:
    """A view call: read(rpc, token, "balanceOf(address)", "(uint256)", who)."""
    return decode_result(returns, rpc.eth_call(to, encode_call(signature, *values), block))


@dataclass
class Sender:
    """Sends signed transactions of one account and waits for each receipt.

    Errors: TransactionReverted with the revert data; RpcError for anything else refused.
    """

    rpc: Rpc
    account: Account
    timeout: float = 60.0  # seconds to wait for a receipt
    _chain_id: int | None = field(default=None, init=False, repr=False)

    @property
    def address(self) -> str:
        """Checksummed address of the account."""
        return self.account.address

    def call(self, to: str, signature: str, *values: object, value: int = 0) -> dict[str, Any]:
        """The receipt of a contract call; `value` in wei."""
        return self.send(to, encode_call(signature, *values), value, what=signature)

    def deploy(self, initcode: bytes, what: str = "deployment") -> str:
        """The checksummed address of a new contract."""
        receipt = self.send(None, initcode, what=what)
        return to_checksum_address(receipt["contractAddress"])

    def send(
        self,
        to: str | None,
        data: bytes = b"",
        value: int = 0,
        gas: int | None = None,
        what: str = "transaction",
    ) -> dict[str, Any]:
        """The receipt of a transaction (`to` None: creation). `gas` skips the estimate."""
        fields = self._fields(to, data, value)
        fields["gas"] = gas if gas is not None else self._estimate(fields, what)
        signed = EthAccount.sign_transaction(fields, self.account.key)
        raw = "0x" + bytes(signed.raw_transaction).hex()
        try:
            tx_hash = str(self.rpc.call("eth_sendRawTransaction", raw))
        except RpcError as error:
            raise _as_revert(error, what) from error
        receipt = self.rpc.wait_receipt(tx_hash, self.timeout)
        if int(receipt["status"], 16) != 1:
            raise TransactionReverted(what, self._why(fields, receipt), tx_hash)
        return receipt

    def _fields(self, to: str | None, data: bytes, value: int) -> dict[str, Any]:
        nonce, block = self.rpc.batch(
            [
                ("eth_getTransactionCount", [self.address, "pending"]),
                ("eth_getBlockByNumber", ["latest", False]),
            ]
        )
        if self._chain_id is None:
            self._chain_id = self.rpc.chain_id()
        fields: dict[str, Any] = {
            "type": 2,
            "chainId": self._chain_id,
            "nonce": int(nonce, 16),
            "maxFeePerGas": 2 * int(block.get("baseFeePerGas", "0x0"), 16) + TIP,
            "maxPriorityFeePerGas": TIP,
            "value": value,
            "data": "0x" + data.hex(),
        }
        if to is not None:
            fields["to"] = to_checksum_address(to)
        return fields

    def _estimate(self, fields: dict[str, Any], what: str) -> int:
        request = {"from": self.address, "value": hex(fields["value"]), "data": fields["data"]}
        if "to" in fields:
            request["to"] = fields["to"]
        try:
            estimate = int(self.rpc.call("eth_estimateGas", request), 16)
        except RpcError as error:
            raise _as_revert(error, what) from error
        return estimate * (100 + GAS_MARGIN_PERCENT) // 100

    def _why(self, fields: dict[str, Any], receipt: dict[str, Any]) -> str:
        """Revert data, by calling again on the block before; "0x" if it then succeeds."""
        request = {
            "from": self.address,
            "to": fields.get("to"),
            "data": fields["data"],
            "value": hex(fields["value"]),
        }
        before = hex(int(receipt["blockNumber"], 16) - 1)
        try:
            self.rpc.call("eth_call", request, before)
        except RpcError as error:
            return error.data or "0x"
        return "0x"


def _as_revert(error: RpcError, what: str) -> RpcError | TransactionReverted:
    if error.code == 3 or "revert" in error.message.lower():
        return TransactionReverted(what, error.data or "0x")
    return error


def deal_erc20(rpc: Rpc, token: str, holder: str, amount: int) -> None:
    """Set a holder's balance (token units) by writing storage; Anvil only.

    Raises RpcError when the node cannot (not an Anvil, or a token whose balance slot it does
    not find), or when the balance read back differs.
    """
    rpc.call("anvil_dealERC20", holder, token, hex(amount))
    (got,) = read(rpc, token, "balanceOf(address)", "(uint256)", holder)
    if got != amount:
        raise RpcError("anvil_dealERC20", 0, f"expected a balance of {amount}, got {got}")


def batch_read(
    rpc: Rpc, calls: Sequence[tuple[str, str, str, tuple[object, ...]]]
) -> list[tuple[Any, ...]]:
    """Many view calls in one request: (to, signature, returns, arguments) each, at latest."""
    requests = [
        ("eth_call", [{"to": to, "data": "0x" + encode_call(sig, *args).hex()}, "latest"])
        for to, sig, _, args in calls
    ]
    replies = rpc.batch(requests)
    return [
        decode_result(returns, bytes.fromhex(reply[2:]))
        for (_, _, returns, _), reply in zip(calls, replies, strict=True)
    ]
