"""One YAML per deployment: its models, units (in the key names) and conversion to chain integers.

Numbers are written as people say them and converted exactly; a value finer than the chain stores is
refused. Addresses are `0x...` or `$name`, looked up in the file's `addresses` table (one table, or
one per chain id) and in what the caller adds, so that one file serves several chains.

Every error is a `ConfigError` whose lines name the key's path: `markets.0.risk.floor_percent: ...`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from plimsoll.deployment.config_types import (
    Address,
    Bps,
    Conversion,
    Fraction,
    Model,
    Name,
    Seconds,
)
from plimsoll.deployment.oracle_config import Oracle
from plimsoll.units import from_units, to_units

DEFAULTS = Path(__file__).with_name("defaults")
YEAR_SECONDS = 365 * 86_400


class ConfigError(ValueError):
    """The configuration is not usable; each line of the text starts with a key's path."""


class Timelock(Model):
    """Delays in seconds; the floor is fixed for good. `executors` empty: anybody executes."""

    delay_seconds: Seconds
    delay_floor_seconds: Annotated[int, Field(ge=1)]
    grace_seconds: Seconds
    proposers: Annotated[list[Address], Field(min_length=1, max_length=15)]
    executors: Annotated[list[Address], Field(max_length=15)] = Field(default_factory=list)
    cancellers: Annotated[list[Address], Field(max_length=15)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _ordered(self) -> Timelock:
        if self.delay_seconds < self.delay_floor_seconds:
            raise ValueError(
                f"delay_seconds: expected at least delay_floor_seconds "
                f"({self.delay_floor_seconds}), got {self.delay_seconds}"
            )
        return self


class Roles(Model):
    """Who is what after deployment; the deployer may be none of them."""

    guardian: Address
    treasury: Address
    matchers: list[Address] = Field(default_factory=list)


class Risk(Model):
    """Margin parameters of a market, see contracts/risk/risk_parameters.vy."""

    tail_multiple: Fraction
    horizon_seconds: Seconds
    floor_percent: Fraction
    cap_percent: Fraction
    size_percent: Fraction
    concentration_percent: Fraction
    depth_units: Fraction  # of the underlying, tradable within 2 %
    stressed_volatility_percent: Fraction
    blend_percent: Fraction
    forecast_volatility_percent: Fraction = Decimal(0)
    initial_multiple: Fraction
    initial_floor_percent: Fraction
    stale_slope_percent_per_second: Fraction

    def struct(self) -> dict[str, int]:
        """The `MarketParameters` struct."""
        return {
            "tail": self.exact("tail_multiple", -9),
            "horizon": self.horizon_seconds,
            "floor": self.percent("floor_percent", -9),
            "cap": self.percent("cap_percent", -9),
            "size": self.percent("size_percent", -9),
            "concentration": self.percent("concentration_percent", -9),
            "depth": self.exact("depth_units", -6),
            "stressed": self.percent("stressed_volatility_percent", -9),
            "blend": self.percent("blend_percent", -9),
            "forecast": self.percent("forecast_volatility_percent", -9),
            "initial_multiple": self.exact("initial_multiple", -9),
            "initial_floor": self.percent("initial_floor_percent", -9),
            "stale_slope": self.percent("stale_slope_percent_per_second", -9),
        }


class Market(Model):
    """One perpetual market; its id is its place in the list."""

    name: Name
    feed: str
    open_interest_cap_units: Fraction  # of the underlying, either side
    open_interest_cap_usd: Annotated[int, Field(ge=1)]
    min_notional_usd: Annotated[int, Field(ge=1)]
    maker_fee_bps: Decimal  # negative: a rebate
    taker_fee_bps: Fraction
    price_band_bps: Bps
    risk: Risk

    def struct(self) -> dict[str, int]:
        """The engine's `MarketConfig` struct, open."""
        return {
            "cap_lots": self.exact("open_interest_cap_units", -6),
            "cap_usd": self.open_interest_cap_usd,
            "min_notional": self.min_notional_usd,
            "maker_fee": to_units(self.maker_fee_bps, -2),
            "taker_fee": self.exact("taker_fee_bps", -2),
            "band": self.price_band_bps,
            "status": 0,
        }


class Limiter(Model):
    """Net outflow let pass per window: a share of the balance, and always `minimum_tokens`."""

    share_bps: Bps
    window_seconds: Seconds
    minimum_tokens: Fraction = Decimal(0)


class Collateral(Model):
    """One collateral token besides the quote token."""

    name: Name
    token: Address
    decimals: Annotated[int, Field(ge=0, le=18)]
    feed: str
    maintenance_haircut_bps: Bps
    initial_haircut_bps: Bps
    cap_tokens: Fraction
    cap_ramp_seconds: Seconds
    limiter: Limiter | None = None


class Interest(Model):
    """The kinked rate of cash loans; per-year percentages are simple, stored per second."""

    base_percent_per_year: Fraction
    slope_percent_per_year: Fraction
    slope_above_percent_per_year: Fraction
    kink_bps: Bps
    fund_share_bps: Bps
    borrow_cap_tokens: Fraction

    def struct(self) -> dict[str, int]:
        """The engine's `Rates` struct; per-second rates to the nearest 1e-13."""
        return {
            "base": self._per_second(self.base_percent_per_year),
            "slope": self._per_second(self.slope_percent_per_year),
            "slope_above": self._per_second(self.slope_above_percent_per_year),
            "kink": self.kink_bps,
            "fund_share": self.fund_share_bps,
            "borrow_cap": self.exact("borrow_cap_tokens", -6),
        }

    @staticmethod
    def _per_second(percent: Decimal) -> int:
        return round(percent * 10**11 / YEAR_SECONDS)


class Profit(Model):
    """Fresh profit: its haircut in initial equity and the time over which it decays."""

    fresh_haircut_bps: Bps
    fresh_period_seconds: Seconds


class Flow(Model):
    """How much the auction may sell per time: in each market a share of its depth, in all a sum.

    `reserve_256ths` of each limit are kept for the account with the largest shortfall.
    """

    percent_of_depth: Annotated[int, Field(ge=1, le=4_095)]
    window_seconds: Seconds
    reserve_256ths: Annotated[int, Field(ge=0, le=192)]
    sum_usd: Annotated[int, Field(ge=0, lt=2**36)]

    def struct(self) -> dict[str, int]:
        """The engine's `FlowTerms` struct."""
        return {
            "share": self.percent_of_depth,
            "window": self.window_seconds,
            "reserve": self.reserve_256ths,
            "sum": self.sum_usd,
        }


class Auction(Model):
    """The first auction curve; percentages are of R (or of the mark, for the charge)."""

    start_percent: Fraction
    mid_percent: Fraction
    max_percent: Fraction
    mid_seconds: Seconds
    one_seconds: Seconds
    end_seconds: Seconds
    resume_seconds: Seconds
    max_step_seconds: Seconds
    fade_seconds: Seconds
    min_leg_lots: int
    buffer_percent: Fraction
    fee_percent: Fraction
    keeper_share_bps: Bps
    start_pay_usd: Fraction
    start_pay_percent: Fraction
    bid_pay_usd: Fraction
    bid_pay_percent: Fraction
    min_requirement_usd: Fraction
    charge_cap_percent: Fraction
    charge_window_seconds: Seconds
    social_share_bps: Bps
    pre_band_percent: Fraction
    pre_premium_percent: Fraction
    pre_fee_percent: Fraction
    pre_cap_bps: Bps
    priority_seconds: Seconds
    intent_margin_percent: Fraction

    def struct(self) -> dict[str, int]:
        """The auction's `Curve` struct."""
        return {
            "x_start": self.percent("start_percent", -9),
            "x_mid": self.percent("mid_percent", -9),
            "x_max": self.percent("max_percent", -9),
            "t_mid": self.mid_seconds,
            "t_one": self.one_seconds,
            "t_end": self.end_seconds,
            "resume": self.resume_seconds,
            "max_step": self.max_step_seconds,
            "fade": self.fade_seconds,
            "min_lots": self.min_leg_lots,
            "buffer": self.percent("buffer_percent", -9),
            "fee": self.percent("fee_percent", -9),
            "keeper_share": self.keeper_share_bps,
            "start_flat": self.exact("start_pay_usd", -6),
            "start_share": self.percent("start_pay_percent", -9),
            "exec_flat": self.exact("bid_pay_usd", -6),
            "exec_share": self.percent("bid_pay_percent", -9),
            "min_requirement": self.exact("min_requirement_usd", -6),
            "charge_cap": self.percent("charge_cap_percent", -9),
            "charge_window": self.charge_window_seconds,
            "social_share": self.social_share_bps,
            "pre_band": self.percent("pre_band_percent", -9),
            "pre_premium": self.percent("pre_premium_percent", -9),
            "pre_fee": self.percent("pre_fee_percent", -9),
            "pre_cap": self.pre_cap_bps,
            "priority": self.priority_seconds,
            "intent_margin": self.percent("intent_margin_percent", -9),
        }


class Fund(Model):
    """Insurance fund terms; caps are shares of the fund."""

    cap_per_event_bps: Bps
    cap_per_window_bps: Bps
    cap_per_market_bps: Bps
    cap_window_seconds: Seconds
    keeper_budget_usd: Fraction
    keeper_budget_bps_per_day: Bps
    drip_seconds: Seconds
    cooldown_seconds: Seconds
    exit_window_seconds: Seconds
    fee_share_bps: Bps  # of trading fees; the rest is the treasury's

    def caps(self) -> dict[str, int]:
        """The fund's `Caps` struct."""
        return {
            "per_event": self.cap_per_event_bps,
            "per_window": self.cap_per_window_bps,
            "per_market": self.cap_per_market_bps,
            "window": self.cap_window_seconds,
        }


class Deployment(Model):
    """A whole deployment. `name` also salts the addresses: another name, other contracts."""

    name: Name
    chain_id: Annotated[int, Field(ge=1)]
    quote_token: Address
    timelock: Timelock
    roles: Roles
    oracle: Oracle
    markets: Annotated[list[Market], Field(max_length=255)]
    collateral: list[Collateral] = Field(default_factory=list)
    quote_limiter: Limiter | None = None
    interest: Interest
    profit: Profit
    flow: Flow
    auction: Auction
    fund: Fund

    @model_validator(mode="after")
    def _check(self) -> Deployment:
        problems = [*self._references(), *self._duplicates(), *self._inexact()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def feed_id(self, name: str) -> int:
        """Id of the feed called `name`."""
        return self.oracle.feed_id(name)

    def _references(self) -> list[str]:
        feeds = {feed.name for feed in self.oracle.feeds}
        used = [(f"markets.{i}.feed", m.feed) for i, m in enumerate(self.markets)]
        used += [(f"collateral.{i}.feed", c.feed) for i, c in enumerate(self.collateral)]
        problems = [
            f"{path}: expected one of the feeds {sorted(feeds)}, got {name!r}"
            for path, name in used
            if name not in feeds
        ]
        problems += [f"oracle.{problem}" for problem in self.oracle.problems()]
        return problems

    def _duplicates(self) -> list[str]:
        lists: dict[str, list[Any]] = {
            "oracle.feeds (name)": [feed.name for feed in self.oracle.feeds],
            "oracle.feeds (id)": [feed.id for feed in self.oracle.feeds],
            "markets (name)": [market.name for market in self.markets],
            "collateral (name)": [asset.name for asset in self.collateral],
            "collateral (token)": [self.quote_token, *(asset.token for asset in self.collateral)],
        }
        return [
            f"{path}: expected distinct values, got {values}"
            for path, values in lists.items()
            if len(set(values)) != len(values)
        ]

    def _inexact(self) -> list[str]:
        """Converts everything once, so that what cannot be is said on loading."""
        parts: list[Conversion] = [
            (f"oracle.{path}", convert) for path, convert in self.oracle.conversions()
        ]
        for i, market in enumerate(self.markets):
            parts += [(f"markets.{i}", market.struct), (f"markets.{i}.risk", market.risk.struct)]
        parts += [("interest", self.interest.struct), ("auction", self.auction.struct)]
        problems = []
        for path, convert in parts:
            try:
                convert()
            except ValueError as exc:
                problems.append(f"{path}.{exc}")
        return problems


_REFERENCE = re.compile(r"^\$([A-Za-z0-9_-]+)$")


def _resolve(node: Any, names: Mapping[str, str], path: str, problems: list[str]) -> Any:
    """`$name` replaced by its address, everywhere below `node`."""
    if isinstance(node, dict):
        return {
            key: _resolve(value, names, f"{path}.{key}".lstrip("."), problems)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [
            _resolve(value, names, f"{path}.{i}".lstrip("."), problems)
            for i, value in enumerate(node)
        ]
    found = _REFERENCE.match(node) if isinstance(node, str) else None
    if found is None:
        return node
    if found[1] not in names:
        problems.append(
            f"{path}: expected ${found[1]} in `addresses` (known: {sorted(names) or 'none'})"
        )
        return node
    return names[found[1]]


def parse_config(
    raw: Mapping[str, Any],
    addresses: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Deployment:
    """A deployment from the YAML's content. `addresses` adds to the file's table and wins over it.

    `overrides` maps key paths ("markets.0.risk.floor_percent") to values. Raises `ConfigError`.
    """
    data: dict[str, Any] = _copied(dict(raw))
    for path, value in (overrides or {}).items():
        _override(data, path, value)
    names = {**_table(data.pop("addresses", None) or {}, data.get("chain_id")), **(addresses or {})}
    problems: list[str] = []
    data = _resolve(data, names, "", problems)
    if problems:
        raise ConfigError("\n".join(problems))
    try:
        return Deployment.model_validate(data)
    except ValidationError as exc:
        raise ConfigError("\n".join(_lines(exc))) from exc


def _table(raw: Any, chain_id: Any) -> dict[str, str]:
    """The names of this chain: from `name: address`, or from `chain id: {name: address}`."""
    if isinstance(raw, dict) and all(isinstance(value, dict) for value in raw.values()):
        raw = raw.get(str(chain_id), {})
    if not isinstance(raw, dict) or any(not isinstance(value, str) for value in raw.values()):
        raise ConfigError(
            "addresses: expected a table of name: '0x...' (quote the addresses), "
            "or one such table per chain id"
        )
    return {str(name): str(address) for name, address in raw.items()}


def _copied(node: Any) -> Any:
    if isinstance(node, dict):
        return {str(key): _copied(value) for key, value in node.items()}
    return [_copied(value) for value in node] if isinstance(node, list) else node


def _override(data: Any, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    node = data
    try:
        for key in parents:
            node = node[int(key)] if isinstance(node, list) else node[key]
        node[int(last) if isinstance(node, list) else last] = value
    except (KeyError, IndexError, ValueError, TypeError) as exc:
        raise ConfigError(f"{path}: no such key to override") from exc


def _path(places: tuple[int | str, ...]) -> list[str]:
    """The key's path; pydantic puts a source's kind after its number, which is no key."""
    return [
        str(place)
        for i, place in enumerate(places)
        if not (i >= 2 and places[i - 2] == "sources" and isinstance(place, str))
    ]


def _lines(exc: ValidationError) -> list[str]:
    lines = []
    for error in exc.errors():
        path = ".".join(_path(error["loc"]))
        text = error["msg"].removeprefix("Value error, ")
        got = "" if isinstance(error["input"], dict | list | Model) else f", got {error['input']!r}"
        lines.append(f"{path}: {text}{got}" if path else text)
    return lines


def load_config(
    source: str | Path,
    addresses: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Deployment:
    """A deployment from a file, or from one of the shipped defaults by its name (`local`)."""
    import yaml

    path = Path(source)
    if not path.suffix and not path.exists():
        path = DEFAULTS / f"{source}.yaml"
    try:
        raw = yaml.safe_load(path.read_text())
    except OSError as exc:
        known = ", ".join(sorted(one.stem for one in DEFAULTS.glob("*.yaml")))
        raise ConfigError(
            f"{path}: cannot be read ({exc.strerror}); name a YAML file, or one of: {known}"
        ) from exc
    except yaml.YAMLError as exc:
        raise ConfigError(f"{path}: not YAML: {exc}") from exc
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected a table at the top, got {type(raw).__name__}")
    return parse_config(raw, addresses, overrides)


def token_amount(tokens: Decimal, decimals: int) -> int:
    """Tokens -> token units, exact."""
    return to_units(tokens, -decimals)


def percent_text(nano: int) -> str:
    """A share in 1e-9 as a percentage, for printing."""
    return f"{from_units(nano, -7)} %"
