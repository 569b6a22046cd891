"""`ape run keeper liquidate` and `ape run status` against a real deployment on Anvil."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak

from plimsoll.compiler import PROJECT_ROOT
from plimsoll.deployment.abi import artifact
from plimsoll.keepers.command import Options, run
from plimsoll.keepers.index import Journal, JournalBusy, read_events
from plimsoll.keepers.node import Node
from plimsoll.keepers.scan import Scanner
from plimsoll.localnet.anvil import Anvil, AnvilOptions
from plimsoll.model.sale_limiter import wide
from plimsoll.status import History, read_status
from plimsoll.status.command import Options as StatusOptions
from plimsoll.status.command import run as run_status
from plimsoll.units import from_quote_units
from tests.fork.keeper_house import KeeperHouse, build_house, key_of

MAKER, TRADER, SMALL, KEEPER, SECOND, INSURER = range(11, 17)
ACCOUNTS = 10_000
BAR_SECONDS = 5.0


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeeperHouse]:
    with Anvil(AnvilOptions(auto_impersonate=True)).start() as anvil:
        house = build_house(anvil, tmp_path_factory.mktemp("keeper"))
        house.fund(MAKER, 5_000_000)
        house.fund(TRADER, 30_000)
        house.fund(SMALL, 3_000)
        house.fund(KEEPER, 500_000)
        house.fund(SECOND, 500_000)
        house.insure(INSURER, 1_000_000)
        maker = house.account(MAKER)
        house.trade(
            [
                (0, house.account(TRADER), maker, "100", 2_000),
                (0, house.account(SMALL), maker, "5", 2_000),
            ]
        )
        yield house


@pytest.fixture
def house(deployed: KeeperHouse) -> Iterator[KeeperHouse]:
    snapshot = deployed.anvil.snapshot()
    yield deployed
    deployed.anvil.revert(snapshot)


def keep(
    house: KeeperHouse, folder: Path, who: int, **more: Any
) -> tuple[int, dict[str, Any], str]:
    """One pass from nothing but the journal on disk: exit code, its JSON, its stderr."""
    options = Options(
        manifest=house.manifest_path,
        rpc=house.anvil.url,
        once=True,
        as_json=True,
        journal=folder / f"{who}.sqlite",
        **{"legs": False, "flow_bps": 0, **more},
    )
    out, log = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(log),
    ):
        patch.setenv("PLIMSOLL_KEEPER_KEY", key_of(who))
        code = run(options)
    return code, json.loads(out.getvalue() or "{}"), log.getvalue()


def keep_apart(
    house: KeeperHouse, folder: Path, who: int, *more: str
) -> tuple[int, dict[str, Any], str]:
    """The same as a command in a process of its own."""
    words = ["--manifest", str(house.manifest_path), "--rpc", house.anvil.url, "--once", "--json"]
    words += ["--journal", str(folder / f"{who}.sqlite"), "--no-legs", "--flow-bps", "0"]
    reply = house.command("keeper", "liquidate", *words, *more, key=key_of(who))
    return reply.returncode, json.loads(reply.stdout or "{}"), reply.stderr


def running(house: KeeperHouse, who: int) -> bool:
    return bool(house.read("LiquidationAuction", "auction", house.account(who)).running)


def gap(house: KeeperHouse) -> int:
    return int(house.read("MarginEngine", "solvency").gap)


def test_liquidate__one_feed_crashes__starts_bids_and_a_second_run_does_nothing(
    house: KeeperHouse, tmp_path: Path
) -> None:
    trader = house.account(TRADER)
    before = house.read("MarginEngine", "margin", house.account(KEEPER)).equity
    house.price("ETH", 1_760)

    code, first, log = keep(house, tmp_path, KEEPER)
    assert code == 0, log
    moves = {(one["move"], one["status"]) for one in first["transactions"]}
    assert moves == {("start", "mined"), ("bid", "mined")}
    bid = next(one for one in first["decisions"] if one["move"] == "bid" and one["go"])
    parts = ("value", "cost", "gas", "hedge", "pay", "profit")
    value, cost, gas, hedge, pay, profit = (float(bid[f"{name}_usd"]) for name in parts)
    assert profit == pytest.approx(value - cost - gas - hedge + pay, abs=1e-6)
    assert profit >= 1
    standing = house.read("MarginEngine", "standing", trader)
    assert standing.equity >= standing.linear + standing.superlinear
    assert not running(house, TRADER)
    # What the bidder gained is what the line said, before hedging and gas, in cents.
    after = house.read("MarginEngine", "margin", house.account(KEEPER)).equity
    # As told, or more by what x rose in the seconds until the bid was mined.
    more = after - before - int((value - cost + pay) * 10**15)
    assert -(10**13) < more < 20 * 10**15

    # Restarted: another process, the same journal; nothing is left to do and nothing is sent.
    nonce = house.rpc.call("eth_getTransactionCount", _address(KEEPER), "latest")
    code, second, log = keep(house, tmp_path, KEEPER)
    assert code == 0, log
    assert second["transactions"] == []
    assert house.rpc.call("eth_getTransactionCount", _address(KEEPER), "latest") == nonce
    assert gap(house) == 0


def test_liquidate__price_far_from_the_limiter_s__renewed_before_the_bid(
    house: KeeperHouse, tmp_path: Path
) -> None:
    house.price("ETH", 1_760)
    code, first, log = keep(house, tmp_path, KEEPER, flow_bps=200)
    assert code == 0, log
    moves = [(one["move"], one["status"]) for one in first["transactions"]]
    assert moves == [("refresh_flow", "mined"), ("start", "mined"), ("bid", "mined")]
    assert house.read("MarginEngine", "flow_of", 0).price == wide(1_760 * 10**9)
    code, second, log = keep(house, tmp_path, KEEPER, flow_bps=200)
    assert (code, second["transactions"]) == (0, []), log


def test_liquidate__killed_between_start_and_bid__goes_on_from_the_chain(
    house: KeeperHouse, tmp_path: Path
) -> None:
    house.price("ETH", 1_760)
    house.do(_address(KEEPER), "LiquidationAuction", "start", house.account(TRADER))
    # The bid is mined half a minute after it was decided: by then more is on sale, and it is taken.
    house.rpc.call("evm_setNextBlockTimestamp", house.rpc.timestamp() + 30)
    code, done, log = keep(house, tmp_path, KEEPER)
    assert code == 0, log
    assert [one["move"] for one in done["transactions"]] == ["bid"]
    assert not running(house, TRADER)


def test_liquidate__two_keepers_at_once__one_sale_and_no_failure(
    house: KeeperHouse, tmp_path: Path
) -> None:
    house.price("ETH", 1_760)
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda who: keep_apart(house, tmp_path, who), (KEEPER, SECOND)))
    assert [code for code, _, _ in runs] == [0, 0], [log for _, _, log in runs]
    sent = [one for _, done, _ in runs for one in done["transactions"]]
    mined = [one["move"] for one in sent if one["status"] == "mined"]
    assert mined.count("start") == 1
    assert all(one["status"] in ("mined", "reverted") for one in sent)
    code, _, log = keep(house, tmp_path, SECOND)  # whoever came late finds the rest done
    assert code == 0, log
    standing = house.read("MarginEngine", "standing", house.account(TRADER))
    assert standing.equity >= standing.linear + standing.superlinear
    assert gap(house) == 0


def test_liquidate__profit_too_small__starts_but_does_not_bid(
    house: KeeperHouse, tmp_path: Path
) -> None:
    house.price("ETH", 1_760)
    code, done, log = keep(house, tmp_path, KEEPER, min_profit=Decimal(100_000))
    assert code == 0, log
    assert [one["move"] for one in done["transactions"]] == ["start"]
    skipped = [one for one in done["decisions"] if one["move"] == "bid"]
    assert "skipped: profit under" in skipped[0]["reason"]
    assert running(house, TRADER)


def test_liquidate__cured_in_auction__ends_it(house: KeeperHouse, tmp_path: Path) -> None:
    house.price("ETH", 1_760)
    house.do(_address(SECOND), "LiquidationAuction", "start", house.account(TRADER))
    house.fund(TRADER, 50_000)
    code, done, log = keep(house, tmp_path, KEEPER)
    assert code == 0, log
    assert [(one["move"], one["status"]) for one in done["transactions"]] == [("end", "mined")]
    assert not running(house, TRADER)


def test_liquidate__thin_account_that_asked__pre_liquidated(
    house: KeeperHouse, tmp_path: Path
) -> None:
    trader = house.account(TRADER)
    house.do(_address(TRADER), "LiquidationAuction", "set_pre_liquidation", trader, True)
    house.price("ETH", 1_760)
    margin = house.read("MarginEngine", "margin", trader)
    house.fund(TRADER, (margin.requirement * 102 // 100 - margin.equity) // 10**15 + 1)
    assert house.read("LiquidationAuction", "pre_quote", trader).fraction > 0
    code, done, log = keep(house, tmp_path, KEEPER)
    assert code == 0, log
    moves = {(one["move"], one["status"]) for one in done["transactions"]}
    assert moves == {("pre_liquidate", "mined")}
    assert not house.read("MarginEngine", "head", trader) >> 226 & 1
    assert gap(house) == 0


def test_liquidate__priority_window__fills_the_intent(house: KeeperHouse, tmp_path: Path) -> None:
    curve = house.read("LiquidationAuction", "curve")._asdict() | {"priority": 120}
    house.govern("LiquidationAuction", "set_curve", tuple(curve.values()))
    backer = house.account(SECOND)
    block = house.rpc.call("eth_getBlockByNumber", "latest", False)
    expiry = int(block["timestamp"], 16) + 20 * 86_400
    terms = (50_000 * 10**6, 10**15, 0, expiry, True, 2**256 - 1)
    house.do(_address(SECOND), "LiquidationAuction", "commit_intent", backer, terms)
    house.price("ETH", 1_760)
    code, done, log = keep(house, tmp_path, KEEPER)
    assert code == 0, log
    moves = {(one["move"], one["status"]) for one in done["transactions"]}
    assert moves == {("start", "mined"), ("fill_intent", "mined")}, done["decisions"]
    assert house.read("MarginEngine", "position", backer, 0).lots > 0
    assert not running(house, TRADER)
    assert gap(house) == 0


def test_liquidate__curve_ran_out__deleverages(house: KeeperHouse, tmp_path: Path) -> None:
    house.price("ETH", 1_500)  # TRADER is insolvent
    house.do(_address(SECOND), "LiquidationAuction", "start", house.account(TRADER))
    for _ in range(22):
        house.advance(60)
        house.do(_address(SECOND), "LiquidationAuction", "sync", house.account(TRADER))
    code, done, log = keep(house, tmp_path, KEEPER)
    assert code == 0, log
    assert ("deleverage", "mined") in {(one["move"], one["status"]) for one in done["transactions"]}
    assert house.read("MarginEngine", "standing", house.account(TRADER)).perps == 0
    assert gap(house) == 0


def test_liquidate__poor_bidder__takes_what_its_margin_bears(
    house: KeeperHouse, tmp_path: Path
) -> None:
    poor = 17
    house.fund(poor, 2_200)
    house.price("ETH", 1_760)
    code, done, log = keep(house, tmp_path, poor)
    assert code == 0, log
    bids = [one for one in done["decisions"] if one["move"] == "bid" and one["go"]]
    assert bids, done
    margin = house.read("MarginEngine", "margin", house.account(poor))
    assert margin.initial_equity >= margin.initial_requirement > 0


def test_liquidate__transaction_not_mined__account_left_alone_until_it_is(
    house: KeeperHouse, tmp_path: Path
) -> None:
    house.price("ETH", 1_760)
    house.rpc.call("evm_setAutomine", False)
    try:
        _, first, _ = keep(house, tmp_path, KEEPER, timeout=0.6)  # offers more once meanwhile
        assert [(one["move"], one["status"]) for one in first["transactions"]] == [
            ("start", "pending")
        ]
        _, second, _ = keep(house, tmp_path, KEEPER, timeout=0.6)  # restarted
        assert second["transactions"] == []
        assert "still in flight" in second["decisions"][0]["reason"]
        mined, pending = (
            int(house.rpc.call("eth_getTransactionCount", _address(KEEPER), tag), 16)
            for tag in ("latest", "pending")
        )
        assert pending == mined + 1
    finally:
        house.rpc.call("evm_setAutomine", True)
        house.rpc.call("evm_mine")
    code, third, log = keep(house, tmp_path, KEEPER)
    assert code == 0, log
    assert [(one["move"], one["status"]) for one in third["transactions"]] == [
        ("start", "mined"),  # the first process's
        ("bid", "mined"),
    ]


def test_liquidate__loop__goes_on_until_told_to_stop(house: KeeperHouse, tmp_path: Path) -> None:
    words = ["keeper", "liquidate", "--manifest", str(house.manifest_path), "--interval", "0.2"]
    words += ["--rpc", house.anvil.url, "--dry-run"]
    script = "import sys; from ape._cli import cli; sys.exit(cli())"
    with subprocess.Popen(
        [sys.executable, "-c", script, "run", *words],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.terminate()
        assert process.wait(timeout=20) == 130
    assert all("accounts scanned in" in line for line in lines)


def test_liquidate__dry_run__sends_nothing_and_needs_no_key(house: KeeperHouse) -> None:
    house.price("ETH", 1_760)
    words = ["--manifest", str(house.manifest_path), "--rpc", house.anvil.url]
    reply = house.command("keeper", "liquidate", *words, "--once", "--dry-run")
    assert reply.returncode == 0, reply.stderr
    assert "start: yes (E is below R)" in reply.stdout
    assert not running(house, TRADER)


def test_liquidate__dead_node__exits_3(house: KeeperHouse, tmp_path: Path) -> None:
    words = ["--manifest", str(house.manifest_path), "--rpc", "http://127.0.0.1:9", "--once"]
    reply = house.command("keeper", "liquidate", *words, key=key_of(KEEPER))
    assert reply.returncode == 3, reply.stderr
    assert "no answer" in reply.stderr


def test_liquidate__no_manifest__exits_2(house: KeeperHouse, tmp_path: Path) -> None:
    words = ["--manifest", str(tmp_path / "none.json"), "--rpc", house.anvil.url, "--once"]
    reply = house.command("keeper", "liquidate", *words, key=key_of(KEEPER))
    assert reply.returncode == 2, reply.stderr


def test_journal__second_process__refused(tmp_path: Path) -> None:
    first = Journal(tmp_path / "j.sqlite", "0xaa", 0)
    with pytest.raises(JournalBusy, match="another keeper"):
        Journal(tmp_path / "j.sqlite", "0xaa", 0)
    first.close()
    Journal(tmp_path / "j.sqlite", "0xaa", 0).close()


def test_read_events__cut_off_and_read_again__same_ids(house: KeeperHouse, tmp_path: Path) -> None:
    engine, vault = house.addresses["MarginEngine"], house.addresses["CollateralVault"]
    head = house.rpc.block_number()
    whole = Journal(None, engine, 0)
    read_events(whole, house.rpc, engine, vault, head)
    halves = Journal(tmp_path / "j.sqlite", engine, 0)
    read_events(halves, house.rpc, engine, vault, head // 2)
    halves.close()
    halves = Journal(tmp_path / "j.sqlite", engine, 0)
    assert halves.cursor == head // 2 + 1
    read_events(halves, house.rpc, engine, vault, head)
    assert halves.accounts() == whole.accounts()
    wanted = {house.account(who) for who in (MAKER, TRADER, SMALL, KEEPER, SECOND)}
    assert wanted <= set(whole.accounts())


def test_scan__ten_thousand_accounts__under_the_bar(
    house: KeeperHouse, capsys: pytest.CaptureFixture[str]
) -> None:
    """Copies of a long and a short, all with a position, one in a hundred under water."""
    node = Node(house.rpc, house.addresses)
    ids = clones(house, ACCOUNTS)
    house.price("ETH", 1_990)
    block, _ = node.head()
    scanner = Scanner(node)
    start = time.perf_counter()
    seen = scanner.scan(ids, block)
    seconds = time.perf_counter() - start
    assert scanner.programs
    with capsys.disabled():
        print(f"\nscan of {ACCOUNTS:,} accounts: {seconds:.2f} s, {scanner.chunk} per call")
    assert len(seen) == ACCOUNTS
    assert not any(one.idle or one.unreadable for one in seen)
    plain = Scanner(node, programs=False)
    sample = ids[:: ACCOUNTS // 50]
    assert plain.scan(sample, block) == [one for one in seen if one.account in set(sample)]
    assert seconds < BAR_SECONDS


def test_scan__small_stale_leg__counted_as_the_auction_does(house: KeeperHouse) -> None:
    fill = (1, house.account(TRADER), house.account(MAKER), "0.01", 40_000)
    house.trade([fill])
    house.advance(86_401)
    house.price("ETH", 2_000)  # and no price for BTC
    trader = house.account(TRADER)
    standing = house.read("MarginEngine", "standing", trader)
    assert standing.stale_value > 0
    node = Node(house.rpc, house.addresses)
    block, _ = node.head()
    (seen,) = Scanner(node).scan([trader], block)
    requirement = standing.linear + standing.superlinear
    assert seen.margin == standing.equity - standing.stale_value - requirement
    assert Scanner(node, programs=False).scan([trader], block) == [seen]


def test_status__a_running_house__steps_errands_and_exit_codes(
    house: KeeperHouse, tmp_path: Path
) -> None:
    options = StatusOptions(house.manifest_path, house.anvil.url, journal=tmp_path / "s.sqlite")
    code, told = status(replace(options, check=True))
    assert code == 0
    assert told["errands"] == []
    assert Decimal(told["fund"]["bucket_usd"]) >= 1_000_000

    house.price("ETH", 1_500)  # TRADER is insolvent
    code, told = status(options)
    assert code == 0
    trader = hex(house.account(TRADER))
    assert [(one["account"], one["call"]) for one in told["errands"]] == [(trader, "start")]
    assert told["accounts"]["worst"][0]["account"] == trader
    assert status(replace(options, check=True))[0] == 1

    house.do(_address(SECOND), "LiquidationAuction", "start", house.account(TRADER))
    for _ in range(20):
        house.advance(60)
        house.do(_address(SECOND), "LiquidationAuction", "sync", house.account(TRADER))
    quote = house.read("LiquidationAuction", "cost", house.account(TRADER))
    (auction,) = status(options)[1]["auctions"]
    assert auction["stage"] == "exhausted"
    assert int(auction["id"], 16) == quote.id
    assert auction["cost_usd"] == f"{from_quote_units(quote.cost):f}"
    house.do(_address(SECOND), "LiquidationAuction", "deleverage", house.account(TRADER), 0)
    code, told = status(replace(options, check=True))
    assert code == 0
    names = [one["event"] for one in told["deleveraging"]["events"]]
    assert names[-1] == "Deleveraged"
    assert "Shrunk" in names
    assert status(replace(options, blocks=1))[1]["deleveraging"]["events"][-1]["account"] == trader

    words = ["--manifest", str(house.manifest_path), "--rpc", house.anvil.url]
    reply = house.command("status", *words)  # as a user types it
    assert reply.returncode == 0, reply.stderr
    assert "Nothing waits for a keeper." in reply.stdout
    assert reply.stderr == ""


def test_status__five_hundred_accounts__a_second_or_two(
    house: KeeperHouse, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = clones(house, 500)
    house.price("ETH", 1_990)
    node = Node(house.rpc, house.addresses)
    start = time.perf_counter()
    snapshot = read_status(node, History(tuple(ids)), ["ETH-PERP"], *node.head())
    seconds = time.perf_counter() - start
    with capsys.disabled():
        print(f"\nstatus of 500 accounts with a position: {seconds:.2f} s")
    assert len(snapshot.accounts) == 500
    assert not snapshot.unreadable
    margin = house.read("MarginEngine", "margin", ids[499])
    assert (margin.equity, margin.requirement) in {
        (one.equity, one.requirement) for one in snapshot.accounts if one.account == ids[499]
    }
    assert seconds < BAR_SECONDS


def status(options: StatusOptions) -> tuple[int, dict[str, Any]]:
    """`ape run status --json`: exit code and what it says."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = run_status(replace(options, as_json=True))
    return code, json.loads(out.getvalue())


