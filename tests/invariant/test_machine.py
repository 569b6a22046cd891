"""The twin under hypothesis: rules by role, every property after every step, failures shrunk.

Longer: `pytest tests/invariant --machine-steps 20000` (or MACHINE_STEPS=20000).
"""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.invariant.driver import Driver, quiet

WHO = st.integers(0, 8)
MARKET = st.integers(0, 1)
FEED = st.integers(1, 2)
PERCENT = st.sampled_from((1, 20, 50, 99, 100, 130))
STEPS_PER_EXAMPLE = 50
CI_STEPS = 2_000

_template: list[Driver] = []


def fresh_driver() -> Driver:
    """A driver in its first state: deployed once, put back by a snapshot."""
    if not _template:
        driver = Driver()
        _template.append(driver)
        driver.start = (  # type: ignore[attr-defined]
            driver.twin.chain.evm.snapshot(),
            dict(driver.twin.quotes),
        )
        driver.saved = driver.twin.model.save()  # type: ignore[attr-defined]
        return driver
    driver = _template[0]
    chain, quotes = driver.start  # type: ignore[attr-defined]
    driver.twin.chain.evm.revert(chain)
    driver.twin.quotes.clear()
    driver.twin.quotes.update(quotes)
    driver.twin.model.restore(driver.saved)  # type: ignore[attr-defined]
    driver.saved = driver.twin.model.save()  # type: ignore[attr-defined]
    driver.twin.donated = 0
    return driver


