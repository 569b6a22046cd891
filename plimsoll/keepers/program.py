"""A program that looks at many accounts within one `eth_call`, without being deployed.

It is sent as creation code with the account ids appended, so every node runs it as it is: no helper
contract, no state override. What the creation would store as code is its answer: a zero byte, then
16 bytes per account, in order, for as many accounts as the call's gas allowed.
"""

from __future__ import annotations

from dataclasses import dataclass

ANSWER_BYTES = 16
FLAG_FROZEN, FLAG_IDLE, FLAG_UNREADABLE = 1, 2, 4
MARGIN_BITS = 120  # signed quote units; flags lie above
# Gas kept back for the last account looked at (72 legs), and per byte returned as "code".
RESERVE_GAS = 1_500_000
DEPOSIT_GAS = 200 * ANSWER_BYTES
MAX_ACCOUNTS = 1_400  # answers stay under the size limit of code, 24,576 bytes

_OPS = {
    "ADD": 0x01, "MUL": 0x02, "SUB": 0x03, "LT": 0x10, "ISZERO": 0x15, "AND": 0x16, "OR": 0x17,
    "SHL": 0x1B, "SHR": 0x1C, "CODESIZE": 0x38, "CODECOPY": 0x39, "RETURNDATASIZE": 0x3D,
    "RETURNDATACOPY": 0x3E, "TIMESTAMP": 0x42, "NUMBER": 0x43,
    "MLOAD": 0x51, "MSTORE": 0x52, "JUMP": 0x56, "JUMPI": 0x57, "GAS": 0x5A, "CALL": 0xF1,
    "RETURN": 0xF3, "STATICCALL": 0xFA,
}  # fmt: skip
# Memory: 0 calldata of a call | 64 what it returns | then the words below, then the answer.
_RETURNED, _AT, _FILL, _FROZEN, _OUT = 0x40, 0x180, 0x1A0, 0x1C0, 0x200
_STANDING_WORDS = 9
_EQUITY, _LINEAR, _SUPERLINEAR, _STALE_VALUE = (_RETURNED + 32 * i for i in (0, 1, 2, 4))

Token = str | int | tuple[str, int]


