"""The configuration's values as calls of the contracts, each with the view that reads it back."""

from __future__ import annotations

from plimsoll.deployment.abi import calldata
from plimsoll.deployment.config import Collateral, Deployment, Limiter
from plimsoll.deployment.oracle_config import Feed, Oracle, Sequencer
from plimsoll.deployment.steps import Step, Steps
from plimsoll.deployment.words import (
    First,
    Listed,
    Low,
    Priced,
    SourceWords,
    flow_word,
    market_word,
    rates_word,
)
from plimsoll.model.sale_limiter import wide

AUCTION, FUND = 1, 2  # kinds of `MarginEngine.set_module`


def configure(steps: Steps, config: Deployment) -> None:
    """Everything that is set by the owner, in the order in which contracts need it."""
    _oracle(steps, config.oracle)
    _margin(steps, config)
    _engine(steps, config)
    _vault(steps, config)
    _fund(steps, config)
    for matcher in config.roles.matchers:
        steps.call("SignedOrders", "set_matcher", matcher, True, read=("matchers", (matcher,)))


def _oracle(steps: Steps, oracle: Oracle) -> None:
    """The sequencer before the feeds that are served under it; these in order, each priced before
    the next, which may be multiplied with it."""
    for number, (name, signers) in enumerate(oracle.signer_sets.items(), 1):
        listed = signers.ascending()
        checks = [steps.check("OracleAdapter", "threshold", (number,), whole=signers.threshold)]
        checks += [
            steps.check("OracleAdapter", "is_signer", (number, who), whole=True) for who in listed
        ]
        steps.call(
            "OracleAdapter",
            "add_signer_set",
            listed,
            signers.threshold,
            done=checks,
            text=f"list signer set {name} as {number}",
        )
    if oracle.sequencer is not None:
        _sequencer(steps, oracle.sequencer)
    for feed in oracle.feeds:
        _feed(steps, oracle, feed)
        _first_price(steps, feed)


def _sequencer(steps: Steps, sequencer: Sequencer) -> None:
    steps.call(
        "OracleAdapter",
        "set_sequencer",
        sequencer.feed,
        sequencer.grace_seconds,
        read=("sequencer_words", ()),
        value=First(sequencer.word()),
        text="tell the oracle its rollup's sequencer feed",
    )


def _feed(steps: Steps, oracle: Oracle, feed: Feed) -> None:
    terms, sources = (
        oracle.feed_terms(feed),
        [oracle.source_terms(source) for source in feed.sources],
    )
    checks = [
        steps.check("OracleAdapter", "source_words", (feed.id, index), whole=SourceWords.of(source))
        for index, source in enumerate(sources)
    ]
    listed = Listed.of(terms, len(sources))
    checks.append(steps.check("OracleAdapter", "feed_words", (feed.id,), whole=listed))
    steps.call(
        "OracleAdapter",
        "list_feed",
        feed.id,
        terms,
        sources,
        feed.variance(),
        done=checks,
        text=f"list feed {feed.name} as {feed.id}",
    )


def _first_price(steps: Steps, feed: Feed) -> None:
    """A poke where the feed's sources on chain meet its quorum; else its signers must come."""
    priced = steps.check("OracleAdapter", "feed_words", (feed.id,), whole=Priced())
    if feed.pokable():
        text = f"price feed {feed.name}"
        steps.call("OracleAdapter", "poke", feed.id, b"", done=(priced,), text=text)
        return
    steps.listed.append(
        Step(
            "await",
            "OracleAdapter",
            f"feed {feed.name} has a price",
            to=steps.at["OracleAdapter"],
            data=calldata("OracleAdapter", "word", feed.id),
            done=(priced,),
        )
    )


def _margin(steps: Steps, config: Deployment) -> None:
    for number, market in enumerate(config.markets):
        values = market.risk.struct()
        steps.call(
            "StandardMargin",
            "list_market",
            number,
            config.feed_id(market.feed),
            values,
            done=(steps.check("StandardMargin", "parameters", (number,), **values),),
            text=f"list margin of {market.name} as market {number}",
        )


