"""What the numbers mean: whether the books hold, what waits for a keeper, what comes next."""

from __future__ import annotations

from dataclasses import dataclass

from plimsoll.keepers import rules
from plimsoll.keepers.decisions import Policy
from plimsoll.keepers.flow import claim_due, refreshes
from plimsoll.status.views import AccountView, AuctionView, Band, Snapshot

PAUSES = {
    0: "open",
    1: "paused: no new risk",
    2: "paused: reduce only",
    3: "paused: reduce only, no auctions",
    4: "paused: all but exits",
}


@dataclass(frozen=True)
class Identity:
    """Something that must hold at every block."""

    name: str
    holds: bool
    text: str


@dataclass(frozen=True)
class Errand:
    """Something anybody may do, and nobody has done yet. `call`: the function to call.

    `account` 0: it is the house's.
    """

    account: int
    call: str
    why: str


def identities(snapshot: Snapshot) -> list[Identity]:
    """The books, as far as one block's views prove them; none of them ever fails."""
    deficits = snapshot.deficits
    wrong = [one for one in snapshot.accounts if one.initial_equity > one.value]
    loose = [one for one in snapshot.accounts if one.initial_requirement < one.requirement]
    return [
        Identity(
            "balance_sheet",
            deficits.gap == 0,
            "vault tokens equal the sum of all claims, to the last fraction of a unit",
        ),
        Identity(
            "custody",
            deficits.custody >= deficits.vault,
            "the vault's pocket holds the quote tokens that the engine counts",
        ),
        Identity(
            "margins",
            not wrong and not loose,
            "E_init <= E and R_init >= R for every account",
        ),
    ]


def errands(snapshot: Snapshot) -> list[Errand]:
    """What waits for a keeper: start, end, sync, deleverage, release_intent, the fund's sync,
    and while anything is in auction what the sale limiter wants.
    """
    running = {one.facts.account for one in snapshot.auctions}
    committed = {one.account for one in snapshot.intents}
    found = [_auction_errand(one, snapshot) for one in snapshot.auctions]
    for account in snapshot.accounts:
        if account.account in running:
            continue
        if account.band in (Band.INSOLVENT, Band.UNDER_R):
            found.append(_start_errand(account, snapshot.pause))
        elif account.frozen and account.account not in committed:
            why = "frozen by an auction that has been replaced, and it meets R"
            found.append(Errand(account.account, "end", why))
    for intent in snapshot.intents:
        if intent.expiry < snapshot.now and intent.account not in running:
            why = "its intent has expired, and its account is still frozen"
            found.append(Errand(intent.account, "release_intent", why))
    if snapshot.fund.held_up != bool(snapshot.fund.stands_since):
        why = "what holds redemptions up has changed, and their clock has not seen it"
        found.append(Errand(0, "InsuranceFund.sync", why))
    told = [one for one in found if one is not None]
    return told + _limiter_errands(snapshot, {one.account for one in told})


def _limiter_errands(snapshot: Snapshot, busy: set[int]) -> list[Errand]:
    """Accounts of `busy` are called for already."""
    sellable = [
        one.facts
        for one in snapshot.auctions
        if one.facts.equity < one.facts.requirement
        and not one.facts.stopped
        and not rules.exhausted(one.facts)
    ]
    if not sellable or snapshot.pause >= rules.AUCTIONS_STOPPED:
        return []
    lanes = refreshes(snapshot.flow, Policy().flow_bps)
    found = [Errand(0, "MarginEngine.refresh_flow", one.why) for one in lanes]
    claim = claim_due(snapshot.flow, sellable)
    if claim is not None and claim[0] not in busy:
        found.append(Errand(claim[0], "sync", claim[1]))
    return found


def _start_errand(account: AccountView, pause: int) -> Errand | None:
    if account.stopped or pause >= rules.AUCTIONS_STOPPED:
        return None  # nobody can: see `standing_why`
    what = "E is below zero" if account.band == Band.INSOLVENT else "E is below R"
    return Errand(account.account, "start", f"{what} and it is not in auction")


def _auction_errand(auction: AuctionView, snapshot: Snapshot) -> Errand | None:
    facts = auction.facts
    if facts.equity >= facts.requirement:
        return Errand(facts.account, "end", "E is back at R")
    stopped = facts.stopped or snapshot.pause >= rules.AUCTIONS_STOPPED
    if stopped:
        why = "its clock has to be stopped: feeds are stale, halted, or auctions paused"
        return None if facts.clock_stopped else Errand(facts.account, "sync", why)
    if rules.exhausted(facts):
        return Errand(facts.account, "deleverage", "the curve has run out")
    if rules.sync_due(facts, snapshot.now):
        why = f"its clock counts {facts.curve.max_step} s at most from one sync to the next"
        return Errand(facts.account, "sync", why)
    return None


def auction_stage(auction: AuctionView, snapshot: Snapshot) -> tuple[str, str]:
    """Where an auction is: a key, and a sentence."""
    facts = auction.facts
    if facts.equity >= facts.requirement:
        return "cured", "cured: E is back at R, anybody may end it"
    if snapshot.pause >= rules.AUCTIONS_STOPPED:
        return "paused", "auctions are paused: its clock stands"
    if facts.stopped:
        return "stopped", "stale or halted feeds carry over a tenth of R: its clock stands"
    if rules.exhausted(facts):
        return "exhausted", "nobody took it before the curve ran out: anybody may deleverage it"
    if facts.priority:
        return "priority", f"only intents fill for {facts.priority} s more"
    if auction.over:
        return "over", "the curve has run out for slices"
    if facts.fraction == 0 and facts.wait:
        return "throttled", "the sale limiter lets nothing of it go now"
    if facts.fraction == 0:
        return "nothing", "nothing of it is on sale"
    if facts.cost < 0:
        return "on_sale", "on sale, and the fund pays the bidder"
    return "on_sale", "on sale"


def standing_why(account: AccountView, snapshot: Snapshot) -> str:
    """What an account's place in the waterfall means for it."""
    running = account.account in {one.facts.account for one in snapshot.auctions}
    if running:
        return "in auction"
    if account.band in (Band.INSOLVENT, Band.UNDER_R):
        if snapshot.pause >= rules.AUCTIONS_STOPPED:
            return "cannot be started: auctions are paused"
        if account.stopped:
            return "cannot be started: stale or halted feeds carry over a tenth of R"
        return "may be started by anybody"
    committed = account.account in {one.account for one in snapshot.intents}
    if account.frozen:
        return "frozen for its intent" if committed else "left frozen by a replaced auction"
    if account.band == Band.PRE_BAND:
        asked = {one.account: one for one in snapshot.consents if one.until >= snapshot.now}
        one = asked.get(account.account)
        if one is None:
            return "its owner has not asked for pre-liquidation"
        return "may be pre-liquidated" if one.fraction else "asked for slices; none is open now"
    return "may only reduce" if account.band == Band.UNDER_INITIAL else ""
