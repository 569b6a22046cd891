"""Pure pieces of the local chain tools: command line, artifacts, prices, Safe hashes."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from eth_account.messages import _hash_eip191_message, encode_typed_data

from plimsoll.localnet.anvil import AnvilOptions, find_anvil
from plimsoll.localnet.artifacts import PACKAGES, NodeModules, node_modules
from plimsoll.localnet.builder import Extra
from plimsoll.localnet.errors import AnvilNotFound, PartMissing
from plimsoll.localnet.origin import OriginConfig, cache_key
from plimsoll.localnet.pool import Q96, price_to_sqrt, sqrt_to_price
from plimsoll.localnet.safe import DELEGATECALL, SafeTx, sign_digest
from plimsoll.localnet.tx import dev_accounts, encode_call

SAFE = "0x0daC8fCA3592681792D9f47Aa621F42B2A847FC7"


def _fake_modules(root: Path) -> Path:
    for package, wanted in PACKAGES.items():
        folder = root / package
        folder.mkdir(parents=True)
        version = wanted + "1" if wanted.endswith(".") else wanted
        (folder / "package.json").write_text(json.dumps({"version": version}))
    return root


# -- Anvil's command line and binary -----------------------------------------------------------


def test_arguments__defaults__prague_on_loopback_and_a_port_of_the_kernels_choice() -> None:
    line = " ".join(AnvilOptions().arguments())
    assert "--host 127.0.0.1 --port 0" in line
    assert "--hardfork prague" in line
    assert "--preserve-historical-states" not in line
    assert "--no-storage-caching" not in line
    assert "--disable-code-size-limit" not in line


def test_arguments__state_and_fork__carry_their_safeguards() -> None:
    dumping = AnvilOptions(dump_state=Path("s.json"), code_size_limit=False).arguments()
    assert dumping[dumping.index("--dump-state") + 1] == "s.json"
    assert {"--preserve-historical-states", "--disable-code-size-limit"} <= set(dumping)
    forking = AnvilOptions(fork_url="http://127.0.0.1:1", fork_block=0).arguments()
    assert forking[forking.index("--fork-block-number") + 1] == "0"
    assert "--no-storage-caching" in forking


def test_find_anvil__nowhere__says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLIMSOLL_NODE_MODULES", str(tmp_path))
    with pytest.raises(AnvilNotFound, match=r"got none in PATH, .*\.bin/anvil; run `make"):
        find_anvil()


def test_find_anvil__npm_wrapper__returns_the_native_binary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = tmp_path / "@foundry-rs"
    native = scope / "anvil-some-platform" / "bin" / "anvil"
    for path in (scope / "anvil" / "bin.mjs", native):
        path.parent.mkdir(parents=True)
        path.touch()
    (tmp_path / ".bin").mkdir()
    (tmp_path / ".bin" / "anvil").symlink_to(scope / "anvil" / "bin.mjs")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setenv("PLIMSOLL_NODE_MODULES", str(tmp_path))
    assert find_anvil() == native


# -- npm packages --------------------------------------------------------------------------------


def test_node_modules__absent_folder__raises_part_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLIMSOLL_NODE_MODULES", str(tmp_path / "none"))
    with pytest.raises(PartMissing, match="got no such folder"):
        node_modules()


def test_node_modules__other_version__names_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = _fake_modules(tmp_path)
    monkeypatch.setenv("PLIMSOLL_NODE_MODULES", str(root))
    assert node_modules().versions["canonical-weth"] == "1.4.0"
    (root / "canonical-weth" / "package.json").write_text('{"version": "1.4.1"}')
    with pytest.raises(PartMissing, match=r"expected canonical-weth 1\.4\.0 in .*, got 1\.4\.1"):
        node_modules()


def test_creation_code__library_not_given__raises_part_missing(tmp_path: Path) -> None:
    path = tmp_path / "canonical-weth/build/contracts/WETH9.json"
    path.parent.mkdir(parents=True)
    links = {"a.sol": {"Lib": [{"start": 1, "length": 20}]}}
    code = "0x60" + "__" * 20 + "61"
    path.write_text(json.dumps({"bytecode": code, "linkReferences": links}))
    modules = NodeModules(tmp_path, {})
    with pytest.raises(PartMissing, match="weth needs the library Lib linked"):
        modules.creation_code("weth")
    linked = modules.creation_code("weth", {"Lib": SAFE})
    assert linked == b"\x60" + bytes.fromhex(SAFE[2:]) + b"\x61"


def test_cache_key__builders_source_changed__changes(monkeypatch: pytest.MonkeyPatch) -> None:
    modules = NodeModules(Path("."), {})
    before = cache_key(OriginConfig(), modules, "1.7.1")
    read_bytes = Path.read_bytes
    monkeypatch.setattr(
        Path, "read_bytes", lambda self: read_bytes(self) + b"#" * (self.name == "builder.py")
    )
    assert cache_key(OriginConfig(), modules, "1.7.1") != before


def test_cache_key__any_input_changed__changes() -> None:
    modules = NodeModules(Path("."), {"canonical-weth": "1.4.0"})
    config = OriginConfig()
    keys = {
        cache_key(config, modules, "1.7.1"),
        cache_key(config, modules, "1.7.2"),
        cache_key(config, NodeModules(Path("."), {"canonical-weth": "1.4.1"}), "1.7.1"),
        cache_key(OriginConfig(price_usd=Decimal("2000.01")), modules, "1.7.1"),
        cache_key(OriginConfig(extras=(Extra("a", b"\x00"),)), modules, "1.7.1"),
        cache_key(OriginConfig(extras=(Extra("a", b"\x01"),)), modules, "1.7.1"),
    }
    assert len(keys) == 6
    assert cache_key(OriginConfig(), modules, "1.7.1") in keys


# -- prices ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("weth_is_token0", [True, False])
@pytest.mark.parametrize("price", ["0.01", "97.31", "2000", "123456.789"])
def test_price_to_sqrt__round_trip__within_the_roots_resolution(
    price: str, weth_is_token0: bool
) -> None:
    wanted = Decimal(price)
    got = sqrt_to_price(price_to_sqrt(wanted, 10**6, weth_is_token0), 10**6, weth_is_token0)
    assert abs(got / wanted - 1) < Decimal("1e-20")


def test_price_to_sqrt__equal_units_at_price_one__is_q96() -> None:
    assert price_to_sqrt(Decimal(1), 10**18, True) == Q96


# -- Safe ------------------------------------------------------------------------------------------


def test_digest__any_fields__equals_eth_accounts_eip712_hash() -> None:
    message = SafeTx(to=SAFE, data=b"\x12\x34", value=5, operation=DELEGATECALL, nonce=9)
    document = encode_typed_data(full_message=message.typed_data(11_155_111, SAFE))
    assert message.digest(11_155_111, SAFE) == bytes(_hash_eip191_message(document))


def test_sign_digest__owners_in_any_order__joined_by_rising_address() -> None:
    first, second, third = dev_accounts(3)
    joined = sign_digest(b"\x07" * 32, [first, second, third])
    assert joined == sign_digest(b"\x07" * 32, [third, first, second])
    order = sorted((first, second, third), key=lambda one: one.address.lower())
    assert joined[:65] == sign_digest(b"\x07" * 32, order[:1])
    assert len(joined) == 195


def test_dev_accounts__first__is_anvils_well_known_one() -> None:
    assert dev_accounts(1)[0].address == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert "key" not in repr(dev_accounts(1)[0])


def test_encode_call__known_signature__known_calldata() -> None:
    data = encode_call("transfer(address,uint256)", SAFE, 1)
    assert data.hex() == "a9059cbb" + "0" * 24 + SAFE[2:].lower() + "0" * 63 + "1"
    assert encode_call("deposit()").hex() == "d0e30db0"
