"""The liquidator's transactions: stopped anywhere, started again, never two for one account."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from plimsoll.keepers.index import Journal
from plimsoll.keepers.liquidator import Liquidator
from plimsoll.keepers.passes import Pass
from plimsoll.localnet.errors import RpcUnavailable
from tests.unit.keepers.liquidation_scene import Scene, moves, why

PATIENCE = 1  # seconds on the scene's clock, more than the keeper's


@pytest.fixture
def under_r(desk: Scene) -> Scene:
    """The trader's account may be started."""
    desk.price(1_830)
    return desk


@pytest.fixture
def pending(under_r: Scene) -> Scene:
    """A keeper's start waits in the pool of a chain that mines nothing; its process has gone."""
    under_r.chain.automine = False
    assert moves(under_r.keeper().run_once()) == [("start", "pending")]
    return under_r


def trader(desk: Scene) -> int:
    return desk.house.actors["trader"].id


def mine(desk: Scene) -> None:
    desk.chain.automine = True
    desk.chain.mine()


def finished(desk: Scene, keeper: Liquidator | None = None) -> None:
    """Passes until nothing is left; then each move was mined once, and the account is cured."""
    one = keeper or desk.keeper()
    for _ in range(4):
        one.run_once()
    assert desk.mined() == {(trader(desk), "start"): 1, (trader(desk), "bid"): 1}
    assert not desk.running(trader(desk))
    assert one.outbox is not None
    assert one.outbox.flights == []
    assert one.journal.flights() == []


def test_restart__transaction_pending__left_alone_until_it_is_mined(pending: Scene) -> None:
    done = pending.keeper().run_once()
    assert moves(done) == []
    assert why(done, "wait") == "a transaction for it is still in flight"
    assert len(pending.chain.sent) == 1
    mine(pending)
    assert moves(pending.keeper().run_once()) == [("start", "mined"), ("bid", "mined")]
    finished(pending)


def test_restart__mined_meanwhile__told_and_gone_on_from(pending: Scene) -> None:
    mine(pending)
    done = pending.keeper().run_once()
    assert moves(done) == [("start", "mined"), ("bid", "mined")]
    finished(pending)


def test_restart__mined_meanwhile_and_reverted__told_by_its_error(pending: Scene) -> None:
    pending.house.auction.start(trader(pending))
    mine(pending)
    done = pending.keeper().run_once()
    assert moves(done) == [("start", "reverted"), ("bid", "mined")]
    assert done.outcomes[0].error == "AuctionRunning"


@pytest.mark.parametrize("shows_pool", [True, False])
def test_restart__journal_on_disk__knows_what_is_in_flight_whatever_the_node_shows(
    under_r: Scene, tmp_path: Path, shows_pool: bool
) -> None:
    under_r.chain.automine, under_r.chain.shows_pool = False, shows_pool
    first = Journal(tmp_path / "j.sqlite", "", 0)
    first.add({trader(under_r)}, 1)
    assert moves(under_r.keeper(first).run_once()) == [("start", "pending")]
    first.close()
    second = Journal(tmp_path / "j.sqlite", "", 0)
    assert moves(under_r.keeper(second).run_once()) == []
    assert len(under_r.chain.sent) == 1
    mine(under_r)
    finished(under_r, under_r.keeper(second))


def test_restart__journal_lost_and_the_pool_is_shown__found_there(pending: Scene) -> None:
    fresh = Journal(None, "", 0)
    fresh.add({trader(pending)}, 1)
    done = pending.keeper(fresh).run_once()
    assert moves(done) == []
    assert why(done, "wait") == "a transaction for it is still in flight"
    mine(pending)
    finished(pending, pending.keeper(fresh))


def test_restart__journal_lost_and_the_pool_hidden__nothing_beside_then_under_its_nonce(
    pending: Scene,
) -> None:
    pending.chain.shows_pool = False
    fresh = Journal(None, "", 0)
    fresh.add({trader(pending)}, 1)
    keeper = pending.keeper(fresh)
    keeper.run_once()
    assert len(pending.chain.sent) == 1
    pending.clock += PATIENCE
    pending.chain.gas_price *= 2
    keeper.run_once()
    assert pending.nonces(trader(pending)) == [0]
    assert len(pending.chain.sent) == 2
    mine(pending)
    finished(pending, keeper)


def test_stuck__decided_anew_and_sent_under_the_same_nonce_with_more(pending: Scene) -> None:
    keeper = pending.keeper()
    keeper.run_once()
    pending.clock += PATIENCE
    assert moves(keeper.run_once()) == [("start", "pending")]
    first, second = pending.chain.sent
    assert first["nonce"] == second["nonce"]
    assert int(second["maxFeePerGas"], 16) * 100 >= int(first["maxFeePerGas"], 16) * 110
    mine(pending)
    finished(pending, keeper)


def test_stuck__within_its_own_pass__more_offered_once_and_not_given_up(under_r: Scene) -> None:
    under_r.chain.automine = False
    keeper = under_r.keeper()
    assert keeper.outbox is not None
    keeper.outbox.clock = time.monotonic
    assert moves(keeper.run_once()) == [("start", "pending")]
    assert [one["nonce"] for one in under_r.chain.sent] == ["0x0", "0x0"]
    mine(under_r)
    finished(under_r, keeper)


