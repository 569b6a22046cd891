"""Random auction curves within what the contract stores: short ones, so that auctions run out."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from plimsoll.evm.fast import BLOCK_SECONDS
from plimsoll.model import auction
from plimsoll.model.auction import MAX_SLOPE, NANO, Curve

PERCENT = NANO // 100


def random_curve(rnd: Random) -> Curve:
    """A curve that `auction.check` accepts."""
    x_start = rnd.randrange(0, 20) * PERCENT
    x_mid = rnd.randrange(x_start + PERCENT, 95 * PERCENT)
    t_mid = -(-(x_mid - x_start) // MAX_SLOPE) + rnd.randrange(0, 300)
    t_one = max(48, t_mid - (x_mid - NANO) // MAX_SLOPE + rnd.choice((1, 60, 600)))
    x_max = rnd.choice((NANO, NANO + rnd.randrange(PERCENT, 60 * PERCENT)))
    t_end = t_one - (NANO - x_max) // MAX_SLOPE + rnd.choice((1, 30, 300))
    buffer, fee = rnd.randrange(1, 30) * PERCENT, rnd.choice((0, 1, 2, 5, 9)) * PERCENT
    pre_band = rnd.choice((0, buffer // 2, buffer))
    max_step = max(12, t_one // rnd.choice((4, 4, 5, 8)))
    if rnd.random() < 0.8:  # whole blocks of the fast machine, mostly: other times cost more
        max_step -= max_step % min(BLOCK_SECONDS, max_step)
    curve = Curve(
        x_start=x_start,
        x_mid=x_mid,
        x_max=x_max,
        t_mid=max(1, t_mid),
        t_one=t_one,
        t_end=t_end,
        resume=rnd.choice((60, 3_600)),
        max_step=max_step,
        fade=rnd.choice((60, 600)),
        min_lots=rnd.choice((1_000, 1_000, 100_000)),
        buffer=buffer,
        fee=fee,
        keeper_share=rnd.choice((0, 3_000, 6_000, 10_000)),
        start_flat=0,
        start_share=0,
        exec_flat=0,
        exec_share=0,
        min_requirement=0,
        charge_cap=rnd.choice((1, 100_000, PERCENT // 2, PERCENT, 10 * PERCENT)),
        charge_window=rnd.choice((60, 3_600, 86_400)),
        social_share=rnd.choice((0, 50, 1_000, 5_000, 9_000)),
        pre_band=pre_band,
        pre_premium=rnd.randrange(0, x_start + 1),
        pre_fee=rnd.choice((0, fee // 50, rnd.randrange(0, fee + 1))),
        pre_cap=rnd.choice((300, 2_000, 5_000)),
        priority=min(rnd.choice((0, 0, 12, 60)), max(1, t_mid)),
        intent_margin=rnd.choice((NANO, 2 * NANO, 4 * NANO)),
    )
    return _paid(rnd, curve)


def _paid(rnd: Random, curve: Curve) -> Curve:
    """The curve with keepers' pay close to what its fee bears, where it bears any."""
    least = rnd.choice((1, 20, 500)) * 10**6
    most = min(curve.fee * curve.keeper_share // 10_000, auction.MAX_INCENTIVE)
    parts = [rnd.random() for _ in range(4)]
    shares = [int(most * rnd.uniform(0.3, 0.99) * part / sum(parts)) for part in parts]
    paid = replace(
        curve,
        start_flat=shares[0] * least // NANO,
        start_share=shares[1],
        exec_flat=shares[2] * least // NANO,
        exec_share=shares[3],
        min_requirement=least,
    )
    try:
        auction.check(paid)
    except auction.BadCurve:
        return curve
    return paid
