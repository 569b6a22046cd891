"""The Transaction Builder's checksum, by hand, and the units of the catalogue."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak

from plimsoll.deployment.config import load_config
from plimsoll.governance import catalog, safe_batch
from plimsoll.units import UnitError

SAFE = "0x" + "aa" * 20


def test_checksum__written_out_by_hand__same() -> None:
    batch = {
        "version": "1.0",
        "chainId": "1",
        "createdAt": 7,
        "meta": {"name": "forgotten", "checksum": "0xold", "description": 'say "é"'},
        "transactions": [{"value": "0", "to": SAFE, "data": None}],
    }
    # Sorted keys as a JSON list, then each value and a comma; the name null, the checksum gone.
    by_hand = (
        '{["chainId","createdAt","meta","transactions","version"]'
        '"1",'
        "7,"
        '{["description","name"]"say \\"é\\"",null,},'
        f'[{{["data","to","value"]null,"{SAFE}","0",}}],'
        '"1.0",}'
    )
    assert safe_batch.checksum(batch) == "0x" + keccak(by_hand.encode()).hex()


def test_batch__name_changes__checksum_stays_and_chain_changes_it() -> None:
    def make(chain: int, name: str) -> str:
        made = safe_batch.batch(chain, name, "d", [safe_batch.transaction(SAFE, b"\x01")], SAFE, 0)
        assert (made["chainId"], made["transactions"][0]["value"]) == (str(chain), "0")
        return str(made["meta"]["checksum"])

    assert make(1, "a") == make(1, "b") != make(2, "a")


def test_catalog__every_group__fields_found_by_their_path() -> None:
    names = "usd weth eth_usd btc_usd council guardian treasury matcher".split()
    addresses = {name: f"0x{number:040x}" for number, name in enumerate(names, 1)}
    groups = catalog.catalog(load_config("house", addresses))
    for group in groups:
        for name in group.fields:
            assert catalog.find(groups, f"{group.name}.{name}") == (group, name)
    with pytest.raises(LookupError, match=r"markets\.ETH-PERP\.risk\.floor_percent"):
        catalog.find(groups, "markets.ETH-PERP.risk.flor")


@pytest.mark.parametrize(
    ("unit", "text", "chain"),
    [
        (catalog.PERCENT, "1.5", 15_000_000),
        (catalog.BPS_2, "-0.5", -50),
        (catalog.LOTS, "16000", 16_000_000_000),
        (catalog.MULTIPLE, "4.2", 4_200_000_000),
    ],
)
def test_unit__there_and_back(unit: catalog.Unit, text: str, chain: int) -> None:
    assert unit.parse(text) == chain
    assert unit.show(chain) == text


def test_unit__finer_than_stored__refused() -> None:
    with pytest.raises(UnitError):
        catalog.PLAIN.parse("1.5")
    with pytest.raises(UnitError):
        catalog.FLAG.parse(1)
