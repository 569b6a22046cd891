"""Each step's money: before, change and after by purse, in sum, and what the fund divided."""

from __future__ import annotations

from collections.abc import Iterator

from plimsoll.demo.checks import MARKETS, Sample
from plimsoll.demo.crash import Happening, Story
from plimsoll.demo.prices import FEEDS
from plimsoll.demo.story_terms import PAYERS, STEPS, cents, money, steps_of, usd
from plimsoll.report.model import Cell, Column, Kind, Table

HOLDERS = ("The account", "Its taker", "Opposite side", "Everybody else")
HOUSE = ("Insurance fund", "Keeper budget", "Fees", "Residual lots")
TOKENS = "Tokens held"
OUTSIDE = {"desk": "the desk, dollars", "keeper": "the bidder's owner, dollars"}
ROUNDING = 10**13  # quote units (a cent): interest not booked yet, and floors, between two blocks
LOANS = 256  # the fund's key for what no market caused


def sides(one: Happening, story: Story) -> tuple[list[int], ...]:
    """Accounts by their part in a step, in the order of `HOLDERS`."""
    before, taker = one.before, one.fields.get("bidder")
    found: tuple[list[int], ...] = ([], [], [], [])
    for actor in story.cast:
        account = actor.account
        against = any(before.lots[one.account, m] * before.lots[account, m] < 0 for m in MARKETS)
        part = 0 if account == one.account else 1 if account == taker else 2 if against else 3
        found[part].append(account)
    return found


def purses(sample: Sample, parts: tuple[list[int], ...]) -> list[int]:
    """Quote units by purse: `HOLDERS`, `HOUSE`, then the tokens held as a negative number."""
    held = [sum(sample.quote_part[account] for account in accounts) for accounts in parts]
    sheet = sample.sheet
    return [*held, sheet.fund, sheet.keeper, sheet.fees + sheet.pot, sample.leftover, -sheet.vault]


def changes(one: Happening, story: Story) -> list[int]:
    """What a step moved, by purse."""
    parts = sides(one, story)
    pairs = zip(purses(one.before, parts), purses(one.after, parts), strict=True)
    return [after - before for before, after in pairs]


def conserves(one: Happening, story: Story) -> bool:
    """Whether what some gained others lost: no gap, no hole, and a rest that is rounding."""
    exact = not any(s.sheet.gap or s.sheet.hole for s in (one.before, one.after))
    return exact and abs(sum(changes(one, story))) < ROUNDING


def telling(story: Story) -> list[tuple[list[str], Happening]]:
    """For each step walked the happening that moved most by it; steps that share one together."""
    found: list[tuple[list[str], Happening]] = []
    for step in STEPS:
        many = list(of_step(story, step))
        if not many:
            continue
        # Money alone tells a case whole: with ether and a loan the half of it would be missing.
        clear = [one for one in many if not one.before.weth[one.account]] or many
        if step == "flash slice":  # one that its bidder paid for
            clear = [one for one in clear if not one.fields["from_fund"]] or clear
        best = max(clear, key=lambda one: one.fields.get(PAYERS.get(step, ""), _moved(one, story)))
        for names, one in found:
            if one is best:
                names.append(step)
                break
        else:
            found.append(([step], best))
    return found


def of_step(story: Story, step: str) -> Iterator[Happening]:
    """The happenings that walked a step."""
    return (one for one in story.happenings if step in steps_of(one))


def _moved(one: Happening, story: Story) -> int:
    return sum(map(abs, changes(one, story)))


def examples(story: Story) -> Table:
    """One case of each step, purse by purse."""
    rows: list[tuple[Cell, ...]] = []
    for names, one in telling(story):
        parts = sides(one, story)
        pairs = zip(purses(one.before, parts), purses(one.after, parts), strict=True)
        label = f"{', '.join(names)}: {story.checker.names[one.account]}, {money(one)}"
        lines = zip((*HOLDERS, *HOUSE, f"Less: {TOKENS.lower()}"), pairs, strict=True)
        for purse, (before, after) in lines:
            if cents(before) == cents(after):
                continue
            rows.append((label, purse, *map(usd, (before, after - before, after)), None))
            label = ""
        if one.kind == "flash slice":  # tokens that came in left a pocket: not among the claims
            rows += [_pocket(one, name) for name in OUTSIDE]
        total = sum(changes(one, story))
        rows.append((label, "Sum of changes", None, usd(total), None, conserves(one, story)))
    return Table(
        "Each step's money, in one case",
        (
            Column("Step and case"),
            Column("Purse"),
            Column("Before", Kind.NUMBER, "USD", 2),
            Column("Change", Kind.NUMBER, "USD", 2),
            Column("After", Kind.NUMBER, "USD", 2),
            Column("Conserved", Kind.CHECK),
        ),
        tuple(rows),
        "The case that moved most; steps of one transaction together. Cash and P&L at mark, ether "
        "left out: who takes an account with a debt and ether takes on the debt here. Every purse "
        "is read from the chain in the blocks before and after; purses that stayed as they were "
        "are left out. The tokens held are what all others claim, so that changes add up to zero; "
        "what is outside is not in the sum.",
    )


