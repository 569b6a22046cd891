"""The price sources against what others wrote: Uniswap v3's factory, pool, position manager and
router (npm bytecode) moved by real swaps, Pyth's own mock, Chainlink's interface."""

import json
import random
from decimal import Decimal, localcontext
from fractions import Fraction
from math import isqrt
from pathlib import Path

import pytest

from plimsoll.compiler import Artifact, compile_contract
from plimsoll.evm import Evm
from plimsoll.evm.abi import signature
from plimsoll.localnet.artifacts import FILES, node_modules
from plimsoll.localnet.errors import PartMissing
from plimsoll.localnet.paths import project_root
from plimsoll.model import price_sources as model
from plimsoll.testing import reverts
from tests.parts import missing, part

MOCKS = Path(__file__).parents[2] / "contracts"
PARTS = project_root() / ".cache" / "parts" / "node_modules"
COMPILE = project_root() / "plimsoll" / "localnet" / "compile_sol.cjs"
START = 1_700_001_040
WINDOW, LEAST = 1_800, 10**12
NOWHERE = "0x" + "00" * 20
FAR = 2**40  # s: deadlines are not this test's business
FULL_RANGE = (-887_220, 887_220)  # multiples of the 0.3 % pool's spacing
Q96 = 2**96


# -- Uniswap v3


def uniswap_artifact(name):
    try:
        modules = node_modules()
    except PartMissing as error:
        missing(str(error))
    raw = json.loads((modules.root / FILES[name]).read_text())
    code = len(raw["deployedBytecode"]) // 2 - 1
    return Artifact(name, raw["abi"], modules.creation_code(name), code, {}, {})


def uniswap_pool_abi():
    path = "@uniswap/v3-core/artifacts/contracts/UniswapV3Pool.sol/UniswapV3Pool.json"
    return json.loads((node_modules().root / path).read_text())["abi"]


