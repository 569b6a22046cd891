"""A chain behind a JSON-RPC node, through web3, signing with a key held here (or by ape).

Nothing needs an unlocked account. Fees are EIP-1559 where the chain has a base fee; a transaction
that is not mined in time is sent again with the same nonce and higher fees, and whichever is mined
counts. Before anything is sent, transactions of an earlier run that are still pending are
waited for, so that a killed run's last transaction is seen rather than repeated.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from plimsoll.deployment.chain import CallReverted, ChainError, Sent

GWEI = 10**9
MAX_TX_GAS = 16_777_216  # EIP-7825
GAS_MARGIN_PERCENT = 25
IDLE_POLLS = 5  # without a block, before a development node is asked for one
T = TypeVar("T")


class Signer(Protocol):
    """An account that signs: `address`, and raw signed bytes of a transaction given as a dict."""

    @property
    def address(self) -> str:
        """Checksummed address."""

    def sign(self, transaction: dict[str, Any]) -> bytes:
        """The raw signed transaction."""


class LocalSigner:
    """A private key in this process ("0x..." or 32 bytes)."""

    def __init__(self, key: str | bytes) -> None:
        from eth_account import Account

        self._account: Any = Account.from_key(key)

    @property
    def address(self) -> str:
        return str(self._account.address)

    def sign(self, transaction: dict[str, Any]) -> bytes:
        return bytes(self._account.sign_transaction(transaction).raw_transaction)


class Watcher:
    """Nobody's key: reads as `address`, cannot send."""

    def __init__(self, address: str = "0x" + "00" * 20) -> None:
        self._address = address

    @property
    def address(self) -> str:
        return self._address

    def sign(self, transaction: dict[str, Any]) -> bytes:
        raise ChainError(
            "this handle only reads; give it a signer (LocalSigner, ApeSigner) to send"
        )


class ApeSigner:
    """An account of ape (a keyfile, a hardware wallet, a test account); it may ask for consent."""

    def __init__(self, account: Any) -> None:
        self._account = account

    @property
    def address(self) -> str:
        return str(self._account.address)

    def sign(self, transaction: dict[str, Any]) -> bytes:
        ecosystem = self._account.provider.network.ecosystem
        fields = dict(transaction)
        fields["gas_limit"] = fields.pop("gas")
        fields.pop("from", None)
        wanted = ecosystem.create_transaction(sender=self._account.address, **fields)
        signed = self._account.sign_transaction(wanted)
        if signed is None:
            raise ChainError(f"the account {self.address} did not sign; nothing was sent")
        return bytes(signed.serialize_transaction())


@dataclass(frozen=True)
class Fees:
    """Fee policy, gwei. `ceiling`: never offer more per gas; `tip`: None asks the node."""

    ceiling_gwei: float = 500.0
    tip_gwei: float | None = None


@dataclass(frozen=True)
class Patience:
    """Times in seconds. `mined`: until a transaction is replaced; `tries`: replacements; `delay`:
    the longest wait for a timelock delay before giving back control.
    """

    mined: float = 120.0
    tries: int = 4
    delay: float = 900.0
    poll: float = 1.0
    confirmations: int = 1


