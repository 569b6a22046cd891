"""`ape run propose`: from a YAML to values in force, through a 2-of-3 Safe and the timelock."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from plimsoll.governance.command import Options, run
from plimsoll.governance.safe_batch import checksum
from plimsoll.localnet.anvil import AnvilOptions
from plimsoll.localnet.errors import TransactionReverted
from plimsoll.localnet.fork import fork_chain
from plimsoll.localnet.origin import Origin, OriginConfig, start_origin
from plimsoll.localnet.safe import safe_tx
from plimsoll.localnet.tx import Sender
from tests.fork.keeper_house import KeeperHouse, build_house

MAKER, TRADER, STRANGER = 21, 22, 23
DELAY = 172_800
CHANGES = [
    {"parameter": "markets.ETH-PERP.risk.floor_percent", "old": 1, "new": 1.5},
    {"parameter": "markets.ETH-PERP.risk.tail_multiple", "old": 4, "new": 4.2},
    {"parameter": "markets.BTC-PERP.taker_fee_bps", "old": 5, "new": 6},
    {"parameter": "interest.base_percent_per_year", "old": 1, "new": 2},
    {"parameter": "fees.fund_share_bps", "old": 5_000, "new": 6_000},
    {"parameter": "auction.buffer_percent", "old": 10, "new": 12},
    {"parameter": "fund.cap_per_event_bps", "old": 5_000, "new": 4_000},
    {
        "parameter": "collateral.WETH.initial_haircut_bps",
        "old": 1_000,
        "new": 1_200,
        "ramp_seconds": 604_800,
    },
    {
        "parameter": "collateral.WETH.cap_tokens",
        "old": 20_000,
        "new": 15_000,
        "ramp_seconds": 3_600,
    },
    {"parameter": "pause.level", "old": 0, "new": 1},
    {
        "call": {
            "contract": "MarginEngine",
            "function": "set_module",
            "args": [3, "0x" + "11" * 20],
        },
        "read": {"function": "guardian"},
        "old": "$guardian",
        "new": "0x" + "11" * 20,
    },
]


@dataclass
class World:
    """The house with a Safe as the timelock's proposer."""

    house: KeeperHouse
    origin: Origin

    @property
    def safe(self) -> str:
        """Its address."""
        return self.origin.addresses["safe"]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with start_origin(OriginConfig()) as origin:
        anvil = fork_chain(origin.url, options=AnvilOptions(auto_impersonate=True))
        try:
            folder = tmp_path_factory.mktemp("propose")
            house = build_house(anvil, folder, council=origin.addresses["safe"])
            house.fund(MAKER, 5_000_000)
            house.fund(TRADER, 21_000)
            fill = (0, house.account(TRADER), house.account(MAKER), "100", 2_000)
            house.trade([fill])
            yield World(house, origin)
        finally:
            anvil.stop()


@pytest.fixture
def world(deployed: World) -> Iterator[World]:
    snapshot = deployed.house.anvil.snapshot()
    yield deployed
    deployed.house.anvil.revert(snapshot)


def write(world: World, folder: Path, changes: list[dict[str, Any]], **more: Any) -> Path:
    guardian = world.house.names["guardian"]
    full = [
        {
            "rationale": "a test",
            **one,
            **({"old": guardian.lower()} if one["old"] == "$guardian" else {}),
        }
        for one in changes
    ]
    path = folder / "proposal.yaml"
    top = {"title": "Tighten ETH", "date": "2026-11-21", "changes": full, **more}
    path.write_text(yaml.safe_dump(top))
    return path


def propose(world: World, path: Path, **more: Any) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    out, log = io.StringIO(), io.StringIO()
    options = Options(
        path, world.house.manifest_path, rpc=world.house.anvil.url, **{"max_newly": 9, **more}
    )
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(log):
        code = run(options)
    return code, out.getvalue(), log.getvalue()


def calldata_of(folder: Path, step: str) -> tuple[str, bytes]:
    batch = json.loads((folder / f"{step}.safe.json").read_text())
    assert batch["meta"]["checksum"] == checksum(batch)
    (one,) = batch["transactions"]
    assert one["value"] == "0"
    return one["to"], bytes.fromhex(one["data"][2:])


def test_propose__safe_schedules_time_passes_executed__in_force(
    world: World, tmp_path: Path
) -> None:
    house = world.house
    path = write(world, tmp_path, CHANGES)
    code, text, log = propose(world, path, out=tmp_path / "out")
    assert code == 0, (text, log)
    rows = [line.split() for line in text.splitlines()]
    assert ["markets.ETH-PERP.risk.floor_percent", "1", "1.5", "+50.00", "%"] in rows
    assert "PROBLEM" not in text

    code, text, _ = propose(world, path, verify=True)
    assert code == 1
    assert "NOT IN FORCE" in text

    payer = Sender(house.rpc, world.origin.accounts[5])
    target, schedule = calldata_of(tmp_path / "out", "schedule")
    with pytest.raises(TransactionReverted):
        safe_tx(payer, world.safe, world.origin.safe_owners[:1], target, schedule)
    safe_tx(payer, world.safe, world.origin.safe_owners[:2], target, schedule)
    code, text, _ = propose(world, path, simulate=False)
    assert "(waiting)" in text

    target, execute = calldata_of(tmp_path / "out", "execute")
    with pytest.raises(TransactionReverted):
        payer.send(target, execute)
    house.advance(DELAY)
    payer.send(target, execute)

    code, text, log = propose(world, path, verify=True)
    assert code == 0, (text, log)
    parameters = house.read("StandardMargin", "parameters", 0)
    assert (parameters.floor, parameters.tail) == (15_000_000, 4_200_000_000)
    assert house.read("MarginEngine", "config", 1) >> 136 & 0xFFFF == 600
    assert house.read("MarginEngine", "config", 0) >> 136 & 0xFFFF == 500
    assert house.read("LiquidationAuction", "curve").buffer == 120_000_000
    assert house.read("InsuranceFund", "caps").per_event == 4_000
    assert house.read("MarginEngine", "guardian") == "0x" + "11" * 20
    terms = house.read("CollateralVault", "terms", house.names["weth"])
    assert (terms.maintenance, terms.initial, terms.cap) == (500, 1_200, 15_000 * 10**18)