def assemble(tokens: list[Token]) -> bytes:
    """Opcodes by name, numbers as the shortest PUSH, `:name` a place, `@name` a push of it.

    A number in a pair with "WIDE" takes two bytes whatever it is.
    """
    code, places, uses = bytearray(), dict[str, int](), list[tuple[int, str]]()
    for token in tokens:
        if isinstance(token, int):
            raw = token.to_bytes(max(1, (token.bit_length() + 7) // 8), "big")
            code += bytes([0x5F + len(raw)]) + raw
        elif isinstance(token, tuple):
            code += b"\x61" + token[1].to_bytes(2, "big")
        elif token.startswith(":"):
            places[token[1:]] = len(code)
            code.append(0x5B)
        elif token.startswith("@"):
            uses.append((len(code) + 1, token[1:]))
            code += b"\x61\x00\x00"
        else:
            code.append(_OPS[token])
    places["end"] = len(code)
    for at, name in uses:
        code[at : at + 2] = places[name].to_bytes(2, "big")
    return bytes(code)


def _t(text: str, **values: int) -> list[Token]:
    """Tokens of a line; words in braces-free lower case are looked up in `values`."""
    return [
        values[word] if word in values else int(word, 0) if word[0].isdigit() else word
        for word in text.split()
    ]


def _call(selector: int, engine: int, words: int) -> list[Token]:
    """Asks the engine about the account at `_AT`; leaves 1 where it answered that many words."""
    return [
        *_t("sel 224 SHL 0 MSTORE", sel=selector),
        *_t("32 at MLOAD 4 CODECOPY", at=_AT),
        *_t("size out 36 0 engine GAS STATICCALL", size=32 * words, out=_RETURNED, engine=engine),
        *_t("size RETURNDATASIZE LT ISZERO AND", size=32 * words),
    ]


def build(engine: str, head_selector: bytes, standing_selector: bytes) -> bytes:
    """The program for the engine at this address.

    Per account: `head`; idle (nothing held but own cash) unless it holds perps, owes cash or is
    frozen; else `standing`, and E - stale value - linear - superlinear, at most what the auction
    counts as E - R.
    """
    at = {"at": _AT, "fill": _FILL, "frozen": _FROZEN, "out": _OUT, "got": _RETURNED}
    address = int(engine, 16)
    tokens: list[Token] = [
        "@end", *_t("at MSTORE", **at), *_t("start fill MSTORE", start=_OUT + 1, **at),
        ":loop",
        *_t("CODESIZE at MLOAD LT ISZERO @done JUMPI", **at),
        # gas < RESERVE + 200 per byte of the answer so far
        *_t("out fill MLOAD SUB 200 MUL reserve ADD", reserve=RESERVE_GAS + DEPOSIT_GAS, **at),
        *_t("GAS LT @done JUMPI"),
        *_t("0 frozen MSTORE", **at),
        *_call(int.from_bytes(head_selector, "big"), address, 1),
        *_t("ISZERO @unreadable JUMPI"),
        *_t("got MLOAD 226 SHR 1 AND frozen MSTORE", **at),
        # frozen | perps | cash shares negative
        *_t("got MLOAD 226 SHR 255 AND got MLOAD 103 SHR 1 AND OR ISZERO @idle JUMPI", **at),
        *_call(int.from_bytes(standing_selector, "big"), address, _STANDING_WORDS),
        *_t("ISZERO @unreadable JUMPI"),
        *_t("s MLOAD l MLOAD ADD v MLOAD ADD", s=_SUPERLINEAR, l=_LINEAR, v=_STALE_VALUE),
        *_t("e MLOAD SUB mask AND", e=_EQUITY, mask=2**MARGIN_BITS - 1),
        *_t("frozen MLOAD 120 SHL OR @store JUMP", **at),
        ":unreadable", *_t("flag frozen MLOAD OR 120 SHL @store JUMP", flag=FLAG_UNREADABLE, **at),
        ":idle", *_t("flag 120 SHL", flag=FLAG_IDLE),
        ":store",
        *_t("128 SHL fill MLOAD MSTORE", **at),
        *_t("fill MLOAD 16 ADD fill MSTORE at MLOAD 32 ADD at MSTORE @loop JUMP", **at),
        ":done", *_t("out fill MLOAD SUB out RETURN", **at),
    ]  # fmt: skip
    return assemble(tokens)


@dataclass(frozen=True)
class Seen:
    """One account as the program saw it. `margin`: E - R in quote units, 0 where not read."""

    account: int
    margin: int
    frozen: bool
    idle: bool
    unreadable: bool

    @property
    def wanted(self) -> bool:
        """Whether somebody should look closer."""
        return self.frozen or (not self.idle and not self.unreadable and self.margin < 0)


def parse(accounts: list[int], answer: bytes) -> list[Seen]:
    """What the program returned, for the first of these accounts."""
    body = answer[1:]
    if not answer or answer[0] != 0 or len(body) % ANSWER_BYTES or not body:
        raise ValueError(f"expected a zero byte and 16 bytes per account, got {answer[:40].hex()}")
    seen = []
    for number in range(len(body) // ANSWER_BYTES):
        word = int.from_bytes(body[number * 16 : number * 16 + 16], "big")
        flags, margin = word >> MARGIN_BITS, word & (2**MARGIN_BITS - 1)
        margin -= 2**MARGIN_BITS if margin >> (MARGIN_BITS - 1) else 0
        seen.append(
            Seen(
                accounts[number],
                margin,
                bool(flags & FLAG_FROZEN),
                bool(flags & FLAG_IDLE),
                bool(flags & FLAG_UNREADABLE),
            )
        )
    return seen
