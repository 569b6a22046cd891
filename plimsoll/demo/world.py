"""A chain as the demonstration sees it: blocks of calls at a chosen second, many reads at once.

Two worlds stand behind one interface: `AnvilWorld` (a fork, every transaction and receipt real)
and `EvmWorld` (the same bytecode in this process, for quick replays in tests).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from plimsoll.compiler import PROJECT_ROOT, compile_path
from plimsoll.deployment.abi import abi_of, calldata, decoder
from plimsoll.errors import describe
from plimsoll.evm import Evm
from plimsoll.evm.abi import EventDecoder, make_decoder, make_encoder, signature, to_address
from plimsoll.evm.backend import Result
from plimsoll.localnet.anvil import Anvil
from plimsoll.localnet.errors import RpcError
from plimsoll.localnet.tx import decode_result, encode_call

BATCH = PROJECT_ROOT / "tests" / "contracts" / "ViewBatch.vy"
BATCH_SIZE = 200
GAS = 8_000_000  # limit of one transaction
RICH = 10**24  # wei
FLASH_BIDDER = "FlashBidder"  # contracts/examples
TOLD_BY = ("MarginEngine", "LiquidationAuction", "InsuranceFund", "OracleAdapter")  # by events
LOGGED = ("liquidation:", "withdraw", "poke")  # logs kept in process


class DemoError(RuntimeError):
    """The demonstration cannot go on: a step that has to work did not."""

    exit_code = 1


class Call(NamedTuple):
    """One transaction. `label` names the operation in tables; `value` in wei."""

    sender: str
    to: str
    data: bytes
    label: str
    may_fail: bool = False
    value: int = 0


class Log(NamedTuple):
    """An event as emitted."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes


@dataclass
class Outcome:
    """What became of a call. `data` is revert data where it failed."""

    call: Call
    ok: bool
    gas: int
    block: int
    time: int
    hash: str = ""
    data: bytes = b""
    logs: list[Log] = field(default_factory=list)


class View(NamedTuple):
    """One read: a contract by name, a function, its arguments."""

    contract: str
    function: str
    args: tuple[Any, ...] = ()


class Refused(NamedTuple):
    """In place of a value where a read reverted."""

    data: bytes

    @property
    def text(self) -> str:
        """The reason in words."""
        return describe(self.data)


class World(Protocol):
    """A chain, its clock moved by whoever holds it."""

    addresses: dict[str, str]
    chain_id: int
    gas_is_real: bool

    @property
    def now(self) -> int:
        """Timestamp of the newest block, unix seconds."""

    @property
    def number(self) -> int:
        """Number of the newest block."""

    def block(self, calls: Sequence[Call], at: int | None = None) -> list[Outcome]:
        """Mines one block with these calls in order, `at` a second later than the newest block."""

    def read(self, views: Sequence[View]) -> list[Any]:
        """Decoded values at the newest block; `Refused` where one reverted."""

    def trial(self, call: Call) -> bytes | Refused:
        """Return data of a call tried on the newest block and thrown away."""

    def storage(self, address: str, slot: int) -> int:
        """One storage word."""

    def balance_of(self, token: str, holder: str) -> int:
        """Token units an address holds; `token` by name."""

    def endow(self, owner: str, usd: int, weth: int) -> None:
        """Puts ether, dollars (token units) and wrapped ether (wei) into an address's pocket."""

    def close(self) -> None:
        """Lets everything go."""


