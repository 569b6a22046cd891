"""Every call a waterfall may make, on the model and on the chain.

A function here takes the twin and the call's integers and returns two closures, the model's and the
chain's. Accounts, markets, feeds and senders are numbers of the `Stand`; `who` is a sender (0-7 the
owners, 8 a contract that bids for account 8, 9 and 10 keepers). Amounts are token units or quote
units as in the contracts, fractions 1e-18, times seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

from plimsoll.fuzz.stand import TRADERS
from plimsoll.model.accounts import LOANS
from plimsoll.model.auction import Curve
from plimsoll.model.engine_types import Fill
from plimsoll.model.fund import Terms, exposure_words
from plimsoll.model.intents import Intent
from plimsoll.model.liquidation_state import FOREVER
from plimsoll.model.residuals import residual_of as counted
from plimsoll.model.standard_margin import Quote

if TYPE_CHECKING:
    from plimsoll.fuzz.twin import Twin

Call = list[Any]
Both = tuple[Callable[[], Any], Callable[[], Any]]
TAKER = TRADERS  # number of the account whose owner is a contract, and of that contract
NO_LIMIT = 2**255 - 1


def sent(method: Any, args: Sequence[Any], sender: str) -> Callable[[], Any]:
    """The chain's side of a transaction: its returned value."""

    def chain() -> Any:
        return method.transact(*args, sender=sender).value

    return chain


def person(number: int) -> int:
    """Who pays for an account: the contract has nobody to call for it."""
    return 0 if number == TAKER else number


# -- the world


def quote(twin: Twin, feed: int, *fields: int) -> Both:
    """A feed's word: mark, funding, age, low, high, state, sigma, recovering."""
    mark, funding, age, low, high, state, sigma, recovering = fields
    word = Quote(mark, funding, age, low, high, state, sigma, bool(recovering))

    def model() -> None:
        twin.quotes[feed] = word

    set_word = twin.stand.oracle.set_word
    return model, sent(set_word, (feed, word.pack()), twin.stand.owner)


def wait(twin: Twin, seconds: int) -> Both:
    """Time passes."""

    def model() -> None:
        twin.house.now += seconds

    return model, lambda: twin.stand.advance(seconds)


def curve(twin: Twin, *fields: int) -> Both:
    """Governance sets a curve."""
    new = Curve(*fields)
    set_curve = twin.stand.auction.set_curve
    return lambda: twin.model.set_curve(new), sent(set_curve, (fields,), twin.stand.owner)


def caps(twin: Twin, event: int, window: int, market: int, seconds: int) -> Both:
    """Governance sets the fund's caps."""

    def model() -> None:
        terms = vars(twin.model.fund.terms)
        twin.model.fund.terms = Terms(
            **{
                **terms,
                "per_event": event,
                "per_window": window,
                "per_market": market,
                "window": seconds,
            }
        )

    args = ((event, window, market, seconds),)
    return model, sent(twin.stand.fund.set_caps, args, twin.stand.owner)


def pause(twin: Twin, level: int) -> Both:
    """Governance sets the level of the house."""
    return (
        lambda: twin.house.set_pause(level),
        sent(twin.stand.engine.set_pause, (level,), twin.stand.owner),
    )


def status(twin: Twin, market: int, level: int) -> Both:
    """The guardian makes a market stricter."""
    return (
        lambda: twin.house.set_status(market, level),
        sent(twin.stand.engine.set_status, (market, level), twin.stand.house.guardian),
    )


def wind_down(twin: Twin, market: int, price: int) -> Both:
    """A reduce-only market ends at its settlement price."""
    stand, feed = twin.stand, market + 1

    def model() -> None:
        twin.settlement = price
        twin.house.wind_down(market)

    def chain() -> Any:
        stand.oracle.set_settlement(feed, price, sender=stand.owner)
        return stand.engine.wind_down.transact(market, sender=stand.owner).value

    return model, chain


def flow(twin: Twin, share: int, window: int, reserve: int, total: int) -> Both:
    """Governance sets what may be sold per time."""
    terms = (share, window, reserve, total)
    set_flow = twin.stand.engine.set_flow
    return lambda: twin.house.set_flow(*terms), sent(set_flow, (terms,), twin.stand.owner)


def refresh(twin: Twin, market: int) -> Both:
    """A market's limit is brought in line with its depth."""
    return (
        lambda: twin.house.refresh_flow(market),
        sent(twin.stand.engine.refresh_flow, (market,), twin.stand.keepers[0]),
    )


# -- owners and venues


def deposit(twin: Twin, number: int, amount: int, who: int) -> Both:
    """Quote tokens into an account, by anybody."""
    account = twin.stand.ids[number]
    return (
        lambda: twin.house.deposit(account, amount),
        sent(twin.stand.engine.deposit, (account, amount), twin.stand.senders[who]),
    )


