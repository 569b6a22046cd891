# pragma version 0.4.3
"""
@title MockLiquidationEngine
@license AGPL-3.0-only
@notice Stands for the margin engine and the insurance fund in tests of the auction: standings are set, a
        slice is sold by the arithmetic of the ledger's algebra, calls are recorded.
"""

from contracts.interfaces import IMarginEngine
from contracts.modules import errors

ONE: constant(uint256) = 10**18

standings: HashMap[uint256, IMarginEngine.Standing]
frozen: public(HashMap[uint256, bool])
held: public(HashMap[uint256, uint256])
versions: public(HashMap[uint256, uint256])
operators: public(HashMap[uint256, HashMap[address, bool]])
deficits: public(HashMap[uint256, uint256])
notes: public(uint256)  # calls of note_deficit
observed: public(uint256)  # calls of observe
seen: public(uint256)  # the deficit of `watched` at the last
watched: public(uint256)
paid: public(HashMap[uint256, uint256])
refuses: public(HashMap[uint256, bool])  # bidders that fail their check
budget: public(uint256)
fund: public(uint256)
grant_cap: public(uint256)
drawn: public(uint256)
drawn_parts: DynArray[uint256, 73]  # of the last draw
parts: DynArray[uint256, 73]  # what every account is exposed to
core: public(uint256)  # pause level in bits 160-167
lot_loss: public(uint256)  # qu more debt moved by insolvent slices
terms: IMarginEngine.SliceTerms
bidder: public(uint256)
last_resort: IMarginEngine.DeleverageTerms
buyer: public(uint256)
bare: public(bool)  # any slice takes all lots


@deploy
def __init__():
    """
    @notice A full fund and budget.
    """
    self.budget = 2**100
    self.fund = 2**100
    self.grant_cap = 2**100


@external
def set_standing(account: uint256, standing: IMarginEngine.Standing):
    """
    @notice What the account stands at from now on.
    """
    self.standings[account] = standing
    self.versions[account] += 1


@external
def set_prices(account: uint256, standing: IMarginEngine.Standing):
    """
    @notice The same by prices alone: the version stays.
    """
    self.standings[account] = standing


@external
def set_operator(account: uint256, operator: address, allowed: bool):
    """
    @notice Lets `operator` trade for `account`.
    """
    self.operators[account][operator] = allowed


@external
def set_money(budget: uint256, fund: uint256, grant_cap: uint256, lot_loss: uint256):
    """
    @notice Keeper budget, fund, the most one draw grants, and debt moved beyond the slice's share; qu.
    """
    self.budget = budget
    self.fund = fund
    self.grant_cap = grant_cap
    self.lot_loss = lot_loss


@external
def set_pause(level: uint256):
    """
    @notice Sets the house's pause level.
    """
    self.core = level << 160


@external
def set_refused(account: uint256, refused: bool):
    """
    @notice Makes a bidder fail its check.
    """
    self.refuses[account] = refused


@external
def set_bare(on: bool):
    """
    @notice Lets any slice take all lots of all legs.
    """
    self.bare = on


@external
@view
def last_terms() -> IMarginEngine.SliceTerms:
    """
    @notice Terms of the last slice.
    """
    return self.terms


@external
@view
def last_deleverage() -> IMarginEngine.DeleverageTerms:
    """
    @notice Terms of the last deleveraging.
    """
    return self.last_resort


@external
@view
def may_trade(account: uint256, signer: address) -> bool:
    """
    @notice Owner or operator.
    """
    return convert(account >> 96, address) == signer or self.operators[account][signer]


@external
@view
def standing(account: uint256) -> IMarginEngine.Standing:
    """
    @notice As set, less what slices took.
    """
    return self.standings[account]


@external
@view
def account_version(account: uint256) -> uint256:
    """
    @notice Moves with set_standing, slices and freezes.
    """
    return self.versions[account]


@external
@view
def keeper_budget() -> uint256:
    """
    @notice qu.
    """
    return self.budget


@external
@view
def margin(account: uint256) -> IMarginEngine.Margin:
    """
    @notice As the standing, R_init twice R.
    """
    s: IMarginEngine.Standing = self.standings[account]
    return IMarginEngine.Margin(
        equity=s.equity,
        requirement=s.linear + s.superlinear,
        initial_equity=s.equity,
        initial_requirement=2 * (s.linear + s.superlinear),
    )


@external
@view
def head(account: uint256) -> int256:
    """
    @notice The freeze in bit 226, nothing else.
    """
    return convert(self.frozen[account], int256) << 226


@external
def set_frozen(account: uint256, now: bool):
    """
    @notice Freezes or thaws by hand.
    """
    self.frozen[account] = now


@external
def set_held(account: uint256, markets: uint256):
    """
    @notice The markets an account holds.
    """
    self.held[account] = markets


@external
def freeze(account: uint256) -> IMarginEngine.Standing:
    """
    @notice Freezes.
    """
    errors._require(not self.frozen[account], errors.FROZEN)
    self.frozen[account] = True
    self.versions[account] += 1
    return self.standings[account]


@external
def claim_flow(account: uint256, equity: int256, requirement: uint256):
    """
    @notice Nothing: claims are the engine's.
    """
    pass


@external
@view
def flow_wait(account: uint256, fraction: uint256) -> uint256:
    """
    @notice A minute.
    """
    return 60


@external
def thaw(account: uint256):
    """
    @notice Thaws and clears the deficit.
    """
    self._thaw(account)


@internal
def _thaw(account: uint256):
    """
    @notice See thaw.
    """
    errors._require(self.frozen[account], errors.NOT_FROZEN)
    self.frozen[account] = False
    self.deficits[account] = 0
    self.versions[account] += 1


