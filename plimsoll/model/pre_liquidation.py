"""Pre-liquidation in integers: consent, the hour's cap, the slice on sale.

Bit for bit what `contracts/liquidation/pre_liquidation.vy` computes; properties P15, P16, P19, P20
of docs/properties.md. Money in quote units, fractions 1e-18, shares 1e-9 of R, times in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from plimsoll.model.auction import NANO, ONE, Curve, Slice, Standing, leaves_dust, size

ALWAYS = 2**40 - 1
DELAY = 3_600
STEP = 600
LANES = 7
SHARE = 10**11  # 1e-18, of one unit of a lane


class Refused(Exception):
    """The contract's error of the name given."""


@dataclass(frozen=True)
class Consent:
    """An account's word: opted in until, and what was sold by step, newest first (1e-7)."""

    until: int = 0
    step: int = 0
    lanes: tuple[int, ...] = (0,) * LANES

    def at(self, now: int) -> Consent:
        """With the lane of now in front, and what has run out gone."""
        age = now // STEP - self.step
        lanes = ((0,) * min(age, LANES) + self.lanes)[:LANES]
        return Consent(self.until if self.until >= now else 0, now // STEP, lanes)

    def room(self, curve: Curve, now: int) -> int:
        """What the cap leaves to sell, 1e-18."""
        return max(0, curve.pre_cap * 1_000 - sum(self.at(now).lanes)) * SHARE

    def sold(self, fraction: int, now: int) -> Consent:
        """After a slice; counted rounded up."""
        kept = self.at(now)
        first, *rest = kept.lanes
        return replace(kept, lanes=(first - -fraction // SHARE, *rest), until=self.until)

    def set(self, on: bool, standing: Standing, curve: Curve, now: int) -> Consent:
        """Opted in, or out: at once where E >= (1 + buffer) R on good feeds, else after DELAY."""
        until = ALWAYS
        if not on:
            until = min(self.at(now).until, now + DELAY)
            if meets(standing, curve.buffer) and standing.state == 0:
                until = 0
        return replace(self, until=until)


def meets(standing: Standing, margin: int) -> bool:
    """E >= (1 + margin) R, margin in nano."""
    return standing.equity * NANO >= standing.requirement * (NANO + margin)


def offer(standing: Standing, curve: Curve, most: int) -> Slice:
    """The slice on sale and its terms; R <= E < (1 + pre_band) R."""
    requirement = standing.requirement
    discount, fee = requirement * curve.pre_premium // NANO, requirement * curve.pre_fee // NANO
    price = standing.equity - discount - fee
    fraction = size(standing.equity, standing.linear, standing.superlinear, price, curve.pre_band)
    capped, fraction = most < fraction, min(most, fraction)
    return Slice(
        fraction, capped, discount * fraction // ONE, fee * fraction // ONE, 0, False, False
    )


def slice_of(
    consent: Consent, standing: Standing, curve: Curve, now: int, max_fraction: int = ONE
) -> Slice:
    """The slice a call gets now. Raises `Refused` where the contract reverts."""
    if consent.at(now).until == 0:
        raise Refused("NotOptedIn")
    if standing.state != 0:
        raise Refused("StalePrice")
    if not meets(standing, 0) or meets(standing, curve.pre_band):
        raise Refused("OutsideBand")
    room = consent.room(curve, now)
    if room == 0:
        raise Refused("HourlyCap")
    if standing.room == 0:
        raise Refused("Throttled")
    found = offer(standing, curve, min(room, max_fraction, standing.room))
    if standing.smallest >= curve.min_lots and leaves_dust(
        standing, found.fraction, curve.min_lots
    ):
        raise Refused("BadFraction")
    return found