def test_stuck__and_no_longer_wanted__its_nonce_freed(pending: Scene) -> None:
    keeper = pending.keeper()
    keeper.run_once()
    pending.price(2_000)
    pending.clock += PATIENCE
    assert moves(keeper.run_once()) == [("start", "abandoned")]
    assert pending.chain.sent[-1]["input"] == "0x"
    mine(pending)
    assert moves(keeper.run_once()) == []
    assert not pending.running(trader(pending))


def test_dropped_by_the_node__sent_again_under_the_same_nonce(pending: Scene) -> None:
    pending.chain.drop()
    keeper = pending.keeper()
    assert moves(keeper.run_once()) == [("start", "pending")]
    assert pending.nonces(trader(pending)) == [0]
    mine(pending)
    finished(pending, keeper)


def test_taken_over__its_account_waits_until_the_nonce_is_used(pending: Scene) -> None:
    """The stuck start's nonce goes to another account's; it may still be the one that is mined."""
    house, rival = pending.house, pending.house.actors["rival"]
    keeper = pending.keeper()
    keeper.run_once()
    house.deposit(house.actors["trader"], 20_000)  # cured: nothing is wanted for it
    house.trade("ETH-PERP", rival, house.actors["maker"], 45, 1_830)
    pending.price(1_660)
    pending.know(rival.id)
    pending.clock += PATIENCE
    keeper.run_once()
    assert pending.nonces(rival.id) == [0]
    pending.price(1_400)  # the trader is under R again
    done = keeper.run_once()
    told = {one.account: one.reason for one in done.decisions}
    assert told[trader(pending)] == "a transaction for it is still in flight"
    assert pending.nonces(trader(pending)) == [0]
    mine(pending)
    keeper.run_once()
    keeper.run_once()
    assert pending.mined()[trader(pending), "start"] == 1
    assert pending.mined()[rival.id, "start"] == 1


def test_dropped_and_not_wanted_then_its_nonce_used__its_account_waits_too(pending: Scene) -> None:
    """The node has forgotten the start; another may mine it in place of what has its nonce."""
    house, rival = pending.house, pending.house.actors["rival"]
    keeper = pending.keeper()
    pending.chain.drop()
    pending.price(2_000)
    keeper.run_once()
    assert keeper.outbox is not None
    assert keeper.outbox.flights == []
    house.trade("ETH-PERP", rival, house.actors["maker"], 48, 2_000)
    pending.know(rival.id)
    house.deposit(house.actors["trader"], 5_000)
    pending.price(1_820)
    assert moves(keeper.run_once()) == [("start", "pending")]  # the rival's alone
    assert pending.nonces(rival.id) == [0]
    pending.price(1_740)
    done = keeper.run_once()
    told = {one.account: one.reason for one in done.decisions}
    assert told[trader(pending)] == "a transaction for it is still in flight"


def requests_of_a_pass(desk: Scene) -> list[str]:
    handle = desk.house.evm.snapshot()
    chain = type(desk.chain)(desk.house.evm)
    trial = Scene(desk.house, chain, Journal(None, "", 0))
    trial.journal.add(set(desk.journal.accounts()), 1)
    trial.keeper().run_once()
    desk.house.evm.revert(handle)
    return chain.asked


@pytest.mark.parametrize("heard", [False, True])
def test_node_dies_at_any_request__run_again__each_move_once(under_r: Scene, heard: bool) -> None:
    """`heard`: the transaction arrives though its answer is lost."""
    asked = requests_of_a_pass(under_r)
    sends = [number for number, one in enumerate(asked, 1) if one == "eth_sendRawTransaction"]
    assert len(sends) == 2
    start = under_r.house.evm.snapshot()
    accounts = set(under_r.journal.accounts())
    died = Counter[bool]()
    for number in sends if heard else range(1, len(asked) + 1):
        chain = type(under_r.chain)(under_r.house.evm, dead_at=number, hears_the_dead=heard)
        desk = Scene(under_r.house, chain, Journal(None, "", 0))
        desk.journal.add(accounts, 1)
        keeper = desk.keeper()
        died[dies(keeper)] += 1
        assert len(chain.sent) <= number
        desk.clock += PATIENCE
        finished(desk, keeper if number % 2 else None)  # the same process, or another
        desk.house.evm.revert(start)
        start = desk.house.evm.snapshot()
    assert died[True] > 0
    assert died[False] == 0


def dies(keeper: Liquidator) -> bool:
    try:
        keeper.run_once()
    except RpcUnavailable:
        return True
    return False


def test_node_dies_with_several_in_flight__two_accounts__one_nonce_each(under_r: Scene) -> None:
    house, rival = under_r.house, under_r.house.actors["rival"]
    house.trade("ETH-PERP", rival, house.actors["maker"], 45, 1_830)
    under_r.know(rival.id)
    under_r.price(1_650)
    under_r.chain.automine = False
    keeper = under_r.keeper(bids=False)
    done: Pass = keeper.run_once()
    assert moves(done) == [("start", "pending")] * 2
    under_r.chain.drop()
    under_r.price(1_640)
    again = under_r.keeper(bids=False)
    again.run_once()
    again.run_once()
    for account in (trader(under_r), rival.id):
        assert len(under_r.nonces(account)) == 1
    mine(under_r)
    again.run_once()
    assert under_r.mined()[trader(under_r), "start"] == 1
    assert under_r.mined()[rival.id, "start"] == 1