def _pocket(one: Happening, name: str) -> tuple[Cell, ...]:
    """The dollars of somebody outside, before and after."""
    before, after = one.before.pockets[name], one.after.pockets[name]
    return "", f"Outside: {OUTSIDE[name]}", *map(usd, (before, after - before, after)), None


def sums(story: Story) -> Table:
    """All cases of each kind together: who paid, who received."""
    rows: list[tuple[Cell, ...]] = []
    kinds = [step for step in STEPS if step not in (*PAYERS, "divided by market")]
    blocks: set[int] = set()  # two of one block are told once
    for kind, ether in [(kind, ether) for kind in kinds for ether in (False, True)]:
        steps = of_step(story, kind)
        found = [one for one in steps if bool(one.before.weth[one.account]) is ether]
        many = [one for one in found if one.block not in blocks]
        blocks |= {one.block for one in many}
        if not many:
            continue
        moved = [sum(line) for line in zip(*(changes(one, story) for one in many), strict=True)]
        cells = (*moved[:5], sum(moved[5:8]), -moved[8])
        held = all(conserves(one, story) for one in many)
        label = f"{kind}, with ether" if ether else kind
        rows.append((label, len(many), held, *map(cents, cells)))
    names = ("Account", "Taker", "Other side", "Others", "Fund", "Pay, fees", "Tokens")
    return Table(
        "Each step's money, in all",
        (
            Column("Step"),
            Column("Times", Kind.INTEGER),
            Column("Conserved", Kind.CHECK),
            *(Column(name, Kind.NUMBER, "USD", 2) for name in names),
        ),
        tuple(rows),
        "Changes over the blocks of each kind of step, summed. What an account loses to its taker "
        "is the premium, out of it comes the fee; of accounts with ether only the debt shows that "
        "goes with it. Conserved: the changes of all claims are that of the tokens held, to less "
        "than a cent at each step.",
    )


def division(story: Story) -> Table:
    """What the fund was asked for by market, where several were or one could not give all."""
    rows: list[tuple[Cell, ...]] = []
    for one in story.happenings:
        draws = one.fields.get("draws", ())
        if len(draws) < 2 and all(asked == granted for _, asked, granted in draws):
            continue
        rows += [
            (one.time, story.checker.names[one.account], one.kind, _name(market), usd(a), usd(g))
            for market, a, g in draws
        ]
    return Table(
        "Deficits divided by market",
        (
            Column("Time", Kind.TIME),
            Column("Account"),
            Column("Step"),
            Column("Market"),
            Column("Asked of it", Kind.NUMBER, "USD", 2),
            Column("Granted", Kind.NUMBER, "USD", 2),
        ),
        tuple(rows),
        "What a deficit asks of the fund is divided by what the account was exposed to, and each "
        "market has a cap of its own for the window: one cannot drain what stands behind the "
        "others. Where less is granted than asked, a cap binds: charge and socialisation bear the "
        "rest. Deficits of a single market that were paid whole are only in the sums.",
    )


def by_market(story: Story) -> Table:
    """What the fund paid, by the market it was for."""
    found: dict[int, list[tuple[int, int]]] = {}
    for one in story.happenings:
        for market, asked, granted in one.fields.get("draws", ()):
            found.setdefault(market, []).append((asked, granted))
    rows = tuple(
        (_name(market), len(many), usd(sum(a for a, _ in many)), usd(sum(g for _, g in many)))
        for market, many in sorted(found.items())
    )
    return Table(
        "What the insurance fund paid, by market",
        (
            Column("Market"),
            Column("Times", Kind.INTEGER),
            Column("Asked of it", Kind.NUMBER, "USD", 2),
            Column("Granted", Kind.NUMBER, "USD", 2),
        ),
        rows,
    )


def _name(market: int) -> str:
    return "loans" if market == LOANS else f"{FEEDS[market]}-PERP"
