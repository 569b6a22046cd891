"""Draws and their caps, the keepers' budget, governance, P23."""

from __future__ import annotations

import copy
import random

import pytest

from plimsoll.model.accounts import LOANS
from plimsoll.model.fund import Fund, exposure_words
from plimsoll.model.vault import Refused
from plimsoll.testing import reverts

ZERO = "0x" + "00" * 20
DAY, HOUR = 86_400, 3_600
TOKEN, USD, USD_QU = 10**9, 10**6, 10**15
LARGEST = 2**256 - 1


def draw(world, market, qu):
    return world.fund.draw(exposure_words([(market, 1)]), qu, sender=world.auction)


def test_draw__not_the_auction__refused(world):
    world.deposit(100)
    for caller in (world.staker, world.governance, world.engine.address):
        with reverts("NotAuction"):
            world.fund.draw(exposure_words([(1, 1)]), 1, sender=caller)


def test_draw__empty_fund__grants_nothing(world):
    assert draw(world, 1, 5).value == 0
    assert world.fund.drawable(1) == 0


def test_draw__event_cap__half_the_fund(world):
    world.deposit(100)
    assert world.fund.drawable(1) == 50 * USD_QU
    receipt = draw(world, 1, 51 * USD_QU)
    assert receipt.value == 50 * USD_QU
    event = receipt.event("Draw")
    assert (event.market, event.asked_qu, event.granted_qu, event.fund_qu) == (
        1, 51 * USD_QU, 50 * USD_QU, 100 * USD_QU,
    )  # fmt: skip


def test_draw__small_ask__granted_to_the_unit(world):
    world.deposit(100)
    assert draw(world, 1, 123).value == 123


def test_draw__market_and_window_caps__bind_until_the_window_ends(world):
    world.deposit(100)
    assert world.payout(1, 40 * USD_QU) == 40 * USD_QU
    assert world.payout(1, 40 * USD_QU) == 20 * USD_QU  # market: 60
    assert world.payout(1, 1) == 0
    assert world.payout(2, 40 * USD_QU) == 20 * USD_QU  # window: 80, and the event cap of 40 left
    assert world.payout(3, 1) == 0
    world.evm.advance(DAY - 1)
    assert world.fund.drawable(3) == 0
    world.evm.advance(1)
    assert world.fund.drawable(3) == 10 * USD_QU
    assert world.payout(1, 40 * USD_QU) == 10 * USD_QU


def test_draw__lowers_the_price__income_takes_it_first(world):
    world.deposit(100)
    world.income(10 * USD)
    world.fund.sync()
    world.payout(1, 4 * USD_QU)
    assert world.fund.totalAssets() == 100 * USD
    assert world.fund.undripped() == 6 * USD_QU
    world.payout(1, 16 * USD_QU)
    assert world.fund.totalAssets() == 90 * USD
    assert world.fund.undripped() == 0


def test_draw__income_not_seen_yet__left_to_the_next_sync(world):
    world.deposit(100)
    world.income(10 * USD)
    receipt = draw(world, 1, 4 * USD_QU)
    assert [one.name for one in receipt.events] == ["Draw"]
    assert receipt.event("Draw").fund_qu == 110 * USD_QU
    world.engine.pay_out(4 * USD_QU)
    assert world.fund.sync().event("IncomeSeen").income_qu == 6 * USD_QU
    assert (world.fund.totalAssets(), world.fund.undripped()) == (100 * USD, 6 * USD_QU)


def test_draw__bucket_over_its_field__refused(world):
    world.engine.add_income(2**96)
    for call in (lambda: draw(world, 1, 1), world.fund.sync):
        with reverts("OutOfRange"):
            call()


def test_draw__bucket_as_wide_as_its_field__counted_exactly(world):
    largest = 2**96 - 1
    world.engine.add_income(largest)
    world.fund.set_caps((9_000, 9_000, 9_000, 30 * DAY), sender=world.governance)
    granted = largest * 9_000 // 10_000
    assert draw(world, 1, largest).value == granted
    assert draw(world, 2, largest).value == 0
    world.fund.sync()
    assert world.fund.undripped() == largest
    world.evm.advance(30 * DAY)
    assert draw(world, 1, largest).value == granted


def test_draw__undripped_income__backs_payouts_too(world):
    world.income(100 * USD)
    assert world.payout(1, 50 * USD_QU) == 50 * USD_QU


def test_fund__wiped_as_far_as_caps_go__still_takes_deposits(world):
    world.deposit(100)
    for _ in range(12):
        world.payout(1, 10**30)
        world.payout(2, 10**30)
        world.evm.advance(DAY)
    shares = world.deposit(100, world.other)
    assert abs(world.fund.convertToAssets(shares) - 100 * USD) <= 1


