"""Intents in integers: what may be committed, what a fill takes.

Bit for bit what `contracts/liquidation/intents.vy` computes; properties P15, P16, P19, P20 of
docs/properties.md. Capacity in quote token units of R ("tok"), other money in quote units.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from plimsoll.model.auction import NANO, ONE, TOK, Curve, Slice, Standing, slice_terms, x_at

LIMIT = 2**64
MAX_LIFE = 30 * 86_400
REVOCATION = 3_600


class Refused(Exception):
    """The contract's error of the name given."""


@dataclass(frozen=True)
class Intent:
    """A commitment; field by field the contract's `Intent` (units there)."""

    capacity: int
    largest: int
    premium: int
    expiry: int
    collateral: bool = False
    markets: int = 2**256 - 1

    def revoked(self, now: int) -> Intent:
        """After its owner's revocation."""
        return replace(self, expiry=min(self.expiry, now + REVOCATION))


def check(intent: Intent, free: int, curve: Curve, now: int) -> None:
    """Raise `Refused` where it cannot be committed; `free`: E_init - R_init, qu."""
    check_terms(intent, curve, now)
    check_margin(intent, free, curve)


def check_terms(intent: Intent, curve: Curve, now: int) -> None:
    """Raise `Refused` where a field is out of its range, or the intent over before it began."""
    rules = (
        0 < intent.capacity < LIMIT,
        0 < intent.largest < LIMIT,
        intent.premium <= curve.x_max,
        intent.expiry <= now + MAX_LIFE,
        intent.markets != 0 or intent.collateral,
    )
    if not all(rules):
        raise Refused("OutOfRange")
    if intent.expiry < now:
        raise Refused("Expired")


def check_margin(intent: Intent, free: int, curve: Curve) -> None:
    """Raise `Refused` where the free initial margin (qu) is short."""
    if free < -(-intent.capacity * TOK * curve.intent_margin // NANO):
        raise Refused("IntentMargin")


def fill(
    intent: Intent | None,
    standing: Standing,
    held: int,
    curve: Curve,
    elapsed: int,
    now: int,
    waited: int = 0,
) -> Slice:
    """What a fill takes of an account in auction, before the fund's grant. `held`: its markets.

    `waited`: seconds of the clock for which the sale limiter held x.
    """
    if intent is None or now > intent.expiry:
        raise Refused("NoIntent")
    if x_at(curve, elapsed - waited) < intent.premium:
        raise Refused("BelowPremium")
    requirement = standing.requirement
    if (
        requirement > intent.largest * TOK
        or held & ~intent.markets
        or (standing.collateral * 100 > standing.requirement and not intent.collateral)
    ):
        raise Refused("IntentScope")
    if standing.stopped:
        raise Refused("ClockStopped")
    if standing.counted >= requirement:
        raise Refused("Healthy")
    if standing.equity < 0 and elapsed > curve.t_end:
        raise Refused("AuctionOver")
    if standing.room == 0:
        raise Refused("Throttled")
    most = ONE
    if intent.capacity * TOK < requirement:
        most = max(1, intent.capacity * TOK * ONE // requirement)
    return slice_terms(standing, curve, elapsed - waited, min(most, standing.room))


def left(intent: Intent, standing: Standing, sold: Slice) -> Intent | None:
    """The intent after a fill; None where its capacity is used up and its account is thawed."""
    return left_after(intent, standing.requirement * sold.fraction // ONE)


def left_after(intent: Intent, sold: int) -> Intent | None:
    """`left` by the R sold, qu; counted rounded up."""
    used = -(-sold // TOK)
    if used >= intent.capacity:
        return None
    return replace(intent, capacity=intent.capacity - used)
