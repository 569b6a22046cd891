"""The configuration: shipped files load, units convert exactly, a bad key is named by its path."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from plimsoll.deployment.config import DEFAULTS, ConfigError, load_config
from plimsoll.deployment.words import Listed, SourceWords
from plimsoll.risk_parameters import STARTING

NAMES = {
    name: f"0x{number:040x}"
    for number, name in enumerate(
        "usd weth eth_usd btc_usd council guardian treasury matcher".split(), 0xA11CE
    )
}


ZERO, ONE, TWO = "0x" + "00" * 20, "0x" + "11" * 20, "0x" + "22" * 20
ID = "0x" + "ab" * 32
# A source of every kind and the fields of its struct that are not those of all.
SOURCES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "chainlink": ({"aggregator": ONE}, {"kind": 1}),
    "chainlink, the other way round": (
        {"kind": "chainlink", "aggregator": ONE, "inverse": True},
        {"kind": 1, "inverse": True},
    ),
    "signed": ({"signer_set": "desk"}, {"kind": 2, "target": ZERO, "signer_set": 1}),
    "pyth": (
        {"contract": ONE, "price_id": ID, "max_confidence_percent": "0.5"},
        {"kind": 3, "max_conf": 50, "extra": int(ID, 16)},
    ),
    "uniswap_v3": (
        {
            "pool": ONE, "factory": TWO, "window_seconds": 1_800, "min_liquidity": 10**20,
            "token0_decimals": 18, "token1_decimals": 6, "via": "ETH",
        },
        {
            "kind": 4, "via": 1, "factory": TWO,
            "extra": 1_800 | 10**20 << 32 | 18 << 160 | 6 << 168,
        },
    ),
    "curve": ({"pool": ONE}, {"kind": 5}),
    "curve, many coins": (
        {"kind": "curve", "pool": ONE, "coin_index": 1, "via": "ETH"},
        {"kind": 5, "extra": 257, "via": 1},
    ),
    "erc4626": (
        {"vault": ONE, "share_decimals": 18, "asset_decimals": 6, "via": "ETH"},
        {"kind": 6, "extra": 18 | 6 << 8, "via": 1},
    ),
}  # fmt: skip


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
    assert config.oracle.feeds[0].terms()["jump_rate"] == 5_000  # 0.005 % a second, 1e-8
    assert config.oracle.feeds[0].terms()["ema_band"] == 300  # 30 %, 1e-3
    assert config.interest.struct()["base"] == round(Decimal(10**13) / 100 / (365 * 86_400))


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("fund.drip_seconds", "soon", "fund.drip_seconds: "),
        ("markets.1.feed", "DOGE", "markets.1.feed: expected one of the feeds ['BTC', 'ETH']"),
        ("markets.0.risk.floor_percent", "0.00000001", "markets.0.risk.floor_percent: expected"),
        ("oracle.feeds.0.min_price_usd", "1e-10", "oracle.feeds.0.min_price_usd: expected"),
        ("oracle.feeds.1.quorum", 9, "oracle.feeds.1.quorum: "),
        ("oracle.feeds.0.ema_band_percent", "0.01", "oracle.feeds.0.ema_band_percent: expected"),
        ("oracle.feeds.0.ema_tau_minutes", 0, "oracle.feeds.0.ema_tau_minutes: "),
        ("oracle.feeds.0.recovery_grace_seconds", 9_999, "oracle.feeds.0.recovery_grace_seconds: "),
        ("oracle.sequencer", {"feed": ZERO, "grace_seconds": 5}, "oracle.sequencer.feed: expected"),
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


@pytest.mark.parametrize("case", SOURCES)
def test_source_terms__of_every_kind__the_adapters_struct(case: str) -> None:
    given, wanted = SOURCES[case]
    source = {"kind": case, "max_age_seconds": 60, **given}
    desk = {"signers": [ONE], "threshold": 1}
    overrides = {"oracle.signer_sets": {"desk": desk}, "oracle.feeds.1.sources": [source]}
    oracle = load(overrides).oracle
    terms = oracle.source_terms(oracle.feeds[1].sources[0])
    plain = {
        "kind": 0, "target": ONE, "signer_set": 0, "max_age": 60, "max_conf": 0,
        "inverse": False, "via": 0, "extra": 0, "factory": ZERO,
    }  # fmt: skip
    assert terms == plain | wanted
    word = SourceWords.of(terms)
    found_out = 8 << 168 | 2 << 200
    assert word == (word.source | found_out, 5, word.extra)
    assert word != (word.source ^ 1 << 176, 5, word.extra)
    assert word != (word.source, 5, word.extra + 1)


@pytest.mark.parametrize(
    ("kind", "key", "value", "line"),
    [
        ("pyth", "price_id", "0x12", "price_id: expected 32 bytes in hex"),
        ("pyth", "max_confidence_percent", "0.001", "max_confidence_percent: expected"),
        ("pyth", "max_confidence_percent", 50, "max_confidence_percent: "),
        ("uniswap_v3", "window_seconds", 60, "window_seconds: "),
        ("uniswap_v3", "via", "BTC", "via: expected a feed that stands before this one"),
        ("curve", "coin_index", -1, "coin_index: "),
        ("erc4626", "rate", 1, "rate: Extra inputs"),
        ("signed", "inverse", True, "inverse: Extra inputs"),
        ("chainlink", "max_age_seconds", 2**17, "max_age_seconds: "),
    ],
)
def test_load_config__bad_source__named_by_its_path(
    kind: str, key: str, value: Any, line: str
) -> None:
    source = {"kind": kind, "max_age_seconds": 60, **SOURCES[kind][0], key: value}
    sets = {"desk": {"signers": [ONE], "threshold": 1}}
    with pytest.raises(ConfigError) as caught:
        load({"oracle.signer_sets": sets, "oracle.feeds.1.sources": [source]})
    assert str(caught.value).startswith(f"oracle.feeds.1.sources.0.{line}"), caught.value


def test_load_config__via_a_feed_with_a_higher_id__refused() -> None:
    source = {"kind": "curve", "pool": ONE, "max_age_seconds": 60, "via": "ETH"}
    with pytest.raises(ConfigError, match=r"oracle.feeds.1.sources.0.via: .*there is none"):
        load({"oracle.feeds.0.id": 3, "oracle.feeds.1.sources": [source]})


def test_listed__terms__every_field_counts() -> None:
    terms = load().oracle.feeds[0].terms()
    listed = Listed.of(terms, 3)
    assert listed == [1, 1, listed.terms, 1, 1, 1]
    assert listed != Listed.of(terms, 2)
    for name, value in terms.items():
        other = not value if isinstance(value, bool) else value * 2
        assert listed != Listed.of({**terms, name: other}, 3), name


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