def _engine(steps: Steps, config: Deployment) -> None:
    at = steps.at
    profit = config.profit
    core = (
        int(at["StandardMargin"], 16)
        | profit.fresh_haircut_bps << 168
        | profit.fresh_period_seconds << 184
    )
    steps.call(
        "MarginEngine",
        "set_core",
        at["StandardMargin"],
        profit.fresh_haircut_bps,
        profit.fresh_period_seconds,
        read=("core", ()),
        value=core,
    )
    for number, market in enumerate(config.markets):
        values = market.struct()
        steps.call(
            "MarginEngine",
            "list_market",
            values,
            read=("config", (number,)),
            value=Low(market_word(values), 177),
            text=f"list market {market.name} as {number}",
        )
    for kind, name, getter in (
        (AUCTION, "LiquidationAuction", "auction"),
        (FUND, "InsuranceFund", "fund"),
    ):
        steps.call(
            "MarginEngine",
            "set_module",
            kind,
            at[name],
            read=(getter, ()),
            value=at[name],
            text=f"tell the engine its {getter}",
        )
    share = config.fund.fee_share_bps
    steps.call(
        "MarginEngine",
        "set_fee_split",
        config.roles.treasury,
        share,
        read=("fee_split", ()),
        value=int(config.roles.treasury, 16) | share << 160,
    )
    flow = config.flow.struct()
    steps.call("MarginEngine", "set_flow", flow, read=("claims", ()), value=flow_word(flow))
    for number, market in enumerate(config.markets):
        lots = market.risk.struct()["depth"] * flow["share"] // 100
        steps.call(
            "MarginEngine",
            "refresh_flow",
            number,
            done=[steps.check("MarginEngine", "flow_of", (number,), limit=wide(lots))],
            text=f"limit what is sold in {market.name} per time",
        )
    rates = config.interest.struct()
    steps.call(
        "MarginEngine",
        "set_rates",
        rates,
        read=("rates", ()),
        value=rates_word(rates),
    )


def _vault(steps: Steps, config: Deployment) -> None:
    if config.quote_limiter is not None:
        _limiter(steps, "the quote token", config.quote_token, 6, config.quote_limiter)
    for number, asset in enumerate(config.collateral, 1):
        _asset(steps, config, number, asset)


def _asset(steps: Steps, config: Deployment, number: int, asset: Collateral) -> None:
    units = int(asset.cap_tokens * 10**asset.decimals)
    feed = config.feed_id(asset.feed)
    cuts = (asset.maintenance_haircut_bps, asset.initial_haircut_bps)
    terms = steps.check(
        "CollateralVault",
        "terms",
        (asset.token,),
        asset_id=number,
        feed=feed,
        maintenance=cuts[0],
        initial=cuts[1],
        decimals=asset.decimals,
        cap=units,
    )
    steps.call(
        "CollateralVault",
        "list_asset",
        asset.token,
        feed,
        *cuts,
        units,
        asset.cap_ramp_seconds,
        done=(terms,),
        text=f"list collateral {asset.name}",
    )
    if asset.limiter is not None:
        _limiter(steps, asset.name, asset.token, asset.decimals, asset.limiter)


def _limiter(steps: Steps, name: str, token: str, decimals: int, limiter: Limiter) -> None:
    minimum = int(limiter.minimum_tokens * 10**decimals)
    values = (limiter.share_bps, limiter.window_seconds, minimum)
    steps.call(
        "CollateralVault",
        "set_limiter",
        token,
        *values,
        done=(
            steps.check(
                "CollateralVault",
                "limiter",
                (token,),
                share=values[0],
                window=values[1],
                minimum=minimum,
            ),
        ),
        text=f"limit the outflow of {name}",
    )


def _fund(steps: Steps, config: Deployment) -> None:
    fund = config.fund
    caps = fund.caps()
    steps.call(
        "InsuranceFund",
        "set_caps",
        caps,
        done=(steps.check("InsuranceFund", "caps", (), **caps),),
    )
    target, share = int(fund.keeper_budget_usd * 10**15), fund.keeper_budget_bps_per_day
    steps.call(
        "InsuranceFund",
        "set_budget",
        target,
        share,
        done=(
            steps.check("InsuranceFund", "budget_target", (), whole=target),
            steps.check("InsuranceFund", "budget_share", (), whole=share),
        ),
    )
    drip = fund.drip_seconds
    steps.call("InsuranceFund", "set_drip", drip, read=("drip_period", ()), value=drip)
    times = (fund.cooldown_seconds, fund.exit_window_seconds)
    steps.call(
        "InsuranceFund",
        "set_cooldown",
        *times,
        done=(
            steps.check("InsuranceFund", "cooldown", (), whole=times[0]),
            steps.check("InsuranceFund", "exit_window", (), whole=times[1]),
        ),
    )
