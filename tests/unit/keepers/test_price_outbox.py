"""The price keeper's transactions that are stuck, dropped, or older than its process."""

from __future__ import annotations

import pytest

from plimsoll.deployment.rpc import LocalSigner
from plimsoll.keepers.prices import PriceKeeper
from plimsoll.signed_reports import PriceReport
from tests.unit.keepers.price_scene import FEED, SENDER, Scene, moves
from tests.unit.oracle.conftest import USD


@pytest.fixture
def stuck(signed: Scene) -> tuple[Scene, PriceKeeper]:
    """A report in the pool of a chain that mines nothing."""
    signed.chain.automine = False
    signed.see("2000")
    keeper = signed.keeper()
    assert moves(keeper.run_once()) == [("push", "sent")]
    return signed, keeper


def test_outbox__in_flight__nothing_is_sent_beside_it(
    stuck: tuple[Scene, PriceKeeper],
) -> None:
    scene, keeper = stuck
    scene.world.evm.advance(5)
    scene.see("2050")
    assert moves(keeper.run_once()) == []
    assert len(scene.chain.sent) == 1


def test_outbox__stuck__replaced_at_the_same_nonce_with_more_and_the_newest_price(
    stuck: tuple[Scene, PriceKeeper],
) -> None:
    scene, keeper = stuck
    scene.clock = 41
    scene.world.evm.advance(41)
    scene.see("2050")
    assert moves(keeper.run_once()) == [("push", "replaced")]
    first, second = scene.chain.sent
    assert first["nonce"] == second["nonce"] == "0x0"
    assert int(second["maxFeePerGas"], 16) >= int(first["maxFeePerGas"], 16) * 110 // 100
    scene.chain.mine(1)
    assert moves(keeper.run_once()) == [("push", "mined")]
    assert scene.datum().price == 2_050 * USD
    assert keeper.outbox is not None
    assert keeper.outbox.flights == []


def test_outbox__stuck_and_the_chain_is_newer__abandoned_and_the_nonce_freed(
    stuck: tuple[Scene, PriceKeeper],
) -> None:
    scene, keeper = stuck
    scene.world.evm.advance(2)
    newer = PriceReport(FEED, 0, 2_001 * USD, scene.world.now, scene.world.now * 1_000)
    scene.world.oracle.poke(FEED, scene.world.signed(newer), sender=scene.world.stranger)
    scene.clock = 41
    assert moves(keeper.run_once()) == [("push", "abandoned")]
    cancel = scene.chain.sent[-1]
    assert cancel["input"] == "0x"
    assert cancel["to"] == LocalSigner(SENDER).address.lower()
    scene.chain.mine(1)
    assert moves(keeper.run_once()) == []
    assert keeper.outbox is not None
    assert keeper.outbox.flights == []
    assert scene.datum().price == 2_001 * USD


def test_outbox__dropped_by_the_node__sent_again_under_the_same_nonce(
    stuck: tuple[Scene, PriceKeeper],
) -> None:
    scene, keeper = stuck
    scene.chain.drop()
    scene.world.evm.advance(1)
    scene.see("2002")
    assert moves(keeper.run_once()) == [("push", "replaced")]
    scene.chain.mine()
    assert moves(keeper.run_once()) == [("push", "mined")]
    assert [one["nonce"] for one in scene.chain.sent] == ["0x0", "0x0"]
    assert scene.datum().price == 2_002 * USD


def test_restart__transaction_still_pending__found_in_the_pool_and_waited_for(
    stuck: tuple[Scene, PriceKeeper],
) -> None:
    scene, _ = stuck
    again = scene.keeper()
    assert again.outbox is not None
    assert [one.job.key for one in again.outbox.flights if one.job] == [(FEED, 0)]
    assert moves(again.run_once()) == []
    scene.chain.mine(1)
    assert moves(again.run_once()) == [("push", "mined")]
    assert len(scene.chain.sent) == 1


def test_restart__node_hides_its_pool__replaced_once_it_is_stuck(
    stuck: tuple[Scene, PriceKeeper],
) -> None:
    scene, _ = stuck
    scene.chain.shows_pool = False
    again = scene.keeper()
    scene.see("2003")
    assert moves(again.run_once()) == []  # it may be this very report
    scene.clock = 41
    scene.world.evm.advance(1)
    scene.see("2003")
    assert moves(again.run_once()) == [("push", "replaced")]  # offers more until the node takes it
    assert [one["nonce"] for one in scene.chain.sent] == ["0x0", "0x0"]
    scene.chain.mine(1)
    assert moves(again.run_once()) == [("push", "mined")]
    assert scene.datum().price == 2_003 * USD


def test_restart__after_it_was_mined__nothing_to_do(signed: Scene) -> None:
    signed.see("2000")
    signed.keeper().run_once()  # killed before it saw the receipt
    again = signed.keeper()
    assert moves(again.run_once()) == []
    assert len(signed.chain.sent) == 1


def test_outbox__receipt_comes_after_the_count__mined_and_not_lost(
    stuck: tuple[Scene, PriceKeeper],
) -> None:
    scene, keeper = stuck
    scene.chain.mine(1)
    receipts, scene.chain.receipts = scene.chain.receipts, {}
    assert moves(keeper.run_once()) == []
    assert len(scene.chain.sent) == 1
    scene.chain.receipts = receipts
    assert moves(keeper.run_once()) == [("push", "mined")]


def test_outbox__no_receipt_for_ten_seconds__lost(stuck: tuple[Scene, PriceKeeper]) -> None:
    scene, keeper = stuck
    scene.chain.mine(1)
    scene.chain.receipts = {}
    assert moves(keeper.run_once()) == []
    scene.clock = 10.0
    assert moves(keeper.run_once()) == [("push", "lost")]


def test_outbox__fees_above_the_ceiling__refused_and_nothing_sent(signed: Scene) -> None:
    signed.see("2000")
    keeper = signed.keeper()
    assert keeper.outbox is not None
    keeper.outbox.ceiling_gwei = 1.0
    done = keeper.run_once()
    assert moves(done) == [("push", "refused")]
    assert done.failed
    assert signed.chain.sent == []