class Market:
    """A pool of two tokens with full-range liquidity; `path` is every tick and when it began."""

    def __init__(self, decimals0, decimals1, price, cardinality):
        self.evm = Evm(timestamp=START)
        self.probe = self.evm.deploy(compile_contract("SourceProbe", contracts=MOCKS))
        self.trader = self.evm.account()
        self.factory = self.evm.deploy(uniswap_artifact("uniswap_factory"))
        weth = self.evm.account()
        periphery = self.factory, weth
        self.router = self.evm.deploy(uniswap_artifact("swap_router"), *periphery)
        self.manager = self.evm.deploy(uniswap_artifact("position_manager"), *periphery, weth)
        self.decimals = decimals0, decimals1
        self.tokens = self._tokens()
        self.pool = self.new_pool(self.factory, price)
        if cardinality > 1:
            self.pool.increaseObservationCardinalityNext(cardinality, sender=self.trader)
        self.path = []
        self.liquidity = self._add_liquidity()
        self._note()

    def _tokens(self):
        """Two tokens in the order a pool keeps them: by address, decimals as asked for."""
        mintable = compile_contract("MintableToken", contracts=MOCKS)
        made = [self.evm.deploy(mintable, self.decimals[0])]
        while len(made) < 2 or made[-1].raw_address < made[0].raw_address:
            made.append(self.evm.deploy(mintable, self.decimals[1]))
        tokens = made[0], made[-1]
        for token in tokens:
            token.mint(self.trader, 10**40)
            for spender in (self.router, self.manager):
                token.approve(spender, 2**256 - 1, sender=self.trader)
        return tokens

    def root(self, price):
        """sqrtPriceX96 of token1 per token0, whole tokens."""
        ratio = Fraction(price) * Fraction(10) ** (self.decimals[1] - self.decimals[0])
        return isqrt(ratio.numerator * Q96**2 // ratio.denominator)

    def new_pool(self, factory, price):
        factory.createPool(*self.tokens, 3_000, sender=self.trader)
        address = factory.getPool(*self.tokens, 3_000)
        pool = self.evm.at(uniswap_pool_abi(), address)
        pool.initialize(self.root(price), sender=self.trader)
        return pool

    def _add_liquidity(self):
        """2e6 token0 and its worth of token1."""
        root = self.pool.slot0()[0]
        amount0 = 2 * 10 ** (6 + self.decimals[0])
        amounts = amount0, amount0 * root * root // Q96**2
        terms = (*self.tokens, 3_000, *FULL_RANGE, *amounts, 0, 0, self.trader, FAR)
        self.manager.mint(terms, sender=self.trader)
        return self.pool.liquidity()

    def _note(self):
        self.path.append((self.evm.timestamp, self.pool.slot0()[1]))

    def move(self, price):
        """Swap to a price through the router."""
        root, here = self.root(price), self.pool.slot0()[0]
        tokens = self.tokens if root < here else self.tokens[::-1]
        terms = (*tokens, 3_000, self.trader, FAR, 10**35, 0, root)
        self.router.exactInputSingle(terms, sender=self.trader)
        assert self.pool.slot0()[0] == root
        self._note()

    def mean(self, window):
        """Exact mean tick over the window that ends now, from the noted path alone."""
        end, begin, total = self.evm.timestamp, self.evm.timestamp - window, 0
        for number, (time, tick) in enumerate(self.path):
            until = self.path[number + 1][0] if number + 1 < len(self.path) else end
            total += tick * max(until - max(time, begin), 0)
        return Fraction(total, window)

    def source(self, pool=None):
        return int((pool or self.pool).address, 16) | model.UNISWAP_V3 << 160

    def extra(self, window=WINDOW, least=LEAST, decimals=None):
        return model.uniswap_extra(window, least, *(decimals or self.decimals))

    def observe(self, **extra):
        """The observation, or None."""
        got = self.probe.observe(self.source(), self.extra(**extra))
        return got if got.mantissa else None

    def check(self, pool=None, factory=None, **extra):
        factory = factory or self.factory
        return self.probe.check(self.source(pool), self.extra(**extra), factory)


def exact_price(tick, decimals):
    """The definition, to 40 digits."""
    with localcontext(prec=40):
        power = Decimal("1.0001") ** tick
    return Fraction(power) * Fraction(10) ** (decimals[0] - decimals[1])


SHAPES = {
    "ether in dollars, negative ticks": (18, 6, 2_000),
    "dollars in ether, positive ticks": (6, 18, Fraction(1, 2_000)),
    "around parity, both signs": (18, 18, 1),
    "many units to a token": (0, 18, 30),
}


@pytest.fixture(scope="module", params=SHAPES)
def shared_market(request):
    return Market(*SHAPES[request.param], cardinality=400)


@pytest.fixture
def market(shared_market):
    handle, path = shared_market.evm.snapshot(), list(shared_market.path)
    yield shared_market
    shared_market.evm.revert(handle)
    shared_market.path = path


@pytest.mark.parametrize("seed", range(3))
def test_uniswap__real_swaps__mean_recomputed_from_the_path(market, seed):
    print(f"seed {seed}")
    rng = random.Random(seed)
    start = Fraction(market.pool.slot0()[0] ** 2, Q96**2)
    start *= Fraction(10) ** (market.decimals[0] - market.decimals[1])
    signs, compared = set(), 0
    for _ in range(60):
        market.evm.advance(rng.choice([1, 12, 13, 60, 144, 700]))
        market.move(start * Fraction(rng.randint(9_000, 11_100), 10_000))
        market.evm.advance(rng.choice([1, 5, 12, 333]))
        for window in (300, WINDOW):
            if market.evm.timestamp - window < market.path[0][0]:
                assert market.observe(window=window) is None
                continue
            mean = market.mean(window)
            tick = mean.numerator // mean.denominator  # to minus infinity
            got = market.observe(window=window)
            assert got.mantissa == model.tick_price(tick, *market.decimals)
            assert (got.exponent, got.time, got.round) == (-27, market.evm.timestamp, got.time)
            exact = exact_price(tick, market.decimals)
            assert abs(Fraction(got.mantissa, 10**27) / exact - 1) < Fraction(1, 10**12)
            signs.add(mean < 0)
            compared += mean.denominator > 1
    assert compared > 60
    expected = {18: {True}, 6: {False}, 0: {False}}[market.decimals[0]]
    assert signs == ({True, False} if market.decimals == (18, 18) else expected)


def test_uniswap__two_orders_of_one_pair__inverses_in_ticks():
    """Ether in dollars read as it is, and dollars in ether read inverted, give one price."""
    prices = []
    for decimals0, decimals1, price in ((18, 6, 2_000), (6, 18, Fraction(1, 2_000))):
        market = Market(decimals0, decimals1, price, cardinality=200)
        market.evm.advance(WINDOW)
        got = market.observe()
        inverse = decimals0 == 6
        prices.append(model.ticks_floor(got.mantissa, got.exponent, inverse))
        ticks = market.probe.ticks_floor(got.mantissa, got.exponent, inverse, 0)
        assert ticks == prices[-1]
    # Each mean tick is rounded down, so the two means lie within one tick on opposite sides.
    assert 1_999.7 * 10**9 < prices[0] <= 2_000 * 10**9 <= prices[1] < 2_000.3 * 10**9
    assert Fraction(prices[1], prices[0]) < Fraction(10_001, 10_000) ** 2


def test_uniswap__swaps_within_the_reading_block__change_nothing(market):
    market.evm.advance(WINDOW + 60)
    before = market.observe()
    start = Fraction(market.pool.slot0()[0] ** 2, Q96**2)
    start *= Fraction(10) ** (market.decimals[0] - market.decimals[1])
    market.move(start * 3)
    assert market.observe() == before
    market.evm.advance(12)
    mean = market.mean(WINDOW)
    assert mean - market.path[0][1] == Fraction(12, WINDOW) * (
        market.path[-1][1] - market.path[0][1]
    )
    tick = mean.numerator // mean.denominator
    assert market.observe().mantissa == model.tick_price(tick, *market.decimals)


def test_uniswap__mean_liquidity__the_pools_own(market):
    market.evm.advance(WINDOW)
    ago = market.pool.observe([WINDOW, 0])[1]
    mean = model.mean_liquidity(ago[1] - ago[0], WINDOW)
    assert abs(mean - market.liquidity) <= market.liquidity // 10**6 + 1
    assert market.observe(least=mean) is not None
    assert market.observe(least=mean + 1) is None


def test_uniswap_check__real_pool__listed_with_true_claims_only(market):
    market.evm.advance(WINDOW)
    market.move(exact_price(market.path[0][1] + 100, market.decimals))  # writes an observation
    assert market.check()
    assert market.check(window=300)
    assert not market.check(window=299)
    assert not market.check(window=86_400)  # no such history yet
    assert not market.check(least=2 * market.liquidity)
    wrong = market.decimals[0] + 1, market.decimals[1]
    assert not market.check(decimals=wrong)
    assert not market.check(decimals=(market.decimals[0], market.decimals[1] + 1))


def test_uniswap_check__pool_of_another_factory__refused(market):
    """A pool with the real code and tokens, but not the one that the trusted factory names."""
    other = market.evm.deploy(uniswap_artifact("uniswap_factory"))
    price = exact_price(market.path[0][1], market.decimals)
    fake = market.new_pool(other, price)
    fake.increaseObservationCardinalityNext(200, sender=market.trader)
    market.evm.advance(WINDOW)
    market.move(exact_price(market.path[0][1] + 100, market.decimals))
    assert market.check()
    assert not market.check(pool=fake)
    assert not market.check(factory=other)


def test_uniswap_check__too_few_observations__refused_even_while_it_answers():
    market = Market(18, 6, 2_000, cardinality=1)
    market.evm.advance(WINDOW)
    assert market.observe() is not None  # its one observation is old enough until the next swap
    assert not market.check()
    market.move(2_001)
    market.evm.advance(WINDOW - 1)
    assert market.observe() is None  # `observe` reverts OLD
    market.evm.advance(1)
    assert market.observe() is not None
    market.pool.increaseObservationCardinalityNext(WINDOW // 12, sender=market.trader)
    market.move(2_002)
    assert not market.check()
    market.pool.increaseObservationCardinalityNext(WINDOW // 12 + 1, sender=market.trader)
    for price in range(2_003, 2_003 + WINDOW // 6):  # twice around those there are
        market.evm.advance(12)
        market.move(price)
        if price > 2_003 + WINDOW // 12:
            assert market.check()


# -- Pyth


FEE = 77  # wei
ETH_ID, BTC_ID = (1).to_bytes(32, "big"), (2).to_bytes(32, "big")


class Feed:
    """Pyth's mock and the probe in front of it."""

    def __init__(self, artifact):
        self.evm = Evm(timestamp=START)
        self.probe = self.evm.deploy(compile_contract("SourceProbe", contracts=MOCKS))
        self.pyth = self.evm.deploy(artifact, 60, FEE)
        self.poker = self.evm.account()
        self.source = int(self.pyth.address, 16) | model.PYTH << 160 | 100 << 208

    def update(self, price, expo=-8, time=None, confidence=0, id=ETH_ID):
        """An update as the mock itself encodes it."""
        time = self.evm.timestamp if time is None else time
        terms = id, price, confidence, expo, price, confidence, time, time - 1
        return self.pyth.createPriceFeedUpdateData(*terms)

    def submit(self, *args, value=FEE, **terms):
        update = self.update(*args, **terms)
        return self.probe.submit(self.source, update, sender=self.poker, value=value)

    def observe(self, id=ETH_ID):
        got = self.probe.observe(self.source, int.from_bytes(id, "big"))
        return (got.mantissa, got.exponent, got.time) if got.mantissa else None


@pytest.fixture
def feed(pyth_artifact):
    return Feed(pyth_artifact)


def test_pyth__own_updates__read_as_published(feed):
    assert feed.observe() is None  # getPriceUnsafe reverts: there is no such price yet
    for expo in range(-20, 13):
        feed.evm.advance(1)
        assert feed.submit(123_456_789, expo).value == FEE
        assert feed.observe() == (123_456_789, expo, feed.evm.timestamp)
    assert feed.observe(BTC_ID) is None


def test_pyth__fee__paid_exactly_and_the_rest_comes_back(feed):
    for value in (FEE, FEE + 1, 10**18):
        feed.evm.advance(1)
        poker, pyth = feed.evm.balance(feed.poker), feed.evm.balance(feed.pyth)
        assert feed.submit(2_000 * 10**8, value=value).value == FEE
        assert feed.evm.balance(feed.poker) == poker - FEE
        assert feed.evm.balance(feed.pyth) == pyth + FEE
        assert feed.evm.balance(feed.probe) == 0


@pytest.mark.parametrize("value", [0, 1, FEE - 1])
def test_pyth__fee_short__refused(feed, value):
    with reverts("FeeShort"):
        feed.submit(2_000 * 10**8, value=value)
    assert feed.observe() is None


def test_pyth__older_or_equal_update__changes_nothing(feed):
    feed.evm.advance(100)
    feed.submit(2_000 * 10**8)
    kept = feed.observe()
    for time in (START, feed.evm.timestamp - 1, feed.evm.timestamp):
        feed.submit(1_000 * 10**8, time=time)
        assert feed.observe() == kept


def test_pyth__update_of_another_price__changes_nothing_here(feed):
    feed.submit(2_000 * 10**8)
    kept = feed.observe()
    feed.evm.advance(5)
    feed.submit(60_000 * 10**8, id=BTC_ID)
    assert feed.observe() == kept
    assert feed.observe(BTC_ID) == (60_000 * 10**8, -8, feed.evm.timestamp)


def test_pyth__misshapen_update__refused_and_nothing_kept(feed):
    update = feed.update(2_000 * 10**8)
    for broken in (b"", update[:-33], b"\x01" * 2_048):
        with pytest.raises(Exception, match="revert"):
            feed.probe.submit(feed.source, broken, sender=feed.poker, value=FEE)
    assert feed.observe() is None
    assert feed.evm.balance(feed.probe) == 0


def test_pyth__published_ahead_of_the_chain__no_answer_until_then(feed):
    feed.submit(2_000 * 10**8, time=feed.evm.timestamp + 1)
    assert feed.observe() is None
    feed.evm.advance(1)
    assert feed.observe() == (2_000 * 10**8, -8, feed.evm.timestamp)


@pytest.mark.parametrize("price", [0, -1, -(2**63)])
def test_pyth__published_price_not_positive__no_answer(feed, price):
    feed.submit(price)
    assert feed.observe() is None


def test_pyth__published_confidence__taken_up_to_one_percent(feed):
    feed.submit(10**10, confidence=10**8)
    assert feed.observe() is not None
    feed.evm.advance(1)
    feed.submit(10**10, confidence=10**8 + 1)
    assert feed.observe() is None


def test_pyth_check__real_mock__listed_once_it_has_a_price(feed):
    def listed():
        return feed.probe.check(feed.source, int.from_bytes(ETH_ID, "big"), NOWHERE)

    assert not listed()
    feed.submit(2_000 * 10**8)
    assert listed()


# -- Chainlink


def chainlink_abi():
    text = part("@chainlink/contracts/abi/v0.8/AggregatorV3Interface.json").read_text()
    return {signature(e): e for e in json.loads(text) if e["type"] == "function"}


def shape(entry):
    return [part["type"] for part in entry["outputs"]], entry["stateMutability"]


def test_chainlink__own_interface__has_what_the_source_calls():
    theirs = chainlink_abi()
    words = ["uint80", "int256", "uint256", "uint256", "uint80"]
    assert shape(theirs["latestRoundData()"]) == (words, "view")
    assert shape(theirs["decimals()"]) == (["uint8"], "view")
    names = [output["name"] for output in theirs["latestRoundData()"]["outputs"]]
    assert names == ["roundId", "answer", "startedAt", "updatedAt", "answeredInRound"]
    text = (project_root() / "contracts" / "oracle" / "chainlink_source.vy").read_text()
    called = {f"{one}()" for one in ("latestRoundData", "decimals") if f'"{one}()"' in text}
    assert called == {"latestRoundData()", "decimals()"}
    assert text.count("method_id(") == len(called)  # and nothing else


def test_chainlink__own_interface__our_mock_has_it():
    theirs = chainlink_abi()
    mock = compile_contract("ChainlinkAggregator", contracts=MOCKS)
    ours = {signature(e): e for e in mock.abi if e["type"] == "function"}
    shared = theirs.keys() - {"getRoundData(uint80)"}  # history, which no source asks for
    assert shared == {"decimals()", "description()", "version()", "latestRoundData()"}
    for name in shared:
        assert shape(ours[name]) == shape(theirs[name])


def test_chainlink__answer_of_the_interface__five_words_in_the_places_read():
    evm = Evm(timestamp=START)
    mock = evm.deploy(compile_contract("ChainlinkAggregator", contracts=MOCKS), 8, "ETH / USD", 5)
    mock.set_round(77, -3, START - 9)
    answer = evm.view(mock, mock.pack("latestRoundData"))
    assert len(answer) == 160
    words = [int.from_bytes(answer[i : i + 32], "big") for i in range(0, 160, 32)]
    assert (words[0], words[1], words[3]) == (77, 2**256 - 3, START - 9)
