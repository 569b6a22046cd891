"""Pyth, Uniswap v3, Curve and ERC-4626 sources: no unsound answer becomes an observation, none of
them bricks its reader, a starved caller is refused, and what is sound is what the model says."""

import random
from dataclasses import dataclass
from decimal import Decimal, localcontext
from pathlib import Path

import pytest
from eth_utils.crypto import keccak

from plimsoll.compiler import compile_contract
from plimsoll.evm import Evm, Reverted
from plimsoll.model import price_sources as model
from plimsoll.testing import reverts

MOCKS = Path(__file__).parents[2] / "contracts"
NOW = 1_700_001_040
HONEST, REVERT, EMPTY, BYTES_31, HUGE, BURN, LONG, PANIC, SLOW, REVERT_SOUND = range(10)
MISBEHAVIOURS = [REVERT, EMPTY, BYTES_31, HUGE, BURN, LONG, PANIC, REVERT_SOUND]
INT_MAX, WORD_MAX = 2**255 - 1, 2**256 - 1
MAX_CONFIDENCE = 50  # 1e-4
WINDOW, LEAST = 1_800, 10**18
LIQUIDITY = 3 * 10**18
PRICE_ID = 0xE7
POOL_EXTRA = model.uniswap_extra(WINDOW, LEAST, 18, 6)


def word(value):
    return value % 2**256


def selector(signature):
    return keccak(text=signature)[:4]


def pool_words(tick_sum, passed, start=-(10**12), began=2**160 - 10**9):
    """What `observe` answers; the second cumulative starts close to where it wraps."""
    seconds = (began + passed) % 2**160
    return [64, 160, 2, word(start), word(start + tick_sum), 2, began, seconds]


