"""Sources made of a path, the timeline of states, and the count of false halts."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from plimsoll.market import PricePoint, Series
from plimsoll.market.bars import Bar
from plimsoll.market.false_halts import (
    BEGIN,
    END,
    Options,
    calm_days,
    markdown,
    rates,
    run,
    written,
)
from plimsoll.market.feed_replay import (
    HONEST,
    MarketPath,
    Moment,
    Replay,
    SourceRule,
    Spike,
    shipped_terms,
    timeline,
    unbroken,
)
from plimsoll.model.oracle import Answer, Cause, State

USD = 10**9
ANSWER = 10**8  # a dollar in an aggregator's answer
DAY = 86_400
START = 1_700_006_400  # midnight


def path(*prices: int, step: int = 60) -> MarketPath:
    return MarketPath([PricePoint(i * step, price * USD) for i, price in enumerate(prices)])


def series(closes: list[int], spacing: int = 60, start: int = START) -> Series:
    bars, before = [], closes[0]
    for i, close in enumerate(closes):
        low, high = sorted((before, close))
        bars.append(Bar(start + i * spacing, *(p * USD for p in (before, high, low, close))))
        before = close
    return Series("TEST", spacing, tuple(bars))


# -- the path and its sources


@pytest.mark.parametrize(
    ("time", "expected"), [(-5, 100), (0, 100), (30, 150), (60, 200), (90, 150), (999, 100)]
)
def test_market_path__between_points__straight_lines(time: int, expected: int) -> None:
    assert path(100, 200, 100).at(time) == expected * USD


def test_market_path__no_points__refused() -> None:
    with pytest.raises(ValueError, match="expected at least one point"):
        MarketPath([])


@pytest.mark.parametrize(
    ("price", "time", "new"),
    [(1_004, 60, False), (1_005, 60, True), (995, 60, True), (1_000, 3_599, False),
     (1_000, 3_600, True)],
)  # fmt: skip
def test_source__deviation_and_heartbeat__answers_at_them_and_not_before(
    price: int, time: int, new: bool
) -> None:
    rule = SourceRule("aggregator", 7_200, deviation=50, heartbeat=3_600)
    last = Answer(1, 1_000 * ANSWER, 0)
    told = rule.tells(MarketPath([PricePoint(0, price * USD)]), time, last)
    assert told == (Answer(2, price * ANSWER, time) if new else last)


def test_source__late__says_the_price_of_then_with_the_time_of_now() -> None:
    rule = SourceRule("late", 7_200, lag=60)
    assert rule.tells(path(100, 200), 60, None) == Answer(1, 100 * ANSWER, 60)
    assert rule.tells(path(100, 200), 90, None) == Answer(1, 150 * ANSWER, 90)


@pytest.mark.parametrize(
    ("spike", "expected"),
    [(Spike(60, 120, Fraction(1, 2)), 50), (Spike(60, 120, price=0), 0),
     (Spike(60, 120, Fraction(1_000)), 100_000)],
)  # fmt: skip
def test_source__spike__lies_in_its_time_only(spike: Spike, expected: int) -> None:
    rule = SourceRule("spiking", 7_200, spikes=(spike,))
    for time, price in ((59, 100), (60, expected), (119, expected), (120, 100)):
        told = rule.tells(path(100), time, None)
        assert told is not None
        assert told.answer == price * ANSWER
        assert rule.spiking(time) == (price != 100)


def test_source__dies__keeps_its_last_answer() -> None:
    rule = SourceRule("dying", 7_200, dies=60)
    last = rule.tells(path(100, 200), 59, None)
    assert rule.tells(path(100, 200), 60, last) is last
    assert rule.alive(59)
    assert not rule.alive(60)


# -- a feed over a path


def test_replay__a_source_at_half_for_a_minute__halts_for_it_and_confirm_and_recovers() -> None:
    terms = shipped_terms("local", quorum=2)
    lie = Spike(START + 300, START + 360, Fraction(1, 2))
    rules = (*HONEST[:2], SourceRule("spiking", 1_800, spikes=(lie,)))
    points = [PricePoint(START + time, 2_000 * USD) for time in range(0, 900, 15)]
    parts = timeline(Replay(terms, rules).over(points))
    assert [(one.state, one.cause, one.start - START) for one in parts] == [
        (State.OK, Cause.NONE, 0),
        (State.HALTED, Cause.HALTING_SPREAD, 300),
        (State.DEGRADED, Cause.RECOVERING, 345 + terms.confirm),  # the last poke of the spike
        (State.OK, Cause.NONE, 345 + terms.confirm + terms.grace),
    ]


def test_replay__forgetful__same_moments() -> None:
    points = [PricePoint(time, (2_000 + time % 700) * USD) for time in range(0, 20_000, 300)]
    terms = shipped_terms("local", quorum=2)
    kept, forgot = (list(Replay(terms, HONEST).over(points, keep=keep)) for keep in (True, False))
    assert kept == forgot


def test_timeline__states__each_until_the_poke_that_ended_it() -> None:
    def moment(time: int, state: State) -> Moment:
        return Moment(time, 0, (), 0, 0, state, Cause.NONE, False)

    ok, halted = State.OK, State.HALTED
    parts = timeline([moment(0, ok), moment(5, ok), moment(9, halted), moment(20, halted)])
    assert [(one.state, one.start, one.end) for one in parts] == [(ok, 0, 9), (halted, 9, 20)]


def test_shipped_terms__unknown_feed__names_those_there_are() -> None:
    with pytest.raises(ValueError, match="expected a feed called 'DOGE', it has ETH, BTC"):
        shipped_terms("local", "DOGE")


# -- false halts


def test_unbroken__gap__cut_there() -> None:
    whole = series([100] * 4)
    late = series([100] * 3, start=START + 3_600)
    parts = unbroken(Series("TEST", 60, whole.bars + late.bars))
    assert [part.bars for part in parts] == [whole.bars, late.bars]


def test_rates__quiet_market__never_halts() -> None:
    whole, calm = rates(series([100] * 600), shipped_terms())
    assert whole.halts == {}
    assert whole.share("OK") == 1
    assert calm.seconds == whole.seconds


def test_rates__fall_beyond_the_slow_average__counted_and_not_on_calm_days() -> None:
    closes = [1_000] * 1_440 + [1_000 - i * 4 for i in range(100)] + [600] * 60
    found = series(closes)
    whole, calm = rates(found, shipped_terms())
    assert whole.halts[Cause.AVERAGE] == 1
    assert 60 <= whole.longest <= 120
    assert whole.per_year() > 0
    assert calm_days(found) == {START // DAY}
    assert not calm.halts
    assert whole.record()["halts"] == {"halting_spread": 0, "jump": 0, "average": 1}


def test_written__marks__only_what_is_between_them_changes() -> None:
    page = f"above\n{BEGIN}\nold\n{END}\nbelow\n"
    assert written(page, "new") == f"above\n{BEGIN}\nnew\n{END}\nbelow\n"
    with pytest.raises(ValueError, match="add them to the page"):
        written("no marks", "new")


def csv(folder: Path, found: Series) -> Path:
    target = folder / "test.csv"
    rows = (f"{b.ts},{b.open / USD},{b.high / USD},{b.low / USD},{b.close / USD}" for b in found)
    target.write_text("\n".join(("ts,open,high,low,close", *rows)) + "\n")
    return target


def test_run__file__table_json_and_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = csv(tmp_path, series([100] * 30))
    assert run(Options((source,))) == 0
    assert "| test | 0 | 0 | 0 | 0 | 0 | 0.0 | 0 | 100.000 % |" in capsys.readouterr().out
    assert run(Options((source,), as_json=True)) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == [
        "test",
        "test, calm days",
    ]
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    assert run(Options((source,), page=page)) == 0
    assert page.read_text().count("| test |") == 1


def test_run__nothing_to_read__exit_codes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(Options((tmp_path / "none.csv",))) == 3
    assert run(Options((), feed="DOGE")) == 2
    assert run(Options((), config="nowhere")) == 2
    page = tmp_path / "page.md"
    page.write_text("no marks")
    assert run(Options((), page=page)) == 2
    assert "expected a feed called 'DOGE'" in capsys.readouterr().err


def test_markdown__no_rates__a_head_alone() -> None:
    assert len(markdown([]).splitlines()) == 2
