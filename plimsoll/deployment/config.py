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
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from plimsoll.units import InexactError, from_units, to_units

DEFAULTS = Path(__file__).with_name("defaults")
YEAR_SECONDS = 365 * 86_400
ZERO = "0x" + "00" * 20


class ConfigError(ValueError):
    """The configuration is not usable; each line of the text starts with a key's path."""


def _address(text: str) -> str:
    from eth_utils.address import is_address, to_checksum_address

    if not is_address(text):
        raise ValueError(f"expected an address of 20 bytes in hex, got {text!r}")
    return str(to_checksum_address(text))


def _some(text: str) -> str:
    if int(text, 16) == 0:
        raise ValueError("expected an address that is not zero")
    return text


AnyAddress = Annotated[str, AfterValidator(_address)]
Address = Annotated[AnyAddress, AfterValidator(_some)]
Fraction = Annotated[Decimal, Field(ge=0)]
Bps = Annotated[int, Field(ge=0, le=10_000)]
Seconds = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class Model(BaseModel):
    """Unknown keys are errors; nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def exact(self, key: str, exponent: int) -> int:
        """This key's value in units of 10**exponent; ValueError names the key."""
        try:
            return to_units(getattr(self, key), exponent)
        except InexactError as exc:
            raise ValueError(f"{key}: {exc}") from exc

    def percent(self, key: str, exponent: int) -> int:
        """A percentage as a fraction in units of 10**exponent."""
        try:
            return to_units(getattr(self, key), exponent + 2)
        except InexactError as exc:
            raise ValueError(f"{key}: {exc}") from exc


class Timelock(Model):
    """Delays in seconds; the floor is fixed for good. `executors` empty: anybody executes."""

    delay_seconds: Seconds
    delay_floor_seconds: Annotated[int, Field(ge=1)]
    grace_seconds: Seconds
    proposers: Annotated[list[Address], Field(min_length=1, max_length=15)]
    executors: Annotated[list[Address], Field(max_length=15)] = []
    cancellers: Annotated[list[Address], Field(max_length=15)] = []

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
    matchers: list[Address] = []


class SignerSet(Model):
    """Keys that sign price reports, and how many a report needs."""

    signers: Annotated[list[Address], Field(min_length=1, max_length=16)]
    threshold: Annotated[int, Field(ge=1, le=8)]

    def ascending(self) -> list[str]:
        """The signers as the adapter wants them."""
        return sorted(self.signers, key=lambda signer: int(signer, 16))


class Chainlink(Model):
    """A Chainlink-shaped aggregator."""

    kind: Literal["chainlink"]
    aggregator: Address
    max_age_seconds: Annotated[int, Field(ge=1)]


class Signed(Model):
    """Signed reports by a signer set."""

    kind: Literal["signed"]
    signer_set: str
    max_age_seconds: Annotated[int, Field(ge=1)]


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
    min_price_usd: Fraction
    max_price_usd: Fraction
    sources: Annotated[
        list[Annotated[Chainlink | Signed, Field(discriminator="kind")]],
        Field(min_length=1, max_length=5),
    ]

    def terms(self) -> dict[str, int]:
        """The `FeedTerms` struct."""
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
            "min_price": self.exact("min_price_usd", -9),
            "max_price": self.exact("max_price_usd", -9),
        }

    def variance(self) -> int:
        """Annualised variance, 1e-12, that the feed starts from."""
        return self.percent("initial_volatility_percent", -6) ** 2


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


class Oracle(Model):
    """Signer sets by name and feeds."""

    signer_sets: dict[str, SignerSet] = {}
    feeds: Annotated[list[Feed], Field(min_length=1)]


class Deployment(Model):
    """A whole deployment. `name` also salts the addresses: another name, other contracts."""

    name: Name
    chain_id: Annotated[int, Field(ge=1)]
    quote_token: Address
    timelock: Timelock
    roles: Roles
    oracle: Oracle
    markets: Annotated[list[Market], Field(max_length=255)]
    collateral: list[Collateral] = []
    quote_limiter: Limiter | None = None
    interest: Interest
    profit: Profit
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
        return next(feed.id for feed in self.oracle.feeds if feed.name == name)

    def signer_set_id(self, name: str) -> int:
        """Id that the adapter will give the signer set: their order in the file, from 1."""
        return list(self.oracle.signer_sets).index(name) + 1

    def _references(self) -> list[str]:
        feeds = {feed.name for feed in self.oracle.feeds}
        sets = set(self.oracle.signer_sets)
        used = [(f"markets.{i}.feed", m.feed) for i, m in enumerate(self.markets)]
        used += [(f"collateral.{i}.feed", c.feed) for i, c in enumerate(self.collateral)]
        problems = [
            f"{path}: expected one of the feeds {sorted(feeds)}, got {name!r}"
            for path, name in used
            if name not in feeds
        ]
        for i, feed in enumerate(self.oracle.feeds):
            for j, source in enumerate(feed.sources):
                if isinstance(source, Signed) and source.signer_set not in sets:
                    problems.append(
                        f"oracle.feeds.{i}.sources.{j}.signer_set: expected one of "
                        f"{sorted(sets)}, got {source.signer_set!r}"
                    )
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
        parts: list[tuple[str, Any]] = []
        for i, feed in enumerate(self.oracle.feeds):
            parts += [(f"oracle.feeds.{i}", feed.terms), (f"oracle.feeds.{i}", feed.variance)]
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


def _lines(exc: ValidationError) -> list[str]:
    lines = []
    for error in exc.errors():
        path = ".".join(
            str(part) for part in error["loc"] if str(part) not in ("chainlink", "signed")
        )
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
