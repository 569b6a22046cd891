"""Every parameter that a proposal can name: where it is read, how it is written, in which unit.

A group is what one setter writes at once. Names and units are those of the deployment's YAML
(plimsoll/deployment/config.py): `markets.ETH-PERP.risk.floor_percent`, `fund.drip_seconds`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from plimsoll.deployment.config import YEAR_SECONDS, Deployment
from plimsoll.keepers.node import Node, View
from plimsoll.units import UnitError, from_units, to_units

Values = dict[str, Any]  # by chain field: integers, addresses, booleans


@dataclass(frozen=True)
class Unit:
    """How people write a value. kind: number (units of 10**exponent), rate, flag, address."""

    kind: str = "number"
    exponent: int = 0

    def parse(self, value: Any) -> Any:
        """The chain's value. Raises `UnitError` or `ValueError`."""
        if self.kind == "flag":
            if not isinstance(value, bool):
                raise UnitError(f"expected true or false, got {value!r}")
            return value
        if self.kind == "address":
            from eth_utils.address import to_checksum_address

            text = f"0x{value:040x}" if type(value) is int else str(value)
            return str(to_checksum_address(text))
        number = Decimal(str(value)) if isinstance(value, float) else value
        if self.kind == "rate":  # per cent a year, stored per second in 1e-13
            return round(Decimal(str(number)) * 10**11 / YEAR_SECONDS)
        return to_units(number, self.exponent)

    def show(self, value: Any) -> str:
        """The value as people write it; a rate to four places."""
        if self.kind == "flag":
            return "true" if value else "false"
        if self.kind == "address":
            return str(value)
        if self.kind == "rate":
            return f"{Decimal(value) * YEAR_SECONDS / 10**11:.4f}"
        return str(from_units(value, self.exponent))


PLAIN, PERCENT, MULTIPLE = Unit(), Unit(exponent=-7), Unit(exponent=-9)
LOTS, BPS_2, TOKENS, USD = (Unit(exponent=e) for e in (-6, -2, -6, -15))
RATE, FLAG, ADDRESS = Unit("rate"), Unit("flag"), Unit("address")


@dataclass(frozen=True)
class Group:
    """What one call sets. `fields`: name -> (chain field, unit); `options`: extra keys needed."""

    name: str
    contract: str
    function: str
    fields: Mapping[str, tuple[str, Unit]]
    read: Callable[[Node, int | None], Values]
    arguments: Callable[[Values, Mapping[str, int]], tuple[Any, ...]]
    options: tuple[str, ...] = ()
    moves_margin: bool = False


def _struct(contract: str, function: str, *args: Any) -> Callable[[Node, int | None], Values]:
    def read(node: Node, block: int | None) -> Values:
        return dict(node.view(contract, function, *args, block=block)._asdict())

    return read


def _bits(
    contract: str, function: str, args: tuple[Any, ...], layout: Mapping[str, tuple[int, int]]
) -> Callable[[Node, int | None], Values]:
    """Reads fields of a packed word: name -> (low bit, width); a negative width is signed."""

    def read(node: Node, block: int | None) -> Values:
        word = node.view(contract, function, *args, block=block)
        values: Values = {}
        for name, (low, width) in layout.items():
            value = word >> low & (1 << abs(width)) - 1
            if width < 0 and value >> (-width - 1):
                value -= 1 << -width
            values[name] = value
        return values

    return read


def _each(contract: str, **views: str) -> Callable[[Node, int | None], Values]:
    def read(node: Node, block: int | None) -> Values:
        wanted = [View(contract, function) for function in views.values()]
        return dict(zip(views, node.views(wanted, block), strict=True))

    return read


