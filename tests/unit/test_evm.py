"""The in-process EVM: what a test or a campaign relies on, on each machine that is installed."""

from __future__ import annotations

import importlib.util
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from plimsoll.compiler import Artifact, compile_path
from plimsoll.evm import (
    ArgumentError,
    Contract,
    Evm,
    Reverted,
    StateLost,
    Unsupported,
    set_error_table,
)
from plimsoll.evm.backend import create_address
from plimsoll.testing import reverts

SOURCE = Path(__file__).parent / "evm_sources" / "EvmProbe.vy"
ERRORS = ("TooBig(uint256)", "Bare()", "BadN(uint256,address)")
BACKENDS = ["verbs", "py-evm"]
if importlib.util.find_spec("pyrevm") is not None:  # never required, tested where it is
    BACKENDS.append("pyrevm")


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return compile_path(SOURCE)


@pytest.fixture(autouse=True)
def _error_table() -> Iterator[None]:
    set_error_table({keccak(text=item)[:4]: item for item in ERRORS})
    yield
    set_error_table(None)


@pytest.fixture(params=BACKENDS)
def evm(request: pytest.FixtureRequest) -> Evm:
    return Evm(request.param)


@pytest.fixture
def probe(evm: Evm, artifact: Artifact) -> Contract:
    return evm.deploy(artifact, 7)


# -- deployment


def test_deploy__immutables__size_on_chain_is_the_artifacts(
    probe: Contract, artifact: Artifact
) -> None:
    assert len(probe.evm.code(probe)) == artifact.runtime_size


def test_deploy__constructor_reverts__named_error_and_no_code(evm: Evm, artifact: Artifact) -> None:
    trader = evm.account()
    with reverts("BadN", 0, trader):
        evm.deploy(artifact, 0, sender=trader)
    assert evm.deploy(artifact, 1, sender=trader).pair().amount == 1


def test_deploy__over_eip_170__refused(artifact: Artifact) -> None:
    fat = Artifact(**{**vars(artifact), "runtime_size": 24_577})
    with pytest.raises(ValueError, match="24577; split the contract"):
        Evm().deploy(fat, 7)
    assert Evm(size_limit=False).deploy(fat, 7).pair().amount == 7


def test_deploy__failures_before_it__same_address_on_verbs_and_reference(
    artifact: Artifact,
) -> None:
    found = set()
    for backend in ("verbs", "py-evm"):
        evm = Evm(backend)
        trader = evm.account()
        probe = evm.deploy(artifact, 7, sender=trader)
        for run in (probe.fail_with, probe.put):
            evm.transact(probe, run.pack(*([1] * (2 if run.name == "put" else 1))), trader)
        evm.transact(probe, probe.halt.pack(), trader)
        with reverts("BadN"):
            evm.deploy(artifact, 0, sender=trader)
        found.add(evm.deploy(artifact, 7, sender=trader).address)
    assert len(found) == 1


@pytest.mark.parametrize("nonce", [0, 1, 127, 128, 255, 256, 65_536])
def test_create_address__any_nonce__as_the_reference(nonce: int) -> None:
    from eth._utils.address import generate_contract_address

    sender = bytes(range(20))
    assert create_address(sender, nonce) == generate_contract_address(sender, nonce)


# -- calls, returns, logs


def test_method__struct_and_tuple__named(probe: Contract) -> None:
    trader = probe.evm.account()
    pair = probe.pair()
    assert (pair.amount, pair.delta) == (7, -5)
    assert probe.context(sender=trader)[3:] == (trader, trader)


def test_method__write__value_and_state(probe: Contract) -> None:
    receipt = probe.put_small(3, -(2**23), True, probe, b"abcd")
    assert receipt.value == -(2**23)
    assert probe.values(3) == -(2**23)


def test_call__write__changes_nothing(probe: Contract) -> None:
    assert probe.put_many.call([(1, 2), (3, 4)]) == 4
    probe.put.call(5, 6)
    assert probe.values(5) == 0


def test_events__indexed_and_struct__decoded_by_abi(probe: Contract) -> None:
    trader = probe.evm.account()
    event = probe.put(3, -2, sender=trader).event("Put")
    assert event.args == {"who": trader, "key": 3, "amount": -2}
    assert (event.address, event.key) == (probe.address, 3)
    notes = probe.put_many([{"amount": 1, "delta": -2}, (3, 4)], "two").events
    assert [(note.text, note.pair.delta) for note in notes] == [("two", -2), ("two", 4)]