class House(RuleBasedStateMachine):
    """Traders, maker, liquidator, keeper, fund depositor, stranger, governance, weather."""

    @initialize()
    def deploy(self) -> None:
        self.driver = fresh_driver()

    # -- owners

    @rule(who=WHO, amount=st.integers(1, 10**10))
    def deposit(self, who: int, amount: int) -> None:
        self.driver.deposit(who, amount)

    @rule(who=WHO, share=PERCENT)
    def withdraw(self, who: int, share: int) -> None:
        self.driver.withdraw(who, share)

    @rule(amount=st.integers(1, 10**19), back=st.booleans())
    def transfer(self, amount: int, back: bool) -> None:
        self.driver.transfer(amount, back)

    @rule(who=WHO, amount=st.integers(1, 2 * 10**19))
    def coin_in(self, who: int, amount: int) -> None:
        self.driver.coin_in(who, amount)

    @rule(who=WHO, share=PERCENT)
    def coin_out(self, who: int, share: int) -> None:
        self.driver.coin_out(who, share)

    @rule(who=WHO)
    def release(self, who: int) -> None:
        self.driver.release(who)

    @rule()
    def recover(self) -> None:
        self.driver.recover()

    @rule(who=WHO, market=MARKET, caller=WHO)
    def realise(self, who: int, market: int, caller: int) -> None:
        self.driver.realise(who, market, caller)

    # -- traders and maker

    @rule(
        who=WHO,
        market=MARKET,
        leverage=st.integers(1, 90),
        buy=st.booleans(),
        skew=st.integers(-60, 60),
        flags=st.sampled_from((0, 1, 1, 2, 4)),
    )
    def trade(self, who: int, market: int, leverage: int, buy: bool, skew: int, flags: int) -> None:
        self.driver.trade(who, market, leverage, buy, skew, flags)

    @rule(who=WHO, market=MARKET, leverage=st.integers(20, 70), buy=st.booleans())
    def open_wide(self, who: int, market: int, leverage: int, buy: bool) -> None:
        self.driver.trade(who, market, leverage, buy, 0, 1)

    @rule(who=WHO, market=MARKET, times=st.integers(0, 2), against=WHO)
    def close(self, who: int, market: int, times: int, against: int) -> None:
        self.driver.close(who, market, times, against)

    @rule(first=WHO, second=WHO, market=MARKET, lots=st.integers(1, 10**7))
    def round_trip(self, first: int, second: int, market: int, lots: int) -> None:
        self.driver.batch(first, second, market, lots)

    @rule(who=WHO, market=MARKET, lots=st.integers(1, 10**7))
    def split(self, who: int, market: int, lots: int) -> None:
        self.driver.split(who, market, lots)

    # -- stranger, fund depositor, keeper, governance

    @rule(amount=st.integers(1, 10**9))
    def donate(self, amount: int) -> None:
        self.driver.donate(amount)

    @rule(amount=st.integers(1, 10**10))
    def fund_in(self, amount: int) -> None:
        self.driver.fund_in(amount)

    @rule(share=PERCENT)
    def fund_out(self, share: int) -> None:
        self.driver.fund_out(share)

    @rule(share=st.integers(1, 10), market=MARKET)
    def keep(self, share: int, market: int) -> None:
        self.driver.budget(share)
        self.driver.fees(market)

    @rule(level=st.integers(0, 4))
    def pause(self, level: int) -> None:
        self.driver.pause(level)

    @rule()
    def calm(self) -> None:
        self.driver.pause(0)
        quiet(self.driver)

    # -- weather

    @rule(feed=FEED, change=st.integers(-400, 400))
    def drift(self, feed: int, change: int) -> None:
        self.driver.price(feed, change)

    @rule(feed=FEED, change=st.integers(800, 3_000), down=st.booleans())
    def crash(self, feed: int, change: int, down: bool) -> None:
        self.driver.price(feed, -change if down else change)

    @rule(feed=FEED, change=st.integers(-800, 800))
    def funding(self, feed: int, change: int) -> None:
        self.driver.funding(feed, change)

    @rule(
        feed=st.sampled_from((1, 2, 100)),
        state=st.integers(0, 3),
        band=st.integers(0, 300),
        age=st.integers(0, 120),
    )
    def feed(self, feed: int, state: int, band: int, age: int) -> None:
        self.driver.feed(feed, state, band, band, age)

    @rule(seconds=st.sampled_from((15, 15, 15, 600, 3_600, 86_400)))
    def time(self, seconds: int) -> None:
        self.driver.time(seconds)

    # -- liquidator

    @precondition(lambda self: self.driver.below())
    @rule(pick=WHO)
    def cure(self, pick: int) -> None:
        self.driver.cure(pick)

    @precondition(lambda self: self.driver.below())
    @rule(
        pick=WHO,
        bidder=st.sampled_from((1, 2, 2, 0, 5)),
        elapsed=st.integers(0, 4_000),
        share=st.sampled_from((100, 100, 30)),
    )
    def sell(self, pick: int, bidder: int, elapsed: int, share: int) -> None:
        self.driver.sell(pick, bidder, elapsed, share)

    @precondition(lambda self: self.driver.below())
    @rule(
        pick=WHO,
        market=MARKET,
        bidder=st.sampled_from((1, 2, 2, 0, 5)),
        elapsed=st.sampled_from((0, 300, 600)),
        share=st.sampled_from((100, 100, 40, 130)),
    )
    def leg(self, pick: int, market: int, bidder: int, elapsed: int, share: int) -> None:
        self.driver.leg(pick, market, bidder, elapsed, share)

    @precondition(lambda self: self.driver.below())
    @rule(pick=WHO, buyer=st.sampled_from((1, 2)), fund_share=st.sampled_from((0, 50, 100)))
    def deleverage(self, pick: int, buyer: int, fund_share: int) -> None:
        self.driver.deleverage(pick, buyer, fund_share)

    @invariant()
    def state_is_equal(self) -> None:
        if hasattr(self, "driver"):
            self.driver.twin.compare()


def test_machine__any_sequence__properties_hold(machine_steps: int) -> None:
    steps = machine_steps or CI_STEPS
    run_state_machine_as_test(
        House,
        settings=settings(
            max_examples=max(1, steps // STEPS_PER_EXAMPLE),
            stateful_step_count=STEPS_PER_EXAMPLE,
            deadline=None,
            derandomize=machine_steps == 0,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
            print_blob=True,
        ),
    )
    print(dict(sorted(_template[0].events.items())))
