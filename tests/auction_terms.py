"""The auction as runs without the auction contract play it: curve, slice terms, property P16."""

from __future__ import annotations

from plimsoll.model import auction
from plimsoll.model.engine_types import DeleverageTerms, SliceTerms, Standing


def curve_of(terms: DeleverageTerms) -> auction.Curve:
    """A curve without pay for keepers, with the charges and shares of a deleveraging."""
    return auction.Curve(
        x_start=50_000_000,
        x_mid=500_000_000,
        x_max=1_200_000_000,
        t_mid=600,
        t_one=1_800,
        t_end=3_600,
        resume=3_600,
        max_step=60,
        fade=3_600,
        min_lots=1_000,
        buffer=150_000_000,
        fee=10_000_000,
        keeper_share=5_000,
        start_flat=0,
        start_share=0,
        exec_flat=0,
        exec_share=0,
        min_requirement=0,
        charge_cap=terms.charge_cap,
        charge_window=terms.window,
        social_share=terms.social_share,
    )


def slice_of(offer: auction.Slice, curve: auction.Curve, fund: int) -> SliceTerms:
    """What the auction tells the engine to sell; the fund may pay all it has."""
    return SliceTerms(
        offer.fraction,
        offer.discount,
        offer.fee,
        curve.keeper_share,
        offer.bonus,
        fund,
        offer.insolvent,
        offer.free,
    )


def check_no_worse(before: Standing, after: Standing, lost: int) -> None:
    """P16: E / R did not fall, but for `lost` quote units of rounding."""
    kept = after.equity * before.requirement
    assert kept >= (before.equity - lost) * after.requirement, f"P16: {before} -> {after}"


def check_sized(after: Standing, curve: auction.Curve, dust: int) -> None:
    """P16: a sized slice leaves (1 + b) R, and at most 0.2 % and `dust` quote units more."""
    goal, reached = after.requirement * (auction.NANO + curve.buffer), after.equity * auction.NANO
    assert reached >= goal, f"P16: below the target: {after}"
    assert reached <= goal * 1_002 // 1_000 + dust * auction.NANO, f"P16: above it: {after}"
