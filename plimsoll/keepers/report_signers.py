"""Keys that sign price reports: accounts of ape, or private keys in the environment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from plimsoll.keepers.access import Usage, ape_account
from plimsoll.signed_reports import PriceReport, Signature, encode_update, sign, typed_parts

KEYS_VARIABLE = "PLIMSOLL_REPORT_KEYS"


class ReportSigner(Protocol):
    """Somebody who signs reports."""

    @property
    def address(self) -> str:
        """Checksummed address."""

    def sign(self, report: PriceReport, chain_id: int, adapter: str) -> Signature:
        """The signature for the adapter at this address on this chain."""


class KeySigner:
    """A private key in this process."""

    def __init__(self, key: str) -> None:
        from eth_account import Account

        self._key = key
        self.address = str(Account.from_key(key).address)

    def sign(self, report: PriceReport, chain_id: int, adapter: str) -> Signature:
        """See `ReportSigner`."""
        return sign(report, [self._key], chain_id, adapter)[0]


class AccountSigner:
    """An account of ape: a keyfile, or whatever its plugins offer, that signs EIP-712 data."""

    def __init__(self, account: Any) -> None:
        self._account = account
        self.address = str(account.address)

    def sign(self, report: PriceReport, chain_id: int, adapter: str) -> Signature:
        """See `ReportSigner`. `Usage` where the account refuses."""
        from eth_account.messages import SignableMessage
        from hexbytes import HexBytes

        domain, struct = typed_parts(report, chain_id, adapter)
        message = SignableMessage(HexBytes(b"\x01"), HexBytes(domain), HexBytes(struct))
        signed = self._account.sign_message(message)
        if signed is None:
            raise Usage(f"the account {self.address} did not sign a report; nothing was sent")
        r, s = (bytes(part).rjust(32, b"\x00") for part in (signed.r, signed.s))
        return Signature(self.address, r + s + bytes([signed.v]))


@dataclass(frozen=True)
class Panel:
    """Who signs for one signer set: as many as it needs, ascending."""

    signers: tuple[ReportSigner, ...]

    def update(self, report: PriceReport, chain_id: int, adapter: str) -> bytes:
        """The bytes for `poke`."""
        return encode_update(
            report, [signer.sign(report, chain_id, adapter) for signer in self.signers]
        )


def load_signers(aliases: Sequence[str]) -> list[ReportSigner]:
    """The accounts of ape with these aliases, else the keys in the environment; may be empty."""
    if aliases:
        return [AccountSigner(ape_account(alias, "--signer")) for alias in aliases]
    keys = [key for key in os.environ.get(KEYS_VARIABLE, "").replace(",", " ").split() if key]
    try:
        return [KeySigner(key) for key in keys]
    except ValueError as exc:
        raise Usage(
            f"{KEYS_VARIABLE}: expected private keys of 32 bytes in hex, separated by commas"
        ) from exc


def choose(
    signers: Sequence[ReportSigner], members: Sequence[bool], threshold: int
) -> Panel | None:
    """The first `threshold` of the signers that are members, ascending; None where too few are."""
    chosen = [one for one, member in zip(signers, members, strict=True) if member][:threshold]
    if len(chosen) < threshold or threshold == 0:
        return None
    return Panel(tuple(sorted(chosen, key=lambda one: int(one.address, 16))))
