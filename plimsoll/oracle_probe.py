"""Why an on-chain source gives no datum: it is asked directly, and judged by the adapter's rules.

The order of the reasons is that of contracts/oracle/price_sources.vy; the arithmetic is the
model's (plimsoll.model.price_sources), which equals the contracts' bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from plimsoll.localnet.tx import encode_call
from plimsoll.model import price_sources as model
from plimsoll.oracle_words import (
    DatumWord,
    ExtraWord,
    FeedWords,
    Kind,
    SourceWord,
    State,
    TermsWord,
)
from plimsoll.units import from_ticks, from_units

GAS = 500_000  # more than the adapter gives any source
SIZES = {
    Kind.CHAINLINK: 160, Kind.PYTH: 128, Kind.UNISWAP_V3: 256, Kind.CURVE: 32, Kind.ERC4626: 32,
}  # fmt: skip


@dataclass(frozen=True)
class Subject:
    """A source to be asked about. `leg`: the stored words of the feed that it goes through."""

    terms: TermsWord
    source: SourceWord
    extra: int
    datum: DatumWord | None
    leg: FeedWords | None = None


def questions(source: SourceWord, extra: int) -> list[dict[str, Any]]:
    """What to ask by `eth_call`: the price as the adapter does, of an aggregator also decimals."""
    known = ExtraWord.of(source.kind, extra)
    if source.kind == Kind.CHAINLINK:
        calls = [encode_call("latestRoundData()"), encode_call("decimals()")]
    elif source.kind == Kind.PYTH:
        calls = [encode_call("getPriceUnsafe(bytes32)", known.price_id.to_bytes(32, "big"))]
    elif source.kind == Kind.UNISWAP_V3:
        calls = [encode_call("observe(uint32[])", [known.window, 0])]
    elif source.kind == Kind.CURVE and known.index is None:
        calls = [encode_call("price_oracle()")]
    elif source.kind == Kind.CURVE:
        calls = [encode_call("price_oracle(uint256)", known.index)]
    elif source.kind == Kind.ERC4626:
        calls = [encode_call("convertToAssets(uint256)", 10 ** known.decimals[0])]
    else:
        return []
    return [
        {"to": source.address, "data": "0x" + bytes(data).hex(), "gas": hex(GAS)} for data in calls
    ]


def reason(subject: Subject, replies: Sequence[bytes | None], now: int) -> str:
    """Why the source gives nothing new, by its answers (None: it reverted); "" where it would."""
    size = SIZES[Kind(subject.source.kind)]
    answer = replies[0]
    if answer is None:
        if subject.source.kind == Kind.UNISWAP_V3:
            return "it reverts: its history may be shorter than the window"
        return "it reverts"
    if len(answer) != size:
        return f"expected an answer of {size} bytes, got {len(answer)}"
    words = [int.from_bytes(answer[at : at + 32], "big") for at in range(0, size, 32)]
    seen = _observed(subject, words, now)
    if isinstance(seen, str):
        return seen
    return _placed(subject, seen, replies, now)


def _placed(
    subject: Subject, seen: model.Observation, replies: Sequence[bytes | None], now: int
) -> str:
    """What becomes of a sound answer in the feed."""
    source, kept = subject.source, subject.datum
    time, number, via_price = seen.time, seen.round, 0
    if source.via:
        leg = subject.leg.in_force(now) if subject.leg is not None else None
        if subject.leg is None or leg is None:
            return f"feed {source.via}, which it goes through, has no price"
        if leg.state_at(now) >= State.STALE:
            return f"feed {source.via}, which it goes through, is {leg.state_at(now).name}"
        number = time << 33 | leg.time << 1 | (leg is not subject.leg.hot)
        time, via_price = min(time, leg.observed), leg.price
    if kept is not None and (
        number < kept.round or time < kept.time or (number, time) == (kept.round, kept.time)
    ):
        return "no newer answer"
    price = model.ticks_floor(seen.mantissa, seen.exponent, source.inverse, via_price)
    if not subject.terms.min_price <= price <= subject.terms.max_price:
        return f"its price of {from_ticks(price):f} USD is outside the feed's bounds"
    if source.kind == Kind.CHAINLINK:
        decimals = int.from_bytes(replies[1] or b"\xff" * 32, "big")
        if decimals != source.decimals:
            return f"its decimals are no longer the {source.decimals} it was listed with"
    over = now - time - source.max_age
    return f"its newest answer is {over} s over the limit" if over > 0 else ""


def _observed(subject: Subject, words: Sequence[int], now: int) -> model.Observation | str:
    """The sound answer in these words, or what is not sound about them."""
    source = subject.source
    extra = ExtraWord.of(source.kind, subject.extra)
    found: model.Observation | None
    if source.kind == Kind.CHAINLINK:
        number, price, _, time, _ = words
        if not 0 < price < 2**128:
            return "its answer is no positive number"
        if not 0 < time <= now or number >> 80:
            return "its answer has no sound time or round"
        return model.Observation(price, -source.decimals, time, number)
    if source.kind == Kind.PYTH:
        price, confidence, expo, time = words[0], words[1], _signed(words[2]), words[3]
        found = model.observe_pyth(price, confidence, expo, time, source.max_conf, now)
        if found is not None:
            return found
        if 0 < price < 2**63 and confidence * 10_000 > price * source.max_conf:
            wide = -(-confidence * 10_000 // price)
            return (
                f"its confidence interval is {from_units(wide, -2)} % of the price, "
                f"limit {from_units(source.max_conf, -2)} %"
            )
        return "its price, exponent or time is not sound"
    if source.kind == Kind.UNISWAP_V3:
        found = model.observe_uniswap(
            _signed(words[4]) - _signed(words[3]), words[7] - words[6], subject.extra, now
        )
        if found is not None:
            return found
        liquidity = model.mean_liquidity(words[7] - words[6], extra.window)
        if liquidity < extra.min_liquidity:
            return f"its liquidity over the window is {liquidity}, expected {extra.min_liquidity}"
        return "its price is out of range"
    if source.kind == Kind.CURVE:
        return model.observe_curve(words[0], now) or "its answer is 0 or too large"
    return model.observe_vault(words[0], extra.decimals[1], now) or "its answer is 0 or too large"


def _signed(word: int) -> int:
    return word - 2**256 if word >> 255 else word
