"""Encode and sign the price reports that OracleAdapter.poke takes.

Layout and EIP-712 type as documented in contracts/oracle/signed_reports.vy. Prices are ticks
(1e-9 USD), times seconds, premium 1e-6 of price.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from eth_abi.abi import encode as abi_encode
from eth_utils.crypto import keccak

DOMAIN_NAME, DOMAIN_VERSION = "Plimsoll Oracle", "1"
DOMAIN_TYPE = keccak(
    text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
REPORT_TYPE = keccak(
    text="PriceReport(uint256 feed,uint256 source,uint256 price,uint256 time,uint256 sequence,"
    "int256 premium)"
)


@dataclass(frozen=True)
class PriceReport:
    """One observation of one feed's source."""

    feed: int
    source: int
    price: int  # ticks
    time: int  # s
    sequence: int
    premium: int = 0  # 1e-6 of price

    def head(self) -> bytes:
        """The 25 bytes before the signatures."""
        return (
            self.source.to_bytes(1, "big")
            + self.price.to_bytes(8, "big")
            + self.time.to_bytes(4, "big")
            + self.sequence.to_bytes(8, "big")
            + self.premium.to_bytes(4, "big", signed=True)
        )

    def digest(self, chain_id: int, adapter: str) -> bytes:
        """What the signers sign for the adapter at this address on this chain."""
        return keccak(b"\x19\x01" + b"".join(typed_parts(self, chain_id, adapter)))


def typed_parts(report: PriceReport, chain_id: int, adapter: str) -> tuple[bytes, bytes]:
    """The two hashes of the EIP-712 message: the domain's and the report's."""
    domain = keccak(
        abi_encode(
            ["bytes32", "bytes32", "bytes32", "uint256", "address"],
            [
                DOMAIN_TYPE,
                keccak(text=DOMAIN_NAME),
                keccak(text=DOMAIN_VERSION),
                chain_id,
                adapter,
            ],
        )
    )
    r = report
    fields = [r.feed, r.source, r.price, r.time, r.sequence, r.premium]
    struct = keccak(abi_encode(["bytes32"] + ["uint256"] * 5 + ["int256"], [REPORT_TYPE, *fields]))
    return domain, struct


@dataclass(frozen=True)
class Signature:
    """One signature: the signer's address, a key or a contract, and 65 bytes r | s | v."""

    signer: str
    data: bytes

    def packed(self) -> bytes:
        """The 85 bytes in an update."""
        if len(self.data) != 65:
            raise ValueError(f"expected a signature of 65 bytes (r, s, v), got {len(self.data)}")
        return bytes.fromhex(self.signer.removeprefix("0x")) + self.data


def sign(report: PriceReport, keys: Iterable[str], chain_id: int, adapter: str) -> list[Signature]:
    """One signature per private key (hex), in ascending order of signer."""
    from eth_account import Account

    digest = report.digest(chain_id, adapter)
    signed = []
    for key in keys:
        account = Account.from_key(key)
        signed.append(Signature(account.address, bytes(account.unsafe_sign_hash(digest).signature)))
    return sorted(signed, key=lambda signature: int(signature.signer, 16))


def encode_update(report: PriceReport, signatures: Sequence[Signature]) -> bytes:
    """The update for `poke`. Signatures go in as they are given; they must be ascending."""
    return report.head() + b"".join(signature.packed() for signature in signatures)
