"""The plan: deterministic, skips what is done, resumes after any step, refuses what is unsafe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from plimsoll.compiler import compile_contract
from plimsoll.deployment.abi import PARTS, abi_of, artifact
from plimsoll.deployment.chain import EvmChain, Sent
from plimsoll.deployment.config import Deployment, load_config
from plimsoll.deployment.execute import NotReady, StepFailed, execute, predict_factory
from plimsoll.deployment.house import House, deploy_house
from plimsoll.deployment.manifest import Manifest, ManifestError, manifest_path
from plimsoll.deployment.plan import Plan, PlanError, build_plan
from plimsoll.deployment.session import PlanChanged, prepare
from plimsoll.deployment.verify import failures, verify
from plimsoll.evm import Evm
from plimsoll.evm.abi import signature

TEST_CONTRACTS = Path(__file__).parents[2] / "contracts"


class Killed(Exception):
    """The process is gone."""


class MortalChain(EvmChain):
    """Dies before or after its n-th transaction."""

    lives: int | None = None
    sent = 0

    def send(self, to: str | None, data: bytes, note: str) -> Sent:
        if self.lives == 0:
            raise Killed(note)
        sent = super().send(to, data, note)
        self.sent += 1
        if self.lives is not None:
            self.lives -= 1
            if self.lives == 0:
                raise Killed(note)
        return sent


@dataclass
class Ground:
    """A chain with tokens and feeds, nothing deployed."""

    evm: Evm
    chain: MortalChain
    names: dict[str, str]

    def config(self, **overrides: Any) -> Deployment:
        return load_config("house", self.names, {"chain_id": self.evm.chain_id, **overrides})

    def plan(self, **overrides: Any) -> Plan:
        config = self.config(**overrides)
        return build_plan(config, self.chain.account, predict_factory(self.chain))


@pytest.fixture
def ground() -> Ground:
    evm = Evm()

    def part(name: str, *args: Any) -> str:
        return evm.deploy(compile_contract(name, contracts=TEST_CONTRACTS), *args).address

    names = {
        "usd": part("MintableToken", 6),
        "weth": part("MintableToken", 18),
        "eth_usd": part("ChainlinkAggregator", 8, "ETH / USD", 2_000 * 10**8),
        "btc_usd": part("ChainlinkAggregator", 8, "BTC / USD", 40_000 * 10**8),
    }
    names |= {name: evm.account() for name in ("council", "guardian", "treasury", "matcher")}
    return Ground(evm, MortalChain(evm, evm.account()), names)


def test_build_plan__same_inputs__same_hash(ground: Ground) -> None:
    assert ground.plan().hash == ground.plan().hash
    assert ground.plan().hash != ground.plan(**{"fund.drip_seconds": 86_400}).hash
    assert ground.plan().hash != ground.plan(name="other").hash


@pytest.mark.parametrize(
    "key", ["roles.guardian", "roles.treasury", "roles.matchers.0", "timelock.proposers.0"]
)
def test_build_plan__deployer_in_a_role__refused(ground: Ground, key: str) -> None:
    with pytest.raises(PlanError, match=key.removesuffix(".0")):
        ground.plan(**{key: ground.chain.account})


def test_execute__killed_after_every_step__resumes_and_sends_nothing_twice(ground: Ground) -> None:
    plan, chain = ground.plan(), ground.chain
    rounds = 0
    while True:
        chain.lives = 1
        try:
            outcomes = execute(plan, chain)
            break
        except Killed:
            rounds += 1
    assert rounds == chain.sent
    sending = [step for step in plan.steps if step.kind != "await"]
    assert all(done.skipped for done in outcomes)
    assert rounds == len(sending) - 4  # the fund starts with the configured terms
    assert failures(verify(plan, chain)) == []


def test_execute__done__sends_nothing(ground: Ground) -> None:
    plan, chain = ground.plan(), ground.chain
    execute(plan, chain)
    chain.lives = 0
    assert all(done.skipped for done in execute(plan, chain))


def test_execute__governance_moved_on__does_not_undo(house: House) -> None:
    house.govern("InsuranceFund", "set_drip", 86_400)
    outcomes = execute(house.plan, EvmChain(house.evm, house.plan.account))
    assert all(done.skipped for done in outcomes)
    wrong = failures(verify(house.plan, EvmChain(house.evm, house.plan.account)))
    assert [finding.what for finding in wrong] == ["InsuranceFund.set_drip: drip_period"]


def test_execute__constructor_fails__says_its_own_reason(ground: Ground) -> None:
    ground.names["usd"] = ground.names["weth"]  # 18 decimals
    ground.names["weth"] = ground.names["eth_usd"]
    with pytest.raises(StepFailed, match="constructor of CollateralVault failed: BadToken"):
        execute(ground.plan(), ground.chain)


def test_execute__feed_of_reports_only__waits_for_its_first_price(ground: Ground) -> None:
    signers = {"threshold": 1, "signers": [ground.evm.account(), ground.evm.account()]}
    source = {"kind": "signed", "signer_set": "committee", "max_age_seconds": 60}
    overrides = {"oracle.signer_sets": {"committee": signers}, "oracle.feeds.0.sources": [source]}
    with pytest.raises(NotReady, match="feed ETH has a price: not yet"):
        execute(ground.plan(**overrides), ground.chain)


def test_execute__feed_of_another_feed__priced_after_it(ground: Ground) -> None:
    """What costs two ether in ether, times ether in dollars; and one over 0.00005 in dollars."""
    part = compile_contract("ChainlinkAggregator", contracts=TEST_CONTRACTS)
    names = [
        ground.evm.deploy(part, 8, text, answer).address
        for text, answer in (("COIN / ETH", 2 * 10**8), ("USD / COIN", 25_000))
    ]
    sources = [
        {"kind": "chainlink", "aggregator": names[0], "max_age_seconds": 86_400, "via": "ETH"},
        {"kind": "chainlink", "aggregator": names[1], "max_age_seconds": 86_400, "inverse": True},
    ]
    plan = ground.plan(**{"oracle.feeds.1.sources": sources, "oracle.feeds.1.quorum": 2})
    execute(plan, ground.chain)
    assert failures(verify(plan, ground.chain)) == []
    oracle = ground.evm.at(abi_of("OracleAdapter"), plan.addresses["OracleAdapter"])
    assert oracle.read(2).price == 4_000 * 10**9
    texts = [step.text for step in plan.steps]
    assert texts.index("price feed ETH") < texts.index("list feed BTC as 2")


def test_execute__rollup__sequencer_told_before_the_first_price(ground: Ground) -> None:
    part = compile_contract("ChainlinkAggregator", contracts=TEST_CONTRACTS)
    feed = ground.evm.deploy(part, 0, "sequencer", 0)
    plan = ground.plan(**{"oracle.sequencer": {"feed": feed.address, "grace_seconds": 600}})
    texts = [step.text for step in plan.steps]
    told = texts.index("tell the oracle its rollup's sequencer feed")
    assert told < texts.index("list feed ETH as 1")
    execute(plan, ground.chain)
    assert failures(verify(plan, ground.chain)) == []
    oracle = ground.evm.at(abi_of("OracleAdapter"), plan.addresses["OracleAdapter"])
    assert oracle.sequencer_words()[0] == int(feed.address, 16) | 600 << 160
    feed.set_answer(1)
    assert oracle.read(1).state == 3
    assert failures(verify(plan, ground.chain)) == []


def test_execute__sequencer_down__refused_by_name(ground: Ground) -> None:
    part = compile_contract("ChainlinkAggregator", contracts=TEST_CONTRACTS)
    feed = ground.evm.deploy(part, 0, "sequencer", 1).address
    plan = ground.plan(**{"oracle.sequencer": {"feed": feed, "grace_seconds": 600}})
    with pytest.raises(StepFailed, match="sequencer feed: BadSource"):
        execute(plan, ground.chain)


def test_execute__nonce_moved_before_the_factory__refused(ground: Ground) -> None:
    plan = ground.plan()
    ground.evm.transact(ground.names["council"], b"", ground.chain.account)
    with pytest.raises(StepFailed, match="plan anew"):
        execute(plan, ground.chain)


def test_prepare__killed_and_resumed__same_plan_and_complete_manifest(
    ground: Ground, tmp_path: Path
) -> None:
    path = manifest_path("house", 1, tmp_path)
    ground.chain.lives = 5
    session = prepare(ground.config(), ground.chain, path)
    with pytest.raises(Killed):
        session.run(ground.chain)
    begun = Manifest.load(path)
    assert (begun.plan_hash, begun.complete) == (session.plan.hash, False)
    ground.chain.lives = None
    resumed = prepare(ground.config(), ground.chain, path)
    assert resumed.resumed
    assert resumed.plan.hash == session.plan.hash
    assert failures(resumed.run(ground.chain).check(ground.chain)) == []
    complete = Manifest.load(path)
    assert complete.complete
    assert complete.addresses() == dict(session.plan.addresses)
    assert complete.settings() == ground.config()
    assert (
        complete.contracts["StandardMargin"].arguments["engine"]
        == (session.plan.addresses["MarginEngine"])
    )


def test_prepare__another_configuration_under_the_name__refused(
    ground: Ground, tmp_path: Path
) -> None:
    path = tmp_path / "m.json"
    prepare(ground.config(), ground.chain, path).run(ground.chain)
    with pytest.raises(PlanChanged, match="another name"):
        prepare(ground.config(**{"fund.drip_seconds": 86_400}), ground.chain, path)


def test_prepare__another_chain__refused(ground: Ground, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="chain_id"):
        prepare(ground.config(chain_id=5), ground.chain, tmp_path / "m.json")


def test_manifest_load__not_a_manifest__refused(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text("{}")
    with pytest.raises(ManifestError, match="schema"):
        Manifest.load(path)


@pytest.mark.parametrize(
    ("name", "some"),
    [
        ("MarginEngine", {"settle", "freeze", "solvency"}),
        ("LiquidationAuction", {"bid", "pre_liquidate", "version", "set_curve"}),
        ("OracleAdapter", {"poke", "word", "list_feed", "sequencer_words"}),
    ],
)
def test_abi_of__contract_in_parts__every_function_of_all_once(name: str, some: set[str]) -> None:
    found = [signature(e) for e in abi_of(name) if e["type"] == "function"]
    assert len(found) == len(set(found))
    parts = {
        signature(e) for part in PARTS[name] for e in artifact(part).abi if e["type"] == "function"
    }
    assert set(found) == parts
    assert some <= {one.split("(")[0] for one in found}


def test_abi_of__function_in_two_parts__is_the_firsts() -> None:
    """OracleAdmin's poke is a step of OracleAdapter's and returns what is left of the value."""
    (poke,) = [e for e in abi_of("OracleAdapter") if e.get("name") == "poke"]
    assert poke["outputs"] == []


def test_deploy_house__twice__same_addresses() -> None:
    assert deploy_house().plan.addresses == deploy_house().plan.addresses
