"""`ape run keeper prices` and `ape run oracle status` against a real deployment on Anvil."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from plimsoll.compiler import PROJECT_ROOT
from plimsoll.deployment.manifest import Manifest
from plimsoll.keepers.prices_command import Options, run
from plimsoll.localnet.anvil import Anvil, AnvilOptions
from plimsoll.oracle_words import DatumWord
from tests.fork.keeper_house import (
    VENUE,
    KeeperHouse,
    address_of,
    build_house,
    creation,
    key_of,
)

FIRST, SECOND, PUSHER, RIVAL = range(21, 25)
FEED, SOURCE = 1, 1
NOBODY = "0x" + "00" * 20
SOURCES = [
    {"kind": "chainlink", "aggregator": "$eth_usd", "max_age_seconds": 86_400},
    {"kind": "signed", "signer_set": "desk", "max_age_seconds": 3_600},
]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeeperHouse]:
    desk = {"signers": [address_of(FIRST), address_of(SECOND)], "threshold": 2}
    overrides = {"oracle.signer_sets": {"desk": desk}, "oracle.feeds.0.sources": SOURCES}
    with Anvil(AnvilOptions(auto_impersonate=True)).start() as anvil:
        house = build_house(anvil, tmp_path_factory.mktemp("prices"), overrides=overrides)
        for who in (PUSHER, RIVAL):
            house.rpc.call("anvil_setBalance", address_of(who), hex(10**20))
        yield house


@pytest.fixture
def house(deployed: KeeperHouse) -> Iterator[KeeperHouse]:
    snapshot = deployed.anvil.snapshot()
    yield deployed
    deployed.anvil.revert(snapshot)


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    return tmp_path / "prices.csv"


def say(path: Path, usd: str, moment: int) -> None:
    """The input file says this from now on."""
    fresh = path.with_suffix(".new")
    fresh.write_text(f"feed,price,time\nETH,{usd},{moment}\n")
    os.replace(fresh, path)


def keys() -> str:
    return f"{key_of(FIRST)},{key_of(SECOND)}"


def push(house: KeeperHouse, prices: Path, who: int = PUSHER, **more: Any) -> tuple[int, Any, str]:
    """One pass in this process: exit code, its JSON, its stderr."""
    options = Options(
        manifest=house.manifest_path,
        rpc=house.anvil.url,
        prices=str(prices),
        feeds=("ETH",),
        once=True,
        as_json=True,
        **more,
    )
    out, log = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(log),
    ):
        patch.setenv("PLIMSOLL_KEEPER_KEY", key_of(who))
        patch.setenv("PLIMSOLL_REPORT_KEYS", keys())
        code = run(options)
    return code, json.loads(out.getvalue() or "{}"), log.getvalue()


def datum(house: KeeperHouse) -> DatumWord | None:
    return DatumWord.of(house.read("OracleAdapter", "source_words", FEED, SOURCE)[1])


def count(house: KeeperHouse, tag: str, who: int = PUSHER) -> int:
    return int(house.rpc.call("eth_getTransactionCount", address_of(who), tag), 16)


def moves(done: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["action"], one["status"]) for one in done["transactions"]]


def loop(house: KeeperHouse, prices: Path, *more: str) -> subprocess.Popen[str]:
    """The command as a process of its own, until somebody stops it."""
    script = "import sys; from ape._cli import cli; sys.exit(cli())"
    words = ["keeper", "prices", "--manifest", str(house.manifest_path), "--feed", "ETH"]
    words += ["--rpc", house.anvil.url, "--prices", str(prices), "--interval", "0.3", "--json"]
    environment = {
        **os.environ,
        "PLIMSOLL_KEEPER_KEY": key_of(PUSHER),
        "PLIMSOLL_REPORT_KEYS": keys(),
    }
    return subprocess.Popen(
        [sys.executable, "-c", script, "run", *words, "--jitter", "0", *more],
        cwd=PROJECT_ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )


def until(condition: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_prices__two_signatures__pushed_and_then_left_alone(
    house: KeeperHouse, prices: Path
) -> None:
    say(prices, "2004", house.rpc.timestamp())
    code, done, log = push(house, prices)
    assert code == 0, log
    assert moves(done) == [("push", "sent"), ("push", "mined")]
    kept = datum(house)
    assert kept is not None
    assert (kept.price, kept.round) == (2_004 * 10**9, kept.time * 1_000)
    code, done, log = push(house, prices)
    assert (code, moves(done)) == (0, []), log

    reply = house.command(
        "oracle", "status", "--manifest", str(house.manifest_path), "--rpc", house.anvil.url,
        "--json",
    )  # fmt: skip
    assert reply.returncode == 0, reply.stderr
    eth, btc = json.loads(reply.stdout)["feeds"]
    assert (eth["state"], eth["price_usd"]) == ("OK", "2002")
    assert [one["counts"] for one in eth["sources"]] == [True, True]
    assert btc["name"] == "BTC"
    table = house.command(
        "oracle", "status", "--manifest", str(house.manifest_path), "--rpc", house.anvil.url
    )
    assert "ETH (1)" in table.stdout
    assert "signer set 1" in table.stdout


def test_prices__killed_with_a_report_in_flight__restarted_it_goes_on_from_the_chain(
    house: KeeperHouse, prices: Path
) -> None:
    house.rpc.call("evm_setAutomine", False)
    say(prices, "2004", house.rpc.timestamp())
    nonce = count(house, "latest")
    with loop(house, prices) as first:
        until(lambda: count(house, "pending") > nonce)
        first.send_signal(signal.SIGKILL)
        assert first.wait(timeout=20) == -signal.SIGKILL
    assert datum(house) is None
    with loop(house, prices) as second:
        assert second.stderr is not None
        assert second.stdout is not None
        assert "1 transaction(s) of an earlier run" in second.stderr.readline()
        for _ in range(3):
            assert json.loads(second.stdout.readline())["transactions"] == []
        assert count(house, "pending") == nonce + 1  # the same report was not sent again
        house.rpc.call("evm_setAutomine", True)
        house.rpc.call("evm_mine")
        until(lambda: datum(house) is not None)
        house.advance(30)
        say(prices, "2014", house.rpc.timestamp())
        until(lambda: (kept := datum(house)) is not None and kept.price == 2_014 * 10**9)
        second.terminate()
        assert second.wait(timeout=20) == 130
    assert count(house, "latest") == count(house, "pending") == nonce + 2


def test_prices__stuck_under_a_rising_base_fee__replaced_with_the_newest_price(
    house: KeeperHouse, prices: Path
) -> None:
    house.rpc.call("evm_setAutomine", False)
    nonce = count(house, "latest")
    say(prices, "2004", house.rpc.timestamp())
    with loop(house, prices, "--timeout", "3") as keeper:
        until(lambda: count(house, "pending") > nonce)
        say(prices, "2006", house.rpc.timestamp())

        def newest() -> list[dict[str, Any]]:
            pool = house.rpc.call("txpool_content")
            mine = {
                who.lower(): list(of.values())
                for part in pool.values()
                for who, of in part.items()
                if of
            }
            found: list[dict[str, Any]] = mine.get(address_of(PUSHER).lower(), [])
            return found

        price = (2_006 * 10**9).to_bytes(8, "big").hex()
        until(lambda: any(price in one["input"] for one in newest()))
        assert len(newest()) == 1
        house.rpc.call("evm_setAutomine", True)
        house.rpc.call("evm_mine")
        until(lambda: (kept := datum(house)) is not None and kept.price == 2_006 * 10**9)
        keeper.terminate()
        assert keeper.wait(timeout=20) == 130
    assert count(house, "latest") == nonce + 1


def test_prices__rival_was_quicker__late_and_no_failure(house: KeeperHouse, prices: Path) -> None:
    now = house.rpc.timestamp()
    say(prices, "2004", now)
    assert push(house, prices, RIVAL)[0] == 0
    say(prices, "2030", now - 1)  # an older observation: the chain's is newer
    code, done, log = push(house, prices)
    assert (code, moves(done)) == (0, []), log
    assert done["decisions"][0]["reason"] == "the chain has it, or a newer one"


def test_prices__halted_feed_without_signers__poked_out_of_its_halt(
    house: KeeperHouse, tmp_path: Path
) -> None:
    guardian = address_of(902)
    house.rpc.call("anvil_setBalance", guardian, hex(10**20))
    house.do(guardian, "OracleAdapter", "halt", 2, 100)
    words = ["--manifest", str(house.manifest_path), "--rpc", house.anvil.url, "--once", "--json"]
    words += ["--feed", "BTC"]
    reply = house.command("keeper", "prices", *words, key=key_of(PUSHER))
    assert reply.returncode == 0, reply.stderr
    assert json.loads(reply.stdout)["transactions"] == []
    house.advance(100)
    reply = house.command("keeper", "prices", *words, key=key_of(PUSHER))
    assert reply.returncode == 0, reply.stderr
    assert moves(json.loads(reply.stdout)) == [("poke", "sent"), ("poke", "mined")]
    assert house.read("OracleAdapter", "read", 2).state != 3


def test_prices__pyth_update_in_a_file__sent_with_its_fee_and_once(
    house: KeeperHouse, tmp_path: Path
) -> None:
    words = [40_000 * 10**8, 10**8, 2**256 - 8, house.rpc.timestamp()]
    request = {"from": VENUE, "data": "0x" + creation("PythFeeds", 777, words).hex()}
    receipt = house.rpc.wait_receipt(
        house.rpc.call("eth_sendTransaction", {**request, "gas": hex(5_000_000)})
    )
    feed = Manifest.load(house.manifest_path).settings().oracle.feeds[1]
    source = (3, receipt["contractAddress"], 0, 600, 50, False, 0, 0xE7, NOBODY)
    house.govern("OracleAdapter", "set_sources", 2, tuple(feed.terms().values()), [source])
    house.advance(30)
    words = [40_400 * 10**8, 10**8, 2**256 - 8, house.rpc.timestamp()]
    blob = b"".join(word.to_bytes(32, "big") for word in words)
    path = tmp_path / "updates.jsonl"
    path.write_text(json.dumps({"feed": "BTC", "data": "0x" + blob.hex()}) + "\n")
    options = ["--manifest", str(house.manifest_path), "--rpc", house.anvil.url, "--once", "--json"]
    options += ["--feed", "BTC", "--pyth-updates", str(path)]
    reply = house.command("keeper", "prices", *options, key=key_of(PUSHER))
    assert reply.returncode == 0, reply.stderr
    done = json.loads(reply.stdout)
    assert moves(done) == [("push", "sent"), ("push", "mined")]
    assert [one["value_wei"] for one in done["transactions"]] == [777, 777]
    assert house.read("OracleAdapter", "read", 2).price == 40_400 * 10**9
    assert int(house.rpc.call("eth_getBalance", receipt["contractAddress"], "latest"), 16) == 777
    reply = house.command("keeper", "prices", *options, key=key_of(PUSHER))
    assert (reply.returncode, moves(json.loads(reply.stdout))) == (0, []), reply.stderr
    reply = house.command(
        "oracle", "status", "--manifest", str(house.manifest_path), "--rpc", house.anvil.url
    )
    assert "pyth" in reply.stdout
    assert "40,400.00" in reply.stdout


def test_prices__json_lines_on_stdin__pushed(house: KeeperHouse) -> None:
    script = "import sys; from ape._cli import cli; sys.exit(cli())"
    words = ["keeper", "prices", "--manifest", str(house.manifest_path), "--rpc", house.anvil.url]
    entry = {"feed": "ETH", "price": "2001.5", "time": house.rpc.timestamp()}
    reply = subprocess.run(
        [sys.executable, "-c", script, "run", *words, "--prices", "-", "--once", "--json"],
        cwd=PROJECT_ROOT,
        env={
            **os.environ,
            "PLIMSOLL_KEEPER_KEY": key_of(PUSHER),
            "PLIMSOLL_REPORT_KEYS": keys(),
        },
        input=json.dumps(entry) + "\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert reply.returncode == 0, reply.stderr
    kept = datum(house)
    assert kept is not None
    assert kept.price == 2_001_500_000_000


def test_prices__signers_are_accounts_of_ape__unlocked_by_their_passphrases(
    house: KeeperHouse, prices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ".ape" / "accounts"
    folder.mkdir(parents=True)
    for alias, who in (("desk1", FIRST), ("desk2", SECOND)):
        locked = Account.encrypt(key_of(who), f"pass {alias}", kdf="pbkdf2", iterations=2)
        (folder / f"{alias}.json").write_text(json.dumps(locked))
        monkeypatch.setenv(f"APE_ACCOUNTS_{alias}_PASSPHRASE", f"pass {alias}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("APE_DATA_FOLDER", str(tmp_path / ".ape"))
    say(prices, "2003", house.rpc.timestamp())
    words = ["--manifest", str(house.manifest_path), "--rpc", house.anvil.url, "--feed", "ETH"]
    words += ["--prices", str(prices), "--once", "--json", "--signer", "desk1"]
    reply = house.command("keeper", "prices", *words, "--signer", "desk2", key=key_of(PUSHER))
    assert reply.returncode == 0, reply.stderr
    assert moves(json.loads(reply.stdout)) == [("push", "sent"), ("push", "mined")]
    monkeypatch.setenv("APE_ACCOUNTS_desk2_PASSPHRASE", "wrong")
    reply = house.command("keeper", "prices", *words, "--signer", "desk2", key=key_of(PUSHER))
    assert reply.returncode == 2
    assert "'desk2' stays locked" in reply.stderr
    assert reply.stdout == ""


def test_prices__dry_run__decides_and_sends_nothing(house: KeeperHouse, prices: Path) -> None:
    say(prices, "2004", house.rpc.timestamp())
    code, done, log = push(house, prices, dry_run=True)
    assert code == 0, log
    assert [one["go"] for one in done["decisions"] if one["action"] == "push"] == [True]
    assert datum(house) is None


def test_prices__second_process_of_one_sender__exits_4(house: KeeperHouse, prices: Path) -> None:
    say(prices, "2000", house.rpc.timestamp())
    with loop(house, prices) as keeper:
        assert keeper.stdout is not None
        keeper.stdout.readline()
        code, _, log = push(house, prices)
        assert code == 4, log
        keeper.terminate()
        assert keeper.wait(timeout=20) == 130


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"rpc": "http://127.0.0.1:9"}, 3, "no answer"),
        ({"manifest": Path("missing.json")}, 2, "expected a deployment manifest"),
        ({"prices": "missing.csv"}, 2, "expected a CSV file"),
        ({"prices": None}, 2, "no prices"),
        ({"pyth_updates": "missing.jsonl"}, 2, "expected a file of JSON lines"),
        ({"prices": "-", "pyth_updates": "-"}, 2, "expected one input on stdin"),
        ({"feeds": ("DOGE",)}, 2, "one of the feeds"),
    ],
)
def test_prices__wrong_from_the_start__its_exit_code(
    house: KeeperHouse, prices: Path, change: dict[str, Any], code: int, text: str
) -> None:
    say(prices, "2000", house.rpc.timestamp())
    fields: dict[str, Any] = {"manifest": house.manifest_path, "rpc": house.anvil.url}
    options = Options(**{**fields, "prices": str(prices), "once": True, **change})
    log = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(log):
        patch.setenv("PLIMSOLL_KEEPER_KEY", key_of(PUSHER))
        patch.setenv("PLIMSOLL_REPORT_KEYS", keys())
        assert run(options) == code
    assert text in log.getvalue()


def test_prices__one_of_two_keys__exits_2(house: KeeperHouse, prices: Path) -> None:
    say(prices, "2000", house.rpc.timestamp())
    options = Options(
        manifest=house.manifest_path, rpc=house.anvil.url, prices=str(prices), once=True
    )
    log = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(log):
        patch.setenv("PLIMSOLL_KEEPER_KEY", key_of(PUSHER))
        patch.setenv("PLIMSOLL_REPORT_KEYS", key_of(FIRST))
        assert run(options) == 2
    assert "needs 2 signatures, of the 1 signers given 1 are members" in log.getvalue()


def test_status__dead_node_and_unknown_deployment__exit_3_and_2(house: KeeperHouse) -> None:
    words = ["--manifest", str(house.manifest_path), "--rpc", "http://127.0.0.1:9"]
    reply = house.command("oracle", "status", *words)
    assert (reply.returncode, reply.stdout) == (3, "")
    words = ["--manifest", "missing.json", "--rpc", house.anvil.url]
    reply = house.command("oracle", "status", *words)
    assert (reply.returncode, reply.stdout) == (2, "")


def test_status__check__a_stale_feed_exits_1(house: KeeperHouse) -> None:
    house.advance(86_402)
    house.send(VENUE, VENUE, b"")
    words = ["--manifest", str(house.manifest_path), "--rpc", house.anvil.url]
    reply = house.command("oracle", "status", *words, "--check")
    assert reply.returncode == 1, reply.stderr
    assert "STALE" in reply.stdout
