"""The `oracle` part of a deployment's configuration: signer sets, feeds, sources of every kind.

Units are in the key names; contracts/oracle/feed_terms.vy has what they become.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field

from plimsoll.deployment.config_types import (
    ZERO,
    Address,
    Bps,
    Conversion,
    Fraction,
    Model,
    Name,
    Seconds,
    Word,
)

CHAINLINK, SIGNED, PYTH, UNISWAP_V3, CURVE, ERC4626 = range(1, 7)  # kinds on chain
MAX_AGE = 2**17 - 1  # s
Decimals = Annotated[int, Field(ge=0, le=27)]


class SignerSet(Model):
    """Keys that sign price reports, and how many a report needs."""

    signers: Annotated[list[Address], Field(min_length=1, max_length=16)]
    threshold: Annotated[int, Field(ge=1, le=8)]

    def ascending(self) -> list[str]:
        """The signers as the adapter wants them."""
        return sorted(self.signers, key=lambda signer: int(signer, 16))


class Signed(Model):
    """Signed reports by a signer set."""

    kind: Literal["signed"]
    signer_set: str
    max_age_seconds: Annotated[int, Field(ge=1, le=MAX_AGE)]

    def terms(self) -> dict[str, Any]:
        """What the source itself gives to the `SourceTerms` struct."""
        return {"kind": SIGNED, "target": ZERO}


class OnChain(Model):
    """A source that is read on chain. `inverse`: one over what it says; `via`: then multiplied with
    the price of the feed of this name, which must be listed before."""

    max_age_seconds: Annotated[int, Field(ge=1, le=MAX_AGE)]
    inverse: bool = False
    via: str | None = None


class Chainlink(OnChain):
    """A Chainlink-shaped aggregator."""

    kind: Literal["chainlink"]
    aggregator: Address

    def terms(self) -> dict[str, Any]:
        """What the source itself gives to the `SourceTerms` struct."""
        return {"kind": CHAINLINK, "target": self.aggregator}


class Pyth(OnChain):
    """A price of a Pyth contract."""

    kind: Literal["pyth"]
    contract: Address
    price_id: Word
    max_confidence_percent: Annotated[Fraction, Field(gt=0, le=Decimal("40.95"))]  # either side

    def terms(self) -> dict[str, Any]:
        """What the source itself gives to the `SourceTerms` struct."""
        return {
            "kind": PYTH,
            "target": self.contract,
            "max_conf": self.percent("max_confidence_percent", -4),
            "extra": int(self.price_id, 16),
        }


class UniswapV3(OnChain):
    """The mean price of a pool over a window: token0 in token1."""

    kind: Literal["uniswap_v3"]
    pool: Address
    factory: Address
    window_seconds: Annotated[int, Field(ge=300, lt=2**32)]
    min_liquidity: Annotated[int, Field(ge=1, lt=2**128)]  # the pool's own unit, harmonic mean
    token0_decimals: Decimals
    token1_decimals: Decimals

    def terms(self) -> dict[str, Any]:
        """What the source itself gives to the `SourceTerms` struct."""
        return {
            "kind": UNISWAP_V3,
            "target": self.pool,
            "extra": self.window_seconds
            | self.min_liquidity << 32
            | self.token0_decimals << 160
            | self.token1_decimals << 168,
            "factory": self.factory,
        }


class Curve(OnChain):
    """A pool's own moving average: coin `coin_index` + 1 in coin 0, or, without the key, the one
    price of a pool of two coins."""

    kind: Literal["curve"]
    pool: Address
    coin_index: Annotated[int, Field(ge=0, le=6)] | None = None

    def terms(self) -> dict[str, Any]:
        """What the source itself gives to the `SourceTerms` struct."""
        indexed = 0 if self.coin_index is None else 1 << 8 | self.coin_index
        return {"kind": CURVE, "target": self.pool, "extra": indexed}


class Erc4626(OnChain):
    """A vault's rate: its asset per share. `via` prices the asset."""

    kind: Literal["erc4626"]
    vault: Address
    share_decimals: Decimals
    asset_decimals: Decimals

    def terms(self) -> dict[str, Any]:
        """What the source itself gives to the `SourceTerms` struct."""
        extra = self.share_decimals | self.asset_decimals << 8
        return {"kind": ERC4626, "target": self.vault, "extra": extra}


Source = Chainlink | Signed | Pyth | UniswapV3 | Curve | Erc4626