def test_events__read_after_the_state_moved_on__still_those_of_the_transaction(
    probe: Contract,
) -> None:
    first = probe.put(3, 1)
    probe.evm.advance(100)
    probe.put(3, 2)
    assert first.event("Put").amount == 1


def test_events__log_depends_on_state__replayed_on_the_state_before(probe: Contract) -> None:
    assert probe.put_next(5).event("Put").key == 1
    assert probe.put_next(5).event("Put").key == 2


def test_events__none_emitted__empty(probe: Contract) -> None:
    assert probe.mark().logs == []


# -- errors


@pytest.mark.parametrize(
    ("method", "args", "name", "decoded"),
    [
        ("fail_with", (9,), "TooBig", (9,)),
        ("fail_with", (2**256 - 1,), "TooBig", (2**256 - 1,)),
        ("fail_bare_selector", (), "Bare", ()),
        ("fail_with_text", (), "Error", ("hello",)),
        ("fail_bare", (), "", ()),
        ("fail_if_coded", (4,), "TooBig", (4,)),
    ],
)
def test_revert__any_shape__raw_data_name_and_arguments(
    probe: Contract, method: str, args: tuple[int, ...], name: str, decoded: tuple[object, ...]
) -> None:
    with pytest.raises(Reverted) as caught:
        probe.method(method)(*args)
    assert (caught.value.name, caught.value.args) == (name, decoded)
    raw = {"TooBig": ERRORS[0], "Bare": ERRORS[1]}.get(name)
    if raw:
        body = encode(["uint256"], list(decoded)) if decoded else b""
        assert caught.value.data == keccak(text=raw)[:4] + body


def test_revert__sender_called_back__its_own_code_answered(evm: Evm, artifact: Artifact) -> None:
    """A contract as sender keeps its code and storage while the reason of a failure is found."""
    target, sender = evm.deploy(artifact, 7), evm.deploy(artifact, 8)
    sender.put(3, 4)
    for calls, name, args in (
        ([sender.pack("fail_with", 9)], "TooBig", (9,)),
        ([sender.pack("fail_bare")], "", ()),
        ([sender.pack("on_call"), sender.pack("fail_if", 3, 4)], "TooBig", (4,)),
        ([sender.pack("fail_if", 3, 5), sender.pack("fail_bare_selector")], "Bare", ()),
    ):
        with pytest.raises(Reverted) as caught:
            target.relay(sender, calls, sender=sender)
        assert (caught.value.name, caught.value.args) == (name, args)
    assert sender.values(1) == 0


def test_revert__sender_lends_its_code__run_on_the_borrowers_storage(
    evm: Evm, artifact: Artifact
) -> None:
    target, sender = evm.deploy(artifact, 7), evm.deploy(artifact, 8)
    target.put(3, 5)
    with reverts("TooBig", 5):
        target.run_code_of(sender, sender.pack("fail_if", 3, 5), sender=sender)


def test_revert__view__decoded_too(probe: Contract) -> None:
    with reverts("TooBig", 3):
        probe.fail_with.call(3)


def test_revert__selector_not_in_table__hex_name_and_raw_arguments(probe: Contract) -> None:
    set_error_table({})
    with pytest.raises(Reverted) as caught:
        probe.fail_with(1)
    assert caught.value.name == "0x" + keccak(text="TooBig(uint256)")[:4].hex()
    assert caught.value.args == ((1).to_bytes(32, "big"),)


def test_revert__default_table__is_the_projects(probe: Contract) -> None:
    set_error_table(None)
    assert Reverted(keccak(text="NotOwner()")[:4]).name == "NotOwner"


def test_halt__invalid_opcode__reported_and_state_kept(probe: Contract) -> None:
    probe.put(1, 5)
    with reverts("halt"):
        probe.halt()
    assert probe.values(1) == 5
    assert probe.put(1, 6).success


def test_transact__failure__in_the_receipt_and_nothing_changed(probe: Contract) -> None:
    receipt = probe.evm.transact(probe, probe.pack("fail_with", 2))
    assert not receipt.success
    assert Reverted(receipt.output).args == (2,)


