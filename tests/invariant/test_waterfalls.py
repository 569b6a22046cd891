"""The differential of the liquidation waterfall: contracts and model, word by word, at random.

With P1-P4 of docs/properties.md at the end of each waterfall. `ape run fuzz` is the same campaign
at any length; the campaign itself is tested in `unit/fuzz`.
"""

from __future__ import annotations

import pytest

from plimsoll.fuzz.campaign import campaign

WATERFALLS = 1_600
PARTS = 2  # of which each may run in a process of its own


@pytest.mark.parametrize("part", range(PARTS))
def test_waterfalls__drawn_at_random__chain_equals_model(part: int, seed: int) -> None:
    each = WATERFALLS // PARTS
    numbers = range(part * each, (part + 1) * each)
    tally, seconds = campaign(seed, numbers)
    print(f"seed {seed}, waterfalls {numbers.start}-{numbers.stop - 1}, {seconds:.0f} s")
    print(f"reached: {dict(sorted(tally.reached.items()))}")
    wrong = tally.failure
    again = f"ape run fuzz --seed {seed} --first {wrong.number if wrong else 0} --count 1"
    assert wrong is None, f"{again}: {wrong.calls[-1]}\n{wrong.message}"
    assert tally.short() == []
