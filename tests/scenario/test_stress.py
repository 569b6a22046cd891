"""Hours of real crashes with a small crowd: properties hold, deficits find their payers exactly.

The whole replays are behind `ape run stress` (docs/replays.md). The bars are real exchange data
that is not ours to ship: the tests that need them skip where the folder is absent.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from plimsoll.compiler import PROJECT_ROOT
from plimsoll.simulate.replay import Outcome, Setup, play
from plimsoll.simulate.table import facts, failures, markdown, row
from plimsoll.simulate.tally import Loss
from plimsoll.simulate.windows import WindowError, load_window

DATA = PROJECT_ROOT.parent / "shared" / "data" / "market"
BEFORE, AFTER = 3_600, 2_400  # s around the end of the steepest hour
USD = 10**15
SETUP = Setup(accounts=50, seed=7)


def played(crash: str, setup: Setup) -> Outcome:
    try:
        window = load_window(crash, DATA)
    except WindowError as error:
        pytest.skip(f"no real bars here: {error}")
    return play(window.cut(BEFORE, AFTER), setup)


def sound(one: Outcome) -> None:
    """No property broke; what was lost is what fund, other side and cash bore, to the unit."""
    print(facts(one))
    assert one.breach == ""
    lost = sum(loss.deficit + loss.bonus for loss in one.tally.losses)
    borne = sum(loss.from_fund + loss.charged + loss.socialised for loss in one.tally.losses)
    assert lost == borne
    assert one.tally.counts["auctions"] > 0
    assert one.tally.counts["P15 checked"] >= one.tally.counts["auctions"]
    assert min(one.checks.values()) > 0


@pytest.mark.parametrize("crash", ["2021-05", "2024-08"])
def test_stress__keepers_at_work__nobody_but_the_fund_pays(crash: str) -> None:
    one = played(crash, SETUP)
    sound(one)
    assert one.tally.beyond_fund == 0
    assert failures([one]) == []
    assert one.tally.counts["bids"] + one.tally.counts["intents"] > 0


def test_stress__keepers_away_for_half_an_hour__every_deficit_has_its_payer() -> None:
    one = played("2021-05", replace(SETUP, outage=30))
    sound(one)
    assert one.outage is not None
    assert not any(
        one.outage[0] <= run.started < one.outage[1] or one.outage[0] <= run.ended < one.outage[1]
        for run in one.tally.runs
    )


def test_stress__synthetic__same_seed_same_money() -> None:
    window = load_window("synthetic", None).cut(7_200, 1_200)
    first, again = (play(window, Setup(accounts=30, seed=3, outage=1)) for _ in range(2))
    sound(first)

    def told(one: Outcome) -> dict[str, object]:
        loose = ("seconds", "processor_seconds", "memory_mb")
        return {name: value for name, value in facts(one).items() if name not in loose}

    assert told(first) == told(again)
    assert " | ".join(row(first)[:2]) in markdown([first], [])


def test_stress__feeds_apart_in_the_first_block__the_crowd_comes_when_they_are_not() -> None:
    """The shipped crash begins with a source a minute behind a steep move: nobody may open yet."""
    whole = load_window("synthetic", None)
    one = play(replace(whole, end=whole.start + 300), Setup(accounts=20))
    assert one.breach == ""
    assert one.interest_first > 0


def test_failures__a_loss_beyond_the_fund__is_one_unless_keepers_missed_the_horizon() -> None:
    window = load_window("synthetic", None).cut(600, 300)
    one = play(window, Setup(accounts=20))
    assert failures([one]) == []
    one.tally.losses.append(Loss(0, 0, "deleveraged", 3 * USD, 0, USD, 2 * USD, 0))
    assert failures([one]) == [
        "synthetic, 0 min of outage (crowd): expected no loss beyond the fund, got 2.00 USD"
    ]
    one.setup = Setup(accounts=20, outage=30)
    assert failures([one]) == []
    one.breach = "something"
    assert failures([one]) == ["synthetic, 30 min of outage (crowd): something"]