_RISK = {
    "tail_multiple": ("tail", MULTIPLE),
    "horizon_seconds": ("horizon", PLAIN),
    "floor_percent": ("floor", PERCENT),
    "cap_percent": ("cap", PERCENT),
    "size_percent": ("size", PERCENT),
    "concentration_percent": ("concentration", PERCENT),
    "depth_units": ("depth", LOTS),
    "stressed_volatility_percent": ("stressed", PERCENT),
    "blend_percent": ("blend", PERCENT),
    "forecast_volatility_percent": ("forecast", PERCENT),
    "initial_multiple": ("initial_multiple", MULTIPLE),
    "initial_floor_percent": ("initial_floor", PERCENT),
    "stale_slope_percent_per_second": ("stale_slope", PERCENT),
}
_MARKET = {
    "open_interest_cap_units": ("cap_lots", LOTS),
    "open_interest_cap_usd": ("cap_usd", PLAIN),
    "min_notional_usd": ("min_notional", PLAIN),
    "maker_fee_bps": ("maker_fee", BPS_2),
    "taker_fee_bps": ("taker_fee", BPS_2),
    "price_band_bps": ("band", PLAIN),
    "status": ("status", PLAIN),
}
_MARKET_WORD = {
    "cap_lots": (0, 56), "cap_usd": (56, 40), "min_notional": (96, 24), "maker_fee": (120, -16),
    "taker_fee": (136, 16), "band": (152, 16), "status": (168, 8),
}  # fmt: skip
_FLOW = {
    "percent_of_depth": ("share", PLAIN),
    "window_seconds": ("window", PLAIN),
    "reserve_256ths": ("reserve", PLAIN),
    "sum_usd": ("sum", PLAIN),
}
_FLOW_WORD = {"share": (244, 12), "window": (220, 16), "reserve": (236, 8), "sum": (184, 36)}
_RATES = {
    "base_percent_per_year": ("base", RATE),
    "slope_percent_per_year": ("slope", RATE),
    "slope_above_percent_per_year": ("slope_above", RATE),
    "kink_bps": ("kink", PLAIN),
    "fund_share_bps": ("fund_share", PLAIN),
    "borrow_cap_tokens": ("borrow_cap", TOKENS),
}
_RATES_WORD = {
    "base": (0, 24), "slope": (24, 24), "slope_above": (48, 24), "kink": (72, 16),
    "fund_share": (88, 16), "borrow_cap": (104, 152),
}  # fmt: skip
_CURVE = {
    "start_percent": ("x_start", PERCENT),
    "mid_percent": ("x_mid", PERCENT),
    "max_percent": ("x_max", PERCENT),
    "mid_seconds": ("t_mid", PLAIN),
    "one_seconds": ("t_one", PLAIN),
    "end_seconds": ("t_end", PLAIN),
    "resume_seconds": ("resume", PLAIN),
    "max_step_seconds": ("max_step", PLAIN),
    "fade_seconds": ("fade", PLAIN),
    "min_leg_lots": ("min_lots", PLAIN),
    "buffer_percent": ("buffer", PERCENT),
    "fee_percent": ("fee", PERCENT),
    "keeper_share_bps": ("keeper_share", PLAIN),
    "start_pay_usd": ("start_flat", TOKENS),
    "start_pay_percent": ("start_share", PERCENT),
    "bid_pay_usd": ("exec_flat", TOKENS),
    "bid_pay_percent": ("exec_share", PERCENT),
    "min_requirement_usd": ("min_requirement", TOKENS),
    "charge_cap_percent": ("charge_cap", PERCENT),
    "charge_window_seconds": ("charge_window", PLAIN),
    "social_share_bps": ("social_share", PLAIN),
    "pre_band_percent": ("pre_band", PERCENT),
    "pre_premium_percent": ("pre_premium", PERCENT),
    "pre_fee_percent": ("pre_fee", PERCENT),
    "pre_cap_bps": ("pre_cap", PLAIN),
    "priority_seconds": ("priority", PLAIN),
    "intent_margin_percent": ("intent_margin", PERCENT),
}
_CAPS = {
    "cap_per_event_bps": ("per_event", PLAIN),
    "cap_per_window_bps": ("per_window", PLAIN),
    "cap_per_market_bps": ("per_market", PLAIN),
    "cap_window_seconds": ("window", PLAIN),
}


def _whole(fields: Mapping[str, tuple[str, Unit]]) -> Callable[[Values, Mapping[str, int]], Any]:
    """The setter's one struct argument."""
    keys = [key for key, _ in fields.values()]
    return lambda values, _: ({key: values[key] for key in keys},)


def catalog(settings: Deployment) -> list[Group]:
    """All groups of a deployment, the longest names first, so that a prefix finds the right one."""
    groups = [*_house_groups()]
    for number, market in enumerate(settings.markets):
        groups += _market_groups(market.name, number)
    for asset in settings.collateral:
        groups += _asset_groups(asset.name, asset.token, asset.decimals)
    groups.append(_limiter("quote_limiter", settings.quote_token, 6))
    return sorted(groups, key=lambda group: -len(group.name))


def _market_groups(name: str, number: int) -> list[Group]:
    config = _bits("MarginEngine", "config", (number,), _MARKET_WORD)
    struct = _whole(_MARKET)
    risk = _whole(_RISK)
    return [
        Group(
            f"markets.{name}", "MarginEngine", "set_market", _MARKET, config,
            lambda values, options: (number, *struct(values, options)),
        ),
        Group(
            f"markets.{name}.risk", "StandardMargin", "set_parameters", _RISK,
            _struct("StandardMargin", "parameters", number),
            lambda values, options: (number, *risk(values, options)),
            moves_margin=True,
        ),
    ]  # fmt: skip


