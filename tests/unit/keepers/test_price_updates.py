"""The price keeper sends Pyth updates, with their fee and only where they help."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from plimsoll.deployment.rpc import LocalSigner
from plimsoll.keepers.price_input import InputError
from plimsoll.keepers.pyth_updates import UpdateFile, UpdateLines
from tests.unit.keepers.price_scene import FEED, IDS, SENDER, Scene, moves
from tests.unit.oracle.conftest import USD


@dataclass
class Blobs:
    """Updates that the test puts there."""

    newest: dict[int, bytes] = field(default_factory=dict)
    ended: bool = False

    def read(self) -> Mapping[int, bytes]:
        return self.newest


FEE = 12_345


@dataclass
class Pyth:
    """A feed of an aggregator and a Pyth source whose updates cost FEE wei."""

    scene: Scene
    contract: Any
    blobs: Blobs

    def fetched(self, usd: int, age: int = 0, confidence: int = 1) -> None:
        """Somebody has fetched this update."""
        words = [usd * 10**8, confidence * 10**8, 2**256 - 8, self.scene.world.now - age]
        self.blobs.newest[FEED] = b"".join(word.to_bytes(32, "big") for word in words)


@pytest.fixture
def pyth(scene: Scene) -> Pyth:
    world = scene.world
    words = [2_000 * 10**8, 10**8, 2**256 - 8, world.now]
    contract = world.deploy_mock("PythFeeds", FEE, words)
    terms = {"kind": 3, "max_conf": 50, "extra": 0xE7}
    world.list_only([world.aggregator(), contract], FEED, max_age=600, twists={1: terms})
    world.evm.set_balance(LocalSigner(SENDER).address, 10**18)
    return Pyth(scene, contract, Blobs())


def test_updates__pyth_moved__sent_with_exactly_the_fee(pyth: Pyth) -> None:
    world = pyth.scene.world
    keeper = pyth.scene.poker(updates=pyth.blobs)
    world.evm.advance(30)
    pyth.fetched(2_004)
    assert moves(keeper.run_once()) == []  # 20 bps
    pyth.fetched(2_006)
    done = keeper.run_once()
    assert moves(done) == [("push", "sent")]
    (sent,) = pyth.scene.chain.sent
    assert int(sent["value"], 16) == FEE
    assert world.evm.balance(pyth.contract.address) == FEE
    assert world.evm.balance(world.oracle.address) == 0
    assert world.oracle.source_words(FEED, 1)[1] & 2**56 - 1 == 2_006 * USD
    assert world.price(FEED) == 2_003 * USD
    world.evm.advance(15)
    done = keeper.run_once()
    assert moves(done) == [("push", "mined")]
    assert done.record()["transactions"][0]["value_wei"] == FEE
    assert [one.kind for one in done.decisions if one.action == "push"] == ["known"]


def test_updates__none_of_use__nothing_is_paid(pyth: Pyth) -> None:
    world = pyth.scene.world
    keeper = pyth.scene.poker(updates=pyth.blobs)
    world.evm.advance(30)
    pyth.fetched(2_100, age=31)  # older than what the contract holds
    done = keeper.run_once()
    assert [one.kind for one in done.decisions if one.action == "push"] == ["known"]
    pyth.fetched(2_100, confidence=30)
    done = keeper.run_once()
    assert [one.kind for one in done.decisions if one.action == "push"] == ["known"]
    assert pyth.scene.chain.sent == []


@pytest.mark.parametrize(
    ("fee", "blob", "reason"),
    [
        (10**16 + 1, b"", "the update would fail, its fee is 10000000000000001 wei"),
        (FEE, bytes(40), "the update would fail, "),
    ],
)
def test_updates__too_dear_or_refused_by_the_contract__told_and_nothing_sent(
    pyth: Pyth, fee: int, blob: bytes, reason: str
) -> None:
    keeper = pyth.scene.poker(updates=pyth.blobs)
    pyth.scene.world.evm.advance(30)
    pyth.contract.set_fee(fee)
    pyth.fetched(2_100)
    pyth.blobs.newest[FEED] = blob or pyth.blobs.newest[FEED]
    done = keeper.run_once()
    (verdict,) = [one for one in done.decisions if one.action == "push"]
    assert verdict.reason.startswith(reason)
    assert done.failed
    assert pyth.scene.chain.sent == []


def test_updates__stale_behind_an_idle_aggregator__brought_back(pyth: Pyth) -> None:
    world = pyth.scene.world
    world.oracle.set_terms(FEED, world.terms(quorum=1), sender=world.governance)
    keeper = pyth.scene.poker(updates=pyth.blobs)
    world.evm.advance(700)
    pyth.fetched(2_000, age=3)
    done = keeper.run_once()
    assert done.decisions[0].reason == "STALE becomes DEGRADED"
    assert moves(done) == [("push", "sent")]
    assert pyth.scene.state() == 1


def test_updates__restarted_with_one_in_flight__found_with_its_value(pyth: Pyth) -> None:
    pyth.scene.chain.automine = False
    pyth.scene.world.evm.advance(30)
    pyth.fetched(2_006)
    assert moves(pyth.scene.poker(updates=pyth.blobs).run_once()) == [("push", "sent")]
    again = pyth.scene.poker(updates=pyth.blobs)
    assert again.adopt() == 1
    assert again.outbox is not None
    (flight,) = again.outbox.flights
    assert flight.job is not None
    assert (flight.job.key, flight.job.value) == ((FEED, 1), FEE)
    assert moves(again.run_once()) == []


def test_update_file__good_and_bad_lines__the_last_of_a_feed_counts(tmp_path: Path) -> None:
    said: list[str] = []
    path = tmp_path / "updates.jsonl"
    blobs = [bytes([number]) * 40 for number in range(3)]
    lines = [json.dumps({"feed": "ETH", "data": "0x" + blob.hex()}) for blob in blobs[:2]]
    lines += ["{half", "7", json.dumps({"feed": "BTC", "data": "0x" + "00" * 40})]
    lines += [json.dumps({"feed": "ETH", "data": text}) for text in ("0xzz", "0x00", "")]
    lines += [json.dumps({"feed": "ETH", "data": "0x" + "00" * 2_048})]
    path.write_text("\n".join(lines) + "\n\n")
    source = UpdateFile(path, IDS, said.append)
    assert source.read() == {FEED: blobs[1]}
    assert len(said) == 7
    path.write_text(json.dumps({"feed": "7", "data": blobs[2].hex()}))
    assert source.read() == {FEED: blobs[2]}
    path.unlink()
    assert source.read() == {FEED: blobs[2]}
    with pytest.raises(InputError, match="expected a file"):
        UpdateFile(path, IDS, said.append)


def test_update_lines__stream__the_last_and_its_end() -> None:
    said: list[str] = []
    text = json.dumps({"feed": "ETH", "data": "0x" + "01" * 40}) + "\n7\n"
    source = UpdateLines(io.StringIO(text), IDS, said.append)
    deadline = time.monotonic() + 5
    while not source.ended and time.monotonic() < deadline:
        time.sleep(0.01)
    assert source.ended
    assert source.read() == {FEED: b"\x01" * 40}
    assert len(said) == 1