def withdraw(twin: Twin, number: int, amount: int) -> Both:
    """Quote tokens out, by the owner."""
    account, who = twin.stand.ids[number], twin.stand.senders[number]

    def model() -> None:
        twin.house.withdraw(account, amount, int(who, 16))

    return model, sent(twin.stand.engine.withdraw, (account, amount, who), who)


def coin_in(twin: Twin, number: int, asset: int, amount: int) -> Both:
    """Collateral in, by the owner."""
    account, who = twin.stand.ids[number], twin.stand.senders[number]
    token = twin.stand.assets[asset - 1].address
    return (
        lambda: twin.house.deposit_collateral(account, asset, amount, int(who, 16)),
        sent(twin.stand.vault.deposit, (account, token, amount), who),
    )


def coin_out(twin: Twin, number: int, asset: int, amount: int) -> Both:
    """Collateral out, by the owner."""
    account, who = twin.stand.ids[number], twin.stand.senders[number]
    token = twin.stand.assets[asset - 1].address
    return (
        lambda: twin.house.withdraw_collateral(account, asset, amount, int(who, 16)),
        sent(twin.stand.vault.withdraw, (account, token, amount, who), who),
    )


def mode(twin: Twin, number: int, chosen: int) -> Both:
    """Cross or isolated, by the owner."""
    account, who = twin.stand.ids[number], twin.stand.senders[number]
    return (
        lambda: twin.house.set_mode(account, chosen, int(who, 16)),
        sent(twin.stand.engine.set_mode, (account, chosen), who),
    )


def settle(twin: Twin, *rows: list[int]) -> Both:
    """Fills, each market, buyer, seller, lots, price, flags."""
    ids = twin.stand.ids
    fills = [Fill(m, ids[b], ids[s], lots, price, flags) for m, b, s, lots, price, flags in rows]
    return (
        lambda: twin.house.settle(fills),
        sent(twin.stand.engine.settle, ([tuple(fill) for fill in fills],), twin.stand.venue),
    )


def realise(twin: Twin, number: int, market: int, who: int) -> Both:
    """P&L to cash."""
    account, sender = twin.stand.ids[number], twin.stand.senders[who]

    def model() -> None:
        twin.house.realise(account, market, int(sender, 16))

    return model, sent(twin.stand.engine.realise, (account, market), sender)


def residual(twin: Twin, number: int, market: int, lots: int, limit: int) -> Both:
    """An account takes lots of the fund's residual."""
    args = (twin.stand.ids[number], market, lots, limit)
    return (
        lambda: twin.house.fill_residual(*args),
        sent(twin.stand.engine.fill_residual, args, twin.stand.venue),
    )


def net(twin: Twin, market: int) -> Both:
    """The fund's residual of both sides is closed against itself."""
    return (
        lambda: twin.house.net_residual(market),
        sent(twin.stand.engine.net_residual, (market,), twin.stand.keepers[0]),
    )


def residual_of(twin: Twin, market: int) -> Both:
    """The view of it."""

    def chain() -> Any:
        return tuple(twin.stand.engine.residual_of(market))

    return lambda: tuple(counted(twin.house.book(market), twin.basis(market))), chain


def release(twin: Twin, number: int) -> Both:
    """An escrow is settled."""
    account = twin.stand.ids[number]
    return (
        lambda: twin.house.release(account),
        sent(twin.stand.engine.release, (account,), twin.stand.keepers[0]),
    )


def recover(twin: Twin) -> Both:
    """What is due of the pot of recoveries is paid in."""
    return twin.house.recover, sent(twin.stand.engine.recover, (), twin.stand.keepers[0])


def fees(twin: Twin, market: int) -> Both:
    """A market's fees are split."""
    return (
        lambda: twin.house.collect_fees(market),
        sent(twin.stand.engine.collect_fees, (market,), twin.stand.keepers[0]),
    )


# -- the fund


def insure(twin: Twin, amount: int) -> Both:
    """A deposit into the fund."""
    who = twin.stand.insurer
    return (
        lambda: twin.model.insure(str(who), amount),
        sent(twin.stand.fund.deposit, (amount, who), who),
    )


def sponsor(twin: Twin, amount: int) -> Both:
    """Income given to the fund."""
    return (
        lambda: twin.model.sponsor(amount),
        sent(twin.stand.fund.sponsor, (amount,), twin.stand.insurer),
    )


def budget(twin: Twin, amount: int) -> Both:
    """Undripped income to the keepers."""
    return (
        lambda: twin.model.fund_budget(amount),
        sent(twin.stand.fund.fund_budget, (amount,), twin.stand.keepers[0]),
    )