class Web3Chain:
    """`Chain` over a web3 object (its own, or ape's `provider.web3`)."""

    def __init__(
        self,
        web3: Any,
        signer: Signer,
        fees: Fees | None = None,
        patience: Patience | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.web3 = web3
        self.signer = signer
        self.fees = fees or Fees()
        self.patience = patience or Patience()
        self._say = say or (lambda text: None)
        self._chain_id: int | None = None

    @property
    def chain_id(self) -> int:
        if self._chain_id is None:
            self._chain_id = int(self._ask(lambda: self.web3.eth.chain_id))
        return self._chain_id

    @property
    def account(self) -> str:
        return self.signer.address

    def nonce(self) -> int:
        return self._count("latest")

    def _count(self, tag: str) -> int:
        return int(self._ask(lambda: self.web3.eth.get_transaction_count(self.account, tag)))

    def code(self, address: str) -> bytes:
        return bytes(self._ask(lambda: self.web3.eth.get_code(address)))

    def call(self, to: str, data: bytes, sender: str | None = None) -> bytes:
        request = {"to": to, "data": "0x" + data.hex(), "from": sender or self.account}
        return self._view(request)

    def _view(self, request: dict[str, Any]) -> bytes:
        return bytes(self._ask(lambda: self.web3.eth.call(request, ccip_read_enabled=False)))

    def create_reason(self, initcode: bytes, sender: str) -> bytes:
        try:
            self._view({"data": "0x" + initcode.hex(), "from": sender})
        except CallReverted as exc:
            return exc.data
        return b""

    def block(self) -> tuple[int, int]:
        head = self._ask(lambda: self.web3.eth.get_block("latest"))
        return int(head["number"]), int(head["timestamp"])

    def pause(self) -> None:
        time.sleep(self.patience.poll)

    def drain(self) -> None:
        """Waits for pending transactions of the account; `ChainError` where they stay so."""
        deadline = time.monotonic() + self.patience.mined * self.patience.tries
        while (mined := self._count("latest")) < (sent := self._count("pending")):
            if time.monotonic() > deadline:
                raise ChainError(
                    f"expected no pending transaction of {self.account}, got {sent - mined} from "
                    f"nonce {mined} on; replace or cancel them with the wallet, then run again"
                )
            self._say(f"waiting for {sent - mined} pending transaction(s) of an earlier run")
            self.pause()

    def wait_until(self, timestamp: int, note: str) -> None:
        first = self.block()[1]
        if timestamp - first > self.patience.delay:
            raise ChainError(
                f"{note}: possible from unix time {timestamp} on, in {timestamp - first} s; "
                "run the deployment again then"
            )
        deadline = time.monotonic() + max(self.patience.delay, self.patience.mined)
        height, idle = self.block()[0], 0
        while self.block()[1] < timestamp:
            if time.monotonic() > deadline:
                raise ChainError(f"{note}: no block at or after {timestamp} came; run again later")
            self.pause()
            idle = idle + 1 if self.block()[0] == height else 0
            height = self.block()[0]
            if idle >= IDLE_POLLS and time.time() >= timestamp:
                self._nudge()

    def _nudge(self) -> None:
        """Mines a block where the node is a development one that mines only on transactions."""
        if "anvil" in str(self._ask(lambda: self.web3.client_version)).lower():
            self._request("evm_mine")

    def _request(self, method: str, *params: Any) -> None:
        """One of a development node's own methods."""
        self._ask(lambda: self.web3.provider.make_request(method, list(params)))

    def logs(self, address: str, topics: list[bytes], first_block: int) -> list[Any] | None:
        """Logs of one contract with one of these first topics; None where the node refuses."""
        query = {
            "address": address,
            "fromBlock": first_block,
            "toBlock": "latest",
            "topics": [["0x" + topic.hex() for topic in topics]],
        }
        try:
            return list(self._ask(lambda: self.web3.eth.get_logs(query)))
        except ChainError:
            return None  # many public nodes limit the range

    # -- sending

    def send(self, to: str | None, data: bytes, note: str) -> Sent:
        fields: dict[str, Any] = {
            "chainId": self.chain_id,
            "nonce": self.nonce(),
            "value": 0,
            "data": "0x" + data.hex(),
        }
        if to is not None:
            fields["to"] = to
        fields["gas"] = self._gas(fields, note)
        receipt = self._mined(fields, note)
        if int(receipt["status"]) != 1:
            raise CallReverted(self._why(fields, int(receipt["blockNumber"])), note)
        self._confirm(int(receipt["blockNumber"]))
        return Sent(
            "0x" + bytes(receipt["transactionHash"]).hex(),
            int(receipt["blockNumber"]),
            int(receipt["gasUsed"]),
        )

    def _gas(self, fields: dict[str, Any], note: str) -> int:
        request = {**fields, "from": self.account}
        request.pop("nonce")
        try:
            estimate = int(self._ask(lambda: self.web3.eth.estimate_gas(request)))
        except CallReverted as exc:
            raise CallReverted(exc.data, note) from exc
        limit = min(MAX_TX_GAS, estimate * (100 + GAS_MARGIN_PERCENT) // 100)
        if estimate > MAX_TX_GAS:
            raise ChainError(f"{note}: needs {estimate} gas, a transaction may use {MAX_TX_GAS}")
        return limit

    def _offer(self, attempt: int) -> dict[str, int]:
        """Fee fields; each attempt a quarter above the one before (nodes ask for a tenth)."""
        head = self._ask(lambda: self.web3.eth.get_block("latest"))
        ceiling = int(self.fees.ceiling_gwei * GWEI)
        base = head.get("baseFeePerGas")
        if base is None:
            price = int(self._ask(lambda: self.web3.eth.gas_price)) * 5**attempt // 4**attempt
            self._refuse_above(price, ceiling)
            return {"gasPrice": price}
        if self.fees.tip_gwei is not None:
            tip = int(self.fees.tip_gwei * GWEI)
        else:
            tip = int(self._ask(lambda: self.web3.eth.max_priority_fee))
        tip = max(tip, 1) * 5**attempt // 4**attempt
        self._refuse_above(int(base) + tip, ceiling)
        most = min((2 * int(base) + tip) * 5**attempt // 4**attempt, ceiling)
        return {"type": 2, "maxFeePerGas": most, "maxPriorityFeePerGas": min(tip, most)}

    @staticmethod
    def _refuse_above(price: int, ceiling: int) -> None:
        if price > ceiling:
            raise ChainError(
                f"expected gas at {ceiling / GWEI:g} gwei at most, the network asks for "
                f"{price / GWEI:g}; raise --max-fee-gwei or run again when it is cheaper"
            )

    def _mined(self, fields: dict[str, Any], note: str) -> Any:
        """The receipt of this nonce's transaction, sent again with higher fees where it lingers."""
        hashes: list[Any] = []
        for attempt in range(self.patience.tries):
            raw = self.signer.sign({**fields, **self._offer(attempt)})
            try:
                hashes.append(self._ask(lambda raw=raw: self.web3.eth.send_raw_transaction(raw)))  # type: ignore[misc]
            except CallReverted as exc:
                raise CallReverted(exc.data, note) from exc
            except ChainError as exc:
                # The nonce may have been mined meanwhile, or the same bytes be known already.
                if not hashes:
                    raise ChainError(f"{note}: {exc}") from exc
            receipt = self._receipt(hashes)
            if receipt is not None:
                return receipt
            self._say(f"{note}: not mined in {self.patience.mined:g} s, raising the fee")
        raise ChainError(
            f"{note}: not mined: {', '.join('0x' + bytes(one).hex() for one in hashes)}; "
            "it may still be: run again to go on"
        )

    def _receipt(self, hashes: list[Any]) -> Any | None:
        from web3.exceptions import TransactionNotFound

        deadline = time.monotonic() + self.patience.mined
        pause = min(0.1, self.patience.poll)
        while True:
            for sent in hashes:
                try:
                    found = self.web3.eth.get_transaction_receipt(sent)
                except TransactionNotFound:
                    continue
                except Exception as exc:
                    self._say(f"the node did not answer ({type(exc).__name__}), asking again")
                    continue
                if found is not None and found.get("blockNumber") is not None:
                    return found
            if time.monotonic() > deadline:
                return None
            time.sleep(pause)
            pause = min(pause * 1.5, self.patience.poll)

    def _confirm(self, number: int) -> None:
        deadline = time.monotonic() + self.patience.mined * self.patience.tries
        while self.block()[0] < number + self.patience.confirmations - 1:
            if time.monotonic() > deadline:
                raise ChainError(f"block {number} was not confirmed in time; run again to go on")
            self.pause()

    def _why(self, fields: dict[str, Any], number: int) -> bytes:
        """Revert data of a mined failure, by calling again on the block before it."""
        request: dict[str, Any] = {"data": fields["data"], "from": self.account}
        if "to" in fields:
            request["to"] = fields["to"]
        try:
            self._ask(lambda: self.web3.eth.call(request, number - 1, ccip_read_enabled=False))
        except CallReverted as exc:
            return exc.data
        except ChainError:
            pass
        return b""

    def _ask(self, question: Callable[[], T]) -> T:
        """A request; failures become `CallReverted` or `ChainError`. Dead lines: thrice."""
        from requests.exceptions import RequestException
        from web3.exceptions import ContractLogicError, Web3Exception

        for attempt in range(3):
            try:
                return question()
            except ContractLogicError as exc:
                raise CallReverted(revert_data(exc)) from exc
            except (Web3Exception, ValueError) as exc:
                raise ChainError(f"the node refused: {short(exc)}") from exc
            except (RequestException, OSError, TimeoutError) as exc:
                if attempt == 2:
                    raise ChainError(f"the node does not answer: {short(exc)}") from exc
                time.sleep(0.2 * (attempt + 1))
        raise AssertionError("unreachable")


class IdleChain(Web3Chain):
    """A development chain that mines only what it is sent: a block is mined at the time waited for.

    `Web3Chain` asks such a node for a block too, but lets the time pass first.
    """

    def wait_until(self, timestamp: int, note: str) -> None:
        if self.block()[1] < timestamp:
            self._request("evm_setNextBlockTimestamp", timestamp)
            self._request("evm_mine")


def revert_data(exc: Exception) -> bytes:
    """The bytes that a web3 revert carries."""
    data = getattr(exc, "data", None)
    if isinstance(data, dict):
        data = data.get("data")
    if isinstance(data, bytes):
        return data
    if isinstance(data, str) and data.startswith("0x"):
        return bytes.fromhex(data[2:])
    return b""


def short(exc: Exception) -> str:
    """The first line of an error, without the rest of any URL in it: that may be secret."""
    text = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
    text = re.sub(r"\b(\w+)://[^\s'\"]+", r"\1://...", text)
    return text if len(text) <= 300 else text[:300] + "..."


def connect(url: str, timeout: float = 30.0) -> Any:
    """A web3 object on an HTTP node; `ChainError` where none answers. URLs may be secret."""
    from web3 import HTTPProvider, Web3
    from web3.middleware import ExtraDataToPOAMiddleware

    web3 = Web3(HTTPProvider(url, request_kwargs={"timeout": timeout}))
    web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
    try:
        _ = web3.eth.chain_id
    except Exception as exc:
        raise ChainError(f"the node does not answer: {type(exc).__name__}") from exc
    return web3