def clones(house: KeeperHouse, count: int) -> list[int]:
    """Accounts with the trader's stored words: head, bitmap, position."""
    source = house.account(TRADER)
    slots = {name: _slot(name) for name in ("head", "held", "positions")}

    def places(account: int) -> list[str]:
        # The position of market 0 is the first of the account's array.
        return [_hash(slots[name], account) for name in ("head", "held", "positions")]

    engine = house.addresses["MarginEngine"]
    words = house.rpc.batch([("eth_getStorageAt", [engine, at, "latest"]) for at in places(source)])
    assert all(int(word, 16) for word in words)
    ids = [int.from_bytes(keccak(number.to_bytes(4, "big")), "big") for number in range(count)]
    calls = [
        ("anvil_setStorageAt", [engine, at, word])
        for one in ids
        for at, word in zip(places(one), words, strict=True)
    ]
    house.rpc.batch(calls)
    return ids


def _slot(name: str) -> int:
    def find(node: dict[str, Any]) -> int | None:
        for key, entry in node.items():
            if key == name and "slot" in entry:
                return int(entry["slot"])
            found = find(entry) if isinstance(entry, dict) and "slot" not in entry else None
            if found is not None:
                return found
        return None

    slot = find(artifact("MarginEngine").storage_layout["storage_layout"])
    assert slot is not None, name
    return slot


def _hash(slot: int, key: int) -> str:
    return "0x" + keccak(slot.to_bytes(32, "big") + key.to_bytes(32, "big")).hex()


def _address(who: int) -> str:
    from tests.fork.keeper_house import address_of

    return address_of(who)