def test_reverts__other_error_or_success__assertion(probe: Contract) -> None:
    with pytest.raises(AssertionError, match=r"with 'Bare', got: .*TooBig"), reverts("Bare"):
        probe.fail_with(1)
    with pytest.raises(AssertionError, match="got success"), reverts("Bare"):
        probe.put(1, 1)
    with pytest.raises(AssertionError, match=r"TooBig\(2\)"), reverts("TooBig", 2):
        probe.fail_with(1)


# -- the machine's rules


def test_transient__two_transactions__each_starts_empty(probe: Contract) -> None:
    assert [probe.mark().value for _ in range(3)] == [1, 1, 1]


def test_lock__reentered__bare_revert_and_free_afterwards(probe: Contract) -> None:
    with reverts(""):
        probe.enter(probe)
    probe.on_call()
    probe.enter(probe.evm.deploy(compile_path(SOURCE), 7))
    assert probe.values(1) == 1


def test_gas__same_call_twice__cold_again(probe: Contract) -> None:
    if probe.evm.backend.name == "pyrevm":
        pytest.skip("its slots stay warm between transactions, as documented")
    probe.put(1, 1)
    assert probe.put(1, 2).gas_used == probe.put(1, 3).gas_used


def test_code_size__after_time_and_snapshot__as_deployed(
    probe: Contract, artifact: Artifact
) -> None:
    trader = probe.evm.account()
    probe.evm.advance(1234)
    probe.evm.revert(probe.evm.snapshot())
    assert probe.code_size(probe) == artifact.runtime_size
    assert probe.code_size(trader) == 0
    assert probe.code_size("0x" + "77" * 20) == 0


# -- time, snapshots, balances


def test_time__set_and_advance__seen_by_contracts(probe: Contract) -> None:
    evm = probe.evm
    for seconds, blocks in ((15, 1), (1, 1), (15, 1), (15, 1), (0, 1), (86_400, 7200), (12, 0)):
        evm.advance(seconds, blocks)
        assert probe.context()[:3] == (evm.timestamp, evm.number, evm.chain_id)
    evm.set_timestamp(1_800_000_000)
    assert probe.context()[0] == 1_800_000_000
    with pytest.raises(ValueError, match="go back with revert"):
        evm.set_timestamp(1)


def test_snapshot__reverted_twice__state_and_clock_back(probe: Contract) -> None:
    evm = probe.evm
    probe.put(1, 1)
    snapshot = evm.snapshot()
    for _ in range(2):
        probe.put(1, 2)
        evm.advance(99)
        evm.revert(snapshot)
        assert probe.values(1) == 1
        assert probe.context()[:2] == (evm.timestamp, evm.number)
    evm.advance(99)  # the very time that was set before going back
    assert probe.context()[:2] == (evm.timestamp, evm.number)


def test_snapshot__many_calls__no_depth_leak(probe: Contract) -> None:
    for key in range(1500):
        probe.values(key)
    assert probe.put(1, 1).success


def test_value__paid_in_and_out__balances_move(probe: Contract) -> None:
    evm = probe.evm
    trader = evm.account(balance=100)
    probe.pay(sender=trader, value=60)
    assert (evm.balance(trader), evm.balance(probe)) == (40, 60)
    probe.pay_back(sender=trader)
    assert (evm.balance(trader), evm.balance(probe)) == (100, 0)
    with reverts(""):
        probe.put(1, 1, sender=trader, value=1)


def test_value__plain_account__receives(evm: Evm) -> None:
    assert evm.transact("0x" + "77" * 20, value=5).success
    assert evm.balance("0x" + "77" * 20) == 5


def test_value__more_than_held__refused_and_state_kept(artifact: Artifact) -> None:
    evm = Evm("verbs")
    probe = evm.deploy(artifact, 7)
    with pytest.raises(ValueError, match="holds 3 wei, the transaction sends 4"):
        probe.pay(sender=evm.account(balance=3), value=4)
    assert probe.pair().amount == 7


def test_value__with_a_creation__unsupported_on_verbs_only(artifact: Artifact) -> None:
    with pytest.raises(Unsupported, match="py-evm"):
        Evm("verbs").deploy(artifact, 7, value=1)
    evm = Evm("py-evm")
    assert evm.balance(evm.deploy(artifact, 7, value=1)) == 1