def test_sponsor__bad_amounts__named(world):
    with reverts("ZeroAmount"):
        world.fund.sponsor(0, sender=world.other)
    with reverts("OutOfRange"):
        world.fund.sponsor(10**18 + 1, sender=world.other)


def test_fund_budget__from_undripped_income_alone(world):
    world.deposit(1_000)
    with reverts("NothingToDo"):
        world.fund.fund_budget(USD_QU, sender=world.attacker)
    world.fund.sponsor(30 * USD, sender=world.other)
    before = world.fund.totalAssets()
    receipt = world.fund.fund_budget(20 * USD_QU, sender=world.attacker)
    assert receipt.value == world.engine.keeper_budget() == 20 * USD_QU
    assert receipt.event("KeeperBudgetFunded").amount_qu == 20 * USD_QU
    assert world.fund.totalAssets() == before
    assert world.fund.fund_budget(20 * USD_QU, sender=world.attacker).value == 10 * USD_QU
    with reverts("NothingToDo"):
        world.fund.fund_budget(USD_QU, sender=world.attacker)


def test_fund_budget__target_and_daily_share__bind(world):
    world.fund.set_budget(40 * USD_QU, 100, sender=world.governance)
    world.fund.sponsor(3_000 * USD, sender=world.other)
    assert world.fund.fund_budget(10**30, sender=world.attacker).value == 30 * USD_QU  # 1 % a day
    with reverts("NothingToDo"):
        world.fund.fund_budget(1, sender=world.attacker)
    world.evm.advance(DAY)
    assert world.fund.fund_budget(10**30, sender=world.attacker).value == 10 * USD_QU  # target
    world.engine.spend_budget(5 * USD_QU)
    assert world.fund.fund_budget(10**30, sender=world.attacker).value == 5 * USD_QU


# -- governance


def test_setters__not_governance__refused(world):
    calls = (
        ("set_caps", (1, 1, 1, HOUR)),
        ("set_budget", 0, 0),
        ("set_drip", HOUR),
        ("set_cooldown", DAY, DAY),
        ("set_tolerance", 0),
        ("set_auction", world.attacker),
    )
    for name, *args in calls:
        for caller in (world.attacker, world.auction, world.engine.address):
            with reverts("NotGovernance"):
                world.fund.method(name)(*args, sender=caller)


@pytest.mark.parametrize(
    ("caps", "error"),
    [
        ((0, 1, 1, HOUR), "BadParameter"),
        ((1, 1, 0, HOUR), "BadParameter"),
        ((1, 9_001, 1, HOUR), "BadParameter"),
        ((1, 1, 1, HOUR - 1), "BadParameter"),
        ((1, 1, 1, 30 * DAY + 1), "BadParameter"),
        ((2, 1, 1, HOUR), "JointBound"),
        ((1, 1, 2, HOUR), "JointBound"),
        ((1, 1, 1, HOUR), None),
        ((9_000, 9_000, 9_000, 30 * DAY), None),
    ],
)
def test_set_caps__bounds(world, caps, error):
    if error:
        with reverts(error):
            world.fund.set_caps(caps, sender=world.governance)
        return
    event = world.fund.set_caps(caps, sender=world.governance).event("CapsChanged")
    assert tuple(event.old) == (5_000, 8_000, 6_000, DAY)
    assert tuple(event.new) == tuple(world.fund.caps()) == caps


@pytest.mark.parametrize(
    ("name", "args", "good"),
    [
        ("set_budget", (10**21 + 1, 0), False),
        ("set_budget", (0, 2_001), False),
        ("set_budget", (10**21, 2_000), True),
        ("set_drip", (HOUR - 1,), False),
        ("set_drip", (30 * DAY + 1,), False),
        ("set_drip", (HOUR,), True),
        ("set_drip", (30 * DAY,), True),
        ("set_cooldown", (DAY - 1, DAY), False),
        ("set_cooldown", (30 * DAY + 1, DAY), False),
        ("set_cooldown", (DAY, DAY - 1), False),
        ("set_cooldown", (DAY, 14 * DAY + 1), False),
        ("set_cooldown", (DAY, DAY), True),
        ("set_cooldown", (30 * DAY, 14 * DAY), True),
        ("set_tolerance", (201,), False),
        ("set_tolerance", (200,), True),
        ("set_tolerance", (0,), True),
    ],
)
def test_setters__bounds(world, name, args, good):
    if good:
        world.fund.method(name)(*args, sender=world.governance)
        return
    with reverts("BadParameter"):
        world.fund.method(name)(*args, sender=world.governance)


def test_set_cooldown__does_not_touch_requests_made(world):
    shares = world.deposit(100)
    world.request(shares, wait=False)
    world.fund.set_cooldown(30 * DAY, DAY, sender=world.governance)
    world.evm.advance(7 * DAY)
    world.redeem(shares)