def ask(twin: Twin, shares: int) -> Both:
    """A redemption is asked for."""
    who = twin.stand.insurer
    return (
        lambda: twin.model.request_redeem(str(who), shares),
        sent(twin.stand.fund.request_redeem, (shares,), who),
    )


def redeem(twin: Twin, shares: int) -> Both:
    """Shares are redeemed."""
    who = twin.stand.insurer
    return (
        lambda: twin.model.redeem(str(who), shares),
        sent(twin.stand.fund.redeem, (shares, who, who), who),
    )


def fund_sync(twin: Twin) -> Both:
    """The fund books what its bucket gained or lost."""
    return twin.model.fund_sync, sent(twin.stand.fund.sync, (), twin.stand.keepers[0])


# -- auctions


def start(twin: Twin, number: int, who: int) -> Both:
    """An auction is started."""
    account, sender = twin.stand.ids[number], twin.stand.senders[who]
    return (
        lambda: twin.model.start(account, int(sender, 16)),
        sent(twin.stand.auction.start, (account,), sender),
    )


def bid(
    twin: Twin, number: int, taker: int, who: int, fraction: int, limit: int, late: int, seen: int
) -> Both:
    """A bid; `seen`: 0 names no auction, 1 the present one, 2 the one last remembered."""
    stand = twin.stand
    account, bidder, sender = stand.ids[number], stand.ids[taker], stand.senders[who]
    mine, theirs = _seen(twin, account, seen)
    deadline = twin.house.now - 1 if late else 2**256 - 1
    return (
        lambda: twin.model.bid(
            account, bidder, int(sender, 16), fraction, limit, deadline, seen_id=mine
        ),
        sent(stand.auction.bid, (account, bidder, theirs, fraction, limit, deadline), sender),
    )


def flash(twin: Twin, number: int, fraction: int, brings: int) -> Both:
    """A bid by a contract that brings tokens between the slice and its check."""
    stand = twin.stand
    account, bidder, who = stand.ids[number], stand.ids[TAKER], stand.senders[TAKER]

    def chain() -> Any:
        stand.taker.bring(brings, False, sender=stand.owner)
        args = (stand.auction.address, account, bidder, fraction)
        return stand.taker.take.transact(*args, sender=stand.owner).value

    return (
        lambda: twin.model.bid_with_callback(account, bidder, int(who, 16), fraction, brings),
        chain,
    )


def leg(
    twin: Twin,
    number: int,
    taker: int,
    who: int,
    market: int,
    lots: int,
    limit: int,
    late: int,
    seen: int,
) -> Both:
    """A bid for lots of one leg; `seen` as for `bid`."""
    stand = twin.stand
    account, bidder, sender = stand.ids[number], stand.ids[taker], stand.senders[who]
    mine, theirs = _seen(twin, account, seen)
    deadline = twin.house.now - 1 if late else FOREVER
    return (
        lambda: twin.model.bid_leg(
            account, bidder, int(sender, 16), market, lots, limit, deadline, mine
        ),
        sent(
            stand.auction.bid_leg, (account, bidder, theirs, market, lots, limit, deadline), sender
        ),
    )


def _seen(twin: Twin, account: int, seen: int) -> tuple[Any, int]:
    """An auction id on both sides: none, the present one, or the one last remembered."""
    if seen == 1:
        return twin.auction_id(account)
    return twin.seen.get(account, (None, 0)) if seen == 2 else (None, 0)


def end(twin: Twin, number: int) -> Both:
    """An auction is ended."""
    account = twin.stand.ids[number]
    return (
        lambda: twin.model.end(account),
        sent(twin.stand.auction.end, (account,), twin.stand.keepers[0]),
    )


def deleverage(twin: Twin, number: int, buyer: int, who: int) -> Both:
    """What nobody took is closed; `buyer` -1 for none."""
    stand = twin.stand
    account, sender = stand.ids[number], stand.senders[who]
    taker = 0 if buyer < 0 else stand.ids[buyer]
    return (
        lambda: twin.model.deleverage(account, taker, int(sender, 16)),
        sent(stand.auction.deleverage, (account, taker), sender),
    )


def sync(twin: Twin, number: int) -> Both:
    """An auction's clock and note are brought to now."""
    account = twin.stand.ids[number]
    return (
        lambda: twin.model.sync(account),
        sent(twin.stand.auction.sync, (account,), twin.stand.keepers[0]),
    )


def opt(twin: Twin, number: int, on: int, who: int) -> Both:
    """Pre-liquidation is allowed, or not any more."""
    account, sender = twin.stand.ids[number], twin.stand.senders[who]
    return (
        lambda: twin.model.set_pre_liquidation(account, bool(on), int(sender, 16)),
        sent(twin.stand.auction.set_pre_liquidation, (account, bool(on)), sender),
    )


