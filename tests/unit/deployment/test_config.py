"""The configuration: shipped files load, units convert exactly, a bad key is named by its path."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from plimsoll.deployment.config import DEFAULTS, ConfigError, load_config
from plimsoll.risk_parameters import STARTING

NAMES = {
    name: f"0x{number:040x}"
    for number, name in enumerate(
        "usd weth eth_usd btc_usd council guardian treasury matcher".split(), 0xA11CE
    )
}


def load(overrides: dict[str, Any] | None = None, source: str | Path = "local") -> Any:
    return load_config(source, NAMES, overrides)


@pytest.mark.parametrize("name", sorted(path.stem for path in DEFAULTS.glob("*.yaml")))
def test_load_config__shipped_file__loads(name: str) -> None:
    assert load(source=name).markets


def test_load_config__local__has_the_starting_risk_parameters() -> None:
    wanted = vars(STARTING["ETH"].to_chain())
    assert load().markets[0].risk.struct() == wanted


def test_struct__human_units__chain_integers() -> None:
    config = load({"markets.0.maker_fee_bps": "-0.5", "markets.0.taker_fee_bps": 2})
    market = config.markets[0].struct()
    assert (market["maker_fee"], market["taker_fee"]) == (-50, 200)
    assert market["cap_lots"] == 20_000 * 10**6
    assert config.oracle.feeds[0].variance() == 490_000_000_000  # 0.7 squared, 1e-12
    assert config.oracle.feeds[0].terms()["min_price"] == 10 * 10**9
    assert config.oracle.feeds[0].terms()["jump_rate"] == 50_000  # 0.05 % a second, 1e-8
    assert config.interest.struct()["base"] == round(Decimal(10**13) / 100 / (365 * 86_400))


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("fund.drip_seconds", "soon", "fund.drip_seconds: "),
        ("markets.1.feed", "DOGE", "markets.1.feed: expected one of the feeds ['BTC', 'ETH']"),
        ("markets.0.risk.floor_percent", "0.00000001", "markets.0.risk.floor_percent: expected"),
        ("oracle.feeds.0.min_price_usd", "1e-10", "oracle.feeds.0.min_price_usd: expected"),
        ("oracle.feeds.1.quorum", 9, "oracle.feeds.1.quorum: "),
        ("oracle.feeds.1.sources.0.aggregator", "0x12", "oracle.feeds.1.sources.0.aggregator: "),
        ("roles.guardian", "0x" + "00" * 20, "roles.guardian: expected an address that is not"),
        ("roles.treasury", "$nobody", "roles.treasury: expected $nobody in `addresses`"),
        ("timelock.delay_seconds", 0, "timelock: delay_seconds: expected at least"),
        ("collateral.0.token", NAMES["usd"], "collateral (token): expected distinct values"),
        ("fund.speed", 3, "fund.speed: Extra inputs"),
        ("nothing.here", 3, "nothing.here: no such key"),
    ],
)
def test_load_config__bad_key__named_by_its_path(key: str, value: Any, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({key: value})
    assert any(text.startswith(line) for text in str(caught.value).splitlines()), caught.value


def test_load_config__addresses_per_chain_id__takes_this_chains(tmp_path: Path) -> None:
    text = (DEFAULTS / "local.yaml").read_text()
    tables = "addresses:\n  '31337': {usd: '0x" + "11" * 20 + "'}\n  '1': {usd: '0x" + "22" * 20
    path = tmp_path / "two.yaml"
    path.write_text(text + tables + "'}\n")
    rest = {name: address for name, address in NAMES.items() if name != "usd"}
    assert load_config(path, rest).quote_token == "0x" + "11" * 20
    assert load_config(path, rest, {"chain_id": 1}).quote_token == "0x" + "22" * 20


def test_load_config__no_such_file__lists_the_shipped_ones() -> None:
    with pytest.raises(ConfigError, match="house, local"):
        load(source="moon")