def test_storage__overwritten__read_back_and_others_kept(probe: Contract) -> None:
    evm = probe.evm
    probe.put(1, 1)
    evm.set_storage(probe, 12_345, 2**256 - 1)
    assert evm.storage(probe, 12_345) == 2**256 - 1
    assert probe.values(1) == 1


def test_logs__record_off__unsupported(artifact: Artifact) -> None:
    probe = Evm("verbs", record=False).deploy(artifact, 7)
    with pytest.raises(Unsupported, match="record=True"):
        _ = probe.put(1, 1).logs


def test_state_lost__is_an_error_of_its_own() -> None:
    assert issubclass(StateLost, RuntimeError)


# -- packing


@pytest.mark.parametrize(
    "args",
    [
        (2**16, 0, True, "0x" + "11" * 20, b"abcd"),
        (-1, 0, True, "0x" + "11" * 20, b"abcd"),
        (0, 2**23, True, "0x" + "11" * 20, b"abcd"),
        (0, -(2**23) - 1, True, "0x" + "11" * 20, b"abcd"),
        (0, 0, 1, "0x" + "11" * 20, b"abcd"),
        (True, 0, True, "0x" + "11" * 20, b"abcd"),
        (0, 0, True, "0x" + "11" * 19, b"abcd"),
        (0, 0, True, "0x" + "11" * 20, b"abc"),
        (0, 0, True, "0x" + "11" * 20),
    ],
)
def test_pack__argument_out_of_range__refused(artifact: Artifact, args: tuple[object, ...]) -> None:
    probe = Evm().at(artifact, b"\x11" * 20)
    with pytest.raises(ArgumentError, match="expected"):
        probe.pack("put_small", *args)


def test_pack__random_words__equal_to_eth_abi(artifact: Artifact) -> None:
    seed = int(os.environ.get("SEED", "20240611"))
    print(f"seed {seed}")
    rng = random.Random(seed)
    probe = Evm().at(artifact, b"\x11" * 20)
    kinds = ["uint16", "int24", "bool", "address", "bytes4"]
    selector = keccak(text=f"put_small({','.join(kinds)})")[:4]
    for _ in range(200):
        args = [
            rng.choice([0, 2**16 - 1, rng.getrandbits(16)]),
            rng.choice([-(2**23), 2**23 - 1, -rng.getrandbits(23)]),
            rng.random() < 0.5,
            "0x" + rng.randbytes(20).hex(),
            rng.randbytes(4),
        ]
        assert probe.pack("put_small", *args) == selector + encode(kinds, args)


def test_pack__dynamic_out_of_range__refused(artifact: Artifact) -> None:
    probe = Evm().at(artifact, b"\x11" * 20)
    with pytest.raises(ArgumentError):
        probe.pack("put_many", [(2**256, 0)])


def test_method__not_in_abi__named_with_the_known_ones(artifact: Artifact) -> None:
    with pytest.raises(AttributeError, match=r"no function 'wrong' .* fail_bare"):
        _ = Evm().at(artifact, b"\x11" * 20).wrong


# -- machines against each other


def test_backends__random_steps__same_outputs_logs_and_gas(artifact: Artifact) -> None:
    seed = int(os.environ.get("SEED", "20240612"))
    print(f"seed {seed}")
    machines = [Evm("verbs"), Evm("py-evm")]
    probes = [evm.deploy(artifact, 7) for evm in machines]
    rng = random.Random(seed)
    for _ in range(60):
        name, args = rng.choice(
            [
                ("put", (rng.randrange(4), rng.choice([0, 0, -1, 2**200]))),
                ("put_many", ([(rng.randrange(9), 1)] * rng.randrange(5), "x")),
                ("fail_with", (rng.randrange(9),)),
                ("enter", (probes[0].address,)),
                ("mark", ()),
            ]
        )
        seconds = rng.choice([0, 15, 7])
        seen = []
        for evm, probe in zip(machines, probes, strict=True):
            evm.advance(seconds)
            receipt = evm.transact(probe, probe.pack(name, *args))
            gas = receipt.gas_used if receipt.success else None
            seen.append((receipt.success, receipt.output, receipt.logs, gas))
        assert seen[0] == seen[1], (seed, name, args)