def must(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes, none failed but those allowed to; `DemoError` names the first."""
    for one in outcomes:
        if not one.ok and not one.call.may_fail:
            raise DemoError(f"{one.call.label} in block {one.block}: {describe(one.data)}")
    return list(outcomes)


def act(
    world: World,
    sender: str,
    contract: str,
    function: str,
    *args: Any,
    label: str = "",
    **more: Any,
) -> Call:
    """A call of one of the house's own contracts."""
    data = calldata(contract, function, *args)
    return Call(sender, world.addresses[contract], data, label or function, **more)


def call_text(
    world: World, sender: str, to: str, signature: str, *args: Any, label: str = ""
) -> Call:
    """A call by signature text; `to` a name in `addresses` or an address."""
    target = world.addresses.get(to, to)
    return Call(sender, target, encode_call(signature, *args), label or signature.split("(")[0])


class Events:
    """Decodes logs of the house's contracts."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._known: dict[tuple[str, bytes, int], tuple[str, EventDecoder]] = {}
        for name in (*TOLD_BY, FLASH_BIDDER):
            for entry in abi_of(name):
                if entry["type"] == "event":
                    one = EventDecoder(entry)
                    self._known[addresses[name].lower(), one.topic, one.indexed] = (name, one)

    def of(self, outcome: Outcome) -> list[tuple[str, dict[str, Any]]]:
        """(Contract.Event, fields) of each log that is known."""
        found = []
        for log in outcome.logs:
            if not log.topics:
                continue
            key = (log.address.lower(), log.topics[0], len(log.topics) - 1)
            if key in self._known:
                contract, one = self._known[key]
                found.append((f"{contract}.{one.name}", one.decode(log.topics, log.data)))
        return found


def _many() -> tuple[Any, Any]:
    """Encoder and decoder of `ViewBatch.many`."""
    entry = next(e for e in compile_path(BATCH).abi if e.get("name") == "many")
    selector = keccak(text=signature(entry))[:4]
    return make_encoder(entry["inputs"], selector), make_decoder(entry["outputs"])


class AnvilWorld:
    """A fork in an Anvil that mines only when told and lets any address send."""

    gas_is_real = True

    def __init__(self, anvil: Anvil, addresses: dict[str, str], treasurer: str) -> None:
        self.anvil = anvil
        self.rpc = anvil.rpc
        self.addresses = addresses
        self.treasurer = treasurer  # whose dollars endow everybody
        self.chain_id = self.rpc.chain_id()
        self._head = self._latest()
        self._encode, self._decode = _many()

    def _latest(self) -> tuple[int, int]:
        head = self.rpc.call("eth_getBlockByNumber", "latest", False)
        return int(head["number"], 16), int(head["timestamp"], 16)

    @property
    def now(self) -> int:
        return self._head[1]

    @property
    def number(self) -> int:
        return self._head[0]

    def block(self, calls: Sequence[Call], at: int | None = None) -> list[Outcome]:
        hashes = [self._send(one) for one in calls]
        when = max(self.now + 1, at if at is not None else 0)
        self.rpc.call("evm_setNextBlockTimestamp", when)
        self.rpc.call("evm_mine")
        self._head = self._latest()
        receipts = self.rpc.batch([("eth_getTransactionReceipt", [one]) for one in hashes])
        return [self._outcome(c, r) for c, r in zip(calls, receipts, strict=True)]

    def _send(self, call: Call) -> str:
        return str(self.rpc.call("eth_sendTransaction", _request(call)))

    def _outcome(self, call: Call, receipt: dict[str, Any] | None) -> Outcome:
        if receipt is None:
            raise DemoError(f"{call.label}: expected its receipt in block {self.number}, got none")
        ok = int(receipt["status"], 16) == 1
        data = b""
        if not ok:
            again = self.trial(call)
            data = again.data if isinstance(again, Refused) else b""
        logs = [
            Log(
                to_checksum_address(log["address"]),
                tuple(bytes.fromhex(topic[2:]) for topic in log["topics"]),
                bytes.fromhex(log["data"][2:]),
            )
            for log in receipt["logs"]
        ]
        return Outcome(
            call,
            ok,
            int(receipt["gasUsed"], 16),
            int(receipt["blockNumber"], 16),
            self.now,
            str(receipt["transactionHash"]),
            data,
            logs,
        )

    def read(self, views: Sequence[View]) -> list[Any]:
        found: list[Any] = []
        for start in range(0, len(views), BATCH_SIZE):
            found += self._read(views[start : start + BATCH_SIZE])
        return found

    def _read(self, views: Sequence[View]) -> list[Any]:
        targets = [self.addresses[one.contract] for one in views]
        calls = [calldata(one.contract, one.function, *one.args) for one in views]
        reply = self.rpc.eth_call(self.addresses["ViewBatch"], self._encode(targets, calls))
        return [
            decoder(one.contract, one.function)(raw[1:]) if raw[0] else Refused(bytes(raw[1:]))
            for one, raw in zip(views, self._decode(reply), strict=True)
        ]

    def trial(self, call: Call) -> bytes | Refused:
        try:
            return bytes.fromhex(self.rpc.call("eth_call", _request(call), "latest")[2:])
        except RpcError as error:
            return Refused(bytes.fromhex((error.data or "0x")[2:]))

    def storage(self, address: str, slot: int) -> int:
        return int(self.rpc.call("eth_getStorageAt", address, hex(slot), "latest"), 16)

    def balance_of(self, token: str, holder: str) -> int:
        data = encode_call("balanceOf(address)", holder)
        (amount,) = decode_result("(uint256)", self.rpc.eth_call(self.addresses[token], data))
        return int(amount)

    def endow(self, owner: str, usd: int, weth: int) -> None:
        self.rpc.call("anvil_setBalance", owner, hex(RICH))
        calls = []
        if usd:
            text = "transfer(address,uint256)"
            calls.append(call_text(self, self.treasurer, "usd", text, owner, usd))
        if weth:
            data = encode_call("deposit()")
            calls.append(Call(owner, self.addresses["weth"], data, "wrap", value=weth))
        must(self.block(calls))

    @contextmanager
    def automatic(self) -> Iterator[None]:
        """While it lasts each transaction mines its own block, a second after the one before."""
        self.rpc.call("anvil_setBlockTimestampInterval", 1)
        self.rpc.call("evm_setAutomine", True)
        try:
            yield
        finally:
            self.rpc.call("evm_setAutomine", False)
            self.rpc.call("anvil_removeBlockTimestampInterval")
            self._head = self._latest()

    def close(self) -> None:
        self.anvil.stop()


def _request(call: Call) -> dict[str, str]:
    """The call as a node takes it."""
    return {
        "from": call.sender,
        "to": call.to,
        "data": "0x" + call.data.hex(),
        "gas": hex(GAS),
        "value": hex(call.value),
    }


class EvmWorld:
    """The in-process EVM with mintable tokens; gas is not that of receipts."""

    gas_is_real = False

    def __init__(self, evm: Evm, addresses: dict[str, str]) -> None:
        self.evm = evm
        self.addresses = addresses
        self.chain_id = evm.chain_id

    @property
    def now(self) -> int:
        return self.evm.timestamp

    @property
    def number(self) -> int:
        return self.evm.number

    def block(self, calls: Sequence[Call], at: int | None = None) -> list[Outcome]:
        self.evm.set_timestamp(max(self.now + 1, at if at is not None else 0))
        return [self._run(one) for one in calls]

    def _run(self, call: Call) -> Outcome:
        receipt = self.evm.transact(call.to, call.data, call.sender, call.value)
        logs = []
        if receipt.success and call.label.startswith(LOGGED):
            logs = [
                Log(to_checksum_address(log.address), tuple(log.topics), log.data)
                for log in receipt.logs
            ]
        return Outcome(
            call,
            receipt.success,
            receipt.gas_used,
            self.number,
            self.now,
            "",
            b"" if receipt.success else receipt.output,
            logs,
        )

    def read(self, views: Sequence[View]) -> list[Any]:
        return [self._read(one) for one in views]

    def _read(self, view: View) -> Any:
        data = calldata(view.contract, view.function, *view.args)
        result = self._call(self.addresses[view.contract], data, self.addresses["usd"])
        if not result.success:
            return Refused(result.output)
        return decoder(view.contract, view.function)(result.output)

    def trial(self, call: Call) -> bytes | Refused:
        result = self._call(call.to, call.data, call.sender)
        return result.output if result.success else Refused(result.output)

    def _call(self, to: str, data: bytes, sender: str) -> Result:
        return self.evm.backend.call(to_address(sender), to_address(to), data, 0)

    def storage(self, address: str, slot: int) -> int:
        return self.evm.storage(address, slot)

    def balance_of(self, token: str, holder: str) -> int:
        data = encode_call("balanceOf(address)", holder)
        result = self.evm.view(self.addresses[token], data, holder)
        return int.from_bytes(result[:32], "big")

    def endow(self, owner: str, usd: int, weth: int) -> None:
        self.evm.set_balance(owner, RICH)
        for token, units in (("usd", usd), ("weth", weth)):
            if units:
                data = encode_call("mint(address,uint256)", owner, units)
                must([self._run(Call(owner, self.addresses[token], data, "mint"))])

    def close(self) -> None:
        """Nothing is held."""