def _asset_groups(name: str, token: str, decimals: int) -> list[Group]:
    terms = _struct("CollateralVault", "terms", token)
    cuts = {
        "maintenance_haircut_bps": ("maintenance", PLAIN),
        "initial_haircut_bps": ("initial", PLAIN),
    }
    return [
        Group(
            f"collateral.{name}", "CollateralVault", "set_haircuts", cuts, terms,
            lambda v, o: (token, v["maintenance"], v["initial"], o["ramp_seconds"]),
            options=("ramp_seconds",), moves_margin=True,
        ),
        Group(
            f"collateral.{name}", "CollateralVault", "set_cap",
            {"cap_tokens": ("cap", Unit(exponent=-decimals))}, terms,
            lambda v, o: (token, v["cap"], o["ramp_seconds"]), options=("ramp_seconds",),
        ),
        Group(
            f"collateral.{name}", "CollateralVault", "set_enabled", {"enabled": ("enabled", FLAG)},
            terms, lambda v, _: (token, v["enabled"]),
        ),
        _limiter(f"collateral.{name}.limiter", token, decimals),
    ]  # fmt: skip


def _limiter(name: str, token: str, decimals: int) -> Group:
    fields = {
        "share_bps": ("share", PLAIN),
        "window_seconds": ("window", PLAIN),
        "minimum_tokens": ("minimum", Unit(exponent=-decimals)),
    }
    return Group(
        name, "CollateralVault", "set_limiter", fields,
        _struct("CollateralVault", "limiter", token),
        lambda v, _: (token, v["share"], v["window"], v["minimum"]),
    )  # fmt: skip


def _address(number: int) -> str:
    return str(ADDRESS.parse(number))


def _house_groups() -> list[Group]:
    engine, fund = "MarginEngine", "InsuranceFund"
    split = _bits(engine, "fee_split", (), {"treasury": (0, 160), "share": (160, 16)})
    core = {"risk": (0, 160), "pause": (160, 8), "haircut": (168, 16), "period": (184, 32)}
    read_core = _bits(engine, "core", (), core)

    def read_split(node: Node, block: int | None) -> Values:
        values = split(node, block)
        return {**values, "treasury": _address(values["treasury"])}

    return [
        Group(
            "interest", engine, "set_rates", _RATES, _bits(engine, "rates", (), _RATES_WORD),
            _whole(_RATES),
        ),
        Group(
            "flow", engine, "set_flow", _FLOW, _bits(engine, "claims", (), _FLOW_WORD),
            _whole(_FLOW),
        ),
        Group(
            "fees", engine, "set_fee_split",
            {"treasury": ("treasury", ADDRESS), "fund_share_bps": ("share", PLAIN)}, read_split,
            lambda v, _: (v["treasury"], v["share"]),
        ),
        Group(
            "profit", engine, "set_core",
            {"fresh_haircut_bps": ("haircut", PLAIN), "fresh_period_seconds": ("period", PLAIN)},
            read_core, lambda v, _: (_address(v["risk"]), v["haircut"], v["period"]),
        ),
        Group(
            "pause", engine, "set_pause", {"level": ("pause", PLAIN)}, read_core,
            lambda v, _: (v["pause"],),
        ),
        Group(
            "auction", "LiquidationAuction", "set_curve", _CURVE,
            _struct("LiquidationAuction", "curve"), _whole(_CURVE),
        ),
        Group("fund", fund, "set_caps", _CAPS, _struct(fund, "caps"), _whole(_CAPS)),
        Group(
            "fund", fund, "set_budget",
            {"keeper_budget_usd": ("target", USD), "keeper_budget_bps_per_day": ("share", PLAIN)},
            _each(fund, target="budget_target", share="budget_share"),
            lambda v, _: (v["target"], v["share"]),
        ),
        Group(
            "fund", fund, "set_drip", {"drip_seconds": ("drip", PLAIN)},
            _each(fund, drip="drip_period"), lambda v, _: (v["drip"],),
        ),
        Group(
            "fund", fund, "set_cooldown",
            {"cooldown_seconds": ("cooldown", PLAIN), "exit_window_seconds": ("window", PLAIN)},
            _each(fund, cooldown="cooldown", window="exit_window"),
            lambda v, _: (v["cooldown"], v["window"]),
        ),
        Group(
            "fund", fund, "set_tolerance", {"deficit_tolerance_bps": ("share", PLAIN)},
            _each(fund, share="deficit_tolerance"), lambda v, _: (v["share"],),
        ),
        Group(
            "timelock", "Timelock", "update_delay", {"delay_seconds": ("delay", PLAIN)},
            _each("Timelock", delay="get_minimum_delay"), lambda v, _: (v["delay"],),
        ),
    ]  # fmt: skip


def find(groups: list[Group], path: str) -> tuple[Group, str]:
    """The group and field of a path; LookupError lists what there is under its longest prefix."""
    head, _, last = path.rpartition(".")
    for group in groups:
        if group.name == head and last in group.fields:
            return group, last
    known = sorted(f"{group.name}.{name}" for group in groups for name in group.fields)
    near = [one for one in known if one.startswith(head + ".")] or sorted({g.name for g in groups})
    raise LookupError(f"expected a parameter among {', '.join(near)}; got {path!r}")
