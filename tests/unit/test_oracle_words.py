"""The oracle's words unpacked: every field at its place."""

from __future__ import annotations

from dataclasses import replace

from plimsoll.model.price_sources import curve_extra, uniswap_extra, vault_extra
from plimsoll.oracle_words import (
    Cause,
    DatumWord,
    ExtraWord,
    FeedWords,
    HaltWord,
    HistoryWord,
    HotWord,
    QuoteWord,
    SequencerStatus,
    SequencerWord,
    SettlementWord,
    SourceWord,
    TermsWord,
)

NOW = 1_700_000_000


def test_hot_word__every_field_at_its_place() -> None:
    word = (
        5
        | (2**56 - 3) << 56
        | 600 << 112
        | 50 << 128
        | 70 << 144
        | 2 << 160
        | NOW << 162
        | 30 << 194
        | (2**18 - 4) << 211
        | 1 << 230
        | 700_000 << 231
    )
    hot = HotWord.of(word)
    assert hot == HotWord(5, -3, 600, 50, 70, 2, NOW, 30, -4, False, True, 700_000)
    assert hot is not None
    assert hot.recovering
    assert (hot.stale_after, hot.observed) == (NOW + 600, NOW - 30)
    assert replace(hot, price=100_001).band() == (99_950, 100_072)  # down, up
    assert HotWord.of(0) is None


def test_quote_word__recovering_bit__told_by_its_label() -> None:
    quote = QuoteWord.of(9 | 12 << 112 | 1 << 160 | 1 << 162 | 3 << 231)
    assert (quote.price, quote.age, quote.sigma, quote.recovering) == (9, 12, 3, True)
    assert quote.label == "RECOVERING"
    assert QuoteWord.of(1 << 160).label == "DEGRADED"
    assert QuoteWord.of(2 << 160 | 1 << 162).label == "STALE"


def test_terms_word__bounds_as_shift_and_mantissa_and_the_new_fields() -> None:
    low, high = 3 | 5 << 6, 35 | (2**20 - 1) << 6
    word = 2 | 3 << 3 | 10 << 6 | 100 << 18 | 500 << 30 | 1_000 << 42 | 50 << 56 | 60 << 76
    word |= low << 156 | high << 182 | 250 << 208 | 1_440 << 220 | 600 << 234 | 1 << 246
    terms = TermsWord.of(word)
    assert terms is not None
    assert (terms.quorum, terms.count, terms.half_band) == (2, 3, 10)
    assert (terms.band, terms.halt_band, terms.jump_base) == (100, 500, 1_000)
    assert (terms.jump_rate, terms.confirm) == (50, 60)
    assert (terms.min_price, terms.max_price) == (40, (2**20 - 1) << 35)
    assert (terms.ema_band, terms.ema_tau, terms.grace) == (250, 1_440, 600)
    assert terms.sequenced
    assert TermsWord.of(0) is None


def test_source_word__pyth_inverse_via_another_feed() -> None:
    word = 0xAB | 3 << 160 | 8 << 168 | 90 << 176 | 2 << 200 | 150 << 208 | 1 << 220 | 9 << 221
    source = SourceWord.of(word)
    assert source == SourceWord(0xAB, 3, 8, 90, 2, 150, True, 9)
    assert source.kind_name == "pyth"
    assert source.address == "0x" + "00" * 19 + "AB"
    assert replace(source, kind=2).address == ""
    assert replace(source, kind=77).kind_name == "kind 77"


def test_other_words__fields_at_their_places() -> None:
    halt = HaltWord.of(NOW | 7 << 32 | (NOW + 1) << 88 | (NOW + 9) << 120 | 6 << 152 | NOW << 156)
    assert halt == HaltWord(NOW, 7, NOW + 1, NOW + 9, Cause.SLOW_AVERAGE, NOW)
    assert HaltWord.of(15 << 152).cause == Cause.NONE
    slow = 3 | 2**14 << 6
    history = HistoryWord.of(4 | 5 << 62 | 59 << 118 | 6 << 130 | (2**38 - 7) << 197 | slow << 235)
    assert history == HistoryWord(4, 5, 59, 6, -7, 2**17)
    assert SettlementWord.of(944_444 | 8 << 22) == SettlementWord(944_444, 8)
    bare = 3_600 << 186 | 5 << 203 | 9 << 207 | 1 << 239
    datum = DatumWord.of(3 | NOW << 56 | 2**79 << 88 | (2**18 - 1) << 168 | bare)
    assert datum == DatumWord(3, NOW, 2**79, -1, 3_600, 5, 9, True)
    assert DatumWord.of(bare) is None  # a signed source before its first report
    assert SequencerWord.of(0) is None
    assert SequencerWord.of(1 | 3_600 << 160) == SequencerWord("0x" + "00" * 19 + "01", 3_600)
    assert SequencerStatus.of(NOW | 1 << 32) == SequencerStatus(NOW, True, False)
    assert SequencerStatus.of(1 << 33) == SequencerStatus(0, False, True)


def test_extra_word__of_each_kind() -> None:
    assert ExtraWord.of(3, 2**255 + 1) == ExtraWord(price_id=2**255 + 1)
    pool = uniswap_extra(1_800, 10**18, 18, 6)
    assert ExtraWord.of(4, pool) == ExtraWord(window=1_800, min_liquidity=10**18, decimals=(18, 6))
    assert ExtraWord.of(5, curve_extra(None)) == ExtraWord()
    assert ExtraWord.of(5, curve_extra(0)) == ExtraWord(index=0)
    assert ExtraWord.of(6, vault_extra(18, 6)) == ExtraWord(decimals=(18, 6))
    assert ExtraWord.of(1, 0) == ExtraWord.of(2, 0) == ExtraWord()


def test_feed_words__a_newer_word_waits__newest_and_in_force_differ_within_its_second() -> None:
    hot, newer = 5 | NOW << 162 | 1 << 230, 6 | NOW << 162
    words = FeedWords.of([hot, newer, 0, 0, 0, 0])
    prices = [
        one.price if one is not None else None
        for one in (words.newest, words.in_force(NOW), words.in_force(NOW + 1))
    ]
    assert prices == [6, 5, 6]