def test_payout_terms__each_setter__leaves_the_others_alone(world):
    caps = (9_000, 9_000, 8_999, 30 * DAY)
    world.fund.set_caps(caps, sender=world.governance)
    assert world.fund.auction() == world.auction
    world.fund.set_auction("0x" + "ff" * 20, sender=world.governance)
    assert tuple(world.fund.caps()) == caps
    assert world.fund.auction().lower() == "0x" + "ff" * 20
    world.fund.set_auction(ZERO, sender=world.governance)
    assert (world.fund.auction(), tuple(world.fund.caps())) == (ZERO, caps)


def test_set_auction__old_one_can_no_longer_draw(world):
    world.deposit(100)
    event = world.fund.set_auction(ZERO, sender=world.governance).event("AuctionChanged")
    assert event.old.lower() == world.auction.lower()
    with reverts("NotAuction"):
        draw(world, 1, 1)


def test_abi__no_role_takes_money_out(world):
    """Every function that moves the bucket down, by name; owners' terms move none."""
    mutating = {
        entry["name"]
        for entry in world.fund.abi
        if entry["type"] == "function" and entry["stateMutability"] == "nonpayable"
    }
    assert mutating == {
        "deposit", "mint", "withdraw", "redeem", "request_redeem", "cancel_request",
        "sponsor", "sync", "observe", "fund_budget", "draw",
        "set_caps", "set_budget", "set_drip", "set_cooldown", "set_auction",
        "set_tolerance",
        "transfer", "transferFrom", "approve", "permit", "transfer_ownership", "accept_ownership",
    }  # fmt: skip


# -- against the model