def pre(
    twin: Twin, number: int, taker: int, who: int, fraction: int, limit: int, late: int
) -> Both:
    """A pre-liquidation."""
    stand = twin.stand
    account, bidder, sender = stand.ids[number], stand.ids[taker], stand.senders[who]
    deadline = twin.house.now - 1 if late else FOREVER
    return (
        lambda: twin.model.pre_liquidate(
            account, bidder, int(sender, 16), fraction, limit, deadline
        ),
        sent(stand.auction.pre_liquidate, (account, bidder, fraction, limit, deadline), sender),
    )


def commit(twin: Twin, number: int, who: int, *fields: int) -> Both:
    """An intent: capacity, largest, premium, expiry, collateral, markets."""
    account, sender = twin.stand.ids[number], twin.stand.senders[who]
    capacity, largest, premium, expiry, collateral, markets = fields
    intent = Intent(capacity, largest, premium, expiry, bool(collateral), markets)
    return (
        lambda: twin.model.commit_intent(account, intent, int(sender, 16)),
        sent(twin.stand.auction.commit_intent, (account, astuple(intent)), sender),
    )


def revoke(twin: Twin, number: int, who: int) -> Both:
    """An intent is taken back."""
    account, sender = twin.stand.ids[number], twin.stand.senders[who]
    return (
        lambda: twin.model.revoke_intent(account, int(sender, 16)),
        sent(twin.stand.auction.revoke_intent, (account,), sender),
    )


def unlock(twin: Twin, number: int) -> Both:
    """An expired intent is struck out."""
    account = twin.stand.ids[number]
    return (
        lambda: twin.model.release_intent(account),
        sent(twin.stand.auction.release_intent, (account,), twin.stand.keepers[0]),
    )


def fill(twin: Twin, number: int, taker: int, who: int, late: int) -> Both:
    """An intent is filled."""
    stand = twin.stand
    account, intent, sender = stand.ids[number], stand.ids[taker], stand.senders[who]
    deadline = twin.house.now - 1 if late else FOREVER
    return (
        lambda: twin.model.fill_intent(account, intent, int(sender, 16), deadline),
        sent(stand.auction.fill_intent, (account, intent, deadline), sender),
    )


# -- views


def look(twin: Twin, number: int) -> Both:
    """Everything that can be asked about an account; its auction id is remembered."""
    account, stand, model = twin.stand.ids[number], twin.stand, twin.model

    def mine() -> Any:
        house = model.house.accrued()
        return (
            tuple(house.standing(account)),
            tuple(house.margin(account)),
            exposure_words(house.exposures(account)),
            [model.drawable(market) for market in (0, LOANS)],
            model.auction_of(account),
            model.pre_quote(account),
            _fields(model.intents.get(account)),
        )

    def theirs() -> Any:
        return (
            tuple(stand.engine.standing(account)),
            tuple(stand.engine.margin(account)),
            list(stand.engine.exposures(account)),
            [stand.fund.drawable(market) for market in (0, LOANS)],
            _told(stand.auction.auction(account)),
            tuple(stand.auction.pre_quote(account)),
            tuple(stand.auction.intent(account)),
        )

    twin.seen[account] = twin.auction_id(account)
    return mine, theirs


def _told(run: Any) -> tuple[Any, ...]:
    """An auction as the view tells it, its starter's address as an integer."""
    return tuple(int(one, 16) if isinstance(one, str) else one for one in run)


def _fields(intent: Intent | None) -> tuple[Any, ...]:
    """An intent as the view tells it; all zero for none."""
    return astuple(intent) if intent else (0, 0, 0, 0, False, 0)


def cost(twin: Twin, number: int) -> Both:
    """What a bid would cost."""
    account, stand = twin.stand.ids[number], twin.stand
    return (
        lambda: tuple(twin.model.cost(account)),
        lambda: tuple(stand.auction.cost(account))[1:],
    )


def leg_quote(twin: Twin, number: int, market: int) -> Both:
    """What a bid for a leg would come to."""
    account, stand = twin.stand.ids[number], twin.stand

    def mine() -> Any:
        quote, priority, stopped = twin.model.leg_quote(account, market)
        return (*astuple(quote), priority, stopped)

    return mine, lambda: tuple(stand.auction.leg_quote(account, market))[1:]


CALLS: dict[str, Callable[..., Both]] = {
    function.__name__: function
    for function in (
        *(quote, wait, curve, caps, pause, status, wind_down, flow, refresh),
        *(deposit, withdraw, coin_in, coin_out, mode, settle, realise, release, recover, fees),
        *(residual, net, residual_of),
        *(insure, sponsor, budget, ask, redeem, fund_sync),
        *(start, bid, flash, leg, end, deleverage, sync, opt, pre),
        *(commit, revoke, unlock, fill, look, cost, leg_quote),
    )
}
