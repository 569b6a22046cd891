"""State of the liquidation auction's model: what it keeps per account, and all or nothing a call.

Changes with the words of contracts/liquidation/runs.vy and auction_settings.vy and with what an
auction's id is a hash of. Units as in liquidation.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from plimsoll.model import auction, intents, pre_liquidation
from plimsoll.model.auction import MAX_ELAPSED, ONE, Curve, Standing
from plimsoll.model.engine import House
from plimsoll.model.fund import Fund
from plimsoll.model.intents import Intent
from plimsoll.model.pre_liquidation import Consent
from plimsoll.model.rounding import ModelError, require
from plimsoll.model.vault import Refused as FundRefused

AUCTIONS_STOPPED = 3
MAX_HELD = 2**16 - 1
SIXTEENTHS = 16
FOREVER = 2**256 - 1
NOBODY = 0

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="LiquidationState")


class Run(NamedTuple):
    """An account's auction; `starter` is the address still to be paid, 0 for none.

    x moves with `elapsed` less `held`, the time (1/16 s) for which the sale limiter held it.
    """

    elapsed: int = 0
    held: int = 0
    seen: int = 0
    version: int = 0
    number: int = 0
    running: bool = False
    stopped: bool = False
    noted: bool = False
    starter: int = NOBODY

    @property
    def offered(self) -> int:
        """Seconds of the clock that x has moved for."""
        return self.elapsed - self.held // SIXTEENTHS

    def restarted(self) -> Run:
        """With its clock at 0."""
        return self._replace(elapsed=0, held=0)

    def advance(self, now: int, stopped: bool, pace: int, step: int) -> Run:
        """With its clock at `now`; an interval adds at most `step` seconds, a stopped one none.

        x moves for `pace` (1e18) of them, to the nearest sixteenth of a second.
        """
        elapsed, held = self.elapsed, self.held
        if not (self.stopped or stopped):
            seconds = min(step, now - self.seen)
            elapsed = min(MAX_ELAPSED, elapsed + seconds)
            wait = (seconds * (ONE - pace) * SIXTEENTHS + ONE // 2) // ONE
            held = min(MAX_HELD, elapsed * SIXTEENTHS, held + wait)
        return self._replace(elapsed=elapsed, held=held, seen=now, stopped=stopped)


class Quote(NamedTuple):
    """What `cost` says; fields as in ILiquidationAuction, without the id."""

    x: int
    equity: int
    requirement: int
    fraction: int
    cost: int
    fee: int
    elapsed: int
    held: int
    stopped: bool
    over: bool
    priority: int
    room: int
    wait: int


IDLE = Run()


def transaction(
    call: Callable[Concatenate[S, P], R],
) -> Callable[Concatenate[S, P], R]:
    """All or nothing over engine, fund and auction; every refusal becomes a `ModelError`."""

    @wraps(call)
    def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        saved = self.save()
        try:
            return call(self, *args, **kwargs)
        except ModelError:
            self.restore(saved)
            raise
        except (intents.Refused, pre_liquidation.Refused, FundRefused) as refused:
            self.restore(saved)
            raise ModelError(str(refused)) from None
        except auction.BadFraction:
            self.restore(saved)
            raise ModelError("BadFraction") from None

    return run


@dataclass
class LiquidationState:
    """Runs, consents and intents by account; the curves set, version 1 first."""

    house: House
    fund: Fund
    curves: list[Curve]
    runs: dict[int, Run] = field(default_factory=dict)
    consents: dict[int, Consent] = field(default_factory=dict)
    intents: dict[int, Intent] = field(default_factory=dict)

    # -- state

    def save(self) -> Any:
        """A copy for `restore`."""
        return (
            self.house.save(),
            self.fund.copy(),
            list(self.curves),
            dict(self.runs),
            dict(self.consents),
            dict(self.intents),
        )

    def restore(self, saved: Any) -> None:
        """Go back to a saved state; a save serves one restore."""
        self.house.restore(saved[0])
        self.fund, self.curves, self.runs, self.consents, self.intents = saved[1:]

    def run_of(self, account: int) -> Run:
        """An account's run as stored."""
        return self.runs.get(account, IDLE)

    def curve_of(self, run: Run) -> Curve:
        """The curve a run keeps."""
        return self.curves[run.version - 1]

    def standing(self, account: int) -> Standing:
        """An account's standing with interest brought to now, as the auction reads it."""
        return Standing(*self.house.accrued().standing(account))

    def version_of(self, account: int) -> Any:
        """All that the engine's `account_version` is a hash of."""
        house, a = self.house, self.house.account(account)
        legs = []
        for market in sorted(a.markets):
            longs, shorts = house.book(market).sides[1], house.book(market).sides[-1]
            sides = (longs.x, shorts.x, longs.epoch, shorts.epoch)
            legs.append((house.position(account, market), sides))
        holdings = tuple(house.custody.holdings(account)) if a.collateral else ()
        return account, a, tuple(legs), holdings

    def id_of(self, account: int) -> Any:
        """What an auction's id is a hash of: it changes with all that changes the account."""
        return account, self.run_of(account).number, self.version_of(account)

    @transaction
    def set_curve(self, curve: Curve) -> None:
        """The curve of auctions started from now on."""
        try:
            auction.check(curve)
        except auction.BadCurve:
            raise ModelError("BadCurve") from None
        self.curves.append(curve)

    def _running(self, account: int) -> Run:
        run = self.run_of(account)
        require(run.running, "NoAuction")
        return run

    def _advance(self, run: Run, stopped: bool, pace: int) -> Run:
        return run.advance(self.house.now, stopped, pace, self.curve_of(run).max_step)

    def _paused(self) -> bool:
        return self.house.pause >= AUCTIONS_STOPPED
