# pragma version 0.4.3
"""
@title MockVaultEngine
@license AGPL-3.0-only
@notice The margin engine as the collateral vault and the insurance fund see it: passes calls on,
        keeps a fund bucket, a keeper bucket and a pending deficit that tests may set. For tests.
"""

from contracts.interfaces import ICollateralVault
from contracts.interfaces import IRiskModel

UNPRICED: constant(uint256) = 404  # the one feed that never had a price
TOKEN: constant(uint256) = 10**9  # quote units of a quote token unit

vault: public(address)
fund_balance: public(uint256)  # qu
keeper_budget: public(uint256)  # qu
pending_deficit: public(uint256)  # qu
refuse_lowering: public(bool)
last_account: public(uint256)
last_caller: public(address)
last_count: public(uint256)
last_lowered: public(bool)
seen: public(DynArray[uint256, 16])  # the vault's holdings while it called

NOT_OWNER: constant(uint256) = 818771057  # NotOwner()
NO_PRICE: constant(uint256) = 3242823773  # NoPrice()


@external
@view
def core() -> uint256:
    """
    @notice Names this contract as the risk model.
    """
    return convert(self, uint256)


@external
@view
def assess(legs: DynArray[int256, 72], holdings: DynArray[uint256, 16]) -> IRiskModel.Assessment:
    """
    @notice As the risk model as far as the vault sees it: NoPrice for the feed that has none.
    """
    for word: uint256 in holdings:
        if (word >> 128) & 65535 == UNPRICED:
            raw_revert(slice(convert(NO_PRICE << 224, bytes32), 0, 4))
    return empty(IRiskModel.Assessment)


@external
def set_vault(vault: address):
    """
    @notice Names the vault.
    """
    self.vault = vault


@external
def set_refuse(refuse: bool):
    """
    @notice Makes every lowering change fail, as an unhealthy account's does.
    """
    self.refuse_lowering = refuse


@external
def collateral_changed(account: uint256, caller: address, count: uint256, lowered: bool):
    """
    @notice As the engine: only the owner may lower.
    """
    assert msg.sender == self.vault  # dev: not the vault
    if lowered and caller != convert(account >> 96, address):
        raw_revert(slice(convert(NOT_OWNER << 224, bytes32), 0, 4))
    assert not (lowered and self.refuse_lowering)  # dev: underwater
    self.last_account = account
    self.last_caller = caller
    self.last_count = count
    self.last_lowered = lowered
    self.seen = staticcall ICollateralVault(self.vault).holdings(account)


@external
def pull(payer: address, amount: uint256):
    """
    @notice Passes on to the vault.
    """
    extcall ICollateralVault(self.vault).pull_quote(payer, amount)


@external
def push(receiver: address, amount: uint256, limited: bool):
    """
    @notice Passes on to the vault.
    """
    extcall ICollateralVault(self.vault).push_quote(receiver, amount, limited)


@external
def move_share(sender: uint256, receiver: uint256, fraction: uint256) -> (uint256, uint256):
    """
    @notice Passes on to the vault.
    """
    return extcall ICollateralVault(self.vault).move_share(sender, receiver, fraction)


@external
def move_between(
    sender: uint256, receiver: uint256, asset: address, amount: uint256
) -> (uint256, uint256):
    """
    @notice Passes on to the vault.
    """
    return extcall ICollateralVault(self.vault).move_between(sender, receiver, asset, amount)


@external
def fund_deposit(payer: address, amount: uint256):
    """
    @notice Token units from the payer into the fund bucket.
    """
    extcall ICollateralVault(self.vault).pull_quote(payer, amount)
    self.fund_balance += amount * TOKEN


@external
def fund_withdraw(receiver: address, amount: uint256):
    """
    @notice Token units from the fund bucket to the receiver.
    """
    self.fund_balance -= amount * TOKEN
    extcall ICollateralVault(self.vault).push_quote(receiver, amount, False)


@external
def budget_move(amount: uint256):
    """
    @notice Quote units from the fund bucket to the keeper bucket.
    """
    self.fund_balance -= amount
    self.keeper_budget += amount


@external
def add_income(amount: uint256):
    """
    @notice Fees or penalties into the fund bucket, quote units.
    """
    self.fund_balance += amount


@external
def pay_out(amount: uint256):
    """
    @notice What the engine does after a draw: quote units leave the bucket.
    """
    self.fund_balance -= amount


@external
def spend_budget(amount: uint256):
    """
    @notice Keepers were paid, quote units.
    """
    self.keeper_budget -= amount


@external
def set_pending_deficit(amount: uint256):
    """
    @notice Sets the open deficit, quote units.
    """
    self.pending_deficit = amount


@external
def draw(fund: address, parts: DynArray[uint256, 73], amount: uint256) -> uint256:
    """
    @notice Calls the fund's draw, for a test in which this contract plays the auction.
    """
    granted: uint256 = extcall Fund(fund).draw(parts, amount)
    return granted


interface Fund:
    def draw(parts: DynArray[uint256, 73], amount_qu: uint256) -> uint256: nonpayable
