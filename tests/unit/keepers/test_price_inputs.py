"""Who signs the price keeper's reports, and where its prices come from."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from plimsoll.keepers.price_input import (
    ChainInput,
    FileInput,
    InputError,
    LineInput,
    Observation,
    parse,
)
from plimsoll.keepers.report_signers import AccountSigner, KeySigner, choose
from plimsoll.signed_reports import PriceReport
from tests.unit.keepers.price_scene import FEED, IDS, Scene
from tests.unit.oracle.conftest import KEYS, START, USD, World

# -- signers --------------------------------------------------------------------------------------


def test_choose__more_members_than_needed__as_many_as_needed_ascending() -> None:
    signers = [KeySigner(key) for key in KEYS[:4]]
    panel = choose(signers, [True, False, True, True], 2)
    assert panel is not None
    assert {one.address for one in panel.signers} == {signers[0].address, signers[2].address}
    assert choose(signers, [True, False, False, False], 2) is None


def test_account_signer__ape_account__same_signature_as_the_key(shared: World) -> None:
    from eth_account import Account
    from eth_account.messages import SignableMessage

    class Fake:
        address = Account.from_key(KEYS[0]).address

        def sign_message(self, message: SignableMessage) -> Any:
            done = Account.from_key(KEYS[0]).sign_message(message)

            class Signed:
                v = done.v
                r = done.r.to_bytes(32, "big").lstrip(b"\x00")
                s = done.s.to_bytes(32, "big").lstrip(b"\x00")

            return Signed()

    for sequence in range(1, 40):  # some have a leading zero byte
        report = PriceReport(FEED, 0, 2_000 * USD, START, sequence)
        expected = KeySigner(KEYS[0]).sign(report, 1, shared.oracle.address)
        assert AccountSigner(Fake()).sign(report, 1, shared.oracle.address) == expected


# -- inputs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"feed": "BTC", "price": "1"}, "one of the feeds ETH"),
        ({"feed": "ETH", "price": "-1"}, "above 0"),
        ({"feed": "ETH", "price": "nan"}, "finite"),
        ({"feed": "ETH", "price": ""}, "a number"),
        ({"feed": "ETH"}, "a number"),
        ({"feed": "ETH", "price": "1", "premium": "0.2"}, "under 0.131"),
        ({"feed": "ETH", "price": "1", "time": "soon"}, "time: expected a number"),
    ],
)
def test_parse__bad_entry__refused_with_what_was_expected(entry: dict[str, str], why: str) -> None:
    with pytest.raises(InputError, match=why):
        parse(entry, IDS, 0.0)


def test_parse__all_fields__exact(tmp_path: Path) -> None:
    entry = {"feed": "7", "price": "2000.123456789", "time": "1700000000.5", "premium": "-0.00025"}
    assert parse(entry, IDS, 0.0) == (7, Observation(2_000_123_456_789, 1_700_000_000.5, -250))


def test_line_input__good_and_bad_lines__the_newest_by_time_counts() -> None:
    said: list[str] = []
    lines = [
        {"feed": "ETH", "price": "2000", "time": 100},
        {"feed": "ETH", "price": "2001", "time": 102},
        {"feed": "ETH", "price": "1999", "time": 101},
    ]
    text = "\n".join([json.dumps(lines[0]), "{half", *map(json.dumps, lines[1:]), "", "7"])
    source = LineInput(io.StringIO(text), IDS, said.append, clock=lambda: 5.0)
    source.wait({99}, 5)
    assert source.ended
    assert source.read(0) == {FEED: Observation(2_001 * USD, 102.0)}
    assert len(said) == 2


def test_file_input__rewritten_and_torn__read_anew_and_the_last_good_kept(tmp_path: Path) -> None:
    said: list[str] = []
    path = tmp_path / "prices.csv"
    path.write_text("feed,price,time\nETH,2000,100\nETH,2001,100\nETH,1,99\n")
    source = FileInput(path, IDS, said.append)
    assert source.read(0) == {FEED: Observation(2_001 * USD, 100.0)}
    path.write_text("feed,price,time\nETH,")
    assert source.read(0) == {FEED: Observation(2_001 * USD, 100.0)}
    assert "row ignored" in said[0]
    path.unlink()
    assert source.read(0) == {FEED: Observation(2_001 * USD, 100.0)}
    path.write_text("feed,price\nETH,2002\n")
    assert source.read(0)[FEED] == Observation(2_002 * USD, path.stat().st_mtime)
    with pytest.raises(InputError, match="which is none"):
        FileInput(tmp_path / "missing.csv", IDS, said.append)


def test_chain_input__aggregator_and_other_feed__their_own_times(scene: Scene) -> None:
    world = scene.world
    origin = world.aggregator(2_000 * 10**8)
    started = world.now
    world.list_only([origin], 3, quorum=1)
    world.evm.advance(50)
    node = scene.chain.node(world.oracle.address)
    said: list[str] = []
    source = ChainInput(node, {FEED: origin.address, 8: 3, 9: world.stranger}, said.append)
    expected = Observation(2_000 * USD, float(started))
    assert source.read(world.now) == {FEED: expected, 8: expected}
    assert said == [f"--from-feed: {world.stranger} gives no sound price"]
    with pytest.raises(InputError, match="another feed"):
        ChainInput(node, {3: 3}, said.append)
