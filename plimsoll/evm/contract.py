"""A deployed contract with its methods as Python attributes.

engine.balanceOf(trader)                      a view: the decoded value
receipt = engine.deposit(5, sender=trader)    a transaction: a Receipt, `.value` decoded
engine.deposit.call(5, sender=trader)         the same, changing nothing
engine.deposit.pack(5)                        its calldata
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from eth_utils.crypto import keccak

from plimsoll.evm.abi import checksum, make_decoder, make_encoder, signature

if TYPE_CHECKING:
    from plimsoll.evm import Evm, Receipt


class Method:
    """One ABI function. Vyper's default arguments give several encoders, chosen by count."""

    def __init__(self, contract: Contract, entries: Sequence[Mapping[str, Any]]) -> None:
        self._evm = contract.evm
        self._to = contract.raw_address
        self.name = str(entries[0]["name"])
        self.is_view = entries[0]["stateMutability"] in ("view", "pure")
        self.selectors = {signature(e): keccak(text=signature(e))[:4] for e in entries}
        self._encoders = {
            len(e["inputs"]): make_encoder(e["inputs"], self.selectors[signature(e)])
            for e in entries
        }
        self._decode = make_decoder(entries[0]["outputs"])
        # With one signature the encoder itself is the method, which hot calls feel.
        self.pack: Callable[..., bytes] = (
            next(iter(self._encoders.values())) if len(entries) == 1 else self._pack_by_count
        )

    def _pack_by_count(self, *args: Any) -> bytes:
        encoder = self._encoders.get(len(args)) or next(iter(self._encoders.values()))
        return encoder(*args)

    def call(self, *args: Any, sender: Any = None, value: int = 0) -> Any:
        """Run without keeping changes; returns the decoded value or raises `Reverted`."""
        return self._decode(self._evm.call(self._to, self.pack(*args), sender, value).output)

    def transact(self, *args: Any, sender: Any = None, value: int = 0) -> Receipt:
        """Run as a transaction; raises `Reverted` where it fails."""
        receipt = self._evm.transact(self._to, self.pack(*args), sender, value)
        receipt.raise_for_failure()
        receipt.value = self._decode(receipt.output)
        return receipt

    def __call__(self, *args: Any, sender: Any = None, value: int = 0) -> Any:
        run = self.call if self.is_view else self.transact
        return run(*args, sender=sender, value=value)


class Contract:
    """A contract at an address; attribute access finds ABI functions."""

    def __init__(self, evm: Evm, address: bytes, abi: Sequence[Mapping[str, Any]]) -> None:
        self.evm = evm
        self.raw_address = address
        self.address: str = checksum(address)
        self.abi = abi
        self.deployment: Receipt | None = None
        self._methods: dict[str, Method] = {}
        self._groups: dict[str, list[Mapping[str, Any]]] = {}
        for entry in abi:
            if entry["type"] == "function":
                self._groups.setdefault(entry["name"], []).append(entry)

    def method(self, name: str) -> Method:
        """The function called `name` (also where Python or this class reserves the name)."""
        found = self._methods.get(name)
        if found is None:
            if name not in self._groups:
                known = ", ".join(sorted(self._groups))
                raise AttributeError(f"no function {name!r} in this ABI; it has: {known}")
            found = self._methods[name] = Method(self, self._groups[name])
        return found

    def pack(self, name: str, *args: Any) -> bytes:
        """Calldata of one call."""
        return self.method(name).pack(*args)

    def __getattr__(self, name: str) -> Method:
        # Reached where normal lookup fails; the found method is kept, so once per function.
        if name.startswith("__") or "_groups" not in self.__dict__:
            raise AttributeError(name)
        found = self.__dict__[name] = self.method(name)
        return found

    def __repr__(self) -> str:
        return f"<Contract {self.address}>"
