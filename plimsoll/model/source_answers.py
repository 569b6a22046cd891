"""What becomes of the sources' answers: which datum is kept, and one price of all that are fresh.

Changes with the rules of acceptance and of aggregation (contracts/oracle/price_sources.vy,
signed_reports.vy, aggregation.vy); units as in oracle.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from plimsoll.model.feed_words import Datum, Leg, Source, Terms
from plimsoll.model.price_sources import ticks_floor


class Refused(ValueError):
    """A report that the contract reverts on; the message is the error's name."""


@dataclass(frozen=True)
class Answer:
    """What an on-chain source answered; a failed read is None in its place.

    `exponent` is None for an aggregator, whose decimals are pinned, and a decimal exponent for a
    `price_sources.Observation`.
    """

    round: int
    answer: int
    time: int
    exponent: int | None = None


@dataclass(frozen=True)
class Report:
    """A signed report for the source at `source`."""

    source: int
    price: int
    time: int
    sequence: int
    premium: int = 0


@dataclass(frozen=True)
class Aggregate:
    """One price from the data within their age limits."""

    valid: int
    median: int
    low: int
    high: int
    oldest: int
    stale_at: int

    def spread_above(self, limit: int) -> bool:
        """Whether max - min exceeds `limit` (1e-4) of the median."""
        return (self.high - self.low) * 10_000 > self.median * limit


def to_ticks_floor(answer: int, decimals: int) -> int:
    """An aggregator's answer in ticks; 0 if it is negative or 2**128 or more."""
    if not 0 <= answer < 2**128:
        return 0
    if decimals <= 9:
        return answer * int(10 ** (9 - decimals))
    return answer // int(10 ** (decimals - 9))


def take_answer(
    source: Source,
    kept: Datum | None,
    answer: Answer | None,
    terms: Terms,
    now: int,
    leg: Leg | None = None,
) -> Datum | None:
    """The on-chain source's newest datum: the answer's if it is sound and newer, else `kept`."""
    if answer is None or not 0 <= answer.round < 2**80 or not 0 < answer.time <= now:
        return kept
    time, number, via_price = answer.time, answer.round, 0
    if source.via:
        if leg is None:
            return kept
        number = time << 33 | leg.fixed
        time, via_price = min(time, leg.time), leg.price
    if kept and (number < kept.round or time < kept.time):
        return kept
    if kept and (number, time) == (kept.round, kept.time):
        return kept
    if answer.exponent is None and not source.inverse and not source.via:
        price = to_ticks_floor(answer.answer, source.decimals)
    else:
        exponent = -source.decimals if answer.exponent is None else answer.exponent
        price = ticks_floor(answer.answer, exponent, source.inverse, via_price)
    return Datum(price, time, number) if terms.in_bounds(price) else kept


def take_report(
    source: Source, kept: Datum | None, report: Report, terms: Terms, now: int
) -> Datum:
    """A verified report's datum. Raises `Refused` by the contract's error names."""
    if report.time > now:
        raise Refused("FutureReport")
    old_round, old_time = (kept.round, kept.time) if kept else (0, 0)
    newer = report.sequence > old_round and report.time >= old_time
    if not newer or report.time + source.max_age < now:
        raise Refused("OldReport")
    if not terms.in_bounds(report.price):
        raise Refused("OutOfRange")
    clamp = terms.premium_clamp
    premium = max(min(report.premium, clamp), -clamp)
    return Datum(report.price, report.time, report.sequence, premium)


def aggregate(
    sources: list[Source], data: list[Datum | None], terms: Terms, now: int
) -> Aggregate | None:
    """Median, range, oldest time and end of the quorum; None below the quorum."""
    pairs = [
        (datum, datum.time + source.max_age)
        for source, datum in zip(sources, data, strict=True)
        if datum is not None and datum.price and now - datum.time <= source.max_age
    ]
    if len(pairs) < terms.quorum:
        return None
    prices = sorted(datum.price for datum, _ in pairs)
    half = len(prices) // 2
    median = prices[half] if len(prices) % 2 else (prices[half - 1] + prices[half]) // 2
    return Aggregate(
        valid=len(pairs),
        median=median,
        low=prices[0],
        high=prices[-1],
        oldest=min(datum.time for datum, _ in pairs),
        stale_at=sorted((expiry for _, expiry in pairs), reverse=True)[terms.quorum - 1],
    )