def passed_at(liquidity, window=WINDOW):
    """The growth of seconds per liquidity, rounded up."""
    return -(-(window << 128) // liquidity)


@dataclass(frozen=True)
class Kind:
    """One kind of source: how it is listed, what it is asked, one sound answer and its value."""

    number: int
    method: str
    extra: int
    sound: list
    expected: model.Observation


KINDS = {
    "pyth": Kind(
        model.PYTH,
        "getPriceUnsafe(bytes32)",
        PRICE_ID,
        [2_000 * 10**8, 10**8, word(-8), NOW - 5],
        model.Observation(2_000 * 10**8, -8, NOW - 5, NOW - 5),
    ),
    "uniswap": Kind(
        model.UNISWAP_V3,
        "observe(uint32[])",
        POOL_EXTRA,
        pool_words(-200_311 * WINDOW - 1, passed_at(LIQUIDITY)),
        model.Observation(model.tick_price(-200_312, 18, 6), -27, NOW, NOW),
    ),
    "curve": Kind(
        model.CURVE,
        "price_oracle()",
        model.curve_extra(None),
        [10**18 + 12_345],
        model.Observation(10**18 + 12_345, -18, NOW, NOW),
    ),
    "curve indexed": Kind(
        model.CURVE,
        "price_oracle(uint256)",
        model.curve_extra(2),
        [10**18 - 7],
        model.Observation(10**18 - 7, -18, NOW, NOW),
    ),
    "vault": Kind(
        model.ERC4626,
        "convertToAssets(uint256)",
        model.vault_extra(18, 6),
        [1_234_567],
        model.Observation(1_234_567, -6, NOW, NOW),
    ),
}


class Bench:
    """The probe, and a hostile source answering soundly to everything until told otherwise."""

    def __init__(self):
        self.evm = Evm(timestamp=NOW)
        self.probe = self.deploy("SourceProbe")
        self.hostile = self.deploy("HostileSource")
        self.caller = self.deploy("GasCaller")

    def deploy(self, name):
        return self.evm.deploy(compile_contract(name, contracts=MOCKS))

    def source(self, kind, target=None, max_confidence=MAX_CONFIDENCE):
        address = int(target or self.hostile.address, 16)
        return address | kind.number << 160 | max_confidence << 208

    def answers(self, method, words, mode=HONEST):
        self.hostile.set_answer(selector(method), mode, [word(w) for w in words])

    def observe(self, kind, target=None, extra=None, **terms):
        """The observation, or None where there is no sound answer."""
        extra = kind.extra if extra is None else extra
        got = self.probe.observe(self.source(kind, target, **terms), extra)
        found = model.Observation(got.mantissa, got.exponent, got.time, got.round)
        return found if found.mantissa else None

    def check(self, kind, extra=None, factory=None, target=None):
        """Whether the source can be listed."""
        extra = kind.extra if extra is None else extra
        factory = factory or self.hostile.address
        return self.probe.check(self.source(kind, target), extra, factory)


@pytest.fixture(scope="module")
def shared_bench():
    bench = Bench()
    for kind in KINDS.values():
        bench.answers(kind.method, kind.sound)
    address = int(bench.hostile.address, 16)
    for method in ("token0()", "token1()", "asset()", "getPool(address,address,uint24)"):
        bench.answers(method, [address])
    bench.answers("fee()", [3_000])
    bench.answers("slot0()", [2**96, 0, 0, 151, 151, 0, 1])
    bench.answers("decimals()", [18])
    return bench


@pytest.fixture
def bench(shared_bench):
    handle = shared_bench.evm.snapshot()
    yield shared_bench
    shared_bench.evm.revert(handle)


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


# -- every kind


def test_observe__sound_answer__as_the_model_says(bench, kind):
    assert bench.observe(kind) == kind.expected


@pytest.mark.parametrize("mode", MISBEHAVIOURS)
def test_observe__source_misbehaves__no_answer_and_no_revert(bench, kind, mode):
    bench.answers(kind.method, kind.sound, mode)
    assert bench.observe(kind) is None


def test_observe__no_code__no_answer(bench, kind):
    assert bench.observe(kind, target=bench.evm.account()) is None


def test_observe__code_gone__no_answer(bench, kind):
    bench.evm.set_code(bench.hostile.address, b"")
    assert bench.observe(kind) is None


def test_observe__all_zero_or_all_ones__no_answer(bench, kind):
    for value in (0, WORD_MAX):
        bench.answers(kind.method, [value] * len(kind.sound))
        assert bench.observe(kind) is None


@pytest.mark.parametrize("seed", range(2))
def test_observe__random_words__never_reverts(bench, kind, seed):
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(60):
        words = list(kind.sound)
        for place in rng.sample(range(len(words)), rng.randint(1, len(words))):
            words[place] = rng.choice([0, 1, 2**63, 2**160, INT_MAX, 2**255, WORD_MAX])
        bench.answers(kind.method, words)
        bench.observe(kind)


def test_observe__starved_at_any_gas__sound_answer_or_refused(bench, kind):
    bench.answers(kind.method, kind.sound, SLOW)
    payload = bench.probe.pack("keep", bench.source(kind), kind.extra)
    outcomes = set()
    for gas in range(10_000, 560_000, 4_000):
        handle = bench.evm.snapshot()
        try:
            bench.caller.forward(bench.probe.address, payload, gas)
        except Reverted as refusal:
            outcomes.add(refusal.name)
        else:
            outcomes.add("done")
            assert tuple(bench.probe.last()) == kind.expected
        bench.evm.revert(handle)
    assert outcomes == {"", "done", "StarvedCall"}


def test_observe__source_that_needs_all_its_gas__sound_answer_or_refused(bench, kind):
    """The guard counts the 64th that a caller keeps: no gas limit loses the answer."""
    bench.answers(kind.method, kind.sound, SLOW)
    enough, over = 0, 8_000  # rounds
    while over - enough > 1:
        effort = (enough + over) // 2
        bench.hostile.set_effort(effort)
        enough, over = (effort, over) if bench.observe(kind) else (enough, effort)
    bench.hostile.set_effort(enough)
    payload = bench.probe.pack("require_sound", bench.source(kind), kind.extra)
    outcomes = []
    for gas in range(100_000, 600_000, 200):
        try:
            bench.caller.forward.call(bench.probe.address, payload, gas)
        except Reverted as refusal:
            outcomes.append(refusal.name)
        else:
            break
    assert outcomes[-1] == "StarvedCall"
    assert set(outcomes) <= {"", "StarvedCall"}


def test_observe__starved_of_a_failing_source__refused(bench, kind):
    """With too little gas even a source that does fail is not said to."""
    bench.answers(kind.method, kind.sound, REVERT)
    payload = bench.probe.pack("keep", bench.source(kind), kind.extra)
    with reverts("StarvedCall"):
        bench.caller.forward(bench.probe.address, payload, 100_000)
    bench.caller.forward(bench.probe.address, payload, 500_000)
    assert bench.probe.last().mantissa == 0


@pytest.mark.parametrize("mode", MISBEHAVIOURS)
def test_check__no_answer_now__refused(bench, kind, mode):
    bench.answers("decimals()", [18])
    kind_extra = {model.UNISWAP_V3: model.uniswap_extra(WINDOW, LEAST, 18, 18)}
    kind_extra[model.ERC4626] = model.vault_extra(18, 18)
    extra = kind_extra.get(kind.number, kind.extra)
    assert bench.check(kind, extra)
    bench.answers(kind.method, kind.sound, mode)
    assert not bench.check(kind, extra)


# -- Pyth


def pyth(bench, price=2_000 * 10**8, confidence=0, expo=-8, time=NOW, **terms):
    kind = KINDS["pyth"]
    bench.answers(kind.method, [price, confidence, expo, time])
    got = bench.observe(kind, **terms)
    limit = terms.get("max_confidence", MAX_CONFIDENCE)
    assert got == model.observe_pyth(price, confidence, expo, time, limit, NOW)
    return got


@pytest.mark.parametrize("price", [1, 10**8 + 1, 2_000 * 10**8, 2**63 - 1])
@pytest.mark.parametrize("limit", [1, 50, 4_095])
def test_pyth__confidence__taken_up_to_the_limit(bench, price, limit):
    widest = price * limit // 10_000
    assert pyth(bench, price, widest, max_confidence=limit)
    assert not pyth(bench, price, widest + 1, max_confidence=limit)


@pytest.mark.parametrize("confidence", [2**64, 2**255, WORD_MAX, WORD_MAX // 10_000 + 1])
def test_pyth__confidence_that_would_overflow__refused(bench, confidence):
    assert not pyth(bench, 2**63 - 1, confidence, max_confidence=4_095)


def test_pyth__exponent__taken_in_its_bounds(bench):
    for expo in range(-20, 13):
        assert pyth(bench, expo=expo).exponent == expo
    for expo in (-(2**255), -(2**31), -21, 13, 2**31 - 1, INT_MAX):
        assert not pyth(bench, expo=expo)


@pytest.mark.parametrize("price", [0, -1, -(2**63), 2**63, INT_MAX, -(2**255)])
def test_pyth__price_not_a_positive_int64__refused(bench, price):
    bench.answers("getPriceUnsafe(bytes32)", [price, 0, -8, NOW])
    assert bench.observe(KINDS["pyth"]) is None


def test_pyth__time__taken_from_1_to_now(bench):
    for time in (1, NOW - 1, NOW):
        assert pyth(bench, time=time).time == time
    for time in (0, NOW + 1, 2**64, WORD_MAX):
        assert not pyth(bench, time=time)


def test_pyth_check__no_price_id__refused(bench):
    assert bench.check(KINDS["pyth"])
    assert not bench.check(KINDS["pyth"], extra=0)


# -- Uniswap v3


def pool(bench, tick_sum, passed, extra=POOL_EXTRA, **start):
    kind = KINDS["uniswap"]
    bench.answers(kind.method, pool_words(tick_sum, passed, **start))
    got = bench.observe(kind, extra=extra)
    assert got == model.observe_uniswap(tick_sum, passed, extra, NOW)
    return got


@pytest.mark.parametrize("window", [300, 1_800, 86_400])
@pytest.mark.parametrize("least", [1, LEAST, 2**127 + 11])
def test_uniswap__liquidity__taken_from_the_least(bench, window, least):
    extra = model.uniswap_extra(window, least, 18, 6)
    most = (window << 128) // least  # largest growth at which the mean is still the least
    assert model.mean_liquidity(most, window) >= least
    if most < 2**160:
        assert pool(bench, 0, most, extra)
        assert model.mean_liquidity(most + 1, window) < least
        if most + 1 < 2**160:
            assert not pool(bench, 0, most + 1, extra)
    assert not pool(bench, 0, 0, extra)


@pytest.mark.parametrize("tick", [-887_272, -200_312, -1, 0, 1, 200_311])
@pytest.mark.parametrize("over", [-WINDOW + 1, -1, 0, 1, WINDOW - 1])
def test_uniswap__mean_tick__rounded_to_minus_infinity(bench, tick, over):
    got = pool(bench, tick * WINDOW + over, passed_at(LIQUIDITY))
    floor = tick - 1 if over < 0 else tick
    if floor < -model.MAX_TICK:
        assert got is None
    else:
        assert got.mantissa == model.tick_price(floor, 18, 6)


def test_uniswap__ticks_beyond_a_pool__refused(bench):
    passed = passed_at(LIQUIDITY)
    for tick in (-model.MAX_TICK - 1, model.MAX_TICK + 1, 2**240, -(2**240)):
        assert not pool(bench, tick * WINDOW, passed, start=0)
    bench.answers("observe(uint32[])", [64, 160, 2, 2**255, INT_MAX, 2, 0, passed])
    bench.observe(KINDS["uniswap"])  # wraps: whatever comes of it, no revert


@pytest.mark.parametrize("seed", range(3))
def test_uniswap__price_of_a_tick__within_1e_17_of_the_exact_power(bench, seed):
    print(f"seed {seed}")
    rng = random.Random(seed)
    ticks = [*range(-3, 4), -model.MAX_TICK, model.MAX_TICK]
    ticks += [rng.randint(-model.MAX_TICK, model.MAX_TICK) for _ in range(300)]
    with localcontext(prec=80):
        for tick in ticks:
            decimals0 = rng.choice([0, 6, 8, 9, 18, 27])
            near = range(max(decimals0 - 18, 0), min(decimals0 + 18, 27) + 1)
            decimals1 = rng.choice(near)
            got = bench.probe.price_floor(tick, decimals0, decimals1)
            assert got == model.tick_price(tick, decimals0, decimals1)
            ratio = Decimal("1.0001") ** tick
            exact = ratio * Decimal(10) ** (27 + decimals0 - decimals1)
            if ratio >= 2**96:
                assert got == 0
                continue
            assert -1 - exact * Decimal("1e-17") < got - exact < exact * Decimal("1e-17")
            if exact >= 10**12 + 1:
                assert abs(got / exact - 1) < Decimal("1e-12")


def test_uniswap__every_tick__price_rises(bench):
    """In the model, which the contract equals: no tick's price is below that of the one before."""
    last = 0
    for tick in range(-300_000, 300_000, 7):
        price = model.tick_price(tick, 18, 18)
        assert price > last
        last = price


def test_uniswap_check__claims_and_bounds(bench):
    kind = KINDS["uniswap"]

    def listed(window=WINDOW, least=LEAST, decimals0=18, decimals1=18):
        passed = passed_at(LIQUIDITY, window) if window else 1
        bench.answers(kind.method, pool_words(0, passed))
        return bench.check(kind, model.uniswap_extra(window, least, decimals0, decimals1))

    assert listed()
    assert listed(window=300)
    assert not listed(window=299)
    assert not listed(window=0)
    assert listed(least=1)
    assert not listed(least=0)
    assert not listed(least=2 * LIQUIDITY)
    assert not listed(decimals0=6)
    assert not listed(decimals1=17)
    assert listed(window=1_800)  # 151 observations 12 s apart span 1,800 s, not 1,801
    assert not listed(window=1_801)
    assert not bench.check(kind, model.uniswap_extra(WINDOW, LEAST, 18, 18) | 1 << 176)


def test_uniswap_check__decimals_too_far_apart__refused(bench):
    """Both tokens are one mock, so equal decimals stand in: only the claims' own bounds differ."""
    kind = KINDS["uniswap"]
    for decimals, ok in ((27, True), (28, False), (255, False)):
        bench.answers("decimals()", [decimals])
        extra = model.uniswap_extra(WINDOW, LEAST, decimals, decimals)
        assert bench.check(kind, extra) == ok
    other = bench.deploy("HostileSource")
    bench.answers("token1()", [int(other.address, 16)])
    for decimals0, decimals1, ok in ((18, 0, True), (19, 0, False), (0, 18, True), (0, 19, False)):
        bench.answers("decimals()", [decimals0])
        other.set_answer(selector("decimals()"), HONEST, [decimals1])
        extra = model.uniswap_extra(WINDOW, LEAST, decimals0, decimals1)
        assert bench.check(kind, extra) == ok


def test_uniswap_check__pool_unknown_to_the_factory__refused(bench):
    kind, extra = KINDS["uniswap"], model.uniswap_extra(WINDOW, LEAST, 18, 18)
    assert bench.check(kind, extra)
    stranger = bench.evm.account()
    for named in (0, int(stranger, 16), int(bench.hostile.address, 16) | 1 << 160, WORD_MAX):
        bench.answers("getPool(address,address,uint24)", [named])
        assert not bench.check(kind, extra)
    assert not bench.check(kind, extra, factory=stranger)


@pytest.mark.parametrize(
    "method",
    ["token0()", "token1()", "fee()", "slot0()", "decimals()", "getPool(address,address,uint24)"],
)
def test_uniswap_check__part_misbehaves__refused_without_a_revert(bench, method):
    kind, extra = KINDS["uniswap"], model.uniswap_extra(WINDOW, LEAST, 18, 18)
    for mode in MISBEHAVIOURS:
        sound = [2**96, 0, 0, 151, 151, 0, 1] if method == "slot0()" else [18]
        bench.answers(method, sound, mode)
        assert not bench.check(kind, extra)


# -- Curve


def test_curve__shapes__each_its_own_call(bench):
    bench.answers("price_oracle()", [5])
    bench.answers("price_oracle(uint256)", [7])
    assert bench.observe(KINDS["curve"]).mantissa == 5
    assert bench.observe(KINDS["curve indexed"]).mantissa == 7


def test_curve__price__as_the_model_says(bench):
    for price in (1, 10**18, 2**256 - 2):
        bench.answers("price_oracle()", [price])
        assert bench.observe(KINDS["curve"]) == model.observe_curve(price, NOW)
        assert bool(model.ticks_floor(price, -18, False)) == (price == 10**18)


def test_curve_check__fields_out_of_shape__refused(bench):
    assert bench.check(KINDS["curve"])
    for index in (0, 255):
        assert bench.check(KINDS["curve"], extra=model.curve_extra(index))
    for extra in (1, 255, 1 << 9, 3 << 8, 1 << 255):
        assert not bench.check(KINDS["curve"], extra=extra)


# -- ERC-4626


@pytest.mark.parametrize("assets", [1, 10**6, 2**128, 2**256 - 2])
@pytest.mark.parametrize("decimals", [0, 6, 27])
def test_vault__rate__as_the_model_says(bench, assets, decimals):
    bench.answers("convertToAssets(uint256)", [assets])
    got = bench.observe(KINDS["vault"], extra=model.vault_extra(18, decimals))
    assert got == model.observe_vault(assets, decimals, NOW)


def test_vault_check__decimals_claimed_wrong__refused(bench):
    kind = KINDS["vault"]
    asset = bench.deploy("HostileSource")
    bench.answers("asset()", [int(asset.address, 16)])
    asset.set_answer(selector("decimals()"), HONEST, [6])
    assert bench.check(kind, model.vault_extra(18, 6))
    for share, underlying in ((17, 6), (19, 6), (18, 5), (18, 7), (6, 18)):
        assert not bench.check(kind, model.vault_extra(share, underlying))
    for decimals, ok in ((27, True), (28, False), (255, False)):
        bench.answers("decimals()", [decimals])
        assert bench.check(kind, model.vault_extra(decimals, 6)) == ok
        bench.answers("decimals()", [18])
        asset.set_answer(selector("decimals()"), HONEST, [decimals])
        assert bench.check(kind, model.vault_extra(18, decimals)) == ok
        asset.set_answer(selector("decimals()"), HONEST, [6])
    assert not bench.check(kind, model.vault_extra(18, 6) | 1 << 16)


@pytest.mark.parametrize("method", ["asset()", "decimals()"])
def test_vault_check__part_misbehaves__refused_without_a_revert(bench, method):
    kind, extra = KINDS["vault"], model.vault_extra(18, 18)
    assert bench.check(kind, extra)
    for mode in MISBEHAVIOURS:
        bench.answers(method, [18], mode)
        assert not bench.check(kind, extra)
    bench.answers(method, [1 << 160], HONEST)
    assert not bench.check(kind, extra)
