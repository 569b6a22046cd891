"""ABI pieces: hand-packed calldata for static words, named returns, events, revert data.

Addresses go in as "0x" strings, 20 bytes, or anything with an `.address`; they come out as
checksummed strings. Structs come out as named tuples and may go in as tuples, lists or mappings.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import DecodingError, EncodingError
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

Packer = Callable[[Any], bytes]
checksum = cache(to_checksum_address)


class ArgumentError(ValueError):
    """An argument does not fit its ABI type, or the count is wrong."""


def to_address(value: Any) -> bytes:
    """20 bytes from a hex string, bytes, or an object with an `.address`."""
    value = getattr(value, "address", value)
    raw = bytes.fromhex(value.removeprefix("0x")) if isinstance(value, str) else value
    if not isinstance(raw, bytes) or len(raw) != 20:
        raise ArgumentError(f"expected an address of 20 bytes, got {value!r}")
    return raw


def type_name(entry: Mapping[str, Any]) -> str:
    """Canonical type of one ABI input or output, tuples spelled out."""
    kind = str(entry["type"])
    if kind.startswith("tuple"):
        return "(" + ",".join(type_name(part) for part in entry["components"]) + ")" + kind[5:]
    return kind


def signature(entry: Mapping[str, Any]) -> str:
    """`name(type,type)` of a function or event."""
    return f"{entry['name']}({','.join(type_name(part) for part in entry['inputs'])})"


def _integer_packer(kind: str) -> Packer:
    signed = kind.startswith("int")
    bits = int(kind[3 if signed else 4 :])
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)

    def pack(value: Any) -> bytes:
        if type(value) is not int or not low <= value <= high:
            raise ArgumentError(f"expected {kind} in [{low}, {high}], got {value!r}")
        return value.to_bytes(32, "big", signed=signed)

    return pack


def _pack_bool(value: Any) -> bytes:
    if value is not True and value is not False:
        raise ArgumentError(f"expected a bool, got {value!r}")
    return b"\x00" * 31 + (b"\x01" if value else b"\x00")


def _pack_address(value: Any) -> bytes:
    return b"\x00" * 12 + to_address(value)


def _bytes_packer(kind: str) -> Packer:
    size = int(kind[5:])

    def pack(value: Any) -> bytes:
        if not isinstance(value, bytes) or len(value) != size:
            raise ArgumentError(f"expected {size} bytes for {kind}, got {value!r}")
        return value.ljust(32, b"\x00")

    return pack


def word_packer(kind: str) -> Packer | None:
    """Packer of one static word, or None where the type is not a single word."""
    if "[" in kind or "(" in kind or kind in ("string", "bytes"):
        return None
    if kind == "bool":
        return _pack_bool
    if kind == "address":
        return _pack_address
    if kind.startswith("bytes"):
        return _bytes_packer(kind)
    return _integer_packer(kind) if kind.lstrip("u").startswith("int") else None


def _plain(value: Any, entry: Mapping[str, Any]) -> Any:
    """The argument in the form eth-abi takes: mappings to tuples, addresses to bytes."""
    kind = str(entry["type"])
    if kind.endswith("]"):
        inner = {**entry, "type": kind[: kind.rindex("[")]}
        return [_plain(item, inner) for item in value]
    if kind == "tuple":
        parts = entry["components"]
        items = [value[p["name"]] for p in parts] if isinstance(value, Mapping) else list(value)
        if len(items) != len(parts):
            raise ArgumentError(f"expected {len(parts)} fields for {type_name(entry)}, got {value}")
        return tuple(_plain(item, part) for item, part in zip(items, parts, strict=True))
    return to_address(value) if kind == "address" else value


def make_encoder(inputs: Sequence[Mapping[str, Any]], prefix: bytes) -> Callable[..., bytes]:
    """Encoder of one argument list behind `prefix`; static words never touch eth-abi."""
    kinds = [type_name(entry) for entry in inputs]
    words = [packer for packer in map(word_packer, kinds) if packer is not None]

    def check_count(args: tuple[Any, ...]) -> None:
        if len(args) != len(kinds):
            raise ArgumentError(f"expected {len(kinds)} arguments ({kinds}), got {len(args)}")

    def encode_words(*args: Any) -> bytes:
        check_count(args)
        return prefix + b"".join([pack(arg) for pack, arg in zip(words, args, strict=True)])

    def encode_any(*args: Any) -> bytes:
        check_count(args)
        plain = [_plain(arg, entry) for arg, entry in zip(args, inputs, strict=True)]
        try:
            return prefix + abi_encode(kinds, plain)
        except (EncodingError, TypeError, ValueError) as exc:
            raise ArgumentError(f"arguments do not fit {kinds}: {exc}") from exc

    return encode_words if len(words) == len(kinds) else encode_any


@cache
def _tuple_class(name: str, fields: tuple[str, ...]) -> Any:
    return namedtuple(name, fields, rename=True)


def _named(value: Any, entry: Mapping[str, Any]) -> Any:
    kind = str(entry["type"])
    if kind.endswith("]"):
        inner = {**entry, "type": kind[: kind.rindex("[")]}
        return [_named(item, inner) for item in value]
    if kind == "tuple":
        parts = entry["components"]
        cls = _tuple_class(entry.get("name") or "Struct", tuple(part["name"] for part in parts))
        return cls(*(_named(item, part) for item, part in zip(value, parts, strict=True)))
    return checksum(value) if kind == "address" else value


def make_decoder(outputs: Sequence[Mapping[str, Any]]) -> Callable[[bytes], Any]:
    """Decoder of return data: None, one value, or a (named) tuple of values."""
    kinds = [type_name(entry) for entry in outputs]
    if kinds == ["uint256"] or kinds == ["int256"]:
        signed = kinds == ["int256"]
        return lambda data: int.from_bytes(data[:32], "big", signed=signed)

    def decode(data: bytes) -> Any:
        values = [_named(v, e) for v, e in zip(abi_decode(kinds, data), outputs, strict=True)]
        if len(values) == 1:
            return values[0]
        return _tuple_class("Returned", tuple(e["name"] for e in outputs))(*values)

    return decode if kinds else lambda data: None


class EventDecoder:
    """Decodes one event type. `topic` is its 32-byte id, `indexed` its count of indexed fields."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.name = str(entry["name"])
        self.topic = keccak(text=signature(entry))
        self._inputs = entry["inputs"]
        self.indexed = sum(1 for part in self._inputs if part["indexed"])
        self._body = [part for part in self._inputs if not part["indexed"]]

    def decode(self, topics: Sequence[bytes], data: bytes) -> dict[str, Any]:
        """Field name -> value, in the order of declaration."""
        body = iter(abi_decode([type_name(part) for part in self._body], data))
        heads = iter(topics[1:])
        values = {}
        for part in self._inputs:
            value = self._head(part, next(heads)) if part["indexed"] else next(body)
            values[part["name"]] = _named(value, part)
        return values

    @staticmethod
    def _head(part: Mapping[str, Any], topic: bytes) -> Any:
        kind = type_name(part)
        return abi_decode([kind], topic)[0] if word_packer(kind) else topic


def decode_error_arguments(types: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """Arguments behind an error selector; raw bytes where they do not match the table."""
    try:
        values = abi_decode(list(types), data)
    except DecodingError:
        return (data,)
    return tuple(_named(v, {"type": kind}) for v, kind in zip(values, types, strict=True))