class Pair:
    """The fund and its model, stepped together; every view compared after every step."""

    def __init__(self, world, rng: random.Random) -> None:
        self.world, self.rng, self.model, self.refused = world, rng, Fund(), 0
        self.shared, self.narrowed = 0, 0  # draws over several markets, draws cut by a cap
        self.actors = [world.staker, world.other, world.attacker]

    def step(self) -> None:
        self.world.evm.advance(self.rng.choice([0, 1, HOUR, DAY, 3 * DAY, 7 * DAY]))
        now, owner = self.world.evm.timestamp, self.rng.choice(self.actors)
        kinds = ("deposit", "mint", "request", "cancel", "redeem", "redeem", "withdraw",
                 "sponsor", "income", "payout", "payout", "budget", "deficit", "deficit", "sync",
                 "observe")  # fmt: skip
        kind = self.rng.choice(kinds)
        before = copy.deepcopy(self.model)
        name, want, call = None, None, None
        try:
            call = getattr(self, f"_{kind}")(owner)
            want = call[0](now)
        except Refused as refused:
            self.model, name = before, refused.name
            self.refused += 1
        if name:
            with reverts(name):
                call[1]()
        else:
            got = call[1]()
            if want is not None:
                assert got == want, (kind, got, want)
        self.compare(now)

    def _amount(self, most: int) -> int:
        return self.rng.choice([0, 1, most // 2, most, most + 1, self.rng.randrange(most + 2)])

    def _deposit(self, owner):
        n = self._amount(10**9)
        return (
            lambda now: self.model.deposit(owner, n, now),
            lambda: self.world.fund.deposit(n, owner, sender=owner).value,
        )

    def _mint(self, owner):
        n = self._amount(10**15)
        return (
            lambda now: self.model.mint(owner, n, now),
            lambda: self.world.fund.mint(n, owner, sender=owner).value,
        )

    def _request(self, owner):
        n = self._amount(self.model.shares.get(owner, 0))
        return (
            lambda now: self.model.request(owner, n, now),
            lambda: self.world.fund.request_redeem(n, sender=owner).value,
        )

    def _cancel(self, owner):
        return (
            lambda now: self.model.cancel(owner, now),
            lambda: self.world.fund.cancel_request(sender=owner).value,
        )

    def _redeem(self, owner):
        n = self._amount(self.model.max_redeem(owner, self.world.evm.timestamp))
        return (
            lambda now: self.model.redeem(owner, n, now),
            lambda: self.world.fund.redeem(n, owner, owner, sender=owner).value,
        )

    def _withdraw(self, owner):
        n = self._amount(self.world.fund.maxWithdraw(owner))
        return (
            lambda now: self.model.withdraw(owner, n, now),
            lambda: self.world.fund.withdraw(n, owner, owner, sender=owner).value,
        )

    def _sponsor(self, owner):
        n = self._amount(10**8)
        return (
            lambda now: self.model.sponsor(n, now),
            lambda: self.world.fund.sponsor(n, sender=owner).value,
        )

    def _income(self, owner):
        n = self.rng.randrange(10**8)

        def model(now):
            self.model.bucket_qu += n * TOKEN + n

        def chain():
            self.world.income(n)
            self.world.engine.add_income(n)  # a fraction of a token unit, as the engine has them

        return model, chain

    def _payout(self, owner):
        markets = sorted(
            self.rng.sample((0, 1, 2, 3, 255, LOANS), self.rng.choice((0, 1, 2, 2, 6)))
        )
        if self.rng.random() < 0.05:
            markets.reverse()
        weights = [self.rng.choice((0, 1, 7, 10**15, self.rng.getrandbits(127))) for _ in markets]
        parts = list(zip(markets, weights, strict=True))
        n = self._amount(self.model.bucket_qu)
        n = self.rng.choice((n, n, n // 10, LARGEST))

        def model(now):
            grants = self.model.draw(parts, n, now)
            granted = sum(grant.granted for grant in grants)
            self.model.bucket_qu -= granted
            self.shared += len(grants) > 1
            self.narrowed += granted < sum(grant.asked for grant in grants)
            return granted, [(grant.market, grant.asked, grant.granted) for grant in grants]

        def chain():
            receipt = self.world.fund.draw(exposure_words(parts), n, sender=self.world.auction)
            self.world.engine.pay_out(receipt.value)
            events = [event for event in receipt.events if event.name == "Draw"]
            return receipt.value, [(one.market, one.asked_qu, one.granted_qu) for one in events]

        return model, chain

    def _budget(self, owner):
        n = self._amount(10**17)
        return (
            lambda now: self.model.fund_budget(n, now),
            lambda: self.world.fund.fund_budget(n, sender=owner).value,
        )

    def _deficit(self, owner):
        bucket = self.model.bucket_qu
        n = self.rng.choice([0, 0, 1, bucket * 50 // 10_000, bucket * 50 // 10_000 + 1])

        def model(now):
            self.model.deficit_qu = n

        return model, lambda: self.world.engine.set_pending_deficit(n)

    def _observe(self, owner):
        def model(now):
            self.model.observe(now)

        return model, lambda: self.world.fund.observe(sender=owner)

    def _sync(self, owner):
        def model(now):
            self.model.sync(now)

        return model, lambda: self.world.fund.sync(sender=owner)

    def compare(self, now: int) -> None:
        fund, model = self.world.fund, self.model
        assert self.world.engine.fund_balance() == model.bucket_qu
        assert self.world.engine.keeper_budget() == model.keeper_qu
        assert fund.undripped() == model.seen(now)[0] <= model.bucket_qu
        assert fund.totalAssets() == model.total_assets(now)
        assert fund.totalSupply() == model.supply
        total, some = model.total_assets(now), self.rng.randrange(10**9)
        assert fund.previewDeposit(some) == fund.convertToShares(some)
        assert fund.convertToShares(some) == model.shares_floor(some, total)
        leaving = model.less_deficit(total)
        assert fund.previewWithdraw(some) == model.shares_up(some, leaving)
        assert fund.previewRedeem(some) == model.assets_floor(some, leaving)
        assert fund.convertToAssets(some) == model.assets_floor(some, total)
        assert fund.previewMint(some) == model.assets_up(some, total)
        for market in (0, 3, 256):
            assert fund.drawable(market) == model.drawable(market, now)
        for owner in self.actors:
            assert fund.balanceOf(owner) == model.shares.get(owner, 0)
            assert fund.maxRedeem(owner) == model.max_redeem(owner, now)
            asked = model.request_of(owner, now)
            assert tuple(fund.request_of(owner)) == (asked.shares, asked.ready, asked.closes)
        assert tuple(fund.clock()) == (model.stood_by(now), model.since)
        escrow = sum(request.shares for request in model.requests.values())
        assert fund.balanceOf(fund.address) == escrow
        assert model.supply == escrow + sum(model.shares.values())


def test_fund__random_steps__as_the_model_and_only_payouts_lower_the_price(world):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    pair = Pair(world, random.Random(seed))
    for _ in range(500):
        before = (pair.model.total_assets(world.evm.timestamp) + 1, pair.model.supply + 10**6)
        bucket, kept = pair.model.bucket_qu, copy.deepcopy(pair.model)
        pair.step()
        after = (pair.model.total_assets(world.evm.timestamp) + 1, pair.model.supply + 10**6)
        paid = (
            pair.model.window_used != kept.window_used
            or pair.model.window_start != kept.window_start
        )
        if not paid:
            assert after[0] * before[1] >= before[0] * after[1], (before, after, bucket)
    assert 0 < pair.refused < 400
    assert pair.shared > 0
    assert pair.narrowed > 0