@external
def watch(account: uint256):
    """
    @notice Whose deficit `observe` looks at.
    """
    self.watched = account


@external
def observe():
    """
    @notice The fund looks.
    """
    self.observed += 1
    self.seen = self.deficits[self.watched]


@external
def note_deficit(account: uint256, deficit: uint256):
    """
    @notice Records.
    """
    self.deficits[account] = deficit
    self.notes += 1


@internal
def _pay(pay: IMarginEngine.KeeperPay, ceiling: uint256) -> (uint256, uint256):
    """
    @notice Pays from the budget, the executor first.
    """
    most: uint256 = min(ceiling, self.budget)
    executed: uint256 = min(pay.executor_due, most)
    started: uint256 = min(pay.starter_due, most - executed)
    self.budget -= executed + started
    self.paid[pay.executor] += executed
    self.paid[pay.starter] += started
    return executed, started


@external
def draw(parts: DynArray[uint256, 73], amount: uint256) -> uint256:
    """
    @notice The fund's grant.
    """
    granted: uint256 = min(amount, min(self.fund, self.grant_cap))
    self.drawn += granted
    self.drawn_parts = parts
    return granted


@external
@view
def last_parts() -> DynArray[uint256, 73]:
    """
    @notice The exposures of the last draw.
    """
    return self.drawn_parts


@external
def set_exposures(parts: DynArray[uint256, 73]):
    """
    @notice What every account is exposed to from now on.
    """
    self.parts = parts


@external
@view
def exposures(account: uint256) -> DynArray[uint256, 73]:
    """
    @notice As set.
    """
    return self.parts


@external
def recover():
    """
    @notice As the engine where no loss waits for income: nothing.
    """
    pass


@external
def sell_slice(
    account: uint256, bidder: uint256, terms: IMarginEngine.SliceTerms
) -> IMarginEngine.SliceResult:
    """
    @notice Moves a slice of the standing.
    """
    errors._require(self.frozen[bidder] == terms.locked, errors.FROZEN)
    errors._require(not self.refuses[bidder], errors.UNDERWATER)
    s: IMarginEngine.Standing = self.standings[account]
    result: IMarginEngine.SliceResult = empty(IMarginEngine.SliceResult)
    scaled: int256 = s.equity * convert(terms.fraction, int256)
    result.moved = scaled // convert(ONE, int256)
    if scaled < 0:
        result.moved = (
            -((-scaled + convert(ONE, int256) - 1) // convert(ONE, int256))
            - convert(self.lot_loss, int256)
        )
    if terms.insolvent:
        result.from_fund = convert(-result.moved, uint256) + terms.bonus
        errors._require(result.from_fund <= min(terms.fund_limit, self.fund), errors.FUND_EMPTY)
        self.fund -= result.from_fund
    elif not terms.free:
        result.paid = (
            convert(max(0, result.moved - convert(terms.discount, int256)), uint256) + 3
        )
        result.fee = min(terms.fee, result.paid)
        self.budget += result.fee * terms.keeper_share // 10_000
    ceiling: uint256 = max_value(uint256)
    if not (terms.insolvent or terms.free):
        ceiling = result.fee * terms.keeper_share // 10_000
    result.executed, result.started = self._pay(terms.pay, ceiling)
    s.equity += convert(result.paid, int256) - convert(result.fee, int256) - result.moved
    left: uint256 = ONE - terms.fraction
    s.linear = (s.linear * left + ONE - 1) // ONE
    s.superlinear = (s.superlinear * left // 10**9 * isqrt(left * ONE) + ONE * 10**9 - 1) // (
        ONE * 10**9
    )
    s.stale_requirement = s.stale_requirement * left // ONE
    s.stale_value = s.stale_value * left // ONE
    s.collateral = s.collateral * left // ONE
    s.smallest = s.smallest * left // ONE
    if left == 0 or self.bare:
        s.perps = 0
    if self.bare:
        s.linear = 0
        s.superlinear = 0
        s.smallest = 0
    self.standings[account] = s
    self.versions[account] += 1
    self.terms = terms
    self.bidder = bidder
    if terms.thaw:
        self._thaw(account)
    return result


@external
def deleverage(
    account: uint256, buyer: uint256, terms: IMarginEngine.DeleverageTerms
) -> IMarginEngine.DeleverageResult:
    """
    @notice Closes everything; the fund pays what it may.
    """
    s: IMarginEngine.Standing = self.standings[account]
    errors._require(buyer != 0 or s.collateral == 0, errors.COLLATERAL_LEFT)
    result: IMarginEngine.DeleverageResult = empty(IMarginEngine.DeleverageResult)
    if s.equity < 0:
        result.deficit = convert(-s.equity, uint256)
        result.from_fund = min(result.deficit, terms.fund_limit)
        result.charged = result.deficit - result.from_fund
    self.standings[account] = IMarginEngine.Standing(
        equity=max(0, s.equity),
        linear=0,
        superlinear=0,
        stale_requirement=0,
        stale_value=0,
        collateral=0,
        perps=0,
        smallest=0,
        state=0,
        room=s.room,
        pace=s.pace,
    )
    self.versions[account] += 1
    self.last_resort = terms
    self.buyer = buyer
    self.deficits[account] = 0
    result.executed, result.started = self._pay(terms.pay, max_value(uint256))
    log IMarginEngine.Deleveraged(
        account=account,
        deficit=result.deficit,
        from_fund=result.from_fund,
        charged=result.charged,
        socialised=result.socialised,
    )
    return result
