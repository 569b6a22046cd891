"""Encode and sign the surface reports that ImpliedSurfaces.submit takes.

EIP-712 type as in contracts/oracle/surface_reports.vy. Forwards are ticks (1e-9 USD), times
seconds, SVI parameters 1e-12.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from typing import Any

from eth_abi.abi import encode as abi_encode
from eth_utils.crypto import keccak

from plimsoll.signed_reports import DOMAIN_TYPE, Signature
from plimsoll.units import Number, Rounding, ticks, to_units

DOMAIN_NAME, DOMAIN_VERSION = "Plimsoll Surfaces", "1"
_SLICE = (
    "Slice(uint256 expiry,uint256 forward,int256 a,uint256 b,int256 rho,int256 m,uint256 sigma)"
)
SLICE_TYPE = keccak(text=_SLICE)
REPORT_TYPE = keccak(
    text=f"SurfaceReport(uint256 feed,uint256 time,uint256 sequence,Slice[] slices){_SLICE}"
)


@dataclass(frozen=True)
class SliceReport:
    """Forward and raw SVI parameters of one expiry, in the order of the contract's struct."""

    expiry: int  # s
    forward: int  # ticks
    a: int  # 1e-12
    b: int  # 1e-12
    rho: int  # 1e-12
    m: int  # 1e-12
    sigma: int  # 1e-12

    @classmethod
    def of(
        cls,
        expiry: int,
        forward: Number,
        a: Number,
        b: Number,
        rho: Number,
        m: Number,
        sigma: Number,
    ) -> SliceReport:
        """From human numbers: forward in USD, parameters as in the formula of w(k)."""
        parameters = (_parameter(value) for value in (a, b, rho, m, sigma))
        return cls(expiry, ticks(forward), *parameters)

    def digest(self) -> bytes:
        """EIP-712 hash of the struct."""
        types = ["bytes32", "uint256", "uint256", "int256", "uint256", "int256", "int256"]
        return keccak(abi_encode([*types, "uint256"], [SLICE_TYPE, *astuple(self)]))


@dataclass(frozen=True)
class SurfaceReport:
    """Slices of one feed observed at one time, ascending by expiry."""

    feed: int
    time: int  # s
    sequence: int
    slices: tuple[SliceReport, ...]

    def digest(self, chain_id: int, surfaces: str) -> bytes:
        """What the signers sign for the contract at this address on this chain."""
        domain = keccak(
            abi_encode(
                ["bytes32", "bytes32", "bytes32", "uint256", "address"],
                [
                    DOMAIN_TYPE,
                    keccak(text=DOMAIN_NAME),
                    keccak(text=DOMAIN_VERSION),
                    chain_id,
                    surfaces,
                ],
            )
        )
        inner = keccak(b"".join(one.digest() for one in self.slices))
        struct = keccak(
            abi_encode(
                ["bytes32", "uint256", "uint256", "uint256", "bytes32"],
                [REPORT_TYPE, self.feed, self.time, self.sequence, inner],
            )
        )
        return keccak(b"\x19\x01" + domain + struct)

    def arguments(self, signatures: Sequence[Signature]) -> tuple[Any, ...]:
        """Arguments of `submit`. Signatures go in as given; they must be ascending by signer."""
        packed = b"".join(signature.packed() for signature in signatures)
        slices = [astuple(one) for one in self.slices]
        return self.feed, self.time, self.sequence, slices, packed


def sign(
    report: SurfaceReport, keys: Iterable[str], chain_id: int, surfaces: str
) -> list[Signature]:
    """One signature per private key (hex), in ascending order of signer."""
    from eth_account import Account

    digest = report.digest(chain_id, surfaces)
    signed = []
    for key in keys:
        account = Account.from_key(key)
        signed.append(Signature(account.address, bytes(account.unsafe_sign_hash(digest).signature)))
    return sorted(signed, key=lambda signature: int(signature.signer, 16))


def _parameter(value: Number) -> int:
    """1e-12 of a parameter, rounded down: a fit has more digits than that."""
    return to_units(value, -12, Rounding.FLOOR)