def test_propose__same_inputs__same_bytes(world: World, tmp_path: Path) -> None:
    path = write(world, tmp_path, CHANGES)
    texts = []
    for name in ("a", "b"):
        assert propose(world, path, simulate=False, out=tmp_path / name)[0] == 0
        world.house.advance(60)
        texts.append({one.name: one.read_bytes() for one in (tmp_path / name).iterdir()})
    assert texts[0] == texts[1]
    assert sorted(texts[0]) == [
        "diff.md",
        "execute.safe.json",
        "proposal.json",
        "schedule.safe.json",
    ]


def test_propose__wrong_old_value__refused(world: World, tmp_path: Path) -> None:
    change = {"parameter": "markets.ETH-PERP.risk.floor_percent", "old": 2, "new": 3}
    code, out, log = propose(world, write(world, tmp_path, [change]), out=tmp_path / "out")
    assert code == 4
    assert "markets.ETH-PERP.risk.floor_percent: expected 2 on chain, got 1" in log
    assert (out, (tmp_path / "out").exists()) == ("", False)


def test_propose__nothing_changes__says_so_loudly(world: World, tmp_path: Path) -> None:
    change = {"parameter": "pause.level", "old": 0, "new": 0}
    code, out, _ = propose(world, write(world, tmp_path, [change]))
    assert code == 1
    assert out.startswith("NO CHANGE")


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ([{"parameter": "markets.ETH-PERP.risk.flor", "old": 1, "new": 2}], "changes.0.parameter"),
        ([{"parameter": "pause.level", "old": 0, "new": "high"}], "changes.0.new"),
        ([{"parameter": "pause.level", "old": 0, "new": 1, "wy": 1}], "changes.0.wy"),
        ([{"parameter": "collateral.WETH.cap_tokens", "old": 20_000, "new": 1}], "ramp_seconds"),
        ([{"parameter": "pause.level", "old": 0, "new": 1, "ramp_seconds": 1}], "ramp_seconds"),
        ([{"parameter": "pause.level", "old": 0, "new": 1}] * 2, "changes.1.parameter"),
        ([], "changes"),
    ],
)
def test_propose__bad_file__exits_2_with_the_path(
    world: World, tmp_path: Path, changes: list[dict[str, Any]], path: str
) -> None:
    code, _, log = propose(world, write(world, tmp_path, changes))
    assert code == 2
    assert path in log


def test_propose__margin_raised__counts_whom_it_makes_liquidatable(
    world: World, tmp_path: Path
) -> None:
    change = {"parameter": "markets.ETH-PERP.risk.floor_percent", "old": 1, "new": 12}
    more = {"parameter": "markets.ETH-PERP.risk.initial_floor_percent", "old": 3, "new": 13}
    code, text, log = propose(world, write(world, tmp_path, [change, more]), max_newly=0)
    assert code == 1, log
    assert "liquidatable before 0 (0 USD), after, ramps over, 1 (200000 USD)" in text
    assert f"newly liquidatable: {hex(world.house.account(TRADER))}" in text
    assert "PROBLEM: 1 accounts become liquidatable" in text


def test_propose__refused_by_the_contract__rehearsal_says_why(world: World, tmp_path: Path) -> None:
    change = {"parameter": "markets.ETH-PERP.price_band_bps", "old": 500, "new": 3_000}
    code, text, _ = propose(world, write(world, tmp_path, [change]))
    assert code == 1
    assert "PROBLEM: execute fails" in text
    assert "BadParameter" in text


def test_propose__dead_node__exits_3(world: World, tmp_path: Path) -> None:
    path = write(world, tmp_path, CHANGES)
    log = io.StringIO()
    with contextlib.redirect_stderr(log):
        code = run(Options(path, world.house.manifest_path, rpc="http://127.0.0.1:9"))
    assert code == 3
    assert "no answer" in log.getvalue()


def test_propose__as_a_command__prints_the_table(world: World, tmp_path: Path) -> None:
    path = write(world, tmp_path, CHANGES[:2])
    words = [str(path), "--manifest", str(world.house.manifest_path), "--no-simulate"]
    reply = world.house.command("propose", *words, "--rpc", world.house.anvil.url)
    assert reply.returncode == 0, reply.stderr
    assert "digest     0x" in reply.stdout
