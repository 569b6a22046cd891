"""The operations that have a bar, and what others were measured at.

Bars and names are those of the design's gas table. Theirs were measured from their public sources,
unmodified: Derive v2 (derivexyz/v2-core at 7736900d, solc 0.8.27) in Foundry with one transaction
per call, dYdX's Perpetual V1 ("P1", solc 0.5.16) and Velar (Vyper 0.3.10) on py-evm, tokens and
feeds mocked there.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Operation:
    """One row. `bar`: gas (bytes for `max_contract_bytes`) that must not be exceeded, 0: none.

    `built` is False for what later issues bring: listed, never measured.
    """

    name: str
    what: str
    bar: int = 0
    derive: str = ""
    others: str = ""
    built: bool = True
    unit: str = "gas"


BARS: tuple[Operation, ...] = (
    Operation(
        "perp_trade",
        "two-sided, signed, both sides checked",
        130_000,
        "589k-1,191k (no signatures)",
        "P1 162-172k",
    ),
    Operation("perp_trade_batched", "one of 16 pairs in a call", 70_000),
    Operation("perp_reduce", "two-sided, one side takes profit", 150_000, "461k", "P1 162-172k"),
    Operation("perp_held_marginal", "each further perp held, up to 32", 12_000, "140k and growing"),
    Operation("portfolio_check_64", "64 options, 33 scenarios", 200_000, "20.9M", built=False),
    Operation("portfolio_exact_16", "exact repricing, 16 options", 700_000, "5.6M", built=False),
    Operation(
        "option_trade_16",
        "two-sided, portfolio margin, 16 positions each",
        250_000,
        "6.3M (one side loaded)",
        built=False,
    ),
    Operation("deposit", "repeat, cash only", 80_000, "143k"),
    Operation("withdraw", "repeat, cash only", 95_000, "172k", "P1 102k"),
    Operation("auction_start_8", "freeze an account of 8 positions", 250_000, "820k"),
    Operation(
        "auction_bid_8",
        "slice of 8 positions, bidder holds the instruments",
        450_000,
        "2.15M",
        "P1 liquidate 138-142k, Velar 1.13M",
    ),
    Operation("intent_fill_1", "an intent takes a slice of one perp, it holds it", 200_000),
    Operation("auction_bid_1", "slice of one perp, bidder holds it", 180_000),
    Operation(
        "deleverage_1",
        "one leg against its whole side, any number of holders, the loss falls the whole way",
        250_000,
        "none",
        "P1 138k per counterparty",
    ),
    Operation("settle_options_8", "8 options at expiry", 200_000, "753k", built=False),
    Operation("black76", "one price", 2_500, "9.8k", built=False),
    Operation(
        "max_contract_bytes",
        "largest contract, immutables counted",
        23_000,
        "24,419 B",
        unit="bytes",
    ),
)

# Measured for information; no bar.
EXTRA: tuple[Operation, ...] = (
    Operation("first_trade", "two accounts that never traded, first nonce word of each"),
    Operation("perp_trade_sweep", "one of 16 makers that one taker order meets in a call"),
    Operation("perp_trade_named", "perp_trade where both orders name their matcher"),
    Operation("perp_trade_with_debt", "perp_trade while somebody owes cash: interest accrues"),
    Operation("deposit_with_debt", "deposit while somebody owes cash"),
    Operation("withdraw_with_debt", "withdraw while somebody owes cash"),
    Operation("collateral_deposit", "repeat, an ERC-20 beside cash"),
    Operation("collateral_withdraw", "repeat, an ERC-20 beside cash"),
    Operation("poke_1", "oracle poke, 1 aggregator"),
    Operation("poke_3", "oracle poke, 3 aggregators"),
    Operation("report_1", "oracle poke with a report of 1 signer"),
    Operation("surface_1", "one implied slice between two neighbours, 1 signer"),
    Operation("surface_8", "eight implied slices in one report, 1 signer"),
    Operation("cancel", "one order, repeat"),
    Operation("realise", "a position's loss to cash, by its owner"),
    Operation("commit_intent", "an account that holds a position promises to take slices"),
    Operation("pre_liquidate_1", "slice of one perp of an account in the band, bidder holds it"),
    Operation("auction_bid_insolvent_8", "insolvent account of 8 positions, the fund pays in all"),
    Operation("auction_bid_insolvent_1", "insolvent account of one position, the fund pays"),
    Operation("auction_bid_leg_1_of_8", "part of one leg of 8, bidder holds the instruments"),
    Operation("deleverage_1_no_deficit", "solvent account: nobody pays"),
    Operation("deleverage_1_fund_pays", "insolvent account: the fund pays all"),
    Operation("deleverage_1_holders_10", "deleverage_1 with 10 holders opposite"),
    Operation("deleverage_1_holders_100", "deleverage_1 with 100 holders opposite"),
    Operation("deleverage_1_holders_1000", "deleverage_1 with 1,000 holders opposite"),
    Operation("perp_trade_after_shrink", "the maker follows a shrink: its fraction is counted"),
    Operation("fill_residual", "an order takes a lot of what deleveraging left the fund"),
    *(
        Operation(f"perp_held_{count}", f"a trade of an account that holds {count} perps")
        for count in (1, 2, 4, 8, 16, 32)
    ),
)

BY_NAME = {row.name: row for row in (*BARS, *EXTRA)}


def over(measured: dict[str, int]) -> list[str]:
    """Names of the operations over their bar."""
    return [row.name for row in BARS if row.built and measured[row.name] > row.bar]


def as_json(measured: dict[str, int]) -> dict[str, dict[str, dict[str, int]]]:
    """`{"operations": {name: {"gas": n, "bar": n}}}` of what has a bar and is built."""
    return {
        "operations": {
            row.name: {"gas": measured[row.name], "bar": row.bar} for row in BARS if row.built
        }
    }