class Feed(Model):
    """One price feed; bands and jumps are relative. See contracts/oracle/feed_terms.vy."""

    name: Name
    id: Annotated[int, Field(ge=1, le=65_535)]
    quorum: Annotated[int, Field(ge=1, le=5)]
    half_band_bps: Bps
    degraded_band_bps: Bps
    halt_band_bps: Bps
    jump_base_bps: Bps
    jump_rate_percent_per_second: Fraction
    halt_confirm_seconds: Seconds
    premium_clamp_percent: Fraction
    premium_tau_minutes: int
    variance_tau_minutes: int
    variance_spacing_seconds: Seconds
    volatility_cap_percent: Fraction
    initial_volatility_percent: Fraction
    ema_band_percent: Annotated[Fraction, Field(gt=0, le=400)]
    ema_tau_minutes: Annotated[int, Field(ge=1, le=14_400)]
    recovery_grace_seconds: Annotated[int, Field(ge=0, le=3_600)]
    min_price_usd: Fraction
    max_price_usd: Fraction
    sources: Annotated[
        list[Annotated[Source, Field(discriminator="kind")]], Field(min_length=1, max_length=5)
    ]

    def terms(self, sequenced: bool = False) -> dict[str, int]:
        """The `FeedTerms` struct; `sequenced`: served under a rollup's sequencer."""
        return {
            "quorum": self.quorum,
            "half_band": self.half_band_bps,
            "band": self.degraded_band_bps,
            "halt_band": self.halt_band_bps,
            "jump_base": self.jump_base_bps,
            "jump_rate": self.percent("jump_rate_percent_per_second", -8),
            "confirm": self.halt_confirm_seconds,
            "premium_clamp": self.percent("premium_clamp_percent", -6),
            "premium_tau": self.premium_tau_minutes,
            "variance_tau": self.variance_tau_minutes,
            "spacing": self.variance_spacing_seconds,
            "sigma_cap": self.percent("volatility_cap_percent", -2),
            "ema_band": self.percent("ema_band_percent", -3),
            "ema_tau": self.ema_tau_minutes,
            "grace": self.recovery_grace_seconds,
            "sequenced": sequenced,
            "min_price": self.exact("min_price_usd", -9),
            "max_price": self.exact("max_price_usd", -9),
        }

    def variance(self) -> int:
        """Annualised variance, 1e-12, that the feed starts from."""
        return self.percent("initial_volatility_percent", -6) ** 2

    def pokable(self) -> bool:
        """Whether a poke alone prices it: enough sources are on chain."""
        return sum(isinstance(source, OnChain) for source in self.sources) >= self.quorum


class Sequencer(Model):
    """A rollup's uptime feed, and how long after a restart no liquidation goes on."""

    feed: Address
    grace_seconds: Annotated[int, Field(ge=1, le=65_535)]

    def word(self) -> int:
        """The adapter's sequencer word."""
        return int(self.feed, 16) | self.grace_seconds << 160


class Oracle(Model):
    """Signer sets by name, feeds in the order of their listing, and a rollup's sequencer."""

    signer_sets: dict[str, SignerSet] = Field(default_factory=dict)
    sequencer: Sequencer | None = None
    feeds: Annotated[list[Feed], Field(min_length=1)]

    def feed_id(self, name: str) -> int:
        """Id of the feed called `name`."""
        return next(feed.id for feed in self.feeds if feed.name == name)

    def signer_set_id(self, name: str) -> int:
        """Id that the adapter will give the signer set: their order in the file, from 1."""
        return list(self.signer_sets).index(name) + 1

    def feed_terms(self, feed: Feed) -> dict[str, int]:
        """The `FeedTerms` struct of one of the feeds: under the sequencer, where there is one."""
        return feed.terms(self.sequencer is not None)

    def source_terms(self, source: Source) -> dict[str, Any]:
        """The `SourceTerms` struct of one of the feeds' sources."""
        terms = {
            "signer_set": 0,
            "max_age": source.max_age_seconds,
            "max_conf": 0,
            "inverse": False,
            "via": 0,
            "extra": 0,
            "factory": ZERO,
        }
        if isinstance(source, Signed):
            terms["signer_set"] = self.signer_set_id(source.signer_set)
        else:
            terms["inverse"] = source.inverse
            terms["via"] = 0 if source.via is None else self.feed_id(source.via)
        return terms | source.terms()

    def problems(self) -> Iterator[str]:
        """What the feeds name and is not there, each with its path below `oracle`."""
        for i, feed in enumerate(self.feeds):
            before = sorted(one.name for one in self.feeds[:i] if one.id < feed.id)
            for j, source in enumerate(feed.sources):
                path = f"feeds.{i}.sources.{j}"
                if isinstance(source, Signed):
                    if source.signer_set not in self.signer_sets:
                        yield (
                            f"{path}.signer_set: expected one of {sorted(self.signer_sets)}, "
                            f"got {source.signer_set!r}"
                        )
                elif source.via is not None and source.via not in before:
                    yield (
                        f"{path}.via: expected a feed that stands before this one and has a lower "
                        f"id ({', '.join(before) or 'there is none'}), got {source.via!r}"
                    )

    def conversions(self) -> Iterator[Conversion]:
        """Everything that is converted to chain integers."""
        for i, feed in enumerate(self.feeds):
            yield f"feeds.{i}", feed.terms
            yield f"feeds.{i}", feed.variance
            for j, source in enumerate(feed.sources):
                yield f"feeds.{i}.sources.{j}", source.terms
